//! `homeroom doctor` under TLS: it measures through it, and says in plain words why there is none.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use homeroom_tests::{Authority, Broker, Setup, binary, within};
use rcgen::{BasicConstraints, CertificateParams, IsCa, SanType, date_time_ymd};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// So long the proxy lets a connection be silent.
const CUT_AFTER: Duration = Duration::from_secs(2);

async fn doctor(url: &str, flags: &[&str], authority: Option<&Path>) -> Output {
    let mut command = Command::new(binary());
    for name in ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HOMEROOM_CA"] {
        command.env_remove(name);
    }
    command.args(["doctor", url]).args(flags).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(authority) = authority {
        command.arg("--ca").arg(authority);
    }
    within("the doctor's end", Duration::from_secs(60), command.output()).await.expect("the binary runs")
}

/// The measurements, and the findings as people read them, by their names.
async fn examined(url: &str, flags: &[&str], authority: Option<&Path>) -> (Value, Vec<String>, String) {
    let output = doctor(url, &[&["--json"], flags].concat(), authority).await;
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = said["findings"].as_array().expect("findings");
    let names = findings.iter().filter_map(|finding| finding["id"].as_str().map(str::to_owned)).collect();
    (said["measurements"].clone(), names, said["findings"].to_string())
}

/// A broker whose certificate has something changed in it, and the file of its authority.
async fn certified(change: impl FnOnce(&mut CertificateParams)) -> (Broker, PathBuf) {
    let authority = Authority::new();
    let setup = Setup::default().tls(&authority);
    let (certificate, key) = setup.certificate_files();
    authority.issue_otherwise(&certificate, &key, change);
    let trusted = authority.file(setup.directory());
    (setup.start().await, trusted)
}

/// Does the same with every connection.
async fn listener<F: Future<Output = ()> + Send + 'static>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

#[tokio::test]
async fn every_door_is_tried_through_tls() {
    let (broker, trusted) = certified(|_| {}).await;
    let secure = format!("wss://{}/ws", broker.http());
    let output = doctor(&secure, &["--idle", "1s"], Some(&trusted)).await;
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
    let wanted =
        format!("Homeroom network doctor: https://{}\n\nEncryption\n  TLS 1.3         HTTP/2, ", broker.http());
    assert!(report.starts_with(&wanted) && report.contains("CN=the tests' authority, until "), "{report}");
    assert!(report.contains("1. Everything gets through."), "{report}");
    assert_eq!(report.matches("works, ").count(), 5, "{report}");
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said() {
    let (own, _) = certified(|_| {}).await;
    let stranger = Authority::new().file(own.setup().directory());
    let (other, of_other) = certified(|params| {
        params.subject_alt_names = vec![SanType::DnsName("www.school.example".try_into().expect("a name"))];
    })
    .await;
    let (ended, of_ended) = certified(|params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 2), date_time_ymd(2021, 3, 4));
    })
    .await;
    let (wide, of_wide) = certified(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)).await;
    let runs = [
        (&own, &stranger, "certificate-untrusted", "the tests' authority"),
        (&other, &of_other, "certificate-wrong-name", "www.school.example"),
        (&ended, &of_ended, "certificate-untimely", "from 2020-01-02 to 2021-03-04"),
        (&wide, &of_wide, "certificate-unusable", "(CaUsedAsEndEntity)"),
    ];
    let runs = runs.map(|(broker, trusted, finding, words)| async move {
        let url = format!("https://{}", broker.http());
        let (measured, found, said) = examined(&url, &[], Some(trusted)).await;
        assert_eq!(found, [finding], "{measured}");
        assert!(said.contains(words), "{said}");
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn what_keeps_tls_from_coming_about_is_said() {
    let (secure, _) = certified(|_| {}).await;
    let plain = Broker::start().await;
    let said = |bytes: &'static [u8]| {
        listener(async move |mut stream| {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(bytes).await;
        })
    };
    let page = said(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    let alert = said(&[0x15, 3, 3, 0, 2, 2, 112]).await;
    let cut = said(b"").await;
    let silent = listener(async |mut stream| drop(stream.read_to_end(&mut Vec::new()).await)).await;
    let runs = [
        (format!("http://{}", secure.http()), "only-tls", format!("https://{}", secure.http())),
        (format!("https://{}", plain.http()), "tls-unknown", format!("http://{}", plain.http())),
        (format!("https://{page}"), "tls-unknown", "a filter answers in its place".to_owned()),
        (format!("https://{alert}"), "tls-refused", "UnrecognisedName".to_owned()),
        (format!("https://{cut}"), "tls-closed", "Allow encrypted connections".to_owned()),
        (format!("https://{silent}"), "tls-silent", "Allow encrypted connections".to_owned()),
    ];
    let trusted = Authority::new().file(secure.setup().directory());
    let runs = runs.map(|(url, finding, words)| {
        let trusted = &trusted;
        async move {
            let (measured, found, said) = examined(&url, &[], Some(trusted)).await;
            assert_eq!(found, [finding], "{measured}");
            assert!(said.contains(&words), "{said}");
        }
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn a_way_that_cuts_silence_is_found_through_tls() {
    let (broker, trusted) = certified(|_| {}).await;
    let far = broker.http().to_owned();
    let way = listener(move |near| cutting(near, far.clone())).await;
    let (measured, found, said) = examined(&format!("https://{way}"), &["--idle", "3s"], Some(&trusted)).await;
    assert_eq!(found, ["websocket-quiet-cut", "http-quiet-cut"], "{measured}");
    assert!(said.contains("heartbeat_send = \\\"1s\\\""), "{said}");
}

/// Passes on what it cannot read, and cuts where nothing was said for a while.
async fn cutting(mut near: TcpStream, address: String) {
    let Ok(mut far) = TcpStream::connect(address).await else { return };
    let (mut out, mut back) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        let passed = tokio::time::timeout(CUT_AFTER, async {
            let (read, bytes, other) = tokio::select! {
                read = near.read(&mut out) => (read?, &out, &mut far),
                read = far.read(&mut back) => (read?, &back, &mut near),
            };
            other.write_all(&bytes[..read]).await.map(|()| read > 0)
        });
        if !matches!(passed.await, Ok(Ok(true))) {
            return;
        }
    }
}

#[tokio::test]
async fn the_doctor_gives_up_when_it_is_told_to() {
    let silent = listener(async |mut stream| drop(stream.read_to_end(&mut Vec::new()).await)).await;
    let output = doctor(&format!("http://{silent}"), &["--give-up-after", "1s"], None).await;
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("1. After 1 s the measurement was given up.") && !report.contains("\n2. "), "{report}");
}
