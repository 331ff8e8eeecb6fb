//! Which requests get a span, and whose trace they join: no client can fill the queue of spans or undo the sampling.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use ipnet::IpNet;
use tokio::time::Instant;
use tracing::Span;

use super::connection_peer::{ClientOrigin, ConnectionPeer};
use super::token_bucket::TokenBucket;

/// Spans of requests at once: a page of the browser, and a few scrapes beside it.
const BURST: u32 = 50;
/// Then one each interval: 10 a second.
const INTERVAL: Duration = Duration::from_millis(100);

/// Joins a span to the trace in the headers.
pub type JoinTrace = fn(&Span, &HeaderMap);

/// The limit of spans, and the clients whose trace context is accepted.
pub struct RequestTraces(Option<Limits>);

struct Limits {
    spans: Mutex<TokenBucket>,
    trusted: Vec<IpNet>,
    join: JoinTrace,
}

impl RequestTraces {
    /// No spans.
    pub fn off() -> Self {
        Self(None)
    }

    /// Spans of requests; `join` joins those of trusted clients to their trace.
    pub fn new(trusted: Vec<IpNet>, join: JoinTrace) -> Self {
        let spans = Mutex::new(TokenBucket::new(INTERVAL, BURST, Instant::now()));
        Self(Some(Limits { spans, trusted, join }))
    }

    /// Whether another request at this time may have a span.
    pub(super) fn admit(&self, now: Instant) -> bool {
        let Some(limits) = &self.0 else { return true };
        limits.spans.lock().unwrap_or_else(PoisonError::into_inner).take(now).is_ok()
    }

    /// Joins the span to the trace in the headers of a trusted client. Whoever may use the control socket is trusted.
    pub(super) fn join(&self, span: &Span, peer: &ConnectionPeer, headers: &HeaderMap) {
        let Some(limits) = &self.0 else { return };
        let is_trusted = match peer.origin {
            ClientOrigin::Control => true,
            ClientOrigin::Network(address) => {
                let address = address.ip().to_canonical();
                limits.trusted.iter().any(|it| it.contains(&address))
            }
        };
        if is_trusted {
            (limits.join)(span, headers);
        }
    }
}

impl fmt::Debug for RequestTraces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestTraces").field(&self.0.as_ref().map(|it| &it.trusted)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static JOINED: Cell<u32> = const { Cell::new(0) };
    }

    fn traces(trusted: &[&str]) -> RequestTraces {
        let trusted = trusted.iter().map(|it| it.parse().unwrap()).collect();
        RequestTraces::new(trusted, |_, _| JOINED.set(JOINED.get() + 1))
    }

    #[test]
    fn spans_have_a_limit() {
        let (traces, start) = (traces(&[]), Instant::now());
        let admitted = |at| (0..1_000).filter(|_| traces.admit(at)).count();
        assert_eq!(admitted(start), 50);
        assert_eq!(admitted(start + Duration::from_secs(1)), 10);
        assert_eq!((0..1_000).filter(|_| RequestTraces::off().admit(start)).count(), 1_000);
    }

    #[test]
    fn only_trusted_clients_pass_their_trace() {
        let check = |client: &str, expect: bool| {
            JOINED.set(0);
            let origin = match client {
                "control" => ClientOrigin::Control,
                it => ClientOrigin::Network(it.parse().unwrap()),
            };
            let peer = ConnectionPeer { origin, tls: None, certificate: None };
            traces(&["10.0.0.0/8", "2001:db8::/32"]).join(&Span::none(), &peer, &HeaderMap::new());
            assert_eq!(JOINED.get() == 1, expect, "{client}");
        };
        check("10.1.2.3:9090", true);
        check("[::ffff:10.1.2.3]:9090", true);
        check("[2001:db8::7]:9090", true);
        check("control", true);
        check("192.0.2.1:9090", false);
        check("[2001:db9::7]:9090", false);
    }
}
