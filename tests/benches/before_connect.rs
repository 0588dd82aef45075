//! Do strangers who never say CONNECT delay a class?
//!
//! A class in one classroom, a publisher at a steady pace, and the time from the moment a message was due to its
//! arrival at each student. Rounds take turns: quiet; 2,000 who say nothing and 2,000 who say half of something, at a
//! *stand-in* that takes them and closes them as the broker would; the same at the broker. The broker closes each
//! within 10 s, and others come in its place.
//!
//! The strangers are a process of their own, at the lowest priority, and come evenly, not in a burst: what is measured
//! is the broker, and the stand-in tells what they cost the machine whoever takes them.
//!
//! ```text
//! cargo build --release -p homeroom && cargo run --release -p homeroom-tests --example before_connect
//! ```
//!
//! `ROUNDS` of each kind (default 5), `SECONDS` of a round (4), `STUDENTS` (200), `RATE` in messages a second (20),
//! `STRANGERS` (4000).

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use homeroom_tests::{Broker, Client, Frame, Heard, Said, Setup, Stranger, raise_descriptor_limit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

const ROOM: &str = "/topic/7b/quiz";
/// So long the broker bears with a stranger, unless half a head shortens it.
const DEADLINE: Duration = Duration::from_secs(10);
/// Strangers that may come in a second: a flood of 4,000 stands after ten.
const ARRIVALS: u64 = 400;
/// What is left of a flood that has ended is gone.
const CALM: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quiet,
    StandIn,
    Broker,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Quiet, Kind::StandIn, Kind::Broker];

    fn name(self) -> &'static str {
        match self {
            Kind::Quiet => "quiet",
            Kind::StandIn => "stand-in",
            Kind::Broker => "broker",
        }
    }
}

/// The latencies of one round, in microseconds, sorted.
struct Round {
    kind: Kind,
    latencies: Vec<u64>,
}

impl Round {
    fn millis(&self, percent: usize) -> f64 {
        self.latencies[(self.latencies.len() - 1) * percent / 100] as f64 / 1e3
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a whole number"))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    raise_descriptor_limit();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["strangers", http, stomp] => strangers(http, stomp).await,
        ["stand-in"] => stand_in().await,
        _ => compare().await,
    }
}

async fn compare() {
    let (rounds, seconds, rate) = (setting("ROUNDS", 5), setting("SECONDS", 4), setting("RATE", 20));
    let (students, count) = (setting("STUDENTS", 200), setting("STRANGERS", 4000));
    // Tests have the broker log all it does; nobody who runs a school does.
    let setup = Setup::default().environment("HOMEROOM__LOG__FILTER", "info");
    let broker = setup.config("[stomp]\nheartbeat_receive = \"0s\"").start().await;
    let mut taking = Process::begin(&["stand-in"]);
    let stand_in = taking.line().await;
    let mut class = Class::gather(&broker, students as usize).await;
    println!("{students} students, {rate} messages/s of 200 B, {count} strangers, rounds of {seconds} s\n");
    println!("round  strangers at  messages   p50 ms   p99 ms   max ms  broker CPU");
    class.round(Kind::Quiet, seconds * rate, rate).await;
    let mut all = Vec::new();
    for number in 0..rounds {
        for kind in Kind::ALL {
            let target = match kind {
                Kind::Quiet => None,
                Kind::StandIn => Some((stand_in.as_str(), stand_in.as_str())),
                Kind::Broker => Some((broker.http(), broker.stomp())),
            };
            let mut flood = target.map(|(http, stomp)| Process::begin(&["strangers", http, stomp]));
            if let Some(flood) = &mut flood {
                assert_eq!(flood.line().await, "all are there");
            }
            let before = broker.processor_time();
            let round = class.round(kind, seconds * rate, rate).await;
            let busy = (broker.processor_time() - before).as_secs_f64() / seconds as f64 * 100.0;
            print!("{number:>5}  {:>12}  {:>8}", kind.name(), round.latencies.len());
            println!(
                "  {:>7.2}  {:>7.2}  {:>7.2}  {busy:>8.1} %",
                round.millis(50),
                round.millis(99),
                round.millis(100)
            );
            all.push(round);
            if let Some(flood) = flood {
                println!("       {}", flood.end().await);
                sleep(CALM).await;
            }
        }
    }
    println!();
    let quiet = medians(&all, Kind::Quiet);
    for kind in Kind::ALL {
        let (p50, p99) = medians(&all, kind);
        let (times50, times99) = (p50 / quiet.0, p99 / quiet.1);
        println!("{:<9} median p50 {p50:.2} ms, p99 {p99:.2} ms: {times50:.2} and {times99:.2} times", kind.name());
    }
}

/// The medians of the rounds' 50th and 99th percentiles.
fn medians(rounds: &[Round], kind: Kind) -> (f64, f64) {
    let median = |percent| {
        let chosen = rounds.iter().filter(|round| round.kind == kind);
        let mut all: Vec<f64> = chosen.map(|round| round.millis(percent)).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    (median(50), median(99))
}

/// Students who listen, and a service that publishes.
struct Class {
    start: Instant,
    service: Client,
    heard: mpsc::UnboundedReceiver<u64>,
    students: u64,
}

impl Class {
    async fn gather(broker: &Broker, students: usize) -> Class {
        let (start, (tell, heard)) = (Instant::now(), mpsc::unbounded_channel());
        for number in 0..students {
            let mut student = Client::signed_in(broker, &format!("student-{number}")).await;
            student.subscribe("s", ROOM, &[]).await;
            let tell = tell.clone();
            tokio::spawn(async move {
                loop {
                    // However long nothing comes: a flood takes its time.
                    let message = match student.hear().await {
                        Heard::Frame(frame) if frame.command == "MESSAGE" => frame,
                        Heard::Closed(close) => panic!("a student was sent away: {close:?}"),
                        _ => continue,
                    };
                    let due =
                        message.text().split(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("a time");
                    let late = (start.elapsed().as_micros() as u64).saturating_sub(due);
                    if tell.send(late).is_err() {
                        return;
                    }
                }
            });
        }
        let service = Client::signed_in_over_tcp(broker, "service").await;
        Class { start, service, heard, students: students as u64 }
    }

    async fn round(&mut self, kind: Kind, messages: u64, rate: u64) -> Round {
        let mut pace = interval(Duration::from_nanos(1_000_000_000 / rate));
        // Whoever is late has been late since the message was due.
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..messages {
            let due = pace.tick().await.into_std().duration_since(self.start).as_micros();
            let body = format!("{:.<200}", format!("{due} "));
            self.service.send(&Frame::new("SEND").with("destination", ROOM).body(body)).await;
        }
        let mut latencies = Vec::with_capacity((messages * self.students) as usize);
        while (latencies.len() as u64) < messages * self.students {
            latencies.push(self.heard.recv().await.expect("the students read on"));
        }
        latencies.sort_unstable();
        Round { kind, latencies }
    }
}

/// This program once more, at the lowest priority, until its standard input ends.
struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn begin(arguments: &[&str]) -> Process {
        let own = std::env::current_exe().expect("a program knows its path");
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(own).args(arguments).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nice runs");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Process { child, lines }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).await.expect("text");
        line.trim_end().to_owned()
    }

    /// What it says at its end.
    async fn end(mut self) -> String {
        drop(self.child.stdin.take());
        let line = self.line().await;
        self.child.wait().await.expect("it ends");
        line
    }
}

async fn input_ends() {
    let _ = tokio::io::stdin().read(&mut [0]).await;
}

/// Comes again and again, evenly, so that as many as are wanted are there.
async fn strangers(http: &str, stomp: &str) {
    let wanted = setting("STRANGERS", 4000) as usize;
    let (there, longest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (mut pace, mut came, mut told) = (interval(Duration::from_nanos(1_000_000_000 / ARRIVALS)), 0, false);
    // Whoever had no processor for a while does not make up for it in a burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let coming = async {
        loop {
            pace.tick().await;
            if there.load(Ordering::Relaxed) >= wanted {
                continue;
            }
            let kinds: &[Said] = if came % 2 == 0 { &Said::NOTHING } else { &Said::HALF };
            let said = kinds[came / 2 % kinds.len()];
            came += 1;
            there.fetch_add(1, Ordering::Relaxed);
            let (http, stomp, there, longest) = (http.to_owned(), stomp.to_owned(), there.clone(), longest.clone());
            tokio::spawn(async move {
                if let Ok(stranger) = Stranger::come(&http, &stomp, said).await {
                    longest.fetch_max(stranger.gone().await.as_millis() as usize, Ordering::Relaxed);
                }
                there.fetch_sub(1, Ordering::Relaxed);
            });
            // Some are gone before the last one has come.
            if !told && came >= wanted {
                told = true;
                println!("all are there");
            }
        }
    };
    tokio::select! {
        () = coming => {}
        () = input_ends() => {}
    }
    let (left, longest) = (there.load(Ordering::Relaxed), longest.load(Ordering::Relaxed) as f64 / 1e3);
    println!("{came} strangers came, {left} are there, the longest stayed for {longest:.1} s");
}

/// Takes whoever comes, says what a handshake wants to hear, and closes when the time is over.
async fn stand_in() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    let taking = async {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tokio::time::timeout(DEADLINE, bear(stream)));
        }
    };
    tokio::select! {
        () = taking => {}
        () = input_ends() => {}
    }
}

async fn bear(mut stream: TcpStream) {
    let mut bytes = [0; 1024];
    while let Ok(count) = stream.read(&mut bytes).await
        && count > 0
    {
        if bytes[..count].ends_with(b"\r\n\r\n") && bytes.starts_with(b"GET ") {
            let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
        }
    }
}
