//! TLS at every door: real clients, those who speak something else, those who never finish, and a good-bye.

use std::process::Output;
use std::time::Duration;

use homeroom_tests::{
    Authority, Broker, Client, DEADLINE, Setup, eventually, get, metric, node_trusting, python_trusting, shown, within,
};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::time::Instant;

use crate::limit_hits::{hits, is_hit};

const QUIZ: &str = "/topic/7b/quiz";

async fn counted(broker: &Broker, name: &str) -> f64 {
    metric(&get(broker.management(), "/metrics").await.body, name).unwrap_or_default()
}

async fn curl(arguments: &[&str]) -> Output {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20"]).args(arguments);
    curl.output().await.expect("curl is installed")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn curl_reads_and_publishes_in_each_version() {
    let authority = Authority::new();
    let broker = Setup::default().tls(&authority).start().await;
    let trusted = authority.file(broker.setup().directory());
    let url = format!("https://{}/v1/messages?destination={QUIZ}", broker.http());
    let ca = trusted.to_str().expect("a path");
    for (flag, http, tls) in
        [("--http2", "2", "--tlsv1.3"), ("--http1.1", "1.1", "--tlsv1.3"), ("--http1.1", "1.1", "--tls-max=1.2")]
    {
        let (limit, version) = tls.split_once('=').unwrap_or((tls, ""));
        let mut arguments = vec!["--cacert", ca, flag, limit];
        arguments.extend((!version.is_empty()).then_some(version));
        let published = curl(&[&arguments[..], &["--user", "service:", "--data", flag, &url]].concat()).await;
        assert!(text(&published).contains("\"position\""), "{}", text(&published));
        let format = ["--write-out", " %{http_version} %{http_code} %{ssl_verify_result}"];
        let page = curl(&[&arguments[..], &format, &[&*url]].concat()).await;
        assert!(text(&page).contains(flag) && text(&page).ends_with(&format!(" {http} 200 0")), "{}", text(&page));
    }
    // Who does not trust the authority does not get in, and 1.1 is no version any more.
    assert!(!curl(&[&url]).await.status.success());
    assert!(!curl(&["--cacert", ca, "--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0", &url]).await.status.success());
}

#[tokio::test]
async fn unmodified_clients_speak_through_it() {
    let authority = Authority::new();
    let broker = Setup::default().tls(&authority).start().await;
    let trusted = authority.file(broker.setup().directory());
    let url = format!("wss://{}/ws", broker.http());
    let mut student = node_trusting(&trusted, "student.js", &[&url, "alice", QUIZ, "client"]);
    student.until("subscribed").await;

    let mut service = python_trusting(&trusted, "durable.py", &[broker.stomp()]);
    let said = service.until("returned").await;
    assert_eq!(said["bodies"], json!(["two", "three"]));
    assert!(service.ended().await.success());

    let homeroom = |arguments: &[&str]| {
        let mut command = Command::new(homeroom_tests::binary());
        command.args(arguments).args(["--url", &url]).kill_on_drop(true);
        command
    };
    let publish = ["publish", QUIZ, "Is 91 prime?"];
    let distrusted = homeroom(&publish).output().await.expect("it runs");
    assert!(!distrusted.status.success() && text(&distrusted).contains("--ca FILE"), "{}", text(&distrusted));
    let published = homeroom(&publish).arg("--ca").arg(&trusted).output().await.expect("it runs");
    assert!(published.status.success(), "{}", text(&published));
    assert_eq!(student.until("message").await["body"], "Is 91 prime?");
    let mut subscribe = homeroom(&["subscribe", QUIZ, "--rewind", "1", "--count", "1", "--body"]);
    let subscribed = subscribe.arg("--ca").arg(&trusted).output().await.expect("it runs");
    assert_eq!(String::from_utf8_lossy(&subscribed.stdout), "Is 91 prime?\n", "{}", text(&subscribed));
}

#[tokio::test]
async fn who_speaks_without_tls_is_told_to_speak_it() {
    let broker = Setup::default().tls(&Authority::new()).start().await;
    let answer = get(broker.http(), "/v1/time").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("https://"), "{answer:?}");
    for (door, words) in [(broker.http(), "wss://"), (broker.stomp(), "connect with TLS")] {
        let mut stream = TcpStream::connect(door).await.expect("it listens");
        let first = "CONNECT\naccept-version:1.2\n\n\0";
        stream.write_all(first.as_bytes()).await.expect("written");
        let mut said = String::new();
        within("a word", DEADLINE, stream.read_to_string(&mut said)).await.expect("text");
        assert!(said.contains(words), "{said}");
    }
    // What is neither is closed without a word.
    let mut stream = TcpStream::connect(broker.stomp()).await.expect("it listens");
    stream.write_all(b"\0\x01").await.expect("written");
    let mut said = Vec::new();
    let _ = within("the end", DEADLINE, stream.read_to_end(&mut said)).await;
    assert_eq!(said, b"");
    // The last one is counted behind its close.
    let all = async || (counted(&broker, "homeroom_tls_handshakes_total").await >= 4.0).then_some(());
    eventually("four handshakes that were none", DEADLINE, all).await;
}

#[tokio::test]
async fn who_speaks_tls_to_a_port_without_it_is_told_of_in_the_log() {
    let authority = Authority::new();
    for door in ["http", "stomp"] {
        let setup = Setup::default().environment("HOMEROOM__TLS__LISTENERS", "management");
        let broker = setup.tls(&authority).start().await;
        let address = if door == "http" { broker.http() } else { broker.stomp() };
        let refused = within("an end", DEADLINE, authority.connect(address)).await;
        assert!(refused.is_err(), "{door}");
        let told = async || broker.stderr().contains(&format!("speaks TLS on the {door} listener")).then_some(());
        eventually("a line in the log", DEADLINE, told).await;
        // The third listener has it, since it was named.
        authority.connect(broker.management()).await.expect("TLS on the management listener");
    }
}

#[tokio::test]
async fn half_a_hello_is_waited_for_a_while_and_a_class_goes_on() {
    const HALF: usize = 500;
    let setup = Setup::default()
        .config("[tls]\nhandshake_timeout = \"2s\"\nhandshakes = 600\n[limits]\nhandshakes_per_address = 600")
        .over_tls();
    let broker = setup.start().await;
    let mut class = Vec::new();
    for number in 0..10 {
        let mut student = Client::signed_in(&broker, &format!("student-{number}")).await;
        student.subscribe("s", QUIZ, &[]).await;
        class.push(student);
    }
    let done = counted(&broker, "homeroom_tls_handshakes_total").await;
    let mut halves = Vec::new();
    for number in 0..HALF {
        let mut stream = TcpStream::connect(&*broker.direct().http).await.expect("it listens");
        // Some say nothing at all; the others begin a record of 512 bytes.
        if number % 5 > 0 {
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await.expect("written");
        }
        halves.push(stream);
    }
    let mut teacher = Client::signed_in_over_tcp(&broker, "teacher").await;
    for number in 0..50 {
        teacher.publish(QUIZ, &number.to_string()).await;
        for student in &mut class {
            assert_eq!(student.message().await.text(), number.to_string());
        }
    }
    for mut half in halves {
        let mut said = Vec::new();
        let _ = within("the end of half a handshake", DEADLINE, half.read_to_end(&mut said)).await;
    }
    let late = async || (counted(&broker, "homeroom_tls_handshakes_total").await >= done + HALF as f64).then_some(());
    eventually("every handshake is counted", DEADLINE, late).await;
    Client::signed_in(&broker, "late").await;
}

#[tokio::test]
async fn so_many_shake_hands_at_a_time_and_the_others_wait_their_turn() {
    let setup = Setup::default().config("[tls]\nhandshake_timeout = \"5s\"\nhandshakes = 2").over_tls();
    let broker = setup.start().await;
    let done = counted(&broker, "homeroom_tls_handshakes_total").await;
    let mut halves = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&*broker.direct().http).await.expect("it listens");
        stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await.expect("written");
        halves.push(stream);
    }
    let mut late = Box::pin(Client::signed_in(&broker, "late"));
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut late).await.is_err(), "it came in before its turn");
    // Its own time began with its turn to wait: somebody makes room before that is over.
    drop(halves.pop());
    within("a turn", DEADLINE, late).await;
    eventually("three ends", DEADLINE, async || {
        (counted(&broker, "homeroom_tls_handshakes_total").await >= done + 3.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_certificate_is_exchanged_under_a_running_class() {
    let authority = Authority::new();
    let setup = Setup::default().config("[tls]\nlook_every = \"50ms\"").tls(&authority);
    let broker = setup.start().await;
    let (certificate, key) = broker.setup().certificate_files();
    let through = homeroom_tests::Tunnel::to(broker.stomp(), &authority);
    let mut student = Client::try_over_tcp(through.address(), "student").await.expect("a way in");
    student.subscribe("s", QUIZ, &[]).await;
    let mut teacher = Client::try_over_tcp(through.address(), "teacher").await.expect("a way in");
    let lesson = tokio::spawn(async move {
        let mut number = 0;
        loop {
            teacher.publish(QUIZ, &number.to_string()).await;
            assert_eq!(student.message().await.text(), number.to_string(), "nothing is lost");
            number += 1;
            if number >= 200 && teacher_may_stop() {
                return number;
            }
        }
    });
    let now = async || shown(&authority.connect(broker.http()).await.expect("TLS"));
    let reloads =
        async |result: &str| counted(&broker, &format!("homeroom_tls_reloads_total{{result=\"{result}\"}}")).await;
    let first = now().await;

    // Found by itself.
    authority.issue(&certificate, &key);
    let second =
        eventually("the second is shown", DEADLINE, async || Some(now().await).filter(|own| *own != first)).await;
    // Broken: the key does not belong to it. The one before stays, and that is told.
    std::fs::write(&key, "no key").expect("written");
    let refused = async || (reloads("refused").await > 0.0).then_some(());
    eventually("it is refused", DEADLINE, refused).await;
    assert_eq!(now().await, second);
    assert!(broker.stderr().contains("the certificate in use stays: tls.key"), "{}", broker.stderr());
    // Asked for.
    authority.issue(&certificate, &key);
    broker.signal(Signal::HUP);
    eventually("the third is shown", DEADLINE, async || Some(now().await).filter(|own| *own != second)).await;

    STOP.store(true, std::sync::atomic::Ordering::Relaxed);
    let count = within("the lesson", DEADLINE * 2, lesson).await.expect("nothing was lost");
    println!("{count} messages over three certificates");
    assert!(counted(&broker, "homeroom_tls_certificate_expiration_timestamp_seconds").await > 0.0);
}

static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

fn teacher_may_stop() -> bool {
    STOP.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn a_hangup_ends_nothing_where_there_is_no_certificate() {
    let mut broker = Broker::start().await;
    broker.signal(Signal::HUP);
    Client::signed_in(&broker, "alice").await;
    broker.terminate();
    assert!(broker.exited().await.success());
}

#[tokio::test]
async fn every_end_is_said_under_tls_too() {
    let authority = Authority::new();
    let mut broker = Setup::default().tls(&authority).start().await;
    let mut stomp = authority.connect(broker.stomp()).await.expect("TLS");
    stomp.write_all(b"CONNECT\naccept-version:1.2\nhost:school\n\n\0").await.expect("written");
    let mut bytes = vec![0; 4096];
    let count = within("CONNECTED", DEADLINE, stomp.read(&mut bytes)).await.expect("open");
    assert!(bytes[..count].starts_with(b"CONNECTED"));
    let mut http = authority.connect(broker.http()).await.expect("TLS");
    http.write_all(b"GET /v1/time HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
    let count = within("an answer", DEADLINE, http.read(&mut bytes)).await.expect("open");
    assert!(bytes[..count].starts_with(b"HTTP/1.1 200"));
    broker.terminate();
    // An end without a good-bye is an error to rustls, since it could be somebody's who cut the line.
    for stream in [&mut stomp, &mut http] {
        within("the end", DEADLINE, stream.read_to_end(&mut bytes)).await.expect("a good-bye");
    }
    assert!(broker.exited().await.success());
}

#[tokio::test]
async fn frames_come_whole_however_the_records_are_cut() {
    let authority = Authority::new();
    let broker = Setup::default().tls(&authority).start().await;
    let mut stream = authority.connect(broker.stomp()).await.expect("TLS");
    let large = "x".repeat(300_000);
    let frames = format!(
        "CONNECT\naccept-version:1.2\nhost:school\n\n\0SUBSCRIBE\nid:s\ndestination:{QUIZ}\n\n\0\
         SEND\ndestination:{QUIZ}\nreceipt:r\n\n{large}\0"
    );
    // Each piece is a record of its own.
    for piece in [&frames.as_bytes()[..1], &frames.as_bytes()[1..70], &frames.as_bytes()[70..]] {
        stream.write_all(piece).await.expect("written");
        stream.flush().await.expect("sent");
    }
    let mut heard = String::new();
    let mut bytes = vec![0; 65_536];
    while !(heard.contains("receipt-id:r") && heard.matches('x').count() >= large.len()) {
        let count = within("a record", Duration::from_secs(20), stream.read(&mut bytes)).await.expect("open");
        assert!(count > 0, "the broker closed after {heard:.200}");
        heard.push_str(std::str::from_utf8(&bytes[..count]).expect("text"));
    }
}

#[tokio::test]
async fn keys_may_be_changed_and_who_does_nothing_else_is_closed() {
    let authority = Authority::new();
    let broker = Setup::default().tls(&authority).start().await;
    let mut stream = authority.connect(broker.stomp()).await.expect("TLS");
    let mut bytes = vec![0; 4096];
    stream.write_all(b"CONNECT\naccept-version:1.2\nhost:school\n\n\0").await.expect("written");
    within("CONNECTED", DEADLINE, stream.read(&mut bytes)).await.expect("open");
    for number in 0..100 {
        stream.get_mut().1.refresh_traffic_keys().expect("TLS 1.3");
        let asked = format!("SEND\ndestination:{QUIZ}\nreceipt:{number}\n\nwith new keys\0");
        stream.write_all(asked.as_bytes()).await.expect("written");
        stream.flush().await.expect("sent");
        let count = within("RECEIPT", DEADLINE, stream.read(&mut bytes)).await.expect("open");
        let said = String::from_utf8_lossy(&bytes[..count]);
        assert!(said.contains(&format!("receipt-id:{number}\n")), "{said}");
    }
    let flood = async {
        loop {
            if stream.get_mut().1.refresh_traffic_keys().is_err() || stream.flush().await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    within("the end of it", DEADLINE, flood).await;
    Client::try_over_tcp(homeroom_tests::Tunnel::to(broker.stomp(), &authority).address(), "next")
        .await
        .expect("a way in");
}

#[tokio::test]
async fn the_files_are_looked_at_before_the_broker_starts() {
    let (right, other) = (Setup::default().tls(&Authority::new()), Setup::default().tls(&Authority::new()));
    let ((certificate, key), (_, others_key)) = (right.certificate_files(), other.certificate_files());
    let missing = right.directory().join("missing.pem");
    for (command, key, code, words) in [
        ("check", &key, 0, "The configuration is right"),
        ("check", &others_key, 2, "homeroom.toml:3: tls.key"),
        ("serve", &others_key, 2, "It is not the key of the certificate"),
        ("serve", &missing, 2, "It cannot be read"),
    ] {
        let config = right.directory().join("homeroom.toml");
        let settings =
            format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n[listen]\nhttp = \"127.0.0.1:0\"\n");
        std::fs::write(&config, settings).expect("written");
        let mut homeroom = Command::new(homeroom_tests::binary());
        homeroom.arg(command).arg("--config").arg(&config).current_dir(right.directory()).kill_on_drop(true);
        let output = within(command, DEADLINE, homeroom.output()).await.expect("it runs");
        let told = text(&output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
async fn half_hellos_from_one_address_make_nobody_else_wait() {
    let settings = "[tls]\nhandshake_timeout = \"20s\"\nhandshakes = 16\n[limits]\nhandshakes_per_address = 8";
    let broker = Setup::default().config(settings).over_tls().start().await;
    let mut halves = Vec::new();
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.2:0".parse().expect("an address")).expect("loopback is all of 127");
        let address = broker.direct().http.parse().expect("an address");
        let mut stream = socket.connect(address).await.expect("it listens");
        stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await.expect("written");
        halves.push(stream);
    }
    is_hit(&broker, "handshakes_per_address").await;
    let begun = Instant::now();
    for number in 0..20 {
        Client::signed_in(&broker, &format!("student-{number}")).await.publish(QUIZ, "here").await;
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "twenty came in after {:?}", begun.elapsed());
    assert_eq!(hits(&broker, "tls.handshakes").await, 0.0, "there was room for others all the time");
    // Who waits for its address is gone after its time as well.
    drop(halves.split_off(50));
    let settings = "[tls]\nhandshake_timeout = \"1s\"\nhandshakes = 1";
    let broker = Setup::default().config(settings).over_tls().start().await;
    let mut late = TcpStream::connect(&*broker.direct().http).await.expect("it listens");
    late.write_all(&[0x16, 3, 1]).await.expect("written");
    let second = TcpStream::connect(&*broker.direct().http).await.expect("it listens");
    second.writable().await.expect("it is there");
    second.try_write(&[0x16, 3, 1]).expect("written");
    is_hit(&broker, "tls.handshakes").await;
    is_hit(&broker, "tls.handshake_timeout").await;
}
