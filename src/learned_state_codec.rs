//! Encodes learned state as bytes: postcard behind a magic number, a length and a digest.
//!
//! postcard keeps floats bit for bit and allocates no more than the input justifies. It does not check values, so callers
//! must validate what they decode.

use std::fmt;

use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Largest encoded value; larger inputs are refused.
pub const BYTES_MAX: usize = 64 << 20;

/// Largest valid count in decoded state, so that no sum of counts overflows.
pub const COUNT_MAX: usize = 1 << 48;

/// Length of a magic number.
const MAGIC_BYTES: usize = 4;
/// Length of the header: magic number and digest.
const FRONT: usize = MAGIC_BYTES + 8;

/// Bytes inside a value: encoded as a whole instead of element by element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByteString(pub Vec<u8>);

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(WholeInput).map(Self)
    }
}

/// Visits the input bytes without copying.
struct WholeInput;

impl de::Visitor<'_> for WholeInput {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

/// Rows of single precision as one byte string; a state has thousands of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedRows {
    /// Number of values in each row.
    lengths: Vec<u32>,
    values: ByteString,
}

impl PackedRows {
    /// Packs these rows.
    pub fn pack<'a>(rows: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut packed = Self::default();
        for row in rows {
            packed.lengths.push(row.len() as u32);
            row.iter().for_each(|it| packed.values.0.extend(it.to_le_bytes()));
        }
        packed
    }

    /// Unpacks the rows; `None` if the number of values does not match.
    pub fn unpack(&self) -> Option<Vec<Vec<f32>>> {
        let (values, rest) = self.values.0.as_chunks::<4>();
        let mut values = values.iter().map(|it| f32::from_le_bytes(*it));
        let wanted = self.lengths.iter().fold(0_usize, |sum, it| sum.saturating_add(*it as usize));
        if !rest.is_empty() || values.len() != wanted {
            return None;
        }
        let row = |length: &u32| values.by_ref().take(*length as usize).collect();
        Some(self.lengths.iter().map(row).collect())
    }
}

/// Rows with their times, for `#[serde(with = "…")]`.
pub mod timed_rows {
    use std::collections::VecDeque;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::PackedRows;

    type Timed<T> = VecDeque<(T, Box<[f32]>)>;

    /// Serializes the rows.
    ///
    /// # Errors
    /// If the serializer fails.
    pub fn serialize<T: Serialize + Copy, S: Serializer>(rows: &Timed<T>, to: S) -> Result<S::Ok, S::Error> {
        let times: Vec<T> = rows.iter().map(|(at, _)| *at).collect();
        (times, PackedRows::pack(rows.iter().map(|(_, row)| &**row))).serialize(to)
    }

    /// Deserializes the rows.
    ///
    /// # Errors
    /// If the bytes are no such rows.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Timed<T>, D::Error> {
        let (times, rows) = <(Vec<T>, PackedRows)>::deserialize(from)?;
        let rows = rows.unpack().filter(|it| it.len() == times.len());
        let rows = rows.ok_or_else(|| de::Error::custom("rows and their lengths do not fit"))?;
        Ok(times.into_iter().zip(rows.into_iter().map(Vec::into_boxed_slice)).collect())
    }
}

/// Shared rows, for `#[serde(with = "…")]`.
pub mod shared_rows {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::PackedRows;

    /// Serializes the rows.
    ///
    /// # Errors
    /// If the serializer fails.
    pub fn serialize<S: Serializer>(rows: &VecDeque<Arc<[f32]>>, to: S) -> Result<S::Ok, S::Error> {
        PackedRows::pack(rows.iter().map(|it| &**it)).serialize(to)
    }

    /// Deserializes the rows.
    ///
    /// # Errors
    /// If the bytes are no such rows.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<VecDeque<Arc<[f32]>>, D::Error> {
        let rows = PackedRows::deserialize(from)?.unpack();
        let rows = rows.ok_or_else(|| de::Error::custom("rows and their lengths do not fit"))?;
        Ok(rows.into_iter().map(Arc::from).collect())
    }
}

/// Encodes a value.
pub fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Only sequences of unknown length cannot be encoded, and there are none; `read` refuses empty bytes.
    postcard::to_extend(value, Vec::with_capacity(size(value))).unwrap_or_default()
}

/// Encoded size: states are megabytes, and a growing buffer would copy them.
fn size<T: Serialize + ?Sized>(value: &T) -> usize {
    postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default()).unwrap_or(0)
}

/// Encodes a value behind a magic number and a digest.
pub fn encode_value<T: Serialize + ?Sized>(magic: [u8; MAGIC_BYTES], value: &T) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(FRONT + size(value));
    append(magic, value, &mut sealed);
    sealed
}

/// Decodes a value that takes up all of these bytes.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    decode_prefix(bytes).and_then(|(value, rest)| rest.is_empty().then_some(value))
}

/// Decodes the value at the start of these bytes; returns the remaining bytes, too.
pub fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, &[u8])> {
    postcard::take_from_bytes(bytes).ok()
}

/// Whether two settings are equal bit for bit.
pub fn is_bit_equal(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits()
}

/// Appends a value behind a magic number and a digest.
pub fn append<T: Serialize + ?Sized>(magic: [u8; MAGIC_BYTES], value: &T, to: &mut Vec<u8>) {
    let start = to.len();
    to.extend(magic);
    to.extend([0; FRONT - MAGIC_BYTES]);
    // As above, this cannot fail; `read` refuses a truncated value.
    *to = postcard::to_extend(value, std::mem::take(to)).unwrap_or_default();
    if let Some((front, content)) = to.get_mut(start..).and_then(|it| it.split_first_chunk_mut::<FRONT>()) {
        front[MAGIC_BYTES..].copy_from_slice(&digest(content).to_le_bytes());
    }
}

/// Puts a magic number and a digest in front of bytes.
pub fn wrap(magic: [u8; MAGIC_BYTES], content: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(FRONT + content.len());
    sealed.extend(magic);
    sealed.extend(digest(content).to_le_bytes());
    sealed.extend(content);
    sealed
}

/// The content behind this magic number; `None` if it differs, or the content is truncated or corrupt.
pub fn open(magic: [u8; MAGIC_BYTES], sealed: &[u8]) -> Option<&[u8]> {
    if sealed.len() > BYTES_MAX {
        return None;
    }
    let (own_magic, rest) = sealed.split_first_chunk::<MAGIC_BYTES>()?;
    let (own_digest, content) = rest.split_first_chunk::<8>()?;
    (*own_magic == magic && u64::from_le_bytes(*own_digest) == digest(content)).then_some(content)
}

/// FNV-1a (Fowler, Noll, Vo) by words of eight bytes, because megabytes are encoded every few minutes; the length is
/// included.
pub fn digest(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    // Mixes in the high half, as the highest bits of a word would not reach lower ones.
    words.chain([bytes.len() as u64]).fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        let product = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        product ^ (product >> 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_content_opens_to_the_same() {
        for length in [0, 1, 7, 8, 9, 100] {
            let content: Vec<u8> = (0..length).collect();
            let sealed = wrap(*b"test", &content);
            assert_eq!(open(*b"test", &sealed), Some(&content[..]));
            assert_eq!(open(*b"tess", &sealed), None);
        }
    }

    #[test]
    fn appended_content_opens_to_the_same() {
        let value = (7_u32, vec![0.5, -0.0]);
        let mut to = vec![1, 2, 3];
        append(*b"test", &value, &mut to);
        assert_eq!(&to[..3], [1, 2, 3]);
        assert_eq!(to[3..], wrap(*b"test", &bytes(&value)));
        assert_eq!(to[3..], encode_value(*b"test", &value));
        assert_eq!(read(open(*b"test", &to[3..]).unwrap()), Some(value));
    }

    #[test]
    fn each_bit_and_each_byte_counts() {
        let sealed = wrap(*b"test", b"what was learned so far");
        for bit in 0..8 * sealed.len() {
            let mut garbled = sealed.clone();
            garbled[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(*b"test", &garbled), None, "bit {bit}");
        }
        (0..sealed.len()).for_each(|end| assert_eq!(open(*b"test", &sealed[..end]), None, "{end} bytes"));
        assert_eq!(open(*b"test", &[&sealed[..], &[0]].concat()), None);
    }

    #[test]
    fn floats_are_kept_to_the_last_bit() {
        let values = [0.1 + 0.2, -0.0, f64::MIN_POSITIVE, f64::INFINITY];
        let kept: [f64; 4] = read(&bytes(&values)).unwrap();
        assert!(values.iter().zip(kept).all(|(one, other)| is_bit_equal(*one, other)));
        assert_eq!(read::<u8>(&[1, 2]), None);
    }

    #[test]
    fn rows_are_the_same_after_they_were_bytes() {
        let rows = [vec![1.5, f32::INFINITY], Vec::new(), vec![-0.0]];
        let packed: PackedRows = read(&bytes(&PackedRows::pack(rows.iter().map(Vec::as_slice)))).unwrap();
        assert_eq!(packed.unpack().unwrap(), rows);
        for lengths in [vec![2, 0], vec![2, 0, 2], vec![u32::MAX; 9]] {
            assert_eq!(PackedRows { lengths, ..packed.clone() }.unpack(), None);
        }
        let short = PackedRows { lengths: vec![1], values: ByteString(vec![0; 5]) };
        assert_eq!(short.unpack(), None);
    }
}
