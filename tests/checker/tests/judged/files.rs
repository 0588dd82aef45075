//! Histories on the disk, and the command that judges them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use homeroom_checker::{Entry, Event, HistoryError, Recorder, judge, read};

use crate::bugs::Bug;
use crate::world::run;

/// Writes a history as its actors would: a file for each.
fn write(folder: &Path, entries: &[Entry]) {
    let mut files = std::collections::BTreeMap::<String, String>::new();
    for entry in entries {
        let line = serde_json::to_string(entry).expect("it is JSON");
        let file = files.entry(format!("{}.jsonl", entry.actor)).or_default();
        *file += &line;
        file.push('\n');
    }
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("the folder takes a file");
    }
}

fn command(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_homeroom-checker")).arg(folder).output().expect("it was built")
}

#[test]
fn what_several_actors_wrote_is_one_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let (entries, _) = run(1, 300, None);
    write(folder.path(), &entries);
    assert_eq!(read(&[folder.path().to_owned()]).expect("it can be read"), entries);
    let output = command(folder.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("every promise was kept"));
}

#[test]
fn the_command_shows_the_events_that_prove_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (entries, _) = run(1, 300, Some(Bug::LeavesOneOut));
    write(folder.path(), &entries);
    let output = command(folder.path());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("NothingLeftOut: reader-") && text.contains("\"message\""), "{text}");
}

#[test]
fn half_a_line_of_a_killed_actor_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (entries, _) = run(1, 300, None);
    write(folder.path(), &entries);
    let path = folder.path().join("p0.jsonl");
    let whole = fs::read_to_string(&path).expect("it is there");
    fs::write(&path, format!("{whole}{{\"at\":99")).expect("it can be written");
    assert_eq!(read(&[folder.path().to_owned()]).expect("it can be read"), entries);
}

#[test]
fn a_history_with_a_hole_is_not_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let (entries, _) = run(1, 300, None);
    write(folder.path(), &entries);
    let path = folder.path().join("p0.jsonl");
    let text = fs::read_to_string(&path).expect("it is there");
    let holed: Vec<&str> = text.lines().enumerate().filter(|(line, _)| *line != 3).map(|(_, text)| text).collect();
    fs::write(&path, holed.join("\n")).expect("it can be written");
    let error = read(&[folder.path().to_owned()]).expect_err("a step is missing");
    assert!(matches!(error, HistoryError::Step { expected: 3, found: 4, .. }), "{error}");
    let output = command(folder.path());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("p0: step 4 where 3 should be"), "{output:?}");
}

#[test]
fn a_line_that_is_no_entry_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("odd.jsonl");
    fs::write(&path, "{\"at\":1,\"actor\":\"a\",\"step\":0,\"did\":\"up\"}\nwhat?\n").expect("it can be written");
    let error = read(&[path]).expect_err("the second line is none").to_string();
    assert!(error.contains("odd.jsonl:2: ") && error.contains("at, actor, step and did"), "{error}");
}

#[test]
fn a_recorder_writes_what_can_be_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("here.jsonl");
    let recorder = Recorder::into_file(&path).expect("the folder takes a file");
    recorder.note("broker", Event::Up);
    recorder.note("killer", Event::Down);
    recorder.note("broker", Event::Up);
    let entries = read(&[path]).expect("it can be read");
    assert_eq!(entries, recorder.entries());
    assert!(judge(&entries).violations.is_empty());
}
