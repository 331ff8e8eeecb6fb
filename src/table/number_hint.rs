//! How a cell that is no number is to be written, such as one that a spreadsheet formatted.

use std::net::Ipv4Addr;

use super::cell::{CellValue, number};

/// How a cell that is no number is to be written.
pub(super) fn number_hint(cell: &str) -> String {
    formatted_number_hint(cell).unwrap_or_else(|| "leave the cell of a missing value empty".to_owned())
}

/// How to write a cell that is meant as a number but is not one; `None` for other text.
pub fn formatted_number_hint(cell: &str) -> Option<String> {
    if cell.contains('\n') {
        return Some("it has several lines; check for an unclosed quote".to_owned());
    }
    let FormattedNumber { written, with_thousands, has_unit } = FormattedNumber::of(cell)?;
    if let Some(whole) = with_thousands {
        return Some(format!("write {whole} if the comma separates thousands, {written} if decimals"));
    }
    Some(match cell.trim_ascii() {
        cell if cell == written => return None,
        _ if has_unit => format!("write the number without its unit, such as {written}"),
        cell if cell.replace(',', ".") == written => format!("write the decimal point, {written}"),
        _ => format!("write {written}"),
    })
}

/// Longest number in a hint, in bytes.
const WRITTEN_MAX: usize = 40;
/// Characters that separate thousands in some languages, beside the comma and the point.
const GROUP_MARKS: [char; 7] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}', '_'];
/// The minus sign, and dashes of typesetting in its place.
const MINUS: [char; 5] = ['-', '\u{2212}', '\u{2010}', '\u{2013}', '\u{ff0d}'];
/// Symbols of money, which may also be before a number.
const MONEY: [char; 5] = ['$', '€', '£', '¥', '₹'];
/// Largest number of characters of a unit, such as `KiB/s`.
const UNIT_CHARS_MAX: usize = 8;

/// A number as people and spreadsheets format it.
#[derive(Debug, PartialEq)]
struct FormattedNumber {
    /// The number as a table has it.
    written: String,
    /// The same if its only comma separates thousands, where that is possible, too.
    with_thousands: Option<String>,
    /// Whether a unit is beside it.
    has_unit: bool,
}

impl FormattedNumber {
    /// Takes a cell apart: sign, digits with marks, exponent, unit.
    fn of(cell: &str) -> Option<Self> {
        let (sign, rest) = without_sign(cell.trim_matches(is_around));
        let (rest, has_money) = match rest.strip_prefix(MONEY) {
            Some(rest) => (rest.trim_start(), true),
            None => (rest, false),
        };
        let is_mark = |it: char| it.is_ascii_digit() || ['.', ','].contains(&it) || GROUP_MARKS.contains(&it);
        let (digits, rest) = rest.split_at(rest.find(|it| !is_mark(it)).unwrap_or(rest.len()));
        let digits = digits.trim_end_matches(GROUP_MARKS);
        let (exponent, unit) = without_exponent(rest);
        let is_percent = unit == "%";
        if digits.parse::<Ipv4Addr>().is_ok() || !(unit.is_empty() || is_percent || is_unit(unit)) {
            return None;
        }
        let written = |digits: String| {
            let text = format!("{sign}{digits}{exponent}");
            let is_number = matches!(number(text.as_bytes()), CellValue::Known(_));
            (is_number && text.len() <= WRITTEN_MAX).then_some(text)
        };
        let [with_point, with_comma] = ['.', ','].map(|it| decimal(digits, it).and_then(written));
        let whole = without_groups(digits, None).and_then(written);
        let (written, with_thousands) = match (with_point, with_comma, whole) {
            (Some(number), ..) | (None, Some(number), None) | (None, None, Some(number)) => (number, None),
            (None, Some(number), whole) => (number, whole),
            (None, None, None) => return None,
        };
        Some(Self { written, with_thousands, has_unit: has_money || !(unit.is_empty() || is_percent) })
    }
}

/// Whether a character may be around a number without a meaning: spaces, quotes, invisible characters.
fn is_around(it: char) -> bool {
    let quotes = ['"', '\'', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '='];
    let invisible = ['\u{200b}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{feff}'];
    it.is_whitespace() || it.is_control() || quotes.contains(&it) || invisible.contains(&it)
}

/// The sign of a number, and the rest. Spreadsheets put negative amounts into parentheses.
fn without_sign(text: &str) -> (&'static str, &str) {
    if let Some(amount) = text.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        return ("-", amount.trim());
    }
    match text.strip_prefix(MINUS) {
        Some(rest) => ("-", rest.trim_start()),
        None => ("", text.strip_prefix('+').unwrap_or(text).trim_start()),
    }
}

/// The exponent at the start of a text, such as `e-3`, and the rest, which may be a unit.
fn without_exponent(text: &str) -> (String, &str) {
    let exponent = text.strip_prefix(['e', 'E']).and_then(|text| {
        let (sign, text) = without_sign(text);
        let (digits, rest) = text.split_at(text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len()));
        (!digits.is_empty()).then(|| (format!("e{sign}{digits}"), rest.trim()))
    });
    exponent.unwrap_or_else(|| (String::new(), text.trim()))
}

fn is_unit(text: &str) -> bool {
    let is_part =
        |it: char| it.is_alphabetic() || ['/', '°', '²', '³', '‰'].contains(&it) || MONEY.contains(&it);
    text.chars().count() <= UNIT_CHARS_MAX && text.chars().all(is_part)
}

/// Digits with this decimal sign, written with a decimal point and without marks between thousands.
fn decimal(digits: &str, sign: char) -> Option<String> {
    let (whole, fraction) = digits.rsplit_once(sign)?;
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|it| it.is_ascii_digit());
    let whole = without_groups(whole, Some(sign)).filter(|_| is_fraction)?;
    Some(format!("{whole}.{fraction}"))
}

/// Digits without the mark between groups of three, which is not the decimal sign.
fn without_groups(digits: &str, decimal_sign: Option<char>) -> Option<String> {
    let Some(mark) = digits.chars().find(|it| !it.is_ascii_digit()) else { return Some(digits.to_owned()) };
    let mut groups = digits.split(mark);
    let first = groups.next()?;
    let is_first = (1..=3).contains(&first.len()) && !first.starts_with('0');
    let is_group = |it: &str| it.len() == 3 && it.bytes().all(|it| it.is_ascii_digit());
    let is_grouped = is_first && decimal_sign != Some(mark) && groups.all(is_group);
    is_grouped.then(|| digits.replace(mark, ""))
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
            ("1,5e3", "write the decimal point, 1.5e3"),
            ("0,5e-3", "write the decimal point, 0.5e-3"),
            ("1,000", "write 1000 if the comma separates thousands, 1.000 if decimals"),
            ("-12,345", "write -12345 if the comma separates thousands, -12.345 if decimals"),
            ("1,000 ms", "write 1000 if the comma separates thousands, 1.000 if decimals"),
            ("0,125", "write the decimal point, 0.125"),
            ("1000,125", "write the decimal point, 1000.125"),
            ("1,234.50", "write 1234.50"),
            ("1,234,567", "write 1234567"),
            ("-1,234,567.8", "write -1234567.8"),
            ("12.345.678", "write 12345678"),
            ("1.234,56", "write 1234.56"),
            ("1 234,5", "write 1234.5"),
            ("1'234,5", "write 1234.5"),
            ("1 234,567", "write 1234.567"),
            ("50 %", "write 50"),
            ("12.5%", "write 12.5"),
            ("12,5 %", "write 12.5"),
            ("1 234 567,8 %", "write 1234567.8"),
            ("1 234", "write 1234"),
            ("12\u{202f}345\u{202f}678.5", "write 12345678.5"),
            ("-1'234.5", "write -1234.5"),
            ("1_000", "write 1000"),
            ("\u{2212}7.5", "write -7.5"),
            ("\u{2212}12,5", "write -12.5"),
            ("\u{2013}5", "write -5"),
            ("(1,234.5)", "write -1234.5"),
            ("+1,5", "write 1.5"),
            ("\u{a0}5", "write 5"),
            ("\u{200b}5\0", "write 5"),
            ("'5", "write 5"),
            ("=\"5\"", "write 5"),
            ("\u{201c}50.134\u{201d}", "write 50.134"),
            ("5 ms", "write the number without its unit, such as 5"),
            ("22.6MiB", "write the number without its unit, such as 22.6"),
            ("3 KiB/s", "write the number without its unit, such as 3"),
            ("1,5 GB", "write the number without its unit, such as 1.5"),
            ("5'000 ms", "write the number without its unit, such as 5000"),
            ("1e3s", "write the number without its unit, such as 1e3"),
            ("5 e", "write the number without its unit, such as 5"),
            ("5 m³/h", "write the number without its unit, such as 5"),
            ("$1,234.50", "write the number without its unit, such as 1234.50"),
            ("-5,5 €", "write the number without its unit, such as -5.5"),
        ] {
            assert_eq!(number_hint(cell), expect, "{cell:?}");
        }
    }

    #[test]
    fn other_text_is_not_a_formatted_number() {
        for cell in [
            "1,5,2",
            ",",
            "1,",
            "1,x",
            "x,1",
            "1.5,2",
            "%",
            "x%",
            "1,x.5",
            "1.5.5",
            "1 2",
            "N/A",
            "-",
            "1 23 456",
            "0x10",
            "x",
            "10:30",
            "1/2",
            "192.168.100.200",
            "2026-11-21",
            "1.#INF",
            "-nan(ind)",
            "1e999",
            "2 of 3",
        ] {
            assert_eq!(number_hint(cell), "leave the cell of a missing value empty", "{cell:?}");
        }
        assert_eq!(formatted_number_hint("1e400"), None);
        assert_eq!(formatted_number_hint(&format!("0,{}", "1".repeat(500))), None);
    }

    /// A number with all that may be around and between its digits, and how it is to be written.
    fn formatted() -> impl Strategy<Value = (String, String)> {
        let signs =
            prop::sample::select(vec![("", ""), ("-", "-"), ("\u{2212}", "-"), ("\u{2013}", "-"), ("+", "")]);
        // The mark between thousands, and the decimal sign.
        let marks = prop::sample::select(vec![
            ("", ","),
            ("", "."),
            (" ", ","),
            (" ", "."),
            ("\u{a0}", ","),
            ("\u{202f}", ","),
            ("'", ","),
            ("\u{2019}", "."),
            (".", ","),
            (",", "."),
            ("_", "."),
        ]);
        let groups = (1_u32..1000, prop::collection::vec(0_u32..1000, 1..3));
        let exponent = prop::sample::select(vec![("", ""), ("e3", "e3"), ("E-2", "e-2"), ("e+2", "e2")]);
        let unit = prop::sample::select(vec!["", "%", " %", " ms", "GB", " KiB/s", "\u{a0}€", " °C"]);
        (signs, marks, groups, prop::option::of("[0-9]{1,4}"), exponent, unit).prop_map(
            |(sign, (mark, point), (first, groups), fraction, exponent, unit)| {
                let joined = |mark: &str| {
                    let rest = groups.iter().map(|it| format!("{mark}{it:03}")).collect::<String>();
                    format!("{first}{rest}")
                };
                let [cell, plain] = [(mark, point), ("", ".")].map(|(mark, point)| {
                    let fraction = fraction.as_ref().map(|it| format!("{point}{it}")).unwrap_or_default();
                    joined(mark) + &fraction
                });
                (format!("{}{cell}{}{unit}", sign.0, exponent.0), format!("{}{plain}{}", sign.1, exponent.1))
            },
        )
    }

    proptest! {
        #[test]
        fn a_formatted_number_keeps_its_value((cell, plain) in formatted()) {
            let hint = number_hint(&cell);
            // A single comma or point with three digits may mean either.
            let is_other = hint.contains("if the comma separates thousands") || cell.contains(&plain);
            let is_single_point = cell.matches('.').count() == 1 && !cell.contains(',');
            let is_meant = hint.ends_with(&format!(" {plain}"));
            prop_assert!(is_meant || is_other || is_single_point, "{cell:?}: {hint}, not {plain}");
            prop_assert!(hint.contains("write ") || cell == plain || is_single_point, "{cell:?}: {hint}");
        }

        #[test]
        fn any_cell_has_a_short_hint(cell in "([0-9]{1,4}[ '%,._xM\u{202f}\u{2212}]?){0,5}|\\PC{0,9}|[0-9,.' ]{30,90}") {
            let hint = number_hint(&cell);
            prop_assert!(!hint.is_empty() && hint.len() < 200, "{cell:?}: {hint}");
        }
    }
}
