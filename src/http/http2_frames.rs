//! Follows the frames of HTTP/2 in the bytes of a connection, to tell how far a request has come and what is only about the
//! connection itself, such as a ping. hyper has no timeout for a head that comes in pieces.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes with which a client begins.
const PREFACE_BYTES: usize = 24;
/// Bytes before the payload of each frame.
const HEADER_BYTES: usize = 9;
/// Frames that carry requests and responses.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
/// Continues the head that a frame of headers began.
const CONTINUATION: u8 = 9;
/// The flag of the last frame of a head.
const END_HEADERS: u8 = 4;

/// How far the requests and responses of a connection have come, and how long it may stay so.
#[derive(Debug)]
pub(super) struct Http2Progress {
    received: FrameProgress,
    sent: FrameProgress,
    /// Longest time from the first byte of a frame or head to its last.
    request_time: Duration,
    /// Longest time without a request or a response.
    idle_time: Duration,
    /// When the frame or head that has begun must be whole.
    whole_until: Option<Instant>,
    idle_until: Instant,
}

impl Http2Progress {
    /// A connection that was just made: its client must begin.
    pub(super) fn new(request_time: Duration, idle_time: Duration) -> Self {
        let (received, sent) = (FrameProgress::from_client(), FrameProgress::from_server());
        let now = Instant::now();
        let (whole_until, idle_until) = (Some(now + request_time), now + idle_time);
        Self { received, sent, request_time, idle_time, whole_until, idle_until }
    }

    /// Takes bytes of the client.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        if self.received.take(bytes).end_whole {
            self.whole_until = None;
        }
        if self.received.is_within() && self.whole_until.is_none() {
            self.whole_until = Some(Instant::now() + self.request_time);
        }
    }

    /// Takes bytes that were sent, the first `count` of these parts; tells whether some of a response is among them.
    pub(super) fn sent(&mut self, parts: &[&[u8]], mut count: usize) -> bool {
        let mut is_response = false;
        for part in parts {
            let part = &part[..part.len().min(count)];
            count -= part.len();
            is_response |= self.sent.take(part).carry_message;
        }
        if is_response {
            self.record_activity();
        }
        is_response
    }

    /// Notes that a request or a response is in progress, which restarts the idle time.
    pub(super) fn record_activity(&mut self) {
        self.idle_until = Instant::now() + self.idle_time;
    }

    /// When the frame or head that has begun must be whole; `None` between frames.
    pub(super) fn whole_until(&self) -> Option<Instant> {
        self.whole_until
    }

    /// When the connection ends without a request or a response.
    pub(super) fn idle_until(&self) -> Instant {
        self.idle_until
    }
}

/// The place in the frames of one direction.
#[derive(Debug)]
struct FrameProgress {
    /// Bytes of the preface that are still to come.
    preface: usize,
    header: [u8; HEADER_BYTES],
    /// Number of bytes of the header that have arrived; 0 from the end of a header to the end of its payload.
    header_bytes: usize,
    /// Bytes of the payload that are still to come.
    payload: usize,
    /// Whether the last frame of a head is still to come.
    head_is_open: bool,
}

/// What some bytes were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct FrameBytes {
    /// Whether any of them are of a request or a response.
    carry_message: bool,
    /// Whether something whole ended in them: a frame, or the last frame of a head.
    end_whole: bool,
}

impl FrameProgress {
    /// The frames from a client, after its preface.
    fn from_client() -> Self {
        Self { preface: PREFACE_BYTES, ..Self::from_server() }
    }

    /// The frames from a server.
    fn from_server() -> Self {
        Self { preface: 0, header: [0; HEADER_BYTES], header_bytes: 0, payload: 0, head_is_open: false }
    }

    /// Whether a frame, or a head of several frames, has begun and is not whole.
    fn is_within(&self) -> bool {
        self.preface > 0 || self.header_bytes > 0 || self.payload > 0 || self.head_is_open
    }

    /// Takes the next bytes.
    fn take(&mut self, mut bytes: &[u8]) -> FrameBytes {
        let mut found = FrameBytes::default();
        while let Some((first, rest)) = bytes.split_first() {
            if self.preface > 0 {
                bytes = skip(bytes, &mut self.preface);
            } else if self.payload > 0 {
                bytes = skip(bytes, &mut self.payload);
                found.carry_message |= self.is_of_message();
            } else {
                self.header[self.header_bytes] = *first;
                self.header_bytes += 1;
                bytes = rest;
                if self.header_bytes == HEADER_BYTES {
                    self.begin_payload();
                    found.carry_message |= self.is_of_message();
                }
            }
            found.end_whole |= !self.is_within();
        }
        found
    }

    /// Reads the header, which is whole.
    fn begin_payload(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.header_bytes = 0;
        self.payload = u32::from_be_bytes([0, high, middle, low]) as usize;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.head_is_open = flags & END_HEADERS == 0;
        }
    }

    /// Whether the frame whose header was the last to be read is of a request or a response.
    fn is_of_message(&self) -> bool {
        let [_, _, _, kind, ..] = self.header;
        matches!(kind, DATA | HEADERS | CONTINUATION)
    }
}

/// Skips as many bytes as are still to come.
fn skip<'a>(bytes: &'a [u8], to_come: &mut usize) -> &'a [u8] {
    let skipped = bytes.len().min(*to_come);
    *to_come -= skipped;
    &bytes[skipped..]
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::http) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    pub(in crate::http) const PING: u8 = 6;
    pub(in crate::http) const SETTINGS: u8 = 4;

    pub(in crate::http) fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let stream = u8::from(matches!(kind, DATA | HEADERS | CONTINUATION));
        [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
    }

    fn check(frames: &[Vec<u8>], carry_message: bool, is_within: bool) {
        let mut progress = FrameProgress::from_server();
        let found = progress.take(&frames.concat());
        assert_eq!((found.carry_message, progress.is_within()), (carry_message, is_within), "{frames:?}");
    }

    #[test]
    fn heads_are_whole_with_their_last_frame_and_pings_carry_nothing() {
        check(&[frame(PING, 1, &[0; 8]), frame(SETTINGS, 0, &[])], false, false);
        check(&[frame(HEADERS, END_HEADERS, b"head")], true, false);
        check(&[frame(HEADERS, 0, b"he")], true, true);
        check(&[frame(HEADERS, 0, b"he"), frame(CONTINUATION, 0, b"a")], true, true);
        check(&[frame(HEADERS, 0, b"he"), frame(CONTINUATION, END_HEADERS, b"ad")], true, false);
        check(&[frame(DATA, 0, b"body")], true, false);
        check(&[frame(PING, 1, &[0; 8])[..3].to_vec()], false, true);
        let mut client = FrameProgress::from_client();
        assert!(client.is_within() && client.take(&PREFACE[..23]) == FrameBytes::default());
        assert_eq!(client.take(&PREFACE[23..]), FrameBytes { carry_message: false, end_whole: true });
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(
            kinds in proptest::collection::vec((0_u8..12, 0_u8..8, 0_usize..40), 1..8),
            lengths in proptest::collection::vec(1_usize..30, 1..60),
        ) {
            let frames: Vec<u8> = kinds.iter().flat_map(|(kind, flags, size)| frame(*kind, *flags, &vec![7; *size])).collect();
            let (mut whole, mut pieces) = (FrameProgress::from_server(), FrameProgress::from_server());
            let expected = whole.take(&frames);
            let (mut rest, mut found) = (frames.as_slice(), FrameBytes::default());
            for length in lengths.iter().cycle() {
                let (piece, after) = rest.split_at((*length).min(rest.len()));
                let taken = pieces.take(piece);
                found.carry_message |= taken.carry_message;
                found.end_whole |= taken.end_whole;
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!((found, pieces.is_within()), (expected, whole.is_within()));
        }
    }
}
