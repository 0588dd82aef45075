//! `homeroom publish` and `subscribe` at a broker that asks who somebody is.

use std::process::{Output, Stdio};
use std::time::Duration;

use homeroom_tests::{Broker, DEADLINE, Setup, binary, eventually};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const QUIZ: &str = "/topic/7b/quiz";

/// Runs a command against the broker, with nothing else in its environment that says who it is.
async fn run(broker: &Broker, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env("HOMEROOM_URL", format!("ws://{}/ws", broker.http()));
    command.env_remove("HOMEROOM_TOKEN").env_remove("HOMEROOM_PASSCODE").envs(environment.iter().copied());
    command.stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(Duration::from_secs(60), command.output()).await.expect("in time").expect("the binary runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A broker that takes tokens, and the password of alice.
async fn broker() -> Broker {
    let setup = Setup::asks_for_tokens();
    let users = setup.directory().join("users.toml").to_string_lossy().into_owned();
    let mut add = Command::new(binary());
    add.args(["user", "add", "alice", "--role", "student", "--classroom", "7b", "--password-stdin", "--file", &users]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the binary runs");
    add.stdin.take().expect("piped").write_all(b"correct horse\n").await.expect("it reads");
    assert!(add.wait().await.expect("it ends").success());
    setup.environment("HOMEROOM__ACCESS__USERS", &users).start().await
}

#[tokio::test]
async fn a_token_or_a_password_lets_a_command_in_from_the_environment_or_as_typed() {
    let broker = broker().await;
    let smith = broker.token("smith", "teacher", &["7b"], "8h").await;
    let publish = ["publish", QUIZ, "Is 91 prime?"];
    let take = ["subscribe", QUIZ, "--rewind", "9", "--count", "1", "--body"];
    let durable = ["subscribe", QUIZ, "--durable", "board", "--rewind", "9", "--count", "1", "--body"];
    let in_environment = [("HOMEROOM_TOKEN", smith.as_str())];
    let password = [("HOMEROOM_PASSCODE", "correct horse")];
    for (arguments, environment) in [
        (&publish[..], &in_environment[..]),
        (&[&publish[..], &["--token", &smith]].concat(), &[]),
        (&[&take[..], &["--login", "alice"]].concat(), &password),
        (&[&take[..], &["--login", "alice", "--passcode", "correct horse"]].concat(), &in_environment),
        (&durable, &in_environment),
    ] {
        let output = run(&broker, arguments, environment).await;
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        assert!(arguments[0] == "publish" || output.stdout == b"Is 91 prime?\n", "{arguments:?}: {output:?}");
    }
}

#[tokio::test]
async fn who_is_not_let_in_or_may_not_is_told_why_and_what_to_do() {
    let broker = broker().await;
    let alice = broker.token("alice", "student", &["7b"], "8h").await;
    let short = broker.token("smith", "teacher", &["7b"], "1s").await;
    let publish = ["publish", QUIZ, "forged"];
    for (arguments, environment, parts) in [
        (&publish[..], &[][..], &["code 101", "Nothing says who this is.", "HOMEROOM_TOKEN", "--login"][..]),
        (
            &["publish", QUIZ, "x", "--login", "alice"],
            &[("HOMEROOM_PASSCODE", "wrong")],
            &["code 101", "wrong", "HOMEROOM_PASSCODE"],
        ),
        (&publish, &[("HOMEROOM_TOKEN", "hr_nonsense")], &["code 101", "HOMEROOM_TOKEN"]),
        (
            &publish,
            &[("HOMEROOM_TOKEN", &alice)],
            &["code 103", "The role student may not send to /topic/7b/quiz. ", "access.rules"],
        ),
        (
            &["subscribe", "/topic/8a/quiz"],
            &[("HOMEROOM_TOKEN", &alice)],
            &["code 103", "may not subscribe to /topic/8a/quiz"],
        ),
    ] {
        let output = run(&broker, arguments, environment).await;
        let said = said(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
        assert!(!said.contains(&alice), "the token is nobody's business");
    }
    let expired = eventually("the token's end", DEADLINE, async || {
        let output = run(&broker, &publish, &[("HOMEROOM_TOKEN", &short)]).await;
        // It may also end behind CONNECTED, which is the same refusal in other words.
        assert!(output.status.success() || said(&output).contains("code 109"), "{output:?}");
        said(&output).contains("The token has expired. ").then_some(output)
    });
    let expired = expired.await;
    assert_eq!(expired.status.code(), Some(1));
    assert!(
        ["code 109", "The token has expired. ", "Get a new token"].iter().all(|part| said(&expired).contains(part)),
        "{expired:?}"
    );
    let nobody = run(&broker, &["subscribe", QUIZ, "--durable", "board"], &[]).await;
    assert_eq!(nobody.status.code(), Some(2));
    assert!(said(&nobody).contains("--login") && said(&nobody).contains("HOMEROOM_TOKEN"), "{nobody:?}");
}

#[tokio::test]
async fn a_listener_whose_time_is_over_ends_with_the_reason() {
    let broker = broker().await;
    let short = broker.token("alice", "student", &["7b"], "3s").await;
    let output = run(&broker, &["subscribe", QUIZ], &[("HOMEROOM_TOKEN", &short)]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        ["code 109", "The time of the credentials is over. Connect again"]
            .iter()
            .all(|part| said(&output).contains(part)),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_ticket_says_whose_it_is_and_for_how_long() {
    let broker = broker().await;
    let token = broker.bearer("alice", "student", &["7b"]).await;
    let request = homeroom_tests::request("POST", broker.http(), "/v1/tickets", &[("Authorization", &token)], b"");
    let made = homeroom_tests::exchange(broker.http(), &request).await.expect("an answer").json();
    assert_eq!(made["user"], "alice");
    let left = made["signed_in_for"].as_u64().expect("a number");
    assert!((28_000..=28_800).contains(&left), "{left} seconds of 8 hours");
}
