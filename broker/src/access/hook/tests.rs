//! What is asked, how often, and what becomes of a service that does not answer, in a time that jumps.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::Value;

use super::*;
use crate::auth::{Identity, Principal};
use crate::classroom::bell::Bell;

/// A service of the test: what it says to each destination, and after which time.
#[derive(Clone, Default)]
struct Script(Arc<Inner>);

#[derive(Default)]
struct Inner {
    says: Mutex<BTreeMap<String, (Duration, String)>>,
    asked: Mutex<Vec<Value>>,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
}

impl Script {
    fn says(&self, destination: &str, after: Duration, text: &str) {
        self.0.says.lock().unwrap().insert(destination.to_owned(), (after, text.to_owned()));
    }

    fn asked(&self) -> usize {
        self.0.asked.lock().unwrap().len()
    }

    fn hook(&self, settings: &settings::Hook) -> Arc<Hook> {
        Arc::new(Hook::asking(settings, Box::new(self.clone())))
    }
}

impl Service for Script {
    fn answer(&self, question: Bytes) -> Pin<Box<dyn Future<Output = Result<Bytes, Failure>> + Send + '_>> {
        let question: Value = serde_json::from_slice(&question).unwrap();
        let destination = question["destination"].as_str().unwrap_or("connect").to_owned();
        self.0.asked.lock().unwrap().push(question);
        let said = self.0.says.lock().unwrap().get(&destination).cloned();
        let (after, text) = said.unwrap_or((Duration::ZERO, r#"{"allow":true}"#.to_owned()));
        let now = self.0.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.at_once_max.fetch_max(now, Ordering::SeqCst);
        let leaves = Leaves(self.0.clone());
        Box::pin(async move {
            tokio::time::sleep(after).await;
            drop(leaves);
            Ok(text.into())
        })
    }
}

struct Leaves(Arc<Inner>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a script")
    }
}

fn question_of(hook: &Arc<Hook>, user: &str, act: Act, destination: &str) -> Option<Question> {
    let principal = Principal {
        user: Some(user.into()),
        roles: ["student".into()].into(),
        classrooms: ["7b".into()].into(),
        ..Principal::default()
    };
    let asker = Asker { hook: hook.clone(), from: [192, 0, 2, 7].into() };
    asker.question(act, Some(destination), &Identity::new(Some(user), Some("tablet")), &principal)
}

fn question(hook: &Arc<Hook>, user: &str, destination: &str) -> Question {
    question_of(hook, user, Act::Send, destination).expect("it is asked for")
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn an_answer_counts_for_its_time_and_is_asked_again_after_it() {
    let script = Script::default();
    let hook = script.hook(&settings::Hook::default());
    let wish = question(&hook, "alice", "/topic/7b/quiz");
    for _ in 0..3 {
        assert!(hook.ask(&wish).await.check(&wish).is_ok());
    }
    assert_eq!(script.asked(), 1);
    tokio::time::sleep(29 * SECOND).await;
    assert!(hook.known(&wish).is_some());
    tokio::time::sleep(SECOND).await;
    assert!(hook.known(&wish).is_none());
    script.says("/topic/7b/quiz", Duration::ZERO, r#"{"allow":false,"reason":"holidays","cache":5}"#);
    let refused = hook.ask(&wish).await.check(&wish).unwrap_err();
    assert_eq!((refused.code, refused.retryable), (103, false));
    assert_eq!(refused.reason, "you may not send to /topic/7b/quiz: holidays");
    tokio::time::sleep(5 * SECOND).await;
    assert!(hook.ask(&wish).await.check(&wish).is_err());
    assert_eq!(script.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_says_who_wants_to_do_what_and_where() {
    let script = Script::default();
    let hook = script.hook(&settings::Hook::default());
    hook.ask(&question(&hook, "alice", "/topic/7b/quiz")).await;
    let asked = serde_json::json!({
        "act": "send", "destination": "/topic/7b/quiz", "user": "alice", "name": null, "roles": ["student"],
        "classrooms": ["7b"], "client": "tablet", "from": "192.0.2.7",
    });
    assert_eq!(*script.0.asked.lock().unwrap(), [asked]);
}

#[tokio::test(start_paused = true)]
async fn an_act_that_it_does_not_decide_is_not_asked_for_and_a_group_is_no_way_around() {
    let script = Script::default();
    let named = |acts: &[Act]| script.hook(&settings::Hook { acts: acts.to_vec(), ..settings::Hook::default() });
    for (acts, act, asked) in [
        (&[Act::Send][..], Act::Subscribe, None),
        (&[Act::Send], Act::Group, None),
        (&[Act::Subscribe], Act::Group, Some("subscribe to /topic/7b")),
        (&[Act::Group], Act::Group, Some("subscribe in a group to /topic/7b")),
        (&[Act::Group], Act::Subscribe, None),
        (&Act::ALL, Act::Group, Some("subscribe in a group to /topic/7b")),
    ] {
        let wanted = question_of(&named(acts), "alice", act, "/topic/7b").map(|question| question.wanted());
        assert_eq!(wanted.as_deref(), asked, "{acts:?}: {act}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_asked_once_and_everybody_has_the_answer() {
    let script = Script::default();
    script.says("/topic/7b/quiz", SECOND, r#"{"allow":true,"cache":0}"#);
    let hook = script.hook(&settings::Hook::default());
    let wish = question(&hook, "alice", "/topic/7b/quiz");
    // Whoever asks first goes away.
    assert!(hook.ask(&wish).now_or_never().is_none());
    let answers = join_all((0..3).map(|_| hook.ask(&wish))).await;
    assert!(answers.iter().all(Answer::allows), "{answers:?}");
    assert_eq!(script.asked(), 1);
    hook.ask(&question(&hook, "bob", "/topic/7b/quiz")).await;
    assert_eq!(script.asked(), 2, "another user is another question");
    hook.ask(&wish).await;
    assert_eq!((script.asked(), hook.held().len()), (3, (0, 0)), "an answer that counts for nothing is not kept");
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_refuses_for_a_moment_and_a_recovery_is_seen() {
    let script = Script::default();
    let hook = script.hook(&settings::Hook::default());
    let wish = question(&hook, "alice", "/topic/7b/quiz");
    let begun = Instant::now();
    script.says("/topic/7b/quiz", 60 * SECOND, "");
    let refused = hook.ask(&wish).await.check(&wish).unwrap_err();
    assert_eq!((refused.code, refused.retryable, begun.elapsed()), (108, true, 2 * SECOND));
    hook.ask(&wish).await;
    assert_eq!(script.asked(), 1, "an outage is not hammered");
    script.says("/topic/7b/quiz", Duration::ZERO, r#"{"allow":true}"#);
    tokio::time::sleep(SECOND).await;
    assert!(hook.ask(&wish).await.allows());
}

#[tokio::test(start_paused = true)]
async fn no_more_are_asked_at_once_than_allowed_and_the_others_wait_within_the_time() {
    let script = Script::default();
    let hook = script.hook(&settings::Hook { concurrency: 4, ..settings::Hook::default() });
    let wishes: Vec<Question> =
        (0..12).map(|number| question(&hook, "alice", &format!("/topic/7b/{number}"))).collect();
    for wish in 0..12 {
        script.says(&format!("/topic/7b/{wish}"), SECOND * 9 / 10, r#"{"allow":true}"#);
    }
    let answers = join_all(wishes.iter().map(|wish| hook.ask(wish))).await;
    // Two rounds of four fit into two seconds.
    assert_eq!(answers.iter().filter(|answer| answer.allows()).count(), 8);
    assert_eq!(answers.iter().filter(|answer| answer.is_failure()).count(), 4);
    assert_eq!(script.0.at_once_max.load(Ordering::SeqCst), 4);
    assert_eq!(script.0.at_once.load(Ordering::SeqCst), 0, "a question goes on behind its time");
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded() {
    let hook = Script::default().hook(&settings::Hook { cache_entries: 10, ..settings::Hook::default() });
    for number in 0..100 {
        hook.ask(&question(&hook, "alice", &format!("/topic/7b/{number}"))).await;
        assert!(hook.held().len().0 <= 10);
    }
    assert!(hook.known(&question(&hook, "alice", "/topic/7b/99")).is_some(), "the newest is remembered");
}

#[tokio::test(start_paused = true)]
async fn the_first_refusal_ends_a_row_of_questions() {
    let script = Script::default();
    script.says("/topic/7b/0", Duration::ZERO, r#"{"allow":false}"#);
    let hook = script.hook(&settings::Hook::default());
    let wishes: Vec<Question> =
        (0..100).map(|number| question(&hook, "alice", &format!("/topic/7b/{number}"))).collect();
    let twice = wishes.iter().chain(&wishes).cloned().collect();
    let answers = hook.ask_all(twice).await;
    assert!(answers.iter().any(|(key, answer)| *key == *wishes[0].key() && !answer.allows()));
    assert!(script.asked() <= 2 * AT_ONCE, "{} were asked", script.asked());
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_survives_one_failure_and_ends_with_the_second() {
    let script = Script::default();
    let hook = script.hook(&settings::Hook::default());
    let (bell, wish) = (Arc::new(Bell::default()), question(&hook, "alice", "/topic/7b/quiz"));
    for (second_try, survives) in [(r#"{"allow":true}"#, true), ("garbage", false)] {
        script.says("/topic/7b/quiz", Duration::ZERO, "garbage");
        let mut renewal = Renewal::default();
        renewal.ask(&hook, vec![(7, wish.clone())], bell.clone());
        tokio::time::sleep(SECOND / 2).await;
        assert!(renewal.answered().is_none() && renewal.is_under_way());
        script.says("/topic/7b/quiz", Duration::ZERO, second_try);
        bell.heard().await;
        let decided = renewal.answered().expect("answers");
        assert_eq!((decided.len(), decided[0].0, decided[0].1.is_ok()), (1, 7, survives));
        assert!(!renewal.is_under_way());
        tokio::time::sleep(60 * SECOND).await;
    }
    assert_eq!(script.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_for_what_has_ended() {
    let script = Script::default();
    script.says("/topic/7b/quiz", Duration::ZERO, "garbage");
    let hook = script.hook(&settings::Hook::default());
    let mut renewal = Renewal::default();
    renewal.ask(&hook, vec![(1, question(&hook, "alice", "/topic/7b/quiz"))], Arc::default());
    tokio::time::sleep(SECOND / 2).await;
    drop(renewal);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(script.asked(), 1);
}
