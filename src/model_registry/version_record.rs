//! A model as a row of the store.

use std::fmt;

use super::{ModelVersion, VersionId, VersionStage};
use crate::reading::{SubjectKind, Timestamp};
use crate::training::model_codec::{self, DecodeModelError};
use crate::training::{TrainedModel, model_evaluation::ModelEvaluation};

/// A model as stored; the types are those of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRecord {
    /// Its identifier.
    pub id: String,
    /// Name of its kind.
    pub kind: String,
    /// Time of training, in seconds since the epoch.
    pub created: f64,
    /// Name of its stage.
    pub state: String,
    /// The evaluation as JSON.
    pub evaluation: String,
    /// Digest of the forest, as hexadecimal digits.
    pub digest: String,
    /// Format of `blob`.
    pub format: u32,
    /// The encoded model.
    pub blob: Vec<u8>,
}

/// Why a row is no valid model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidRecord {
    /// A column has an invalid value.
    Column(&'static str),
    /// The evaluation cannot be parsed.
    Evaluation(String),
    /// The model cannot be decoded.
    Model(DecodeModelError),
    /// The digest differs from that of the evaluation.
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
    /// The row of this model.
    pub fn record(&self) -> VersionRecord {
        let evaluation = &self.model.evaluation;
        VersionRecord {
            id: self.id.to_string(),
            kind: self.kind.name().to_owned(),
            created: self.created.0,
            state: self.stage.name().to_owned(),
            // An evaluation contains only numbers and names, so serialization cannot fail.
            evaluation: serde_json::to_string(evaluation).unwrap_or_default(),
            digest: format!("{:016x}", evaluation.digest),
            format: model_codec::FORMAT,
            blob: self.model.bytes(),
        }
    }

    /// The model in this row.
    ///
    /// # Errors
    /// If the row is no valid model.
    pub fn from_record(record: &VersionRecord) -> Result<Self, InvalidRecord> {
        let id = VersionId::read(&record.id).ok_or(InvalidRecord::Column("id"))?;
        let kind = SubjectKind::read(&record.kind).ok_or(InvalidRecord::Column("kind"))?;
        let stage = VersionStage::read(&record.state).ok_or(InvalidRecord::Column("state"))?;
        let created =
            Some(record.created).filter(|it| it.is_finite()).ok_or(InvalidRecord::Column("created"))?;
        let evaluation: ModelEvaluation = serde_json::from_str(&record.evaluation)
            .map_err(|error| InvalidRecord::Evaluation(error.to_string()))?;
        let (eif, reference) = model_codec::from_bytes(&record.blob).map_err(InvalidRecord::Model)?;
        if eif.forest.digest() != evaluation.digest || format!("{:016x}", evaluation.digest) != record.digest
        {
            return Err(InvalidRecord::Digest);
        }
        Ok(Self {
            id,
            kind,
            created: Timestamp(created),
            stage,
            model: TrainedModel { eif, evaluation, reference },
        })
    }
}
