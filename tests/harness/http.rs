//! One HTTP request on one connection.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let what = format!("GET {path}");
    let answer = within(&what, DEADLINE, async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
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
