//! Our decoder beside the parser of stompjs, on the same bytes in the same pieces.
//!
//! Where we take a frame, the page's parser finds the same. Where we refuse, it goes on, and what it makes of the rest
//! is not compared: an unknown command, a header without a colon or a name, an undefined escape, what is no UTF-8, a
//! length that is none or does not lead to a NUL, a NUL between frames, a CR inside a head of 1.2.
//!
//! Known differences in what both take:
//!
//! | stompjs | here | why |
//! | --- | --- | --- |
//! | drops every CR in a value | 1.0 and 1.1 keep one that ends no line | their grammar allows it |
//! | drops CRs where a header begins | part of the name in 1.0 and 1.1 | the same; such streams are not compared |
//! | drops a byte order mark where a name or value begins | keeps it | it is a letter like others; none is made here |
//! | undoes escapes one kind after the other: `\\n` becomes a backslash and a line end | from left to right | 1.2; its parser alone is compared, and escapes are undone here |

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod streams;

use std::collections::BTreeMap;

use data_encoding::BASE64;
use homeroom_protocol::{Command, Decoded, Decoder, Frame, Limits, Version};
use homeroom_tests::Random;
use homeroom_tests::node;
use serde_json::{Value, json};

use streams::{Seen, Stream};

#[tokio::test]
async fn a_stream_is_read_here_as_stompjs_reads_it() {
    let streams: u64 = std::env::var("HOMEROOM_STREAMS").map_or(2_000, |text| text.parse().unwrap());
    let mut random = Random::printed("a_stream_is_read_here_as_stompjs_reads_it");
    let mut script = node("parse.js", &[]);
    let (mut frames, mut refused) = (0, BTreeMap::<String, u64>::new());
    for nth in 0..streams {
        let stream = Stream::random(&mut random);
        let pieces: Vec<String> = stream.pieces().map(|piece| BASE64.encode(piece)).collect();
        script.tell(&json!(pieces).to_string()).await;
        let theirs = seen_by_stompjs(&script.says().await, stream.version);
        let (ours, flaw) = seen_here(&stream);
        let shown = || format!("stream {nth}, {:?}: {}", stream.version, stream.bytes.escape_ascii());
        if let Some(truth) = &stream.truth {
            assert_eq!((&ours, &flaw), (truth, &None), "{}", shown());
            assert_eq!(&theirs, truth, "stompjs: {}", shown());
        }
        if stream.is_comparable() {
            let compared = if flaw.is_some() { theirs.len().min(ours.len()) } else { theirs.len() };
            assert_eq!(&theirs[..compared], &ours[..], "{}", shown());
            frames += ours.len();
        }
        if let Some(flaw) = flaw {
            *refused.entry(flaw).or_default() += 1;
        }
    }
    println!("{streams} streams, {frames} frames alike; refused here: {refused:?}");
    assert!(frames as u64 > streams / 2 && refused.len() > 4, "one-sided");
}

fn seen_here(stream: &Stream) -> (Vec<Seen>, Option<String>) {
    let mut decoder = Decoder::new(stream.version, &Limits::default());
    let mut seen = Vec::new();
    for piece in stream.pieces() {
        decoder.push(piece);
        while let Some(next) = decoder.next() {
            match next {
                Ok(Decoded::Frame(frame)) => seen.push(of_ours(&frame)),
                Ok(Decoded::HeartBeat) => {}
                Err(flaw) => {
                    let name = format!("{flaw:?}");
                    return (seen, Some(name.split([' ', '(', '{']).next().unwrap().to_owned()));
                }
            }
        }
    }
    (seen, None)
}

fn of_ours(frame: &Frame) -> Seen {
    let without_cr = |text: &str| text.replace('\r', "");
    let headers = frame.headers.iter().map(|(name, value)| (without_cr(name), without_cr(value))).collect();
    Seen { command: frame.command, headers, body: frame.body.to_vec() }
}

/// As its parser found them, with escapes undone as the version says.
fn seen_by_stompjs(said: &Value, version: Version) -> Vec<Seen> {
    let frames = said.as_array().unwrap().iter();
    // From the first frame on whose command or escapes nobody knows, nothing is compared.
    frames.map_while(|frame| of_theirs(frame, version)).collect()
}

fn of_theirs(frame: &Value, version: Version) -> Option<Seen> {
    let command = Command::from_word(frame[0].as_str().unwrap())?;
    let plain = version == Version::V1_0 || matches!(command, Command::Connect | Command::Stomp | Command::Connected);
    let meant = |text: &Value| {
        // A header without a colon, which stompjs reads on from line to line; what it hides there we do not see.
        let text = text.as_str().filter(|text| !text.contains('\n'))?;
        if plain { Some(text.to_owned()) } else { unescaped(text, version) }
    };
    let trimmed =
        version == Version::V1_0 && !matches!(command, Command::Connect | Command::Stomp | Command::Connected);
    let header = |header: &Value| {
        let (name, value) = (meant(&header[0])?, meant(&header[1])?);
        let value = if trimmed { value.trim().to_owned() } else { value };
        Some((name.replace('\r', ""), value.replace('\r', "")))
    };
    let headers: Option<Vec<_>> = frame[1].as_array().unwrap().iter().map(header).collect();
    let body = BASE64.decode(frame[2].as_str().unwrap().as_bytes()).unwrap();
    Some(Seen { command, headers: headers?, body })
}

/// From left to right; `None` for an escape that the version does not have.
fn unescaped(text: &str, version: Version) -> Option<String> {
    let mut letters = text.chars();
    let mut meant = String::new();
    while let Some(letter) = letters.next() {
        meant.push(match letter {
            '\\' => match letters.next()? {
                'n' => '\n',
                'c' => ':',
                '\\' => '\\',
                'r' if version == Version::V1_2 => '\r',
                _ => return None,
            },
            letter => letter,
        });
    }
    Some(meant)
}
