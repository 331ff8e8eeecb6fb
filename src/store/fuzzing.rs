//! The fuzzer's way to the parsers of rows.

use super::block::{self, BlockReading, ReadingBlockPacker};
use super::points::{pack_values, unpacked};
use super::row_types::subject;
use super::series_index::labels_of;
use crate::learned_state_codec::PackedRows;
use crate::metric::Metric;

static LABELED: Metric = Metric::gauge("labeled", "A metric with labels").by(&["device", "mode"]);

/// Decodes a row. The first byte chooses the kind of row.
///
/// # Panics
/// If decoded values are not those that were encoded, or a row decodes to what none may hold.
pub fn parse(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 5 {
        0 => check_block(&block::unpack(bytes).unwrap_or_default()),
        // Compressed here, because the checksum hides the content from a fuzzer.
        1 => check_block(&block::unpack(&block::compressed(bytes)).unwrap_or_default()),
        2 => check_point(bytes),
        3 => {
            let text = String::from_utf8_lossy(bytes);
            assert!(labels_of(&LABELED, &text).is_none_or(|it| it.values().len() == LABELED.labels.len()));
            let (kind, name) = text.split_once('/').unwrap_or((&text, ""));
            assert!(subject(kind, name).is_none_or(|it| it.kind().name() == kind));
        }
        _ => {
            let rows = crate::learned_state_codec::read::<PackedRows>(bytes).and_then(|it| it.unpack());
            if let Some(rows) = rows {
                let again = PackedRows::pack(rows.iter().map(Vec::as_slice)).unpack().unwrap_or_default();
                let bits =
                    |rows: &[Vec<f32>]| rows.iter().flatten().map(|it| it.to_bits()).collect::<Vec<_>>();
                assert_eq!((rows.len(), bits(&rows)), (again.len(), bits(&again)));
            }
        }
    }
}

/// Readings that were decoded are encoded to a block with the same readings.
fn check_block(readings: &[BlockReading]) {
    assert!(readings.iter().all(|it| it.layout.len() == it.values.len()));
    let bits = |readings: &[BlockReading]| {
        let bits = |it: &BlockReading| it.values.iter().map(|it| it.to_bits()).collect();
        let fields = readings.iter().map(|it| (it.at.to_bits(), it.layout.to_vec(), bits(it)));
        fields.collect::<Vec<(u64, Vec<u32>, Vec<u64>)>>()
    };
    let again = ReadingBlockPacker::default().pack(readings).and_then(|it| block::unpack(&it));
    assert_eq!(again.ok().map(|it| bits(&it)), Some(bits(readings)));
}

/// The values of a point are finite, and those that are not missing are encoded to the same bits.
fn check_point(bytes: &[u8]) {
    let Some((count, bytes)) = bytes.split_first() else { return };
    let Some((values, missing)) = unpacked(bytes, usize::from(*count)) else { return };
    assert_eq!((values.len(), missing.len()), (usize::from(*count), usize::from(*count)));
    assert!(values.iter().all(|it| it.is_finite()));
    assert_eq!(unpacked(&pack_values(&values, &missing), values.len()), Some((values, missing)));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read files")]

    #[test]
    fn the_corpus_is_decoded() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/stored_rows");
        for file in std::fs::read_dir(corpus).unwrap() {
            super::parse(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
