//! How far a file was read, in the form that is stored.

use std::path::{Path, PathBuf};

use super::file_identity::{FileHead, FileId};

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilePosition {
    pub(super) id: FileId,
    pub(super) head: FileHead,
    /// Byte behind the last complete message.
    pub(super) offset: u64,
    /// Messages behind it that were passed on, because another stream of the container has an incomplete one before them.
    pub(super) passed: u64,
    pub(super) path: PathBuf,
}

impl FilePosition {
    /// The key under which it is stored.
    pub(super) fn key(&self) -> String {
        format!("{:x}:{:x}", self.id.device, self.id.inode)
    }

    /// The text that is stored; none for a path that is no text, which a restart cannot find again.
    pub(super) fn to_text(&self) -> Option<String> {
        let Self { head, offset, passed, path, .. } = self;
        Some(format!("{offset} {passed} {} {:x} {}", head.bytes, head.hash, path.to_str()?))
    }

    /// Reads what was stored; none for any other text.
    pub(super) fn from_text(key: &str, text: &str) -> Option<Self> {
        let (device, inode) = key.split_once(':')?;
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let mut words = text.splitn(5, ' ');
        let offset = words.next()?.parse().ok()?;
        let passed = words.next()?.parse().ok()?;
        let bytes = words.next()?.parse().ok()?;
        let hash = hex(words.next()?)?;
        let path = Path::new(words.next()?).to_owned();
        let id = FileId { device: hex(device)?, inode: hex(inode)? };
        Some(Self { id, head: FileHead { bytes, hash }, offset, passed, path })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_is_read_back(numbers in any::<[u64; 6]>(), path in "/[^\0]{0,40}") {
            let [device, inode, bytes, hash, offset, passed] = numbers;
            let position = FilePosition {
                id: FileId { device, inode }, head: FileHead { bytes, hash }, offset, passed, path: path.into(),
            };
            prop_assert_eq!(FilePosition::from_text(&position.key(), &position.to_text().unwrap()), Some(position));
        }

        #[test]
        fn any_text_is_refused_or_read(key in ".{0,20}", text in ".{0,40}") {
            let _ = FilePosition::from_text(&key, &text);
        }
    }
}
