//! What every input must satisfy, whatever it is: the bodies of the targets in `broker/fuzz`.
//!
//! They stand in the broker so that a fuzzer with its nightly compiler and the ordinary tests run the same: the tests
//! give them the inputs that are kept in `broker/fuzz/corpus`.

pub use crate::router::fuzzing::destinations;

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_kept_destinations_mean_one_place_in_every_spelling() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/destinations");
        let inputs = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path());
        let count = inputs.inspect(|path| super::destinations(&std::fs::read(path).unwrap())).count();
        assert!(count > 0, "{} is empty", corpus.display());
    }
}
