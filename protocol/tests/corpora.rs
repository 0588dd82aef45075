//! Every input that the fuzzers keep, through the same bodies: a target never rots, and what was found once stays mended.

#[path = "../fuzz/checks/decode.rs"]
mod decode;
#[path = "../fuzz/checks/frames.rs"]
mod frames;
#[path = "../fuzz/checks/session.rs"]
#[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
mod session;

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs = std::fs::read_dir(&corpus).expect("a corpus").map(|entry| entry.expect("an input").path());
    let count = inputs.inspect(|path| body(&std::fs::read(path).expect("an input"))).count();
    assert!(count > 0, "{} is empty", corpus.display());
}

#[test]
fn the_kept_bytes_are_decoded_alike_however_they_are_cut() {
    replay("decode", decode::decode);
}

#[test]
fn the_kept_frames_come_back_as_they_were() {
    replay("frames", frames::frames);
}

#[test]
fn the_kept_conversations_break_no_session() {
    replay("session", session::session);
}
