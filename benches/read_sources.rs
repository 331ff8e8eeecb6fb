//! Time to read the host once, compared with equivalent calls of `sysinfo` in the same run.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hostnorm::reading::Timestamp;
use hostnorm::sources::{SOURCES, SourceSettings, Sources};
use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, Networks, RefreshKind, System};

fn sample(c: &mut Criterion) {
    let settings = SourceSettings::default();
    let mut group = c.benchmark_group("sample");

    let mut all = Sources::open(&settings, |_| true);
    group.bench_function("hostnorm", |bencher| bencher.iter(|| black_box(all.read_all(Timestamp(0.0)))));
    for row in SOURCES {
        let mut one = Sources::open(&settings, |it| it == row.name);
        group.bench_function(row.name, |bencher| bencher.iter(|| black_box(one.read_all(Timestamp(0.0)))));
    }

    // The crate does nothing if CPUs are read again within 200 ms, which favors it here.
    let what = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::everything())
        .with_memory(MemoryRefreshKind::everything());
    let (Ok(mut system), Ok(mut networks), Ok(mut disks)) = (
        System::new_with_specifics(what),
        Networks::new_with_refreshed_list(),
        Disks::new_with_refreshed_list(),
    ) else {
        return;
    };
    group.bench_function("sysinfo", |bencher| {
        bencher.iter(|| {
            system.refresh_specifics(what);
            networks.refresh(true);
            disks.refresh(true);
            black_box((System::load_average().ok(), &system, &networks, &disks));
        });
    });
    group.finish();
}

criterion_group!(benches, sample);
criterion_main!(benches);
