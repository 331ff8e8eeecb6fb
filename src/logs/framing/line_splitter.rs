//! Splits bytes, as they arrive, into lines of bounded length.

/// Largest line that is kept, in bytes; the rest of a longer one is left out.
pub(in crate::logs) const LINE_BYTES_MAX: usize = 64 << 10;

/// The start of a line whose end has not arrived.
#[derive(Debug, Clone, Default)]
pub(in crate::logs) struct LineSplitter {
    partial: Vec<u8>,
    is_cut: bool,
    /// Whether the line belongs to what was before the start of reading.
    is_ignored: bool,
    /// Whether the start of the line was taken already, so that an end alone is no line.
    is_taken: bool,
}

impl LineSplitter {
    /// A splitter that starts within a line, which is left out.
    pub(in crate::logs) fn within_line() -> Self {
        Self { is_ignored: true, ..Self::default() }
    }

    /// Passes on each complete line, with the number of bytes up to its end and whether it was cut.
    pub(in crate::logs) fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(&[u8], usize, bool)) {
        let mut start = 0;
        // `split_inclusive` would need a check of each piece for its end.
        while let Some(length) = bytes[start..].iter().position(|it| *it == b'\n') {
            let end = start + length;
            let is_whole = self.partial.is_empty() && length <= LINE_BYTES_MAX;
            let is_taken = std::mem::take(&mut self.is_taken) && self.partial.is_empty();
            if std::mem::take(&mut self.is_ignored) || is_taken && matches!(&bytes[start..end], b"" | b"\r") {
                self.partial = Vec::new();
            } else if is_whole {
                emit(trimmed(&bytes[start..end]), end + 1, self.is_cut);
            } else {
                self.keep(&bytes[start..end]);
                let line = std::mem::take(&mut self.partial);
                emit(trimmed(&line), end + 1, self.is_cut);
            }
            self.is_cut = false;
            start = end + 1;
        }
        if !self.is_ignored {
            self.keep(&bytes[start..]);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        // A file that was truncated under a program that writes on starts with zeros, as many as were truncated.
        let zeros = bytes.iter().take_while(|it| **it == 0).count();
        let bytes = if self.partial.is_empty() { &bytes[zeros..] } else { bytes };
        let room = LINE_BYTES_MAX - self.partial.len();
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.is_cut |= bytes.len() > room;
    }

    /// Bytes of the line that waits for its end.
    pub(in crate::logs) fn pending_bytes(&self) -> usize {
        self.partial.len()
    }

    /// The line that waits for its end, as if it ended here, and whether it was cut.
    pub(in crate::logs) fn take(&mut self) -> Option<(Vec<u8>, bool)> {
        let partial = std::mem::take(&mut self.partial);
        let is_cut = std::mem::take(&mut self.is_cut);
        self.is_taken |= !partial.is_empty();
        (!partial.is_empty()).then_some((partial, is_cut))
    }
}

/// A line without zeros before it and without a carriage return.
fn trimmed(line: &[u8]) -> &[u8] {
    let zeros = line.iter().take_while(|it| **it == 0).count();
    let line = &line[zeros..];
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        for piece in pieces {
            splitter.push(piece, |line, _, is_cut| lines.push((line.to_owned(), is_cut)));
        }
        lines.extend(splitter.take());
        lines
    }

    #[test]
    fn zeros_and_carriage_returns_are_no_text() {
        let check = |pieces: &[&[u8]], expect: &[&[u8]]| {
            let found: Vec<_> = split(pieces).into_iter().map(|it| it.0).collect();
            assert_eq!(found, expect);
        };
        check(&[b"a\r\nb\n"], &[b"a", b"b"]);
        check(&[b"\0\0", b"\0a", b"\n\xff\n"], &[b"a", b"\xff"]);
        check(&[b"a\0b\n"], &[b"a\0b"]);
        check(&[b"\n\n"], &[b"", b""]);
    }

    #[test]
    fn the_rest_of_a_long_line_is_left_out() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        let lines = split(&[&long, &long, b"\nnext\n"]);
        assert_eq!(lines, [(long[1..].to_vec(), true), (b"next".to_vec(), false)]);
        let mut with_end = long.clone();
        with_end.push(b'\n');
        assert_eq!(split(&[&with_end]), [(long[1..].to_vec(), true)]);
    }

    #[test]
    fn a_start_within_a_line_waits_for_the_next() {
        let (mut splitter, mut lines) = (LineSplitter::within_line(), Vec::new());
        for piece in [&b"rest"[..], b" of it\nnext\n"] {
            splitter.push(piece, |line, end, _| lines.push((line.to_owned(), end)));
        }
        assert_eq!(lines, [(b"next".to_vec(), 12)]);
    }

    #[test]
    fn the_end_of_a_line_that_was_taken_is_no_line() {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        splitter.push(b"a", |_, _, _| ());
        assert_eq!(splitter.take(), Some((b"a".to_vec(), false)));
        splitter.push(b"\nb\n\n", |line, _, _| lines.push(line.to_owned()));
        assert_eq!(lines, [b"b".to_vec(), b"".to_vec()]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(0), any::<u8>()], 0..200), at in 0usize..200) {
            let at = at.min(bytes.len());
            prop_assert_eq!(split(&[&bytes[..at], &bytes[at..]]), split(&[&bytes]));
        }
    }
}
