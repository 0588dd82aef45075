//! What is asked for before there is a session.

use homeroom_tests::{HttpStream, Sockjs};
use serde_json::Value;
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn base_url_greeting() {
    let broker = broker().await;
    for path in ["/ws", "/ws/"] {
        let answer = get(&broker, path).await;
        assert_eq!(answer.status, 200);
        verify_type(&answer, "text/plain;charset=UTF-8");
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(answer.text().await, "Welcome to SockJS!\n");
    }
    // Whoever meant WebSocket is told what is wrong.
    let headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "8")];
    let answer = HttpStream::get(broker.http(), "/ws", &headers).await;
    assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, Some("13")));
    for rest in ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/"] {
        assert_eq!(get(&broker, &format!("/ws{rest}")).await.status, 404, "{rest}");
    }
}

#[tokio::test]
async fn iframe_page() {
    let broker = broker().await;
    for name in [
        "iframe.html",
        "iframe-a.html",
        "iframe-.html",
        "iframe-0.1.2.html",
        "iframe-0.1.2abc-dirty.2144.html",
        "iframe-a.html?t=1234",
        "iframe-0.1.2abc-dirty.2144.html?t=qweqweq123",
    ] {
        let answer = get(&broker, &format!("/ws/{name}")).await;
        assert_eq!(answer.status, 200, "{name}");
        verify_type(&answer, "text/html;charset=UTF-8");
        verify_kept_long(&answer);
        assert!(answer.header("etag").is_some() && answer.header("set-cookie").is_none());
        let body = answer.text().await;
        assert!(body.starts_with("<!DOCTYPE html>\n<html>\n<head>\n  <meta http-equiv=\"X-UA-Compatible\""), "{body}");
        assert!(body.contains("  <script src=\"/sockjs.js\"></script>\n  <script>\n    document.domain ="), "{body}");
        assert!(body.ends_with("It's used for cross domain magic.</p>\n</body>\n</html>"), "{body}");
    }
    for name in ["iframe.htm", "iframe", "IFRAME.HTML", "IFRAME", "iframe.HTML", "iframe.xml", "iframe-/.html"] {
        assert_eq!(get(&broker, &format!("/ws/{name}")).await.status, 404, "{name}");
    }
    let tag = get(&broker, "/ws/iframe.html").await.header("etag").expect("a tag").to_owned();
    let known = HttpStream::get(broker.http(), "/ws/iframe.html", &[("If-None-Match", &tag)]).await;
    assert_eq!((known.status, known.header("content-type")), (304, None));
    assert_eq!(known.header("etag"), Some(tag.as_str()));
}

#[tokio::test]
async fn info_test() {
    let broker = broker().await;
    let answer = HttpStream::get(broker.http(), "/ws/info", &[("Origin", ORIGIN)]).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    verify_type(&answer, "application/json;charset=UTF-8");
    verify_not_cached(&answer);
    verify_cors(&answer);
    let info: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!((&info["websocket"], &info["cookie_needed"]), (&Value::from(true), &Value::from(false)));
    assert_eq!(info["origins"], serde_json::json!(["*:*"]));
    let again: Value = serde_json::from_str(&get(&broker, "/ws/info").await.text().await).expect("JSON");
    assert!(info["entropy"].is_u64() && again["entropy"].is_u64() && info["entropy"] != again["entropy"]);
    verify_options(&broker, "/ws/info", "OPTIONS, GET").await;
}

#[tokio::test]
async fn http_10_and_11() {
    let broker = broker().await;
    let answer = get(&broker, "/ws").await;
    assert_eq!((answer.header("content-length"), answer.header("transfer-encoding")), (Some("19"), None));
    let session = Sockjs::new(broker.http());
    let stream = HttpStream::post(broker.http(), &session.at("xhr_streaming"), &[], "").await;
    assert_eq!((stream.header("content-length"), stream.header("transfer-encoding")), (None, Some("chunked")));

    let request = format!("POST {} HTTP/1.0\r\n\r\n", Sockjs::new(broker.http()).at("xhr_streaming"));
    let mut stream = TcpStream::connect(broker.http()).await.expect("it listens");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.expect("it is taken");
    let mut said = Vec::new();
    while !said.ends_with(b"h\no\n") {
        assert!(tokio::io::AsyncReadExt::read_buf(&mut stream, &mut said).await.expect("an answer") > 0);
    }
    let said = String::from_utf8_lossy(&said).to_ascii_lowercase();
    assert!(!said.contains("transfer-encoding") && !said.contains("content-length"), "{said}");
}
