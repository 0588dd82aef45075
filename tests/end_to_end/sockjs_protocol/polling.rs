//! Sessions, by way of polls.

use homeroom_tests::{Frame, HttpStream, Sockjs, array};

use super::*;

#[tokio::test]
async fn session_urls() {
    let broker = broker().await;
    for session in ["/a/a", "/_/_", "/1/1", "/abcdefgh_i-j%20/abcdefg_i-j%20"] {
        let answer = HttpStream::post(broker.http(), &format!("/ws{session}/xhr"), &[], "").await;
        assert_eq!((answer.status, answer.text().await.as_str()), (200, "o\n"), "{session}");
    }
    for session in ["//", "/a./a", "/a/a.", "/./.", "/", "///"] {
        let path = format!("/ws{session}/xhr");
        assert_eq!(get(&broker, &path).await.status, 404, "{session}");
        assert_eq!(HttpStream::post(broker.http(), &path, &[], "").await.status, 404, "{session}");
    }
    // The server's name is the load balancer's.
    let session = Sockjs::new(broker.http());
    session.poll().await;
    session.say(&Frame::new("CONNECT").with("accept-version", "1.2")).await;
    let other = session.at("xhr").replace("/000/", "/999/");
    let answer = HttpStream::post(broker.http(), &other, &[], "").await.text().await;
    assert!(array(&answer)[0].starts_with("CONNECTED\n"), "{answer}");
}

#[tokio::test]
async fn protocol() {
    let broker = broker().await;
    let mut session = echo(&broker).await;
    assert_eq!(session.send(&list(&[send_echo("a")])).await, (204, String::new()));
    assert_eq!(session.bodies(1).await, ["a"]);
    assert_eq!(Sockjs::new(broker.http()).send("[\"a\"]").await.0, 404, "no such session");
    // Until the time is over, a session that is closed says so.
    session.say(&Frame::new("UNHEARD")).await;
    session.hear().await;
    let close = session.poll().await;
    assert!(close.starts_with("c[4507,"), "{close}");
    assert_eq!(session.poll().await, close);
}

#[tokio::test]
async fn xhr_polling() {
    let broker = broker().await;
    for transport in ["xhr", "xhr_send"] {
        verify_options(&broker, &format!("/ws/abc/abc/{transport}"), "OPTIONS, POST").await;
    }
    let session = Sockjs::new(broker.http());
    let answer = HttpStream::post(broker.http(), &session.at("xhr"), &[("Origin", ORIGIN)], "").await;
    assert_eq!(answer.status, 200);
    verify_type(&answer, "application/javascript;charset=UTF-8");
    verify_cors(&answer);
    verify_not_cached(&answer);
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.text().await, "o\n");
    let answer = HttpStream::post(broker.http(), &session.at("xhr_send"), &[("Origin", ORIGIN)], "[\"\\n\"]").await;
    assert_eq!(answer.status, 204);
    verify_type(&answer, "text/plain;charset=UTF-8");
    verify_cors(&answer);
    verify_not_cached(&answer);
}

#[tokio::test]
async fn xhr_polling_what_is_sent() {
    let broker = broker().await;
    let mut session = echo(&broker).await;
    let (status, reason) = session.send("[\"x").await;
    assert_eq!((status, reason.contains("Broken JSON encoding.")), (500, true));
    let (status, reason) = session.send("").await;
    assert_eq!((status, reason.contains("Payload expected.")), (500, true));
    assert_eq!(session.send("[]").await.0, 204, "a sign of life");
    let types = ["text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8"];
    for media_type in types {
        let headers = [("Content-Type", media_type)];
        let body = list(&[send_echo(media_type)]);
        let answer = HttpStream::post(broker.http(), &session.at("xhr_send"), &headers, &body).await;
        assert_eq!((answer.status, answer.text().await.as_str()), (204, ""), "{media_type}");
    }
    assert_eq!(session.bodies(types.len()).await, types);
}

#[tokio::test]
async fn xhr_polling_request_headers_cors() {
    let broker = broker().await;
    let path = Sockjs::new(broker.http()).at("xhr");
    for (asked, allowed) in [(Some("a, b, c"), Some("a, b, c")), (Some(""), None), (None, None)] {
        let mut headers = vec![("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")];
        headers.extend(asked.map(|names| ("Access-Control-Request-Headers", names)));
        let answer = HttpStream::ask("OPTIONS", broker.http(), &path, &headers, "").await;
        assert_eq!(answer.status, 204);
        verify_cors(&answer);
        assert_eq!(answer.header("access-control-allow-headers"), allowed);
    }
}

#[tokio::test]
async fn json_encoding() {
    let broker = broker().await;
    let mut session = echo(&broker).await;
    let changed =
        |letter: &u32| matches!(letter, 0x200c..=0x200f | 0x2028..=0x202f | 0x2060..=0x206f | 0xfff0..=0xffff);
    let letters = (0..0x10000).filter(changed);
    let escaped: String = letters.clone().map(|letter| format!("\\u{letter:04x}")).collect();
    let plain: String = letters.filter_map(char::from_u32).collect();
    session.say(&Frame::new("SEND").with("destination", ECHO).body(&plain)).await;
    let answer = session.poll().await;
    assert!(answer.contains(&escaped), "{answer}");
    // All that there is, escaped by the client.
    let all: String = (1..0x10000).filter_map(char::from_u32).collect();
    let codes = text(&Frame::new("SEND").with("destination", ECHO).body(&all));
    let codes: String = codes.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    assert_eq!(session.send(&format!("[\"{codes}\"]")).await.0, 204);
    assert_eq!(session.bodies(1).await, [all]);
}
