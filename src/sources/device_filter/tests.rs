//! Tests of the devices in a file.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::reading::SubjectValues;

fn check(devices: &mut IncludedDevices, names: &[&str], shown: &[&str], dropped: usize) {
    devices.begin();
    let labels = names.iter().filter_map(|it| devices.labels(it).cloned()).collect::<Vec<_>>();
    let seen = labels.iter().map(|it| &*it.values()[0]).collect::<Vec<_>>();
    assert_eq!(seen, shown);
    assert_eq!(devices.end(), DroppedDevices(dropped));
}

#[test]
fn devices_come_go_and_change_places() {
    let mut devices = IncludedDevices::new(ExcludePattern::known("^loop"));
    check(&mut devices, &["sda", "loop0", "sdb"], &["sda", "sdb"], 0);
    check(&mut devices, &["sdb", "loop0", "sdc"], &["sdb", "sdc"], 0);
    check(&mut devices, &["sda", "sdb", "sdc"], &["sda", "sdb", "sdc"], 0);
    check(&mut devices, &[], &[], 0);
}

#[test]
fn a_device_is_shown_once() {
    check(&mut IncludedDevices::new(ExcludePattern::default()), &["sda", "sda", "sda"], &["sda"], 0);
}

#[test]
fn a_second_row_of_a_name_is_counted() {
    let mut devices = IncludedDevices::new(ExcludePattern::default());
    for _ in 0..2 {
        check(&mut devices, &["sda", "sdb", "sdb", "sda"], &["sda", "sdb"], 0);
        let mut reading = Reading::default();
        devices.note_dropped(&mut reading);
        let expect = "device sdb is listed more than once; the first row counts";
        assert_eq!((reading.omissions[0].count, &*reading.omissions[0].what), (2, expect));
    }
}

#[test]
fn the_excess_is_counted() {
    let names = (0..DEVICES_MAX + 7).map(|it| format!("sd{it}")).collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    let mut devices = IncludedDevices::new(ExcludePattern::default());
    check(&mut devices, &names, &names[..DEVICES_MAX], 7);
    // Devices that are gone leave their places.
    check(&mut devices, &names[20..], &names[20..], 0);
}

#[test]
fn a_new_device_takes_the_place_of_those_after_it() {
    let names = (0..DEVICES_MAX).map(|it| format!("tun{it}")).collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    let mut devices = IncludedDevices::new(ExcludePattern::default());
    check(&mut devices, &names, &names, 0);
    let with_first = [&["eno1"], &names[..]].concat();
    for _ in 0..2 {
        check(&mut devices, &with_first, &with_first[..DEVICES_MAX], 1);
    }
}

#[test]
fn devices_that_are_left_out_do_not_count() {
    let names = (0..5 * EXCLUDED_MAX / 4).map(|it| format!("tap{it}")).collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).chain(["eno1"]).collect::<Vec<_>>();
    let mut devices = IncludedDevices::new(ExcludePattern::known("^tap"));
    for _ in 0..2 {
        check(&mut devices, &names, &["eno1"], 0);
    }
}

static BYTES: Metric = Metric::counter("bytes_total", "Bytes").by(&["device"]);
static IS_COUNTED: Metric = Metric::gauge("device_counted", "Whether it is counted").by(&["device"]);

/// A reading of devices, each with its counter and whether it is counted.
fn reading_of(devices: &[(&str, f64, Option<f64>)]) -> SubjectValues {
    let mut values = SubjectValues::default();
    for (name, bytes, counted) in devices {
        values.set_by(&BYTES, &MetricLabels::new([*name]), *bytes);
        values.set_by(&IS_COUNTED, &MetricLabels::new([*name]), counted.unwrap_or(f64::NAN));
    }
    values
}

#[test]
fn a_gain_is_unknown_while_one_reading_lacks_its_device_or_kind() {
    let idle = ("eth1", 5.0, Some(1.0));
    let check =
        |before: Option<(f64, Option<f64>)>, now: Option<(f64, Option<f64>)>, expect: &[Option<f64>]| {
            let with = |it: Option<(f64, Option<f64>)>| {
                let first = it.map(|(bytes, counted)| ("eth0", bytes, counted));
                reading_of(&first.into_iter().chain([idle]).collect::<Vec<_>>())
            };
            let (before, now) = (with(before), with(now));
            let pair = ReadingPair::new(&before, &now, 1.0).unwrap();
            let mut rates: Vec<_> = counted_rates(&pair, &BYTES, &IS_COUNTED).unwrap().collect();
            rates.sort_by(|a, b| a.partial_cmp(b).unwrap());
            assert_eq!(rates, expect, "{before:?} {now:?}");
        };
    let known = |bytes: f64| Some((bytes, Some(1.0)));
    let pending = |bytes: f64| Some((bytes, None));
    check(known(1.0), known(4.0), &[Some(0.0), Some(3.0)]);
    for (before, now) in [
        (known(1.0), None),
        (None, known(4.0)),
        (None, pending(4.0)),
        (pending(4.0), known(5.0)),
        (known(1.0), pending(4.0)),
    ] {
        check(before, now, &[None, Some(0.0)]);
    }
    // What another device counts is no part of the sum.
    check(Some((1.0, Some(0.0))), Some((4.0, Some(0.0))), &[Some(0.0)]);
    check(Some((1.0, Some(0.0))), known(4.0), &[Some(0.0)]);
    check(None, None, &[Some(0.0)]);
}

proptest! {
    #[test]
    fn whatever_is_not_left_out_is_shown_or_counted_and_distinct(
        names in prop::collection::btree_set("(tap|e)[a-c\u{10FF80}-\u{10FF82}]{0,3}(x{130})?", 0..400),
    ) {
        let mut devices = IncludedDevices::new(ExcludePattern::known("^tap"));
        devices.begin();
        let labels: Vec<MetricLabels> = names.iter().filter_map(|it| devices.labels(it).cloned()).collect();
        let wanted = names.iter().filter(|it| !it.starts_with("tap")).count();
        prop_assert_eq!(f64::from(devices.end()) as usize + labels.len(), wanted);
        let distinct: BTreeSet<&MetricLabels> = labels.iter().collect();
        prop_assert_eq!(distinct.len(), labels.len());
    }
}
