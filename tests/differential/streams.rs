//! Streams of bytes: frames as they should be, and the same with a few bytes changed.

use homeroom_protocol::{Command, Version};
use homeroom_tests::Random;

const LETTERS: [&str; 16] = ["a", "b", "Z", "7", "-", " ", "/", "ä", "😀", "{", "\"", "\t", ".", "\\c", "\\n", "\\\\"];
/// Bytes that mean something somewhere in a frame.
const SPECIAL: &[u8] = b"\0\0\n\n\r:\\ncr0918 S\xff";

/// A frame as either side saw it, without the CRs that one of them drops.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) command: Command,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What a peer sends, and how it is cut.
pub(crate) struct Stream {
    pub(crate) version: Version,
    pub(crate) bytes: Vec<u8>,
    /// What is in it, if nobody changed it.
    pub(crate) truth: Option<Vec<Seen>>,
    cut: usize,
}

impl Stream {
    pub(crate) fn random(random: &mut Random) -> Stream {
        let version = Version::ALL[pick(random, Version::ALL.len())];
        let (mut bytes, mut truth) = (Vec::new(), Vec::new());
        for _ in 0..1 + random.below(4) {
            let eol = if random.below(3) == 0 { "\r\n" } else { "\n" };
            (0..random.below(3)).for_each(|_| bytes.extend_from_slice(eol.as_bytes()));
            truth.push(frame(random, version, eol, &mut bytes));
        }
        let mut truth = Some(truth);
        if random.below(2) == 0 {
            (0..1 + random.below(3)).for_each(|_| change(random, &mut bytes));
            truth = None;
        }
        let cut = [usize::MAX, 1, 2, 7, 64][pick(random, 5)];
        Stream { version, bytes, truth, cut }
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.cut)
    }

    /// Whether no line of a head could begin with a CR, which stompjs drops and 1.0 and 1.1 do not.
    pub(crate) fn is_comparable(&self) -> bool {
        let begins = |bytes: &[u8]| bytes[..2] == *b"\n\r" && bytes[2] != b'\n';
        self.version == Version::V1_2 || !self.bytes.windows(3).any(begins)
    }
}

fn frame(random: &mut Random, version: Version, eol: &str, bytes: &mut Vec<u8>) -> Seen {
    let command = Command::ALL[pick(random, Command::ALL.len())];
    let plain = version == Version::V1_0 || matches!(command, Command::Connect | Command::Stomp | Command::Connected);
    bytes.extend_from_slice(format!("{command}{eol}").as_bytes());
    let mut headers = Vec::new();
    for _ in 0..random.below(5) {
        let (name, value) = (format!("n{}", text(random)), text(random));
        bytes.extend_from_slice(format!("{name}:{value}{eol}").as_bytes());
        let meant = |text: &str| match plain {
            true => text.to_owned(),
            // No text here has a backslash before another letter, so the order does not matter.
            false => text.replace("\\\\", "\u{1}").replace("\\c", ":").replace("\\n", "\n").replace('\u{1}', "\\"),
        };
        let trimmed = plain && !matches!(command, Command::Connect | Command::Stomp | Command::Connected);
        let value = if trimmed { value.trim().to_owned() } else { value };
        headers.push((meant(&name), meant(&value)));
    }
    let has_body = matches!(command, Command::Send | Command::Message | Command::Error);
    let mut body: Vec<u8> = match has_body {
        true => (0..random.below(40)).map(|_| random.number() as u8).collect(),
        false => Vec::new(),
    };
    if has_body && random.below(2) == 0 {
        let length = body.len().to_string();
        bytes.extend_from_slice(format!("content-length:{length}{eol}").as_bytes());
        headers.push(("content-length".to_owned(), length));
    } else {
        body.retain(|byte| *byte != 0);
    }
    bytes.extend_from_slice(eol.as_bytes());
    bytes.extend_from_slice(&body);
    bytes.push(0);
    Seen { command, headers, body }
}

fn text(random: &mut Random) -> String {
    (0..random.below(6)).map(|_| LETTERS[pick(random, LETTERS.len())]).collect()
}

fn change(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = pick(random, bytes.len());
    let special = SPECIAL[pick(random, SPECIAL.len())];
    match random.below(5) {
        0 => bytes.insert(at, special),
        1 => drop(bytes.remove(at)),
        2 => bytes.truncate(at.max(1)),
        _ => bytes[at] = special,
    }
    if bytes.is_empty() {
        bytes.push(special);
    }
}

fn pick(random: &mut Random, count: usize) -> usize {
    random.below(count as u64) as usize
}
