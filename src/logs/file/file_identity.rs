//! What tells one file from another, whatever its name is.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Bytes at the start of a file that tell it from another with the same inode.
const HEAD_BYTES_MAX: usize = 256;

/// Device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Length and hash of the first bytes of a file: a file that starts otherwise was truncated or replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FileHead {
    pub(super) bytes: u64,
    pub(super) hash: u64,
}

impl FileHead {
    /// The head of a file, of at most this many bytes.
    pub(super) fn read(file: &File, bytes_max: u64) -> io::Result<Self> {
        let mut head = [0; HEAD_BYTES_MAX];
        let wanted = usize::try_from(bytes_max).unwrap_or(HEAD_BYTES_MAX).min(HEAD_BYTES_MAX);
        let mut length = 0;
        while length < wanted {
            match file.read_at(&mut head[length..wanted], length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        Ok(Self { bytes: length as u64, hash: fnv1a(&head[..length]) })
    }

    /// Whether a file starts with this head.
    pub(super) fn is_of(&self, file: &File) -> io::Result<bool> {
        Ok(self.bytes == 0 || Self::read(file, self.bytes)? == *self)
    }

    /// Whether more bytes would tell more.
    pub(super) fn is_short(&self) -> bool {
        self.bytes < HEAD_BYTES_MAX as u64
    }
}

/// FNV-1a: stable across versions, unlike the hasher of the standard library, and enough where nobody wants a collision.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
