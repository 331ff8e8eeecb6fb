//! Small files that are read as a whole, such as settings, secrets and certificates, within a bound.
#![expect(clippy::disallowed_methods, reason = "reads the files that settings and commands name")]

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// First character of a text that some editors write, in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// Start of a text in UTF-16 or UTF-32, in either byte order.
const UTF_16_MARKS: [&[u8]; 3] = [&[0xff, 0xfe], &[0xfe, 0xff], &[0, 0, 0xfe, 0xff]];
/// Number of bytes of a text that show whether it is in UTF-16 without such a mark.
pub const UTF_16_BYTES: usize = 8;

/// Reads a file.
///
/// # Errors
/// If it cannot be read or has more than `bytes_max` bytes: the reason, in words that follow the name of the file.
pub fn bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if is_named_pipe(path) {
        return Err("is a pipe, which may never answer; name a file".into());
    }
    let read = File::open(path).and_then(|it| it.take(bytes_max + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!("cannot be read: {error}; check the path and the permissions")),
        Ok(read) if read as u64 > bytes_max => {
            Err(format!("is longer than {bytes_max} bytes; check that it is the right file"))
        }
        Ok(_) => Ok(bytes),
    }
}

/// Whether opening it would wait for a writer. The pipes of a shell, such as `/dev/fd/63`, have one.
fn is_named_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    !path.starts_with("/dev") && std::fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo())
}

/// Reads a text, without the byte order mark that some editors put in front.
///
/// # Errors
/// As [`bytes`], and if it is not UTF-8.
pub fn text(path: &Path, bytes_max: u64) -> Result<String, String> {
    text_of(bytes(path, bytes_max)?)
}

/// Whether a text that starts with these bytes is in UTF-16 or UTF-32. Without a mark, each second byte is 0, because the first
/// characters of a file are ASCII.
pub fn is_wide_text(head: &[u8]) -> bool {
    let is_alternating = |first: usize| {
        let mut bytes = head.iter().take(UTF_16_BYTES).enumerate();
        head.len() >= UTF_16_BYTES / 2 && bytes.all(|(idx, it)| (*it == 0) == (idx % 2 == first))
    };
    UTF_16_MARKS.iter().any(|it| head.starts_with(it)) || is_alternating(0) || is_alternating(1)
}

/// The text of the bytes of a file; an error as in [`text`].
pub fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    if is_wide_text(&bytes) {
        return Err("is UTF-16; save it as UTF-8".into());
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8; save it as UTF-8")?;
    // Programs that join files leave several.
    while text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_order_mark_is_no_text() {
        let check = |bytes: &[u8], expect: Result<&str, &str>| {
            let found = text_of(bytes.to_vec());
            assert_eq!(found.as_deref().map_err(String::as_str), expect);
        };
        check(b"\xef\xbb\xbfa: 1\n", Ok("a: 1\n"));
        check(b"\xef\xbb\xbf\xef\xbb\xbfa: 1\n", Ok("a: 1\n"));
        check(b"a: 1\n", Ok("a: 1\n"));
        check(b"", Ok(""));
        check(b"\xff\xfea\0", Err("is UTF-16; save it as UTF-8"));
        check(b"\xfe\xff\0a", Err("is UTF-16; save it as UTF-8"));
        check(b"a\xff", Err("is not UTF-8; save it as UTF-8"));
    }

    #[test]
    fn a_pipe_without_a_writer_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let expect = "is a pipe, which may never answer; name a file";
        assert_eq!(text(&path, 3).unwrap_err(), expect);
    }

    #[test]
    fn a_file_has_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(text(&path, 3).as_deref(), Ok("abc"));
        let expect = "is longer than 2 bytes; check that it is the right file";
        assert_eq!(text(&path, 2).unwrap_err(), expect);
        let found = text(&directory.path().join("none"), 2).unwrap_err();
        assert!(found.starts_with("cannot be read: No such file"), "{found}");
    }
}
