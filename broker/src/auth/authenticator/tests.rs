//! All sources together, as the doors see them.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::auth::Source;
use crate::auth::keys::{Key, KeyFile, generate};
use crate::auth::register::change;
use crate::auth::token::{Signer, Statement};
use crate::auth::users::{User, UserFile, hash};
use crate::settings::Jwt;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECRET: &str = "a secret of forty bytes, for tests alone.";
const PASSWORD: &str = "canary-password";

struct School {
    _directory: TempDir,
    settings: Access,
    key: Secret,
}

impl School {
    fn new() -> School {
        let directory = TempDir::new().unwrap();
        let (users, keys) = (directory.path().join("users.toml"), directory.path().join("keys.toml"));
        let (key, sha256) = generate().unwrap();
        add_user(&users, "alice");
        change::<KeyFile, ()>(&keys, |keys| {
            let lists = (vec!["service".to_owned()], Vec::new(), Vec::new(), Vec::new());
            let (roles, classrooms, send, subscribe) = lists;
            keys.push(Key { name: "quiz".to_owned(), sha256, roles, classrooms, send, subscribe, expires: None });
            Ok(())
        })
        .unwrap();
        let jwt = Jwt { secret: Some(SECRET.into()), ..Jwt::default() };
        let settings = Access { users: Some(users), keys: Some(keys), jwt, ..Access::default() };
        School { _directory: directory, settings, key }
    }

    fn open(&self) -> Authenticator {
        Authenticator::open(&self.settings).unwrap()
    }
}

fn add_user(path: &Path, name: &str) {
    change::<UserFile, ()>(path, |users| {
        let (roles, classrooms) = (vec!["student".to_owned()], vec!["7b".to_owned()]);
        users.push(User { name: name.to_owned(), password: hash(&PASSWORD.into())?, roles, classrooms, called: None });
        Ok(())
    })
    .unwrap();
}

fn token(user: &str) -> Secret {
    let statement = Statement { user: user.to_owned(), lifetime: Duration::from_secs(60), ..Statement::default() };
    Signer::of_secret(&SECRET.into()).unwrap().sign(&statement, &Jwt::default().claims, SystemTime::now()).unwrap()
}

fn login(user: &str, password: &Secret) -> Credentials {
    Credentials::Login { user: user.to_owned(), password: password.clone() }
}

#[tokio::test]
async fn each_proof_says_who_it_is() {
    let school = School::new();
    let authenticator = school.open();
    let ticket = authenticator.tickets().issue(Principal { user: Some("eve".into()), ..Principal::default() }).unwrap();
    for (credentials, user) in [
        (login("alice", &PASSWORD.into()), "alice"),
        (Credentials::Bearer(token("bob")), "bob"),
        (login("bob", &token("bob")), "bob"),
        (login("", &token("bob")), "bob"),
        (Credentials::ApiKey(school.key.clone()), "quiz"),
        (login("quiz", &school.key), "quiz"),
        (Credentials::Ticket(ticket), "eve"),
    ] {
        let shown = format!("{credentials:?}");
        let principal = authenticator.authenticate(credentials, HERE).await.unwrap_or_else(|_| panic!("{shown}"));
        assert_eq!(principal.user.as_deref(), Some(user));
    }
    let let_in: Vec<_> = authenticator.tally().let_in().collect();
    assert_eq!(let_in, [("nothing", 0), ("password", 1), ("token", 3), ("key", 2), ("ticket", 1)]);
}

#[tokio::test]
async fn a_proof_of_somebody_else_or_of_nobody_is_none() {
    let school = School::new();
    let authenticator = school.open();
    for (credentials, denied) in [
        (Credentials::Nothing, Denied::Nothing),
        (login("alice", &"".into()), Denied::Password),
        (login("alice", &"wrong".into()), Denied::Password),
        (login("alice", &token("bob")), Denied::Login),
        (login("alice", &school.key), Denied::Login),
        (login("alice", &"hr_wrong".into()), Denied::Key),
        (Credentials::Ticket("wrong".into()), Denied::Ticket),
        (Credentials::Bearer("".into()), Denied::Token(token::Invalid::Shape)),
    ] {
        assert_eq!(authenticator.authenticate(credentials, HERE).await, Err(denied.clone()));
        assert!(!denied.is_retryable() && denied.code() == 101);
    }
    let denied: u64 = authenticator.tally().denied().map(|(_, count)| count).sum();
    assert_eq!(denied, 8);
}

#[tokio::test]
async fn those_who_bring_nothing_come_in_where_that_is_allowed() {
    let school = School::new();
    let settings = Access { anonymous: Some("guest".parse().unwrap()), ..school.settings.clone() };
    let authenticator = Authenticator::open(&settings).unwrap();
    let nobody = authenticator.authenticate(Credentials::Nothing, HERE).await.unwrap();
    assert_eq!((nobody.user.clone(), nobody.has_role("guest")), (None, true));
    // A wrong password is not nothing.
    assert!(authenticator.authenticate(login("alice", &"wrong".into()), HERE).await.is_err());
    assert!(!authenticator.is_open());
    assert!(Authenticator::open(&Access::default()).unwrap().is_open());
}

#[tokio::test]
async fn a_ticket_does_not_outlive_the_token_it_was_asked_for_with() {
    let authenticator = School::new().open();
    let expired = Principal { expires: Some(SystemTime::now() - Duration::from_secs(1)), ..Principal::default() };
    let ticket = authenticator.tickets().issue(expired).unwrap();
    assert_eq!(authenticator.authenticate(Credentials::Ticket(ticket), HERE).await, Err(Denied::Expired));
}

#[tokio::test]
async fn a_change_of_the_files_is_told() {
    let school = School::new();
    let authenticator = Arc::new(school.open());
    let mut changes = authenticator.changes();
    let keeping = tokio::spawn(authenticator.clone().keep_fresh());
    let zoe = login("zoe", &PASSWORD.into());
    assert!(authenticator.authenticate(zoe.clone(), HERE).await.is_err());
    add_user(school.settings.users.as_ref().unwrap(), "zoe");
    changes.changed().await.unwrap();
    let principal = authenticator.authenticate(zoe, HERE).await.unwrap();
    assert_eq!(authenticator.again(&principal).as_ref(), Some(&principal));
    let of_a_token = authenticator.authenticate(Credentials::Bearer(token("zoe")), HERE).await.unwrap();
    let no_key = Principal { source: Source::Keys, ..principal.clone() };
    assert!(authenticator.again(&of_a_token).is_some() && authenticator.again(&no_key).is_none());
    change::<UserFile, ()>(school.settings.users.as_ref().unwrap(), |users| {
        users.retain(|user| user.name != "zoe");
        Ok(())
    })
    .unwrap();
    changes.changed().await.unwrap();
    assert_eq!(authenticator.again(&principal), None);
    assert!(authenticator.again(&of_a_token).is_some(), "a token says the same as long as it holds");
    keeping.abort();
}

#[tokio::test]
async fn what_was_let_in_by_a_password_or_a_key_ends_with_it_and_so_do_tickets() {
    let school = School::new();
    let authenticator = school.open();
    let alice = authenticator.authenticate(login("alice", &PASSWORD.into()), HERE).await.unwrap();
    let quiz = authenticator.authenticate(Credentials::ApiKey(school.key.clone()), HERE).await.unwrap();
    let tickets = [&alice, &quiz].map(|principal| authenticator.tickets().issue(principal.clone()).unwrap());
    change::<UserFile, ()>(school.settings.users.as_ref().unwrap(), |users| {
        // A new hash, also of the same password.
        users[0].password = hash(&PASSWORD.into())?;
        Ok(())
    })
    .unwrap();
    change::<KeyFile, ()>(school.settings.keys.as_ref().unwrap(), |keys| {
        keys[0].sha256 = generate()?.1;
        Ok(())
    })
    .unwrap();
    assert!(authenticator.again(&alice).is_some() && authenticator.again(&quiz).is_some());
    authenticator.look();
    assert_eq!((authenticator.again(&alice), authenticator.again(&quiz)), (None, None));
    for ticket in tickets {
        assert_eq!(authenticator.authenticate(Credentials::Ticket(ticket), HERE).await, Err(Denied::Ticket));
    }
    assert!(authenticator.authenticate(login("alice", &PASSWORD.into()), HERE).await.is_ok());
}

#[tokio::test]
async fn a_new_secret_is_read_from_its_file_and_a_bad_one_is_not() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, SECRET).unwrap();
    let jwt = Jwt { secret_file: Some(path.clone()), ..Jwt::default() };
    let authenticator = Authenticator::open(&Access { jwt, ..Access::default() }).unwrap();
    let alice = Credentials::Bearer(token("alice"));
    let principal = authenticator.authenticate(alice.clone(), HERE).await.unwrap();
    let ticket = authenticator.tickets().issue(principal.clone()).unwrap();
    let changes = authenticator.changes();
    for bad in ["", "short", "\n"] {
        std::fs::write(&path, bad).unwrap();
        authenticator.look();
        assert!(authenticator.authenticate(alice.clone(), HERE).await.is_ok() && !changes.has_changed().unwrap());
    }
    // The same secret with a line end is the same secret.
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    authenticator.look();
    assert_eq!(authenticator.again(&principal).as_ref(), Some(&principal));
    std::fs::write(&path, "another secret of more than 32 bytes, for tests").unwrap();
    authenticator.look();
    assert!(changes.has_changed().unwrap());
    assert_eq!(authenticator.again(&principal), None);
    let signature = Denied::Token(token::Invalid::Signature);
    assert_eq!(authenticator.authenticate(alice, HERE).await, Err(signature));
    assert_eq!(authenticator.authenticate(Credentials::Ticket(ticket), HERE).await, Err(Denied::Ticket));
}

#[test]
fn everything_that_cannot_be_used_is_told_at_once() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    };
    let settings = Access {
        users: Some(file("users.toml", "")),
        keys: Some(directory.path().join("missing.toml")),
        jwt: Jwt {
            secret_file: Some(file("secret", "canary\n")),
            public_keys: vec![file("public.pem", "canary").display().to_string().parse().unwrap()],
            ..Jwt::default()
        },
        ..Access::default()
    };
    let Unusable(faults) = Authenticator::open(&settings).unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["access.users", "access.keys", "access.jwt.secret_file", "access.jwt.public_keys"]);
    let told = Unusable(faults).to_string();
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let school = School::new();
    let authenticator = school.open();
    let ticket = authenticator.tickets().issue(Principal::default()).unwrap();
    let shown =
        format!("{authenticator:?} {:?} {:?} {:?}", school.settings, school.key, login("alice", &token("alice")));
    for secret in [SECRET, PASSWORD, school.key.expose(), ticket.expose(), "$argon2", "eyJ"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// All that is written to logs while this lives.
#[derive(Clone, Default)]
struct Heard(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_credential_is_in_a_log_at_any_level() {
    let heard = Heard::default();
    let writer = heard.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let school = School::new();
    let authenticator = school.open();
    let ticket = authenticator.tickets().issue(Principal::default()).unwrap();
    let good = token("alice");
    let forged = format!("{}x", good.expose());
    let secrets =
        [PASSWORD, "canary-wrong", good.expose(), &forged, school.key.expose(), ticket.expose(), "hr_canary", SECRET];
    for credentials in [
        login("alice", &PASSWORD.into()),
        login("alice", &"canary-wrong".into()),
        login("nobody", &"canary-wrong".into()),
        Credentials::Bearer(good.clone()),
        Credentials::Bearer(forged.as_str().into()),
        login("bob", &good),
        Credentials::ApiKey(school.key.clone()),
        Credentials::ApiKey("hr_canary".into()),
        Credentials::Ticket(ticket.clone()),
        Credentials::Ticket(ticket.clone()),
    ] {
        let _ = authenticator.authenticate(credentials, HERE).await;
    }
    let heard = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
    assert!(heard.contains("not let in"), "{heard}");
    for secret in secrets {
        let parts = secret.split('.').filter(|part| part.len() >= 6);
        assert!(parts.into_iter().all(|part| !heard.contains(part)), "{secret} in {heard}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_credentials_panic(user: String, text: String) {
        let authenticator = Authenticator::open(&Access {
            jwt: Jwt { secret: Some(SECRET.into()), ..Jwt::default() },
            ..Access::default()
        }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for credentials in [
            Credentials::of_connect(Some(&user), Some(&text), None),
            Credentials::of_authorization(&text),
            Credentials::Bearer(text.as_str().into()),
            Credentials::ApiKey(format!("hr_{text}").into()),
            Credentials::Ticket(text.as_str().into()),
        ] {
            prop_assert!(runtime.block_on(authenticator.authenticate(credentials, HERE)).is_err());
        }
    }
}
