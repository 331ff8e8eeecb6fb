//! Tests of [`NetworkSource`].

use std::path::Path;

use proptest::prelude::*;

use super::*;

#[test]
fn reads_both_directions() {
    let parsed = parse(" 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0");
    assert_eq!(parsed, Some([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]));
}

#[test]
fn an_odd_line_costs_itself() {
    let text = "\0\0\na|b\nwe|rd: 1 2 3 4 5 6 7 8 9 10 11 12\neth0: 1 2 3 4 5 6 7 8 9 10 11 12\neth1: 1 2 3\nno colon\n\neth2: -5 2 3 4 5 6 7 8 9 10 11 12\n";
    let mut reading = Reading::default();
    let mut devices = IncludedDevices::new(ExcludePattern::default());
    let text = KernelText::of(Path::new("dev"), text);
    set(text, &mut devices, false, |_| 0, reading.host()).unwrap().add_to(&mut reading);
    assert_eq!(reading.host().each(&RECEIVED).count(), 2);
    assert_eq!(reading.host().each(&SENT).count(), 3);
    assert_eq!(reading.omissions[0].count, 3);
    assert!(reading.omissions[0].what.contains("dev:1: malformed"), "{:?}", reading.omissions);
}

#[test]
fn refuses_what_the_kernel_does_not_write() {
    for columns in
        ["", "1 2 3", "1 2 3 4 5 6 7 8 9 10 11", "a b c d e f g h i j k l", "1x 2 3 4 5 6 7 8 9 0 1 2"]
    {
        assert_eq!(parse(columns), None, "{columns}");
    }
}

#[test]
fn packets_that_pass_several_devices_count_once() {
    let mut values = [SubjectValues::default(), SubjectValues::default()];
    for (idx, values) in values.iter_mut().enumerate() {
        for name in ["lo", "eth0", "eth0.7", "eth1", "bond0", "docker0", "br-1234", "wg0", "wlan0", "enp3s0"]
        {
            values.set_by(&SENT, &MetricLabels::new([name]), idx as f64);
        }
    }
    let change = ReadingPair::new(&values[0], &values[1], 1.0).unwrap();
    // eth0, eth1, wlan0, enp3s0.
    assert_eq!(physical(&change, &[&SENT]), Some(4.0));
}

#[test]
fn ends_of_containers_are_left_out() {
    let pattern = NetworkSettings::default().device_exclude;
    for name in ["veth12ab", "cali1234", "lxc_health", "vnet0", "ifb0"] {
        assert!(pattern.matches(name), "{name}");
    }
    for name in ["lo", "eth0", "bond0", "wlan0"] {
        assert!(!pattern.matches(name), "{name}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        let _ = (parse(&text), CountedHeight::of_names([&*text]).counts_name(&text));
    }
}
