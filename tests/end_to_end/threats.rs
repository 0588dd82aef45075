//! `deploy/SECURITY.md` names the tests that show what is defended: each of them is there.

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace around the tests").to_owned()
}

/// Where a test's file may be: a path that is written out, a script of the browsers, or a chapter of these tests.
fn file(name: &str) -> Option<PathBuf> {
    let root = root();
    let chapter = root.join("tests/end_to_end").join(name);
    let places = [
        root.join(name),
        root.join("tests/clients/browser").join(name),
        chapter.with_extension("rs"),
        chapter.join("mod.rs"),
    ];
    let written_out = name.contains(['/', '.']);
    let places = if written_out { &places[..2] } else { &places[2..] };
    places.iter().find(|place| place.exists()).cloned()
}

/// Whether there is such a file and, behind `::`, one test whose name is, or before `…` begins, so.
fn look_for(named: &str) -> Result<(), String> {
    let (name, test) = named.split_once("::").map_or((named, None), |(name, test)| (name, Some(test)));
    let path = file(name).ok_or_else(|| format!("`{named}`: there is no such file"))?;
    let Some(test) = test else { return Ok(()) };
    let text = std::fs::read_to_string(&path).map_err(|error| format!("`{named}`: {error}"))?;
    let begin = match test.strip_suffix('…') {
        Some(begin) => format!("fn {begin}"),
        None => format!("fn {test}("),
    };
    let tests = text.split("test]\n").skip(1).filter_map(|behind| behind.lines().next());
    match tests.filter(|line| line.contains(&begin)).count() {
        1 => Ok(()),
        count => Err(format!("`{named}`: {count} tests are called so")),
    }
}

/// What stands between backticks in the last column of the tables that have a column "Shown by".
fn named_tests(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut shown_by = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if !line.starts_with('|') {
            shown_by = false;
        } else if line.ends_with("| Shown by |") {
            shown_by = true;
        } else if shown_by && !line.starts_with("| ---") {
            let last = line.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
            found.push((number + 1, last.split('`').skip(1).step_by(2).collect()));
        }
    }
    found
}

#[test]
fn every_test_that_the_threats_name_is_there() {
    let text = std::fs::read_to_string(root().join("deploy/SECURITY.md")).expect("the threats");
    let named = named_tests(&text);
    assert!(named.len() > 30, "{} rows were found", named.len());
    let mut wrong = Vec::new();
    for (line, tests) in named {
        if tests.is_empty() {
            wrong.push(format!("line {line}: nothing shows it"));
        }
        let missing = tests.into_iter().filter_map(|test| look_for(test).err());
        wrong.extend(missing.map(|what| format!("line {line}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    assert!(look_for("threats::a_test_that_is_not_there_is_noticed").is_ok());
    assert!(look_for("threats::a_test_that_is_not_…").is_ok() && look_for("threats").is_ok());
    for wrong in
        ["threat", "threats::a_test", "threats::look_for", "threats::…", "broker/src/nothing.rs", "nothing.test.js"]
    {
        assert!(look_for(wrong).is_err(), "{wrong}");
    }
}
