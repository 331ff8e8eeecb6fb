//! One series over the rows of a record: values as whole numbers where they are such, as differences, as few bytes.
//!
//! Counters of the kernel are whole numbers, or whole hundredths, thousandths, millionths of something. A column whose
//! values all are k / scale, to the last bit, is kept as the differences of its k; any other as the differences of its
//! bits. What never changes costs one value. A compressor, which sees all columns, does the rest.

/// What a whole number is divided by, tried in this order; the place is a part of the format.
const SCALES: [f64; 5] = [1.0, 100.0, 1_000.0, 1e6, 1e9];
/// Larger ones are not known to each unit, and their differences could overflow.
const WHOLE_MAX: i64 = 1 << 52;
/// The tag of a column that is kept as bits.
const BITS: u8 = 15;
/// Added to the tag of a column that does not change.
const CONSTANT: u8 = 16;

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbled;

impl std::fmt::Display for Garbled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the record is garbled")
    }
}

impl std::error::Error for Garbled {}

/// Reads bytes from the front.
#[derive(Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Result<u8, Garbled> {
        let (first, rest) = self.0.split_first().ok_or(Garbled)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number of seven bits a byte, the lowest first (LEB128).
    pub(super) fn number(&mut self) -> Result<u64, Garbled> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(Garbled)
    }

    /// A count of things of which at least one byte each follows, or which are bounded otherwise.
    pub(super) fn count(&mut self, max: usize) -> Result<usize, Garbled> {
        usize::try_from(self.number()?).ok().filter(|it| *it <= max).ok_or(Garbled)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Garbled> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

pub(super) fn put_number(mut number: u64, into: &mut Vec<u8>) {
    while number >= 128 {
        into.push(number as u8 | 128);
        number >>= 7;
    }
    into.push(number as u8);
}

/// Small numbers of either sign become small numbers (zigzag).
pub(super) fn put_signed(number: i64, into: &mut Vec<u8>) {
    put_number(((number << 1) ^ (number >> 63)) as u64, into);
}

/// The value as a whole number of `1 / scale`, where it is one to the last bit.
fn whole(value: f64, scale: f64) -> Option<i64> {
    // The cast saturates and takes what is not a number for 0; neither gives the same bits again.
    let whole = (value * scale + 0.5_f64.copysign(value)) as i64;
    let same = (whole as f64 / scale).to_bits() == value.to_bits();
    (same && whole.abs() <= WHOLE_MAX).then_some(whole)
}

/// Writes one column; `scratch` is kept for its memory.
pub(super) fn write(values: &[f64], scratch: &mut Vec<i64>, into: &mut Vec<u8>) {
    let Some((first, rest)) = values.split_first() else { return };
    let constant = rest.iter().all(|it| it.to_bits() == first.to_bits());
    let values = if constant { &values[..1] } else { values };
    let mut tag = BITS;
    for (idx, scale) in SCALES.iter().enumerate() {
        scratch.clear();
        scratch.extend(values.iter().map_while(|it| whole(*it, *scale)));
        if scratch.len() == values.len() {
            tag = idx as u8;
            break;
        }
    }
    if tag == BITS {
        scratch.clear();
        scratch.extend(values.iter().map(|it| it.to_bits() as i64));
    }
    into.push(if constant { tag + CONSTANT } else { tag });
    let mut before = 0_i64;
    for number in scratch.iter() {
        put_signed(number.wrapping_sub(before), into);
        before = *number;
    }
}

/// Reads one column of so many values.
pub(super) fn read(bytes: &mut Bytes<'_>, rows: usize) -> Result<Vec<f64>, Garbled> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let tag = bytes.byte()?;
    let constant = tag & CONSTANT != 0;
    let tag = tag & !CONSTANT;
    let scale = SCALES.get(usize::from(tag)).copied();
    if scale.is_none() && tag != BITS {
        return Err(Garbled);
    }
    let mut number = 0_i64;
    let mut next = |bytes: &mut Bytes<'_>| -> Result<f64, Garbled> {
        number = number.wrapping_add(bytes.signed()?);
        Ok(match scale {
            Some(scale) => number as f64 / scale,
            None => f64::from_bits(number as u64),
        })
    };
    if constant {
        return Ok(vec![next(bytes)?; rows]);
    }
    // A value is a byte at least, so that a false count reserves no memory that the bytes do not cover.
    let mut values = Vec::with_capacity(rows.min(bytes.0.len()));
    for _ in 0..rows {
        values.push(next(bytes)?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(values: &[f64], bytes_max: usize) {
        let mut bytes = Vec::new();
        write(values, &mut Vec::new(), &mut bytes);
        assert!(bytes.len() <= bytes_max, "{values:?} took {} bytes", bytes.len());
        let mut rest = Bytes(&bytes);
        let found = read(&mut rest, values.len()).unwrap();
        let bits = |values: &[f64]| values.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found), bits(values));
        assert!(rest.0.is_empty());
    }

    #[test]
    fn what_does_not_change_costs_one_value() {
        check(&[12.0; 60], 2);
        check(&[f64::NAN; 60], 11);
        check(&[], 0);
    }

    #[test]
    fn counters_cost_a_byte_or_two_a_row() {
        let ticks: Vec<f64> = (0..60).map(|t| f64::from(123_456 + t * 7) / 100.0).collect();
        check(&ticks, 64);
        let bytes: Vec<f64> = (0..60).map(|t| 1e12 + f64::from(t * t % 7 * 1000)).collect();
        check(&bytes, 130);
        let micros: Vec<f64> = (0..60).map(|t| f64::from(77_123_456 + t * 31) / 1e6).collect();
        check(&micros, 70);
    }

    #[test]
    fn odd_floats_come_back_as_they_were() {
        check(&[0.0, -0.0, 0.1 + 0.2, f64::MIN_POSITIVE, f64::MAX, f64::NEG_INFINITY, 1e300], 80);
        check(&[-1.5, 1.5, -0.01], 20);
        check(&[4_503_599_627_370_496.0, -4_503_599_627_370_496.0, 9_007_199_254_740_993.0], 40);
    }

    proptest! {
        #[test]
        fn any_column_comes_back(bits in prop::collection::vec(any::<u64>(), 0..70)) {
            check(&bits.into_iter().map(f64::from_bits).collect::<Vec<_>>(), 800);
        }

        #[test]
        fn any_decimal_comes_back(numbers in prop::collection::vec(any::<i32>(), 0..70), digits in 0..7) {
            check(&numbers.into_iter().map(|it| f64::from(it) / 10_f64.powi(digits)).collect::<Vec<_>>(), 800);
        }

        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>, rows in 0_usize..5000) {
            let _ = read(&mut Bytes(&bytes), rows);
        }
    }
}
