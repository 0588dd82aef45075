//! Frames → bytes.

use crate::escape::{can_be_name, escape};
use crate::{Command, Frame, Version};

/// Appends a whole frame as `version` spells it.
///
/// `content-length` is always right where a body is allowed, whatever the frame's
/// headers say. What the version cannot spell in a header is written as a space;
/// a header whose name it cannot spell is left out.
pub fn encode(out: &mut Vec<u8>, version: Version, frame: &Frame) {
    let version = if frame.command.escapes() { version } else { Version::V1_0 };
    line(out, frame.command);
    headers(out, version, frame.headers.iter().filter(|(name, _)| *name != "content-length"));
    // STOMP 1.2, Header content-length: "All frames MAY include a content-length header";
    // where there can be no body, receivers have to take our word for it.
    if frame.command.may_have_body() || !frame.body.is_empty() {
        content_length(out, frame.body.len());
    }
    out.push(b'\n');
    out.extend_from_slice(&frame.body);
    out.push(0);
}

/// What a MESSAGE must say.
#[derive(Clone, Copy, Debug)]
pub struct MessageHead<'a> {
    /// `subscription`: its id, where the peer gave one.
    pub subscription: Option<&'a str>,
    /// `message-id`.
    pub message_id: &'a str,
    /// `destination`.
    pub destination: &'a str,
    /// `ack`: what an ACK names, where one is expected.
    pub ack: Option<&'a str>,
    /// `content-length`: the bytes of the body.
    pub content_length: usize,
}

/// Appends a whole MESSAGE frame as `version` spells it: head, then `extra`
/// headers, body, NUL. The same bytes serve all who share its head.
///
/// `content-length` is that of `body`.
pub fn encode_message<'h>(
    out: &mut Vec<u8>,
    version: Version,
    head: &MessageHead<'_>,
    extra: impl Iterator<Item = (&'h str, &'h str)>,
    body: &[u8],
) {
    let head = MessageHead { content_length: body.len(), ..*head };
    out.reserve(body.len() + 256);
    encode_message_head(out, version, &head, extra);
    out.extend_from_slice(body);
    out.push(0);
}

/// Appends a MESSAGE up to and with its empty line. Exactly `head.content_length`
/// bytes of body and a NUL must follow.
pub fn encode_message_head<'h>(
    out: &mut Vec<u8>,
    version: Version,
    head: &MessageHead<'_>,
    extra: impl Iterator<Item = (&'h str, &'h str)>,
) {
    line(out, Command::Message);
    if let Some(subscription) = head.subscription {
        header(out, version, "subscription", subscription);
    }
    header(out, version, "message-id", head.message_id);
    header(out, version, "destination", head.destination);
    if let Some(ack) = head.ack {
        header(out, version, "ack", ack);
    }
    content_length(out, head.content_length);
    headers(out, version, extra.filter(|(name, _)| *name != "content-length"));
    out.push(b'\n');
}

fn line(out: &mut Vec<u8>, command: Command) {
    out.extend_from_slice(command.word().as_bytes());
    out.push(b'\n');
}

fn headers<'h>(out: &mut Vec<u8>, version: Version, headers: impl Iterator<Item = (&'h str, &'h str)>) {
    for (name, value) in headers.filter(|(name, _)| can_be_name(version, name)) {
        header(out, version, name, value);
    }
}

fn header(out: &mut Vec<u8>, version: Version, name: &str, value: &str) {
    escape(out, version, name);
    out.push(b':');
    escape(out, version, value);
    out.push(b'\n');
}

fn content_length(out: &mut Vec<u8>, bytes: usize) {
    out.extend_from_slice(b"content-length:");
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut rest = bytes;
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{V1_0, V1_1, V1_2};

    fn encoded(version: Version, frame: &Frame) -> String {
        let mut out = Vec::new();
        encode(&mut out, version, frame);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_version_spells_its_own_way() {
        let message = Frame::new(Command::Message).with("a:b", "c:d\r\ne\\").with_body("hi");
        assert_eq!(encoded(V1_2, &message), "MESSAGE\na\\cb:c\\cd\\r\\ne\\\\\ncontent-length:2\n\nhi\0");
        assert_eq!(encoded(V1_1, &message), "MESSAGE\na\\cb:c\\cd \\ne\\\\\ncontent-length:2\n\nhi\0");
        assert_eq!(encoded(V1_0, &message), "MESSAGE\ncontent-length:2\n\nhi\0");
        let connected = Frame::new(Command::Connected).with("server", "a:b\\c\nd");
        assert_eq!(encoded(V1_2, &connected), "CONNECTED\nserver:a:b\\c d\n\n\0");
    }

    #[test]
    fn content_length_is_the_length_of_the_content() {
        let lying = Frame::new(Command::Send).with("content-length", "1").with_body("long");
        assert_eq!(encoded(V1_2, &lying), "SEND\ncontent-length:4\n\nlong\0");
        let mut out = Vec::new();
        for bytes in [0, 9, 10, 1_048_576, usize::MAX] {
            out.clear();
            content_length(&mut out, bytes);
            assert_eq!(out, format!("content-length:{bytes}\n").into_bytes());
        }
    }

    #[test]
    fn a_message_is_written_whole() {
        let head = MessageHead {
            subscription: Some("s:1"),
            message_id: "m",
            destination: "/topic/a",
            ack: None,
            content_length: 0,
        };
        let mut out = Vec::new();
        encode_message(&mut out, V1_2, &head, [("x", "y"), ("content-length", "7")].into_iter(), b"\0\0");
        let expected =
            b"MESSAGE\nsubscription:s\\c1\nmessage-id:m\ndestination:/topic/a\ncontent-length:2\nx:y\n\n\0\0\0";
        assert_eq!(out, expected);
    }
}
