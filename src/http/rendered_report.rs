//! The newest report in each exposition format: rendered at the first request, then cached.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::content_negotiation::MetricsFormat;
use super::metrics::{ExpositionOptions, ReportExposition};
use super::openmetrics_to_text;
use super::server_counters::ServerCounters;
use crate::report::Report;

/// Makes the page of a report when it is first asked for.
#[derive(Debug)]
pub struct RenderedReportCache {
    options: Arc<ExpositionOptions>,
    counts: Arc<ServerCounters>,
    newest: Mutex<Option<Arc<RenderedReport>>>,
}

impl RenderedReportCache {
    /// Pages with these options and counts.
    pub fn new(options: ExpositionOptions, counts: Arc<ServerCounters>) -> Self {
        Self { options: Arc::new(options), counts, newest: Mutex::default() }
    }

    pub(super) fn counts(&self) -> &ServerCounters {
        &self.counts
    }

    /// The page of this report, the same one until there is another report.
    pub fn of(&self, report: &Arc<Report>) -> Arc<RenderedReport> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*newest {
            Some(page) if Arc::ptr_eq(page.report(), report) => Arc::clone(page),
            _ => {
                let page = RenderedReport::new(
                    Arc::clone(report),
                    Arc::clone(&self.options),
                    Arc::clone(&self.counts),
                );
                Arc::clone(newest.insert(Arc::new(page)))
            }
        }
    }
}

/// The forms of one report; each is rendered at most once. Equal reports and counts give equal bytes.
#[derive(Debug)]
pub struct RenderedReport {
    exposition: Arc<ReportExposition>,
    openmetrics: Body,
    text: Body,
}

/// A form, plain and compressed.
#[derive(Debug, Default)]
struct Body {
    plain: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
}

impl RenderedReport {
    /// A page that is not rendered yet; its counts are those of the time when it is.
    pub fn new(report: Arc<Report>, options: Arc<ExpositionOptions>, counts: Arc<ServerCounters>) -> Self {
        let exposition = Arc::new(ReportExposition { report, options, counts, level: 0 });
        Self { exposition, openmetrics: Body::default(), text: Body::default() }
    }

    pub(super) fn report(&self) -> &Arc<Report> {
        &self.exposition.report
    }

    /// The metrics in this format, plain or compressed.
    pub fn body(&self, format: MetricsFormat, gzip: bool) -> Bytes {
        let body = self.of(format);
        let plain = || body.plain.get_or_init(|| self.render(format).into());
        let bytes = match gzip {
            true => body.gzip.get_or_init(|| compress(plain()).unwrap_or_default().into()),
            false => plain(),
        };
        bytes.clone()
    }

    /// The same where it is rendered already.
    pub(super) fn rendered(&self, format: MetricsFormat, gzip: bool) -> Option<Bytes> {
        let body = self.of(format);
        if gzip { body.gzip.get() } else { body.plain.get() }.cloned()
    }

    fn of(&self, format: MetricsFormat) -> &Body {
        match format {
            MetricsFormat::Text => &self.text,
            MetricsFormat::OpenMetrics { .. } => &self.openmetrics,
        }
    }

    fn render(&self, format: MetricsFormat) -> String {
        match format {
            MetricsFormat::Text => {
                let openmetrics = self.openmetrics.plain.get_or_init(|| openmetrics(&self.exposition).into());
                // The encoder writes UTF-8 only.
                openmetrics_to_text::from_openmetrics(std::str::from_utf8(openmetrics).unwrap_or_default())
            }
            MetricsFormat::OpenMetrics { .. } => openmetrics(&self.exposition),
        }
    }
}

fn openmetrics(exposition: &Arc<ReportExposition>) -> String {
    /// About the length of a series, so that the page need not be moved while it grows.
    const BYTES_PER_SERIES: usize = 128;
    let reading = &exposition.report.reading;
    let series = reading.subjects.values().map(|it| it.iter().count()).sum::<usize>();
    let signals = exposition.report.assessments.values().map(|it| it.signals.len()).sum::<usize>();
    let capacity = (series + 4 * signals + 64) * BYTES_PER_SERIES;
    let ReportExposition { options, counts, .. } = &**exposition;
    counts.series.render_within_limit(reading.at, options.series_max, |level| {
        let mut page = String::with_capacity(capacity);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::new(ReportExposition {
            level,
            ..ReportExposition::clone(exposition)
        })));
        // Writing into a string cannot fail, and neither can the exposition of finite values.
        let written = encode(&mut page, &registry);
        debug_assert!(written.is_ok(), "rendering");
        page
    })
}

/// The fastest level: it reduces a page to a sixth already, and the scraper waits.
pub(super) fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}
