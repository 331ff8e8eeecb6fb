//! What the name of a network device says of it, where sysfs does not.

/// How far a device is from the wire: packets pass devices of lesser heights below it, if there are any.
pub(super) type NetworkHeight = u8;

/// Devices that send what other devices of the host show: a member of a bridge, an aggregate of members, a tunnel or virtual LAN
/// through another device.
pub(super) const AGGREGATE: NetworkHeight = 3;
pub(super) const TUNNEL: NetworkHeight = 4;

/// Starts of names with heights; all other devices have 0.
const PREFIXES: [(&str, NetworkHeight); 54] = [
    // A modem is the only way out, or dials through another device.
    ("ppp", 1),
    // Ends and members.
    ("tap", 2),
    ("veth", 2),
    ("vnet", 2),
    ("vif", 2),
    ("lxc", 2),
    ("cali", 2),
    ("macv", 2),
    ("ipvl", 2),
    ("fwpr", 2),
    ("fwln", 2),
    ("ifb", 2),
    ("dummy", 2),
    // Aggregates.
    ("bond", AGGREGATE),
    ("team", AGGREGATE),
    ("br-", AGGREGATE),
    ("br0", AGGREGATE),
    ("virbr", AGGREGATE),
    ("vmbr", AGGREGATE),
    ("lxdbr", AGGREGATE),
    ("lxcbr", AGGREGATE),
    ("incusbr", AGGREGATE),
    ("xenbr", AGGREGATE),
    ("fwbr", AGGREGATE),
    ("docker", AGGREGATE),
    ("cni", AGGREGATE),
    ("podman", AGGREGATE),
    ("nerdctl", AGGREGATE),
    ("weave", AGGREGATE),
    ("ovs-", AGGREGATE),
    ("vrf", AGGREGATE),
    // Tunnels, virtual LANs and overlays.
    ("tun", TUNNEL),
    ("wg", TUNNEL),
    ("tailscale", TUNNEL),
    ("zt", TUNNEL),
    ("vlan", TUNNEL),
    ("vxlan", TUNNEL),
    ("geneve", TUNNEL),
    ("genev_sys", TUNNEL),
    ("flannel", TUNNEL),
    ("cilium", TUNNEL),
    ("kube-", TUNNEL),
    ("nodelocaldns", TUNNEL),
    ("gre0", TUNNEL),
    ("gretap", TUNNEL),
    ("erspan", TUNNEL),
    ("ip6gre", TUNNEL),
    ("ip6tnl", TUNNEL),
    ("ip6_vti", TUNNEL),
    ("ip_vti", TUNNEL),
    ("sit", TUNNEL),
    ("ipsec", TUNNEL),
    ("xfrm", TUNNEL),
    ("nebula", TUNNEL),
];

/// The height of a device by its name.
pub(super) fn height(name: &str) -> NetworkHeight {
    // Xen numbers the ends of its guests as virtual LANs are numbered.
    if name.contains('.') && !name.starts_with("vif") {
        return TUNNEL;
    }
    // Bridges for guests are named like their ends.
    let prefix = PREFIXES.iter().filter(|it| name.starts_with(it.0)).max_by_key(|it| it.0.len());
    prefix.map_or(0, |it| it.1)
}

/// Whether a device is usually made of others.
pub(super) fn is_virtual(name: &str) -> bool {
    is_loopback(name) || height(name) > 0
}

pub(super) fn is_loopback(name: &str) -> bool {
    name == "lo"
}

/// Which devices of a list are counted, so that each packet is counted once: the lowest ones, as a container may have nothing
/// but a tunnel.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CountedHeight {
    lowest: NetworkHeight,
    has_synthetic: bool,
}

impl CountedHeight {
    /// Of devices with their heights.
    pub(super) fn of<'a>(devices: impl IntoIterator<Item = (&'a str, NetworkHeight)>) -> Self {
        let (mut lowest, mut has_synthetic) = (NetworkHeight::MAX, false);
        for (name, height) in devices.into_iter().filter(|it| !is_loopback(it.0)) {
            lowest = lowest.min(height);
            has_synthetic |= name.starts_with("eth");
        }
        Self { lowest, has_synthetic }
    }

    /// Of devices of which only the names are known.
    pub(super) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::of(names.into_iter().map(|it| (it, height(it))))
    }

    /// Whether the packets of a device are counted.
    pub(super) fn counts(self, name: &str, height: NetworkHeight) -> bool {
        // Azure names virtual functions so, whose packets the device of the hypervisor counts.
        let is_function = name.starts_with("enP") && self.has_synthetic;
        !is_loopback(name) && height == self.lowest && !is_function
    }

    /// The same of a device of which only the name is known.
    pub(super) fn counts_name(self, name: &str) -> bool {
        self.counts(name, height(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_sysfs_names_say_what_a_device_is() {
        let check = |names: &[&str], counted: &[&str]| {
            let lowest = CountedHeight::of_names(names.iter().copied());
            let found: Vec<&str> = names.iter().filter(|it| lowest.counts_name(it)).copied().collect();
            assert_eq!(found, counted, "of {names:?}");
        };
        check(&["lo", "eth0", "enP35596s1"], &["eth0"]);
        check(&["lo", "enP4p65s0"], &["enP4p65s0"]);
        check(&["lo", "eth0", "lxdbr0", "ppp0"], &["eth0"]);
        check(&["lo", "ppp0", "tun0"], &["ppp0"]);
        check(&["eno1", "vmbr0", "fwbr100i0", "fwpr100p0", "fwln100i0", "tap100i0"], &["eno1"]);
        check(
            &["ens3", "ovs-system", "genev_sys_6081", "cilium_net", "cilium_host", "cilium_vxlan"],
            &["ens3"],
        );
        check(&["lo", "eth0", "gre0", "gretap0", "erspan0", "ip6tnl0", "sit0", "nebula1"], &["eth0"]);
        // A container may have nothing but a virtual device.
        check(&["lo", "tap0"], &["tap0"]);
        check(&["lo", "tap0", "tun0", "wg0"], &["tap0"]);
        check(&["lo", "wg0"], &["wg0"]);
        check(&["lo", "br0", "br0.7"], &["br0"]);
        check(&["lo", "lxc1", "lxcbr0"], &["lxc1"]);
        check(&["lo", "vif1.0", "xenbr0"], &["vif1.0"]);
        check(&["lo"], &[]);
    }

    proptest! {
        #[test]
        fn some_device_is_counted(names in prop::collection::vec("(eth|ppp|tap|br-|tun|[a-z]{1,3})[0-9.]{1,3}", 1..9)) {
            let lowest = CountedHeight::of_names(names.iter().map(String::as_str));
            prop_assert!(names.iter().any(|it| lowest.counts_name(it)), "{:?}", names);
        }
    }
}
