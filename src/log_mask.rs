//! The message of a line with everything variable masked: what may be kept of a log.
//!
//! Words are allowed, not secrets found: a run of letters stays if it looks like a word and stands where no value stands.
//! Numbers, quoted texts, addresses, values after `=`, last parts of paths, and what follows words such as "password" go.

mod quoted_text;
mod masked_token;
mod word_shape;

/// What stands for a masked part.
pub const MASK: &str = "<*>";

/// Largest number of bytes of a masked message; what follows is cut at a space.
pub const MASKED_BYTES_MAX: usize = 200;

/// Bytes of a message that are masked; the result is full long before.
const MESSAGE_BYTES_MAX: usize = 2_048;

/// Masks a message. The result has at most [`MASKED_BYTES_MAX`] bytes, no line breaks, and is its own mask.
pub fn mask(message: &str) -> String {
    let message = message.get(..message.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or_default();
    let text = quoted_text::without_quoted(message);
    let mut masked = String::new();
    let mut values_left = 0_usize;
    for word in text.split_ascii_whitespace() {
        // A value that is masked already, and nothing after it.
        let ends_values = values_left > 0 && word == MASK;
        let token = masked_token::mask(word);
        let is_value = values_left > 0;
        values_left = match (ends_values, token.values) {
            (true, _) => 0,
            (false, 0) => values_left.saturating_sub(1),
            (false, values) => values,
        };
        let token = if is_value { MASK } else { &token.text };
        if token == MASK && (masked == MASK || masked.ends_with(" <*>")) {
            continue;
        }
        if masked.len() + 1 + token.len() > MASKED_BYTES_MAX {
            break;
        }
        if !masked.is_empty() {
            masked.push(' ');
        }
        masked.push_str(token);
    }
    masked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(message: &str, expect: &str) {
        assert_eq!(mask(message), expect, "{message}");
        assert_eq!(mask(expect), expect, "once more");
    }

    #[test]
    fn what_varies_is_masked() {
        check("took 12.5 ms for 3 of 4", "took <*> ms for <*> of <*>");
        check("connect to 10.1.2.3:80 from [fe80::1%eth0]:22", "connect to <*> from <*>");
        check("MAC aa:bb:cc:dd:ee:ff on eth0", "MAC <*> on <*>");
        check("id 550e8400-e29b-41d4-a716-446655440000 done", "id <*> done");
        check("commit deadbeefcafe by bob@example.com", "commit <*> by <*>");
        check("cannot open 'my file' or \"another one\": denied", "cannot open <*> or <*> denied");
        check("GET https://a.example/x?y=1 ok", "GET <*> ok");
        check("read /var/log/nginx/access.log twice", "read /var/log/nginx/<*> twice");
        check("pod=web-1 reason=BackOff done", "pod=<*> reason=<*> done");
        check("a, 12, 13, 14 b", "a, <*> b");
        check("java.net.SocketTimeoutException: Read timed out", "SocketTimeoutException: Read timed out");
        check(
            "CrashLoopBackOff of the ReplicaSet, it can't start",
            "CrashLoopBackOff of the ReplicaSet, it can't start",
        );
        check("\u{1b}[31mbad\u{1b}[0m \u{201c}secret\u{201d}", "<*>");
        check("", "");
    }

    #[test]
    fn secrets_are_masked() {
        check("Failed password for root from 1.2.3.4", "Failed password <*> from <*>");
        check("password: hunter and more words", "password: <*> more words");
        check("password=hunter for you", "password=<*> for you");
        check("passwd:hunter for you", "passwd:<*> for you");
        check("Authorization: Bearer abcdefgh then", "Authorization: <*>");
        check("{\"token\":\"abc\"} sent", "{<*>:<*>} sent");
        check("user bob logged in", "user <*> logged in");
        check("open \"unterminated secret", "open <*>");
        check("at %secret%%p sent", "at <*> sent");
        check("a of:00AaA0++A+++00a0A0aa++a0 sent", "a <*> sent");
    }

    /// Runs of random letters and digits, as keys and tokens are.
    fn secret() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z0-9+/]{24,64}={0,2}",
            "[0-9a-f]{16,64}",
            "AKIA[A-Z0-9]{16}",
            "ghp_[A-Za-z0-9]{36}",
            "eyJ[A-Za-z0-9_-]{20,40}\\.[A-Za-z0-9_-]{20,60}\\.[A-Za-z0-9_-]{20,43}",
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_masked_once_and_bounded(text in "\\PC{0,300}") {
            let masked = mask(&text);
            prop_assert!(masked.len() <= MASKED_BYTES_MAX);
            prop_assert!(!masked.chars().any(char::is_numeric), "{masked}");
            prop_assert_eq!(mask(&masked), masked);
        }

        #[test]
        fn text_of_awkward_signs_is_masked_once(text in "(secret|user|[ab1F<*> \"'`=:/.,@+_%#~\\\\()\\[\\]-]){0,60}") {
            let masked = mask(&text);
            prop_assert_eq!(mask(&masked), masked);
        }

        #[test]
        fn no_part_of_a_secret_is_left(before in "[a-z]{1,8}", secret in secret(), between in "( |: |=|:|, \\(|/)") {
            let masked = mask(&format!("{before} of{between}{secret} sent"));
            let parts = secret.as_bytes().windows(6).filter_map(|it| std::str::from_utf8(it).ok());
            for part in parts {
                prop_assert!(!masked.contains(part), "{} in {}", part, masked);
            }
        }
    }
}
