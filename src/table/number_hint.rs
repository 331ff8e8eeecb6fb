//! How a cell that is no number is to be written, such as one that a spreadsheet formatted.

use std::borrow::Cow;

/// How a cell that is no number is to be written.
pub(super) fn number_hint(cell: &str) -> String {
    formatted_number_hint(cell).unwrap_or_else(|| "leave the cell of a missing value empty".to_owned())
}

/// How to write a cell that is meant as a number but is not one; `None` for other text.
pub fn formatted_number_hint(cell: &str) -> Option<String> {
    if cell.contains('\n') {
        return Some("it has several lines; check for an unclosed quote".to_owned());
    }
    match with_decimal_point(cell) {
        Some(number) if is_grouped(cell) => {
            let whole = cell.trim().replace(',', "");
            Some(format!("write {whole} if the comma separates thousands, {number} if decimals"))
        }
        Some(number) => Some(format!("write the decimal point, {number}")),
        None => match (without_marks(cell), without_unit(cell)) {
            (Some(number), _) => Some(format!("write {number}")),
            (None, Some(number)) => Some(format!("write the number without its unit, such as {number}")),
            (None, None) => None,
        },
    }
}

/// Characters that separate thousands in some languages, beside the comma and the point.
const GROUP_MARKS: [char; 7] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}', '_'];

/// A number with separators of thousands, a percent sign, or the minus of typesetting, without them.
fn without_marks(cell: &str) -> Option<String> {
    let cell = cell.trim();
    let plain = cell.strip_suffix('%').unwrap_or(cell).trim_end().replace('\u{2212}', "-");
    let (whole, fraction) = plain.rsplit_once('.').unwrap_or((&plain, ""));
    let number = if !fraction.is_empty() && whole.contains(',') && !fraction.contains(',') {
        Cow::from(plain.replace(',', ""))
    } else {
        without_groups(&plain)
    };
    (number != cell && number.parse::<f64>().is_ok()).then(|| number.into_owned())
}

/// A number without the marks between groups of three digits.
fn without_groups(number: &str) -> Cow<'_, str> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut groups = whole.split(GROUP_MARKS);
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.clone().peekable();
    let is_first = (1..=3).contains(&first.trim_start_matches(['-', '+']).len());
    let is_grouped = rest.peek().is_some() && groups.all(|it| it.len() == 3);
    if !is_first || !is_grouped {
        return number.into();
    }
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{first}{}{point}{fraction}", rest.collect::<String>()).into()
}

/// The number before a unit, such as `5 ms`.
fn without_unit(cell: &str) -> Option<&str> {
    let cell = cell.trim();
    let end = cell.find(|it: char| !it.is_ascii_digit() && !['.', '-', '+'].contains(&it))?;
    let (number, unit) = cell.split_at_checked(end)?;
    let unit = unit.trim_start();
    let is_unit = (1..=UNIT_CHARS_MAX).contains(&unit.chars().count())
        && unit.chars().all(|it| it.is_alphabetic() || ['/', '°', '²', '³'].contains(&it));
    (is_unit && number.parse::<f64>().is_ok()).then_some(number)
}

/// Largest number of characters of a unit, such as `KiB/s`.
const UNIT_CHARS_MAX: usize = 8;

/// A number with a decimal comma, with a point instead.
fn with_decimal_point(cell: &str) -> Option<String> {
    let (whole, fraction) = cell.trim().split_once(',')?;
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|it| it.is_ascii_digit());
    let number = format!("{whole}.{fraction}");
    (is_fraction && number.parse::<f64>().is_ok()).then_some(number)
}

/// Whether the comma of a number may separate thousands.
fn is_grouped(cell: &str) -> bool {
    let (whole, rest) = cell.trim().trim_start_matches(['-', '+']).split_once(',').unwrap_or_default();
    rest.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formatted_numbers_are_shown_as_they_are_to_be_written() {
        for (cell, expect) in [
            ("0,9", "write the decimal point, 0.9"),
            ("-1,5", "write the decimal point, -1.5"),
            ("1,000", "write 1000 if the comma separates thousands, 1.000 if decimals"),
            ("-12,345", "write -12345 if the comma separates thousands, -12.345 if decimals"),
            ("0,125", "write the decimal point, 0.125"),
            ("1000,125", "write the decimal point, 1000.125"),
            ("1,234.50", "write 1234.50"),
            ("-1,234,567.8", "write -1234567.8"),
            ("50 %", "write 50"),
            ("12.5%", "write 12.5"),
            ("1 234", "write 1234"),
            ("12\u{202f}345\u{202f}678.5", "write 12345678.5"),
            ("-1'234.5", "write -1234.5"),
            ("1_000", "write 1000"),
            ("\u{2212}7.5", "write -7.5"),
            ("5 ms", "write the number without its unit, such as 5"),
            ("22.6MiB", "write the number without its unit, such as 22.6"),
            ("3 KiB/s", "write the number without its unit, such as 3"),
        ] {
            assert_eq!(number_hint(cell), expect, "{cell:?}");
        }
        for cell in [
            "1,5,2", ",", "1,", "1,x", "x,1", "1.5,2", "%", "x%", "1,x.5", "1.5.5", "1 2", "N/A", "-",
            "1 23 456", "0x10", "x",
        ] {
            assert_eq!(number_hint(cell), "leave the cell of a missing value empty", "{cell:?}");
        }
    }

    proptest! {
        #[test]
        fn any_cell_has_a_hint(cell in "([0-9]{1,4}[ '%,._xM\u{202f}\u{2212}]?){0,5}|\\PC{0,9}") {
            prop_assert!(!number_hint(&cell).is_empty());
        }
    }
}
