//! Names of the kernel as text: they are bytes, and need not be UTF-8.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

/// The character of byte 0 of those that are no text: from here on, Unicode assigns none.
const ODD_BYTES: u32 = 0x0010_FF00;

/// The bytes as text. One that is no UTF-8 becomes a character of its own, so that names that differ in it stay distinct;
/// [`visible`] shows it.
pub(super) fn decode<'a>(bytes: &'a [u8], into: &'a mut String) -> &'a str {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text;
    }
    into.clear();
    for chunk in bytes.utf8_chunks() {
        into.push_str(chunk.valid());
        into.extend(chunk.invalid().iter().filter_map(|it| char::from_u32(ODD_BYTES + u32::from(*it))));
    }
    into
}

/// The text as people see it: with a replacement character for each byte that is no text.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let is_odd = |it: char| ODD_BYTES <= u32::from(it);
    if text.contains(is_odd) { text.replace(is_odd, "\u{FFFD}").into() } else { text.into() }
}

/// A file name as text, as [`decode`] makes it.
pub(super) fn text_of(name: &OsStr) -> String {
    let mut decoded = String::new();
    decode(name.as_encoded_bytes(), &mut decoded).to_owned()
}

/// The file name whose text this is.
#[cfg(unix)]
pub(super) fn file_name(text: &str) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u32::from(character).checked_sub(ODD_BYTES).and_then(|it| u8::try_from(it).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(not(unix))]
pub(super) fn file_name(text: &str) -> OsString {
    text.into()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_comes_back_byte_by_byte(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let name = OsStr::from_bytes(&bytes);
            prop_assert_eq!(file_name(&text_of(name)), name);
        }
    }
}
