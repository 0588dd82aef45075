//! Attacks that other brokers were told of, each on both transports, where everybody shows who they are.
//!
//! What the published advisories have in common is in a table; those whose test stands elsewhere are named here and not
//! repeated.
//!
//! | Attack | Advisory | Test |
//! | --- | --- | --- |
//! | frames before CONNECT | Vert.x CVE-2023-32081 | here; sentence by sentence: `specification::connecting` |
//! | a content-length that is negative or overflows | ActiveMQ CVE-2026-49432, CVE-2025-66168 | here, before CONNECT; `limits`, behind it |
//! | headers without end | ActiveMQ CVE-2026-53916 | `limits` |
//! | a length of 2^63 in a WebSocket frame or a request | NATS CVE-2026-27889 | here |
//! | headers and events made by line ends in values | ActiveMQ CVE-2026-42253, Spring CVE-2026-22735 | here |
//! | bytes that are no UTF-8 | Mosquitto CVE-2017-7653 | here |
//! | metacharacters in the ids of a token | RabbitMQ CVE-2026-44838, Mosquitto CVE-2017-7650 | here; random ones: `broker/src/router/rights/oracle_tests.rs` |
//! | somebody else's durable cursor | ActiveMQ CVE-2026-49270, CVE-2026-54475, CVE-2026-46605 | here |
//! | a sender's name that is made up | NATS CVE-2026-33246 | `access` |
//! | hostile tokens | jsonwebtoken CVE-2026-25537 and others | `broker/src/auth/token/hostile_tests.rs` |
//! | handshakes that never end, keys that change for ever | ActiveMQ CVE-2026-39304 | `tls` |

use homeroom_tests::{
    Answer, Broker, Client, DEADLINE, Dialect, Frame, Heard, HttpStream, Setup, exchange, request, within,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const QUIZ: &str = "/topic/7b/quiz";
const PAGE: &str = "/v1/messages?destination=/topic/7b/quiz";

async fn both(broker: &Broker) -> [Client; 2] {
    [Client::websocket(broker, &["v12.stomp"]).await, Client::tcp(broker).await]
}

async fn ask(broker: &Broker, method: &str, path: &str, bearer: &str, body: &str) -> Answer {
    let headers = [("Authorization", bearer)];
    exchange(broker.http(), &request(method, broker.http(), path, &headers, body.as_bytes())).await.expect("an answer")
}

/// Bodies of all that was ever stored.
async fn stored(broker: &Broker, bearer: &str) -> Vec<String> {
    let page = ask(broker, "GET", &format!("{PAGE}&from=first"), bearer, "").await;
    let page: Value = page.json();
    let messages = page["messages"].as_array().unwrap_or_else(|| panic!("a page: {page}"));
    messages.iter().map(|message| message["body"].as_str().unwrap_or("no text").to_owned()).collect()
}

/// A teacher who is in, over both transports.
async fn let_in(broker: &Broker, token: &str) -> [Client; 2] {
    let mut clients = both(broker).await;
    for client in &mut clients {
        client.connect(&[("passcode", token)]).await;
    }
    clients
}

/// What a client still hears until the end, without heart-beats.
async fn heard_until_closed(client: &mut Client) -> Vec<Frame> {
    within("the end", DEADLINE, async {
        let mut frames = Vec::new();
        loop {
            match client.hear().await {
                Heard::Frame(frame) => frames.push(frame),
                Heard::Closed(_) => return frames,
                _ => {}
            }
        }
    })
    .await
}

#[tokio::test]
async fn frames_before_connect_have_no_effect_where_everybody_shows_who_they_are() {
    let broker = Setup::asks_for_tokens().start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let bearer = format!("Bearer {token}");
    let [mut listener, _] = let_in(&broker, &token).await;
    listener.subscribe("s", QUIZ, &[]).await;
    let connect = |token: &str| format!("CONNECT\naccept-version:1.2\nhost:school\npasscode:{token}\n\n\0");
    let send = format!("SEND\ndestination:{QUIZ}\nreceipt:r\n\nforged\0");
    for early in [
        send.clone(),
        format!("SUBSCRIBE\nid:s\ndestination:{QUIZ}\ndurable:true\nreceipt:r\n\n\0"),
        format!("SUBSCRIBE\nid:s\ndestination:{QUIZ}\ndurable-subscription-name:forged\nclient-id:smith\n\n\0"),
        format!("BEGIN\ntransaction:t\n\n\0{}COMMIT\ntransaction:t\n\n\0", send.replace("receipt:r", "transaction:t")),
        "ACK\nid:1\n\n\0".to_owned(),
        "UNSUBSCRIBE\nid:s\ndurable:true\n\n\0".to_owned(),
        "DISCONNECT\nreceipt:r\n\n\0".to_owned(),
        format!("\n\n{send}"),
        "CONNECTED\nversion:1.2\n\n\0".to_owned(),
    ] {
        // A valid CONNECT behind it heals nothing, and neither does one that is refused before it.
        for bytes in [
            early.clone(),
            format!("{early}{}{send}", connect(&token)),
            format!("{}{early}{send}", connect("forged")),
            format!("{}{early}{send}", connect("")),
        ] {
            for mut client in both(&broker).await {
                client.send_bytes(bytes.as_bytes()).await;
                let frames = heard_until_closed(&mut client).await;
                let commands: Vec<&str> = frames.iter().map(|frame| frame.command.as_str()).collect();
                assert_eq!(commands, ["ERROR"], "{bytes:?}: {frames:?}");
            }
        }
    }
    assert_eq!(stored(&broker, &bearer).await, [""; 0]);
    let cursor = ask(&broker, "GET", &format!("/v1/cursors/forged?destination={QUIZ}"), &bearer, "").await;
    assert_eq!(cursor.status, 404, "{cursor:?}");
    assert_eq!(ask(&broker, "POST", PAGE, &bearer, "first").await.status, 201);
    assert_eq!(listener.message().await.text(), "first");
}

#[tokio::test]
async fn lengths_that_nobody_could_mean_are_refused_before_connect_and_over_http() {
    let broker = Setup::asks_for_tokens().start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let before = broker.resident_bytes();
    let lengths = [
        "-1",
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "4294967296",
        "18446744073709551616",
        "0x10",
        "1e9",
        "1_0",
        "+5",
        "",
        "٣",
        "99999999999999999999999999999999",
    ];
    for length in lengths {
        for command in ["CONNECT", "STOMP", "SEND"] {
            for mut client in both(&broker).await {
                let head =
                    format!("{command}\naccept-version:1.2\nhost:school\npasscode:{token}\ncontent-length:{length}");
                client.send_bytes(format!("{head}\n\nx\0").as_bytes()).await;
                let frames = heard_until_closed(&mut client).await;
                assert!(frames.iter().all(|frame| frame.command == "ERROR"), "{command} {length:?}: {frames:?}");
            }
        }
        for body in ["x", ""] {
            let address = broker.http();
            let line = format!("POST {PAGE} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
            let asked = format!("{line}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let answer = first_line(address, asked.as_bytes()).await;
            let refused = ["HTTP/1.1 400", "HTTP/1.1 411", "HTTP/1.1 413", "HTTP/1.1 431"]
                .iter()
                .any(|status| answer.starts_with(status));
            assert!(refused, "{length:?}: {answer}");
        }
    }
    assert_eq!(stored(&broker, &format!("Bearer {token}")).await, [""; 0]);
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "grew by {grown} bytes");
}

/// The first line of the answer, or nothing if the other side only closes. Our half is closed at once.
async fn first_line(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(bytes).await.expect("taken");
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = within("the end of an answer", DEADLINE, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn websocket_frames_of_endless_length_end_the_connection_and_nothing_else() {
    let broker = Setup::asks_for_tokens().start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let [mut neighbour, _] = let_in(&broker, &token).await;
    neighbour.subscribe("s", QUIZ, &[]).await;
    let before = broker.resident_bytes();
    for is_in in [false, true] {
        for (opcode, length) in [1_u8, 2]
            .iter()
            .flat_map(|opcode| [1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX].map(|length| (*opcode, length)))
        {
            let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
            if is_in {
                client.connect(&[("passcode", &token)]).await;
            }
            let mut frame = vec![0x80 | opcode, 0xff];
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(b"\x01\x02\x03\x04SEND");
            client.socket().write_raw(&frame).await.expect("taken");
            client.closed().await;
        }
        // Compression and other extensions were never agreed on; control frames are short; browsers mask.
        for frame in [
            &b"\xc1\x84\x01\x02\x03\x04SEND"[..],
            b"\x91\x84\x01\x02\x03\x04SEND",
            b"\x89\xfe\xff\xff\x01\x02\x03\x04",
            b"\x81\x04SEND",
            b"\x83\x80\x01\x02\x03\x04",
        ] {
            let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
            if is_in {
                client.connect(&[("passcode", &token)]).await;
            }
            client.socket().write_raw(frame).await.expect("taken");
            client.closed().await;
        }
    }
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "grew by {grown} bytes");
    neighbour.publish(QUIZ, "still here").await;
    assert_eq!(neighbour.message().await.text(), "still here");
}

#[tokio::test]
async fn line_ends_in_values_make_no_header_no_frame_and_no_event() {
    let broker = Setup::asks_for_tokens().start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let bearer = format!("Bearer {token}");
    let readers = [("Authorization", bearer.as_str()), ("Accept", "text/event-stream")];
    let mut events = HttpStream::get(broker.http(), PAGE, &readers).await;
    let mut lines_of_json =
        HttpStream::get(broker.http(), PAGE, &[("Authorization", &bearer), ("Accept", "application/x-ndjson")]).await;
    let mut raw = Vec::new();
    for version in ["1.0", "1.1", "1.2"] {
        let mut stream = TcpStream::connect(broker.stomp()).await.expect("it listens");
        let hello = format!(
            "CONNECT\naccept-version:{version}\nhost:school\npasscode:{token}\n\n\0\
             SUBSCRIBE\nid:s\ndestination:{QUIZ}\nreceipt:r\n\n\0"
        );
        stream.write_all(hello.as_bytes()).await.expect("taken");
        let mut heard = Vec::new();
        read_until(&mut stream, &mut heard, b"receipt-id:r").await;
        read_until(&mut stream, &mut Vec::new(), b"\0").await;
        raw.push((version, stream));
    }
    let hostile = "a\r\nforged: 1\nforged:2\n\nevent: forged\ndata: forged\n\n";
    let body = "one\n\nevent: forged\r\rid: 9:9\rforged:3\r\nretry: 1\n\ndata: forged";
    for client in &mut let_in(&broker, &token).await {
        let mut frame = Frame::new("SEND").with("destination", QUIZ).body(body);
        for name in ["correlation-id", "reply-to-name", "content-type", "x-own", "forged\nname"] {
            frame = frame.with(name, hostile);
        }
        // Bytes of ours: whoever attacks escapes as the version has it.
        client.send_bytes(&frame.encode(Dialect::V1_2)).await;
        client.publish(QUIZ, "the end").await;
    }
    for (version, mut stream) in raw {
        let mut heard = Vec::new();
        for _ in 0..2 {
            read_until(&mut stream, &mut heard, b"the end\0").await;
            let text = String::from_utf8_lossy(&heard).into_owned();
            let frames: Vec<&str> = text.split('\0').map(str::trim_start).filter(|frame| !frame.is_empty()).collect();
            assert_eq!(frames.len(), 2, "STOMP {version}: {text:?}");
            for frame in frames {
                let (head, _) = frame.split_once("\n\n").expect("a head and a body");
                assert!(frame.starts_with("MESSAGE\n"), "STOMP {version}: {frame:?}");
                let forged =
                    head.lines().any(|line| line.trim_start().starts_with("forged: ") || line.starts_with("forged:2"));
                assert!(!forged && !head.contains('\r'), "STOMP {version}: {head:?}");
            }
            heard.clear();
        }
    }
    let mut ends = 0;
    while ends < 2 {
        let event = events.event().await;
        let named = |name: &str| event.iter().filter(|line| line.starts_with(name)).count();
        assert!(named("event:") <= 1 && named("id:") <= 1, "{event:?}");
        assert!(
            !event.iter().any(|line| line.starts_with("event: forged") || line.starts_with("id: 9:9")),
            "{event:?}"
        );
        assert!(!event.iter().any(|line| line.contains('\r')), "a browser ends a line there: {event:?}");
        ends += usize::from(event.iter().any(|line| line == "data: the end"));
    }
    let mut ends = 0;
    while ends < 2 {
        let line = lines_of_json.line().await.expect("a line");
        if line.is_empty() {
            continue;
        }
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        ends += usize::from(message["body"] == "the end");
    }
    // The same from the other side: nothing that comes by HTTP ends a line of STOMP, or of an answer's head.
    for query in ["%0Aforged:1", "%0D%0Aforged:%201", "%00", "%C2%85", "%7F"] {
        let answer = ask(&broker, "POST", &format!("{PAGE}{query}"), &bearer, "x").await;
        assert!((400..500).contains(&answer.status), "{query}: {answer:?}");
        assert_eq!(answer.header("forged"), None, "{answer:?}");
    }
}

async fn read_until(stream: &mut TcpStream, heard: &mut Vec<u8>, end: &[u8]) {
    within("the last of it", DEADLINE, async {
        while !heard.windows(end.len()).any(|bytes| bytes == end) {
            // One by one: what follows belongs to the next look.
            heard.push(stream.read_u8().await.expect("open"));
        }
    })
    .await;
}

#[tokio::test]
async fn bytes_that_are_no_text_reach_nobody_as_text() {
    let broker = Setup::asks_for_tokens().start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let bearer = format!("Bearer {token}");
    let mut listeners = let_in(&broker, &token).await;
    for listener in &mut listeners {
        listener.subscribe("s", "/topic/7b/**", &[]).await;
    }
    let mut events = HttpStream::get(
        broker.http(),
        "/v1/messages?destination=/topic/7b/**",
        &[("Authorization", &bearer), ("Accept", "text/event-stream")],
    )
    .await;
    for no_text in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82"] {
        for (before, behind) in [
            ("SEND\ndestination:/topic/7b/", "\n\nx\0"),
            ("SEND\ndestination:/topic/7b/quiz\nx-own:", "\n\nx\0"),
            ("SEND\ndestination:/topic/7b/quiz\nx", ":1\n\nx\0"),
            ("SUBSCRIBE\nid:", "\ndestination:/topic/7b\n\n\0"),
            ("SE", "ND\ndestination:/topic/7b/quiz\n\nx\0"),
        ] {
            let bytes = [before.as_bytes(), no_text, behind.as_bytes()].concat();
            for mut client in let_in(&broker, &token).await {
                client.send_bytes(&bytes).await;
                let error = client.error().await;
                assert_eq!(error.header("code"), Some("107"), "{error}");
                client.closed().await;
            }
        }
        // As a text of WebSocket it is none, whatever it holds.
        let mut client = Client::showing(&broker, &token).await;
        let text = [&b"SEND\ndestination:/topic/7b/quiz\n\n"[..], no_text, b"\0"].concat();
        client.socket().write(homeroom_tests::Opcode::Text, true, &text).await.expect("taken");
        assert_eq!(client.closed().await.code, Some(1007));
        let escaped: String = no_text.iter().map(|byte| format!("%{byte:02X}")).collect();
        let answer = ask(&broker, "POST", &format!("/v1/messages?destination=/topic/7b/{escaped}"), &bearer, "x").await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    // A body may be anything, and is marked for those who can only read text.
    let mut client = Client::showing(&broker, &token).await;
    client.request(Frame::new("SEND").with("destination", QUIZ).with("content-length", "2").body(b"\xff\xfe")).await;
    client.publish(QUIZ, "text").await;
    for listener in &mut listeners {
        assert_eq!(listener.message().await.body, b"\xff\xfe");
        assert_eq!(listener.message().await.text(), "text");
    }
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "data: text") {
        lines.push(events.line().await.expect("a line"));
    }
    assert!(!lines.iter().any(|line| line.contains('\u{fffd}')), "{lines:?}");
}

#[tokio::test]
async fn what_a_token_names_is_never_a_pattern() {
    let broker = Setup::asks_for_tokens().start().await;
    let smith = broker.bearer("smith", "teacher", &["7b", "8a"]).await;
    for classroom in ["7b", "8a"] {
        let path = format!("/v1/messages?destination=/topic/{classroom}/quiz");
        assert_eq!(ask(&broker, "POST", &path, &smith, "secret").await.status, 201);
    }
    let private = "/v1/messages?destination=/user/alice/queue/marks";
    let service = broker.bearer("smith", "admin", &[]).await;
    assert_eq!(ask(&broker, "POST", private, &service, "marks").await.status, 201);
    let names = [
        "*",
        "**",
        "#",
        ">",
        ".",
        "..",
        "/",
        "//",
        "%2F",
        "%2a",
        "%2A",
        "%",
        "%%",
        "$",
        "$presence",
        "7b/",
        "/7b",
        "7b.",
        "7b/quiz",
        "7b.quiz",
        "7b%2Fquiz",
        "7b%00",
        "7b ",
        " 7b",
        "7B",
        "7b*",
        "*b",
        "7?",
        "7[b]",
        "(7b|8a)",
        ".*",
        "^7b$",
        "{classroom}",
        "{user}",
        "7b,8a",
        "7b\\",
        "' OR '1'='1",
        "x/../7b",
        "＊",
        "7ｂ",
    ];
    for name in names {
        let token = broker.token(name, "student", &[name], "8h").await;
        let bearer = format!("Bearer {token}");
        for destination in ["/topic/7b/quiz", "/topic/8a/**", "/topic/**", "/topic/*/quiz", "/topic/7b/**", "/topic/7b"]
        {
            let answer =
                ask(&broker, "GET", &format!("/v1/messages?destination={destination}&from=first"), &bearer, "").await;
            assert!(matches!(answer.status, 401 | 403), "{name:?} reads {destination}: {answer:?}");
            let answer = ask(&broker, "POST", "/v1/messages?destination=/topic/7b/answers", &bearer, "x").await;
            assert!(matches!(answer.status, 401 | 403), "{name:?} writes: {answer:?}");
        }
        for mut client in both(&broker).await {
            client
                .send(&Frame::new("CONNECT").with("accept-version", "1.2").with("host", "h").with("passcode", &token))
                .await;
            let first = client.frame().await;
            if first.command == "ERROR" {
                continue;
            }
            client
                .send(
                    &Frame::new("SUBSCRIBE")
                        .with("id", "own")
                        .with("destination", "/user/queue/marks")
                        .with("receipt", "r")
                        .with("x-stream-offset", "first"),
                )
                .await;
            let answered = client.frame().await;
            assert!(matches!(&*answered.command, "RECEIPT" | "ERROR"), "{name:?} has what is alice's: {answered}");
            if answered.command == "RECEIPT" {
                client
                    .send(
                        &Frame::new("SUBSCRIBE")
                            .with("id", "s")
                            .with("destination", "/topic/7b/quiz")
                            .with("x-stream-offset", "first"),
                    )
                    .await;
                let refused = client.frame().await;
                assert_eq!(refused.header("code"), Some("103"), "{name:?}: {refused}");
            }
        }
    }
}

#[tokio::test]
async fn somebody_elses_cursor_is_neither_seen_nor_moved_nor_forgotten() {
    let broker = Setup::asks_for_tokens().start().await;
    let teacher = broker.bearer("smith", "teacher", &["7b"]).await;
    let alice = broker.token("alice", "student", &["7b"], "8h").await;
    let named = [("durable-subscription-name", "lesson"), ("ack", "client")];
    let cursor = format!("/v1/cursors/lesson?destination={QUIZ}");
    let mut held = Vec::new();
    for client_id in [None, Some("tablet")] {
        let mut client = Client::tcp(&broker).await;
        let id = client_id.map(|id| ("client-id", id));
        let connect: Vec<_> = [("passcode", &*alice)].into_iter().chain(id).collect();
        client.connect(&connect).await;
        assert_eq!(client.subscribe("s", QUIZ, &named).await.header("resumed"), Some("false"));
        held.push((client, connect));
    }
    for number in 1..=3 {
        assert_eq!(ask(&broker, "POST", PAGE, &teacher, &number.to_string()).await.status, 201);
    }
    let mut away = Vec::new();
    let mut ids = Vec::new();
    for (mut client, connect) in held {
        let messages = client.messages(3).await;
        client.ack(&messages[0]).await;
        ids.extend(messages.iter().map(|message| message.need("ack").to_owned()));
        client.disconnect().await;
        away.push(connect);
    }

    for user in ["bob", "Alice", "alice ", "alice/tablet", "alice:tablet", "alice.tablet", "alice tablet", "tablet"] {
        let token = broker.token(user, "student", &["7b"], "8h").await;
        let bearer = format!("Bearer {token}");
        for client_id in
            [None, Some("tablet"), Some("alice"), Some("alice/tablet"), Some("alice:tablet"), Some("lesson")]
        {
            for mut client in both(&broker).await {
                let connect: Vec<_> =
                    [("passcode", &*token)].into_iter().chain(client_id.map(|id| ("client-id", id))).collect();
                client.connect(&connect).await;
                let receipt = client.subscribe("s", QUIZ, &named).await;
                assert_eq!(receipt.header("resumed"), Some("false"), "{user} {client_id:?}: {receipt}");
                // What was delivered to alice is not there to be acknowledged, and her cursor not to be forgotten.
                let forget = Frame::new("UNSUBSCRIBE").with("id", "s").with("durable", "true");
                client.request(forget.with("durable-subscription-name", "lesson")).await;
                client.send(&Frame::new("ACK").with("id", &*ids[2]).with("receipt", "stolen")).await;
                let _ = client.frame().await;
            }
        }
        assert_eq!(ask(&broker, "GET", &cursor, &bearer, "").await.status, 404, "{user}");
        assert_eq!(ask(&broker, "DELETE", &cursor, &bearer, "").await.status, 204, "{user} forgets nothing");
        let ahead = ask(&broker, "GET", &format!("{PAGE}&from=first"), &bearer, "").await.json();
        let last = ahead["position"].as_str().or(ahead["next"].as_str()).map(str::to_owned);
        if let Some(last) = last {
            ask(&broker, "PUT", &format!("{cursor}&position={last}"), &bearer, "").await;
        }
    }
    // Nobody takes the name of somebody else either.
    let bob = broker.token("bob", "student", &["7b"], "8h").await;
    let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school");
    for mut client in both(&broker).await {
        client.send(&connect.clone().with("login", "alice").with("passcode", &*bob).with("client-id", "tablet")).await;
        assert_eq!(client.error().await.header("code"), Some("101"));
    }

    for connect in away {
        let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
        client.connect(&connect).await;
        let receipt = client.subscribe("s", QUIZ, &named).await;
        assert_eq!((receipt.header("resumed"), receipt.header("missed")), (Some("true"), Some("2")), "{receipt}");
        assert_eq!(client.bodies(2).await, ["2", "3"]);
    }
}
