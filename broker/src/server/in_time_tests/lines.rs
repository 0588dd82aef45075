//! What happens on a line of STOMP that stands: the end is near, is put off, or concerns one class of two.

use std::time::Duration;

use homeroom_protocol::{Command, Frame};
use hyper::StatusCode;
use tokio::time::{Instant, sleep_until};

use super::asking::once;
use super::listener::{Heard, Listener, Wish};
use super::school::School;
use super::{Door, GRAIN, HAPPENINGS, Happens, LESSON, Lesson, OTHER, QUIZ};

/// A token's last minutes over STOMP: told a minute before, renewed, told again, and then nobody else's turn.
async fn warned_and_renewed(door: Door) {
    let school = School::open().await;
    let Lesson { token, moment, .. } = Lesson::begin(&school, "alice", Happens::Expiry).await;
    let wish = Wish { hears_broker: true, ..Wish::at(door, token.text) };
    let mut alice = Listener::at(&school, wish);
    let minute = Duration::from_secs(60);
    let warning = Heard::Auth("expires".to_owned(), 60);
    assert_eq!(alice.next().await, (moment - minute, warning.clone()), "{door:?}");
    sleep_until(moment - minute / 2).await;
    let newer = school.token("alice", "student", LESSON).await;
    let (begun, ends) = (Instant::now(), Instant::now() + LESSON);
    let renew = Frame::new(Command::Send).with("destination", "/app/auth").with("receipt", "renewed");
    alice.say(renew.with_body(newer.text));
    let renewed = [alice.next().await, alice.next().await].map(|(_, heard)| heard);
    let silent = alice.next_before(begun + minute).await;
    let left = renewed.iter().find_map(|heard| match heard {
        Heard::Auth(event, left) if event == "renewed" => Some(*left),
        _ => None,
    });
    assert!(renewed.contains(&Heard::Receipt) && left.is_some_and(|left| left > LESSON.as_secs() - 30), "{door:?}");
    assert_eq!(silent, None, "{door:?}: nothing happens when the first token ends");
    assert_eq!(alice.next().await, (ends - minute, warning), "{door:?}");
    let (told, heard) = alice.next().await;
    assert_eq!(heard, Heard::Refused(109), "{door:?}");
    assert!((ends..=ends + GRAIN).contains(&told), "{door:?}: {:?} late", told - ends);
    assert_eq!(alice.next().await.1, Heard::Over);
}

/// Who is removed from one class, and is refused softly, goes on with the other on the same line.
async fn the_other_class_goes_on(door: Door) {
    let school = School::open().await;
    let lesson = Lesson::begin(&school, "alice", Happens::Removed).await;
    let wish = Wish { hears_broker: true, ..Wish::at(door, lesson.token.text.clone()) };
    let mut alice = Listener::at(&school, wish);
    alice.say(Frame::new(Command::Subscribe).with("id", "other").with("destination", OTHER));
    assert_eq!(alice.next().await, (lesson.moment, Heard::Declined(103)), "{door:?}");
    lesson.publish(QUIZ, "not for alice").await;
    lesson.publish(OTHER, "elsewhere").await;
    assert_eq!(alice.next().await.1, Heard::Message("elsewhere".to_owned()), "{door:?}");
}

#[tokio::test(start_paused = true)]
async fn over_stomp_the_end_is_announced_a_minute_before_and_put_off_by_newer_credentials() {
    for door in [Door::Tcp, Door::WebSocket, Door::Sockjs] {
        warned_and_renewed(door).await;
    }
}

#[tokio::test(start_paused = true)]
async fn over_stomp_whoever_leaves_one_class_stays_in_the_other() {
    for door in [Door::Tcp, Door::WebSocket, Door::Sockjs] {
        the_other_class_goes_on(door).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_from_the_moment_on() {
    let school = School::open().await;
    for happens in HAPPENINGS {
        let Lesson { token, moment, .. } = Lesson::begin(&school, &format!("{happens:?}"), happens).await;
        let answers = async |class: &str| {
            let path = format!("/v1/messages?destination=/topic/{class}/answers");
            once(&school, "POST", &path, &token.text, "42").await
        };
        sleep_until(moment - GRAIN).await;
        assert_eq!(answers("7b").await, (StatusCode::CREATED, 0), "{happens:?}");
        sleep_until(moment + GRAIN).await;
        assert_eq!(answers("7b").await.1, happens.code_of_a_request(), "{happens:?}");
        let elsewhere = if happens == Happens::Removed { 0 } else { happens.code_of_a_request() };
        assert_eq!(answers("8a").await.1, elsewhere, "{happens:?}");
    }
}
