//! A server that records requests and answers by a script.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A response.
pub(super) enum Answer {
    /// Status, further headers, and a body of JSON.
    Full(u16, String, String),
    /// The connection ends without a response.
    Lost,
    /// The connection stays open without a response.
    Never,
}

impl Answer {
    pub(super) fn status(status: u16) -> Self {
        Self::json(status, "{}")
    }

    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Full(status, String::new(), body.into())
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Method and target.
    pub(super) first: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(super) struct Server {
    pub(super) url: String,
    asked: Receiver<Request>,
}

impl Server {
    /// A server that answers by the number of the request.
    pub(super) fn new(mut answer: impl FnMut(usize) -> Answer + Send + 'static) -> Self {
        let mut count = 0;
        Self::scripted(move |_| {
            count += 1;
            answer(count - 1)
        })
    }

    /// A server that answers by the request.
    pub(super) fn scripted(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let Some(request) = read(&stream) else { continue };
                let answer = answer(&request);
                // Before the response, so that whoever has seen the response finds the request.
                if tell.send(request).is_err() {
                    return;
                }
                if let Answer::Full(status, headers, body) = &answer {
                    let length = body.len();
                    let text = format!(
                        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
                    );
                    let _ = stream.write_all(text.as_bytes());
                }
                if matches!(answer, Answer::Never) {
                    held.push(stream);
                }
            }
        });
        Self { url, asked }
    }

    /// The next request; waits for it.
    pub(super) fn next(&self) -> Request {
        self.asked.recv_timeout(Duration::from_secs(30)).expect("a request")
    }

    /// Whether there was a request that was not asked for.
    pub(super) fn has_more(&self) -> bool {
        self.asked.try_recv().is_ok()
    }

    /// The requests so far.
    pub(super) fn all(&self) -> Vec<Request> {
        self.asked.try_iter().collect()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let first = line.trim_end().strip_suffix(" HTTP/1.1")?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, it)| it.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Request { first, headers, body: String::from_utf8(body).ok()? })
}
