//! Labels and scores: one value per row, alone or as a column of a CSV file.

use std::path::Path;

use super::each_row::each_row;
use super::row_times::TimeColumn;
use super::{BYTES_MAX, DatasetError, shown};
use crate::evaluate::LevelRows;
use crate::reading::Timestamp;
use crate::table::{
    CellValue, InputStream, TIMESTAMP, TableProblem, foreign_separator, formatted_number_hint, number,
    separator_hint, time_name_problem,
};
use crate::window::VALUE_MAX;

/// The labels of a series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelColumn {
    /// Whether each row is anomalous.
    pub labels: Vec<bool>,
    /// The time of each row; `None` without the column `timestamp`.
    pub times: Option<Vec<Timestamp>>,
}

/// How a row without a score is written.
const NO_SCORE: &str = "write NaN for a missing score";

/// The scores of a detector.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScoreColumn {
    /// The score of each row. May be NaN.
    pub scores: Vec<f64>,
    /// The time of each row; `None` without the column `timestamp`.
    pub times: Option<Vec<Timestamp>>,
    /// The signals of each row by descending contribution; `None` without such a column.
    pub top: Option<Vec<Vec<u16>>>,
    /// Whether each row is at each level; `None` without the columns `is_anomaly` and `alert`.
    pub levels: Option<LevelRows>,
}

/// Reads labels.
///
/// # Errors
/// If the file cannot be read, is empty, a row is neither 0 nor 1, or times do not rise.
pub fn labels(path: &Path) -> Result<LabelColumn, DatasetError> {
    parse_labels(path, open(path)?)
}

/// Reads scores.
///
/// # Errors
/// If the file cannot be read, is empty, has no column `score`, a cell is malformed, or times do not rise.
pub fn scores(path: &Path) -> Result<ScoreColumn, DatasetError> {
    parse_scores(path, open(path)?)
}

fn parse_labels(path: &Path, input: InputStream) -> Result<LabelColumn, DatasetError> {
    let mut labels = Vec::new();
    // The column of labels, and the times, after the first row.
    let mut columns: Option<(usize, TimeColumn)> = None;
    each_row(path, input, "write 0 or 1", |line, row| {
        let Some((column, times)) = &mut columns else {
            if row.len() == 1 && is_value(row[0]) {
                columns = Some((0, TimeColumn::default()));
                labels.push(truth_at(path, line, row, 0)?);
            } else {
                let needed = required(path, line, row, "label", "neither 0 nor 1")?;
                columns = Some((needed, TimeColumn::of(timestamp(path, line, row)?)));
            }
            return Ok(());
        };
        times.take(path, line, row)?;
        labels.push(truth_at(path, line, row, *column)?);
        Ok(())
    })?;
    Ok(LabelColumn { labels, times: columns.and_then(|(_, times)| times.into_times()) })
}

/// The columns of a file with scores.
#[derive(Default)]
struct ScorePlaces {
    score: usize,
    top: Option<usize>,
    /// `is_anomaly` and `alert`.
    levels: Option<[usize; 2]>,
    times: TimeColumn,
}

impl ScorePlaces {
    fn of(path: &Path, line: u64, header: &[&str]) -> Result<Self, DatasetError> {
        let place = |name: &str| optional(path, line, header, name);
        Ok(Self {
            score: required(path, line, header, "score", "not a number")?,
            top: place("top")?,
            levels: place("is_anomaly")?.zip(place("alert")?).map(|(a, b)| [a, b]),
            times: TimeColumn::of(timestamp(path, line, header)?),
        })
    }
}

fn parse_scores(path: &Path, input: InputStream) -> Result<ScoreColumn, DatasetError> {
    let mut found = ScoreColumn::default();
    let mut places: Option<ScorePlaces> = None;
    each_row(path, input, NO_SCORE, |line, row| {
        let Some(places) = &mut places else {
            if row.len() == 1 && is_value(row[0]) {
                places = Some(ScorePlaces::default());
                found.scores.push(score(path, line, row[0])?);
            } else {
                let of = places.insert(ScorePlaces::of(path, line, row)?);
                found.top = of.top.map(|_| Vec::new());
                found.levels = of.levels.map(|_| LevelRows::default());
            }
            return Ok(());
        };
        places.times.take(path, line, row)?;
        found.scores.push(score(path, line, row.get(places.score).copied().unwrap_or_default())?);
        if let (Some(place), Some(all)) = (places.top, &mut found.top) {
            all.push(blamed(path, line, row.get(place).copied().unwrap_or_default())?);
        }
        if let (Some(places), Some(all)) = (places.levels, &mut found.levels) {
            for (place, column) in places.into_iter().zip([&mut all.is_anomaly, &mut all.alert]) {
                column.push(truth_at(path, line, row, place)?);
            }
        }
        Ok(())
    })?;
    if found.scores.iter().all(|it| it.is_nan()) {
        return Err(DatasetError::of(path, "no row has a score"));
    }
    found.times = places.and_then(|it| it.times.into_times());
    Ok(found)
}

/// A score, by the rules for numbers in tables. An empty cell is an error, because a detector says for each row whether it has
/// a score.
fn score(path: &Path, line: u64, cell: &str) -> Result<f64, DatasetError> {
    let why = match number(cell.as_bytes()) {
        CellValue::Known(value) => return Ok(value),
        CellValue::Missing if !cell.is_empty() => return Ok(f64::NAN),
        CellValue::OutOfRange => format!("is beyond ±{VALUE_MAX:e}"),
        CellValue::Missing | CellValue::Text => "is not a number".to_owned(),
    };
    let remedy = formatted_number_hint(cell).unwrap_or_else(|| NO_SCORE.to_owned());
    Err(DatasetError::at(path, line, format!("the score {} {why}; {remedy}", shown(cell))))
}

/// Indices separated by `;`; none for an empty cell.
fn blamed(path: &Path, line: u64, cell: &str) -> Result<Vec<u16>, DatasetError> {
    let wrong = |part: &str| {
        let what = format!("{} in the column top is not the index of a signal, counted from 0", shown(part));
        DatasetError::at(path, line, what)
    };
    let parts = cell.split(';').map(str::trim).filter(|it| !it.is_empty());
    parts.map(|part| part.parse().map_err(|_| wrong(part))).collect()
}

/// Whether the first row of a file with one column is a value, so that there is no header.
fn is_value(cell: &str) -> bool {
    !matches!(number(cell.as_bytes()), CellValue::Text)
}

fn truth(cell: &str) -> Option<bool> {
    match number(cell.as_bytes()) {
        CellValue::Known(0.0) => Some(false),
        CellValue::Known(1.0) => Some(true),
        _ => None,
    }
}

fn truth_at(path: &Path, line: u64, row: &[&str], column: usize) -> Result<bool, DatasetError> {
    let cell = row.get(column).copied().unwrap_or_default();
    let wrong = || DatasetError::at(path, line, format!("{} is neither 0 nor 1", shown(cell)));
    truth(cell).ok_or_else(wrong)
}

/// The position of the column with the times, if there is one.
fn timestamp(path: &Path, line: u64, header: &[&str]) -> Result<Option<usize>, DatasetError> {
    match time_name_problem(header) {
        None => optional(path, line, header, TIMESTAMP),
        Some(problem) => Err(DatasetError::at(path, line, problem.to_string())),
    }
}

/// The position of a column in a header. Without a header, the first row is `otherwise`.
fn required(
    path: &Path,
    line: u64,
    header: &[&str],
    name: &str,
    otherwise: &str,
) -> Result<usize, DatasetError> {
    optional(path, line, header, name)?.ok_or_else(|| {
        let (text, hint) = (header.join(","), separator_hint(foreign_separator(header)));
        DatasetError::at(path, line, format!("no column {name}, and {} is {otherwise}{hint}", shown(&text)))
    })
}

/// The position of a column that a header may lack.
fn optional(path: &Path, line: u64, header: &[&str], name: &str) -> Result<Option<usize>, DatasetError> {
    let mut places = header.iter().enumerate().filter(|(_, it)| **it == name).map(|(place, _)| place);
    let (found, second) = (places.next(), places.next());
    match found.zip(second) {
        None => Ok(found),
        Some((first, second)) => {
            let problem =
                TableProblem::Duplicate { column: name.to_owned(), first: first + 1, second: second + 1 };
            Err(DatasetError::at(path, line, problem.to_string()))
        }
    }
}

fn open(path: &Path) -> Result<InputStream, DatasetError> {
    InputStream::within(path, BYTES_MAX).map_err(|problem| DatasetError::of(path, problem.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::LINE_BYTES_MAX;

    fn stream(text: &[u8]) -> InputStream {
        InputStream::of(std::io::Cursor::new(text.to_vec())).unwrap()
    }

    const MORE_CELLS: &str = "f, line 2: 2 cells, the header has 1; put quotes around cells with commas, and write numbers with a decimal point";

    fn check_labels(text: &[u8], expected: Result<&str, &str>) {
        let found = parse_labels(Path::new("f"), stream(text))
            .map(|it| it.labels.iter().map(|it| if *it { '1' } else { '0' }).collect::<String>())
            .map_err(|it| it.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }

    fn check_scores(text: &str, expected: Result<&str, &str>) {
        let found = parse_scores(Path::new("f"), stream(text.as_bytes()))
            .map(|it| match it.top {
                None => format!("{:?}", it.scores),
                Some(top) => format!("{:?} {top:?}", it.scores),
            })
            .map_err(|it| it.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn labels_are_0_or_1() {
        check_labels(b"0\n1\n0\n", Ok("010"));
        check_labels(b"0\r\n1\r\n1", Ok("011"));
        check_labels(b"1.0\n0.0\n", Ok("10"));
        check_labels(b"0.00\n1.00\n", Ok("01"));
        check_labels(b"label\n0\n1\n", Ok("01"));
        check_labels(b"row,\"label\"\n5,0\n6,1\n", Ok("01"));
        check_labels(b"", Err("f: it has no rows"));
        check_labels(b"0\n2\n", Err("f, line 2: \"2\" is neither 0 nor 1"));
        check_labels(b"0\r\n1\r\nx\r\n", Err("f, line 3: \"x\" is neither 0 nor 1"));
        for first in ["-1", "100", "NaN", "2"] {
            let expect = format!("f, line 1: \"{first}\" is neither 0 nor 1");
            check_labels(format!("{first}\n1\n").as_bytes(), Err(&expect));
        }
        for first in ["false", "anomaly", "0,0"] {
            let expect = format!("f, line 1: no column label, and \"{first}\" is neither 0 nor 1");
            check_labels(format!("{first}\n0\n").as_bytes(), Err(&expect));
        }
        check_labels(b"row,label\n5\n", Err("f, line 2: 1 cell, the header has 2"));
        check_labels(b"0\n0,9\n", Err(MORE_CELLS));
        check_labels(
            b"time;label\n5;0\n",
            Err(
                "f, line 1: no column label, and \"time;label\" is neither 0 nor 1; cells are separated by commas, not by semicolons, and numbers have a decimal point",
            ),
        );
        check_labels(b"a,label\n\"two\nlines\",0\n3,4\n", Err("f, line 4: \"4\" is neither 0 nor 1"));
        check_labels(&[b'x'; LINE_BYTES_MAX + 2], Err("f, line 1: the row is longer than 262144 bytes"));
        check_labels(b"0\n\xff\n", Err("f, line 2: the line is not text (UTF-8)"));
    }

    #[test]
    fn empty_lines_shift_no_rows() {
        let label = "the line is empty; write 0 or 1";
        for (text, line) in [
            ("0\n\n1\n", 2),
            ("\n0\n1\n", 1),
            ("label\r\n0\r\n\r\n\r\n1\r\n", 3),
            ("0\r\r1\r", 2),
            ("0\n \n1\n", 2),
            ("0\n1\n\n \n\n0", 3),
        ] {
            check_labels(text.as_bytes(), Err(&format!("f, line {line}: {label}")));
        }
        for text in ["0\n1\n\n", "0\n1\n\n\n \n", "label\n0\n1\n\n"] {
            check_labels(text.as_bytes(), Ok("01"));
        }
        check_labels(b"0\n\"\"\n1\n", Err("f, line 2: \"\" is neither 0 nor 1"));
        check_labels(b"0\n1\n\"\"\n", Err("f, line 3: \"\" is neither 0 nor 1"));
        let score = "the line is empty; write NaN for a missing score";
        check_scores("score\n0.1\n\n0.2\n", Err(&format!("f, line 3: {score}")));
        check_scores("score\n0.1\n\n", Ok("[0.1]"));
        let empty = "the score \"\" is not a number; write NaN for a missing score";
        check_scores("score\n0.1\n\"\"\n0.2\n", Err(&format!("f, line 3: {empty}")));
    }

    #[test]
    fn the_column_of_times_has_its_name() {
        for name in ["time", "Timestamp", "# timestamp"] {
            let expect = format!(
                "f, line 1: column 1 is \"{name}\"; name it timestamp, or give it another name if it is not the time of each row"
            );
            check_labels(format!("{name},label\n5,0\n").as_bytes(), Err(&expect));
            check_scores(&format!("{name},score\n5,0\n"), Err(&expect));
        }
        check_scores("response_time,score\n5,0\n", Ok("[0.0]"));
    }

    #[test]
    fn scores_are_bare_or_a_column() {
        check_scores("score\nNaN\nnan\n", Err("f: no row has a score"));
        check_scores("0.5\n-1e3\nnan\n", Ok("[0.5, -1000.0, NaN]"));
        for vast in ["1e400", "inf", "-Infinity", "1.1e100"] {
            let expect =
                format!("f, line 2: the score {vast:?} is beyond ±1e100; write NaN for a missing score");
            check_scores(&format!("0.5\n{vast}\n"), Err(&expect));
        }
        check_scores("score,top,score\n1,,2\n", Err("f, line 1: columns 1 and 3 are both named \"score\""));
        check_scores("score\n1\n2\n", Ok("[1.0, 2.0]"));
        check_scores("score,top\n1,2;0\n2,\n", Ok("[1.0, 2.0] [[2, 0], []]"));
        check_scores("\"a\",top,score\n\"x,\ny\",3,0.25\n", Ok("[0.25] [[3]]"));
        check_scores("score,is_anomaly,alert\n1,1,0\n", Ok("[1.0]"));
        check_scores("score,is_anomaly,alert\n1,1,2\n", Err("f, line 2: \"2\" is neither 0 nor 1"));
        check_scores("score\n0,9\n", Err(MORE_CELLS));
        check_scores("0.5\n0,9\n", Err(MORE_CELLS));
        check_scores(
            "score\n\"0,9\"\n",
            Err("f, line 2: the score \"0,9\" is not a number; write the decimal point, 0.9"),
        );
        for (cell, remedy) in [
            ("50 %", "write 50"),
            ("1 234", "write 1234"),
            ("\u{2212}7.5", "write -7.5"),
            ("5 ms", "write the number without its unit, such as 5"),
        ] {
            let expect = format!("f, line 3: the score {cell:?} is not a number; {remedy}");
            check_scores(&format!("score\n1\n{cell}\n"), Err(&expect));
        }
        check_scores("", Err("f: it has no rows"));
        check_scores("a,b\n1,2\n", Err("f, line 1: no column score, and \"a,b\" is not a number"));
        check_scores(
            "score\n1\nx\n",
            Err("f, line 3: the score \"x\" is not a number; write NaN for a missing score"),
        );
        check_scores(
            "score,top\n,1\n",
            Err("f, line 2: the score \"\" is not a number; write NaN for a missing score"),
        );
        check_scores(
            "score,top\n1,1;-2\n",
            Err("f, line 2: \"-2\" in the column top is not the index of a signal, counted from 0"),
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for input in [text.as_bytes(), &bytes] {
                let of = || InputStream::of(std::io::Cursor::new(input.to_vec()));
                if let (Ok(labels), Ok(scores)) = (of(), of()) {
                    let _ = (parse_labels(Path::new("f"), labels), parse_scores(Path::new("f"), scores));
                }
            }
        }

        #[test]
        fn written_text_parses_to_the_same(
            rows in prop::collection::vec((-VALUE_MAX..VALUE_MAX, prop::collection::vec(any::<u16>(), 0..5)), 1..20),
        ) {
            let mut text = "score,top\n".to_owned();
            for (score, top) in &rows {
                let top: Vec<_> = top.iter().map(u16::to_string).collect();
                text += &format!("{score},{}\n", top.join(";"));
            }
            let found = parse_scores(Path::new("f"), stream(text.as_bytes())).unwrap();
            prop_assert_eq!(found.scores, rows.iter().map(|(score, _)| *score).collect::<Vec<_>>());
            prop_assert_eq!(found.top, Some(rows.into_iter().map(|(_, top)| top).collect()));
        }
    }
}
