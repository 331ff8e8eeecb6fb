//! Requests and responses.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH};
use hyper::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::query_arguments::QueryArguments;
use crate::request_cpu;

pub(super) use super::problem_details::{PROBLEM_JSON, ProblemDetails};

/// Longest head of a request, in bytes, its first line included; a longer one is answered with 431.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Most headers of a request over HTTP/1, as hyper parses them; more are answered with 431.
pub(super) const HEADERS_MAX: usize = 100;

/// Longest body of a request, in bytes; a longer one is answered with 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of a body that are thrown away after its request was answered, …
const DISCARDED_BYTES_MAX: usize = 16 * BODY_BYTES_MAX;
/// … and the longest time for it.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Longest error of the JSON parser that is shown.
const ERROR_CHARS_MAX: usize = 200;

/// A response: its body is in memory, or a stream of events.
pub(super) type Response = hyper::Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A request that was read whole.
#[derive(Debug)]
pub(super) struct Request {
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its query.
    pub(super) query: QueryArguments,
    /// The segments of the path that stand for `{…}` in the pattern, decoded, in order.
    pub(super) path_arguments: Vec<String>,
    /// Its body, at most [`BODY_BYTES_MAX`]; empty for GET and HEAD.
    pub(super) body: Bytes,
    /// Whether its client may send commands.
    pub(super) is_admin: bool,
}

impl Request {
    /// The body as JSON; `example` shows its form to a client that got it wrong.
    pub(super) fn json<T: DeserializeOwned>(&self, example: &str) -> Result<T, ProblemDetails> {
        serde_json::from_slice(self.text()).map_err(|error| malformed(&error.to_string(), example))
    }

    /// The body as a JSON object with these fields; `example` shows its form to a client that got it wrong.
    pub(super) fn object<T: DeserializeOwned>(&self, example: &str) -> Result<T, ProblemDetails> {
        // serde would take a list for the fields in their order.
        match self.text().trim_ascii_start().first() {
            Some(b'[') => Err(malformed("it is a list, not an object", example)),
            _ => self.json(example),
        }
    }

    /// The body without a byte order mark, which nobody sees in a file and RFC 8259 lets a reader ignore.
    fn text(&self) -> &[u8] {
        self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body)
    }
}

fn malformed(error: &str, example: &str) -> ProblemDetails {
    // The error names an unknown field as it came.
    let error: String = error.chars().take(ERROR_CHARS_MAX).collect();
    let detail = format!("the body is malformed: {error}; expected JSON such as {example}");
    ProblemDetails::new(StatusCode::BAD_REQUEST, detail)
}

/// Reads a body, at most [`BODY_BYTES_MAX`].
pub(super) async fn read<B>(body: B) -> Result<Bytes, ProblemDetails>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    read_up_to(body, BODY_BYTES_MAX).await
}

/// Reads a body, at most `bytes_max`.
pub(super) async fn read_up_to<B>(body: B, bytes_max: usize) -> Result<Bytes, ProblemDetails>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let too_long = || {
        let detail = format!("the body is longer than {bytes_max} bytes; send a shorter one");
        Err(ProblemDetails::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
    };
    // By Content-Length: it need not arrive first.
    if body.size_hint().lower() > bytes_max as u64 {
        return too_long();
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => too_long(),
        Err(error) => {
            let detail = format!("the body cannot be read: {}; send it whole", innermost(&*error));
            Err(ProblemDetails::new(StatusCode::BAD_REQUEST, detail))
        }
    }
}

/// Throws away the rest of a body. Over HTTP/2, a body that is dropped resets its stream, and clients such as curl 7.88 then
/// lose the response that they have.
pub(super) async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let all = async {
        let mut left = DISCARDED_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(bytes) else { return };
            left = rest;
        }
    };
    let _ = timeout(DISCARD_TIME, all).await;
}

/// The error that led to the others, which says what is wrong with the body.
fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    std::iter::successors(Some(error), |it| it.source()).last().unwrap_or(error)
}

impl From<ProblemDetails> for Response {
    fn from(problem: ProblemDetails) -> Self {
        let title = problem.status.canonical_reason();
        let status = problem.status.as_u16();
        let body = serde_json::json!({"title": title, "status": status, "detail": problem.detail});
        let mut response = whole(problem.status, PROBLEM_JSON, body.to_string());
        response.headers_mut().extend(problem.headers);
        response
    }
}

/// A response of this media type.
pub(super) fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, content_type)
}

/// A response in plain text.
pub(super) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response {
    whole(status, "text/plain; charset=utf-8", text)
}

/// A response in JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, ProblemDetails> {
    Ok(whole(status, "application/json", to_json(value)?))
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ProblemDetails> {
    serde_json::to_vec(value).map_err(|error| {
        let detail = format!("the response cannot be written as JSON: {error}; this is a bug in hostnorm");
        ProblemDetails::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })
}

/// The entity tags that the client of a request has.
#[derive(Debug)]
pub(super) struct KnownTags(Vec<HeaderValue>);

impl KnownTags {
    /// The tags in the headers of a request for a resource; none for another method.
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Option<Self> {
        let tags = || Self(headers.get_all(IF_NONE_MATCH).iter().cloned().collect());
        (method == Method::GET).then(tags)
    }

    fn holds(&self, tag: &str) -> bool {
        let lists = self.0.iter().filter_map(|it| it.to_str().ok());
        let mut known = lists.flat_map(|it| it.split(',')).map(str::trim);
        known.any(|it| it.trim_start_matches("W/") == tag || it == "*")
    }
}

/// The response with an entity tag made from its body, which is in memory; without the body (304) for a client that has it.
pub(super) async fn tagged_response(known: &KnownTags, response: Response) -> Response {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let mut response = match known.holds(&tag) {
        true => not_modified(),
        false => Response::from_parts(head, Full::new(body).boxed_unsync()),
    };
    response.headers_mut().extend(HeaderValue::from_str(&tag).ok().map(|it| (ETAG, it)));
    response
}

/// A response with an entity tag; without a body (304) for a client that has it.
pub(super) async fn response_with_etag(
    request: &Request,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let known = KnownTags(request.headers.get_all(IF_NONE_MATCH).iter().cloned().collect());
    tagged_response(&known, whole(StatusCode::OK, content_type, body)).await
}

fn not_modified() -> Response {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

/// The response with one more header.
pub(super) fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().append(name, HeaderValue::from_static(value));
    response
}

/// Runs what takes long on one of [`BLOCKING_THREADS_MAX`](super::BLOCKING_THREADS_MAX) threads, so that other requests
/// are answered meanwhile.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ProblemDetails> {
    tokio::task::spawn_blocking(|| request_cpu::measure(work)).await.map_err(|error| {
        let detail = format!("the response cannot be made: {error}; this is a bug in hostnorm");
        ProblemDetails::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(body: Vec<u8>) -> Request {
        Request {
            headers: HeaderMap::new(),
            query: QueryArguments::default(),
            path_arguments: Vec::new(),
            body: body.into(),
            is_admin: false,
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Err(problem) = request(body).json::<Vec<bool>>("[true]") {
                prop_assert_eq!(problem.status, StatusCode::BAD_REQUEST);
                prop_assert!(problem.detail.ends_with("such as [true]"));
            }
        }

        #[test]
        fn the_error_of_a_long_body_is_short(length in 0..BODY_BYTES_MAX - 9) {
            #[derive(Debug, serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            struct EmptyBody {}
            let body = format!("{{\"{}\": 1}}", "k".repeat(length));
            let problem = request(body.into()).json::<EmptyBody>("{}").unwrap_err();
            let is_short = problem.detail.chars().count() < 300;
            let has_example = problem.detail.ends_with("expected JSON such as {}");
            prop_assert!(is_short && has_example);
        }

        #[test]
        fn bodies_are_read_up_to_the_limit(length in BODY_BYTES_MAX - 2..BODY_BYTES_MAX + 3) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(read(Full::new(Bytes::from(vec![0; length]))));
            match read {
                Ok(body) => prop_assert!(body.len() == length && length <= BODY_BYTES_MAX),
                Err(problem) => {
                    prop_assert_eq!(problem.status, StatusCode::PAYLOAD_TOO_LARGE);
                    prop_assert!(length > BODY_BYTES_MAX);
                }
            }
        }
    }
}
