//! Answers that go on.

use homeroom_tests::{Frame, HttpStream, Sockjs};

use super::*;

#[tokio::test]
async fn xhr_streaming() {
    let broker = broker().await;
    verify_options(&broker, "/ws/abc/abc/xhr_streaming", "OPTIONS, POST").await;
    let mut session = Sockjs::new(broker.http());
    let headers = [("Origin", ORIGIN)];
    let mut stream = HttpStream::post(broker.http(), &session.at("xhr_streaming"), &headers, "").await;
    assert_eq!(stream.status, 200);
    verify_type(&stream, "application/javascript;charset=UTF-8");
    verify_cors(&stream);
    verify_not_cached(&stream);
    assert_eq!(stream.line().await, Some("h".repeat(2048)));
    assert_eq!(stream.line().await.as_deref(), Some("o"));
    session.say(&Frame::new("CONNECT").with("accept-version", "1.2")).await;
    let connected = stream.line().await.expect("a line");
    assert_eq!(session.frames(&connected)[0].command, "CONNECTED");
    session.say(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", ECHO)).await;
    // After 4 KiB the answer ends, and the session goes on.
    let mut answers = 0;
    for number in 0..40 {
        session.say(&Frame::new("SEND").with("destination", ECHO).body(format!("{number} {}", "x".repeat(128)))).await;
        let line = loop {
            match stream.line().await {
                Some(line) if line.starts_with('a') => break line,
                Some(_) => {}
                None => {
                    answers += 1;
                    stream = HttpStream::post(broker.http(), &session.at("xhr_streaming"), &[], "").await;
                }
            }
        };
        assert!(session.frames(&line)[0].text().starts_with(&format!("{number} ")), "{line}");
    }
    assert!(answers > 0);
}

#[tokio::test]
async fn event_source() {
    let broker = broker().await;
    let mut session = Sockjs::new(broker.http());
    let mut stream = get(&broker, &session.at("eventsource")).await;
    assert_eq!(stream.status, 200);
    verify_type(&stream, "text/event-stream");
    verify_not_cached(&stream);
    assert_eq!(stream.line().await.as_deref(), Some("\r"));
    assert_eq!(stream.line().await.as_deref(), Some("data: o\r"));
    assert_eq!(stream.line().await.as_deref(), Some("\r"));
    session.say(&Frame::new("CONNECT").with("accept-version", "1.2")).await;
    stream.line().await;
    stream.line().await;
    session.say(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", ECHO)).await;
    let send = Frame::new("SEND").with("destination", ECHO).with("content-length", "10");
    session.say(&send.body("  \0\n\r 100%")).await;
    let line = stream.line().await.expect("a line");
    let frame = line.strip_prefix("data: ").and_then(|line| line.strip_suffix('\r')).expect("an event");
    assert!(frame.ends_with("\\n\\n  \\u0000\\n\\r 100%25\\u0000\"]"), "{frame}");
    assert_eq!(session.frames(&frame.replace("%25", "%"))[0].text(), "  \0\n\r 100%");
    stream.line().await;

    // No limit: a page could not tell such an end from a line that broke.
    for number in 0..3 {
        session.say(&Frame::new("SEND").with("destination", ECHO).body(format!("{number} {}", "x".repeat(3000)))).await;
        let line = stream.line().await.expect("the answer goes on");
        assert!(line.contains(&format!("\\n\\n{number} xxx")), "{line}");
        stream.line().await;
    }
}

#[tokio::test]
async fn html_file() {
    let broker = broker().await;
    let session = Sockjs::new(broker.http());
    let mut stream = get(&broker, &session.at("htmlfile?c=%63allback")).await;
    assert_eq!(stream.status, 200);
    verify_type(&stream, "text/html;charset=UTF-8");
    verify_not_cached(&stream);
    let mut head = Vec::new();
    while head.last().is_none_or(|line: &String| !line.trim_start().starts_with("</script>")) {
        head.push(stream.line().await.expect("a line"));
    }
    assert!(head.join("\n").len() > 1024);
    assert!(head.iter().any(|line| line == "    var c = parent.callback;"), "{head:?}");
    stream.line().await;
    for line in ["<script>", "p(\"o\");", "</script>\r"] {
        assert_eq!(stream.line().await.as_deref(), Some(line));
    }
    session.say(&Frame::new("CONNECT").with("accept-version", "1.2")).await;
    assert_eq!(stream.line().await.as_deref(), Some("<script>"));
    assert!(stream.line().await.expect("a line").starts_with("p(\"a[\\\"CONNECTED\\\\n"));

    assert_eq!(get(&broker, "/ws/a/a/htmlfile").await.status, 500);
    assert!(get(&broker, "/ws/a/a/htmlfile").await.text().await.contains("\"callback\" parameter required"));
    for callback in ["%20", "*", "abc(", "abc%28"] {
        let answer = get(&broker, &format!("/ws/a/a/htmlfile?c={callback}")).await;
        assert_eq!(answer.status, 500);
        assert!(answer.text().await.contains("invalid \"callback\" parameter"), "{callback}");
    }
}

#[tokio::test]
async fn handling_close() {
    let broker = broker().await;
    let session = Sockjs::new(broker.http());
    let mut first = HttpStream::post(broker.http(), &session.at("xhr_streaming"), &[], "").await;
    first.line().await;
    assert_eq!(first.line().await.as_deref(), Some("o"));
    let mut second = HttpStream::post(broker.http(), &session.at("xhr_streaming"), &[], "").await;
    second.line().await;
    assert_eq!(second.line().await.as_deref(), Some("c[2010,\"Another connection still open\"]"));
    assert_eq!(second.line().await, None);
    assert_eq!(session.poll().await, "c[2010,\"Another connection still open\"]\n");

    session.say(&Frame::new("UNHEARD")).await;
    first.line().await;
    let close = first.line().await.expect("a close frame");
    assert!(close.starts_with("c[4507,"), "{close}");
    assert_eq!(first.line().await, None, "the answer ends");
    let mut third = HttpStream::post(broker.http(), &session.at("xhr_streaming"), &[], "").await;
    third.line().await;
    assert_eq!(third.line().await, Some(close));
    assert_eq!(third.line().await, None);
}
