//! Tests of the timeouts of a connection.

use std::convert::Infallible;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::super::http2_frames::tests::{PING, PREFACE, SETTINGS, frame};
use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

/// In memory, because a paused clock jumps while bytes are still on their way through the kernel.
fn pair() -> (TimeoutStream<DuplexStream>, DuplexStream) {
    let (stream, peer) = tokio::io::duplex(64 * 1024);
    (TimeoutStream::new(stream, Arc::default()), peer)
}

/// The clock is paused: it jumps to the next alarm when everybody waits.
async fn check_read(stream: &mut TimeoutStream<DuplexStream>, time: Duration) {
    let started = Instant::now();
    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let waited = started.elapsed();
    assert!(time <= waited && waited < time + Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_must_send_a_request() {
    let (mut stream, mut peer) = pair();
    peer.write_all(b"GE").await.unwrap();
    assert_eq!(stream.read_u16().await.unwrap(), u16::from_be_bytes(*b"GE"));
    check_read(&mut stream, REQUEST).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_cut_off_while_the_request_is_handled() {
    let (mut stream, mut peer) = pair();
    let activity = Arc::clone(&stream.activity);
    let handling = activity.begin_request();
    let read = tokio::time::timeout(IDLE * 2, stream.read_u8()).await;
    assert!(read.is_err(), "still waiting");
    drop(handling);
    stream.write_all(b"HTTP").await.unwrap();
    peer.write_all(b"G").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'G');
}

#[tokio::test(start_paused = true)]
async fn between_requests_there_is_more_time_until_the_next_one_begins() {
    let (mut stream, mut peer) = pair();
    stream.write_all(b"HTTP").await.unwrap();
    check_read(&mut stream, IDLE).await;
    let (mut stream, mut other) = pair();
    stream.write_all(b"HTTP").await.unwrap();
    other.write_all(b"G").await.unwrap();
    stream.read_u8().await.unwrap();
    check_read(&mut stream, REQUEST).await;
    peer.shutdown().await.unwrap();
}

fn http2_pair() -> (TimeoutStream<DuplexStream>, DuplexStream) {
    let (stream, peer) = tokio::io::duplex(64 * 1024);
    (TimeoutStream::http2(stream, Arc::default()), peer)
}

#[tokio::test(start_paused = true)]
async fn a_head_of_http2_that_trickles_is_cut_off_even_between_pings() {
    for pause in [Duration::from_millis(900), Duration::from_secs(10)] {
        let (stream, mut peer) = http2_pair();
        let service = service_fn(async |_| Ok::<_, Infallible>(hyper::Response::new(String::new())));
        let server =
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
        let server = tokio::spawn(server);
        let begin = [PREFACE, &frame(SETTINGS, 0, &[]), &frame(SETTINGS, 1, &[]), &frame(1, 0, &[])].concat();
        peer.write_all(&begin).await.unwrap();
        let started = Instant::now();
        let mut sent = frame(9, 0, &[b'x'; 1000]).into_iter();
        while !server.is_finished() && started.elapsed() < IDLE {
            sleep(pause).await;
            let _ = peer.write_all(&[sent.next().unwrap()]).await;
        }
        assert!(started.elapsed() < REQUEST + 2 * pause, "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn pings_keep_a_connection_of_http2_neither_open_nor_from_eviction() {
    let (mut stream, mut peer) = http2_pair();
    peer.write_all(PREFACE).await.unwrap();
    stream.read_exact(&mut [0; 24]).await.unwrap();
    let (order, started) = (stream.activity.eviction_order(), Instant::now());
    let answer = frame(PING, 1, &[0; 8]);
    let ended = loop {
        // In two pieces, so that each is waited for as the rest of a frame.
        for piece in [&answer[..5], &answer[5..]] {
            let _ = peer.write_all(piece).await;
            sleep(Duration::from_secs(4)).await;
            if let Err(error) = stream.read_exact(&mut vec![0; piece.len()]).await {
                panic!("{error}: {:?}", started.elapsed());
            }
        }
        stream.write_all(&answer).await.unwrap();
        assert_eq!(stream.activity.eviction_order(), order);
        if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(2), stream.read_u8()).await {
            break error;
        }
    };
    assert_eq!(ended.kind(), ErrorKind::TimedOut);
    assert!(started.elapsed() <= IDLE + Duration::from_secs(10), "{:?}", started.elapsed());
    // A response is activity.
    let (mut stream, _peer) = http2_pair();
    let order = stream.activity.eviction_order();
    sleep(Duration::from_secs(1)).await;
    stream.write_all(&frame(1, 4, b"head")).await.unwrap();
    assert!(order < stream.activity.eviction_order());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (mut stream, _peer) = pair();
    let started = Instant::now();
    let answer = vec![0; 64 * 1024 * 1024];
    assert_eq!(stream.write_all(&answer).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(WRITE <= started.elapsed() && started.elapsed() < WRITE * 2);
}

/// Over TCP, whose kernel resets a connection that is closed with unread bytes.
#[tokio::test]
async fn what_is_still_sent_is_taken_before_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut stream = TimeoutStream::new(listener.accept().await.unwrap().0, Arc::default());
    peer.write_all(&[0; 1000]).await.unwrap();
    stream.stream.readable().await.unwrap();
    stream.write_all(b"no").await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"no");
}
