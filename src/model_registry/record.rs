//! A model as a row of the store.

use std::fmt;

use super::{ModelVersion, VersionId, VersionStage};
use crate::reading::{SubjectKind, Timestamp};
use crate::training::model_codec::{self, DecodeModelError};
use crate::training::{TrainedModel, model_evaluation::ModelEvaluation};

/// A version as it is written down; types of a table, not of the core.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRecord {
    /// Its name.
    pub id: String,
    /// The name of whom it judges.
    pub kind: String,
    /// When it was trained, in seconds since the epoch.
    pub created: f64,
    /// The word for what it does.
    pub state: String,
    /// The card as JSON.
    pub evaluation: String,
    /// The fingerprint of the forest, in hexadecimal digits.
    pub digest: String,
    /// The form of `blob`.
    pub format: u32,
    /// The model.
    pub blob: Vec<u8>,
}

/// Why a row is no version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidRecord {
    /// A column has a value that means nothing.
    Column(&'static str),
    /// The card is not one.
    Evaluation(String),
    /// The model cannot be read.
    Model(DecodeModelError),
    /// The forest is another one than the card tells of.
    Digest,
}

impl fmt::Display for InvalidRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => write!(f, "column {name} of the model has an invalid value"),
            Self::Evaluation(error) => write!(f, "the evaluation of the model cannot be read: {error}"),
            Self::Model(error) => error.fmt(f),
            Self::Digest => f.write_str("the forest does not match the evaluation of the model"),
        }
    }
}

impl std::error::Error for InvalidRecord {}

impl ModelVersion {
    /// The row of this version.
    pub fn record(&self) -> VersionRecord {
        let card = &self.model.evaluation;
        VersionRecord {
            id: self.id.to_string(),
            kind: self.kind.name().to_owned(),
            created: self.created.0,
            state: self.stage.name().to_owned(),
            // A card has numbers and names only, which all can be written.
            evaluation: serde_json::to_string(card).unwrap_or_default(),
            digest: format!("{:016x}", card.digest),
            format: model_codec::FORMAT,
            blob: self.model.bytes(),
        }
    }

    /// The version of this row.
    ///
    /// # Errors
    /// When the row holds none that can be used.
    pub fn from_record(record: &VersionRecord) -> Result<Self, InvalidRecord> {
        let id = VersionId::read(&record.id).ok_or(InvalidRecord::Column("id"))?;
        let kind = SubjectKind::read(&record.kind).ok_or(InvalidRecord::Column("kind"))?;
        let stage = VersionStage::read(&record.state).ok_or(InvalidRecord::Column("state"))?;
        let created =
            Some(record.created).filter(|it| it.is_finite()).ok_or(InvalidRecord::Column("created"))?;
        let card: ModelEvaluation = serde_json::from_str(&record.evaluation)
            .map_err(|error| InvalidRecord::Evaluation(error.to_string()))?;
        let (eif, reference) = model_codec::from_bytes(&record.blob).map_err(InvalidRecord::Model)?;
        if eif.forest.digest() != card.digest || format!("{:016x}", card.digest) != record.digest {
            return Err(InvalidRecord::Digest);
        }
        Ok(Self {
            id,
            kind,
            created: Timestamp(created),
            stage,
            model: TrainedModel { eif, evaluation: card, reference },
        })
    }
}
