//! A small HTTP client that can misbehave.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(unix)]
use std::path::Path;

use super::DEADLINE;

pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    /// Received bytes that are not consumed: responses to pipelined requests.
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|it| it.split_once(": "));
        lines.into_iter().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream, buffer: Vec::new() }
    }
}

#[cfg(unix)]
impl Client<UnixStream> {
    pub(crate) fn at(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream, buffer: Vec::new() }
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &str) -> Answer {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n"));
        self.answer(method != "HEAD").expect("an answer")
    }

    /// Sends a body with the request.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        self.answer(true).expect("an answer")
    }

    /// The next response; `None` if the server closes the connection instead.
    pub(crate) fn answer(&mut self, has_body: bool) -> Option<Answer> {
        let end = loop {
            match self.buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                Some(found) => break found + 4,
                None => self.fill().then_some(())?,
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |it| it.parse().unwrap());
        if has_body {
            while self.buffer.len() < length && self.fill() {}
            assert!(length <= self.buffer.len(), "the body was cut off");
            answer.body = self.buffer.drain(..length).collect();
        }
        Some(answer)
    }

    /// Reads more; returns false at the end.
    pub(crate) fn fill(&mut self) -> bool {
        let mut chunk = vec![0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                0 < length
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.answer(true).is_none()
    }
}
