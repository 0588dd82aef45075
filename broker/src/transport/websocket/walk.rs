//! Where frames and messages end, so that whole ones can be told from begun ones.
//!
//! Never here: whether a frame is legal. tungstenite says so when it gets it.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

/// RFC 6455, section 5.5: "All control frames MUST have a payload length of 125 bytes or less".
const CONTROL_BYTES_MAX: u64 = 125;

/// How far bytes that begin with a frame can be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// Here the last whole frame ends.
    pub whole: usize,
    /// Here the last frame ends behind which no fragmented message is incomplete; `None` if there is no such.
    pub between: Option<usize>,
    /// What follows the whole frames cannot become a frame of at most so many bytes, or not a frame at all.
    pub hopeless: bool,
}

/// Walks over `bytes`, which begin with a frame: `within` a fragmented message, or between two messages.
pub(super) fn walk(bytes: &[u8], within: bool, frame_bytes_max: usize) -> Walk {
    let mut within = within;
    let mut walk = Walk { whole: 0, between: (!within).then_some(0), hopeless: false };
    loop {
        let mut cursor = Cursor::new(&bytes[walk.whole..]);
        let (header, length) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return walk,
            Err(_) => return Walk { hopeless: true, ..walk },
        };
        let Some(length) = usize::try_from(length).ok().filter(|&length| length <= frame_bytes_max) else {
            return Walk { hopeless: true, ..walk };
        };
        let rest = cursor.get_ref().len() - cursor.position() as usize;
        if rest < length {
            return walk;
        }
        walk.whole = bytes.len() - rest + length;
        // RFC 6455, section 5.4: control frames may be injected in the middle of a fragmented message.
        if matches!(header.opcode, OpCode::Data(_)) {
            within = !header.is_final;
        }
        if !within {
            walk.between = Some(walk.whole);
        }
    }
}

/// Whether bytes begin with a control frame that is too long. tungstenite says so only when it has all of it.
pub(super) fn is_endless_control(bytes: &[u8]) -> bool {
    matches!(FrameHeader::parse(&mut Cursor::new(bytes)), Ok(Some((header, length)))
        if matches!(header.opcode, OpCode::Control(_)) && length > CONTROL_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: [u8; 7] = [0x01, 0x81, 0, 0, 0, 0, b'a'];
    const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
    const END: [u8; 7] = [0x80, 0x81, 0, 0, 0, 0, b'b'];

    #[test]
    fn a_message_ends_with_its_last_frame() {
        let wire = [&PING[..], &BEGIN, &PING, &END, &PING, &BEGIN[..6]].concat();
        let expected = |length: usize| match length {
            ..6 => (0, 0),
            6..13 => (6, 6),
            13..19 => (13, 6),
            19..26 => (19, 6),
            26..32 => (26, 26),
            _ => (32, 32),
        };
        for length in 0..=wire.len() {
            let (whole, between) = expected(length);
            assert_eq!(walk(&wire[..length], false, 1), Walk { whole, between: Some(between), hopeless: false });
        }
    }

    #[test]
    fn within_a_message_only_its_end_leads_out() {
        assert_eq!(walk(&PING, true, 1), Walk { whole: 6, between: None, hopeless: false });
        assert_eq!(walk(&END, true, 1), Walk { whole: 7, between: Some(7), hopeless: false });
    }

    #[test]
    fn a_long_control_frame_is_seen_by_its_header() {
        assert!(is_endless_control(&[0x89, 0xfe, 0, 126, 0, 0, 0, 0]));
        for bytes in [&[][..], &PING, &[0x89, 0xfd, 0, 0, 0, 0], &[0x82, 0xfe, 0, 126, 0, 0, 0, 0], &[0x89, 0xfe, 0]] {
            assert!(!is_endless_control(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn what_cannot_become_a_frame_is_seen_by_its_header() {
        let unknown = [0x83, 0x80, 0, 0, 0, 0];
        let longest = [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        for bytes in [&unknown[..], &longest, &BEGIN[..6]] {
            let wire = [&PING[..], bytes].concat();
            assert_eq!(walk(&wire, false, 0), Walk { whole: 6, between: Some(6), hopeless: true });
            assert!(!walk(&wire[..wire.len() - 1], false, 0).hopeless, "the header is not whole");
        }
    }
}
