//! HTTP/2 over TLS: malformed requests, and clients that take their requests back.

use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;

use super::certificates::{Authority, WebFiles};
use super::server::{Server, Start};
use super::web_config::{TLS, client_config, connect};
use super::{PLAIN, check};

/// Frames of HTTP/2.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// The flags of the last frame of a message, and of the last frame of its head.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The error of a client that is asked to send less.
const ENHANCE_YOUR_CALM: u32 = 11;

fn server_with_tls(authority: &Authority) -> (Server, WebFiles) {
    let files = WebFiles::new(&authority.server("one"), authority, TLS);
    let server = Server::start_with(Start::default(), files.access());
    server.publish(1, 1000.0);
    (server, files)
}

async fn http2_client(server: &Server, authority: &Authority) -> SendRequest<Full<Bytes>> {
    let mut config = client_config(authority, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = tokio::net::TcpStream::connect(server.addresses[0]).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[test]
fn malformed_requests_are_refused_as_over_http1() {
    let authority = Authority::new("authority");
    let (server, _files) = server_with_tls(&authority);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = http2_client(&server, &authority).await;
        let healthy = "https://localhost/-/healthy";
        let mcp = "https://localhost/mcp";
        let long_path = format!("https://localhost/{}", "a".repeat(7_000));
        for (method, uri, header, body, status, says) in [
            ("TRACE", "https://localhost/metrics", ("a", "b".into()), String::new(), 405, "use GET, HEAD"),
            ("CONNECT", "localhost:443", ("a", "b".into()), String::new(), 404, "not found"),
            ("GET", &long_path, ("a", "b".into()), String::new(), 404, "not found"),
            ("GET", healthy, ("a", "b".repeat(9_000)), String::new(), 431, ""),
            ("POST", mcp, ("a", "b".into()), " ".repeat(70_000), 413, "longer than 65536 bytes"),
            ("POST", mcp, ("content-encoding", "gzip".into()), "{}".into(), 415, "without Content-Encoding"),
            ("POST", mcp, ("a", "b".into()), "[".repeat(10_000), 400, "recursion limit exceeded"),
            ("GET", healthy, ("a", "b".into()), String::new(), 200, "hostnorm is Healthy"),
        ] {
            let request = Request::builder().method(method).uri(uri).header(header.0, header.1);
            let request = request.body(Full::new(Bytes::from(body))).unwrap();
            let response = client.clone().send_request(request).await.unwrap();
            let found = response.status().as_u16();
            let text = response.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&text);
            let is_said = text.contains(says) && text.is_empty() == says.is_empty();
            assert!(found == status && is_said, "{method} {uri:.60}: {found} {text}");
        }
    });
    server.stop();
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a client begins with.
fn beginning() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

/// Reads frames up to the last one of a response on this stream; gives the kinds of all.
fn kinds_until_the_end_of(stream: u32, from: &mut impl Read) -> Vec<u8> {
    let mut kinds = Vec::new();
    loop {
        let mut header = [0; 9];
        from.read_exact(&mut header).unwrap();
        let [high, middle, low, kind, flags, of @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        from.read_exact(&mut payload).unwrap();
        kinds.push(kind);
        let is_message = matches!(kind, HEADERS | DATA);
        if is_message && flags & END_STREAM != 0 && u32::from_be_bytes(of) == stream {
            return kinds;
        }
    }
}

#[test]
fn a_refusal_does_not_reset_the_stream_whose_body_is_still_sent() {
    let authority = Authority::new("authority");
    let (server, _files) = server_with_tls(&authority);
    let mut config = client_config(&authority, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = connect(server.addresses[0], config);
    // By the static table of HPACK: POST over https, a path and an authority.
    let head = |method: u8| [&[method, 0x87, 0x44, 5][..], b"/nope", &[0x41, 9], b"localhost"].concat();
    client.stream.write_all(&[beginning(), frame(HEADERS, END_HEADERS, 1, &head(0x83))].concat()).unwrap();
    let mut kinds = kinds_until_the_end_of(1, &mut client.stream);
    client.stream.write_all(&frame(DATA, 0, 1, &[b' '; 10_000])).unwrap();
    let next = frame(HEADERS, END_HEADERS | END_STREAM, 3, &head(0x82));
    client.stream.write_all(&[frame(DATA, END_STREAM, 1, b"x"), next].concat()).unwrap();
    kinds.extend(kinds_until_the_end_of(3, &mut client.stream));
    assert!(!kinds.contains(&RESET) && !kinds.contains(&GOAWAY), "{kinds:?}");
    server.stop();
}

/// The error of the last frame GOAWAY among these frames.
fn goaway(mut frames: &[u8]) -> Option<u32> {
    let mut found = None;
    while let Some((header, rest)) = frames.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let (payload, rest) = rest.split_at(length);
        if header[3] == GOAWAY {
            found = payload.get(4..8).map(|it| u32::from_be_bytes(it.try_into().unwrap()));
        }
        frames = rest;
    }
    found
}

#[test]
fn who_takes_back_request_after_request_is_sent_away() {
    let authority = Authority::new("authority");
    let (server, _files) = server_with_tls(&authority);
    let mut config = client_config(&authority, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = connect(server.addresses[0], config);
    // GET / over https, by the static table of HPACK.
    let head = [&[0x82, 0x87, 0x84, 0x41, 9][..], b"localhost"].concat();
    let mut sent = beginning();
    for stream in (1..1_000).step_by(2) {
        sent.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        sent.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
    }
    client.stream.write_all(&sent).unwrap();
    let mut received = Vec::new();
    let _ = client.stream.read_to_end(&mut received);
    assert_eq!(goaway(&received), Some(ENHANCE_YOUR_CALM), "{received:?}");
    let mut other = connect(server.addresses[0], client_config(&authority, None));
    check(&mut other, ("GET", "/-/healthy", ""), 200, PLAIN);
    server.stop();
}
