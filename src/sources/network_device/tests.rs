//! Tests of [`NetworkLinks`].
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use proptest::prelude::*;

use super::*;

fn check(links: &NetworkLinks, names: &[&str], counted: &[&str]) {
    let counting = links.counting(std::iter::empty());
    let found: Vec<&str> = names.iter().filter(|it| counting.is_counted(it) == Some(true)).copied().collect();
    assert_eq!(found, counted, "of {names:?}");
}

/// Devices with these links, as if sysfs had said so.
fn known(links: impl IntoIterator<Item = (String, NetworkLink)>) -> NetworkLinks {
    let mut devices = NetworkLinks::new("/nonexistent".into(), &BlockingReads::default());
    for (entry, (name, link)) in (1..).zip(links) {
        let path = devices.directory.join(&name);
        let device =
            KnownNetworkDevice { path, entry, link: Some(link), is_pending: false, is_port_of_guest: false };
        devices.known.insert(name, device);
    }
    devices
}

fn hardware(device: &str) -> NetworkLink {
    NetworkLink { hardware: Some(device.into()), ..NetworkLink::default() }
}

fn with_master(link: NetworkLink, master: &str) -> NetworkLink {
    NetworkLink { master: Some(master.into()), ..link }
}

#[test]
fn packets_that_pass_several_devices_are_counted_once() {
    let links = [
        ("eth0", hardware("vmbus")),
        ("enP1s1", with_master(hardware("pci1"), "eth0")),
        ("ens1", with_master(hardware("pci2"), "bond0")),
        ("ens2", with_master(hardware("pci3"), "bond0")),
        ("bond0", with_master(NetworkLink::default(), "br0")),
        ("br0", NetworkLink::default()),
        ("ens1v0", NetworkLink { physical_functions: vec!["ens1".into()], ..hardware("pci4") }),
        ("conduit", NetworkLink { index: Some(7), link_index: Some(7), ..hardware("soc") }),
        ("lan1", NetworkLink { index: Some(8), link_index: Some(7), ..hardware("mdio") }),
        ("wlan0", hardware("radio")),
        ("mon0", NetworkLink { is_monitor: true, ..hardware("radio") }),
        ("ap0", hardware("radio")),
        ("mon1", NetworkLink { is_monitor: true, ..hardware("another radio") }),
        ("sf2", NetworkLink { bus: Some("auxiliary".into()), ..hardware("pci2/mlx5_core.sf.2") }),
        ("sf3", NetworkLink { bus: Some("auxiliary".into()), ..hardware("unlisted/mlx5_core.sf.3") }),
        (
            "ib0",
            NetworkLink { index: Some(9), link_index: Some(9), kind: Some(INFINIBAND), ..hardware("pci9") },
        ),
        ("ib0.8001", NetworkLink { link_index: Some(9), kind: Some(INFINIBAND), ..hardware("pci9") }),
        ("anything", NetworkLink::default()),
    ];
    let names = links.each_ref().map(|it| it.0);
    let links = known(links.map(|(name, link)| (name.to_owned(), link)));
    let counted = ["eth0", "ens1", "ens2", "conduit", "wlan0", "ap0", "mon1", "sf3", "ib0", "ib0.8001"];
    check(&links, &names, &counted);
    // A device that sysfs lists later is not counted before that is known.
    assert_eq!(links.counting(["new"].into_iter()).is_counted("new"), None);
}

#[test]
fn without_hardware_each_packet_is_counted_once() {
    let plain = NetworkLink::default;
    let tunnel = || NetworkLink { is_tunnel: true, ..plain() };
    let over = |lower: &str| NetworkLink { lower: vec![lower.into()], ..plain() };
    let case = |devices: &[(&str, NetworkLink)], counted: &[&str]| {
        let mut names: Vec<&str> = devices.iter().map(|it| it.0).collect();
        let links = known(devices.iter().map(|(name, link)| ((*name).to_owned(), link.clone())));
        names.push("lo");
        check(&links, &names, counted);
    };
    case(&[("eth0", plain()), ("docker0", plain())], &["eth0"]);
    // A bridge, a bond or a routing domain has any name.
    case(&[("eth0", with_master(plain(), "lan")), ("lan", plain())], &["eth0"]);
    case(&[("uplink", with_master(plain(), "lan")), ("lan", plain()), ("guests", over("lan"))], &["uplink"]);
    // So has a tunnel.
    case(&[("eth0", plain()), ("work", tunnel())], &["eth0"]);
    case(&[("work", tunnel())], &["work"]);
    // The other end of the cable of a container is in the network of its host.
    case(&[("eth0", over("eth9")), ("eth1", plain())], &["eth0", "eth1"]);
    case(&[("tap0", plain()), ("wg0", tunnel())], &["tap0"]);
    // What is left out was below it.
    let links = known([("bond0".to_owned(), plain())]);
    assert_eq!(links.counting(["ens1"].into_iter()).is_counted("bond0"), Some(false));
    assert_eq!(links.counting(std::iter::empty()).is_counted("bond0"), Some(true));
}

#[test]
fn what_was_made_of_hardware_is_not_counted_when_that_is_gone() {
    let bridge = || ("docker0".to_owned(), NetworkLink::default());
    let mut links = known([("eth0".to_owned(), hardware("pci1")), bridge()]);
    check(&links, &["eth0", "docker0"], &["eth0"]);
    links.had_hardware = true;
    let nic = links.known.remove("eth0").unwrap();
    check(&links, &["docker0"], &[]);
    assert!(links.is_hardware_gone());
    links.known.insert("eth0".to_owned(), nic);
    check(&links, &["eth0", "docker0"], &["eth0"]);
    check(&known([bridge()]), &["docker0"], &["docker0"]);
}

#[test]
fn ports_of_guests_are_told_by_their_names() {
    for (name, expect) in [
        ("pf0vf3", true),
        ("c1pf0sf7", true),
        ("pf0", true),
        ("c1pf0", true),
        ("p0", false),
        ("p0s1", false),
        ("cpf0", false),
        ("c1", false),
        ("pf", false),
        ("", false),
    ] {
        assert_eq!(is_guest_port(name), expect, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn sysfs_says_what_a_device_is() {
    use std::fs;
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    let net = dir.path().join("class/net");
    let add = |name: &str, bus: &str| {
        let device = dir.path().join("devices").join(name);
        fs::create_dir_all(net.join(name)).unwrap();
        if !bus.is_empty() {
            fs::create_dir_all(device.join("physfn/net/ens1")).unwrap();
            symlink(Path::new("../../bus").join(bus), device.join("subsystem")).unwrap();
            symlink(&device, net.join(name).join("device")).unwrap();
        }
    };
    ["ens1", "ens2"].into_iter().for_each(|it| add(it, "pci"));
    add("br7", "");
    add("guest1", "xen-backend");
    fs::remove_dir_all(dir.path().join("devices/ens1/physfn")).unwrap();
    symlink("../br7", net.join("ens1/master")).unwrap();
    fs::write(net.join("ens1/speed"), "1000\n").unwrap();
    // A monitor of the radio of another device.
    fs::create_dir_all(net.join("mon0")).unwrap();
    symlink(dir.path().join("devices/ens1"), net.join("mon0/device")).unwrap();
    fs::write(net.join("mon0/type"), "803\n").unwrap();
    fs::write(net.join("ens2/speed"), "-1\n").unwrap();
    fs::write(net.join("br7/speed"), "4294967295\n").unwrap();
    fs::write(net.join("guest1/speed"), "65535\n").unwrap();
    let names = ["lo", "ens1", "ens2", "br7", "guest1", "mon0"];
    let mut links = NetworkLinks::new(net.clone(), &BlockingReads::default());
    let now = crate::clock::instant();
    links.update(&names, now).unwrap();
    links.speeds.wait(Duration::from_secs(60));
    links.update(&names, now).unwrap();
    check(&links, &names, &["ens1"]);
    assert_eq!(names.map(|it| links.link_speed(it, now)), [None, Some(125e6), None, None, None, None]);
    assert!(links.replaced_devices().is_empty());

    // Another device of the name; the old one is kept so that the number is another.
    fs::rename(net.join("br7"), dir.path().join("kept")).unwrap();
    add("br7", "");
    links.update(&names, now).unwrap();
    assert_eq!(links.replaced_devices().iter().collect::<Vec<_>>(), ["br7"]);
}

/// A way of packets through devices of the host; one of them is to be counted.
fn chain(kind: usize, number: usize) -> Vec<(String, NetworkLink)> {
    let name = |it: &str| format!("{it}{number}");
    let nic = || hardware(&name("pci"));
    match kind {
        0 => vec![(name("nic"), nic())],
        1 => vec![(name("nic"), with_master(nic(), &name("x"))), (name("x"), NetworkLink::default())],
        2 => vec![(name("nic"), nic()), (name("vf"), with_master(hardware(&name("vf")), &name("nic")))],
        3 => vec![
            (name("nic"), nic()),
            (name("vf"), NetworkLink { physical_functions: vec![name("nic")], ..hardware(&name("vf")) }),
        ],
        _ => vec![
            (name("nic"), with_master(nic(), &name("x"))),
            (name("x"), with_master(NetworkLink::default(), &name("y"))),
            (name("y"), NetworkLink::default()),
            (name("z"), NetworkLink::default()),
        ],
    }
}

proptest! {
    #[test]
    fn each_way_is_counted_once(kinds in prop::collection::vec(0usize..5, 1..20)) {
        let all: Vec<_> = kinds.iter().enumerate().flat_map(|(number, kind)| chain(*kind, number)).collect();
        let names: Vec<String> = all.iter().map(|it| it.0.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let links = known(all.clone());
        let counting = links.counting(std::iter::empty());
        let counted = names.iter().filter(|it| counting.is_counted(it) == Some(true)).count();
        prop_assert_eq!(counted, kinds.len());
    }

    #[test]
    fn no_name_makes_it_panic(name in ".{0,20}") {
        let _ = is_guest_port(&name);
    }
}
