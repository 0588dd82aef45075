//! Pairs that are right, and every way in which they are not.

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Made {
    certificate: String,
    key: String,
}

/// A certificate for these names that holds from so many days ago, for so many days from now.
fn made(ago: u32, ahead: i64) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["lessons.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.not_before = (SystemTime::now() - DAY * ago).into();
    let moment = SystemTime::now();
    let days = u32::try_from(ahead.unsigned_abs()).unwrap();
    params.not_after = if ahead < 0 { moment - DAY * days } else { moment + DAY * days }.into();
    Made { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

fn files(directory: &TempDir, certificate: &str, key: &str) -> Files {
    let files =
        Files { certificate: directory.path().join("fullchain.pem"), key: directory.path().join("privkey.pem") };
    fs::write(&files.certificate, certificate).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

#[test]
fn a_pair_says_for_whom_and_until_when_it_holds() {
    let (directory, made) = (TempDir::new().unwrap(), made(1, 90));
    let pair = files(&directory, &made.certificate, &made.key).load().unwrap();
    assert_eq!(pair.names, ["lessons.example", "127.0.0.1"]);
    let left = pair.not_after.duration_since(SystemTime::now()).unwrap();
    assert!(left > DAY * 89 && left <= DAY * 90, "{left:?}");
}

#[test]
fn what_cannot_be_used_is_told_with_its_setting_and_what_to_do() {
    let (one, other) = (made(1, 90), made(1, 90));
    let both = format!("{}{}", other.certificate, one.certificate);
    let cut = &one.certificate[..one.certificate.len() / 2];
    let damaged = one.key.replace('M', "!");
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let directory = TempDir::new().unwrap();
    for (certificate, key, expected) in [
        ("", &*one.key, &[("tls.certificate", "There is no certificate in it")][..]),
        (&one.key, &one.key, &[("tls.certificate", "There is a key in it and no certificate")]),
        (cut, &one.key, &[("tls.certificate", "It is no PEM (a block has no end)")]),
        (no_certificate, &one.key, &[("tls.certificate", "cannot be read")]),
        (&one.certificate, "", &[("tls.key", "There is no private key in it")]),
        (&one.certificate, &one.certificate, &[("tls.key", "There is a certificate in it and no key")]),
        (&one.certificate, &damaged, &[("tls.key", "It is no PEM")]),
        (&one.certificate, encrypted, &[("tls.key", "openssl pkey")]),
        (&one.certificate, no_key, &[("tls.key", "not supported")]),
        (&one.certificate, &other.key, &[("tls.key", "It is not the key of the certificate")]),
        (&both, &one.key, &[("tls.certificate", "further down in it")]),
        ("", "", &[("tls.certificate", "no certificate"), ("tls.key", "no private key")]),
    ] {
        let faults = files(&directory, certificate, key).load().unwrap_err();
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, (setting, words)) in faults.iter().zip(expected) {
            assert!(fault.key == *setting && fault.remedy.contains(words), "{words}: {fault}");
            let lines = [&one.key, &other.key].map(|key| key.lines().nth(1).unwrap());
            assert!(lines.iter().all(|secret| !format!("{fault:?}").contains(secret)), "a key is told: {fault}");
        }
    }
}

#[test]
fn files_that_cannot_be_read_are_told_both_at_once() {
    let directory = TempDir::new().unwrap();
    let missing = Files { certificate: directory.path().join("a"), key: directory.path().to_owned() };
    let faults = missing.load().unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.key).collect::<Vec<_>>(), ["tls.certificate", "tls.key"]);
    assert!(faults[0].remedy.contains("where it is"), "{}", faults[0]);
}

#[test]
fn what_ends_or_does_not_hold_yet_is_told() {
    let directory = TempDir::new().unwrap();
    let now = SystemTime::now();
    let look = |made: &Made| {
        let files = files(&directory, &made.certificate, &made.key);
        let pair = files.load().unwrap();
        let untimely = files.untimely(&pair, now).map(|fault| fault.remedy);
        (untimely, files.warnings(&pair, now).iter().map(|fault| fault.remedy.clone()).collect::<String>())
    };
    let (untimely, warnings) = look(&made(1, 90));
    assert_eq!(untimely, None);
    assert!(warnings.contains("chmod") && !warnings.contains("ends in"), "{warnings}");
    let (untimely, warnings) = look(&made(80, 10));
    assert!(untimely.is_none() && warnings.contains("ends in"), "{warnings}");
    assert!(look(&made(100, -10)).0.unwrap().contains("ended 10 days ago"));
    let made = made(0, 90);
    let files = files(&directory, &made.certificate, &made.key);
    let fault = files.untimely(&files.load().unwrap(), now - DAY * 3).unwrap();
    assert!(fault.remedy.contains("holds only from now in"), "{fault}");
}
