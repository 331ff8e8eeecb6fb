//! The frame of the container runtime interface of Kubernetes: `TIME stdout|stderr P|F[:TAG…] TEXT`.

use super::Frame;

/// Takes the frame off a line; none if it has no such frame.
pub(super) fn parse(line: &[u8]) -> Option<Frame<&[u8]>> {
    let (time, rest) = split(line)?;
    let is_time = time.len() >= "2026-01-02T03:04:05Z".len()
        && time[..4].iter().all(u8::is_ascii_digit)
        && (time[4], time[7], time[10], time[13], time[16]) == (b'-', b'-', b'T', b':', b':');
    let (stream, rest) = split(rest)?;
    let is_error_stream = match stream {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    // An empty message may have no space behind its tag.
    let (tags, text) = split(rest).unwrap_or((rest, b""));
    let is_partial = match tags.split(|it| *it == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    is_time.then_some(Frame { text, is_error_stream, is_partial })
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = text.iter().position(|it| *it == b' ')?;
    Some((&text[..space], &text[space + 1..]))
}
