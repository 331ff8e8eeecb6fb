//! One client keeps out nobody: the limits for requests that read the store and for streams of events, and the end of streams
//! whose user is gone.

use super::api::{POINTS, START, fill};
use super::certificates::{Authority, WebFiles};
use super::client::Client;
use super::page::heard;
use super::server::{Server, Start};
use super::web_config::{alice, basic};
use super::{PROBLEM, TEXT, check};
use hostnorm::reading::Timestamp;

/// Plain HTTP with a password.
fn files() -> WebFiles {
    let authority = Authority::new("authority");
    WebFiles::new(&authority.server("one"), &authority, &alice())
}

#[test]
fn a_store_that_hangs_delays_neither_metrics_nor_logins() {
    let (files, store) = (files(), tempfile::tempdir().unwrap());
    fill(store.path());
    let start = Start {
        now: || Timestamp(START + 30.0 * POINTS as f64),
        store: Some(store.path().to_owned()),
        ..Start::default()
    };
    let server = Server::start_with(start, files.access());
    server.publish(3, START);
    let login = basic("alice", "right");
    check(&mut server.client(), ("GET", "/metrics", &login), 200, TEXT);
    // Readers wait for the owner of the file.
    let owner = rusqlite::Connection::open(store.path().join("hostnorm.db")).unwrap();
    owner.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
    owner.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut readers: Vec<Client> = (0..12).map(|_| server.client()).collect();
    for reader in &mut readers {
        reader.send(&format!("GET /api/v1/scores?from=-1h HTTP/1.1\r\nHost: here\r\n{login}\r\n"));
    }
    for at in 1..4 {
        // A new page, which has to be rendered, and a login, which takes bcrypt's work.
        server.publish(3, START + f64::from(at));
        check(&mut server.client(), ("GET", "/metrics", &login), 200, TEXT);
        check(&mut server.client(), ("GET", "/metrics", &basic("alice", "wrong")), 401, PROBLEM);
    }
    owner.execute_batch("ROLLBACK").unwrap();
    drop(owner);
    for reader in &mut readers {
        assert_eq!(reader.answer(true).unwrap().status, 200);
    }
    server.stop();
}

#[test]
fn a_stream_ends_when_its_user_is_removed() {
    let files = files();
    let server = Server::start_with(Start::default(), files.access());
    server.publish(1, 1000.0);
    let mut client = server.client();
    let login = basic("alice", "right");
    client.send(&format!("GET /events HTTP/1.1\r\nHost: here\r\n{login}\r\n"));
    heard(&mut client, "}\n\n");
    files.write("web.yml", &alice().replace("alice", "carol"));
    // The last chunk of the body.
    heard(&mut client, "\r\n0\r\n\r\n");
    check(&mut server.client(), ("GET", "/events", &login), 401, PROBLEM);
    server.stop();
}
