//! Root causes in the format of SMD: `15540-15605:7,18`.

use std::path::Path;

use super::{DatasetError, ROWS_MAX, shown};
use crate::evaluate::RootCause;

/// Reads causes. Signals are counted from 1 in the file and from 0 in the result.
///
/// # Errors
/// If the file cannot be read, or a line is malformed.
pub fn causes(path: &Path) -> Result<Vec<RootCause>, DatasetError> {
    parse(path, &super::text(path)?)
}

fn parse(path: &Path, text: &str) -> Result<Vec<RootCause>, DatasetError> {
    let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty());
    let wrong = |line: &str, number| {
        let what =
            "is malformed: expected first-last:signals, such as 760-765:4,5, with signals counted from 1";
        DatasetError::at(path, number, format!("{} {what}", shown(line)))
    };
    lines.map(|(line, number)| cause(line).ok_or_else(|| wrong(line, number))).collect()
}

fn cause(line: &str) -> Option<RootCause> {
    let (rows, signals) = line.split_once(':')?;
    let (first, last) = rows.split_once('-')?;
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|it| *it < ROWS_MAX);
    let (first, last) = (number(first)?, number(last)?);
    let signals = signals.split(',').map(str::trim).filter(|it| !it.is_empty());
    let signals = signals.map(|it| it.parse::<u16>().ok()?.checked_sub(1)).collect::<Option<_>>()?;
    (first <= last).then_some(RootCause { first, last, signals })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// First row, last row, signals.
    type RootCauseLine<'a> = (usize, usize, &'a [u16]);

    fn check(text: &str, expected: Result<&[RootCauseLine<'_>], &str>) {
        let found = parse(Path::new("f"), text).map_err(|it| it.to_string());
        let cause = |it: &RootCauseLine<'_>| RootCause {
            first: it.0,
            last: it.1,
            signals: it.2.iter().copied().collect(),
        };
        let expected = expected.map(|it| it.iter().map(cause).collect::<Vec<_>>()).map_err(str::to_owned);
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_line_is_a_range_and_signals() {
        check("760-765:4,5\r\n\n 10-10 : 1 \n", Ok(&[(760, 765, &[3, 4]), (10, 10, &[0])]));
        check("", Ok(&[]));
        check("1-2:", Ok(&[(1, 2, &[])]));
        for bad in ["1:2", "1-2", "2-1:3", "1-2:0", "1-2:x", "a-2:1", "1-99999999999:1"] {
            let sentence =
                "is malformed: expected first-last:signals, such as 760-765:4,5, with signals counted from 1";
            check(&format!("1-2:3\n{bad}\n"), Err(&format!("f, line 2: {bad:?} {sentence}")));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(.|\n){0,80}", near in "[0-9:,\\-\n]{0,30}") {
            let _ = (parse(Path::new("f"), &text), parse(Path::new("f"), &near));
        }

        #[test]
        fn written_text_parses_to_the_same(
            first in 0..1000_usize,
            more in 0..1000_usize,
            signals in prop::collection::btree_set(0..256_u16, 0..9),
        ) {
            let shown: Vec<_> = signals.iter().map(|it| (it + 1).to_string()).collect();
            let text = format!("{first}-{}:{}", first + more, shown.join(","));
            let expected = vec![RootCause { first, last: first + more, signals }];
            prop_assert_eq!(parse(Path::new("f"), &text), Ok(expected));
        }
    }
}
