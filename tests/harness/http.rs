//! HTTP: one request on one connection, or the bytes that a test wants there.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::canaries::{canary, canary_request};
use crate::wait::{DEADLINE, within};

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head, as sent.
    pub head: String,
    /// The body, undone of chunks.
    pub body: String,
}

impl Answer {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.map(|(own, value)| (own, value.trim())).find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// `GET path` from `address` (`host:port`).
///
/// # Panics
/// When nobody answers within the deadline.
pub async fn get(address: &str, path: &str) -> Answer {
    try_get(address, path).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// The same from a server that may be gone.
///
/// # Errors
/// The socket's.
pub async fn try_get(address: &str, path: &str) -> io::Result<Answer> {
    exchange(address, &request("GET", address, path, &[], b"")).await
}

/// `POST path` with a body whose length is announced.
///
/// # Panics
/// When nobody answers within the deadline.
pub async fn post(address: &str, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
    let bytes = request("POST", address, path, headers, body.as_ref());
    exchange(address, &bytes).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
}

/// The bytes of a request after whose answer the connection is closed.
pub fn request(method: &str, address: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    canary_request(path, headers, body);
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    let given = |name: &str| headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    if !given("host") {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    if method != "GET" && !given("transfer-encoding") && !given("content-length") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// What a server answers to these bytes before it closes.
///
/// # Errors
/// The socket's.
pub async fn exchange(address: &str, request: &[u8]) -> io::Result<Answer> {
    let what = String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let answer = within(&what, DEADLINE, async {
        let (mut from, mut to) = TcpStream::connect(address).await?.into_split();
        let mut answer = Vec::new();
        // A server may answer, and close, before it has all.
        let (_, read) = tokio::join!(to.write_all(request), from.read_to_end(&mut answer));
        read?;
        io::Result::Ok(answer)
    })
    .await?;
    parse(&String::from_utf8_lossy(&answer))
}

/// The sum of all series of a metric in the OpenMetrics text, `None` when there are none.
pub fn metric(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = if rest.starts_with('{') { rest.split_once('}')?.1 } else { rest };
        rest.strip_prefix(' ')?.split(' ').next()?.parse::<f64>().ok()
    });
    values.reduce(|sum, value| sum + value)
}

fn parse(text: &str) -> io::Result<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {text:?}")))?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { join_chunks(body) } else { body.to_owned() };
    let made = serde_json::from_str::<serde_json::Value>(&body).ok();
    made.as_ref().and_then(|made| made["ticket"].as_str()).into_iter().for_each(canary);
    Ok(Answer { status, head: head.to_owned(), body })
}

fn join_chunks(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let (Some(chunk), true) = (tail.get(..size), size > 0) else { break };
        body.push_str(chunk);
        rest = tail[size..].trim_start_matches("\r\n");
    }
    body
}
