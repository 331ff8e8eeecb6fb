//! Names that other systems use for a signal.

use hyper::StatusCode;

use crate::http::message::ProblemDetails;
use crate::signal::Signal;
use crate::sources;
use crate::table::quoted;

/// Name in another system, and the signal. Values keep the unit of the signal: a ratio is 0 to 1, not a percentage.
static SPELLINGS: &[(&str, &str)] = &[
    ("cpu.total_usage", "cpu_busy_ratio"),
    ("cpu.usage_percent", "cpu_busy_ratio"),
    ("cpu_percent", "cpu_busy_ratio"),
    ("cpu_usage", "cpu_busy_ratio"),
    ("cpu", "cpu_busy_ratio"),
    ("memory.usage_percent", "memory_used_ratio"),
    ("memory_percent", "memory_used_ratio"),
    ("memory_usage", "memory_used_ratio"),
    ("memory", "memory_used_ratio"),
    ("disk.usage_percent", "filesystem_used_ratio"),
    ("disk_usage", "filesystem_used_ratio"),
    ("disk.io_percent", "disk_busy_ratio"),
    ("network.bytes_recv", "network_received_bytes_per_second"),
    ("network.bytes_sent", "network_sent_bytes_per_second"),
    ("network.errors", "network_errors_per_second"),
];

/// The names that other systems use, each with its signal.
pub fn spellings() -> &'static [(&'static str, &'static str)] {
    SPELLINGS
}

/// The signal of this name.
pub(super) fn signal(name: &str) -> Result<&'static Signal, ProblemDetails> {
    let known = SPELLINGS.iter().find(|(spelling, _)| *spelling == name).map_or(name, |(_, signal)| signal);
    sources::signal(known).ok_or_else(|| {
        let detail = format!("no signal is named {}; /api/v1/signals lists them", quoted(name));
        ProblemDetails::new(StatusCode::NOT_FOUND, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_leads_to_a_signal() {
        for (spelling, name) in SPELLINGS {
            assert_eq!(signal(spelling).unwrap().name, *name);
        }
        assert_eq!(signal("memory_used_ratio").unwrap().name, "memory_used_ratio");
        assert!(signal("nonsense").unwrap_err().detail.contains("/api/v1/signals"));
    }
}
