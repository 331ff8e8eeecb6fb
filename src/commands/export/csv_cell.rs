//! CSV cells (RFC 4180).

use std::io::{self, Write};

use crate::episode_text;
use crate::metric::Metric;
use crate::reading::{MetricLabels, Timestamp};

/// Writes one row.
pub(super) fn row<'a>(to: &mut dyn Write, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    for (idx, cell) in cells.into_iter().enumerate() {
        if idx > 0 {
            to.write_all(b",")?;
        }
        if cell.contains([',', '"', '\n', '\r']) {
            write!(to, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            to.write_all(cell.as_bytes())?;
        }
    }
    to.write_all(b"\n")
}

/// A time in ISO 8601 with nanoseconds, more precise than stored times, so it parses to the same number.
pub(super) fn time(at: Timestamp) -> String {
    let whole = at.0.floor();
    let nanos = ((at.0 - whole) * 1e9).round() as u64;
    let text = episode_text::instant(Timestamp(whole));
    format!("{}.{nanos:09}Z", text.split('.').next().unwrap_or_default())
}

/// A number that parses to the same bits.
pub(super) fn number(value: f64) -> String {
    // Without an exponent, 1e300 has three hundred digits.
    if value == 0.0 || (1e-5..1e16).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

/// The labels of a series as a JSON object.
pub(super) fn labels(metric: &Metric, labels: &MetricLabels) -> String {
    let named = metric.labels.iter().copied().zip(labels.values());
    let named: serde_json::Map<String, serde_json::Value> =
        named.map(|(name, value)| (name.to_owned(), (**value).into())).collect();
    serde_json::Value::Object(named).to_string()
}

/// A series in the notation of Prometheus: `name{label="value"}`.
pub(super) fn series(metric: &Metric, labels: &MetricLabels) -> String {
    let named = metric.labels.iter().zip(labels.values());
    let named: Vec<String> = named.map(|(name, value)| format!("{name}={value:?}")).collect();
    if named.is_empty() { metric.name.to_owned() } else { format!("{}{{{}}}", metric.name, named.join(",")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::instant;

    #[test]
    fn commas_and_quotes_are_quoted() {
        let mut text = Vec::new();
        row(&mut text, ["a", "b,c", "d\"e", "", "f\ng"]).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "a,\"b,c\",\"d\"\"e\",,\"f\ng\"\n");
    }

    proptest! {
        #[test]
        fn numbers_come_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(number(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn times_come_back(at in 1e9..4e9_f64) {
            prop_assert_eq!(instant(time(Timestamp(at)).as_bytes()), Ok(Timestamp(at)));
        }
    }
}
