//! An HTTP answer that is read as it comes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::canaries::canary_request;
use crate::wait::{DEADLINE, within};

/// An answer whose body may not end.
pub struct HttpStream {
    stream: TcpStream,
    /// The status code.
    pub status: u16,
    head: String,
    raw: Vec<u8>,
    body: Vec<u8>,
    chunked: bool,
    ended: bool,
}

impl HttpStream {
    /// `GET path` with more headers, up to the end of the answer's head.
    ///
    /// # Panics
    /// When nobody answers within the deadline.
    pub async fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::ask("GET", address, path, headers, "").await
    }

    /// The same by a client whose kernel keeps few bytes, up to the end of the answer's head.
    ///
    /// # Panics
    /// When nobody answers within the deadline.
    pub async fn get_with_receive_buffer(address: &str, path: &str, headers: &[(&str, &str)], bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a small receive buffer");
        let stream = socket.connect(address.parse().expect("an address")).await.expect("the HTTP listener accepts");
        Self::over(Self::say(stream, "GET", address, path, headers, "").await, path).await
    }

    /// `POST path` with more headers and a body, up to the end of the answer's head.
    ///
    /// # Panics
    /// When nobody answers within the deadline.
    pub async fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        Self::ask("POST", address, path, headers, body).await
    }

    /// Any request, up to the end of the answer's head.
    ///
    /// # Panics
    /// When nobody answers within the deadline.
    pub async fn ask(method: &str, address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        Self::over(Self::begin(method, address, path, headers, body).await, path).await
    }

    /// The same, without waiting for the answer.
    ///
    /// # Panics
    /// When nobody takes the request.
    pub async fn begin(method: &str, address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let stream = TcpStream::connect(address).await.expect("the HTTP listener accepts");
        Self::say(stream, method, address, path, headers, body).await
    }

    async fn say(
        mut stream: TcpStream,
        method: &str,
        address: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> TcpStream {
        canary_request(path, headers, body.as_bytes());
        let length = if method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{length}{more}\r\n{body}");
        stream.write_all(request.as_bytes()).await.expect("the request is taken");
        stream
    }

    async fn over(stream: TcpStream, path: &str) -> Self {
        let (raw, body, head) = (Vec::new(), Vec::new(), String::new());
        let mut answer = Self { stream, status: 0, head, raw, body, chunked: false, ended: false };
        within(&format!("the head of {path}"), DEADLINE, answer.read_head()).await;
        answer
    }

    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The next line of the body, without its end; `None` at the end of the body.
    pub async fn line(&mut self) -> Option<String> {
        within("a line of the body", DEADLINE, async {
            loop {
                if let Some(end) = self.body.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.body.drain(..=end).collect();
                    return Some(String::from_utf8_lossy(&line[..end]).into_owned());
                }
                if self.ended || !self.read_more().await {
                    let rest = std::mem::take(&mut self.body);
                    return (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned());
                }
            }
        })
        .await
    }

    /// The lines up to the next empty one: an event, or a comment.
    pub async fn event(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await.filter(|line| !line.is_empty()) {
            lines.push(line);
        }
        lines
    }

    /// All of the body.
    pub async fn text(mut self) -> String {
        within("the end of the body", DEADLINE, async { while !self.ended && self.read_more().await {} }).await;
        String::from_utf8_lossy(&self.body).into_owned()
    }

    async fn read_head(&mut self) {
        let end = loop {
            if let Some(end) = self.raw.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            assert!(self.fill().await, "the answer ends in its head");
        };
        self.head = String::from_utf8_lossy(&self.raw[..end]).into_owned();
        self.raw.drain(..end + 4);
        self.status = self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        self.chunked = self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if !self.chunked {
            let length: usize = self.header("content-length").map_or(0, |text| text.parse().expect("a length"));
            while self.raw.len() < length && self.fill().await {}
            self.body = self.raw.drain(..length.min(self.raw.len())).collect();
            self.ended = true;
        }
    }

    /// Takes one more chunk; `false` at the end.
    async fn read_more(&mut self) -> bool {
        loop {
            if let Some(end) = self.raw.windows(2).position(|bytes| bytes == b"\r\n") {
                let size = String::from_utf8_lossy(&self.raw[..end]).into_owned();
                let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
                if self.raw.len() >= end + 2 + size + 2 {
                    self.body.extend_from_slice(&self.raw[end + 2..end + 2 + size]);
                    self.raw.drain(..end + 2 + size + 2);
                    self.ended = size == 0;
                    return !self.ended;
                }
            }
            if !self.fill().await {
                self.ended = true;
                return false;
            }
        }
    }

    async fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).await.unwrap_or(0);
        self.raw.extend_from_slice(&bytes[..count]);
        count > 0
    }
}
