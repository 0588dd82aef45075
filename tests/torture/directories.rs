//! Data directories that are held by another, cannot be written, or are somebody else's: refused at once, with a
//! sentence that names them, and nothing in them is changed.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use homeroom_tests::{Client, Refused, Setup};
use tokio::time::Instant;

/// Root may write anywhere; this one asks like everybody else.
const WITHOUT_POWERS: [&str; 2] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"];
const REFUSED_WITHIN: Duration = Duration::from_secs(10);

/// Some messages in a directory that nobody holds.
async fn filled(setup: &Setup) {
    let mut broker = setup.start().await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.publish("/topic/7b", "kept").await;
    broker.terminate();
    broker.exited().await;
}

async fn refused(setup: &Setup) -> Refused {
    let begun = Instant::now();
    let refused = setup.try_start().await.err().expect("it must not start");
    assert!(begun.elapsed() < REFUSED_WITHIN, "refused after {:?}", begun.elapsed());
    assert!(!refused.status.success());
    let directory = setup.data_directory().display().to_string();
    let told = refused.stderr.lines().filter(|line| line.contains(&directory)).collect::<Vec<_>>().join("\n");
    assert!(!told.is_empty(), "it names the directory: {}", refused.stderr);
    assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    println!("{told}");
    refused
}

async fn still_has_it(setup: &Setup) {
    let broker = setup.start().await;
    let mut auditor = Client::signed_in(&broker, "auditor").await;
    auditor.subscribe("all", "/topic/7b", &[("x-stream-offset", "first")]).await;
    assert_eq!(auditor.message().await.text(), "kept");
}

fn set_mode(directory: &Path, mode: u32) {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[tokio::test]
async fn of_many_brokers_that_start_on_one_directory_one_does() {
    let setup = Setup::default();
    filled(&setup).await;
    let rivals: Vec<Setup> = (0..6).map(|_| Setup::default().data(setup.data_directory())).collect();
    let started = join_all(rivals.iter().map(Setup::try_start)).await;
    let (started, refused): (Vec<_>, Vec<_>) = started.into_iter().partition(Result::is_ok);
    assert_eq!((started.len(), refused.len()), (1, 5));
    for refused in refused.into_iter().filter_map(Result::err) {
        assert!(refused.stderr.contains("another process holds the store"), "{}", refused.stderr);
    }
    drop(started);
    still_has_it(&setup).await;
}

#[tokio::test]
async fn a_broker_that_stands_still_keeps_its_directory() {
    let setup = Setup::default();
    filled(&setup).await;
    let broker = setup.start().await;
    broker.freeze();
    refused(&Setup::default().data(setup.data_directory())).await;
    broker.thaw();
    Client::signed_in(&broker, "teacher").await.publish("/topic/7b", "the first one lives").await;
}

#[tokio::test]
async fn a_directory_that_may_not_be_written_is_refused_and_left_alone() {
    let setup = Setup::default();
    filled(&setup).await;
    let inside = setup.data_directory().join("sled");
    for directory in [setup.data_directory(), &inside] {
        set_mode(directory, 0o500);
        let database = setup.data_directory().join("sled/db");
        set_mode(&database, 0o400);
        refused(&setup.clone().through(&WITHOUT_POWERS)).await;
        set_mode(directory, 0o700);
        set_mode(&database, 0o600);
        still_has_it(&setup).await;
    }
}

#[tokio::test]
async fn a_directory_of_somebody_else_is_refused_and_left_alone() {
    let setup = Setup::default();
    filled(&setup).await;
    let directory = setup.data_directory();
    set_mode(directory, 0o700);
    if chown(directory, Some(65_534), Some(65_534)).is_err() {
        // In a namespace of one user there is nobody else. What may not be looked into is as good.
        set_mode(directory, 0o000);
    }
    refused(&setup.clone().through(&WITHOUT_POWERS)).await;
    let _ = chown(directory, Some(rustix::process::getuid().as_raw()), None);
    set_mode(directory, 0o700);
    still_has_it(&setup).await;
}
