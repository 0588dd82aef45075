//! STOMP in SockJS: `a["…"]`, `c[code,"reason"]`, and the lists of texts that clients send.
//!
//! SockJS carries text alone. A frame whose body is none goes as base64 and says so in a header: this is the one
//! place where a transport looks into a frame.
//!
//! Never here: sessions, HTTP.

use std::borrow::Cow;
use std::fmt::Write as _;

use data_encoding::BASE64;

use super::websocket::{self, Frame};

/// A session is open.
pub const OPEN: &str = "o";
/// Nothing to say, and still there.
pub const HEART_BEAT: &str = "h";
/// A body that is no text is as this header says.
const ENCODED: &str = "content-transfer-encoding:base64\n";
/// One byte of a message is so many in JSON at most: `\u0001`.
pub const ESCAPED_MAX: usize = 6;

/// `a["…"]` of one message.
pub fn array(stomp: &[u8]) -> String {
    let mut array = String::with_capacity(stomp.len() + stomp.len() / 8 + 4);
    array.push_str("a[");
    push_quoted(&as_text(stomp), &mut array);
    array.push(']');
    array
}

/// `c[code,"reason"]`.
pub fn close(code: u16, reason: &str) -> String {
    let mut close = format!("c[{code},");
    push_quoted(reason, &mut close);
    close.push(']');
    close
}

/// What a link wrote, as a session says it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// `a[…]` of all messages.
    pub array: Option<String>,
    /// The newest Ping.
    pub ping: Option<Vec<u8>>,
    /// Code and reason of the end.
    pub close: Option<(u16, String)>,
}

/// Reads whole WebSocket frames.
pub fn spoken(frames: &[u8]) -> Spoken {
    let (mut spoken, mut rest) = (Spoken::default(), frames);
    while let Some((frame, behind)) = websocket::split(rest) {
        rest = behind;
        match frame {
            Frame::Message(stomp) => {
                match &mut spoken.array {
                    None => spoken.array = Some("a[".to_owned()),
                    Some(array) => array.push(','),
                }
                if let Some(array) = &mut spoken.array {
                    push_quoted(&as_text(stomp), array);
                }
            }
            Frame::Ping(payload) => spoken.ping = Some(payload.to_vec()),
            Frame::Close(code, reason) => spoken.close = Some((code, String::from_utf8_lossy(reason).into_owned())),
        }
    }
    if let Some(array) = &mut spoken.array {
        array.push(']');
    }
    spoken
}

/// A frame as text.
fn as_text(stomp: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(stomp) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(encoded(stomp)),
    }
}

/// A frame whose body is no text, with its body in base64.
fn encoded(stomp: &[u8]) -> String {
    let end = stomp.windows(2).position(|pair| pair == b"\n\n").unwrap_or(stomp.len());
    let body = stomp.get(end + 2..).unwrap_or_default();
    let body = BASE64.encode(body.strip_suffix(b"\0").unwrap_or(body));
    let head = String::from_utf8_lossy(&stomp[..end]);
    let (command, headers) = head.split_once('\n').unwrap_or((&head, ""));
    let kept = headers.lines().filter(|line| !line.starts_with("content-length:"));
    let mut text = format!("{command}\n{ENCODED}content-length:{}\n", body.len());
    kept.for_each(|line| text.extend([line, "\n"]));
    text.extend(["\n", &body, "\0"]);
    text
}

/// Appends a JSON string with all escaped that old browsers change on the way.
fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, letter) in text.char_indices() {
        let short = match letter {
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '\n' => Some("\\n"),
            '\r' => Some("\\r"),
            '\t' => Some("\\t"),
            _ => None,
        };
        if short.is_none() && !is_changed_on_the_way(letter) {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + letter.len_utf8();
        match short {
            Some(short) => out.push_str(short),
            None => write!(out, "\\u{:04x}", u32::from(letter)).expect("a string takes all"),
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// sockjs-protocol, "JSON Unicode Encoding": `escapable_by_server`.
fn is_changed_on_the_way(letter: char) -> bool {
    matches!(letter, '\0'..='\x1f' | '\u{200c}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}'
        | '\u{fff0}'..='\u{ffff}')
}

/// Why what a client sent cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Nothing was sent.
    #[error("Payload expected.")]
    Empty,
    /// It is no list of texts.
    #[error("Broken JSON encoding.")]
    Json,
    /// One of the texts is longer than what is allowed.
    #[error("A message is longer than this session may send: see limits.body_bytes and limits.header_bytes.")]
    TooLong,
}

/// Reads a JSON list of texts, or one text, piece by piece. Keeps the one text that is incomplete.
#[derive(Debug)]
pub struct Texts {
    expects: Expects,
    text: Vec<u8>,
    bytes_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    ListOrText,
    TextOrEnd,
    Text,
    Letter { escaped: bool, in_list: bool },
    CommaOrEnd,
    Nothing,
}

impl Texts {
    /// Texts of at most `bytes_max` bytes each.
    pub fn new(bytes_max: usize) -> Texts {
        Texts { expects: Expects::ListOrText, text: Vec::new(), bytes_max }
    }

    /// Reads on; whole texts go to `sink`.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(&mut self, bytes: &[u8], mut sink: impl FnMut(String)) -> Result<(), Broken> {
        for &byte in bytes {
            self.expects = match (self.expects, byte) {
                (Expects::Letter { escaped, in_list }, _) => {
                    if self.text.len() > self.bytes_max.saturating_mul(ESCAPED_MAX) {
                        return Err(Broken::TooLong);
                    }
                    self.text.push(byte);
                    if escaped || byte != b'"' {
                        Expects::Letter { escaped: !escaped && byte == b'\\', in_list }
                    } else {
                        let text: String = serde_json::from_slice(&self.text).map_err(|_| Broken::Json)?;
                        self.text.clear();
                        if text.len() > self.bytes_max {
                            return Err(Broken::TooLong);
                        }
                        sink(text);
                        if in_list { Expects::CommaOrEnd } else { Expects::Nothing }
                    }
                }
                (expects, b' ' | b'\n' | b'\r' | b'\t') => expects,
                (Expects::ListOrText, b'[') => Expects::TextOrEnd,
                (Expects::CommaOrEnd, b',') => Expects::Text,
                (Expects::TextOrEnd | Expects::CommaOrEnd, b']') => Expects::Nothing,
                (Expects::ListOrText | Expects::TextOrEnd | Expects::Text, b'"') => {
                    self.text.push(byte);
                    Expects::Letter { escaped: false, in_list: self.expects != Expects::ListOrText }
                }
                _ => return Err(Broken::Json),
            };
        }
        Ok(())
    }

    /// The end of what was sent.
    ///
    /// # Errors
    /// Something is missing.
    pub fn finish(&self) -> Result<(), Broken> {
        match self.expects {
            Expects::Nothing => Ok(()),
            Expects::ListOrText => Err(Broken::Empty),
            _ => Err(Broken::Json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str) -> Result<Vec<String>, Broken> {
        let whole = read(json, json.len().max(1));
        assert_eq!(whole, read(json, 1), "in pieces: {json}");
        whole
    }

    fn read(json: &str, piece: usize) -> Result<Vec<String>, Broken> {
        let (mut texts, mut found) = (Texts::new(10), Vec::new());
        for piece in json.as_bytes().chunks(piece) {
            texts.read(piece, |text| found.push(text))?;
        }
        texts.finish().map(|()| found)
    }

    #[test]
    fn a_list_of_texts_is_read() {
        assert_eq!(texts("[]"), Ok(vec![]));
        assert_eq!(texts(" [ \"a\" ,\n\"b\\\"]\" ] "), Ok(vec!["a".to_owned(), "b\"]".to_owned()]));
        assert_eq!(texts("\"a\""), Ok(vec!["a".to_owned()]));
        assert_eq!(texts(r#"["\ud83d\ude00ä"]"#), Ok(vec!["😀ä".to_owned()]));
    }

    #[test]
    fn what_is_no_list_of_texts_is_refused() {
        for json in ["[\"a", "[\"a\"", "[\"a\",]", "[,]", "[1]", "{}", "[\"a\"]x", "a", "[\"\\x\"]", r#"["\ud83d"]"#] {
            assert_eq!(texts(json), Err(Broken::Json), "{json}");
        }
        assert_eq!(texts(""), Err(Broken::Empty));
        assert_eq!(texts(" \n"), Err(Broken::Empty));
        assert_eq!(texts("[\"12345678901\"]"), Err(Broken::TooLong));
        assert_eq!(texts(&format!("[\"{}", "x".repeat(62))), Err(Broken::TooLong));
    }

    #[test]
    fn what_old_browsers_change_is_escaped() {
        assert_eq!(array(b"A\n\n\0"), "a[\"A\\n\\n\\u0000\"]");
        assert_eq!(array("\"\\\u{2028}\u{ffff}é😀".as_bytes()), "a[\"\\\"\\\\\\u2028\\uffffé😀\"]");
    }

    #[test]
    fn a_body_that_is_no_text_comes_as_base64_and_says_so() {
        let frame = b"MESSAGE\nsubscription:s\ncontent-length:3\n\n\xff\0\n\0";
        let text = "MESSAGE\ncontent-transfer-encoding:base64\ncontent-length:4\nsubscription:s\n\n/wAK\0";
        assert_eq!(as_text(frame), text);
    }

    #[test]
    fn what_a_link_wrote_is_one_array() {
        let mut frames = Vec::new();
        websocket::push_message(b"1", &mut frames);
        websocket::push_ping(b"p", &mut frames);
        websocket::push_message(&[b'2'; 200], &mut frames);
        websocket::push_message(&[b'3'; 70_000], &mut frames);
        websocket::push_close(4507, "bad", &mut frames);
        let spoken = spoken(&frames);
        assert_eq!(spoken.array.unwrap().len(), 1 + 2 + 3 + 202 + 1 + 70_002 + 1);
        assert_eq!((spoken.ping, spoken.close), (Some(b"p".to_vec()), Some((4507, "bad".to_owned()))));
    }
}
