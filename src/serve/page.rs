//! The page of one tick, in each form that can be asked for: rendered once, served any number of times.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::metrics::{Counts, Exposition, Options};
use super::negotiate::Format;
use super::text;
use crate::report::Report;

/// What is served between two ticks. Equal reports and counts give equal bytes.
#[derive(Debug)]
pub struct Page {
    /// What was rendered; the landing page tells of it in words.
    pub report: Arc<Report>,
    openmetrics: Body,
    text: Body,
}

impl Page {
    /// Renders a report. The counts are read once; what happens later is on the next page.
    pub fn render(report: &Arc<Report>, options: &Arc<Options>, counts: &Arc<Counts>) -> Self {
        let (report, options, counts) = (Arc::clone(report), Arc::clone(options), Arc::clone(counts));
        let openmetrics = openmetrics(Exposition { report: Arc::clone(&report), options, counts });
        let text = text::from_openmetrics(&openmetrics);
        Self { report, openmetrics: Body::new(openmetrics), text: Body::new(text) }
    }

    /// The page in this format.
    pub fn body(&self, format: Format) -> &Body {
        match format {
            Format::Text => &self.text,
            Format::OpenMetrics { .. } => &self.openmetrics,
        }
    }
}

fn openmetrics(exposition: Exposition) -> String {
    /// About what a series takes, so that the page need not be moved while it grows.
    const BYTES_PER_SERIES: usize = 128;
    let reading = &exposition.report.reading;
    let series = reading.subjects.values().map(|it| it.iter().count()).sum::<usize>();
    let signals = exposition.report.judgements.values().map(|it| it.signals.len()).sum::<usize>();
    let mut page = String::with_capacity((series + 4 * signals + 64) * BYTES_PER_SERIES);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(exposition));
    // Writing into a string cannot fail, and neither can the exposition of what is finite.
    let written = encode(&mut page, &registry);
    debug_assert!(written.is_ok(), "rendering");
    page
}

/// One form of the page.
#[derive(Debug)]
pub struct Body {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
}

impl Body {
    fn new(text: String) -> Self {
        Self { plain: Bytes::from(text), gzip: OnceLock::new() }
    }

    /// As it is.
    pub fn plain(&self) -> Bytes {
        self.plain.clone()
    }

    /// Compressed, when somebody first asks for it.
    pub fn gzip(&self) -> Bytes {
        self.gzip.get_or_init(|| compress(&self.plain).unwrap_or_default().into()).clone()
    }
}

/// The fastest level: it makes a sixth of a page already, and the scraper waits.
fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}
