//! Addresses and messages without what may be secret in a URL: user and password, and the values of its query.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// An address that may hold a password or a token. It has no `Display`, and its debug output is without them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddressText(String);

impl Deref for AddressText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for AddressText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", address(&self.0))
    }
}

/// What ends a URL in a message without being part of it.
const CLOSING: [char; 12] = ['\'', '"', '`', '>', ')', ']', '}', ',', ';', ':', '.', '\\'];

/// Hides what may be secret in the URLs of a message, also in malformed ones: in a word with a colon whatever is before
/// the last `@`, and in each word the query, see [`address`].
pub fn without_credentials(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(hidden).collect()
}

/// An address as users see it: without user, password, and values of its query or fragment. Unlike a message, all of it is
/// one URL, even with spaces.
pub fn address(text: &str) -> String {
    if text.contains("://") { hidden(text) } else { without_credentials(text) }
}

fn hidden(word: &str) -> String {
    let Some((credentials, host)) = word.rsplit_once('@').filter(|(before, _)| before.contains(':')) else {
        return without_query(word);
    };
    let scheme = credentials.split_once("://").map(|(scheme, _)| format!("{scheme}://")).unwrap_or_default();
    // In the value of a query, what is behind the `@` is no host.
    match query_with_value(credentials) {
        Some(_) => format!("{scheme}…{}", &word[end_of_url(word)..]),
        None => format!("{scheme}…@{}", without_query(host)),
    }
}

/// Hides a query, or a fragment with a value.
fn without_query(word: &str) -> String {
    let query = if word.contains("://") { word.find('?') } else { None };
    let found = query.into_iter().chain(query_with_value(word)).min();
    let Some(idx) = found else { return word.to_owned() };
    format!("{}…{}", &word[..=idx], &word[end_of_url(word).max(idx + 1)..])
}

/// Where a query or fragment with a value begins. In a regular expression, no name and `=` follow its mark.
fn query_with_value(word: &str) -> Option<usize> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || "_-.%[]/".contains(it);
    let has_value = |(idx, _): &(usize, &str)| {
        word[idx + 1..].split_once('=').is_some_and(|(name, _)| name.chars().all(is_name))
    };
    word.match_indices(['?', '#', '&']).find(has_value).map(|(idx, _)| idx)
}

/// Where a word has only what closes a quotation around the URL.
fn end_of_url(word: &str) -> usize {
    word.trim_end().trim_end_matches(CLOSING).len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn users_and_passwords_are_hidden() {
        let check = |text: &str, expect: &str| assert_eq!(without_credentials(text), expect);
        check("invalid value 'http://u:p@h:9/x' for", "invalid value 'http://…@h:9/x' for");
        check("prometheus:https://u:p@ss/w@h", "prometheus:https://…@h");
        check("prometheus:u:p@h", "…@h");
        check("a: \"http://u:p'q@h\", b", "a: \"http://…@h\", b");
        check("mail me@example.org: no", "mail me@example.org: no");
        check("http://h/x y@z", "http://h/x y@z");
    }

    #[test]
    fn values_of_queries_are_hidden() {
        let check = |text: &str, expect: &str| assert_eq!(without_credentials(text), expect);
        check("value 'influxdb:http://h/?u=bob&p=s3cret' for", "value 'influxdb:http://h/?…' for");
        check("http://u:p@h/x?token=s3cret: refused", "http://…@h/x?…: refused");
        check("influxdb:h/db?token=s3cret", "influxdb:h/db?…");
        check("https://am/#access_token=s3cret.", "https://am/#….");
        check("https://am/#/silences", "https://am/#/silences");
        check("why? ^(ram|loop)(p\\d+)?$ a?b=", "why? ^(ram|loop)(p\\d+)?$ a?…");
    }

    #[test]
    fn an_address_is_one_url_even_with_spaces() {
        assert_eq!(address("prometheus:http://u:my secret@h"), "prometheus:http://…@h");
        assert_eq!(address("http://h/?p=my secret"), "http://h/?…");
        assert_eq!(address("http://h:9090/x"), "http://h:9090/x");
    }

    #[test]
    fn debug_output_has_no_credentials() {
        let texts = ["", "http://h:9090/x", "http://u:s3cret@h/", "http://h/?token=s3cret"];
        let shown = format!("{:?}", texts.map(AddressText::from));
        assert_eq!(shown, r#"["", "http://h:9090/x", "http://…@h/", "http://h/?…"]"#);
    }

    proptest! {
        #[test]
        fn no_password_is_left(password in "[A-Za-z0-9:/@?#%'\"<>`]{3,20}", host in "[a-z]{1,9}") {
            let shown = without_credentials(&format!("cannot ask http://user:{password}@{host}/api"));
            prop_assert_eq!(shown, format!("cannot ask http://…@{host}/api"));
        }

        #[test]
        fn no_value_of_a_query_is_left(value in "[A-Za-z0-9:/@?#%&='\"<>`]{0,20}S3CRET[A-Za-z0-9:/@?#%&='\"<>` ]{0,20}") {
            let shown = address(&format!("http://host/api?token={value}"));
            prop_assert!(!shown.contains("S3CRET"), "{}", shown);
        }
    }
}
