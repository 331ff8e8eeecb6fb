//! Limits the memory of large responses, which stay in memory until their clients have taken them.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::RETRY_AFTER;

use super::client_quota::{ClientQuota, QuotaLimits, QuotaPermit};
use super::message::{ProblemDetails, Response};

/// Shorter bodies are not limited, in bytes: the buffers of a connection have about as many.
const LARGE_BYTES_MIN: usize = 64 * 1024;
/// Most bytes of large bodies; a further response is refused.
const BYTES_MAX: usize = 24 * 1024 * 1024;
/// Most bytes for one address. Loopback and the control socket together have the difference, so others still get responses.
const BYTES_PER_CLIENT_MAX: usize = 8 * 1024 * 1024;
/// When a client that was refused may try again, in seconds.
const RETRY_SECONDS: u64 = 5;

/// The large responses that clients are taking.
#[derive(Debug)]
pub struct LargeResponses(ClientQuota);

impl Default for LargeResponses {
    fn default() -> Self {
        let local = BYTES_MAX - BYTES_PER_CLIENT_MAX;
        Self(ClientQuota::new(QuotaLimits { all: BYTES_MAX, client: BYTES_PER_CLIENT_MAX, local }))
    }
}

/// A body that counts as long as it is in memory.
struct CountedBody {
    body: UnsyncBoxBody<Bytes, Infallible>,
    _permit: QuotaPermit,
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl LargeResponses {
    /// The response, if there is room for its body; else it is dropped.
    ///
    /// # Errors
    /// 503 while clients take too many large responses.
    pub(super) fn admit(
        &self,
        client: Option<IpAddr>,
        response: Response,
    ) -> Result<Response, ProblemDetails> {
        // A stream of events has no size.
        let bytes = response.body().size_hint().exact().and_then(|it| usize::try_from(it).ok());
        let Some(bytes) = bytes.filter(|it| LARGE_BYTES_MIN <= *it) else { return Ok(response) };
        match self.0.acquire(client, bytes) {
            Ok(permit) => Ok(response.map(|body| CountedBody { body, _permit: permit }.boxed_unsync())),
            Err(exceeded) => {
                let detail = format!(
                    "too many large responses are being sent: {exceeded} bytes; read them faster, or try again in {RETRY_SECONDS} s"
                );
                let problem = ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail);
                Err(problem.with(RETRY_AFTER, RETRY_SECONDS))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::plain;

    #[tokio::test]
    async fn slow_clients_hold_a_limited_number_of_bytes() {
        let responses = LargeResponses::default();
        let client = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        let response = |bytes: usize| plain(StatusCode::OK, vec![b'x'; bytes]);
        let admit = |client, bytes| responses.admit(client, response(bytes));
        let held: Vec<_> = std::iter::from_fn(|| admit(client(1), 1024 * 1024).ok()).take(100).collect();
        assert_eq!(held.len() * 1024 * 1024, BYTES_PER_CLIENT_MAX);
        let refused = admit(client(1), LARGE_BYTES_MIN).unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            refused.detail.contains("the maximum for each address is 8388608 bytes"),
            "{}",
            refused.detail
        );
        assert!(admit(client(1), LARGE_BYTES_MIN - 1).is_ok(), "short responses have room");
        let others: Vec<_> = (2..=3).map(|it| admit(client(it), BYTES_PER_CLIENT_MAX).unwrap()).collect();
        assert!(admit(client(4), LARGE_BYTES_MIN).is_err() && admit(None, LARGE_BYTES_MIN).is_err());
        for response in held.into_iter().chain(others) {
            response.into_body().collect().await.unwrap();
        }
        assert!(admit(client(1), BYTES_PER_CLIENT_MAX).is_ok(), "who has taken a response has room again");
    }
}
