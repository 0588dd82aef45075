//! What does TLS cost for each delivery, and for each connection that is idle?
//!
//! One broker in the clear, one in the clear without dispatchers, and one under TLS, which has none either: so the
//! second tells what TLS costs, and the first what a class pays that could have gone without. They take turns, round
//! by round; what is counted is the broker's processor time. Students speak STOMP over TCP.
//!
//! ```text
//! cargo build --release -p homeroom && cargo run --release -p homeroom-tests --example tls_cost
//! ```
//!
//! `ROUNDS` (default 5), `STUDENTS` (200), `MESSAGES` of a round (500), `IDLE` connections (2000).

use std::sync::Arc;
use std::time::Duration;

use homeroom_tests::{Authority, Broker, Client, Setup, Tunnel, raise_descriptor_limit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const ROOM: &str = "/topic/7b/quiz";
const BODY_BYTES: usize = 200;
/// The last message of a round ends with it, and no other does.
const LAST: &[u8] = b"the last\0";

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

struct Case {
    name: &'static str,
    broker: Broker,
    authority: Option<Arc<Authority>>,
    students: Vec<Box<dyn Stream>>,
    teacher: Client,
    _tunnel: Option<Tunnel>,
    /// Microseconds of the broker's processor for each delivery, round by round.
    micros: Vec<f64>,
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a whole number"))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    raise_descriptor_limit();
    let (rounds, students) = (setting("ROUNDS", 5), setting("STUDENTS", 200));
    let (messages, idle) = (setting("MESSAGES", 500), setting("IDLE", 2000));
    println!("{students} students, rounds of {messages} messages of {BODY_BYTES} B, {idle} idle connections\n");
    let mut cases = [
        Case::new("in the clear, dispatchers", true, false).await,
        Case::new("in the clear, tasks", false, false).await,
        Case::new("TLS, tasks", false, true).await,
    ];
    for case in &mut cases {
        let each = case.idle(idle).await;
        println!("{:<26} {each:>6} B resident for each idle connection", case.name);
        case.gather(students).await;
        // What is warm is what is measured.
        case.round(messages).await;
        case.micros.clear();
    }
    println!();
    for _ in 0..rounds {
        for case in &mut cases {
            case.round(messages).await;
        }
    }
    for case in &mut cases {
        case.micros.sort_by(f64::total_cmp);
        let (least, most) = (case.micros[0], case.micros[rounds - 1]);
        println!("{:<26} {:>6.2} µs for each delivery ({least:.2} to {most:.2})", case.name, case.micros[rounds / 2]);
    }
}

impl Case {
    async fn new(name: &'static str, dispatchers: bool, encrypted: bool) -> Case {
        let config = format!("[delivery]\nfast_path = {dispatchers}\n[stomp]\nheartbeat_receive = \"0s\"");
        let setup = Setup::default().config(&config);
        let authority = encrypted.then(Authority::new);
        let setup = match &authority {
            Some(authority) => setup.tls(authority),
            None => setup,
        };
        let broker = setup.start().await;
        let tunnel = authority.as_ref().map(|authority| Tunnel::to(broker.stomp(), authority));
        let address = tunnel.as_ref().map_or(broker.stomp(), Tunnel::address);
        let teacher = Client::try_over_tcp(address, "teacher").await.expect("a way in");
        Case { name, broker, authority, students: Vec::new(), teacher, _tunnel: tunnel, micros: Vec::new() }
    }

    async fn student(&self) -> Box<dyn Stream> {
        let mut stream: Box<dyn Stream> = match &self.authority {
            Some(authority) => Box::new(authority.connect(self.broker.stomp()).await.expect("TLS")),
            None => Box::new(TcpStream::connect(self.broker.stomp()).await.expect("it listens")),
        };
        let words =
            format!("CONNECT\naccept-version:1.2\nhost:a\n\n\0SUBSCRIBE\nid:s\ndestination:{ROOM}\nreceipt:r\n\n\0");
        stream.write_all(words.as_bytes()).await.expect("written");
        stream.flush().await.expect("sent");
        until(&mut *stream, b"receipt-id:r").await;
        stream
    }

    /// Bytes resident for each of so many connections that subscribed and hear nothing.
    async fn idle(&self, count: usize) -> u64 {
        // What the first ones cost once and for all is no part of it.
        let mut all = vec![];
        for _ in 0..200 {
            all.push(self.student().await);
        }
        let before = self.broker.resident_bytes();
        for _ in 0..count {
            all.push(self.student().await);
        }
        (self.broker.resident_bytes() - before) / count as u64
    }

    async fn gather(&mut self, count: usize) {
        for _ in 0..count {
            let student = self.student().await;
            self.students.push(student);
        }
    }

    async fn round(&mut self, messages: usize) {
        let mut readers = JoinSet::new();
        let count = self.students.len();
        for mut student in self.students.drain(..) {
            readers.spawn(async move {
                until(&mut *student, LAST).await;
                student
            });
        }
        let before = self.broker.processor_time();
        for _ in 1..messages {
            self.teacher.publish(ROOM, &"x".repeat(BODY_BYTES)).await;
        }
        self.teacher.publish(ROOM, "the last").await;
        while let Some(student) = readers.join_next().await {
            self.students.push(student.expect("it heard the last"));
        }
        let spent: Duration = self.broker.processor_time() - before;
        self.micros.push(spent.as_secs_f64() * 1e6 / (messages * count) as f64);
    }
}

/// Reads until the stream's last bytes are these.
async fn until(stream: &mut dyn Stream, last: &[u8]) {
    let mut bytes = vec![0; 16 * 1024];
    let mut tail = Vec::new();
    while !tail.windows(last.len()).any(|window| window == last) {
        let count = stream.read(&mut bytes).await.expect("open");
        assert!(count > 0, "the broker closed");
        tail.drain(..tail.len().saturating_sub(last.len()));
        tail.extend_from_slice(&bytes[..count]);
    }
}
