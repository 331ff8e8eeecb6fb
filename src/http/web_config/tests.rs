//! What a web configuration file may say, and what is said of one that is wrong.
#![expect(clippy::disallowed_methods, reason = "tests write files")]

use proptest::prelude::*;

use super::*;

/// "hunter2", of the lowest cost.
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuQYIWaMEZjL5yLoTWWWK5GoOGZoMqKtu";

fn parse(text: &str) -> Result<WebConfig, (Option<usize>, String)> {
    WebConfig::parse(text, Path::new("/etc/hostnorm"))
}

#[track_caller]
fn check_refused(text: &str, line: Option<usize>, expect: &str) {
    let (found, reason) = parse(text).unwrap_err();
    assert!(reason.contains(expect), "{text}\n{reason}");
    assert_eq!(found, line, "{text}\n{reason}");
}

#[test]
fn nothing_is_plain_http() {
    for text in
        ["", "{}", "# nothing\n", "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\nrate_limit:\n"]
    {
        assert_eq!(parse(text).unwrap(), WebConfig::default(), "{text}");
    }
}

#[test]
fn an_error_is_one_short_line() {
    let (_, reason) = parse("? a\n\n  b\n: 1\n").unwrap_err();
    assert!(reason.contains("unknown field `a\\nb`") || reason.contains("unknown field `a b`"), "{reason}");
    for text in [format!("{}: 1\n", "k".repeat(9999)), "?\n  \n  :a \n\n \n a:a \n".to_owned()] {
        let (_, reason) = parse(&text).unwrap_err();
        assert!(reason.chars().count() <= 400 && !reason.contains('\n'), "{reason}");
    }
    let long = format!("http_server_config: {{headers: {{{}: a}}}}\n", "k".repeat(9999));
    assert!(parse(&long).unwrap_err().1.chars().count() <= 400);
}

#[test]
fn the_format_of_exporter_toolkit() {
    let config = parse(&format!(
        "tls_server_config:\n  cert_file: a.crt\n  key_file: /b.key\n  client_auth_type: RequireAndVerifyClientCert\n  \
         client_ca_file: ca.crt\n  client_allowed_sans: [prometheus]\n  min_version: TLS13\n  cipher_suites: []\n  \
         curve_preferences: [X25519, CurveP256]\n  prefer_server_cipher_suites: false\n\
         http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: ''\n\
         basic_auth_users:\n  alice: {HASH}\nrate_limit:\n  interval: 1m30s\n  burst: 20\n"
    ));
    let config = config.unwrap();
    let tls = config.tls.unwrap();
    assert_eq!(tls.certificate, PemSource::File("/etc/hostnorm/a.crt".into()));
    assert_eq!(tls.key, PemSource::File("/b.key".into()));
    assert_eq!(tls.files().count(), 3);
    assert!(tls.tls13 && !tls.tls12 && !tls.prefer_server_cipher_suites);
    assert_eq!((tls.client_auth, tls.curves.len()), (ClientAuthType::RequireAndVerifyClientCert, 2));
    assert!(!config.http2);
    assert_eq!(config.headers.len(), 1, "a blank header is unset");
    assert_eq!(config.users["alice"].cost(), 4);
    assert_eq!(config.rate_limit, Some(RequestRateLimit { interval: Duration::from_secs(90), burst: 20 }));
    let old = parse(
        "tls_server_config: {cert: a, key: b, client_auth_type: RequireClientCert, min_version: TLS10}",
    );
    let old = old.unwrap().tls.unwrap();
    assert_eq!((old.client_auth, old.tls12), (ClientAuthType::RequireAnyClientCert, true));
    assert!(old.ignored[0].contains("TLS12"));
    assert_eq!(parse("rate_limit: {interval: 0, burst: 3}").unwrap().rate_limit, None);
}

#[test]
fn what_is_wrong_is_said_with_line_and_key() {
    check_refused(
        "tls_server_config:\n  cert_file: a\n  cert_path: b\n",
        Some(3),
        "unknown field `cert_path`",
    );
    check_refused("basic_auth_user:\n  a: b\n", Some(1), "unknown field `basic_auth_user`");
    check_refused("tls_server_config:\n  key_file: a\n", None, "cert_file is missing");
    check_refused("tls_server_config:\n  cert_file: a\n", None, "key_file is missing");
    check_refused("tls_server_config: {min_version: TLS13}\n", None, "cert_file is missing");
    check_refused(
        "tls_server_config: {cert_file: a, key_file: b, max_version: TLS11}",
        None,
        "no TLS version",
    );
    check_refused(
        "tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}",
        None,
        "no TLS version",
    );
    check_refused("tls_server_config:\n  min_version: TLS14\n", Some(2), "unknown variant `TLS14`");
    check_refused("tls_server_config:\n  client_auth_type: Yes\n", Some(2), "RequireAndVerifyClientCert");
    check_refused("tls_server_config:\n  curve_preferences: [P1]\n", Some(2), "`CurveP256`");
    let with = |rest: &str| format!("tls_server_config: {{cert_file: a, key_file: b, {rest}}}");
    check_refused(&with("client_ca_file: c"), None, "client_auth_type is NoClientCert");
    check_refused(&with("client_auth_type: VerifyClientCertIfGiven"), None, "client_ca_file is missing");
    check_refused(&with("client_allowed_sans: [a]"), None, "client_allowed_sans has no effect");
    check_refused("http_server_config: {headers: {Server: x}}", None, "\"Server\" cannot be set");
    check_refused("http_server_config: {headers: {X-Frame-Options: no}}", None, "deny or sameorigin");
    check_refused("rate_limit: {interval: 1s}", None, "burst must be at least 1");
    check_refused("rate_limit:\n  interval: soon\n  burst: 1\n", Some(2), "a duration such as 1s");
    check_refused(
        "rate_limit:\n  interval: 1s\n  burst: -1\n",
        Some(3),
        "rate_limit.burst: expected a whole number",
    );
    check_refused("a: [\n", Some(2), "is not valid YAML");
    check_refused("rate_limit: {}\nrate_limit: {}\n", Some(2), "the key rate_limit is also on line 1");
    check_refused("rate_limit:\n\tburst: 1\n", Some(2), "a tab indents this line");
    check_refused("- a\n", Some(1), "expected keys with values");
}

#[test]
fn secrets_are_never_shown() {
    const SECRET: &str = "sEcReT";
    for text in [
        "basic_auth_users: {alice: S}",
        "basic_auth_users: S",
        "basic_auth_users: [S]",
        "basic_auth_users: {alice: [S]}",
        "basic_auth_users:\n  alice: S\n  alice: S\n",
        "tls_server_config: S",
        "tls_server_config: {key: {S: 1}}",
        "tls_server_config: {key: S}",
        "tls_server_config: {cert_file: {a: S}}",
        "rate_limit: {interval: S}",
        "basic_auth_users: {alice: \"S}",
        "basic_auth_users: {alice: !S S}",
        "S",
        "basic_auth_users:\n alice: S\n\tbob: S\n",
        "basic_auth_users: {alice: *S}",
    ] {
        let (_, reason) = parse(&text.replace('S', SECRET)).unwrap_err();
        // The name of an anchor or a key is no secret.
        let anchor = text.contains('*') || text.contains("{S:");
        assert!(anchor || !reason.contains(SECRET), "{text}: {reason}");
    }
    let config = parse(&format!(
        "tls_server_config: {{cert: {SECRET}, key: {SECRET}}}\nbasic_auth_users: {{alice: {HASH}}}"
    ));
    let shown = format!("{:?}", config.unwrap());
    assert!(!shown.contains(SECRET) && !shown.contains(HASH), "{shown}");
}

#[test]
fn costs_are_bounded() {
    for (cost, expect) in [("03", false), ("04", true), ("18", true), ("19", false), ("31", false)] {
        let text = format!("basic_auth_users: {{a: {}}}", HASH.replace("$04$", &format!("${cost}$")));
        assert_eq!(parse(&text).is_ok(), expect, "{cost}");
    }
}

#[test]
fn files_that_cannot_be_read_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.yml");
    let said = WebConfig::read(&path).unwrap_err().to_string();
    assert!(said.starts_with(&format!("{}: cannot be read", path.display())), "{said}");
    std::fs::write(&path, "\u{e9}: \n").unwrap();
    let said = WebConfig::read(&path).unwrap_err().to_string();
    assert!(said.starts_with(&format!("{}:1: unknown field", path.display())), "{said}");
    std::fs::write(&path, [0xff]).unwrap();
    assert!(WebConfig::read(&path).unwrap_err().to_string().contains("UTF-8"));
    std::fs::write(&path, " ".repeat(FILE_BYTES_MAX as usize + 1)).unwrap();
    assert!(WebConfig::read(&path).unwrap_err().to_string().contains("longer than"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        lines in proptest::collection::vec(
            "( |  )?(tls_server_config|basic_auth_users|rate_limit|http_server_config|headers|burst|interval|key|cert_file|\\PC{0,4}):? ?(\\PC{0,8}|[0-9]{1,20}|\\[a\\]|\\{a: b\\})",
            0..8,
        ),
    ) {
        let _ = parse(&lines.join("\n"));
    }

    #[test]
    fn no_password_in_an_error(secret in "[a-zA-Z0-9]{12}", key in "(basic_auth_users|tls_server_config|rate_limit)") {
        for text in [format!("{key}: {secret}"), format!("{key}: {{alice: {secret}}}"), format!("{key}:\n - {secret}")] {
            let (_, reason) = parse(&text).unwrap_err();
            prop_assert!(!reason.contains(&secret), "{}", reason);
        }
    }
}

/// TLS, client certificates with names, and users, in either order.
fn protected() -> [String; 2] {
    let tls = "tls_server_config:\n  cert: a\n  key: b\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca: c\n  \
               client_allowed_sans:\n  - prometheus.example\n";
    let users = format!("# users\nbasic_auth_users:\n  alice: {HASH}\n");
    [format!("{tls}{users}rate_limit: {{interval: 1s, burst: 3}}\n"), format!("{users}{tls}")]
}

#[test]
fn no_part_of_a_file_takes_protection_away() {
    for text in protected() {
        let whole = parse(&text).unwrap();
        assert_eq!(lost_protection(&whole, &whole), None);
        for end in 0..text.len() {
            let Ok(part) = parse(&text[..end]) else { continue };
            let tls = part.tls.as_ref();
            let names = tls.is_some_and(|it| it.client_auth.requires() && it.client_allowed_sans.is_some());
            let is_open = part.users.is_empty() || !names;
            assert_eq!(lost_protection(&whole, &part).is_some(), is_open, "{}", &text[..end]);
        }
    }
}

#[test]
fn protection_is_switched_off_in_so_many_words() {
    let [text, _] = protected();
    let whole = parse(&text).unwrap();
    let lost = |changed: &str| lost_protection(&whole, &parse(changed).unwrap());
    let (tls, users) = text.split_once("# users\n").unwrap();
    for (changed, says) in [
        (String::new(), "tls_server_config is missing"),
        (users.to_owned(), "to serve plain HTTP, set it to {}"),
        (tls.to_owned(), "to ask for no passwords, set it to {}"),
        (format!("{tls}basic_auth_users:\n"), "basic_auth_users is missing"),
        (format!("tls_server_config:\n  cert:\n{users}"), "tls_server_config is missing"),
        (format!("tls_server_config: {{cert: a, key: b}}\n{users}"), "client_auth_type is missing"),
    ] {
        let reason = lost(&changed).unwrap_or_default();
        assert!(reason.contains(says) && reason.contains("restart"), "{changed}: {reason}");
    }
    for changed in [
        format!("{tls}basic_auth_users: {{}}\n"),
        format!("tls_server_config: {{}}\n{users}"),
        format!("tls_server_config: {{cert: a, key: b, client_auth_type: NoClientCert}}\n{users}"),
        "tls_server_config: {}\nbasic_auth_users: {}\n".to_owned(),
    ] {
        assert_eq!(lost(&changed), None, "{changed}");
    }
    // What was never in effect is not missed.
    assert_eq!(lost_protection(&WebConfig::default(), &WebConfig::default()), None);
}
