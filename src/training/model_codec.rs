//! Encodes a trained model as bytes: the forest, its threshold and the drift reference.

use std::fmt;

use super::TrainedModel;
use crate::detect::eif;
use crate::drift::DriftReference;
use crate::learned_state_codec;

/// Magic number of a model.
const MAGIC: [u8; 4] = *b"hnMD";

/// Format number; other formats are not read.
pub const FORMAT: u32 = 1;

/// Why bytes cannot be decoded as a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeModelError {
    /// They are no model, truncated or changed.
    Corrupt,
    /// They have the format of another version.
    Format(u32),
    /// Their content is inconsistent.
    Unsound,
}

impl fmt::Display for DecodeModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt => f.write_str("the model is corrupt; it will be retrained"),
            Self::Format(found) => write!(
                f,
                "the model has format {found}, this version reads format {FORMAT}; it will be retrained"
            ),
            Self::Unsound => f.write_str("the parts of the model do not match; it will be retrained"),
        }
    }
}

impl std::error::Error for DecodeModelError {}

impl TrainedModel {
    /// The model without its evaluation, as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        learned_state_codec::encode_value(MAGIC, &(FORMAT, &self.eif, &self.reference))
    }
}

/// Decodes a model and its drift reference.
///
/// # Errors
/// If the bytes are no valid model.
pub fn from_bytes(bytes: &[u8]) -> Result<(eif::ForestModel, DriftReference), DecodeModelError> {
    let content = learned_state_codec::open(MAGIC, bytes).ok_or(DecodeModelError::Corrupt)?;
    let (format, rest) =
        learned_state_codec::decode_prefix::<u32>(content).ok_or(DecodeModelError::Corrupt)?;
    if format != FORMAT {
        return Err(DecodeModelError::Format(format));
    }
    let (eif, reference) = learned_state_codec::read::<(eif::ForestModel, DriftReference)>(rest)
        .ok_or(DecodeModelError::Corrupt)?;
    let sound = eif.forest.is_valid() && (0.0..=1.0).contains(&eif.threshold) && reference.is_valid();
    if sound { Ok((eif, reference)) } else { Err(DecodeModelError::Unsound) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::forest::FeatureRows;
    use crate::detect::seeded_rng::SeededRng;
    use crate::drift::DriftSamples;
    use crate::training::{self, TrainingSet, TrainingSettings};

    fn model(width: usize) -> TrainedModel {
        let (mut random, mut rows, mut row) = (SeededRng::new(2), FeatureRows::new(width), vec![0.0; width]);
        for _ in 0..120 {
            random.fill_normal(&mut row);
            rows.push(&row);
        }
        let set = TrainingSet {
            rows,
            noise: vec![0.0; width],
            starts: Vec::new(),
            span: None,
            log: DriftSamples::default(),
        };
        training::train(&set, &TrainingSettings { trees: 20, sample_size: 32 }, 1).unwrap()
    }

    #[test]
    fn a_model_survives_encoding() {
        for width in [1, 9, 24] {
            let model = model(width);
            let (eif, reference) = from_bytes(&model.bytes()).unwrap();
            assert_eq!((&eif.forest, &reference), (&model.eif.forest, &model.reference));
            assert!(learned_state_codec::is_bit_equal(eif.threshold, model.eif.threshold));
            assert_eq!(eif.forest.digest(), model.evaluation.digest);
        }
    }

    #[test]
    fn invalid_models_are_refused() {
        let bytes = model(9).bytes();
        let check =
            |bytes: &[u8], expect: DecodeModelError| assert_eq!(from_bytes(bytes).unwrap_err(), expect);
        for place in (0..bytes.len()).step_by(97) {
            let mut corrupt = bytes.clone();
            corrupt[place] ^= 0x40;
            check(&corrupt, DecodeModelError::Corrupt);
            check(&bytes[..place], DecodeModelError::Corrupt);
        }
        check(&learned_state_codec::wrap(MAGIC, &[2, 1, 1]), DecodeModelError::Format(2));
        check(&learned_state_codec::wrap(MAGIC, &[1, 1, 1]), DecodeModelError::Corrupt);
        let mut unsound = model(9);
        unsound.eif.threshold = f64::NAN;
        check(&unsound.bytes(), DecodeModelError::Unsound);
        let words = DecodeModelError::Format(2).to_string();
        assert_eq!(words, "the model has format 2, this version reads format 1; it will be retrained");
    }

    #[test]
    fn arbitrary_models_do_no_harm() {
        let bytes = model(9).bytes();
        proptest!(|(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            row in prop::collection::vec(prop::num::f32::ANY, 9),
        )| {
            // With a valid digest, as only a deliberate change would have.
            let mut content = bytes[12..].to_vec();
            for (place, byte) in changes {
                let end = if byte % 2 == 0 { content.len() } else { 40 };
                content[place.index(end)] = byte;
            }
            if let Ok((eif, _)) = from_bytes(&learned_state_codec::wrap(MAGIC, &content))
                && eif.forest.width() == 9
            {
                let _ = eif.forest.score(&row);
            }
            let _ = from_bytes(&content);
        });
    }
}
