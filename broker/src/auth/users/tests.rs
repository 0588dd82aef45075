//! Users of a file, with right and wrong passwords.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tempfile::TempDir;

use super::*;
use crate::auth::register::{Register, change, parse};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn user(name: &str, password: &str) -> User {
    User {
        name: name.to_owned(),
        password: hash(&password.into()).unwrap(),
        roles: vec!["student".to_owned()],
        classrooms: vec!["7b".to_owned()],
        called: Some("Alice A.".to_owned()),
    }
}

fn add(path: &Path, user: User) {
    change::<UserFile, ()>(path, |users| {
        users.push(user);
        Ok(())
    })
    .unwrap();
}

fn file_of_alice() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("users.toml");
    add(&path, user("alice", "correct horse"));
    (directory, path)
}

fn open(path: &Path) -> Users {
    Users::open(path.to_owned(), &Access { login_failures_per_account: 3, ..Access::default() }).unwrap()
}

#[tokio::test]
async fn the_right_password_lets_in_and_no_other() {
    let (_directory, path) = file_of_alice();
    let users = open(&path);
    let principal = users.principal("alice", &"correct horse".into(), HERE).await.unwrap();
    assert_eq!((principal.user.as_deref(), principal.name.as_deref()), (Some("alice"), Some("Alice A.")));
    assert_eq!((&*principal.roles, &*principal.classrooms), (&["student".into()][..], &["7b".into()][..]));
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    for (name, password) in
        [("alice", "correct hors"), ("alice", ""), ("bob", "correct horse"), ("", "x"), ("a\nb", "x"), ("alice", &long)]
    {
        let denied = users.principal(name, &password.into(), HERE).await;
        assert_eq!(denied, Err(Denied::Password), "{name:?} {password:?}");
    }
}

#[tokio::test]
async fn guessing_is_stopped_and_keeps_nobody_out_who_was_in() {
    let (_directory, path) = file_of_alice();
    add(&path, user("bob", "battery staple"));
    let users = open(&path);
    assert!(users.principal("alice", &"correct horse".into(), HERE).await.is_ok());
    for name in ["alice", "bob", "nobody"] {
        for _ in 0..3 {
            assert_eq!(users.principal(name, &"a guess".into(), HERE).await, Err(Denied::Password));
        }
        let denied = users.principal(name, &"a guess".into(), HERE).await.unwrap_err();
        assert!(matches!(denied, Denied::Failures { again } if again <= Duration::from_secs(60)), "{name}: {denied:?}");
    }
    assert!(users.principal("alice", &"correct horse".into(), HERE).await.is_ok());
    // Who has not been in yet waits with the guessers.
    assert!(matches!(users.principal("bob", &"battery staple".into(), HERE).await, Err(Denied::Failures { .. })));
}

#[tokio::test]
async fn an_empty_password_is_no_guess() {
    let (_directory, path) = file_of_alice();
    let users = open(&path);
    for _ in 0..10 {
        assert_eq!(users.principal("alice", &"".into(), HERE).await, Err(Denied::Password));
    }
    assert!(users.principal("alice", &"correct horse".into(), HERE).await.is_ok());
}

#[tokio::test]
async fn guesses_at_once_are_counted_as_those_in_a_row() {
    let (_directory, path) = file_of_alice();
    let users = Arc::new(open(&path));
    let guesses: Vec<_> = (0..40)
        .map(|number: u32| {
            let users = users.clone();
            tokio::spawn(async move { users.principal("alice", &format!("guess {number}").into(), HERE).await })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        looked_at += usize::from(guess.await.unwrap() == Err(Denied::Password));
    }
    assert_eq!(looked_at, 3);
}

#[tokio::test]
async fn whoever_hangs_up_in_time_has_guessed_all_the_same() {
    let (_directory, path) = file_of_alice();
    let users = open(&path);
    for number in 0..3 {
        let guess = Secret::from(format!("guess {number}"));
        // Polled once, the hash is under way; then its guesser is gone.
        assert!(users.principal("alice", &guess, HERE).now_or_never().is_none());
        // The next one has a turn when the hash has ended.
        drop(users.hashes.turn().await);
    }
    let denied = users.principal("alice", &"correct horse".into(), HERE).await;
    assert!(matches!(denied, Err(Denied::Failures { .. })), "{denied:?}");
}

#[tokio::test]
async fn a_file_that_changes_is_followed_and_a_broken_one_is_not() {
    let (_directory, path) = file_of_alice();
    let users = open(&path);
    assert!(!users.look());
    assert!(users.principal("alice", &"correct horse".into(), HERE).await.is_ok());
    change::<UserFile, ()>(&path, |users| {
        users[0].password = hash(&"a new password".into())?;
        Ok(())
    })
    .unwrap();
    assert!(users.look());
    assert_eq!(users.principal("alice", &"correct horse".into(), HERE).await, Err(Denied::Password));
    assert!(users.principal("alice", &"a new password".into(), HERE).await.is_ok());
    std::fs::write(&path, "").unwrap();
    assert!(!users.look() && !users.look());
    assert!(users.principal("alice", &"a new password".into(), HERE).await.is_ok());
    std::fs::remove_file(&path).unwrap();
    assert!(!users.look());
    assert!(users.principal("alice", &"a new password".into(), HERE).await.is_ok());
    add(&path, user("bob", "battery staple"));
    assert!(users.look());
    assert_eq!(users.principal("alice", &"a new password".into(), HERE).await, Err(Denied::Password));
    assert!(users.principal("bob", &"battery staple".into(), HERE).await.is_ok());
}

/// Files that keep a broker from starting, and what it says of them.
#[test]
fn a_file_that_cannot_be_relied_on_is_refused() {
    let good_hash = hash(&"x".into()).unwrap();
    let entry = |name: &str, rest: &str| format!("[[users]]\nname = {name:?}\npassword = \"{good_hash}\"\n{rest}\n");
    let alice = entry("alice", "");
    let with_hash = |hash: &str| format!("version = 1\n[[users]]\nname = \"alice\"\npassword = \"{hash}\"\n");
    let dear = good_hash.replace("m=19456", "m=4194304");
    let slow = good_hash.replace("t=2", "t=4000000");
    for (text, told) in [
        (String::new(), "lost its content"),
        (" \n\t\n".to_owned(), "lost its content"),
        ("# nothing but a remark\n".to_owned(), "version"),
        (alice.clone(), "version"),
        (format!("version = 2\n{alice}"), "version 2"),
        (format!("version = \"1\"\n{alice}"), "Line 1"),
        (format!("version = 1\nuser = []\n{alice}"), "user"),
        (format!("version = 1\n{alice}{alice}"), "stands twice"),
        (format!("version = 1\n{}", entry("", "")), "1 to 128 bytes"),
        (format!("version = 1\n{}", entry("a\tb", "").replace("a\\tb", "a\\u0000b")), "control"),
        (format!("version = 1\n{}", entry("alice", "rolls = [\"teacher\"]")), "rolls"),
        (format!("version = 1\n{}", entry("alice", "roles = \"teacher\"")), "Line"),
        (format!("version = 1\n{}", entry("alice", "roles = [\"\"]")), "role"),
        (format!("version = 1\n{}", entry("alice", "classrooms = [7]")), "Line"),
        ("version = 1\n[[users]]\nname = \"alice\"\n".to_owned(), "password"),
        ("version = 1\nusers = [\"alice\"]\n".to_owned(), "Line 2"),
        (with_hash("secret"), "no hash"),
        (with_hash("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"), "hash"),
        (
            with_hash("$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            "argon2id",
        ),
        (with_hash(&dear), "costs more"),
        (with_hash(&slow), "costs more"),
        (format!("version = 1\n{alice}").replacen('[', "", 1), "Line"),
        ("{\"users\": []}".to_owned(), "Line 1"),
    ] {
        let what = parse::<UserFile>(&text).expect_err(&text);
        assert!(what.contains(told), "{text}\n{what}");
        assert!(!what.contains("$argon2") && !what.contains("secret"), "{what}");
    }
    assert_eq!(parse::<UserFile>("version = 1\n").unwrap().len(), 0);
}

#[test]
fn a_file_that_others_can_write_or_that_is_none_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = file_of_alice();
    let refused = |path: &Path| Users::open(path.to_owned(), &Access::default()).unwrap_err();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for mode in [0o620, 0o602, 0o666] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(refused(&path).remedy.contains("chmod go-w"));
    }
    assert!(refused(directory.path()).remedy.contains("no file"));
    let missing = refused(&directory.path().join("missing.toml"));
    assert_eq!(missing.key, "access.users");
    assert!(missing.value.ends_with("missing.toml") && missing.remedy.contains("homeroom user add"), "{missing}");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refused(&path).remedy.contains("UTF-8"));
}

#[test]
fn changes_at_the_same_time_are_all_kept() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("users.toml");
    let one = user("name", "correct horse");
    std::thread::scope(|threads| {
        for number in 0..20 {
            let (path, one) = (&path, &one);
            threads.spawn(move || add(path, User { name: format!("user-{number}"), ..one.clone() }));
        }
    });
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(parse::<UserFile>(&text).unwrap().len(), 20);
    assert!(text.starts_with(UserFile::HEADING));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else stays behind");
}

#[test]
fn a_link_stays_a_link() {
    let (directory, path) = file_of_alice();
    let link = directory.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    add(&link, user("bob", "battery staple"));
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(parse::<UserFile>(&std::fs::read_to_string(&path).unwrap()).unwrap().len(), 2);
}

#[test]
fn what_is_shown_of_users_holds_no_hash() {
    let (_directory, path) = file_of_alice();
    let users = open(&path);
    assert!(!format!("{users:?}").contains("argon2"), "{users:?}");
}
