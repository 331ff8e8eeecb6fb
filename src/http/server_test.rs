//! Tests of connections in memory, because a paused clock jumps while bytes are still on their way through the kernel.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Channel, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use tokio::io::DuplexStream;

use super::super::connection_table::CONNECTIONS_PER_ADDRESS_MAX;
use super::super::fuzzing;
use super::*;

type Body = BoxBody<Bytes, Infallible>;

/// The client's end of a connection to a server with all routes.
fn connection(is_http2: bool) -> DuplexStream {
    let (stream, client) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let graceful = GracefulShutdown::new();
        let (_stop, stopping) = watch::channel(());
        let (state, activity) = (Arc::new(fuzzing::app_state().unwrap()), Arc::default());
        let connection = ConnectionContext { state, watcher: graceful.watcher(), stopping, activity };
        let origin = ClientOrigin::Network(SocketAddr::from(([127, 0, 0, 1], 1)));
        let peer = ConnectionPeer { origin, tls: None, certificate: None };
        match is_http2 {
            true => connection.http2(stream, peer).await,
            false => connection.http1(stream, peer).await,
        }
    });
    client
}

/// Connections in memory, from any address.
struct MemoryListener;

impl Listener for MemoryListener {
    type Stream = DuplexStream;

    async fn next(&self) -> io::Result<(DuplexStream, ClientOrigin)> {
        std::future::pending().await
    }

    async fn serve(
        stream: DuplexStream,
        origin: ClientOrigin,
        connection: ConnectionContext,
    ) -> io::Result<()> {
        connection.http1(stream, ConnectionPeer { origin, tls: None, certificate: None }).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_with_too_many_connections_loses_its_own() {
    let (_stop, stopping) = watch::channel(());
    let state: Arc<dyn WebApp> = Arc::new(fuzzing::app_state().unwrap());
    let open = Mutex::new(ConnectionTable::new(CONNECTIONS_MAX));
    let acceptor = ConnectionAcceptor { state, graceful: Arc::default(), stopping, open };
    let connect = |host: u8, port: u16| {
        let (stream, client) = tokio::io::duplex(1024);
        let address = SocketAddr::from(([10, 0, 0, host], port));
        acceptor.admit::<MemoryListener>(stream, ClientOrigin::Network(address));
        client
    };
    let mut other = connect(2, 1);
    let mut clients: Vec<_> = (0..=CONNECTIONS_PER_ADDRESS_MAX as u16).map(|port| connect(1, port)).collect();
    let dropped = acceptor.state.counts().dropped.load(Ordering::Relaxed);
    assert_eq!(dropped, 1);
    let mut closed = 0;
    for client in clients.iter_mut().chain([&mut other]) {
        // The one that was closed takes nothing any more.
        let sent = client.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\n").await;
        closed += usize::from(sent.is_err() || client.read(&mut [0; 12]).await.is_ok_and(|it| it == 0));
    }
    assert_eq!(closed, 1);
    assert!(other.write_all(b"GET").await.is_ok());
}

async fn http2_client() -> SendRequest<Body> {
    let peer = connection(true);
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(peer)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The status and the text of the response to a POST to `/mcp` with this body, or to a health check without one.
async fn answer(mut client: SendRequest<Body>, body: Option<Body>) -> (u16, String) {
    let request = match body {
        Some(body) => Request::post("https://localhost/mcp").body(body),
        None => Request::get("https://localhost/-/healthy").body(Empty::new().boxed()),
    };
    client.ready().await.unwrap();
    let response = client.send_request(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn who_sends_no_whole_body_in_time_is_told_so() {
    for sent in ["", "{", "{\"jsonrpc\": \"2.0\""] {
        let mut client = connection(false);
        let request = format!("POST /mcp HTTP/1.1\r\nHost: here\r\nContent-Length: 50\r\n\r\n{sent}");
        client.write_all(request.as_bytes()).await.unwrap();
        let started = Instant::now();
        let mut answer = vec![0; 4096];
        let length = client.read(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..length]);
        assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("within 5 s"), "{sent:?}: {text}");
        let waited = started.elapsed();
        assert!(REQUEST <= waited && waited < REQUEST + Duration::from_secs(1), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_is_cut_off() {
    let mut client = connection(false);
    let started = Instant::now();
    for sent in b"GET /-/healthy HTTP/1.1\r\nHost: here\r\nX-Slow: 1\r\n\r\n" {
        if client.write_all(&[*sent]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(900)).await;
    }
    let waited = started.elapsed();
    assert!(REQUEST <= waited && waited < REQUEST + Duration::from_secs(2), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_http2_that_does_not_come_in_time_is_given_up_and_other_streams_go_on() {
    let client = http2_client().await;
    // Never, and a byte each second.
    for pause in [4 * REQUEST, Duration::from_secs(1)] {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            while sender.send_data(Bytes::from_static(b" ")).await.is_ok() {
                sleep(pause).await;
            }
        });
        let started = Instant::now();
        let late = tokio::spawn(answer(client.clone(), Some(body.boxed())));
        for _ in 0..3 {
            sleep(Duration::from_secs(1)).await;
            assert_eq!(answer(client.clone(), None).await.0, 200);
        }
        assert!(!late.is_finished());
        let (status, text) = late.await.unwrap();
        assert!(status == 408 && text.contains("within 5 s"), "{status} {text}");
        let waited = started.elapsed();
        assert!(REQUEST <= waited && waited < REQUEST + Duration::from_secs(1), "{waited:?}");
        assert_eq!(answer(client.clone(), None).await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_http2_is_read_beyond_the_window_up_to_the_limit() {
    let client = http2_client().await;
    for (length, expected) in [(BODY_BYTES_MAX, 400), (BODY_BYTES_MAX + 1, 413), (4 * BODY_BYTES_MAX, 413)] {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            let mut rest = length;
            while rest > 0 && sender.send_data(Bytes::from(vec![b' '; rest.min(10_000)])).await.is_ok() {
                rest -= rest.min(10_000);
            }
        });
        let (status, text) = answer(client.clone(), Some(body.boxed())).await;
        assert_eq!(status, expected, "{length}: {text}");
    }
    assert_eq!(answer(client, None).await.0, 200);
}
