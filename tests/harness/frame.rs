//! STOMP frames, read and written a second time: what is judged does not judge itself.

/// Which version's escapes are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// 1.0: no escapes.
    V1_0,
    /// 1.1: `\n`, `\c`, `\\`.
    V1_1,
    /// 1.2: those and `\r`.
    V1_2,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The command, as written.
    pub command: String,
    /// The headers in order, unescaped.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it came in a binary WebSocket message.
    pub binary: bool,
}

impl Frame {
    /// A frame without headers.
    pub fn new(command: &str) -> Self {
        Self { command: command.to_owned(), headers: Vec::new(), body: Vec::new(), binary: false }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With these headers too.
    #[must_use]
    pub fn with_all(self, headers: &[(&str, &str)]) -> Self {
        headers.iter().fold(self, |frame, (name, value)| frame.with(name, *value))
    }

    /// With a body, and no `content-length` unless one is added.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first header of that name.
    ///
    /// # Panics
    /// When there is none.
    pub fn need(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no header {name} on {self}"))
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The frame's bytes. A body that holds a NUL needs a `content-length` of the caller's.
    pub fn encode(&self, dialect: Dialect) -> Vec<u8> {
        let escaped = !matches!(self.command.as_str(), "CONNECT" | "CONNECTED");
        let dialect = if escaped { dialect } else { Dialect::V1_0 };
        let mut bytes = format!("{}\n", self.command).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{}:{}\n", escape(name, dialect), escape(value, dialect)).as_bytes());
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes.push(0);
        bytes
    }
}

impl std::fmt::Display for Frame {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.command)?;
        for (name, value) in &self.headers {
            write!(out, " {name}:{value}")?;
        }
        write!(out, " {:?}", String::from_utf8_lossy(&self.body[..self.body.len().min(200)]))
    }
}

/// What a stream of STOMP is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A frame.
    Frame(Frame),
    /// An end of line between frames.
    HeartBeat,
}

/// Cuts a stream of bytes into frames.
#[derive(Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
    start: usize,
}

impl FrameReader {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next part, `None` when its bytes are not all there.
    ///
    /// # Panics
    /// When the broker wrote what is not STOMP.
    pub fn next(&mut self, dialect: Dialect) -> Option<Part> {
        let rest = &self.bytes[self.start..];
        match rest.first()? {
            b'\n' => {
                self.start += 1;
                return Some(Part::HeartBeat);
            }
            b'\r' if rest.get(1)? == &b'\n' => {
                self.start += 2;
                return Some(Part::HeartBeat);
            }
            _ => {}
        }
        let head_end = find(rest, b"\n\n")?;
        let frame = parse_head(&rest[..head_end], dialect);
        let body = &rest[head_end + 2..];
        let length = match frame.header("content-length") {
            Some(length) => length.parse().expect("content-length is a number"),
            None => find(body, b"\0")?,
        };
        let terminator = *body.get(length)?;
        assert_eq!(terminator, 0, "{} does not end in NUL after {length} bytes", frame.command);
        let frame = Frame { body: body[..length].to_vec(), ..frame };
        self.start += head_end + 2 + length + 1;
        if self.start == self.bytes.len() {
            self.bytes = Vec::new();
            self.start = 0;
        }
        Some(Part::Frame(frame))
    }

    /// Whether a frame has begun and not ended.
    pub fn is_mid_frame(&self) -> bool {
        self.start < self.bytes.len()
    }
}

fn parse_head(head: &[u8], dialect: Dialect) -> Frame {
    let head = std::str::from_utf8(head).expect("the head is UTF-8");
    let mut lines = head.split('\n');
    let mut frame = Frame::new(lines.next().unwrap_or_default());
    assert!(
        !frame.command.is_empty() && frame.command.bytes().all(|byte| byte.is_ascii_uppercase()),
        "a command, not {:?}",
        frame.command
    );
    let dialect = if frame.command == "CONNECTED" { Dialect::V1_0 } else { dialect };
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a header without colon: {line:?}"));
        frame.headers.push((unescape(name, dialect), unescape(value, dialect)));
    }
    frame
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn escape(text: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::V1_0 => text.to_owned(),
        Dialect::V1_1 => text.replace('\\', "\\\\").replace('\n', "\\n").replace(':', "\\c"),
        Dialect::V1_2 => escape(text, Dialect::V1_1).replace('\r', "\\r"),
    }
}

fn unescape(text: &str, dialect: Dialect) -> String {
    if dialect == Dialect::V1_0 || !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match (character, dialect) {
            ('\\', _) => match (characters.next(), dialect) {
                (Some('n'), _) => '\n',
                (Some('c'), _) => ':',
                (Some('\\'), _) => '\\',
                (Some('r'), Dialect::V1_2) => '\r',
                (other, _) => panic!("an undefined escape: {other:?} in {text:?}"),
            },
            (plain, _) => plain,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_way_there_and_back_at_every_split() {
        let frame = Frame::new("SEND")
            .with("destination", "/topic/7b")
            .with("odd:name\\", "line\nreturn\rcolon:")
            .with("content-length", "3")
            .body(b"a\0b");
        let mut bytes = frame.encode(Dialect::V1_2);
        bytes.extend_from_slice(b"\n\r\n");
        for split in 0..bytes.len() {
            let mut reader = FrameReader::default();
            let mut parts = Vec::new();
            for piece in [&bytes[..split], &bytes[split..]] {
                reader.push(piece);
                while let Some(part) = reader.next(Dialect::V1_2) {
                    parts.push(part);
                }
            }
            assert_eq!(parts, [Part::Frame(frame.clone()), Part::HeartBeat, Part::HeartBeat], "split at {split}");
            assert!(!reader.is_mid_frame());
        }
    }
}
