//! Trace context across process boundaries: from requests, and to exemplars.

use hyper::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::report::TraceIds;

/// Makes a span part of the trace in the request's headers (W3C Trace Context), if any.
pub fn join_trace(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderCarrier(headers));
    if parent.span().span_context().is_valid() {
        // This fails only after the context of the span was used, which did not happen yet.
        let _ = span.set_parent(parent);
    }
}

/// The trace of a span, if it is recorded.
pub fn trace_of(span: &Span) -> Option<TraceIds> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let found = context.span().span_context().clone();
    (found.is_valid() && found.is_sampled())
        .then(|| TraceIds { trace_id: found.trace_id().to_string(), span_id: found.span_id().to_string() })
}

/// Headers for the propagator; a header that is not text is ignored.
struct HeaderCarrier<'a>(&'a HeaderMap);

impl Extractor for HeaderCarrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(hyper::header::HeaderName::as_str).collect()
    }
}
