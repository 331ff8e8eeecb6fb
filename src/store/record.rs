//! Rows of readings as bytes and back: format 1 plain, format 2 the same, deflated.
//!
//! A record is written column by column (see `column.rs`). A row has the series of its layout, in the order in which
//! the sources gave them, as sums over a reading depend on it in their last bit. Layouts hardly ever change, so that a
//! record mostly has one. Series are numbers here; the dictionary in the database says what they are.

use std::collections::BTreeMap;

use super::column::{self, Bytes, Garbled, put_number, put_signed};

/// Rows as they are.
pub(super) const PLAIN: i64 = 1;
/// Rows, deflated.
pub(super) const DEFLATED: i64 = 2;

/// Rows of one record at most.
pub(super) const ROWS_MAX: usize = 4096;
/// Values of one record at most, so that no bytes make a reader reserve more than 64 MiB.
pub(super) const VALUES_MAX: usize = 8 << 20;
/// A deflated record is larger than this by no honest means.
const PLAIN_BYTES_MAX: usize = 64 << 20;
/// Level of the compressor. The next ones save a sixth and take twice the time (see ADR 016).
const LEVEL: u32 = 1;

/// The values of one instant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// When.
    pub(super) at: f64,
    /// Which layout of the record it has.
    pub(super) layout: usize,
    /// One value for each series of the layout.
    pub(super) values: Vec<f64>,
}

/// Rows, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Record {
    /// The series of a row, by their numbers in the dictionary.
    pub(super) layouts: Vec<Vec<u32>>,
    /// In the order in which they were read.
    pub(super) rows: Vec<Row>,
}

impl Record {
    /// As bytes, plain.
    pub(super) fn plain(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_number(self.rows.len() as u64, &mut bytes);
        put_number(self.layouts.len() as u64, &mut bytes);
        for layout in &self.layouts {
            put_number(layout.len() as u64, &mut bytes);
            let mut before = 0;
            for series in layout {
                put_signed(i64::from(*series) - before, &mut bytes);
                before = i64::from(*series);
            }
        }
        for run in self.rows.chunk_by(|one, other| one.layout == other.layout) {
            put_number(run[0].layout as u64, &mut bytes);
            put_number(run.len() as u64, &mut bytes);
        }
        let mut scratch = Vec::new();
        let times: Vec<f64> = self.rows.iter().map(|it| it.at).collect();
        column::write(&times, &mut scratch, &mut bytes);
        self.each_column(|values| column::write(values, &mut scratch, &mut bytes));
        bytes
    }

    /// The earliest and the latest time; a clock that stepped makes the first row not the earliest.
    pub(super) fn span(&self) -> (f64, f64) {
        let times = || self.rows.iter().map(|it| it.at);
        (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max))
    }

    /// What was written in this format.
    ///
    /// # Errors
    /// When the bytes are not a record.
    pub(super) fn read(format: i64, bytes: &[u8]) -> Result<Self, Garbled> {
        match format {
            PLAIN => Self::read_plain(bytes),
            DEFLATED => Self::read_plain(&inflated(bytes)?),
            _ => Err(Garbled),
        }
    }

    fn read_plain(bytes: &[u8]) -> Result<Self, Garbled> {
        let mut bytes = Bytes(bytes);
        let rows = bytes.count(ROWS_MAX)?;
        let count = bytes.count(ROWS_MAX)?;
        let layouts = (0..count).map(|_| layout(&mut bytes)).collect::<Result<Vec<_>, _>>()?;
        let mut of_row = Vec::with_capacity(rows);
        let mut values = 0_usize;
        while of_row.len() < rows {
            let idx = bytes.count(layouts.len())?;
            let width = layouts.get(idx).ok_or(Garbled)?.len();
            let run = bytes.count(rows - of_row.len())?;
            if run == 0 {
                return Err(Garbled);
            }
            values = values.saturating_add(width.saturating_mul(run));
            of_row.extend(std::iter::repeat_n(idx, run));
        }
        if values > VALUES_MAX {
            return Err(Garbled);
        }
        let times = column::read(&mut bytes, rows)?;
        let new = |(at, layout): (f64, usize)| Row { at, layout, values: vec![0.0; layouts[layout].len()] };
        let rows = times.into_iter().zip(of_row).map(new).collect();
        let mut record = Self { layouts, rows };
        record.fill(&mut bytes)?;
        if bytes.0.is_empty() { Ok(record) } else { Err(Garbled) }
    }

    /// Reads the columns into the rows.
    fn fill(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Garbled> {
        for places in self.columns() {
            let mut of_rows = Vec::new();
            for (idx, row) in self.rows.iter().enumerate() {
                let in_row = places.iter().filter(|(layout, _)| *layout == row.layout);
                of_rows.extend(in_row.map(|(_, position)| (idx, *position)));
            }
            for ((row, position), value) in of_rows.iter().zip(column::read(bytes, of_rows.len())?) {
                self.rows[*row].values[*position] = value;
            }
        }
        Ok(())
    }

    /// Calls `write` with the values of each series, in the order of [`columns`](Self::columns).
    fn each_column(&self, mut write: impl FnMut(&[f64])) {
        let mut values = Vec::with_capacity(self.rows.len());
        if let Some(width) = self.plain_width() {
            for position in 0..width {
                values.clear();
                values.extend(self.rows.iter().filter_map(|row| row.values.get(position)));
                write(&values);
            }
            return;
        }
        for places in self.columns() {
            values.clear();
            for row in &self.rows {
                let in_row = places.iter().filter(|(layout, _)| *layout == row.layout);
                values.extend(in_row.filter_map(|(_, position)| row.values.get(*position)));
            }
            write(&values);
        }
    }

    /// The number of series where a column is a position, as in nearly all records: one layout, no series twice.
    fn plain_width(&self) -> Option<usize> {
        let [layout] = &self.layouts[..] else { return None };
        let mut sorted = layout.clone();
        sorted.sort_unstable();
        sorted.windows(2).all(|it| it[0] < it[1]).then_some(layout.len())
    }

    /// For each series, in the order in which they appear first: its places, as layout and position.
    fn columns(&self) -> Vec<Vec<(usize, usize)>> {
        let mut columns: Vec<Vec<(usize, usize)>> = Vec::new();
        let mut of_series: BTreeMap<u32, usize> = BTreeMap::new();
        for (layout, series) in self.layouts.iter().enumerate() {
            for (position, id) in series.iter().enumerate() {
                let idx = *of_series.entry(*id).or_insert_with(|| {
                    columns.push(Vec::new());
                    columns.len() - 1
                });
                columns[idx].push((layout, position));
            }
        }
        columns
    }
}

/// Deflates records; kept, as its tables are some hundred kilobytes that would be fetched anew each minute.
pub(super) struct Compressor {
    compress: flate2::Compress,
    bytes: Vec<u8>,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { compress: flate2::Compress::new(flate2::Compression::new(LEVEL), false), bytes: Vec::new() }
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// A plain record, deflated; nothing when the compressor fails, which it has no reason to.
    pub(super) fn deflated(&mut self, plain: &[u8]) -> Option<&[u8]> {
        self.compress.reset();
        self.bytes.clear();
        // Deflate stores what it cannot make smaller: 5 bytes for each 16 kB.
        self.bytes.reserve(plain.len() + plain.len() / 1000 + 64);
        let status =
            self.compress.compress_vec(plain, &mut self.bytes, flate2::FlushCompress::Finish).ok()?;
        (status == flate2::Status::StreamEnd).then_some(&self.bytes)
    }
}

fn layout(bytes: &mut Bytes<'_>) -> Result<Vec<u32>, Garbled> {
    // Each series is a byte at least.
    let count = bytes.count(bytes.0.len())?;
    let mut before = 0_i64;
    (0..count)
        .map(|_| {
            before = before.checked_add(bytes.signed()?).ok_or(Garbled)?;
            u32::try_from(before).map_err(|_| Garbled)
        })
        .collect()
}

fn inflated(bytes: &[u8]) -> Result<Vec<u8>, Garbled> {
    let mut decompress = flate2::Decompress::new(false);
    let mut plain = Vec::with_capacity(bytes.len().saturating_mul(4).clamp(1024, PLAIN_BYTES_MAX));
    loop {
        let at = usize::try_from(decompress.total_in()).map_err(|_| Garbled)?;
        let rest = bytes.get(at..).ok_or(Garbled)?;
        let before = (decompress.total_in(), decompress.total_out());
        let status = decompress.decompress_vec(rest, &mut plain, flate2::FlushDecompress::None);
        match status.map_err(|_| Garbled)? {
            flate2::Status::StreamEnd => return Ok(plain),
            _ if plain.len() == plain.capacity() && plain.len() < PLAIN_BYTES_MAX => {
                plain.reserve(plain.len().min(PLAIN_BYTES_MAX - plain.len()));
            }
            _ if before == (decompress.total_in(), decompress.total_out()) => return Err(Garbled),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(record: &Record) -> Vec<(u64, usize, Vec<u64>)> {
        let bits = |values: &[f64]| values.iter().map(|it| it.to_bits()).collect();
        record.rows.iter().map(|it| (it.at.to_bits(), it.layout, bits(&it.values))).collect()
    }

    fn deflated(record: &Record) -> Vec<u8> {
        Compressor::default().deflated(&record.plain()).unwrap().to_vec()
    }

    fn check(record: &Record) {
        for (format, bytes) in [(PLAIN, record.plain()), (DEFLATED, deflated(record))] {
            let found = Record::read(format, &bytes).unwrap();
            assert_eq!(found.layouts, record.layouts);
            assert_eq!(bits(&found), bits(record));
        }
    }

    #[test]
    fn a_minute_of_counters_is_small() {
        let layout: Vec<u32> = (1..=200).collect();
        let row = |t: u32| Row {
            at: 1_795_255_200.123 + f64::from(t) * 1.000_03,
            layout: 0,
            values: layout.iter().map(|id| f64::from(*id * 1000 + t * (id % 3))).collect(),
        };
        let record = Record { rows: (0..60).map(row).collect(), layouts: vec![layout.clone()] };
        check(&record);
        let bytes = deflated(&record).len();
        assert!(bytes < 2_000, "{bytes}");
    }

    #[test]
    fn an_empty_record_is_one() {
        check(&Record::default());
        check(&Record { layouts: vec![vec![]], rows: vec![Row { at: 1.0, layout: 0, values: vec![] }] });
    }

    prop_compose! {
        fn records()(layouts in prop::collection::vec(prop::collection::vec(0_u32..50, 0..12), 1..4))
            (rows in prop::collection::vec((any::<u64>(), 0..layouts.len()), 0..30), layouts in Just(layouts), seed in any::<u64>())
            -> Record {
            let mut state = seed;
            let mut next = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                match state >> 62 {
                    0 => f64::from_bits(state.rotate_left(17)),
                    1 => 7.0,
                    _ => (state >> 40) as f64 / 100.0,
                }
            };
            let rows = rows.into_iter().map(|(at, layout)| {
                Row { at: f64::from_bits(at), layout, values: layouts[layout].iter().map(|_| next()).collect() }
            });
            Record { rows: rows.collect(), layouts: layouts.clone() }
        }
    }

    proptest! {
        #[test]
        fn any_record_comes_back(record in records()) {
            check(&record);
        }

        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>, format in 0_i64..4) {
            let _ = Record::read(format, &bytes);
        }

        #[test]
        fn a_flipped_bit_is_no_panic(record in records(), at: prop::sample::Index, bit in 0_u8..8) {
            for (format, mut bytes) in [(PLAIN, record.plain()), (DEFLATED, deflated(&record))] {
                let at = at.index(bytes.len());
                bytes[at] ^= 1_u8 << bit;
                let _ = Record::read(format, &bytes);
            }
        }
    }
}
