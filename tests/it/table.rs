//! Tables of numbers: valid and invalid files, independent of compression and block size.

use std::fmt::Write as _;
use std::io::{self, Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use hostnorm::table::{COLUMNS_MAX, LINE_BYTES_MAX, TableError, TableReader, TableRow};
use lzma_rust2::{XzOptions, XzWriter};
use proptest::prelude::*;

/// Returns this many bytes at a time.
struct Slow(Cursor<Vec<u8>>, usize);

impl Read for Slow {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = to.len().min(self.1);
        self.0.read(&mut to[..count])
    }
}

/// The result of reading these bytes as text: names, rows, errors; it continues after errors.
fn read(bytes: impl Into<Vec<u8>>, block: usize) -> Vec<String> {
    let mut table = match TableReader::of("t.csv", Slow(Cursor::new(bytes.into()), block)) {
        Ok(table) => table,
        Err(error) => return vec![error.to_string()],
    };
    let mut events = vec![table.columns().join(" ")];
    let mut row = TableRow::default();
    loop {
        events.push(match table.next_row(&mut row) {
            Ok(false) => return events,
            Ok(true) => shown(&row),
            Err(error) => error.to_string(),
        });
    }
}

fn shown(row: &TableRow) -> String {
    let mut text = format!("{}:", row.line);
    if let Some(at) = row.at {
        write!(text, " @{}", at.0).unwrap();
    }
    for (value, missing) in row.values.iter().zip(&row.missing) {
        if *missing { text.push_str(" -") } else { write!(text, " {value}").unwrap() }
    }
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn check(text: &str, expect: &[&str]) {
    assert_eq!(read(text, usize::MAX), expect, "{text:?}");
}

#[test]
fn good_tables() {
    check("a\n1\n", &["a", "2: 1"]);
    check("a,b\n1,2\n3,4", &["a b", "2: 1 2", "3: 3 4"]);
    check("a,b\r\n1,2\r\n\r\n3,4\r\n", &["a b", "2: 1 2", "4: 3 4"]);
    // Each way to end a line.
    check("a,b\r1,2\r\r3,4\r", &["a b", "2: 1 2", "4: 3 4"]);
    check("a\n\r\n1\r2\r\n\n3", &["a", "3: 1", "4: 2", "6: 3"]);
    check("\u{feff}a,b\n,NaN\nnan, 2 \n", &["a b", "2: - -", "3: - 2"]);
    check("\"a,\"\"x\"\"\", b \n\"1\",\"\"\n", &["a,\"x\" b", "2: 1 -"]);
    check(
        "a,timestamp,b\n1,1795255200.5,2\n3,2026-11-21T12:00:01+02:00,4\n",
        &["a b", "2: @1795255200.5 1 2", "3: @1795255201 3 4"],
    );
    check("a\n\"\"\n1\n", &["a", "2: -", "3: 1"]);
}

#[test]
fn bad_headers() {
    check("", &["t.csv: is empty; expected a header with the names of the columns"]);
    check("\n\r\n\n", &["t.csv: is empty; expected a header with the names of the columns"]);
    check("\u{feff}", &["t.csv: is empty; expected a header with the names of the columns"]);
    check("a,b\n", &["a b", "t.csv: has no rows after the header"]);
    check(
        "timestamp,\"cpu,mem\n1795255200,1,2\n1795255260,1,2\n",
        &[
            "cpu,mem\n1795255200,1,2\n1795255260,1,2",
            "t.csv: has no rows after the header, and a name has several lines; check for an unclosed quote",
        ],
    );
    check("a,b,a\n1,2,3\n", &["t.csv, line 1: columns 1 and 3 are both named \"a\""]);
    check("timestamp,timestamp\n", &["t.csv, line 1: columns 1 and 2 are both named \"timestamp\""]);
    check(
        ",a\n0,1\n",
        &["t.csv, line 1: column 1 has no name; name it, or remove it if it only numbers the rows"],
    );
    check("timestamp\n1\n", &["t.csv, line 1: no column of numbers"]);
    check(
        "PK\x03\x04",
        &[
            "t.csv: is a zip archive or a spreadsheet; expected CSV in UTF-8, plain or compressed with gzip or xz",
        ],
    );
    let wide: [&[u8]; 5] =
        [b"\xff\xfea\0", b"\xfe\xff\0a", b"a\0,\0b\0\n\0", b"\0a\0,\0b\0\n", b"\xff\xfe\0\0a\0\0\0"];
    for text in wide {
        let expect =
            "t.csv: is text in UTF-16 or UTF-32; expected CSV in UTF-8, plain or compressed with gzip or xz";
        assert_eq!(read(text, 1), [expect], "{text:?}");
    }
    let preface = "is not the name of a column; remove the lines before the names";
    for line in ["# exported", "#exported"] {
        let text = format!("t.csv, line 1: \"{line}\" {preface}, or the # if these are the names");
        check(&format!("{line}\na,b\n1,2\n"), &[&text]);
    }
    check("sep=;\na,b\n1,2\n", &[&format!("t.csv, line 1: \"sep=;\" {preface}")]);
    check("sep=,\na,b\n1,2\n", &[&format!("t.csv, line 1: \"sep=\" {preface}")]);
    check(
        "a,b,\n1,2,\n",
        &["t.csv, line 1: column 3 has no name; name it, or remove the comma at the end of each line"],
    );
    let latin = read(b"a,caf\xe9\n1,2\n".as_slice(), 1);
    assert_eq!(latin, ["t.csv, line 1: the name of column 2 is not UTF-8; save the file as UTF-8"]);
}

#[test]
fn values_and_misnamed_times_are_no_header() {
    let value = "is a value, not the name of a column; add a line with the names of the columns";
    for time in ["2026-03-01T00:00:00Z", "2026-03-01 00:00:00"] {
        check(&format!("{time},2,3\n"), &[&format!("t.csv, line 1: \"{time}\" {value}")]);
    }
    for (header, cell) in [
        ("1795255200,50.135,202.619", "1795255200"),
        ("1795255200,50,202", "1795255200"),
        ("1795255200000,cpu", "1795255200000"),
        ("20260101,50,202", "20260101"),
        ("50.135,202.619", "50.135"),
        ("50,,0.5", "0.5"),
    ] {
        check(&format!("{header}\n1,2,3\n"), &[&format!("t.csv, line 1: \"{cell}\" {value}")]);
    }
    for header in ["0,1,2", "80,443,8080", "timestamp,0.5,0.99"] {
        let events = read(format!("{header}\n1,2,3\n"), usize::MAX);
        assert_eq!(events.len(), 2, "{events:?}");
    }
    let misnamed = "name it timestamp, or give it another name if it is not the time of each row";
    for (header, position, name) in [
        ("Timestamp,cpu", 1, "Timestamp"),
        ("cpu,time", 2, "time"),
        ("@timestamp,cpu", 1, "@timestamp"),
        ("#timestamp,cpu", 1, "#timestamp"),
        ("# timestamp,cpu", 1, "# timestamp"),
        ("timestamp\u{a0},cpu", 1, "timestamp\\u{a0}"),
    ] {
        let expect = format!("t.csv, line 1: column {position} is \"{name}\"; {misnamed}");
        check(&format!("{header}\n1,2\n"), &[&expect]);
    }
    check("response_time,cpu_time\n1,2\n", &["response_time cpu_time", "2: 1 2"]);
    check("timestamp,time\n1,2\n", &["time", "2: @1 2"]);
}

#[test]
fn files_that_are_not_text() {
    let binary = "t.csv: is a binary file, such as a tar archive; expected CSV in UTF-8, plain or compressed with gzip or xz";
    check("a.csv\0\0\0\0\0\0\0\0\0\0\0\0ustar\0 timestamp,a\n1,2\n", &[binary]);
    let inner = gzip(b"a\0,\0b\0\n\0");
    let wide =
        "t.csv: is text in UTF-16 or UTF-32; expected CSV in UTF-8, plain or compressed with gzip or xz";
    assert_eq!(read(inner.as_slice(), 1), [wide]);
    let twice = "t.csv: is compressed twice; expected CSV in UTF-8, plain or compressed with gzip or xz";
    assert_eq!(read(gzip(&inner), 1), [twice]);
}

#[test]
fn malformed_times() {
    check(
        "timestamp,a\n20260101,1\n20260102,2\nNaN,3\n",
        &[
            "a",
            "t.csv, line 2: column \"timestamp\": \"20260101\" is a date in digits; write 2026-01-01T00:00:00Z, or with an offset such as +02:00",
            "t.csv, line 3: column \"timestamp\": \"20260102\" is a date in digits; write 2026-01-02T00:00:00Z, or with an offset such as +02:00",
            "t.csv, line 4: column \"timestamp\": \"NaN\" is not a time; each row needs its time",
        ],
    );
}

#[test]
fn bad_rows_do_not_spoil_the_next() {
    check(
        "a,b\n1\n1,2,3\n4,5\n",
        &[
            "a b",
            "t.csv, line 2: 1 cell, the header has 2",
            "t.csv, line 3: 3 cells, the header has 2; put quotes around cells with commas, and write numbers with a decimal point",
            "4: 4 5",
        ],
    );
    check("a,b\n1,2,\n3,4\n", &["a b", "t.csv, line 2: a comma follows the last cell; remove it", "3: 3 4"]);
    check(
        "a,b\n1,2\n3,\"4\n5,6\n",
        &[
            "a b",
            "2: 1 2",
            "t.csv, line 3: column \"b\": \"4\\n5,6\\n\" is not a number; it has several lines; check for an unclosed quote",
        ],
    );
    check(
        "a,b\n1,2\n\"3,4\n5,6\n",
        &[
            "a b",
            "2: 1 2",
            "t.csv, line 3: 1 cell, the header has 2, and a cell has several lines; check for an unclosed quote",
        ],
    );
    check(
        "a,b\n1,x\n2,3\n",
        &[
            "a b",
            "t.csv, line 2: column \"b\": \"x\" is not a number; leave the cell of a missing value empty",
            "3: 2 3",
        ],
    );
    check(
        "a\n1\ninf\n2\n",
        &[
            "a",
            "2: 1",
            "t.csv, line 3: column \"a\": inf is beyond ±1e100, larger than any measurement; leave the cell of a missing value empty",
            "4: 2",
        ],
    );
    check(
        "timestamp,a\n2026-11-21 10:00,1\n",
        &[
            "a",
            "t.csv, line 2: column \"timestamp\": \"2026-11-21 10:00\" has no offset from UTC; append Z, or an offset such as +02:00",
        ],
    );
    check(
        "a;b\n1;2\n",
        &[
            "a;b",
            "t.csv, line 2: cells are separated by commas, not by semicolons, and numbers have a decimal point",
        ],
    );
    check(
        "timestamp;a;b\n1;0,5;0,25\n",
        &[
            "timestamp;a;b",
            "t.csv, line 2: 3 cells, the header has 1; cells are separated by commas, not by semicolons, and numbers have a decimal point",
        ],
    );
    check(
        "a,b\n\"0,5\",1\n",
        &["a b", "t.csv, line 2: column \"a\": \"0,5\" is not a number; write the decimal point, 0.5"],
    );
}

#[test]
fn rows_follow_each_other_in_time() {
    let newest_first = |line: u32, at: &str, before: &str| {
        format!(
            "t.csv, line {line}: column \"timestamp\": {at} is not after {before} of line {}; sort the rows by time, oldest first",
            line - 1
        )
    };
    check(
        "timestamp,a\n2026-11-21T10:00:02Z,1\n2026-11-21T10:00:01Z,1\n2026-11-21T10:00:01Z,1\n",
        &[
            "a",
            "2: @1795255202 1",
            &newest_first(3, "2026-11-21T10:00:01.000Z", "2026-11-21T10:00:02.000Z"),
            &newest_first(4, "2026-11-21T10:00:01.000Z", "2026-11-21T10:00:01.000Z"),
        ],
    );
    // A leap second, as RFC 3339 and as Unix time.
    check(
        "timestamp,a\n2016-12-31T23:59:59Z,1\n2016-12-31T23:59:60Z,2\n2017-01-01T00:00:00Z,3\n",
        &["a", "2: @1483228799 1", "3: @1483228800 2", "4: @1483228800 3"],
    );
    check(
        "timestamp,a\n1483228799,1\n1483228799,2\n1483228800,3\n",
        &["a", "2: @1483228799 1", "3: @1483228799 2", "4: @1483228800 3"],
    );
    check(
        "timestamp,a\n0,1\n0,2\n",
        &["a", "2: @0 1", &newest_first(3, "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z")],
    );
}

#[test]
fn an_unclosed_quote_loses_its_row_and_no_memory() {
    let text = format!("a,b\n1,2\n\"{}\n", "3,4\n".repeat(LINE_BYTES_MAX));
    let expect = "t.csv, line 3: the row is longer than 262144 bytes; check for an unclosed quote";
    for block in [1000, usize::MAX] {
        assert_eq!(read(text.as_str(), block), ["a b", "2: 1 2", expect]);
    }
    let text = format!("a\n{}\n1\n", "x".repeat(LINE_BYTES_MAX + 1));
    assert_eq!(read(text, 1000)[2], "3: 1");
}

#[test]
fn the_number_of_columns_is_bounded() {
    for (signals, with_time, is_good) in [
        (COLUMNS_MAX, false, true),
        (COLUMNS_MAX, true, true),
        (COLUMNS_MAX + 1, false, false),
        (COLUMNS_MAX + 1, true, false),
        (COLUMNS_MAX + 2, false, false),
        (10_000, true, false),
    ] {
        let mut names: Vec<_> = (0..signals).map(|it| format!("s{it}")).collect();
        if with_time {
            names.insert(0, "timestamp".into());
        }
        let [cells, later] = ["1", "2"].map(|it| vec![it; names.len()].join(","));
        let text = format!("{}\n{cells}\n{cells},1\n{}1\n{later}\n", names.join(","), "1,".repeat(700));
        let events = read(text, usize::MAX);
        if is_good {
            let ragged = |cells| format!("cells, the header has {}", cells);
            assert!(events[1].starts_with("2: "), "{events:?}");
            assert!(events[2].contains(&ragged(names.len())), "{}", events[2]);
            assert!(events[3].contains("701 cells"), "{}", events[3]);
            assert!(events[4].starts_with("5: "), "{}", events[4]);
        } else {
            // A header that is far too wide is not stored, so its timestamp counts as a signal.
            let count = if signals > COLUMNS_MAX + 1 { names.len() } else { signals };
            let expect = format!("t.csv, line 1: {count} columns of numbers; the maximum is 256");
            assert_eq!(events, [expect]);
        }
    }
}

const TABLE: &str = "timestamp,a,b\n1,2,3\n2,4,\n3,x,6\n4,7\n5,8,9\n";

#[test]
fn compressed_files_may_have_members() {
    let plain = read(TABLE, usize::MAX);
    let (first, second) = TABLE.as_bytes().split_at(30);
    for compress in [gzip, xz] {
        assert_eq!(read(compress(TABLE.as_bytes()), usize::MAX), plain);
        let members = [compress(first), compress(second)].concat();
        assert_eq!(read(members, usize::MAX), plain);
    }
}

#[test]
fn a_truncated_or_corrupt_file_yields_the_rows_before() {
    let mut text = String::from("a,b\n");
    for idx in 0..50_000u64 {
        writeln!(text, "{},{}", idx, idx.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
    }
    for (compress, name) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (xz, "xz")] {
        let whole = compress(text.as_bytes());
        let events = read(&whole[..whole.len() / 2], usize::MAX);
        assert!(events.len() > 1_000 && events.len() < 50_000, "{}", events.len());
        let last = events.last().unwrap();
        assert!(last.ends_with(&format!("its {name} data is truncated")), "{last}");
        let mut spoiled = whole.clone();
        let middle = spoiled.len() / 2;
        spoiled[middle..middle + 100].fill(0x55);
        let last = read(spoiled, usize::MAX).pop().unwrap();
        assert!(last.contains(&format!("its {name} data is corrupt: ")), "{last}");
    }
}

#[test]
fn an_xz_file_cannot_use_much_memory() {
    let mut options = XzOptions::with_preset(1);
    options.lzma_options.dict_size = 512 << 20;
    let mut encoder = XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(TABLE.as_bytes()).unwrap();
    let events = read(encoder.finish().unwrap(), usize::MAX);
    assert!(events[0].contains("its xz data is corrupt"), "{events:?}");
}

#[test]
fn a_missing_value_keeps_the_last_known() -> Result<(), TableError> {
    let mut table = TableReader::of("t", "a,b\n,5\n1,\nnan,\n".as_bytes())?;
    let mut row = TableRow::default();
    let mut seen = Vec::new();
    while table.next_row(&mut row)? {
        seen.push((row.values.clone(), row.missing.clone()));
    }
    assert_eq!(
        seen,
        [
            (vec![0.0, 5.0], vec![true, false]),
            (vec![1.0, 5.0], vec![false, true]),
            (vec![1.0, 5.0], vec![true, true]),
        ]
    );
    Ok(())
}

/// Text in which significant characters are frequent.
fn strange() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b",,\n\n\r\"0123456789.-e \xef\xbb\xbfan".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..300)
}

proptest! {
    #[test]
    fn blocks_and_compression_do_not_matter(bytes in strange(), block in 1usize..20) {
        let plain = read(bytes.clone(), usize::MAX);
        prop_assert_eq!(&read(bytes.clone(), block), &plain);
        prop_assert_eq!(&read(gzip(&bytes), usize::MAX), &plain);
        prop_assert_eq!(&read(xz(&bytes), block), &plain);
    }

    #[test]
    fn broken_compression_never_panics(bytes in strange(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        for compress in [gzip, xz] {
            let mut packed = compress(&bytes);
            let at = at.index(packed.len());
            packed[at] = to;
            read(packed.clone(), usize::MAX);
            packed.truncate(at);
            read(packed, usize::MAX);
        }
    }

    #[test]
    fn written_text_parses_to_the_same(
        rows in prop::collection::vec(prop::collection::vec(prop::option::of(-1e100..1e100), 3), 1..20),
        // Letters of which no name of a time column, such as `ts`, can be made.
        names in prop::collection::btree_set("[a-d,\"][a-d,\"\n]*[a-d,\"]", 3),
        crlf in any::<bool>(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let quoted: Vec<_> = names.iter().map(|it| format!("\"{}\"", it.replace('"', "\"\""))).collect();
        let mut text = quoted.join(",") + end;
        for row in &rows {
            let cells: Vec<_> = row.iter().map(|it| it.map_or(String::new(), |it: f64| it.to_string())).collect();
            text += &(cells.join(",") + end);
        }
        let mut table = TableReader::of("t", Cursor::new(text.into_bytes())).unwrap();
        prop_assert_eq!(table.columns().to_vec(), names.iter().map(|it| it.trim().to_owned()).collect::<Vec<_>>());
        let mut row = TableRow::default();
        for expect in &rows {
            prop_assert!(table.next_row(&mut row).unwrap());
            let found: Vec<_> =
                row.values.iter().zip(&row.missing).map(|(value, missing)| (!missing).then_some(*value)).collect();
            prop_assert_eq!(&found, expect);
        }
        prop_assert!(!table.next_row(&mut row).unwrap());
    }
}
