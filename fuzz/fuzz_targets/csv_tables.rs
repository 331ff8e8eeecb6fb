//! Tables, plain or compressed.
#![no_main]

use std::io::Cursor;

use hostnorm::table::{COLUMNS_MAX, TableReader, TableError, TableRow};
use hostnorm::window::VALUE_MAX;
use libfuzzer_sys::fuzz_target;

/// Longest message: texts of the file are shortened in it.
const MESSAGE_CHARS_MAX: usize = 1000;

fuzz_target!(|bytes: &[u8]| {
    let mut table = match TableReader::of("table", Cursor::new(bytes.to_vec())) {
        Ok(table) => table,
        Err(error) => return check_message(&error),
    };
    assert!(table.columns().len() <= COLUMNS_MAX);
    let mut row = TableRow::default();
    let (mut line, mut failed) = (0, 0);
    loop {
        match table.next_row(&mut row) {
            Ok(false) => break,
            Ok(true) => {
                assert!(row.line > line, "line {} follows {line}", row.line);
                assert_eq!(row.at.is_some(), table.has_time());
                assert!(row.at.is_none_or(|it| it.0.is_finite()));
            }
            Err(error) => {
                check_message(&error);
                failed += 1;
            }
        }
        line = line.max(row.line);
        if row.line == 0 {
            // The table ended before its first row.
            continue;
        }
        assert_eq!((row.values.len(), row.missing.len()), (table.columns().len(), table.columns().len()));
        assert!(row.values.iter().all(|it| it.abs() <= VALUE_MAX), "{:?}", row.values);
        // Each byte ends one row at most, so reading ends.
        assert!(bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\xfd7z") || failed <= bytes.len());
    }
});

fn check_message(error: &TableError) {
    let message = error.to_string();
    assert!(message.starts_with("table") && message.chars().count() <= MESSAGE_CHARS_MAX, "{message}");
    assert!(!message.contains('\n'), "{message:?}");
}
