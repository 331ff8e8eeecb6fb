//! Messages without the user and password of URLs.

/// Replaces the user and password of each URL in a text, also of a malformed one: whatever is before the last `@` of a
/// word with a colon.
pub fn without_credentials(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    for part in text.split_inclusive(char::is_whitespace) {
        let Some((credentials, host)) = part.rsplit_once('@').filter(|(before, _)| before.contains(':'))
        else {
            hidden.push_str(part);
            continue;
        };
        if let Some((scheme, _)) = credentials.split_once("://") {
            hidden.push_str(scheme);
            hidden.push_str("://");
        }
        hidden.push_str("…@");
        hidden.push_str(host);
    }
    hidden
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

    proptest! {
        #[test]
        fn no_password_is_left(password in "[A-Za-z0-9:/@?#%'\"<>`]{3,20}", host in "[a-z]{1,9}") {
            let shown = without_credentials(&format!("cannot ask http://user:{password}@{host}/api"));
            prop_assert_eq!(shown, format!("cannot ask http://…@{host}/api"));
        }
    }
}
