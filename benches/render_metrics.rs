//! Time to render a page: 200 series, as text and compressed.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hostnorm::detect::PerDetector;
use hostnorm::http::{ExpositionOptions, MetricsFormat, RenderedReport, ServerCounters};
use hostnorm::metric::Metric;
use hostnorm::reading::{CollectorResult, MetricLabels, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::{
    Assessment, Contribution, DeviationDirection, ExpectedValue, Report, ScoreDetails, SignalState,
};
use hostnorm::signal::{Signal, SignalUnit};

static BYTES: Metric =
    Metric::counter("hostnorm_network_receive_bytes_total", "Bytes received").by(&["device"]);
static SIZE: Metric =
    Metric::gauge("hostnorm_filesystem_size_bytes", "Size").by(&["device", "mountpoint", "fstype"]);
static BUSY: Metric = Metric::gauge("hostnorm_pressure_cpu_ratio", "Pressure");
static SIGNAL: Signal = Signal {
    kind: SubjectKind::Host,
    name: "memory_used_ratio",
    title: "memory used",
    help: "Share of memory in use",
    unit: SignalUnit::Ratio,
    floor: 0.05,
    device: None,
    formula: |_| None,
};

/// 24 signals with ranges, 4 detectors, 5 contributions, 10 collectors, 66 raw values: similar to a real host.
fn report() -> Report {
    let mut reading = Reading::new(Timestamp(1_790_000_000.123));
    reading.collections = (0..10)
        .map(|it| CollectorResult {
            source: "filesystem",
            success: true,
            seconds: 1.2e-5 * f64::from(it),
            omitted: 0,
        })
        .collect();
    for idx in 0..22 {
        let name = format!("device{idx}");
        let host = reading.host();
        host.set_by(&BYTES, &MetricLabels::new([name.as_str()]), 123_456_789.0 * f64::from(idx));
        host.set_by(&SIZE, &MetricLabels::new([name.as_str(), "/var/lib/data", "ext4"]), 1e12);
        host.set(&BUSY, 0.123_456_789 + f64::from(idx));
    }
    let expected = Some(ExpectedValue { value: 0.312_345_678_9, lower: 0.1, upper: 0.523_456_789 });
    let contribution =
        Contribution { signal: &SIGNAL, direction: DeviationDirection::High, value: 0.123_456_789 };
    let details = ScoreDetails {
        score: 0.723_456_789,
        confidence: Some(0.75),
        detectors: PerDetector::default().map(|(): &()| Some(0.987_654_321)),
        contributions: vec![contribution; 5],
        ..ScoreDetails::default()
    };
    let signals = vec![
        SignalState {
            signal: &SIGNAL,
            value: 0.345_678_912_3,
            expected,
            expected_by_detector: Default::default(),
            drift: Some(0.5)
        };
        24
    ];
    let assessment = Assessment { details: Some(details), signals, ..Assessment::default() };
    Report { reading: reading.into(), assessments: [(Subject::Host, assessment)].into(), ..Report::default() }
}

fn encode(criterion: &mut Criterion) {
    let (report, counts) = (Arc::new(report()), Arc::new(ServerCounters::default()));
    let options = Arc::new(ExpositionOptions {
        sources: vec![&BYTES, &SIZE, &BUSY],
        raw: true,
        ..ExpositionOptions::default()
    });
    let page = || RenderedReport::new(Arc::clone(&report), Arc::clone(&options), Arc::clone(&counts));
    let text = page().body(MetricsFormat::Text, false);
    let series = text.split(|it| *it == b'\n').filter(|it| !it.is_empty() && it[0] != b'#').count();

    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(series as u64));
    let render = || black_box(page().body(MetricsFormat::Text, false));
    group.bench_function(format!("text, {series} series, {} bytes", text.len()), |it| it.iter(render));
    group.bench_function("and gzip", |it| it.iter(|| black_box(page().body(MetricsFormat::Text, true))));
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
