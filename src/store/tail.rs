//! What was committed since the last transaction: a plain file beside the database, to which a commit adds one frame.
//!
//! A transaction of SQLite costs several times as much as one `write`, so there is one every ten minutes, and it takes
//! over what the frames hold. The file is then written from its front again. A frame carries the generation of the file that the
//! database names, so that what is left of an earlier one, or of another database, is not taken for more.

#![expect(clippy::disallowed_methods, reason = "this is a file of the store")]

use std::fs::File;
use std::io::{ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::Error;
use super::head::{Layout, Line};
use super::point::Point;
use crate::seal::{self, Blob};

/// Bytes in front of a frame, which say how long it is.
const LENGTH: usize = 4;
/// Bytes of a value, and of a time.
const VALUE: usize = 8;
/// A frame takes so many bytes, or a multiple: blocks of file systems, which would be read from the disk before a part of
/// one could be written over.
const BLOCK: usize = 4096;

/// What one commit adds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Frame {
    /// Readings.
    pub(super) lines: Vec<Line>,
    /// What was learned from them.
    pub(super) points: Vec<Point>,
}

/// Readings of one layout.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    layout: Layout,
    /// Of each its time and its values, as they are: packing them is left to whoever takes whole minutes.
    lines: Blob,
}

impl Run {
    fn of(lines: &[Line]) -> Option<Self> {
        let layout = &lines.first()?.layout;
        let mut bytes = Vec::with_capacity(lines.len() * (1 + layout.len()) * VALUE);
        for line in lines {
            bytes.extend(line.at.to_le_bytes());
            line.values.iter().for_each(|it| bytes.extend(it.to_le_bytes()));
        }
        Some(Self { layout: Arc::clone(layout), lines: Blob(bytes) })
    }

    fn lines(&self) -> Option<Vec<Line>> {
        let (values, rest) = self.lines.0.as_chunks::<VALUE>();
        let values: Vec<f64> = values.iter().map(|it| f64::from_le_bytes(*it)).collect();
        let lines = values.chunks_exact(1 + self.layout.len());
        let whole = rest.is_empty() && lines.remainder().is_empty();
        let line = |it: &[f64]| Line { at: it[0], layout: Arc::clone(&self.layout), values: it[1..].into() };
        whole.then(|| lines.map(line).collect())
    }
}

/// What is in the file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// The frames of the generation that was asked for, the oldest first.
    pub(super) frames: Vec<Frame>,
    /// Whether another one follows that is not whole.
    pub(super) torn: bool,
}

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    file: File,
    generation: u32,
    /// Where the next frame begins.
    end: u64,
    /// The newest frame; kept for its memory.
    frame: Vec<u8>,
}

/// Where the file of a database is.
pub(super) fn place(database: &Path) -> PathBuf {
    PathBuf::from(format!("{}{}", database.display(), super::TAIL))
}

/// All bytes of the file; none where there is no file.
pub(super) fn bytes(database: &Path) -> Result<Vec<u8>, Error> {
    let path = place(database);
    match std::fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|source| Error::Io { path, source }),
    }
}

/// The generation that is not in the database yet.
pub(super) fn generation(connection: &Connection) -> Result<u32, Error> {
    Ok(connection.prepare_cached("SELECT generation FROM tail")?.query_row([], |row| row.get(0))?)
}

/// Says that the database has what is in the file.
pub(super) fn outdate(connection: &Connection) -> Result<(), Error> {
    connection.prepare_cached("UPDATE tail SET generation = (generation + 1) & 4294967295")?.execute([])?;
    Ok(())
}

/// The frames of one generation that these bytes begin with.
pub(super) fn frames(mut bytes: &[u8], generation: u32) -> Found {
    let mut found = Found::default();
    while let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() {
        if !rest.starts_with(&generation.to_le_bytes()) {
            break;
        }
        let length = u32::from_le_bytes(*length) as usize;
        let Some(frame) = rest.get(..length).and_then(|sealed| frame(sealed, generation)) else {
            found.torn = true;
            break;
        };
        found.frames.push(frame);
        bytes = bytes.get(blocks(LENGTH + length)..).unwrap_or_default();
    }
    found
}

/// The bytes that a frame of so many takes.
fn blocks(length: usize) -> usize {
    length.next_multiple_of(BLOCK)
}

fn frame(sealed: &[u8], generation: u32) -> Option<Frame> {
    let (runs, points): (Vec<Run>, _) = seal::read(seal::open(generation.to_le_bytes(), sealed)?)?;
    let lines = runs.iter().map(Run::lines).collect::<Option<Vec<_>>>()?;
    Some(Frame { lines: lines.concat(), points })
}

impl Tail {
    /// Begins the file anew: what was in it is in the database.
    pub(super) fn begin(database: &Path, generation: u32) -> Result<Self, Error> {
        let path = place(database);
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file, generation, end: 0, frame: Vec::new() }),
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    /// Adds a frame, in one piece.
    pub(super) fn append(&mut self, lines: &[Line], points: &[Point]) -> Result<(), Error> {
        let runs = lines.chunk_by(|one, other| Arc::ptr_eq(&one.layout, &other.layout));
        let runs: Vec<Run> = runs.filter_map(Run::of).collect();
        self.frame.clear();
        self.frame.extend([0; LENGTH]);
        seal::append(self.generation.to_le_bytes(), &(runs, points), &mut self.frame);
        let length = (self.frame.len() - LENGTH) as u32;
        self.frame[..LENGTH].copy_from_slice(&length.to_le_bytes());
        self.frame.resize(blocks(self.frame.len()), 0);
        let place = if self.is_empty() { self.file.rewind() } else { Ok(()) };
        let done = place.and_then(|()| self.file.write_all(&self.frame));
        done.map_err(|source| Error::Io { path: self.path.clone(), source })?;
        self.end += self.frame.len() as u64;
        Ok(())
    }

    /// Whether nothing was added since it was begun.
    pub(super) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Goes on from the front, as the database has all that is in it. Its pages are written over: to give them back and to
    /// ask for new ones costs more.
    pub(super) fn restart(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.end = 0;
    }

    /// Removes the file, when all of it is in the database.
    pub(super) fn end(self) {
        if self.is_empty() {
            // What stays is of a generation that is gone, and in nobody's way.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::entry::Judged;
    use super::*;
    use crate::reading::{Subject, Timestamp};
    use crate::report::Learned;

    fn frame(t: u32) -> Frame {
        let at = f64::from(t);
        let judged = Judged {
            subject: Subject::Host,
            point: None,
            momentary: Some(at / 3.0),
            confidence: None,
            episode: None,
            turn: None,
            description: None,
            causes: None,
        };
        let mut learned =
            Learned { point: crate::window::Point::unknown(0), signals: Vec::new(), odd: false, weight: 0.5 };
        learned.point.at = Timestamp(at);
        let points = (0..t % 3).map(|_| Point::new(&judged, &learned, Some(at))).collect();
        let layouts: [Layout; 2] = [vec![3, 9].into(), Vec::new().into()];
        let line = |row: u32| {
            let layout = Arc::clone(&layouts[row as usize / 3]);
            let values = layout.iter().map(|it| at / f64::from(*it)).collect();
            Line { at: at + f64::from(row), layout, values }
        };
        Frame { lines: (0..t % 5).map(line).collect(), points }
    }

    fn append(tail: &mut Tail, frame: &Frame) {
        tail.append(&frame.lines, &frame.points).unwrap();
    }

    proptest! {
        #[test]
        fn frames_come_back(counts in prop::collection::vec(0_u32..12, 1..4), first: u32) {
            let directory = tempfile::tempdir().unwrap();
            let database = directory.path().join("x.db");
            prop_assert!(bytes(&database).unwrap().is_empty());
            let mut tail = Tail::begin(&database, first).unwrap();
            let mut generation = first;
            // Frames of a generation over longer ones of that before.
            for count in counts {
                let expect: Vec<Frame> = (0..count).map(|t| frame(t + count)).collect();
                expect.iter().for_each(|it| append(&mut tail, it));
                let found = frames(&bytes(&database).unwrap(), generation);
                prop_assert_eq!(found, Found { frames: expect, torn: false });
                prop_assert_eq!(frames(&bytes(&database).unwrap(), generation.wrapping_add(1)), Found::default());
                tail.restart();
                generation = generation.wrapping_add(1);
            }
            tail.end();
            prop_assert!(!place(&database).exists());
        }

        #[test]
        fn what_is_cut_or_garbled_ends_there(cut: prop::sample::Index, bit in 0_u8..8) {
            let directory = tempfile::tempdir().unwrap();
            let database = directory.path().join("x.db");
            let mut tail = Tail::begin(&database, 7).unwrap();
            let (all, mut ends) = ((0..8).map(frame).collect::<Vec<_>>(), Vec::new());
            for it in &all {
                let first = tail.end as usize;
                append(&mut tail, it);
                let length = &bytes(&database).unwrap()[first..first + LENGTH];
                let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
                ends.push([first + LENGTH + length, tail.end as usize]);
            }
            let whole = bytes(&database).unwrap();
            let cut = cut.index(whole.len());
            let count = ends.iter().filter(|[end, _]| *end <= cut).count();
            let found = frames(&whole[..cut], 7);
            prop_assert_eq!(&found.frames[..], &all[..count]);
            let begun = cut.saturating_sub(count.checked_sub(1).map_or(0, |it| ends[it][1]));
            prop_assert_eq!(found.torn, begun >= 8);
            let mut garbled = whole.clone();
            garbled[cut] ^= 1 << bit;
            // What fills a block up says nothing.
            let filler = ends.iter().any(|[end, next]| (*end..*next).contains(&cut));
            prop_assert_eq!(&frames(&garbled, 7).frames[..], if filler { &all } else { &all[..count] });
        }

        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>, content: Vec<u8>) {
            let _ = frames(&bytes, 0);
            let sealed = seal::seal([0; 4], &content);
            let _ = frames(&[&(sealed.len() as u32).to_le_bytes()[..], &sealed].concat(), 0);
        }
    }
}
