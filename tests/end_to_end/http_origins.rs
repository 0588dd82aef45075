//! Pages of other sites over HTTP: those that are listed, and no others.

use homeroom_tests::{Answer, Broker, Client, exchange, get, post, request};

const SCHOOL: &str = "https://lessons.school.example";
const QUIZ: &str = "/v1/messages?destination=/topic/7b/quiz";

async fn broker() -> Broker {
    Broker::start_with(&format!("[http]\nallowed_origins = [\"{SCHOOL}\"]")).await
}

async fn ask(broker: &Broker, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let bytes = request(method, broker.http(), path, headers, b"");
    exchange(broker.http(), &bytes).await.expect("an answer")
}

#[tokio::test]
async fn a_listed_page_may_ask_first_and_then_publish() {
    let broker = broker().await;
    let asking = [
        ("Origin", SCHOOL),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type,idempotency-key"),
    ];
    let permission = ask(&broker, "OPTIONS", QUIZ, &asking).await;
    assert_eq!((permission.status, permission.header("access-control-allow-origin")), (204, Some(SCHOOL)));
    assert!(permission.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
    for name in ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"] {
        assert!(permission.header("access-control-allow-headers").is_some_and(|names| names.contains(name)), "{name}");
    }
    assert!(permission.header("access-control-max-age").is_some(), "{permission:?}");
    for answer in [
        post(broker.http(), QUIZ, &[("Origin", SCHOOL)], "B").await,
        post(broker.http(), "/v1/messages", &[("Origin", SCHOOL)], "B").await,
        ask(&broker, "GET", "/v1/time", &[("Origin", SCHOOL)]).await,
        ask(&broker, "GET", "/v1/nonsense", &[("Origin", SCHOOL)]).await,
        ask(&broker, "PUT", "/v1/time", &[("Origin", SCHOOL)]).await,
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(SCHOOL), "also of a refusal: {answer:?}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{answer:?}");
        assert!(answer.header("access-control-expose-headers").is_some_and(|names| names.contains("Location")));
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer:?}");
    }
    let own = format!("http://{}", broker.http());
    let answer = post(broker.http(), QUIZ, &[("Origin", &own)], "B").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (201, Some(&*own)), "{answer:?}");
}

#[tokio::test]
async fn a_page_that_is_not_listed_is_refused_before_anything_is_stored() {
    let broker = broker().await;
    for origin in ["https://evil.example", "null", "https://lessons.school.example.evil.example"] {
        let asking = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        for answer in [
            ask(&broker, "OPTIONS", QUIZ, &asking).await,
            post(broker.http(), QUIZ, &[("Origin", origin)], "B").await,
            ask(&broker, "GET", "/v1/info", &[("Origin", origin)]).await,
            ask(&broker, "GET", "/v1/nonsense", &[("Origin", origin)]).await,
            ask(&broker, "PUT", "/v1/time", &[("Origin", origin)]).await,
        ] {
            assert_eq!((answer.status, &answer.json()["code"]), (403, &103.into()), "{answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        }
    }
    post(broker.http(), QUIZ, &[], "first").await;
    let mut reader = Client::signed_in(&broker, "reader").await;
    reader.subscribe("s", "/topic/7b/**", &[("x-stream-offset", "first")]).await;
    assert_eq!(reader.message().await.text(), "first");
}

#[tokio::test]
async fn on_loopback_a_foreign_name_that_points_here_gets_nothing() {
    let broker = broker().await;
    let foreign = ask(&broker, "GET", "/v1/info", &[("Host", "evil.example")]).await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let behind_a_proxy = ask(&broker, "GET", "/v1/info", &[("Host", "lessons.school.example")]).await;
    assert_eq!(behind_a_proxy.status, 200, "{behind_a_proxy:?}");
    assert_eq!(get(broker.http(), "/v1/time").await.header("vary"), Some("Origin"));
}
