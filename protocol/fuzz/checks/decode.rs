//! Any bytes, cut anywhere: the cut changes nothing, and what was decoded can be
//! encoded and decoded to the same again.
//!
//! The first byte chooses the version, the second the size of the pieces.

use homeroom_protocol::{Command, DecodeError, Decoded, Decoder, Frame, Limits, Version, encode};

/// The whole of it.
pub(crate) fn decode(input: &[u8]) {
    let [version, piece, bytes @ ..] = input else { return };
    let version = Version::ALL[usize::from(*version) % Version::ALL.len()];
    let whole = decoded(version, bytes, bytes.len());
    let pieces = decoded(version, bytes, usize::from(*piece));
    assert_eq!(whole, pieces);
    for frame in whole.into_iter().flatten() {
        let once = again(version, &frame);
        // 1.2 spells all that it can read; earlier versions, and CONNECT, settle after one round.
        if version == Version::V1_2 && !matches!(frame.command, Command::Connect | Command::Stomp | Command::Connected)
        {
            assert_eq!(essence(&once), essence(&frame));
        }
        assert_eq!(again(version, &once), once);
    }
}

fn decoded(version: Version, bytes: &[u8], piece: usize) -> Vec<Result<Frame, DecodeError>> {
    let limits = Limits { header_bytes_max: 256, headers_max: 8, body_bytes_max: 128, ..Limits::default() };
    let mut decoder = Decoder::new(version, &limits);
    let mut found = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        decoder.push(piece);
        while let Some(next) = decoder.next() {
            match next {
                Ok(Decoded::Frame(frame)) => found.push(Ok(frame)),
                Ok(Decoded::HeartBeat) => {}
                Err(error) => found.push(Err(error)),
            }
        }
    }
    found
}

fn again(version: Version, frame: &Frame) -> Frame {
    let mut bytes = Vec::new();
    encode(&mut bytes, version, frame);
    let mut decoder = Decoder::new(version, &Limits { header_bytes_max: 4096, ..Limits::default() });
    decoder.push(&bytes);
    match decoder.next() {
        Some(Ok(Decoded::Frame(frame))) => frame,
        other => panic!("what was written cannot be read: {other:?}"),
    }
}

/// Without what the encoder sees to.
fn essence(frame: &Frame) -> Frame {
    let mut frame = frame.clone();
    frame.headers.remove("content-length");
    frame
}
