//! The workload of a pod, from the pod's name: what a Deployment, DaemonSet or Job appended is removed.
//!
//! A replaced pod has a new name; its workload stays. Kubernetes writes such suffixes with letters and digits that do not
//! form words (`k8s.io/apimachinery/pkg/util/rand`, `SafeEncodeString`), which tells them from names of people.

/// Characters of a random suffix.
const SUFFIX: &str = "bcdfghjklmnpqrstvwxz2456789";
/// Length of a random suffix.
const SUFFIX_LENGTH: usize = 5;
/// Characters of the hash of a ReplicaSet: decimal digits of a 32-bit number, each replaced by one of these.
const HASH: &str = "bcdf456789";
/// Length of such a hash; shorter ones are possible but rare, and could be words.
const HASH_LENGTH: std::ops::RangeInclusive<usize> = 6..=10;
/// Length of the scheduled time of a CronJob, in minutes since 1970.
const MINUTES_LENGTH: std::ops::RangeInclusive<usize> = 8..=10;
/// Length of a UUID.
const UUID_LENGTH: usize = 36;

/// The name of a pod's workload. The ordinal of a StatefulSet stays, because each of its pods keeps its name.
pub(super) fn workload(pod: &str) -> &str {
    let Some(base) = without(pod, SUFFIX, |it| it == SUFFIX_LENGTH) else { return pod };
    without(base, HASH, |it| HASH_LENGTH.contains(&it))
        .or_else(|| without(base, "0123456789", |it| MINUTES_LENGTH.contains(&it)))
        .unwrap_or(base)
}

/// The name without its last part, if that consists of these characters.
fn without<'a>(name: &'a str, characters: &str, fits: impl Fn(usize) -> bool) -> Option<&'a str> {
    let (base, last) = name.rsplit_once('-')?;
    let matches = !base.is_empty() && fits(last.len()) && last.chars().all(|it| characters.contains(it));
    matches.then_some(base)
}

/// The repository of an image, without registry, tag and digest: `nginx` for `docker.io/library/nginx:1.27`.
pub(super) fn repository(image: &str) -> Option<&str> {
    let image = image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let name = last.split(':').next().unwrap_or_default();
    // An image that is known by its ID alone has no name.
    (!name.is_empty() && image != "sha256" && !image.starts_with("sha256:")).then_some(name)
}

/// Whether docker or podman made this name up, such as `quirky_turing` or `quirky_turing3`: the next container has another.
pub(super) fn is_generated(name: &str) -> bool {
    let name = name.strip_suffix(|it: char| it.is_ascii_digit()).unwrap_or(name);
    let is_word = |it: &str| 2 < it.len() && it.bytes().all(|it| it.is_ascii_lowercase());
    name.split_once('_').is_some_and(|(adjective, surname)| is_word(adjective) && is_word(surname))
}

/// Whether this is a UUID.
pub(super) fn is_uuid(text: &str) -> bool {
    let is_of_uuid = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == UUID_LENGTH && text.bytes().enumerate().all(is_of_uuid)
}

/// The name without the UUID that Nomad appends to the task: `web-1b2c3d4e-0000-4000-8000-123456789abc`.
pub(super) fn without_uuid(name: &str) -> &str {
    let start = name.len().saturating_sub(UUID_LENGTH);
    let (Some(before), Some(uuid)) = (name.get(..start), name.get(start..)) else { return name };
    before.strip_suffix('-').filter(|it| is_uuid(uuid) && !it.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pods_of_each_controller() {
        for (pod, expect) in [
            ("checkout-5dd5756b68-x7k2p", "checkout"),
            ("node-exporter-x7k2p", "node-exporter"),
            ("backup-28901234-x7k2p", "backup"),
            ("db-0", "db-0"),
            ("kube-apiserver-node1", "kube-apiserver-node1"),
            ("web-front-end", "web-front-end"),
            ("x", "x"),
            ("", ""),
            ("-x7k2p", "-x7k2p"),
        ] {
            assert_eq!(workload(pod), expect, "{pod}");
        }
    }

    #[test]
    fn images_without_registry_and_tag() {
        for (image, expect) in [
            ("docker.io/library/nginx:1.27", Some("nginx")),
            ("localhost:5000/shop/web@sha256:00ff", Some("web")),
            ("nginx", Some("nginx")),
            ("sha256:00ff", None),
            ("", None),
        ] {
            assert_eq!(repository(image), expect, "{image}");
        }
    }

    #[test]
    fn names_that_a_runtime_made_up() {
        for name in ["quirky_turing", "quirky_turing3"] {
            assert!(is_generated(name), "{name}");
        }
        for name in ["web", "shop-web-1", "Quirky_Turing", "a_b", "one_two_three"] {
            assert!(!is_generated(name), "{name}");
        }
    }

    #[test]
    fn names_that_end_in_a_uuid() {
        let uuid = "1b2c3d4e-0000-4000-8000-123456789abc";
        for (name, expect) in [
            (format!("web-1-{uuid}"), "web-1"),
            (uuid.to_owned(), uuid),
            (format!("-{uuid}"), &format!("-{uuid}")),
            ("web".to_owned(), "web"),
            ("é".repeat(30), &"é".repeat(30)),
        ] {
            assert_eq!(without_uuid(&name), expect, "{name}");
        }
    }

    proptest! {
        #[test]
        fn replaced_pods_of_a_deployment_have_one_workload(
            name in "[a-z]([-a-z0-9]{0,20}[a-z0-9])?",
            hashes in prop::array::uniform2("[bcdf456789]{9,10}"),
            suffixes in prop::array::uniform2("[bcdfghjklmnpqrstvwxz2456789]{5}"),
        ) {
            for (hash, suffix) in hashes.iter().zip(&suffixes) {
                let pod = format!("{name}-{hash}-{suffix}");
                prop_assert_eq!(workload(&pod), &name);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = (workload(&text), repository(&text), is_generated(&text), without_uuid(&text));
        }
    }
}
