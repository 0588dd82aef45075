//! The published test cases of sockjs-protocol for what is offered, in its order and under its names. Where it talks
//! to an echo, these talk to a topic that they are subscribed to.

use homeroom_tests::{Broker, Dialect, Frame, HttpStream, Opcode, Piece, Sockjs, WebSocket, array};
use serde_json::Value;
use tokio::net::TcpStream;

const ECHO: &str = "/topic/echo";
const NOT_CACHED: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
const ORIGIN: &str = "https://test.example";
const SETTINGS: &str = "[http]\nallowed_origins = [\"https://test.example\"]\n\
                        [sockjs]\nanswer_bytes = \"4KiB\"\nclient_url = \"/sockjs.js\"";

async fn broker() -> Broker {
    Broker::start_with(SETTINGS).await
}

async fn get(broker: &Broker, path: &str) -> HttpStream {
    HttpStream::get(broker.http(), path, &[]).await
}

fn send_echo(body: &str) -> String {
    text(&Frame::new("SEND").with("destination", ECHO).body(body))
}

fn text(frame: &Frame) -> String {
    String::from_utf8(frame.encode(Dialect::V1_2)).expect("text")
}

fn list(texts: &[String]) -> String {
    Value::from(texts.to_vec()).to_string()
}

/// A session that hears what it sends.
async fn echo(broker: &Broker) -> Sockjs {
    let mut session = Sockjs::signed_in(broker.http(), "alice").await;
    session.subscribe("s", ECHO, &[]).await;
    session
}

fn verify_not_cached(answer: &HttpStream) {
    assert_eq!(answer.header("cache-control"), Some(NOT_CACHED));
    assert_eq!((answer.header("expires"), answer.header("last-modified")), (None, None));
}

fn verify_cors(answer: &HttpStream) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
}

fn verify_type(answer: &HttpStream, expected: &str) {
    assert_eq!(answer.header("content-type").map(|value| value.replace(' ', "")).as_deref(), Some(expected));
}

fn verify_kept_long(answer: &HttpStream) {
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000"));
    assert!(answer.header("expires").is_some() && answer.header("last-modified").is_none());
}

async fn verify_options(broker: &Broker, path: &str, methods: &str) {
    let headers = [("Access-Control-Request-Method", methods), ("Origin", ORIGIN)];
    let answer = HttpStream::ask("OPTIONS", broker.http(), path, &headers, "").await;
    assert_eq!(answer.status, 204, "{path}");
    verify_kept_long(&answer);
    verify_cors(&answer);
    let age: u64 = answer.header("access-control-max-age").and_then(|age| age.parse().ok()).expect("an age");
    assert!(age > 1_000_000);
    assert_eq!(answer.header("access-control-allow-methods"), Some(methods));
    assert_eq!(answer.text().await, "");
}

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
async fn websocket_http_errors() {
    let broker = broker().await;
    assert_eq!(get(&broker, "/ws/0/0/websocket").await.status, 400);
    let headers = [("Upgrade", "WebSocket"), ("Connection", "close")];
    let answer = HttpStream::get(broker.http(), "/ws/0/0/websocket", &headers).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().await.contains("Not a valid websocket request"));
    for headers in [&[("Upgrade", "WebSocket"), ("Connection", "Upgrade")][..], &[]] {
        let answer = HttpStream::post(broker.http(), "/ws/0/0/websocket", headers, "").await;
        assert_eq!((answer.status, answer.header("content-type")), (405, None));
        assert!(answer.header("allow").is_some());
    }
}

async fn open(broker: &Broker, path: &str) -> WebSocket {
    let stream = TcpStream::connect(broker.http()).await.expect("it listens");
    WebSocket::open(stream, path, &[], &[]).await.expect("an upgrade")
}

async fn heard(socket: &mut WebSocket) -> Option<String> {
    loop {
        match socket.read().await {
            Ok(Some(Piece { opcode: Opcode::Text, payload, .. })) => return String::from_utf8(payload).ok(),
            Ok(None | Some(Piece { opcode: Opcode::Close, .. })) | Err(_) => return None,
            Ok(Some(_)) => {}
        }
    }
}

async fn say(socket: &mut WebSocket, text: &str) {
    socket.write(Opcode::Text, true, text.as_bytes()).await.expect("it is taken");
}

/// Says CONNECT, subscribes and sends; the body comes back.
async fn verify_echo(socket: &mut WebSocket, body: &str) {
    let connect = text(&Frame::new("CONNECT").with("accept-version", "1.2"));
    let subscribe = text(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", ECHO).with("receipt", "r"));
    say(socket, &list(&[connect, subscribe])).await;
    assert!(array(&heard(socket).await.expect("CONNECTED"))[0].starts_with("CONNECTED\n"));
    assert!(array(&heard(socket).await.expect("RECEIPT"))[0].starts_with("RECEIPT\n"));
    say(socket, &list(&[send_echo(body)])).await;
    let message = array(&heard(socket).await.expect("MESSAGE")).remove(0);
    assert!(message.starts_with("MESSAGE\n") && message.ends_with(&format!("\n\n{body}\0")), "{message}");
}

#[tokio::test]
async fn websocket() {
    let broker = broker().await;
    let mut first = open(&broker, "/ws/000/reused/websocket").await;
    assert_eq!(heard(&mut first).await.as_deref(), Some("o"));
    // Empty messages and lists are passed over.
    say(&mut first, "").await;
    say(&mut first, "[]").await;
    // Sessions over WebSocket may share a name.
    let mut second = open(&broker, "/ws/000/reused/websocket").await;
    assert_eq!(heard(&mut second).await.as_deref(), Some("o"));
    verify_echo(&mut first, "a").await;
    drop(first);
    verify_echo(&mut second, "b\u{2028}").await;

    // The close frame, and then the close.
    say(&mut second, &list(&[text(&Frame::new("UNHEARD"))])).await;
    assert!(array(&heard(&mut second).await.expect("ERROR"))[0].starts_with("ERROR\n"));
    assert!(heard(&mut second).await.expect("a close frame").starts_with("c[4507,"));
    assert_eq!(heard(&mut second).await, None);

    let mut broken = open(&broker, "/ws/000/broken/websocket").await;
    assert_eq!(heard(&mut broken).await.as_deref(), Some("o"));
    say(&mut broken, "[\"a").await;
    assert_eq!(heard(&mut broken).await.as_deref(), Some("c[1007,\"Broken JSON encoding.\"]"));
    assert_eq!(heard(&mut broken).await, None);
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
async fn raw_websocket() {
    let broker = broker().await;
    let mut socket = open(&broker, "/ws/websocket").await;
    say(&mut socket, &text(&Frame::new("CONNECT").with("accept-version", "1.2"))).await;
    assert!(heard(&mut socket).await.expect("CONNECTED").starts_with("CONNECTED\n"));
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
