//! TLS, passwords and the rate limit from outside, as the web configuration file has them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hostnorm::control_command::{ControlCommand, ControlReply};
use hostnorm::http::{self, AccessSettings, HealthTransport, WebSecurity};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use super::certificates::{Authority, Identity, WebFiles};
use super::client::{Answer, Client};
use super::server::{Server, Start};
use super::{PLAIN, PROBLEM, TEXT, check, until};

pub(super) type TlsClient = Client<StreamOwned<ClientConnection, TcpStream>>;

pub(super) const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// "right", of the lowest cost.
pub(super) fn alice() -> String {
    let hash = bcrypt::hash_with_salt("right", 4, [1; 16]).unwrap();
    format!("basic_auth_users:\n  alice: {hash}\n")
}

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

pub(super) fn client_config(authority: &Authority, identity: Option<&Identity>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(it) => {
            let certificate = CertificateDer::from_pem_slice(it.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(it.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    }
}

pub(super) fn connect(address: SocketAddr, config: ClientConfig) -> TlsClient {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(super::DEADLINE)).unwrap();
    Client::over(StreamOwned::new(connection, stream))
}

/// What a client is told that is not let in; nothing if it is.
fn refusal(address: SocketAddr, config: ClientConfig) -> Option<String> {
    let mut client = connect(address, config);
    let sent = client.stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\n");
    let read = sent.and_then(|()| client.stream.read(&mut [0; 1]));
    read.err().filter(|it| it.kind() != ErrorKind::WouldBlock).map(|it| it.to_string())
}

fn server_with(files: &WebFiles) -> Server {
    let server = Server::start_with(Start::default(), files.access());
    server.publish(3, 1000.0);
    server
}

fn problem(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some(PROBLEM), "{}", answer.text());
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    body["detail"].as_str().unwrap().to_owned()
}

/// Whether the series is on the page and has this value.
fn has(page: &str, series: &str, value: &str) -> bool {
    page.lines().any(|it| it == format!("{series} {value}"))
}

#[test]
fn metrics_over_tls_with_a_password() {
    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, &format!("{TLS}{}", alice()));
    let server = server_with(&files);
    let mut client = connect(server.addresses[0], client_config(&authority, None));
    for path in ["/metrics", "/", "/nope", "/api/v1/status"] {
        let refused = client.ask("GET", path, "");
        assert_eq!(refused.status, 401, "{path}");
        assert!(problem(&refused).contains("are required"));
        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "));
    }
    let refused = client.ask("POST", "/api/v1/accept", &basic("alice", "wrong"));
    assert_eq!((refused.status, problem(&refused).as_str()), (401, "the user name or the password is wrong"));
    assert_eq!(client.ask("GET", "/metrics", &basic("carol", "right")).status, 401);
    check(&mut client, ("GET", "/metrics", &basic("alice", "right")), 200, TEXT);
    for path in ["/-/healthy", "/-/ready"] {
        check(&mut client, ("GET", path, ""), 200, PLAIN);
    }
    *server.outcome.lock().unwrap() =
        Some(Ok(ControlReply { message: "done".into(), data: serde_json::Value::Null }));
    let done = client.ask("GET", "/api/v1/status", &basic("alice", "right"));
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(server.commands.lock().unwrap().len(), 1);
    server.publish(3, 1001.0);
    let page = client.ask("GET", "/metrics", &basic("alice", "right"));
    let series = "hostnorm_http_requests_total{code=\"401\",handler=\"/metrics\"}";
    assert!(has(page.text(), series, "2"), "{}", page.text());
    assert!(has(page.text(), "hostnorm_http_requests_total{code=\"401\",handler=\"unknown\"}", "1"));
    assert!(has(page.text(), "hostnorm_web_config_last_reload_successful", "1"));
    assert!(
        page.text()
            .contains("hostnorm_http_request_duration_seconds_bucket{handler=\"/metrics\",le=\"0.001\"}")
            || page
                .text()
                .contains("hostnorm_http_request_duration_seconds_bucket{le=\"0.001\",handler=\"/metrics\"}"),
        "{}",
        page.text()
    );
    for secret in ["right", "wrong", "$2", "alice"] {
        assert!(!page.text().contains(secret), "{secret}");
    }
    #[cfg(unix)]
    check(&mut Client::at(&server.socket()), ("GET", "/metrics", ""), 200, TEXT);
    server.stop();
}

#[test]
fn plain_http_on_a_port_with_tls_is_told_so() {
    let authority = Authority::new("authority");
    let server = server_with(&WebFiles::new(&authority.server("one"), &authority, TLS));
    let mut plain = server.client();
    plain.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    let mut answer = String::new();
    plain.stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    // Silence in the middle of a handshake keeps nobody out.
    let _silent: Vec<_> = (0..70).map(|_| server.client()).collect();
    let mut client = connect(server.addresses[0], client_config(&authority, None));
    check(&mut client, ("GET", "/metrics", ""), 200, TEXT);
    server.stop();
}

#[test]
fn a_handshake_has_a_deadline() {
    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, TLS);
    let server = Server::start_with(Start { hasty: true, ..Start::default() }, files.access());
    for sent in [&b""[..], b"\x16\x03\x01"] {
        let mut client = server.client();
        let _ = client.stream.write_all(sent);
        assert!(client.is_closed(), "{sent:?}");
    }
    server.stop();
}

#[test]
fn client_certificates() {
    let (authority, foreign) = (Authority::new("authority"), Authority::new("foreign"));
    let certificate = authority.client("prometheus", 2100);
    let expired = authority.client("prometheus", 2020);
    let unknown = foreign.client("prometheus", 2100);
    let other = authority.client("other", 2100);
    let all = [None, Some(&certificate), Some(&other), Some(&unknown), Some(&expired)];
    let refused = |settings: &str| {
        let text = format!("{TLS}  {}\n", settings.replace("; ", "\n  "));
        let server = server_with(&WebFiles::new(&authority.server("one"), &authority, &text));
        let address = server.addresses[0];
        let refused = all.map(|it| refusal(address, client_config(&authority, it)));
        server.stop();
        refused
    };
    let verify = "client_auth_type: RequireAndVerifyClientCert; client_ca_file: ca.crt";
    let said = refused(verify);
    assert_eq!(said.each_ref().map(Option::is_some), [true, false, false, true, true], "{said:?}");
    let said = said.map(Option::unwrap_or_default);
    assert!(said[0].contains("CertificateRequired"), "{said:?}");
    assert!(said[3].contains("UnknownCA") || said[3].contains("DecryptError"), "{said:?}");
    assert!(said[4].contains("CertificateExpired"), "{said:?}");
    for (settings, expect) in [
        (format!("{verify}; client_allowed_sans: [prometheus.example]"), [true, false, true, true, true]),
        (format!("{verify}; client_allowed_sans: [other@example.org]"), [true, true, false, true, true]),
        (format!("{verify}; client_allowed_sans: [192.0.2.7]"), [true, false, false, true, true]),
        (format!("{verify}; client_allowed_sans: []"), [true; 5]),
        (
            "client_auth_type: VerifyClientCertIfGiven; client_ca_file: ca.crt".into(),
            [false, false, false, true, true],
        ),
        ("client_auth_type: RequireAnyClientCert".into(), [true, false, false, false, false]),
        ("client_auth_type: RequestClientCert".into(), [false; 5]),
        ("client_auth_type: NoClientCert".into(), [false; 5]),
    ] {
        let said = refused(&settings);
        assert_eq!(said.each_ref().map(Option::is_some), expect, "{settings}: {said:?}");
    }
}

/// A session that is resumed has no certificate to verify, which may have expired since.
#[test]
fn client_certificates_are_verified_on_each_connection() {
    let authority = Authority::new("authority");
    let certificate = authority.client("prometheus", 2100);
    let verified = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n";
    for (settings, second) in [(verified, HandshakeKind::Full), ("", HandshakeKind::Resumed)] {
        let text = format!("{TLS}{settings}");
        let server = server_with(&WebFiles::new(&authority.server("one"), &authority, &text));
        let config = client_config(&authority, Some(&certificate));
        let handshakes = [(); 2].map(|()| {
            let mut client = connect(server.addresses[0], config.clone());
            assert_eq!(client.ask("GET", "/-/healthy", "").status, 200);
            client.stream.conn.handshake_kind().unwrap()
        });
        server.stop();
        assert_eq!(handshakes, [HandshakeKind::Full, second], "{settings}");
    }
}

#[test]
fn commands_over_tcp_need_a_verified_client() {
    let authority = Authority::new("authority");
    let certificate = authority.client("ops", 2100);
    let status = |settings: &str, identity: Option<&Identity>, access: fn(&mut AccessSettings)| {
        let files = WebFiles::new(&authority.server("one"), &authority, &format!("{TLS}  {settings}\n"));
        let mut settings = files.access();
        access(&mut settings);
        let server = Server::start_with(Start::default(), settings);
        *server.outcome.lock().unwrap() =
            Some(Ok(ControlReply { message: "done".into(), data: serde_json::Value::Null }));
        let mut client = connect(server.addresses[0], client_config(&authority, identity));
        let answer = client.ask("POST", "/api/v1/accept", "Content-Length: 0\r\n");
        server.stop();
        answer.status
    };
    let verified = "client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt";
    assert_eq!(status(verified, Some(&certificate), |_| ()), 200);
    assert_eq!(status(verified, Some(&certificate), |it| it.enable_admin_api = false), 403);
    assert_eq!(status(verified, None, |_| ()), 403);
    assert_eq!(status("client_auth_type: RequireAnyClientCert", Some(&certificate), |_| ()), 403);
}

#[test]
fn the_buttons_of_the_page_work_over_tcp_with_a_login() {
    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, &alice());
    let server = server_with(&files);
    let login = basic("alice", "right");
    let page = server.client().ask("GET", "/", &login);
    assert!(page.text().contains("action=\"./actions/train\""), "{}", page.text());
    *server.outcome.lock().unwrap() = Some(Ok(ControlReply::sentence("accepted")));
    let body = "Content-Length: 0\r\n";
    for (headers, status) in [
        (body.to_owned(), 401),
        (format!("{login}{body}Sec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{login}{body}Sec-Fetch-Site: same-origin\r\n"), 200),
    ] {
        let answer = server.client().ask("POST", "/actions/accept", &headers);
        assert_eq!(answer.status, status, "{headers}");
    }
    let accepts = server.commands.lock().unwrap().iter().filter(|it| **it == ControlCommand::Accept).count();
    assert_eq!(accepts, 1);
    server.stop();
}

#[test]
fn certificates_are_renewed_and_a_broken_file_changes_nothing() {
    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, TLS);
    let server = server_with(&files);
    let served = || {
        let mut client = connect(server.addresses[0], client_config(&authority, None));
        check(&mut client, ("GET", "/-/healthy", ""), 200, PLAIN);
        client.stream.conn.peer_certificates().unwrap()[0].to_vec()
    };
    let metric = |at: f64| {
        server.publish(1, at);
        let mut client = connect(server.addresses[0], client_config(&authority, None));
        client.ask("GET", "/metrics", "").text().to_owned()
    };
    let first = served();
    let renewed = authority.server("two");
    files.write("server.crt", &renewed.certificate);
    files.write("server.key", &renewed.key);
    until("the renewed certificate is served", || served() != first);
    let second = served();
    let mut at = 1000.0;
    let mut successful = |value: &str| {
        until("the metric tells", || {
            at += 1.0;
            has(&metric(at), "hostnorm_web_config_last_reload_successful", value)
        });
    };
    for broken in ["tls_server_config: {cert_path: a}", "", TLS] {
        match broken {
            "" => files.write("server.key", "no key"),
            text => files.write("web.yml", text),
        }
        successful("0");
        assert_eq!(served(), second);
    }
    files.write("server.key", &renewed.key);
    successful("1");
    files.write("web.yml", "");
    successful("0");
    assert_eq!(served(), second, "an empty file changes nothing");
    files.write("web.yml", "tls_server_config: {}\n");
    until("an empty section is plain HTTP", || {
        let mut plain = server.client();
        plain.send("GET /-/healthy HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        plain.answer(true).is_some_and(|it| it.status == 200)
    });
    server.stop();
}

#[test]
fn a_stricter_file_counts_for_open_connections() {
    let authority = Authority::new("authority");
    let certificate = authority.client("prometheus", 2100);
    let files = WebFiles::new(&authority.server("one"), &authority, "# Plain HTTP.\n");
    let server = server_with(&files);
    let mut plain = server.client();
    assert_eq!(plain.ask("GET", "/metrics", "").status, 200);
    let verify = format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n");
    let status = |identity: Option<&Identity>| {
        connect(server.addresses[0], client_config(&authority, identity)).ask("GET", "/metrics", "").status
    };
    files.write("web.yml", TLS);
    until("TLS takes effect", || refusal(server.addresses[0], client_config(&authority, None)).is_none());
    let refused = plain.ask("GET", "/metrics", "");
    assert_eq!(refused.status, 421, "{}", refused.text());
    let mut encrypted = connect(server.addresses[0], client_config(&authority, None));
    assert_eq!(encrypted.ask("GET", "/metrics", "").status, 200);
    files.write("web.yml", &verify);
    until("clients are verified", || refusal(server.addresses[0], client_config(&authority, None)).is_some());
    assert_eq!(encrypted.ask("GET", "/metrics", "").status, 421);
    assert_eq!(status(Some(&certificate)), 200);
    server.stop();
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn a_file_that_is_written_in_pieces_lets_nobody_in() {
    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, &alice());
    let server = server_with(&files);
    let login = basic("alice", "right");
    let mut at = 1000.0;
    let mut page_of = |login: &str| {
        at += 1.0;
        server.publish(1, at);
        assert_eq!(server.client().ask("GET", "/metrics", "").status, 401, "without a password");
        server.client().ask("GET", "/metrics", login)
    };
    let mut until_status = |login: &str, value: &str| {
        until("the metric tells", || {
            let page = page_of(login);
            page.status == 200 && has(page.text(), "hostnorm_web_config_last_reload_successful", value)
        });
    };
    until_status(&login, "1");
    let header = "http_server_config: {headers: {X-Frame-Options: deny}}";
    let renewed = format!("# Written anew.\n{header}\n{}", alice());
    // Nothing, a comment, one section of two, and the next one without its content.
    let cuts =
        ["# Written", "http_server", "basic_auth_users", "\n  alice"].map(|it| renewed.find(it).unwrap());
    for cut in cuts {
        files.write("web.yml", &renewed[..cut]);
        until_status(&login, "0");
        files.write("web.yml", &alice());
        until_status(&login, "1");
    }
    files.write("web.yml", &renewed);
    until("the whole file takes effect", || {
        let refused = server.client().ask("GET", "/metrics", "");
        assert_eq!(refused.status, 401);
        refused.header("x-frame-options").is_some()
    });
    files.write("web.yml", "basic_auth_users: {}\n");
    until("no password is asked for", || server.client().ask("GET", "/metrics", "").status == 200);
    server.stop();
}

#[test]
fn each_route_asks_for_the_login() {
    let authority = Authority::new("authority");
    let server = server_with(&WebFiles::new(&authority.server("one"), &authority, &alice()));
    let mut refused = 0;
    for (method, pattern) in http::routes() {
        let path = pattern.replace("{telemetry_path}", "/metrics").replace("{id}", "2026-11-21T10:00:00Z");
        let is_health = ["/-/healthy", "/-/ready"].contains(&pattern);
        for method in [method, "HEAD"] {
            let answer = server.client().ask(method, &path, "Content-Length: 0\r\n");
            assert_eq!(answer.status == 401, !is_health, "{method} {path}: {}", answer.status);
            refused += usize::from(!is_health);
        }
    }
    assert!(refused > 60, "{refused}");
    assert!(server.commands.lock().unwrap().is_empty());
    server.stop();
}

#[cfg(unix)]
#[test]
fn a_secret_of_kubernetes_is_swapped_by_its_link() {
    let authority = Authority::new("authority");
    let files =
        WebFiles::new(&authority.server("one"), &authority, &TLS.replace("server.", "..data/server."));
    let version = |name: &str, identity: &Identity| {
        std::fs::create_dir(files.path(name)).unwrap();
        files.write(&format!("{name}/server.crt"), &identity.certificate);
        files.write(&format!("{name}/server.key"), &identity.key);
    };
    version("..1", &authority.server("one"));
    version("..2", &authority.server("two"));
    std::os::unix::fs::symlink("..1", files.path("..data")).unwrap();
    let server = server_with(&files);
    let served = || {
        let mut client = connect(server.addresses[0], client_config(&authority, None));
        check(&mut client, ("GET", "/-/healthy", ""), 200, PLAIN);
        client.stream.conn.peer_certificates().unwrap()[0].to_vec()
    };
    let first = served();
    std::os::unix::fs::symlink("..2", files.path("..data_tmp")).unwrap();
    std::fs::rename(files.path("..data_tmp"), files.path("..data")).unwrap();
    until("the other certificate is served", || served() != first);
    server.stop();
}

#[test]
fn http2_over_tls() {
    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, &format!("{TLS}{}", alice()));
    let server = server_with(&files);
    let ask = |protocols: &[&[u8]]| {
        let mut config = client_config(&authority, None);
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(server.addresses[0]).await.unwrap();
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
            let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            if chosen.as_deref() != Some(b"h2") {
                return (chosen, Vec::new());
            }
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let mut statuses = Vec::new();
            for password in ["right", "wrong"] {
                let request = hyper::Request::get("https://localhost/metrics");
                let login = format!("Basic {}", STANDARD.encode(format!("alice:{password}")));
                let request =
                    request.header("authorization", login).body(Empty::<bytes::Bytes>::new()).unwrap();
                let response = sender.clone().send_request(request).await.unwrap();
                statuses.push(response.status().as_u16());
                assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
            }
            (chosen, statuses)
        })
    };
    assert_eq!(ask(&[b"h2", b"http/1.1"]), (Some(b"h2".to_vec()), vec![200, 401]));
    assert_eq!(ask(&[b"http/1.1"]).0, Some(b"http/1.1".to_vec()));
    files.write("web.yml", &format!("{TLS}{}http_server_config: {{http2: false}}\n", alice()));
    until("HTTP/2 is switched off", || ask(&[b"h2", b"http/1.1"]).0 == Some(b"http/1.1".to_vec()));
    server.stop();
}

#[test]
fn headers_and_the_rate_limit() {
    let authority = Authority::new("authority");
    let text = "http_server_config:\n  headers:\n    X-Frame-Options: deny\nrate_limit:\n  interval: 1h\n  burst: 3\n";
    let server = server_with(&WebFiles::new(&authority.server("one"), &authority, text));
    let client = &mut server.client();
    for _ in 0..3 {
        let answer = check(client, ("GET", "/metrics", ""), 200, TEXT);
        assert_eq!(answer.header("x-frame-options"), Some("deny"));
    }
    let refused = client.ask("GET", "/metrics", "");
    assert!(refused.status == 429 && problem(&refused).contains("rate_limit"), "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
    server.stop();
}

#[test]
fn health_needs_authentication_where_it_is_not_exempt() {
    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, &alice());
    let mut access = files.access();
    access.health_auth_exempt = false;
    assert_eq!(HealthTransport::of(&access).unwrap(), HealthTransport::ControlSocket);
    let server = Server::start_with(Start::default(), access);
    assert_eq!(server.client().ask("GET", "/-/healthy", "").status, 401);
    check(&mut server.client(), ("GET", "/-/healthy", &basic("alice", "right")), 200, PLAIN);
    server.stop();
}

#[test]
fn the_health_check_works_with_tls() {
    let authority = Authority::new("authority");
    let files = WebFiles::new(&authority.server("one"), &authority, &format!("{TLS}{}", alice()));
    assert_eq!(HealthTransport::of(&files.access()).unwrap(), HealthTransport::Https);
    let server = server_with(&files);
    let address = server.addresses[0].to_string();
    assert_eq!(http::health(&address, true).unwrap(), format!("https://{address}/-/healthy"));
    assert!(http::health(&address, false).is_err());
    #[cfg(unix)]
    assert!(http::health_on_socket(&server.socket()).is_ok());
    server.stop();
    files.write("web.yml", &format!("{TLS}  client_auth_type: RequireAnyClientCert\n"));
    assert_eq!(HealthTransport::of(&files.access()).unwrap(), HealthTransport::ControlSocket);
}

#[test]
fn what_cannot_be_used_is_said_at_the_start() {
    let (authority, server) = (Authority::new("authority"), Authority::new("other").server("other"));
    let files = WebFiles::new(&authority.server("one"), &authority, TLS);
    let check = |name: &str, text: &str, expect: &str| {
        let before = std::fs::read_to_string(files.path(name)).unwrap();
        files.write(name, text);
        let said = WebSecurity::open(files.access()).unwrap_err().to_string();
        assert!(said.starts_with(files.path("web.yml").to_str().unwrap()), "{said}");
        assert!(said.contains(expect), "{said}");
        assert!(!said.contains("PRIVATE"), "{said}");
        files.write(name, &before);
    };
    check("server.key", &server.key, "do not fit together");
    check("server.key", &authority.pem(), "holds no private key");
    check("server.crt", "nothing", "holds no certificate");
    check("server.crt", &server.key, "holds no certificate");
    let verify = format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ");
    check("web.yml", &format!("{verify}nowhere.crt"), "nowhere.crt cannot be read");
    check("web.yml", &format!("{verify}server.key"), "client_ca_file: holds no certificate");
    check("web.yml", &format!("{TLS}  cipher_suites: [TLS_X]"), "\"TLS_X\" is unknown");
    check("web.yml", &format!("{TLS}  curve_preferences: [CurveP521]"), "none is supported");
    check(
        "web.yml",
        &format!("{TLS}  max_version: TLS12\n  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"),
        "none is supported with TLS 1.2",
    );
    files.write(
        "web.yml",
        &format!("{TLS}  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"),
    );
    let server = server_with(&files);
    let mut client = connect(server.addresses[0], client_config(&authority, None));
    super::check(&mut client, ("GET", "/-/healthy", ""), 200, PLAIN);
    let suite = client.stream.conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
    server.stop();
}
