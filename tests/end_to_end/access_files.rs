//! The files that say who may come in, as an operator makes them on the command line.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use homeroom_tests::{Broker, Setup, binary, get, metric};
use tempfile::TempDir;

const SECRET: &str = "canary-secret-of-more-than-32-bytes";

/// A directory with a configuration, as an operator's.
struct Office(TempDir);

impl Office {
    fn new(config: &str) -> Office {
        let directory = TempDir::with_prefix("homeroom-test-").expect("a temporary directory");
        std::fs::write(directory.path().join("homeroom.toml"), config).expect("the configuration is written");
        Office(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file is written");
    }

    /// Runs the program, with that on its standard input.
    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.path()).env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program runs");
        // Whoever does not read its input has closed it.
        let _ = process.stdin.take().expect("piped").write_all(input.as_bytes());
        process.wait_with_output().expect("it ends")
    }

    /// What it prints, where it is expected to succeed.
    fn prints(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// What it says, where it is expected to refuse with that code.
    fn refuses(&self, arguments: &[&str], input: &str, code: i32) -> String {
        let output = self.run(arguments, input);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        said
    }
}

const CONFIG: &str = "[access]\nusers = \"users.toml\"\nkeys = \"keys.toml\"\n";

#[test]
fn users_come_change_and_go() {
    let office = Office::new(CONFIG);
    let add = ["user", "add", "alice", "--role", "student", "--classroom", "7b", "--name", "Alice", "--password-stdin"];
    office.prints(&add, "canary horse\n");
    let first = office.read("users.toml");
    assert!(first.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !first.contains("canary"), "{first}");
    assert!(office.refuses(&add, "canary horse\n", 1).contains("user passwd alice"));
    office.prints(&["user", "passwd", "alice", "--password-stdin"], "another horse\n");
    assert_ne!(office.read("users.toml"), first);
    office
        .prints(&["user", "add", "bob", "--role", "student", "--role", "helper", "--password-stdin"], "battery staple");
    assert_eq!(
        office.prints(&["user", "list"], ""),
        "USER   ROLES            CLASSROOMS  CALLED\nalice  student          7b          Alice\nbob    student, helper\n"
    );
    let listed: serde_json::Value = serde_json::from_str(&office.prints(&["user", "list", "--json"], "")).unwrap();
    assert_eq!((&listed[0]["called"], &listed[1]["roles"][1]), (&"Alice".into(), &"helper".into()));
    office.prints(&["user", "remove", "alice"], "");
    assert!(office.refuses(&["user", "remove", "alice"], "", 1).contains("alice"));
    assert!(office.refuses(&["user", "passwd", "alice", "--password-stdin"], "x", 1).contains("alice"));
    assert!(!office.prints(&["user", "list"], "").contains("alice"));
}

#[test]
fn a_user_that_cannot_be_is_refused_before_anything_is_written() {
    let office = Office::new(CONFIG);
    for (name, more, password, told) in [
        ("alice", vec!["--role", "student", "--password-stdin"], "short\n", "at least 8 characters"),
        ("alice", vec!["--role", "student", "--password-stdin"], "", "at least 8 characters"),
        ("alice", vec!["--role", "student"], "canary horse\n", "--password-stdin"),
        ("alice", vec!["--password-stdin"], "canary horse\n", "--role"),
        ("", vec!["--role", "student", "--password-stdin"], "canary horse\n", "name must be"),
        ("a\nb", vec!["--role", "student", "--password-stdin"], "canary horse\n", "control characters"),
        ("alice", vec!["--role", "", "--password-stdin"], "canary horse\n", "role must be"),
    ] {
        let arguments: Vec<&str> = ["user", "add", name].into_iter().chain(more).collect();
        let said = office.refuses(&arguments, password, 2);
        assert!(said.contains(told) && !said.contains("canary"), "{said}");
    }
    assert!(!office.path().join("users.toml").exists());
    let nowhere = Office::new("");
    let said = nowhere.refuses(&["user", "list"], "", 2);
    assert!(said.contains("access.users") && said.contains("--file"), "{said}");
    let add = ["user", "add", "alice", "--role", "student", "--password-stdin", "--file", "mine.toml"];
    nowhere.prints(&add, "canary horse\n");
    assert!(nowhere.read("mine.toml").contains("alice"));
}

#[test]
fn a_key_is_shown_once_and_kept_as_a_hash() {
    let office = Office::new(CONFIG);
    let add = ["key", "add", "quiz", "--send", "/topic/**", "--subscribe", "/queue/grading", "--expires", "90d"];
    let key = office.prints(&add, "");
    let key = key.trim_end();
    assert!(key.starts_with("hr_") && key.len() == 46 && !key.contains(char::is_whitespace), "{key}");
    assert!(!office.read("keys.toml").contains(&key[3..]));
    assert_eq!(
        office.prints(&["key", "list"], ""),
        "SERVICE  ROLES    CLASSROOMS  SEND       SUBSCRIBE       EXPIRES\n\
         quiz     service              /topic/**  /queue/grading  in 90 days\n"
    );
    assert!(office.refuses(&add, "", 1).contains("key remove quiz"));
    for (more, told) in [
        (["--send", "topic"], "no destination"),
        (["--send", "/topics/7b"], "/topic/"),
        (["--subscribe", "/topic/a/**/b"], "--subscribe"),
        (["--expires", "soon"], "90d"),
        (["--expires", "0s"], "90d"),
        (["--role", "a\tb"], "control characters"),
    ] {
        let said = office.refuses(&["key", "add", "other", more[0], more[1]], "", 2);
        assert!(said.contains(told), "{more:?}: {said}");
    }
    let user = ["user", "add", "quiz", "--role", "student", "--password-stdin"];
    assert!(office.refuses(&user, "canary horse\n", 2).contains("keys.toml"));
    office.prints(&["key", "remove", "quiz"], "");
    assert!(!office.prints(&["key", "list", "--json"], "").contains("quiz"));
}

#[test]
fn a_token_is_printed_alone() {
    let office = Office::new("[access.jwt]\nsecret_file = \"secret\"\nissuer = \"here\"\naudience = [\"homeroom\"]\n");
    office.write("secret", &format!("{SECRET}\n"));
    let token = office.prints(&["token", "--user", "alice", "--role", "student", "--classroom", "7b"], "");
    assert_eq!((token.trim_end().split('.').count(), token.lines().count()), (3, 1));
    assert!(!token.contains("canary"));
    for (more, told) in [
        (["--user", ""], "--user"),
        (["--expires", "forever"], "8h"),
        (["--key", "missing.pem"], "--key missing.pem"),
        (["--key", "secret"], "BEGIN PRIVATE KEY"),
        (["--key-id", "a"], "--key"),
    ] {
        let mut arguments = vec!["token", "--role", "student", more[0], more[1]];
        if more[0] != "--user" {
            arguments.extend(["--user", "alice"]);
        }
        let said = office.refuses(&arguments, "", 2);
        assert!(said.contains(told) && !said.contains("canary"), "{more:?}: {said}");
    }
    let without = Office::new("");
    let said = without.refuses(&["token", "--user", "alice", "--role", "student"], "", 2);
    assert!(said.contains("access.jwt.secret_file") && said.contains("--key"), "{said}");
}

#[test]
fn what_openssl_makes_signs_and_checks() {
    let office = Office::new("[access.jwt]\npublic_keys = [\"rsa.pem\", \"ec.pem\", \"ed.pem\"]\n");
    let openssl = |line: &str| {
        let status = Command::new("sh").args(["-c", line]).current_dir(office.path()).output().expect("openssl runs");
        assert!(status.status.success(), "{line}: {}", String::from_utf8_lossy(&status.stderr));
    };
    let made = [
        ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9."),
        ("ec", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9."),
        ("ed", "-algorithm ed25519", "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9."),
    ];
    for (name, options, header) in made {
        openssl(&format!("umask 077; openssl genpkey {options} -out {name}-private.pem"));
        openssl(&format!("openssl pkey -in {name}-private.pem -pubout -out {name}.pem"));
        let key = format!("{name}-private.pem");
        let token = office.prints(&["token", "--user", "alice", "--role", "student", "--key", &key], "");
        assert!(token.starts_with(header), "{token}");
    }
    office.prints(&["check"], "");
    office.write("ec.pem", &office.read("ec-private.pem"));
    let said = office.refuses(&["check"], "", 2);
    assert!(said.contains("private key") && said.contains("-pubout") && !said.contains("BEGIN"), "{said}");
}

#[test]
fn check_names_every_file_that_cannot_be_used() {
    let jwt = "[access.jwt]\nsecret_file = \"secret\"\npublic_keys = [\"public.pem\"]\n";
    let office = Office::new(&format!("{CONFIG}{jwt}"));
    office.write("users.toml", "");
    office.write("secret", "canary");
    office.write("public.pem", "canary");
    let said = office.refuses(&["check"], "", 2);
    for told in [
        "4 problems",
        "homeroom.toml:2: access.users = \"users.toml\"",
        "homeroom.toml:3: access.keys = \"keys.toml\"",
        "homeroom.toml:5: access.jwt.secret_file = \"secret\"",
        "homeroom.toml:6: access.jwt.public_keys = \"public.pem\"",
        "lost its content",
        "homeroom key add",
        "32 bytes",
        "BEGIN PUBLIC KEY",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn a_broker_that_cannot_know_whom_to_let_in_does_not_start() {
    let setup = Setup::default().config("[access]\nusers = \"users.toml\"\n");
    std::fs::write(setup.directory().join("users.toml"), "version = 1\n[[users]]\nname = \"alice\"\n").unwrap();
    let refused = setup.try_start().await.err().expect("it must not start");
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stderr.contains("access.users") && refused.stderr.contains("password"), "{}", refused.stderr);
}

#[tokio::test]
async fn who_came_in_is_counted_and_keys_out_of_reach_are_told() {
    // Nobody listens there: the broker starts all the same.
    let broker = Broker::start_with("[access.jwt]\njwks_url = \"http://127.0.0.1:1/keys\"\n").await;
    let text = get(broker.management(), "/metrics").await.body;
    for name in ["homeroom_authenticated_total{by=\"token\"}", "homeroom_authentications_denied_total{why=\"expired\"}"]
    {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    assert_eq!(metric(&text, "homeroom_jwks_age_seconds"), Some(-1.0));
}
