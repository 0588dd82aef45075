//! What a person or a class left goes for good, and whoever stays notices little: on a running broker, in the
//! directory of a stopped one, and when it is killed in the middle.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, Random, Setup, binary, eventually, exchange, request, within};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;

const CANARY: usize = 32;

/// Every file is read, byte by byte: here none is large for nothing.
fn school() -> Setup {
    Setup::asks_for_tokens().config("[storage]\nballast = \"1MB\"")
}

/// Texts of sixteen random bytes: whoever finds one knows where it was written.
struct Canaries {
    random: Random,
    all: Vec<String>,
}

impl Canaries {
    fn new(test: &str) -> Canaries {
        Canaries { random: Random::printed(test), all: Vec::new() }
    }

    fn one(&mut self) -> String {
        let canary = format!("{:016x}{:016x}", self.random.number(), self.random.number());
        self.all.push(canary.clone());
        canary
    }

    /// How many of them any file below holds, by its content or its name.
    fn found(&self, path: &Path) -> usize {
        let wanted: HashSet<&[u8]> = self.all.iter().map(String::as_bytes).collect();
        let bytes = bytes_below(path);
        let runs = bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= CANARY);
        runs.flat_map(|run| run.windows(CANARY)).filter(|run| wanted.contains(run)).collect::<HashSet<_>>().len()
    }
}

fn bytes_below(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(path).expect("a directory") {
        let entry = entry.expect("an entry");
        bytes.extend_from_slice(entry.file_name().as_encoded_bytes());
        bytes.push(0);
        let is_directory = entry.file_type().expect("a file").is_dir();
        let content = if is_directory { Ok(bytes_below(&entry.path())) } else { std::fs::read(entry.path()) };
        // The broker may have removed it meanwhile.
        bytes.extend(content.unwrap_or_default());
    }
    bytes
}

fn send(destination: &str, body: &str) -> Frame {
    Frame::new("SEND").with("destination", destination).body(body)
}

async fn http(broker: &Broker, method: &str, path: &str, authorization: &str, body: &str) -> (u16, Value) {
    let headers = [("Authorization", authorization)];
    let answer = exchange(broker.http(), &request(method, broker.http(), path, &headers, body.as_bytes())).await;
    let answer = answer.expect("an answer");
    (answer.status, if answer.body.is_empty() { Value::Null } else { answer.json() })
}

async fn store(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("store").args(arguments).arg("--data").arg(data).stdin(Stdio::null()).kill_on_drop(true);
    within("the command", DEADLINE * 2, command.output()).await.expect("the binary runs")
}

async fn erased(data: &Path, arguments: &[&str]) -> Value {
    let output = store(data, &[&["erase", "--yes", "--json"], arguments].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What alice and a class left, by every door and in every place that there is.
async fn leave_traces(broker: &Broker, canaries: &mut Canaries) -> (String, String) {
    let (user, class) = (canaries.one(), canaries.one());
    let token = broker.token(&user, "teacher", &["8a", &class], "8h").await;
    let admin = broker.token("root", "admin", &[], "8h").await;
    let (mut alice, mut root) = (Client::showing(broker, &token).await, Client::showing(broker, &admin).await);
    for _ in 0..20 {
        let answer = send("/topic/8a/answers", &canaries.one()).with("note", canaries.one());
        alice.request(answer.with("idempotency-key", canaries.one())).await;
        root.request(send("/topic/8a/quiz", "a question that stays")).await;
    }
    root.request(send(&format!("/user/{user}/queue/marks"), &canaries.one())).await;
    root.request(send(&format!("/topic/{class}/quiz"), &canaries.one())).await;
    root.request(send(&format!("/queue/{class}/marking"), &canaries.one().repeat(500))).await;
    for room in ["8a", &class] {
        let name = canaries.one();
        alice.subscribe(&name, &format!("/topic/{room}/quiz"), &[("durable", "true")]).await;
        let page = format!("/v1/messages?destination=/topic/{room}/quiz");
        let (_, page) = http(broker, "GET", &page, &format!("Bearer {token}"), "").await;
        let position = page["position"].as_str().expect("a position");
        let cursor = format!("/v1/cursors/{}?destination=/topic/{room}/quiz&position={position}", canaries.one());
        assert_eq!(http(broker, "PUT", &cursor, &format!("Bearer {token}"), "").await.0, 204);
    }
    alice.disconnect().await;
    (user, class)
}

async fn quiz(broker: &Broker, authorization: &str) -> Value {
    http(broker, "GET", "/v1/messages?destination=/topic/8a/**&limit=1000", authorization, "").await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_a_user_or_a_class_is_left_in_the_directory() {
    let setup = school();
    let (data, mut canaries) = (setup.data_directory().to_owned(), Canaries::new("no_byte"));
    let mut broker = setup.start().await;
    let (user, class) = leave_traces(&broker, &mut canaries).await;
    broker.terminate();
    broker.exited().await;
    assert_eq!(canaries.found(&data), canaries.all.len(), "all of them are there to be found");
    std::fs::create_dir(data.join("quarantine-1790000000000")).expect("a directory");
    std::fs::write(data.join("quarantine-1790000000000/db"), &user).expect("a file");

    let nobody_said_yes = store(&data, &["erase", "--user", &user]).await;
    assert_eq!(nobody_said_yes.status.code(), Some(2));
    let of_user = erased(&data, &["--user", &user]).await;
    assert_eq!((&of_user["logs"], &of_user["records"], &of_user["keys"]), (&1.into(), &21.into(), &20.into()));
    assert_eq!(of_user["cursors"], 4, "two durable subscriptions and two places over HTTP");
    assert_eq!(of_user["set_aside"], serde_json::json!(["quarantine-1790000000000"]));
    let of_class = erased(&data, &["--classroom", &class]).await;
    assert_eq!((&of_class["logs"], &of_class["records"]), (&2.into(), &2.into()), "{of_class}");
    assert_eq!(canaries.found(&data), 0);
    for again in [["--user", &user], ["--classroom", &class]] {
        let nothing = erased(&data, &again).await;
        let counts = ["logs", "records", "messages", "cursors", "keys"].map(|name| nothing[name].as_u64());
        assert_eq!(counts, [Some(0); 5]);
    }
    assert!(store(&data, &["verify"]).await.status.success());
    assert!(store(&data, &["compact"]).await.status.success());

    let broker = setup.start().await;
    let admin = broker.bearer("root", "admin", &[]).await;
    let page = quiz(&broker, &admin).await;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(20), "the questions of others are there");
    let (status, _) = http(&broker, "POST", "/v1/messages?destination=/topic/8a/quiz", &admin, "next").await;
    assert_eq!(status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_goes_on_when_whoever_asked_for_it_has_left() {
    let setup = school();
    let (data, mut canaries) = (setup.data_directory().to_owned(), Canaries::new("whoever_asked_has_left"));
    let broker = setup.start().await;
    let admin = broker.bearer("root", "admin", &[]).await;
    let (user, class) = leave_traces(&broker, &mut canaries).await;
    let headers = [("Authorization", &*admin)];
    let of = [format!("{{\"user\":\"{user}\"}}"), format!("{{\"classroom\":\"{class}\"}}")];
    eventually("no byte is left", DEADLINE * 2, async || {
        // Whoever leaves before the broker has read the question has not asked; one erasure is done at a time.
        for of in &of {
            let asked = request("POST", broker.http(), "/v1/erasures", &headers, of.as_bytes());
            let mut stream = TcpStream::connect(broker.http()).await.expect("it listens");
            stream.write_all(&asked).await.expect("it reads");
        }
        (canaries.found(&data) == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pupil_is_erased_while_the_class_goes_on() {
    let setup = school();
    let (data, mut canaries) = (setup.data_directory().to_owned(), Canaries::new("while_the_class_goes_on"));
    let broker = setup.start().await;
    let admin = broker.bearer("root", "admin", &[]).await;
    let (user, class) = leave_traces(&broker, &mut canaries).await;
    let root = broker.token("root", "admin", &[], "8h").await;
    let mut listener = Client::showing(&broker, &root).await;
    listener.subscribe("all", "/topic/8a/**", &[]).await;

    let teacher = broker.bearer("smith", "teacher", &["8a"]).await;
    let of_user = format!("{{\"user\":\"{user}\"}}");
    assert_eq!(http(&broker, "POST", "/v1/erasures", &teacher, &of_user).await.0, 403, "for admins alone");
    for senseless in ["", "{}", "{\"user\":\"\"}", "{\"user\":\"a\",\"classroom\":\"7b\"}", "{\"users\":\"a\"}"] {
        let (status, problem) = http(&broker, "POST", "/v1/erasures", &admin, senseless).await;
        assert_eq!((status, &problem["code"]), (400, &107.into()), "{senseless}: {problem}");
    }
    let before = quiz(&broker, &admin).await;
    assert_eq!(before["messages"].as_array().map(Vec::len), Some(40));
    let (status, said) = http(&broker, "POST", "/v1/erasures", &admin, &of_user).await;
    assert_eq!((status, &said["records"], &said["logs"]), (200, &21.into(), &1.into()), "{said}");

    let after = quiz(&broker, &admin).await;
    assert_eq!(after["messages"].as_array().map(Vec::len), Some(20), "neither the disk nor the memory has hers");
    let mut late = Client::showing(&broker, &root).await;
    late.subscribe("all", "/topic/8a/**", &[("x-stream-offset", "first")]).await;
    listener.request(send("/topic/8a/quiz", "it goes on")).await;
    assert_eq!(listener.bodies(1).await, ["it goes on"]);
    let replayed = late.messages(21).await;
    assert!(
        replayed.iter().all(|message| message.header("gap").is_none() && message.header("user-id") == Some("root"))
    );

    let mut pupil = Client::showing(&broker, &root).await;
    pupil.subscribe("quiz", &format!("/topic/{class}/**"), &[]).await;
    let of_class = format!("{{\"classroom\":\"{class}\"}}");
    let (status, said) = http(&broker, "POST", "/v1/erasures", &admin, &of_class).await;
    assert_eq!((status, &said["logs"]), (200, &2.into()), "{said}");
    let ended = pupil.error().await;
    assert_eq!((ended.header("message"), ended.header("retryable")), (Some("classroom closed"), Some("true")));
    let ready = homeroom_tests::get(broker.management(), "/health/ready").await;
    assert_eq!(ready.status, 200);
    assert_eq!(canaries.found(&data), 0);
    listener.request(send("/topic/8a/quiz", "and on")).await;
    let broker = broker.killed_and_restarted().await;
    let page = quiz(&broker, &admin).await;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(22), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_leaves_the_old_store_or_the_new_one() {
    let setup = school();
    let (data, mut canaries) = (setup.data_directory().to_owned(), Canaries::new("killed_at_any_moment"));
    let mut broker = setup.start().await;
    let (user, _) = leave_traces(&broker, &mut canaries).await;
    broker.signal(Signal::TERM);
    broker.exited().await;
    let bytes_of = async |data: &Path| {
        let stats = store(data, &["stats", "--json"]).await;
        let stats: Value = serde_json::from_slice(&stats.stdout).expect("JSON");
        stats["logs"].as_array().expect("logs").iter().map(|log| log["bytes"].as_u64().unwrap_or(0)).sum::<u64>()
    };
    let whole = setup.directory().join("whole");
    copy(&data, &whole);
    let begun = Instant::now();
    erased(&data, &["--user", &user]).await;
    let (took, sizes) = (begun.elapsed(), [bytes_of(&whole).await, bytes_of(&data).await]);
    assert_ne!(sizes[0], sizes[1]);
    let mut seen = [0, 0];
    for round in 0..16 {
        let victim = setup.directory().join(format!("victim-{round}"));
        copy(&whole, &victim);
        let mut command = Command::new(binary());
        command.args(["store", "erase", "--yes", "--user", &user, "--data"]).arg(&victim).stdout(Stdio::null());
        let mut erasing = command.stderr(Stdio::null()).spawn().expect("the binary runs");
        let wait = took.mul_f64(canaries.random.below(1200) as f64 / 1000.0);
        // It is the moment of the kill that is random: nothing is waited for.
        tokio::time::sleep(wait).await;
        erasing.kill().await.expect("it was there");
        let verified = store(&victim, &["verify"]).await;
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        let size = bytes_of(&victim).await;
        assert!(sizes.contains(&size), "neither the old store nor the new one");
        let is_new = size == sizes[1];
        seen[usize::from(is_new)] += 1;
        for left in ["rewrite", "rewritten", "replaced"] {
            assert!(!victim.join(left).exists(), "{left} is left");
        }
        erased(&victim, &["--user", &user]).await;
        assert_eq!(bytes_of(&victim).await, sizes[1]);
        std::fs::remove_dir_all(&victim).expect("the directory");
    }
    println!("16 kills: {} left the old store, {} the new one", seen[0], seen[1]);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a file").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("room on the disk")),
        }
    }
}
