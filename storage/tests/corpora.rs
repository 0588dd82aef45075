//! The damages that the fuzzer keeps, once each: the target never rots, and what was found once stays mended.

#[path = "../fuzz/checks/damage.rs"]
mod damage;

use std::path::Path;

#[test]
fn the_kept_damages_bring_no_wrong_message_and_stop_no_class() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/damage");
    let inputs = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path());
    let count = inputs.inspect(|path| damage::damage(&std::fs::read(path).unwrap())).count();
    assert!(count > 0, "{} is empty", corpus.display());
}
