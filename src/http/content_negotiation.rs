//! Content negotiation by `Accept` and `Accept-Encoding` (RFC 9110, §12.5).
//!
//! No header is an error: if none matches, the client gets text 0.0.4.

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

/// A form in which the page can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics text; the versions and escapings that hostnorm serves differ only in the name they are given
    /// back under, as all its names are of the old alphabet.
    OpenMetrics {
        /// What goes into `Content-Type`.
        content_type: &'static str,
    },
}

/// What goes into `Content-Type` for text 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Version and escaping asked for, and what goes into `Content-Type` then. Prometheus 3 names an escaping.
const OPENMETRICS: [(&str, &str, &str); 6] = [
    ("1.0.0", "", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    (
        "1.0.0",
        "allow-utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    ),
    (
        "1.0.0",
        "underscores",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
    ),
    ("1.0.0", "dots", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots"),
    ("1.0.0", "values", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values"),
    ("0.0.1", "", "application/openmetrics-text; version=0.0.1; charset=utf-8"),
];

impl MetricsFormat {
    /// The value of the header `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => TEXT,
            Self::OpenMetrics { content_type } => content_type,
        }
    }

    /// The format that the client likes best: the highest `q`, then the range that says most, then the first.
    pub fn preferred(headers: &HeaderMap) -> Self {
        let mut best: Option<(FormatPreference, Self)> = None;
        let mut text_refused = false;
        for range in ranges(headers, &ACCEPT) {
            let Some((says, format)) = offered(&range) else { continue };
            if range.q == 0 {
                text_refused |= format == Self::Text && says == MediaRangeSpecificity::Type;
                continue;
            }
            let preference = FormatPreference { q: range.q, says };
            if best.is_none_or(|(other, _)| other < preference) {
                best = Some((preference, format));
            }
        }
        match best {
            // "anything but text" leaves only this.
            Some((FormatPreference { says: MediaRangeSpecificity::Nothing, .. }, _)) if text_refused => {
                Self::openmetrics("", "")
            }
            Some((_, format)) => format,
            None => Self::Text,
        }
    }

    fn openmetrics(version: &str, escaping: &str) -> Self {
        let row = |version, escaping| OPENMETRICS.iter().find(|it| it.0 == version && it.1 == escaping);
        let known = row(version, escaping).or_else(|| row(version, ""));
        Self::OpenMetrics { content_type: known.unwrap_or(&OPENMETRICS[0]).2 }
    }
}

/// How much a client wants something; the later, the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FormatPreference {
    q: u16,
    says: MediaRangeSpecificity,
}

/// How much a media range says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MediaRangeSpecificity {
    /// `*/*`
    Nothing,
    /// `text/*`
    Half,
    /// `text/plain`
    Type,
}

/// What hostnorm has for a media range.
fn offered(range: &MediaRange<'_>) -> Option<(MediaRangeSpecificity, MetricsFormat)> {
    let is = |name: &str| range.name.eq_ignore_ascii_case(name);
    let param = |name: &str| range.params().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|it| it.1);
    if is("application/openmetrics-text") {
        let version = param("version").unwrap_or("1.0.0");
        let served = OPENMETRICS.iter().any(|it| it.0 == version);
        let escaping = param("escaping").unwrap_or_default();
        return served.then(|| (MediaRangeSpecificity::Type, MetricsFormat::openmetrics(version, escaping)));
    }
    if is("text/plain") {
        // 1.0.0 is 0.0.4 with UTF-8 allowed in names: who reads the newer reads the older.
        return Some((MediaRangeSpecificity::Type, MetricsFormat::Text));
    }
    if is("application/*") {
        return Some((MediaRangeSpecificity::Half, MetricsFormat::openmetrics("", "")));
    }
    if is("text/*") {
        return Some((MediaRangeSpecificity::Half, MetricsFormat::Text));
    }
    is("*/*").then_some((MediaRangeSpecificity::Nothing, MetricsFormat::Text))
}

/// Whether the client wants the body compressed.
pub(super) fn wants_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for range in ranges(headers, &ACCEPT_ENCODING) {
        let is = |name: &str| range.name.eq_ignore_ascii_case(name);
        if is("gzip") || is("x-gzip") {
            gzip = gzip.max(Some(range.q));
        } else if is("identity") {
            identity = identity.max(Some(range.q));
        } else if is("*") {
            any = any.max(Some(range.q));
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// One element of such a list: `name;param=value;q=0.5`.
#[derive(Debug)]
struct MediaRange<'a> {
    name: &'a str,
    rest: &'a str,
    /// In thousandths.
    q: u16,
}

impl<'a> MediaRange<'a> {
    /// Nothing when the element is empty or its `q` is no number between 0 and 1.
    fn parse(text: &'a str) -> Option<Self> {
        let (name, rest) = text.split_once(';').unwrap_or((text, ""));
        let name = name.trim();
        let mut range = Self { name, rest, q: 1000 };
        let q = range.params().find(|(name, _)| name.eq_ignore_ascii_case("q")).map(|it| it.1);
        if let Some(q) = q {
            let q: f32 = q.parse().ok().filter(|it| (0.0..=1.0).contains(it))?;
            range.q = (q * 1000.0).round() as u16;
        }
        (!name.is_empty()).then_some(range)
    }

    fn params(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        split_unquoted(self.rest, ';').filter_map(|it| {
            let (name, value) = it.split_once('=')?;
            Some((name.trim(), value.trim().trim_matches('"')))
        })
    }
}

/// All elements of all headers of this name; a header that is not ASCII says nothing.
fn ranges<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = MediaRange<'a>> {
    let texts = headers.get_all(name).into_iter().filter_map(|it| it.to_str().ok());
    texts.flat_map(|it| split_unquoted(it, ',')).filter_map(MediaRange::parse)
}

/// Splits where the separator is not inside of double quotes.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |it| {
        quoted ^= it == '"';
        it == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OM: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROTOBUF: &str =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|it| (name.clone(), it.parse().unwrap())).collect()
    }

    fn check(accept: &[&str], content_type: &str) {
        assert_eq!(
            MetricsFormat::preferred(&headers(&ACCEPT, accept)).content_type(),
            content_type,
            "{accept:?}"
        );
    }

    fn check_gzip(accept_encoding: &[&str], gzip: bool) {
        assert_eq!(wants_gzip(&headers(&ACCEPT_ENCODING, accept_encoding)), gzip, "{accept_encoding:?}");
    }

    #[test]
    fn scrapers_get_what_they_prefer() {
        check(&[PROMETHEUS_2], OM);
        check(&[&format!("{PROTOBUF},{PROMETHEUS_2}")], OM);
        let newest = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
        check(&[PROMETHEUS_3], newest);
        check(&[&format!("{PROTOBUF};escaping=allow-utf-8;q=0.7,{PROMETHEUS_3}")], newest);
        check(&["text/plain;version=0.0.4;q=1,*/*;q=0.1"], TEXT); // vmagent
        check(&["*/*"], TEXT); // curl
        check(&["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"], TEXT); // a browser
        check(&["text/plain"], TEXT); // Datadog
        check(&[], TEXT);
    }

    #[test]
    fn versions_and_escapings() {
        check(&["application/openmetrics-text"], OM);
        check(
            &["application/openmetrics-text;version=0.0.1"],
            "application/openmetrics-text; version=0.0.1; charset=utf-8",
        );
        check(&["Application/OpenMetrics-Text; Version=\"1.0.0\"; escaping=never-heard-of"], OM);
        check(&["application/openmetrics-text;version=9.0.0"], TEXT);
        check(&["application/openmetrics-text;version=9.0.0, application/openmetrics-text;q=0.1"], OM);
    }

    #[test]
    fn the_highest_q_wins_then_the_range_that_says_most_then_the_first() {
        check(&["application/openmetrics-text;q=0.2, text/plain;q=0.3"], TEXT);
        check(&["application/openmetrics-text;q=0.3, text/plain;q=0.2"], OM);
        check(&["text/plain;q=0.5", "application/openmetrics-text;q=0.6"], OM);
        check(&["*/*, application/openmetrics-text"], OM);
        check(&["text/*, application/openmetrics-text"], OM);
        check(&["text/plain, application/openmetrics-text"], TEXT);
        check(&["application/openmetrics-text, text/plain"], OM);
        check(&["application/*"], OM);
        check(&["application/openmetrics-text;q=0, text/plain;q=0.001"], TEXT);
        check(&["text/plain;q=0, */*"], OM);
    }

    #[test]
    fn what_is_not_understood_gets_text() {
        check(&["application/json"], TEXT);
        check(&["application/openmetrics-text;q=high"], TEXT);
        check(&["application/openmetrics-text;q=NaN"], TEXT);
        check(&["application/openmetrics-text;q=-1"], TEXT);
        check(&[",;,=;q,\"unfinished, application/openmetrics-text"], TEXT);
        check(&["", ";;;", "q=1"], TEXT);
    }

    #[test]
    fn gzip_when_asked() {
        check_gzip(&["gzip"], true);
        check_gzip(&["deflate, GZIP, br, zstd"], true);
        check_gzip(&["br", "x-gzip"], true);
        check_gzip(&["*"], true);
        check_gzip(&["gzip;q=0.5"], true);
        check_gzip(&["gzip;q=1.0, identity; q=0.5, *;q=0"], true);
        check_gzip(&["identity;q=0.5, gzip;q=0.2"], false);
        check_gzip(&["gzip;q=0"], false);
        check_gzip(&["gzip;q=0, *"], false);
        check_gzip(&["br, deflate"], false);
        check_gzip(&["gzip;q=often"], false);
        check_gzip(&[], false);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = hyper::header::HeaderValue::from_bytes(&bytes) {
                let headers: HeaderMap =
                    [(ACCEPT, value.clone()), (ACCEPT_ENCODING, value)].into_iter().collect();
                let _ = (MetricsFormat::preferred(&headers), wants_gzip(&headers));
            }
        }

        #[test]
        fn nor_does_what_looks_like_one(text in "([a-z*]{0,3}/?[a-z*]{0,3}[;,=\"q .01-]{0,6}){0,9}") {
            let headers = headers(&ACCEPT, &[text.as_str()]);
            let _ = (MetricsFormat::preferred(&headers), wants_gzip(&headers));
        }
    }
}
