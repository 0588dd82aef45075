//! Keys of services.

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::auth::register::{change, parse};

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key(name: &str, sha256: String) -> Key {
    Key {
        name: name.to_owned(),
        sha256,
        roles: vec!["service".to_owned()],
        classrooms: Vec::new(),
        send: vec!["/topic/**".to_owned()],
        subscribe: vec!["/queue/grading".to_owned()],
        expires: None,
    }
}

fn add(path: &Path, key: Key) {
    change::<KeyFile, ()>(path, |keys| {
        keys.push(key);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_key_opens_until_it_expires_or_goes() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keys.toml");
    let (for_ever, short_lived) = (generate().unwrap(), generate().unwrap());
    add(&path, key("quiz-service", for_ever.1));
    add(&path, Key { expires: Some(NOW), ..key("visitor", short_lived.1) });
    let keys = Keys::open(path.clone()).unwrap();
    let principal = keys.principal(&for_ever.0, at(NOW)).unwrap();
    assert_eq!((principal.user.as_deref(), principal.proof.as_deref()), (Some("quiz-service"), Some("quiz-service")));
    let granted: Vec<_> = principal.grants.iter().map(|(verb, place)| (&**verb, &**place)).collect();
    assert_eq!(granted, [("send", "/topic/**"), ("subscribe", "/queue/grading")]);
    assert_eq!((principal.expires, principal.has_role("service")), (None, true));
    assert_eq!(keys.principal(&short_lived.0, at(NOW - 1)).unwrap().expires, Some(at(NOW)));
    assert_eq!(keys.principal(&short_lived.0, at(NOW)), Err(Denied::Key));
    change::<KeyFile, ()>(&path, |keys| {
        keys.remove(0);
        Ok(())
    })
    .unwrap();
    assert!(keys.look());
    assert_eq!(keys.principal(&for_ever.0, at(NOW)), Err(Denied::Key));
}

#[test]
fn what_is_no_key_of_ours_opens_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keys.toml");
    let (own, hash) = generate().unwrap();
    add(&path, key("quiz-service", hash.clone()));
    let keys = Keys::open(path.clone()).unwrap();
    assert!(own.expose().starts_with("hr_") && own.expose().len() == TEXT_BYTES && looks_like_one(own.expose()));
    let own = own.expose();
    let long = format!("{own}{}", "A".repeat(1 << 20));
    let cut = &own[..own.len() - 1];
    let lower = own.to_lowercase();
    let other = generate().unwrap().0;
    for wrong in ["", "hr_", cut, &long, &lower, &hash, other.expose(), "hr_😀", &own[3..]] {
        assert_eq!(keys.principal(&wrong.into(), at(NOW)), Err(Denied::Key));
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&own[3..]) && text.contains(&hash));
}

#[test]
fn a_file_of_keys_that_cannot_be_relied_on_is_refused() {
    let hash = generate().unwrap().1;
    let entry = |name: &str, rest: &str| format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n{rest}\n");
    for (text, told) in [
        (String::new(), "lost its content"),
        (entry("a", ""), "version"),
        (format!("version = 1\n{}{}", entry("a", ""), entry("a", "")), "stands twice"),
        (format!("version = 1\n{}{}", entry("a", ""), entry("b", "")), "same key"),
        (format!("version = 1\n{}", entry("a", "sent = [\"/topic/**\"]")), "sent"),
        (format!("version = 1\n{}", entry("a", "send = [\"topic\"]")), "no destination"),
        (format!("version = 1\n{}", entry("a", "send = \"/topic/**\"")), "Line"),
        (format!("version = 1\n{}", entry("a", "expires = \"soon\"")), "Line"),
        (format!("version = 1\n{}", entry("a", "expires = -5")), "Line"),
        (format!("version = 1\n{}", entry("a", "expires = 9999999999999")), "10000"),
        (format!("version = 1\n{}", entry("a", "").replace(&hash, "abc")), "64 hexadecimal"),
        (format!("version = 1\n{}", entry("a", "").replace(&hash, &hash.to_uppercase())), "64 hexadecimal"),
    ] {
        let what = ByHash::read(&text).expect_err(&text);
        assert!(what.contains(told), "{text}\n{what}");
    }
    assert_eq!(parse::<KeyFile>("version = 1").unwrap().len(), 0);
}
