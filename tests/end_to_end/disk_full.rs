//! A full disk: publishers are refused, subscribers stay, and it works again
//! by itself when there is space.

use std::path::PathBuf;
use std::time::Duration;

use homeroom_tests::{Client, Frame, Heard, Setup, eventually, get, post};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tokio::time::Instant;

const DISK_BYTES: u64 = 48 << 20;

/// A small disk of its own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a tmpfs. Needs root, or `unshare -rm` around the tests, which `tests/run` gives.
    fn mount(path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).expect("a mount point");
        let size = std::ffi::CString::new(format!("size={DISK_BYTES}")).expect("no NUL");
        mount("tmpfs", &path, "tmpfs", MountFlags::empty(), size.as_c_str()).unwrap_or_else(|error| {
            panic!("no small disk ({error}): run the tests as root, or inside `unshare --map-root-user --mount`")
        });
        Self(path)
    }

    /// Fills all but `rest` bytes with something that is not the broker's.
    fn fill_but(&self, rest: u64) -> PathBuf {
        let status = rustix::fs::statvfs(&self.0).expect("the disk's state");
        let free = status.f_bavail * status.f_frsize;
        let other = self.0.join("holiday-photos");
        std::fs::write(&other, vec![7; free.saturating_sub(rest) as usize]).expect("space for the photos");
        other
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// A SEND's outcome: its RECEIPT or the ERROR.
async fn try_publish(client: &mut Client, body: &str) -> Frame {
    client.send(&Frame::new("SEND").with("destination", "/topic/7b").with("receipt", "r").body(body)).await;
    client.frame().await
}

#[tokio::test]
async fn publishers_are_refused_subscribers_stay_and_space_heals() {
    let setup = Setup::default().config("[storage]\nfree_space_min = \"4MB\"\nballast = \"1MB\"");
    let disk = SmallDisk::mount(setup.directory().join("disk"));
    let broker = setup.data(&disk.0.join("data")).start().await;
    let mut student = Client::signed_in(&broker, "alice").await;
    student.subscribe("lesson", "/topic/7b", &[("durable", "true"), ("ack", "client")]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.publish("/topic/7b", "before").await;

    let photos = disk.fill_but(6 << 20);
    let body = "x".repeat(10_000);
    let mut confirmed = vec!["before".to_owned()];
    let refusal = loop {
        let answer = try_publish(&mut teacher, &body).await;
        if answer.command == "ERROR" {
            break answer;
        }
        confirmed.push(body.clone());
        assert!(confirmed.len() < 5_000, "50 MB were confirmed on a disk of 48");
    };
    assert_eq!(refusal.header("message"), Some("storage-full"), "{refusal}");
    assert_eq!((refusal.header("code"), refusal.header("retryable")), (Some("108"), Some("true")), "{refusal}");
    let close = teacher.closed().await;
    assert!(close.code.is_some_and(|code| (4000..4500).contains(&code)), "come back: {close:?}");

    // Subscribers stay: they get all that was confirmed, and what needs no disk.
    for expected in &confirmed {
        assert_eq!(student.message().await.text(), expected);
    }
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let stroke = Frame::new("SEND").with("destination", "/topic/7b").with("persistent", "false").body("a stroke");
    teacher.request(stroke).await;
    assert_eq!(student.message().await.text(), "a stroke");
    let by_http = post(broker.http(), "/v1/messages?destination=/topic/7b", &[], &body).await;
    assert_eq!((by_http.status, &by_http.json()["code"]), (503, &108.into()), "{by_http:?}");
    assert!(by_http.header("retry-after").is_some(), "{by_http:?}");
    let mut late = Client::signed_in(&broker, "bob").await;
    late.subscribe("s", "/topic/7b", &[("x-stream-offset", "first")]).await;
    assert_eq!(late.message().await.text(), "before", "the log can still be read");
    let ready = get(broker.management(), "/health/ready").await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(get(broker.management(), "/health/live").await.status, 200);

    std::fs::remove_file(photos).expect("the photos can go");
    let freed = Instant::now();
    let mut tries = 0;
    eventually("a confirmed message after space came back", Duration::from_secs(5), || {
        tries += 1;
        let broker = &broker;
        async move {
            let mut teacher = Client::signed_in(broker, "teacher").await;
            (try_publish(&mut teacher, "after").await.command == "RECEIPT").then_some(())
        }
    })
    .await;
    println!(
        "confirmed again {:?} after space came back, {} confirmed before it was full",
        freed.elapsed(),
        confirmed.len()
    );
    assert_eq!(student.message().await.text(), "after");
    assert!(student.try_send_bytes(b"\n").await.is_ok(), "the student was connected all the time");
    eventually("readiness", Duration::from_secs(5), || async {
        (get(broker.management(), "/health/ready").await.status == 200).then_some(())
    })
    .await;

    // And it was all true: a kill shows what is on the disk.
    let broker = broker.killed_and_restarted().await;
    let mut auditor = Client::signed_in(&broker, "auditor").await;
    auditor.subscribe("s", "/topic/7b", &[("x-stream-offset", "first")]).await;
    for expected in confirmed.iter().map(String::as_str).chain(["after"]) {
        assert_eq!(auditor.message().await.text(), expected);
    }
    drop(broker);
}

#[tokio::test]
async fn a_disk_filled_to_the_last_byte_by_others_loses_nothing() {
    let setup = Setup::default().config("[storage]\nfree_space_min = \"1MB\"\nballast = \"1MB\"");
    let disk = SmallDisk::mount(setup.directory().join("disk"));
    let broker = setup.data(&disk.0.join("data")).start().await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.publish("/topic/7b", "before").await;
    let photos = disk.fill_but(0);
    // The watermark may be looked at only now and then: some may still fit, none that does not may be confirmed.
    let mut confirmed = vec!["before".to_owned()];
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    loop {
        let body = format!("{:x<5000}", confirmed.len());
        if try_publish(&mut teacher, &body).await.command == "ERROR" {
            break;
        }
        confirmed.push(body);
        assert!(confirmed.len() < 10_000, "50 MB were confirmed on a full disk of 48");
    }
    std::fs::remove_file(photos).expect("the photos can go");
    eventually("a confirmed message after space came back", Duration::from_secs(5), || async {
        let mut teacher = Client::signed_in(&broker, "teacher").await;
        teacher.send(&Frame::new("SEND").with("destination", "/topic/7b").with("receipt", "r").body("after")).await;
        loop {
            match teacher.hear().await {
                Heard::Frame(frame) => return (frame.command == "RECEIPT").then_some(()),
                Heard::Closed(_) => return None,
                _ => {}
            }
        }
    })
    .await;
    let broker = broker.killed_and_restarted().await;
    let mut auditor = Client::signed_in(&broker, "auditor").await;
    auditor.subscribe("s", "/topic/7b", &[("x-stream-offset", "first")]).await;
    let mut kept = Vec::new();
    while kept.last().map(String::as_str) != Some("after") {
        kept.push(auditor.message().await.text().to_owned());
    }
    assert!(confirmed.iter().all(|body| kept.contains(body)), "{} of {} kept", kept.len() - 1, confirmed.len());
}
