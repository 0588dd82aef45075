//! A bit of the data directory flips, or its end is gone, while nobody looks: the broker starts all the same, what it
//! serves is true, the classroom that lost something is named, and the others go on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use homeroom_tests::{Broker, Client, Frame, Random, Setup, directory_bytes};

use crate::asked;

const ROOMS: [&str; 3] = ["7a", "7b", "8c"];
const MESSAGES: usize = 120;

/// What each classroom holds.
type Truth = BTreeMap<&'static str, Vec<String>>;

async fn filled(setup: &Setup) -> Truth {
    let mut broker = setup.start().await;
    let mut teacher = Client::signed_in_over_tcp(&broker, "teacher").await;
    let mut truth = Truth::new();
    for number in 0..MESSAGES {
        for room in ROOMS {
            let body = format!("{room} {number} {}", "x".repeat(200));
            let send = Frame::new("SEND").with("destination", format!("/topic/{room}"));
            teacher.request(send.body(&*body)).await;
            truth.entry(room).or_default().push(body);
        }
    }
    broker.terminate();
    broker.exited().await;
    truth
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "ballast" {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// All files with something in them, nearly always the database.
fn victim(directory: &Path, random: &mut Random) -> PathBuf {
    let database = directory.join("sled/db");
    if random.below(8) > 0 {
        return database;
    }
    let files = [directory, &directory.join("sled")].map(|folder| std::fs::read_dir(folder).expect("a directory"));
    let paths = files.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| path.is_file() && directory_bytes_of(path) > 0).collect();
    paths.sort();
    paths.swap_remove(random.below(paths.len() as u64) as usize)
}

fn directory_bytes_of(file: &Path) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

fn flip(directory: &Path, random: &mut Random) -> String {
    let file = victim(directory, random);
    let mut bytes = std::fs::read(&file).expect("the file");
    // The end may be room that was never written.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(bytes.len(), |last| last + 1);
    let bit = random.below(used as u64 * 8) as usize;
    bytes[bit / 8] ^= 1 << (bit % 8);
    std::fs::write(&file, bytes).expect("the damaged file");
    format!("bit {bit} of {}", file.display())
}

fn truncate(directory: &Path, random: &mut Random) -> String {
    let file = victim(directory, random);
    let left = random.below(directory_bytes_of(&file));
    std::fs::File::options().write(true).open(&file).and_then(|file| file.set_len(left)).expect("a shorter file");
    format!("{} cut to {left}", file.display())
}

/// What became of a damaged directory.
#[derive(Default, Debug)]
struct Fates {
    whole: u64,
    named: u64,
}

/// Looks at each classroom as a student does: what comes is what was sent, and whatever does not come is said to be
/// gone.
async fn judge(broker: &Broker, truth: &Truth, what: &str) -> bool {
    let log = broker.stderr();
    assert!(!log.contains("panicked at"), "{what}: {log}");
    let mut is_whole = true;
    for (room, bodies) in truth {
        let place = format!("/topic/{room}");
        let mut student = Client::signed_in_over_tcp(broker, "student").await;
        let receipt = student.subscribe("all", &place, &[("x-stream-offset", "first")]).await;
        let is_named = log.lines().any(|line| line.contains("damaged") && line.contains(&format!("topic/{room}")));
        let found = everything(&mut student, &place, is_named).await;
        assert!(found.iter().all(|body| bodies.contains(body)), "{what}: {room} has what nobody sent");
        let is_all = found == *bodies;
        assert!(is_all || is_named, "{what}: {room} lost {} in silence: {receipt}\n{log}", bodies.len() - found.len());
        is_whole &= is_all && !is_named;
    }
    // A class must start, whatever happened.
    Client::signed_in_over_tcp(broker, "teacher").await.publish("/topic/next", "go on").await;
    is_whole
}

/// All that comes before what is sent now; a damaged classroom takes nothing, and ends with what it has.
async fn everything(student: &mut Client, place: &str, is_named: bool) -> Vec<String> {
    let last = Frame::new("SEND").with("destination", place).with("receipt", "last");
    student.send(&last.body("the end")).await;
    let mut found = Vec::new();
    loop {
        let frame = student.frame().await;
        match &*frame.command {
            "MESSAGE" if frame.text() == "the end" => return found,
            "MESSAGE" => found.push(frame.text().to_owned()),
            "ERROR" => {
                assert!(is_named, "{frame}");
                assert!(!frame.to_string().contains("panic"), "{frame}");
                return found;
            }
            _ => {}
        }
    }
}

async fn each_is_judged(name: &str, count: u64, damage: impl Fn(&Path, &mut Random) -> String) -> Fates {
    let mut random = Random::printed(name);
    let original = Setup::default();
    let truth = filled(&original).await;
    let mut fates = Fates::default();
    for _ in 0..count {
        let setup = Setup::default().environment("HOMEROOM__LOG__FILTER", "info");
        copy(original.data_directory(), setup.data_directory());
        let what = damage(setup.data_directory(), &mut random);
        let broker = setup.start().await;
        *(if judge(&broker, &truth, &what).await { &mut fates.whole } else { &mut fates.named }) += 1;
    }
    let bytes = directory_bytes(&original.data_directory().join("sled"));
    println!("{count} × {name}, most of them in a database of {bytes} B: {fates:?}, 0 wrong payloads, 0 silent losses");
    fates
}

/// `HOMEROOM_FLIPS=1000` makes it the long run.
#[tokio::test]
async fn a_flipped_bit_is_served_to_nobody_and_lost_to_nobody_in_silence() {
    let fates = each_is_judged("a flipped bit", asked("HOMEROOM_FLIPS", 8), flip).await;
    assert_eq!(fates.whole + fates.named, asked("HOMEROOM_FLIPS", 8));
}

/// `HOMEROOM_TRUNCATIONS=200` makes it the long run.
#[tokio::test]
async fn a_directory_cut_short_is_lost_to_nobody_in_silence() {
    let count = asked("HOMEROOM_TRUNCATIONS", 6);
    let fates = each_is_judged("a truncation", count, truncate).await;
    assert!(fates.named > 0 || count < 20, "cuts that lose nothing test nothing: {fates:?}");
}
