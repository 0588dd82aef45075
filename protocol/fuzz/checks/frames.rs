//! Any frames, encoded, cut anywhere and decoded: the same frames, whatever is in them, and nothing beside them.
//!
//! The first byte chooses the version, the second says where it is cut. Then frames: a command, how many headers, and
//! each text and the body behind its length.

use std::borrow::Cow;

use homeroom_protocol::{Command, Decoded, Decoder, Frame, Limits, Version, encode};

const FRAMES_MAX: usize = 6;
const HEADERS_MAX: usize = 8;

/// The whole of it.
pub(crate) fn frames(input: &[u8]) {
    let [version, cuts, rest @ ..] = input else { return };
    let version = Version::ALL[usize::from(*version) % Version::ALL.len()];
    let frames = written(rest);
    let mut bytes = Vec::new();
    for frame in &frames {
        encode(&mut bytes, version, frame);
    }
    let mut decoder = Decoder::new(version, &Limits::default());
    let mut found = Vec::new();
    let mut rest = bytes.as_slice();
    let mut cut = *cuts;
    while !rest.is_empty() {
        // From piece to piece another length, the same in every run; 0 is everything.
        let length = if *cuts == 0 { rest.len() } else { usize::from(cut % 31).clamp(1, rest.len()) };
        cut = cut.wrapping_mul(37).wrapping_add(11);
        let (piece, others) = rest.split_at(length);
        rest = others;
        decoder.push(piece);
        while let Some(next) = decoder.next() {
            match next {
                Ok(Decoded::Frame(frame)) => found.push(frame),
                other => panic!("what was written is read as {other:?}"),
            }
        }
    }
    assert_eq!((found.len(), decoder.buffered()), (frames.len(), 0));
    for (found, frame) in found.iter().zip(&frames) {
        let expected: Vec<(Cow<'_, str>, Cow<'_, str>)> = spelled(version, frame).collect();
        let headers: Vec<(Cow<'_, str>, Cow<'_, str>)> = found
            .headers
            .iter()
            .filter(|(name, _)| *name != "content-length")
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let body: &[u8] = if may_have_body(frame.command) { &frame.body } else { &[] };
        assert_eq!((found.command, headers, &found.body[..]), (frame.command, expected, body), "{version:?}");
    }
}

/// What of a frame's headers the version can say, from the specifications and not from the encoder.
fn spelled<'f>(version: Version, frame: &'f Frame) -> impl Iterator<Item = (Cow<'f, str>, Cow<'f, str>)> {
    let plain = matches!(frame.command, Command::Connect | Command::Stomp | Command::Connected);
    let trimmed = version == Version::V1_0 && !plain;
    let version = if plain { Version::V1_0 } else { version };
    let unspellable = move |letter: char| match version {
        Version::V1_0 => matches!(letter, '\n' | '\r' | '\0'),
        Version::V1_1 => matches!(letter, '\r' | '\0'),
        Version::V1_2 => letter == '\0',
    };
    let said = move |text: &'f str| match text.contains(unspellable) {
        true => Cow::from(text.replace(unspellable, " ")),
        false => text.into(),
    };
    let sayable = move |name: &str| !name.is_empty() && (version != Version::V1_0 || !name.contains(':'));
    let headers = frame.headers.iter().filter(move |(name, _)| sayable(name) && *name != "content-length");
    headers.map(move |(name, value)| {
        let value = said(value);
        // STOMP 1.0 pads values, so that blanks around them say nothing.
        let value = if trimmed { value.trim().to_owned().into() } else { value };
        (said(name), value)
    })
}

fn may_have_body(command: Command) -> bool {
    matches!(command, Command::Send | Command::Message | Command::Error)
}

fn written(input: &[u8]) -> Vec<Frame> {
    let mut rest = input;
    let mut frames = Vec::new();
    while let [command, count, others @ ..] = rest {
        rest = others;
        let mut frame = Frame::new(Command::ALL[usize::from(*command) % Command::ALL.len()]);
        for _ in 0..usize::from(*count) % (HEADERS_MAX + 1) {
            let (name, value) = (text(&mut rest), text(&mut rest));
            frame.headers.push(&name, &value);
        }
        let body = piece(&mut rest).to_vec();
        // Frames that have none say so by the length that the encoder writes; there is nothing to compare.
        frames.push(if may_have_body(frame.command) { frame.with_body(body) } else { frame });
        if frames.len() == FRAMES_MAX {
            break;
        }
    }
    frames
}

fn text<'i>(rest: &mut &'i [u8]) -> Cow<'i, str> {
    String::from_utf8_lossy(piece(rest))
}

fn piece<'i>(rest: &mut &'i [u8]) -> &'i [u8] {
    let Some((length, others)) = rest.split_first() else { return &[] };
    let (piece, others) = others.split_at(others.len().min(usize::from(*length)));
    *rest = others;
    piece
}
