//! Names of a column that has the time of each row, but not the name that hostnorm needs.

use super::{TIMESTAMP, TableProblem};

/// Such names, in lower case, without other characters than letters and digits.
const TIME_NAMES: &[&str] = &[
    "timestamp",
    "time",
    "date",
    "datetime",
    "timedate",
    "datetimeutc",
    "timeutc",
    "utc",
    "utctime",
    "timestamputc",
    "utctimestamp",
    "timestampms",
    "timestampus",
    "timestampns",
    "epoch",
    "epochtime",
    "epochseconds",
    "unix",
    "unixtime",
    "unixtimestamp",
    "unixseconds",
    "ts",
];

/// The problem of a header without the column `timestamp`, if one of its names means the time of each row.
pub fn time_name_problem(names: &[impl AsRef<str>]) -> Option<TableProblem> {
    let mut cells = names.iter().map(AsRef::as_ref).zip(1..);
    if names.iter().any(|it| it.as_ref() == TIMESTAMP) {
        return None;
    }
    let (name, position) = cells.find(|(name, _)| means_time(name))?;
    Some(TableProblem::TimeName { position, name: name.to_owned() })
}

fn means_time(name: &str) -> bool {
    let plain: String = name.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    TIME_NAMES.contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_the_time_of_a_row_are_noticed() {
        for name in [
            "Timestamp",
            "TIMESTAMP",
            "time",
            "@timestamp",
            "#timestamp",
            "# timestamp",
            "timestamp\u{a0}",
            "'timestamp'",
            "_time",
            "Date/Time",
            "Time (UTC)",
            "unix_time",
        ] {
            let expect = TableProblem::TimeName { position: 2, name: name.to_owned() };
            assert_eq!(time_name_problem(&["cpu", name]), Some(expect), "{name}");
        }
        for name in
            ["response_time", "cpu_time", "time_ms", "uptime", "times", "dates", "timestamps_per_second", ""]
        {
            assert_eq!(time_name_problem(&["cpu", name]), None, "{name}");
        }
        assert_eq!(time_name_problem(&["timestamp", "time"]), None);
    }
}
