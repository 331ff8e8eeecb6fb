//! The commands, one file each. A command joins the modules it needs and returns the exit code.

use std::path::Path;

use crate::config::DetectionSettings;
use crate::episode::EpisodeEndRule;
use crate::file_size_limit;
use crate::training;

pub mod accept;
pub mod check;
mod daemon_client;
pub mod demo;
pub mod episodes;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod forget;
pub mod hash_password;
pub mod health;
pub mod learn;
pub mod maintenance;
pub mod mcp;
pub mod models;
mod history_import;
mod evaluate_replay;
pub mod remediate;
pub mod replay;
pub mod run;
pub mod simulate;
mod similar_host;
pub mod status;
mod open_store;
mod overwrite_check;
pub mod top;
pub mod train;
pub mod validate;
pub mod verdict;

/// When an episode ends, from the settings.
fn release(detection: &DetectionSettings) -> EpisodeEndRule {
    EpisodeEndRule {
        below: detection.resolve.below,
        seconds: detection.resolve.duration.as_seconds(),
        accept_after: detection.accept_after.as_seconds(),
    }
}

/// Options of the training, from the settings.
fn training(detection: &DetectionSettings) -> training::TrainingSettings {
    let whole = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    training::TrainingSettings {
        trees: whole(detection.forest.trees),
        sample_size: whole(detection.forest.sample_size),
    }
}

/// Why an output file cannot be written.
fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {}", path.display(), file_size_limit::reason(error))
}
