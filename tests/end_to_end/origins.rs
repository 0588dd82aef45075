//! Which pages may come in by which door, in the clear and under TLS; and for whom the broker may be taken.

use homeroom_tests::{Broker, DEADLINE, Setup, WebSocket, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

const LISTED: [&str; 4] = [
    "https://lessons.school.example",
    "http://school.example:8080",
    "https://xn--mnchen-3ya.example",
    "http://[2001:db8::7]:3000",
];
/// `{own}` is the broker's own origin, `{host}` and `{port}` its address, `{scheme}` its scheme and `{other}` the other.
const REFUSED: [&str; 60] = [
    "null",
    "NULL",
    "",
    "*",
    "{other}://{host}:{port}",
    "{scheme}://{host}",
    "{scheme}://{host}:80",
    "{scheme}://{host}:443",
    "{scheme}://{host}:1{port}",
    "{scheme}://{host}:{port}.evil.example",
    "{scheme}://{host}.evil.example:{port}",
    "{scheme}://evil.{host}:{port}",
    "{scheme}://{host}.:{port}",
    "{scheme}://evil@{host}:{port}",
    "{scheme}://{host}:{port}@evil.example",
    "{scheme}://{host}:{port}/",
    "{scheme}://{host}:{port}, https://evil.example",
    "{scheme}:{host}:{port}",
    "{scheme}:///{host}:{port}",
    "{scheme}://{host}:+{port}",
    "{host}:{port}",
    "//{host}:{port}",
    "ws://{host}:{port}",
    "wss://{host}:{port}",
    "{scheme}://localhost:{port}",
    "{scheme}://127.0.0.2:{port}",
    "{scheme}://[::1]:{port}",
    "{scheme}://0.0.0.0:{port}",
    "{scheme}://127.1:{port}",
    "{scheme}://2130706433:{port}",
    "{scheme}://0x7f000001:{port}",
    "{scheme}://[::ffff:127.0.0.1]:{port}",
    "https://evil.example",
    "https://lessons.school.example.evil.example",
    "https://evillessons.school.example",
    "https://evil.lessons.school.example",
    "https://school.example",
    "http://school.example",
    "http://lessons.school.example",
    "https://lessons.school.example:443",
    "https://lessons.school.example:8443",
    "https://lessons.school.example.",
    "https://lessons.school.example/",
    "https://lessons.school.example/lesson",
    "https://lessons.school.example?",
    "https://lessons.school.example#",
    "https://lessonsXschool.example",
    "https://lessons%2eschool.example",
    "https://lessons.school.example%00.evil.example",
    "https://lessons.school.example@evil.example",
    "https://evil.example@lessons.school.example",
    "https://evil.example/https://lessons.school.example",
    "https://evil.example, https://lessons.school.example",
    "https://lessons.school.example https://evil.example",
    "HTTPS://lessons.school.example",
    "https://Lessons.School.Example",
    "https://münchen.example",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "capacitor://localhost",
];

/// A door, what it answers to those who may come in, and what it is asked with.
type Door = (&'static str, &'static str, u16, &'static [&'static str], &'static str);

const HANDSHAKE: &[&str] = &[
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: aG9tZXJvb20gdGVzdHMuLg==",
];
const MESSAGES: &str = "/v1/messages?destination=/topic/7b/quiz";
const DOORS: [Door; 14] = [
    ("GET", "/ws", 101, HANDSHAKE, ""),
    ("GET", "/stomp", 101, HANDSHAKE, ""),
    ("GET", "/ws/websocket", 101, HANDSHAKE, ""),
    ("GET", "/ws/000/session/websocket", 101, HANDSHAKE, ""),
    ("GET", "/ws/info", 200, &[], ""),
    ("POST", "/ws/000/{new}/xhr", 200, &[], ""),
    ("GET", MESSAGES, 200, &[], ""),
    ("GET", MESSAGES, 200, &["Accept: text/event-stream"], ""),
    ("POST", MESSAGES, 201, &[], "hello"),
    ("OPTIONS", MESSAGES, 204, &["Access-Control-Request-Method: POST"], ""),
    ("DELETE", "/v1/cursors/c?destination=/topic/7b/quiz", 204, &["Authorization: Basic YWxpY2U6"], ""),
    ("GET", "/v1/time", 200, &[], ""),
    ("GET", "/v1/doctor/ticks?seconds=1", 200, &[], ""),
    ("POST", "/v1/doctor/echo", 200, &[], "hello"),
];

/// Only browsers ask before they send, and only for pages.
fn of_no_page(door: Door) -> u16 {
    if door.0 == "OPTIONS" { 405 } else { door.2 }
}

/// The status with which a request is answered; the rest of the answer is not waited for.
async fn status(address: &str, (method, path, _, headers, body): Door, more: &str) -> u16 {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let new = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
    let mut request = format!("{method} {} HTTP/1.1\r\n", path.replace("{new}", &new));
    headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
    request.push_str(&format!("Content-Length: {}\r\n{more}\r\n{body}", body.len()));
    raw_status(address, request.as_bytes()).await
}

async fn raw_status(address: &str, request: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(request).await.expect("taken");
    let mut head = [0; 12];
    within("a status", DEADLINE, stream.read_exact(&mut head)).await.expect("an answer");
    String::from_utf8_lossy(&head[9..]).parse().expect("a number")
}

async fn with_listed_pages(setup: Setup) -> Broker {
    setup.config(&format!("[http]\nallowed_origins = {LISTED:?}")).start().await
}

async fn every_origin_at_every_door(broker: &Broker, scheme: &str, other: &str) {
    let address = broker.http();
    let (host, port) = address.rsplit_once(':').expect("an address");
    let filled = |origin: &str| {
        let origin = origin.replace("{scheme}", scheme).replace("{other}", other);
        origin.replace("{host}", host).replace("{port}", port)
    };
    for door in DOORS {
        let ask = async |origins: &[String]| {
            let lines: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
            status(address, door, &format!("Host: {address}\r\n{lines}")).await
        };
        let (method, path, expected, ..) = door;
        assert_eq!(ask(&[]).await, of_no_page(door), "{method} {path} of no page");
        let own = filled("{scheme}://{host}:{port}");
        for origin in LISTED.iter().copied().chain([own.as_str()]) {
            assert_eq!(ask(&[origin.to_owned()]).await, expected, "{method} {path} of {origin}");
        }
        for origin in REFUSED.iter().map(|origin| filled(origin)) {
            assert_eq!(ask(std::slice::from_ref(&origin)).await, 403, "{method} {path} of {origin}");
        }
        for two in [[LISTED[0], "https://evil.example"], ["https://evil.example", LISTED[0]], [LISTED[0]; 2]] {
            assert_eq!(ask(&two.map(str::to_owned)).await, 403, "{method} {path} of {two:?}");
        }
    }
}

#[tokio::test]
async fn a_page_comes_in_by_every_door_or_by_none() {
    every_origin_at_every_door(&with_listed_pages(Setup::default()).await, "http", "https").await;
}

#[tokio::test]
async fn under_tls_a_page_in_the_clear_is_foreign() {
    every_origin_at_every_door(&with_listed_pages(Setup::default().over_tls()).await, "https", "http").await;
}

#[tokio::test]
async fn a_request_names_one_host_or_is_refused_on_every_door() {
    let broker = Broker::start().await;
    let own = broker.http();
    for door in DOORS {
        for hosts in [
            &[][..],
            &[""],
            &[own, own],
            &[own, "evil.example"],
            &["evil.example/127.0.0.1"],
            &["127.0.0.1@evil.example"],
            &["127.0.0.1, evil.example"],
            &["127.0.0.1:"],
            &["127.0.0.1:99999"],
            &["127.0.0.1:80:80"],
            &["http://127.0.0.1"],
            &["::1"],
            &["[::1"],
            &["127.0.0.1%00"],
            &["*"],
        ] {
            let lines: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
            assert_eq!(status(own, door, &lines).await, 400, "{} {} at {hosts:?}", door.0, door.1);
        }
        // A page that reads from its own host says no origin. One that opens a WebSocket always does.
        let expected = if door.2 == 101 { 101 } else { 403 };
        let answered = status(own, door, "Host: evil.example\r\n").await;
        assert_eq!(answered, expected, "{} {} by a foreign name on loopback", door.0, door.1);
    }
    // RFC 9112, 3.2.2: an address that is written out says where, and Host may not say otherwise.
    for (address, host, expected) in
        [(own, own, 200), (own, "evil.example", 400), ("evil.example", own, 400), ("evil.example", "evil.example", 403)]
    {
        let request = format!("GET http://{address}/v1/time HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(raw_status(own, request.as_bytes()).await, expected, "{address} {host}");
    }
    // HTTP/1.0 need not name any.
    assert_eq!(raw_status(own, b"GET /v1/time HTTP/1.0\r\n\r\n").await, 200);
}

#[tokio::test]
async fn who_asks_for_a_name_that_is_not_listed_is_refused_on_every_door() {
    let config = "[http]\nhosts = [\"lessons.school.example\", \"[2001:db8::7]\"]";
    let broker = Setup::default().config(config).start().await;
    for door in DOORS {
        for (host, is_ours) in [
            ("lessons.school.example", true),
            ("Lessons.School.Example:8080", true),
            ("[2001:db8:0::7]", true),
            ("evil.example", false),
            ("lessons.school.example.evil.example", false),
            ("school.example", false),
            ("localhost", false),
            ("127.0.0.1", false),
        ] {
            for more in [String::new(), format!("Origin: http://{}\r\n", host.to_lowercase().replace(":0::", "::"))] {
                let answered = status(broker.http(), door, &format!("Host: {host}\r\n{more}")).await;
                let expected = match (is_ours, more.is_empty()) {
                    (true, true) => of_no_page(door),
                    (true, false) => door.2,
                    (false, _) => 403,
                };
                assert_eq!(answered, expected, "{} {} at {host} {more}", door.0, door.1);
            }
        }
    }
    let asked = homeroom_tests::request("GET", broker.http(), "/", &[("Host", "evil.example")], b"");
    let refused = homeroom_tests::exchange(broker.http(), &asked).await.expect("an answer");
    assert_eq!(refused.status, 403, "the lesson page too");
    assert!(refused.body.contains("http.hosts") && refused.body.contains("evil.example"), "{refused:?}");
}

#[tokio::test]
async fn a_cookie_counts_for_the_brokers_own_pages_and_for_no_others() {
    let setup = Setup::asks_for_tokens().environment("HOMEROOM__ACCESS__JWT__COOKIE", "school");
    let broker = setup.start().await;
    let address = broker.http();
    let cookie = format!("Cookie: school={}\r\n", broker.token("smith", "teacher", &["7b"], "8h").await);
    for door in DOORS.into_iter().filter(|door| door.1.starts_with(MESSAGES) && door.0 != "OPTIONS") {
        for (origin, brings, expected) in [
            (format!("http://{address}"), &*cookie, door.2),
            (format!("http://{address}"), "", 401),
            ("https://evil.example".to_owned(), &*cookie, 403),
            ("null".to_owned(), &*cookie, 403),
        ] {
            let lines = format!("Host: {address}\r\nOrigin: {origin}\r\n{brings}");
            assert_eq!(status(address, door, &lines).await, expected, "{} {} of {origin}", door.0, door.1);
        }
    }
    let stream = || TcpStream::connect(address);
    let shown = cookie.trim_end().trim_start_matches("Cookie: ");
    for (origin, is_in) in [(format!("http://{address}"), true), ("https://evil.example".to_owned(), false)] {
        let headers = [("Origin", &*origin), ("Cookie", shown)];
        let opened = WebSocket::open(stream().await.expect("it listens"), "/ws", &["v12.stomp"], &headers).await;
        assert_eq!(opened.is_ok(), is_in, "{origin}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_under_which_scheme_a_page_came() {
    for (trusted, said, http, https) in [
        ("127.0.0.1", "", true, true),
        ("127.0.0.1", "X-Forwarded-Proto: https\r\n", false, true),
        ("127.0.0.1", "X-Forwarded-Proto: wss\r\n", false, true),
        ("127.0.0.1", "X-Forwarded-Proto: http\r\n", true, false),
        ("127.0.0.1", "X-Forwarded-Proto: http, https\r\n", true, true),
        ("192.0.2.1", "", true, false),
        ("192.0.2.1", "X-Forwarded-Proto: https\r\n", true, false),
    ] {
        let broker = Broker::start_with(&format!("[proxies]\ntrusted = [\"{trusted}\"]")).await;
        for door in DOORS {
            for (scheme, may) in [("http", http), ("https", https)] {
                let lines = format!("Host: {0}\r\nOrigin: {scheme}://{0}\r\n{said}", broker.http());
                let expected = if may { door.2 } else { 403 };
                let answered = status(broker.http(), door, &lines).await;
                assert_eq!(answered, expected, "{} {} of {scheme} by {trusted} {said}", door.0, door.1);
            }
        }
    }
}

/// Asks with Node's own HTTP/2 client and prints the status.
const ASKING: &str = "
    const [, address, headers] = process.argv;
    const session = require('node:http2').connect(`http://${address}`);
    const request = session.request({ ':path': '/v1/time', ...JSON.parse(headers) });
    request.on('response', (answer) => { console.log(answer[':status']); process.exit(); });
    request.on('error', (error) => { console.log(error.code); process.exit(); });
    request.end();
";

#[tokio::test]
async fn over_http_2_the_same_holds() {
    let broker = Broker::start().await;
    let own = broker.http();
    let cases = [
        (format!("{{\"origin\":\"http://{own}\"}}"), "200"),
        (format!("{{\"origin\":\"https://{own}\"}}"), "403"),
        ("{\"origin\":\"null\"}".to_owned(), "403"),
        ("{\":authority\":\"evil.example\"}".to_owned(), "403"),
        ("{\":authority\":\"evil.example\",\"origin\":\"http://evil.example\"}".to_owned(), "403"),
        (format!("{{\":authority\":\"{own}\",\"host\":\"evil.example\"}}"), "400"),
        (format!("{{\":authority\":\"evil.example\",\"host\":\"{own}\"}}"), "400"),
    ];
    for (headers, expected) in cases {
        let node = Command::new("node").args(["-e", ASKING, own, &headers]).kill_on_drop(true).output();
        let output = within("an answer", DEADLINE, node).await.expect("Node is installed");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{headers}");
    }
}
