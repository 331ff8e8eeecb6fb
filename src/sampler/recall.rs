//! Judging by another version, as a command asks: of one that rests, the model is read beside the loop first.

use super::models::{KINDS, record};
use super::{Event, Sampler};
use crate::clock;
use crate::reading::Kind;
use crate::registry::Version;
use crate::store::{Archive, Entry};

impl Sampler {
    /// Lets a version judge; nothing when it has to be read first, and the answer comes with [`Event::Recalled`].
    ///
    /// # Errors
    /// A sentence, when that cannot be.
    pub(super) fn judge_by(&mut self, request: i64, id: &str) -> Option<Result<String, String>> {
        if !self.registry.rests(id) {
            return Some(self.promoted(id));
        }
        let Some(directory) = self.store.directory().map(std::path::Path::to_owned) else {
            return Some(Err(format!("the model {id} is not in memory, and nothing is stored")));
        };
        let id = id.to_owned();
        let begun = self.beside("recall", move || {
            let read = Archive::open(&directory).and_then(|it| it.model(&id));
            let outcome = match read {
                Ok(Some(row)) => {
                    Version::from_record(&record(row)).map_err(|error| format!("model {id}: {error}"))
                }
                Ok(None) => Err(format!("the model {id} is not stored")),
                Err(error) => Err(error.to_string()),
            };
            Event::Recalled { request, outcome: outcome.map(Box::new) }
        });
        if begun { None } else { Some(Err("cannot start a thread beside the loop".into())) }
    }

    /// Lets a version judge that was read, and answers.
    pub(super) fn recalled(&mut self, request: i64, outcome: Result<Box<Version>, String>) {
        let outcome = outcome.and_then(|version| {
            let id = version.id.clone();
            // It may have been given up, or have been woken, meanwhile; then this says so.
            self.registry.wake(*version);
            self.promoted(id.as_str())
        });
        self.store.put(Entry::Answer { id: request, at: clock::now(), outcome });
    }

    /// The version to go back to.
    ///
    /// # Errors
    /// A sentence, when there is none.
    pub(super) fn way_back(&self) -> Result<String, String> {
        self.registry.before(Kind::Host).map(|it| it.to_string()).map_err(|it| it.to_string())
    }

    fn promoted(&mut self, id: &str) -> Result<String, String> {
        let id = self.registry.promote(id).map_err(|it| it.to_string())?.id.to_string();
        KINDS.iter().for_each(|kind| self.install(*kind));
        self.keep_models();
        tracing::info!(model = id, "judges by another model, as a command asked");
        Ok(format!("model {id} judges from now on"))
    }
}
