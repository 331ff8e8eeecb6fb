//! A line as a server returns it.

use crate::log_stream::LogSeverity;

/// Nanoseconds in a second.
pub(in crate::logs) const NANOSECONDS: f64 = 1e9;

/// A line with what tells it from others.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::logs) struct RemoteLine {
    /// Its time, in nanoseconds of Unix time.
    pub(in crate::logs) at: i64,
    /// Hash of its text and of the labels of its stream.
    pub(in crate::logs) identity: u64,
    /// Its severity, if a label has it.
    pub(in crate::logs) severity: Option<LogSeverity>,
    /// Its text.
    pub(in crate::logs) text: String,
}

/// FNV-1a of texts with their borders: stable across versions, because positions are stored.
pub(in crate::logs) fn line_identity<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    // 0xff is in no text.
    let bytes = texts.into_iter().flat_map(|it| it.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, step)
}
