//! What commands ask of the daemon, and how the answer comes back: rows of the table `requests`.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

use super::stored::Between;
use super::{Error, schema};
use crate::reading::Timestamp;

/// Requests that are taken at once at most; the others wait for the next commit.
const TAKEN_MAX: i64 = 16;

/// Something that a command asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its number, which the answer is to carry.
    pub id: i64,
    /// What is asked.
    pub verb: Verb,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// To learn from now on, or to learn nothing until told otherwise.
    Learn(bool),
    /// To take the anomaly that is under way for the new normal.
    Accept,
    /// To forget what was learned in a span.
    Forget(Between),
    /// To train a model now.
    Train,
    /// To judge by the model of this name.
    Promote(String),
    /// To judge by the model before.
    Rollback,
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Self::Learn(_) => "learn",
            Self::Accept => "accept",
            Self::Forget(_) => "forget",
            Self::Train => "train",
            Self::Promote(_) => "promote",
            Self::Rollback => "rollback",
        }
    }

    fn arguments(&self) -> Value {
        match self {
            Self::Learn(on) => json!({ "on": on }),
            Self::Accept | Self::Train | Self::Rollback => json!({}),
            Self::Forget(Between { from, to }) => json!({ "from": from.0, "to": to.0 }),
            Self::Promote(id) => json!({ "model": id }),
        }
    }

    fn read(name: &str, arguments: &str) -> Option<Self> {
        let arguments: Value = serde_json::from_str(arguments).ok()?;
        Some(match name {
            "learn" => Self::Learn(arguments.get("on")?.as_bool()?),
            "accept" => Self::Accept,
            "forget" => Self::Forget(Between {
                from: Timestamp(arguments.get("from")?.as_f64()?),
                to: Timestamp(arguments.get("to")?.as_f64()?),
            }),
            "train" => Self::Train,
            "promote" => Self::Promote(arguments.get("model")?.as_str()?.to_owned()),
            "rollback" => Self::Rollback,
            _ => return None,
        })
    }
}

/// New requests after the one with this number: those that can be understood, and the numbers of the others.
pub(super) fn new(connection: &Connection, after: i64) -> Result<Vec<(i64, Option<Verb>)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, verb, arguments FROM requests WHERE done_at IS NULL AND id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let rows = statement.query_map(params![after, TAKEN_MAX], |row| {
        let (verb, arguments): (String, String) = (row.get(1)?, row.get(2)?);
        Ok((row.get(0)?, Verb::read(&verb, &arguments)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes down what came of a request.
pub(super) fn answer(
    connection: &Connection,
    id: i64,
    at: Timestamp,
    outcome: &Result<String, String>,
) -> Result<(), Error> {
    let (success, text) = match outcome {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    };
    connection
        .prepare_cached("UPDATE requests SET done_at = ?2, success = ?3, outcome = ?4 WHERE id = ?1")?
        .execute(params![id, at.0, success, text])?;
    Ok(())
}

/// A command's side: asks, then looks for the answer.
#[derive(Debug)]
pub struct Asked {
    connection: Connection,
    id: i64,
}

impl Asked {
    /// Puts the question into the store in this directory.
    ///
    /// # Errors
    /// When there is no store, or it cannot be written.
    pub fn new(directory: &Path, at: Timestamp, verb: &Verb) -> Result<Self, Error> {
        let connection = schema::open_to_ask(&directory.join(super::FILE))?;
        connection.execute(
            "INSERT INTO requests (at, verb, arguments) VALUES (?1, ?2, ?3)",
            params![at.0, verb.name(), verb.arguments().to_string()],
        )?;
        let id = connection.last_insert_rowid();
        Ok(Self { connection, id })
    }

    /// What came of it; nothing as long as it was not done.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outcome(&self) -> Result<Option<Result<String, String>>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT success, outcome FROM requests WHERE id = ?1 AND done_at > 0")?;
        let row =
            statement.query_row([self.id], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?)));
        Ok(row.optional()?.map(|(success, text)| if success { Ok(text) } else { Err(text) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_read_as_it_was_written() {
        let span = Between { from: Timestamp(1.5), to: Timestamp(2.5) };
        let promote = Verb::Promote("20261121T164200Z".into());
        let plain = [Verb::Accept, Verb::Train, Verb::Rollback, Verb::Forget(span), promote];
        for verb in plain.into_iter().chain([true, false].map(Verb::Learn)) {
            assert_eq!(Verb::read(verb.name(), &verb.arguments().to_string()), Some(verb));
        }
        for (name, arguments) in [("fly", "{}"), ("learn", "{}"), ("learn", "{\"on\":1}"), ("learn", "")] {
            assert_eq!(Verb::read(name, arguments), None, "{name} {arguments}");
        }
    }
}
