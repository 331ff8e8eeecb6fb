//! Blocks: the readings of a minute as compressed columns.
//!
//! A block is a list of runs: successive readings with the same series in the same order. The order is kept, because sums
//! depend on it in their last bit. A run holds the times of its readings, then the values of one series after the other, as
//! 64-bit floats; zlib compresses them and adds a checksum (ADR 016).

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use crate::learned_state_codec::{self, ByteString};

/// Largest block; hostnorm writes no larger ones. It bounds the memory of a read.
const BYTES_MAX: usize = 64 << 20;
/// Bytes of a value and of a time.
const VALUE: usize = 8;

/// Numbers of series; consecutive readings share them.
pub(super) type SeriesLayout = Arc<[u32]>;

/// A reading by the numbers of its series. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BlockReading {
    /// Time of the reading.
    pub(super) at: f64,
    /// Its series.
    pub(super) layout: SeriesLayout,
    /// One value for each series.
    pub(super) values: Arc<[f64]>,
}

#[derive(Debug, Serialize, Deserialize)]
struct BlockRun {
    series: Vec<u32>,
    /// Times, then values, series by series.
    columns: ByteString,
}

/// Packs readings; reuses the tables of its compressor.
pub(super) struct ReadingBlockPacker(ZlibEncoder<Vec<u8>>);

impl Default for ReadingBlockPacker {
    fn default() -> Self {
        Self(ZlibEncoder::new(Vec::new(), Compression::fast()))
    }
}

impl std::fmt::Debug for ReadingBlockPacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadingBlockPacker").finish_non_exhaustive()
    }
}

impl ReadingBlockPacker {
    /// Packs these readings into a block.
    ///
    /// # Errors
    /// If the compressor fails.
    pub(super) fn pack(&mut self, lines: &[BlockReading]) -> Result<Vec<u8>, StoreError> {
        let runs: Vec<BlockRun> = lines.chunk_by(|one, other| one.layout == other.layout).map(run).collect();
        let packed =
            self.0.write_all(&learned_state_codec::bytes(&runs)).and_then(|()| self.0.reset(Vec::new()));
        packed.map_err(|_| StoreError::CorruptBlock)
    }
}

/// The compressed form of runs that are already encoded.
#[cfg(any(test, fuzzing))]
pub(super) fn compressed(runs: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(runs).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn run(lines: &[BlockReading]) -> BlockRun {
    let series = lines.first().map(|it| it.layout.to_vec()).unwrap_or_default();
    let mut columns = Vec::with_capacity(lines.len() * (1 + series.len()) * VALUE);
    lines.iter().for_each(|it| columns.extend(it.at.to_le_bytes()));
    for column in 0..series.len() {
        // A reading has a value for each of its series.
        let values = lines.iter().map(|it| it.values.get(column).copied().unwrap_or_default());
        values.for_each(|it| columns.extend(it.to_le_bytes()));
    }
    BlockRun { series, columns: ByteString(columns) }
}

/// Unpacks the readings of a block.
///
/// # Errors
/// If the block is corrupt.
pub(super) fn unpack(block: &[u8]) -> Result<Vec<BlockReading>, StoreError> {
    let mut bytes = Vec::new();
    let read = ZlibDecoder::new(block).take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    if read.is_err() || bytes.len() > BYTES_MAX {
        return Err(StoreError::CorruptBlock);
    }
    let runs: Vec<BlockRun> = learned_state_codec::read(&bytes).ok_or(StoreError::CorruptBlock)?;
    let mut lines = Vec::new();
    for run in runs {
        lines.extend(unpacked(run)?);
    }
    Ok(lines)
}

fn unpacked(run: BlockRun) -> Result<Vec<BlockReading>, StoreError> {
    let layout: SeriesLayout = run.series.into();
    let (values, rest) = run.columns.0.as_chunks::<VALUE>();
    let count = values.len() / (1 + layout.len());
    if !rest.is_empty() || count * (1 + layout.len()) != values.len() {
        return Err(StoreError::CorruptBlock);
    }
    let (times, values) = values.split_at(count);
    let line = |(row, at): (usize, &[u8; VALUE])| BlockReading {
        at: f64::from_le_bytes(*at),
        layout: Arc::clone(&layout),
        values: values.iter().skip(row).step_by(count).map(|it| f64::from_le_bytes(*it)).collect(),
    };
    Ok(times.iter().enumerate().map(line).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All fields of the readings, with floats as bits.
    fn bits(lines: &[BlockReading]) -> Vec<(u64, Vec<u32>, Vec<u64>)> {
        let bits = |it: &BlockReading| it.values.iter().map(|it| it.to_bits()).collect();
        lines.iter().map(|it| (it.at.to_bits(), it.layout.to_vec(), bits(it))).collect()
    }

    fn line(at: f64, layout: &SeriesLayout, value: impl Fn(u32) -> f64) -> BlockReading {
        BlockReading { at, layout: Arc::clone(layout), values: layout.iter().map(|it| value(*it)).collect() }
    }

    #[test]
    fn a_minute_of_counters_is_small() {
        let layout: SeriesLayout = (1..=200).collect();
        let row = |t: u32| {
            let at = 1_795_255_200.123 + f64::from(t) * 1.000_03;
            line(at, &layout, |id| f64::from(id * 1000 + t * (id % 3)))
        };
        let lines: Vec<BlockReading> = (0..60).map(row).collect();
        let block = ReadingBlockPacker::default().pack(&lines).unwrap();
        assert_eq!(bits(&unpack(&block).unwrap()), bits(&lines));
        assert!(block.len() < 60 * 200 * VALUE / 3, "{}", block.len());
    }

    prop_compose! {
        fn lines()(layouts in prop::collection::vec(prop::collection::vec(0_u32..50, 0..12), 1..4))
            (rows in prop::collection::vec((any::<u64>(), 0..layouts.len(), any::<u64>()), 0..30), layouts in Just(layouts))
            -> Vec<BlockReading> {
            let layouts: Vec<SeriesLayout> = layouts.into_iter().map(SeriesLayout::from).collect();
            let row = |(at, layout, seed): (u64, usize, u64)| {
                line(f64::from_bits(at), &layouts[layout], |id| f64::from_bits(seed.rotate_left(id)))
            };
            rows.into_iter().map(row).collect()
        }
    }

    proptest! {
        #[test]
        fn readings_come_back_bit_by_bit(blocks in prop::collection::vec(lines(), 1..3)) {
            let mut packer = ReadingBlockPacker::default();
            for lines in blocks {
                prop_assert_eq!(bits(&unpack(&packer.pack(&lines).unwrap()).unwrap()), bits(&lines));
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = unpack(&bytes);
        }

        #[test]
        fn a_flipped_bit_or_a_cut_is_noticed(lines in lines(), at: prop::sample::Index, bit in 0_u8..8) {
            let block = ReadingBlockPacker::default().pack(&lines).unwrap();
            let at = at.index(block.len());
            prop_assert!(unpack(&block[..at]).is_err());
            let mut flipped = block;
            flipped[at] ^= 1 << bit;
            // Some bits are redundant: the compression level, and the padding before the checksum.
            prop_assert!(unpack(&flipped).map_or(true, |it| bits(&it) == bits(&lines)));
        }
    }
}
