//! Encodes learned state as bytes: postcard behind a magic number, a length and a digest.
//!
//! postcard keeps floats bit for bit and allocates no more than the input justifies. It does not check values, so callers
//! must validate what they decode.

use std::fmt;

use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// More bytes than this are nothing that was ever sealed.
pub const BYTES_MAX: usize = 64 << 20;

/// Whatever is counted stays below this, so that no sum of counts overflows.
pub const COUNT_MAX: usize = 1 << 48;

/// Bytes of a mark.
const MARK: usize = 4;
/// Bytes in front of what is sealed: the mark and the digest.
const FRONT: usize = MARK + 8;

/// Bytes inside of a value: written and read as a whole, where a list of numbers would be gone through one by one.
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

/// Takes bytes as they are.
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

/// Rows of single precision as one piece of bytes; there are thousands of them in a state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedRows {
    /// How many values each row has.
    lengths: Vec<u32>,
    values: ByteString,
}

impl PackedRows {
    /// These rows.
    pub fn pack<'a>(rows: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut packed = Self::default();
        for row in rows {
            packed.lengths.push(row.len() as u32);
            row.iter().for_each(|it| packed.values.0.extend(it.to_le_bytes()));
        }
        packed
    }

    /// The rows; nothing when there are more or fewer values than they ask for.
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

/// Rows with their instants, for `#[serde(with = "…")]`.
pub mod timed_rows {
    use std::collections::VecDeque;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::PackedRows;

    type Timed<T> = VecDeque<(T, Box<[f32]>)>;

    /// Writes them.
    ///
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<T: Serialize + Copy, S: Serializer>(rows: &Timed<T>, to: S) -> Result<S::Ok, S::Error> {
        let times: Vec<T> = rows.iter().map(|(at, _)| *at).collect();
        (times, PackedRows::pack(rows.iter().map(|(_, row)| &**row))).serialize(to)
    }

    /// Reads them.
    ///
    /// # Errors
    /// When the bytes hold something else.
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

    /// Writes them.
    ///
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(rows: &VecDeque<Arc<[f32]>>, to: S) -> Result<S::Ok, S::Error> {
        PackedRows::pack(rows.iter().map(|it| &**it)).serialize(to)
    }

    /// Reads them.
    ///
    /// # Errors
    /// When the bytes hold something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<VecDeque<Arc<[f32]>>, D::Error> {
        let rows = PackedRows::deserialize(from)?.unpack();
        let rows = rows.ok_or_else(|| de::Error::custom("rows and their lengths do not fit"))?;
        Ok(rows.into_iter().map(Arc::from).collect())
    }
}

/// A value as bytes.
pub fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Only sequences of unknown length cannot be written, and there are none; empty bytes are refused by `read`.
    postcard::to_extend(value, Vec::with_capacity(size(value))).unwrap_or_default()
}

/// How many bytes a value takes: state is megabytes, which are not to be copied as their buffer grows.
fn size<T: Serialize + ?Sized>(value: &T) -> usize {
    postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default()).unwrap_or(0)
}

/// A value as bytes, with a mark and a digest in front of them.
pub fn encode_value<T: Serialize + ?Sized>(mark: [u8; MARK], value: &T) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(FRONT + size(value));
    append(mark, value, &mut sealed);
    sealed
}

/// The value that these bytes hold, all of them.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    front(bytes).and_then(|(value, rest)| rest.is_empty().then_some(value))
}

/// The value at the front of these bytes, and the bytes behind it.
pub fn front<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, &[u8])> {
    postcard::take_from_bytes(bytes).ok()
}

/// Whether two settings are the same to the last bit.
pub fn same(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits()
}

/// Appends a value to bytes, with a mark and a digest in front of it.
pub fn append<T: Serialize + ?Sized>(mark: [u8; MARK], value: &T, to: &mut Vec<u8>) {
    let start = to.len();
    to.extend(mark);
    to.extend([0; FRONT - MARK]);
    // As above, it cannot fail; what is cut short is refused by `read`.
    *to = postcard::to_extend(value, std::mem::take(to)).unwrap_or_default();
    if let Some((front, content)) = to.get_mut(start..).and_then(|it| it.split_first_chunk_mut::<FRONT>()) {
        front[MARK..].copy_from_slice(&digest(content).to_le_bytes());
    }
}

/// Puts a mark and a digest in front of bytes.
pub fn wrap(mark: [u8; MARK], content: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(FRONT + content.len());
    sealed.extend(mark);
    sealed.extend(digest(content).to_le_bytes());
    sealed.extend(content);
    sealed
}

/// What was sealed under this mark; nothing when it is something else, cut short or garbled.
pub fn open(mark: [u8; MARK], sealed: &[u8]) -> Option<&[u8]> {
    if sealed.len() > BYTES_MAX {
        return None;
    }
    let (own_mark, rest) = sealed.split_first_chunk::<MARK>()?;
    let (own_digest, content) = rest.split_first_chunk::<8>()?;
    (*own_mark == mark && u64::from_le_bytes(*own_digest) == digest(content)).then_some(content)
}

/// FNV-1a (Fowler, Noll, Vo) by words of eight bytes, as megabytes are sealed each few minutes; the length is part of it.
pub fn digest(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    // The high half is folded down, or the highest bits of a word would reach no lower ones.
    words.chain([bytes.len() as u64]).fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        let product = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        product ^ (product >> 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_what_is_opened() {
        for length in [0, 1, 7, 8, 9, 100] {
            let content: Vec<u8> = (0..length).collect();
            let sealed = wrap(*b"test", &content);
            assert_eq!(open(*b"test", &sealed), Some(&content[..]));
            assert_eq!(open(*b"tess", &sealed), None);
        }
    }

    #[test]
    fn what_is_appended_is_what_is_opened() {
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
        assert!(values.iter().zip(kept).all(|(one, other)| same(*one, other)));
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
