//! A pair takes another's place whole and right, or not at all.

use std::fs;

use homeroom_storage::{EngineKind, Settings};
use rcgen::KeyPair;
use tempfile::TempDir;

use super::*;
use crate::auth::Authenticator;
use crate::settings::Access;

struct Stage {
    directory: TempDir,
    reload: Reload,
    current: Arc<Current>,
}

fn pair(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key: KeyPair = made.signing_key;
    (made.cert.pem(), key.serialize_pem())
}

impl Stage {
    fn new() -> Stage {
        let directory = TempDir::new().unwrap();
        let files = Files { certificate: directory.path().join("c.pem"), key: directory.path().join("k.pem") };
        let (certificate, key) = pair("one.example");
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        let store = homeroom_storage::open(&Settings { engine: EngineKind::Memory, ..Settings::default() }).unwrap();
        let access = Arc::new(Authenticator::open(&Access::default()).unwrap());
        let (reload, current) = Reload::begin(files, Metrics::new(store, Arc::default(), access, None)).unwrap();
        Stage { directory, reload, current }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.directory.path().join(file), text).unwrap();
    }

    /// The name in use after a look.
    fn look(&mut self, asked: bool) -> String {
        let contents = self.reload.files.read();
        self.reload.look(contents, asked, SystemTime::now());
        self.current.0.load().names.join(" ")
    }

    fn counted(&self, result: &str) -> u32 {
        let text = self.reload.metrics.render();
        let line = text.lines().find(|line| line.contains(&format!("tls_reloads_total{{result=\"{result}\"}}")));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

#[tokio::test]
async fn a_pair_that_is_found_twice_takes_the_place_of_the_one_before() {
    let mut stage = Stage::new();
    let (certificate, key) = pair("two.example");
    assert_eq!(stage.look(false), "one.example");
    stage.write("c.pem", &certificate);
    assert_eq!(stage.look(false), "one.example", "the key is still to come");
    stage.write("k.pem", &key);
    assert_eq!(stage.look(false), "one.example");
    assert_eq!(stage.look(false), "two.example");
    assert_eq!(stage.look(false), "two.example");
    assert_eq!((stage.counted("taken"), stage.counted("refused")), (1, 0));
}

#[tokio::test]
async fn a_broken_pair_is_told_of_once_and_the_one_before_stays() {
    let mut stage = Stage::new();
    let (certificate, key) = pair("two.example");
    stage.write("c.pem", &certificate);
    for _ in 0..5 {
        assert_eq!(stage.look(false), "one.example");
    }
    assert_eq!(stage.counted("refused"), 1);
    stage.write("c.pem", "half a file");
    assert_eq!((stage.look(false), stage.look(false)), ("one.example".to_owned(), "one.example".to_owned()));
    fs::remove_file(stage.directory.path().join("k.pem")).unwrap();
    for _ in 0..5 {
        assert_eq!(stage.look(false), "one.example");
    }
    assert_eq!(stage.counted("refused"), 3);
    stage.write("c.pem", &certificate);
    stage.write("k.pem", &key);
    stage.look(false);
    assert_eq!(stage.look(false), "two.example");
}

#[tokio::test]
async fn who_asks_is_answered_at_once() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(true), "one.example");
    let (certificate, key) = pair("two.example");
    stage.write("c.pem", &certificate);
    assert_eq!(stage.look(true), "one.example");
    stage.write("k.pem", &key);
    assert_eq!(stage.look(true), "two.example");
    assert_eq!((stage.counted("taken"), stage.counted("refused")), (2, 1));
}
