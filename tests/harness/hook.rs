//! A service of the school's own that decides, as a test wants it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What it does with a question.
#[derive(Clone)]
pub struct Reply {
    /// The whole answer, as bytes of HTTP; `None` never answers.
    bytes: Option<Vec<u8>>,
    /// One permit lets one answer go.
    gate: Option<Arc<Semaphore>>,
    closes: bool,
}

impl Reply {
    /// `200` with this text.
    pub fn json(text: &str) -> Self {
        Self::status("200 OK", &[], text)
    }

    /// Yes.
    pub fn yes() -> Self {
        Self::json(r#"{"allow":true}"#)
    }

    /// No, and why.
    pub fn no(reason: &str) -> Self {
        Self::json(&json!({ "allow": false, "reason": reason }).to_string())
    }

    /// Another status, with headers and a text.
    pub fn status(status: &str, headers: &[(&str, &str)], text: &str) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", text.len());
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        Self { bytes: Some(format!("{head}\r\n{text}").into_bytes()), gate: None, closes: false }
    }

    /// No answer at all.
    pub fn never() -> Self {
        Self { bytes: None, gate: None, closes: false }
    }

    /// These bytes, and the end of the connection.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self { bytes: Some(bytes.to_vec()), gate: None, closes: true }
    }

    /// The same when the gate has a permit for it.
    #[must_use]
    pub fn behind(mut self, gate: &Arc<Semaphore>) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// The same, and the end of the connection.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }
}

type Decide = dyn Fn(&Value) -> Reply + Send + Sync;

/// A running service. Ends when dropped.
pub struct HookServer {
    state: Arc<State>,
    port: u16,
    _tasks: JoinSet<()>,
}

struct State {
    decide: Mutex<Arc<Decide>>,
    asked: Mutex<Vec<Value>>,
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
}

impl HookServer {
    /// One that decides like this, on any free port.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn deciding(decide: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        Self::at(0, decide).await
    }

    /// One that decides like this, on this port.
    ///
    /// # Panics
    /// When the port is taken.
    pub async fn at(port: u16, decide: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            decide: Mutex::new(Arc::new(decide)),
            asked: Mutex::default(),
            heads: Mutex::default(),
            connections: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            at_once_max: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        let serving = state.clone();
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                served.spawn(serve(stream, serving.clone()));
            }
        });
        Self { state, port, _tasks: tasks }
    }

    /// From now on it decides like this.
    pub fn now_decides(&self, decide: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
        *held(&self.state.decide) = Arc::new(decide);
    }

    /// The settings that have it asked, with more of `[access.hook]`.
    pub fn settings(&self, more: &str) -> String {
        format!("[access.hook]\nurl = \"http://127.0.0.1:{}/decide\"\n{more}\n", self.port)
    }

    /// All questions so far.
    pub fn asked(&self) -> Vec<Value> {
        held(&self.state.asked).clone()
    }

    /// How often it was asked for this act so far.
    pub fn asked_to(&self, act: &str) -> usize {
        held(&self.state.asked).iter().filter(|question| question["act"] == act).count()
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        held(&self.state.heads).clone()
    }

    /// Connections that were accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The most questions that were under way at a time.
    pub fn at_once_max(&self) -> usize {
        self.state.at_once_max.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut read = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut read).await {
        let question: Value = serde_json::from_slice(&body).expect("a question is JSON");
        held(&state.heads).push(head);
        held(&state.asked).push(question.clone());
        let now = state.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        state.at_once_max.fetch_max(now, Ordering::SeqCst);
        let _leaves = Leaves(state.clone());
        let decide = held(&state.decide).clone();
        let reply = decide(&question);
        if let Some(gate) = &reply.gate {
            let permit = tokio::select! {
                permit = gate.acquire() => permit,
                // Whoever asked waits no longer.
                _ = stream.readable() => return,
            };
            permit.expect("a gate is never closed").forget();
        }
        let Some(bytes) = &reply.bytes else {
            let _ = stream.readable().await;
            return;
        };
        if stream.write_all(bytes).await.is_err() || reply.closes {
            return;
        }
    }
}

struct Leaves(Arc<State>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(read[..end].to_vec()).expect("a head is text");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            let whole = end + 4 + length.parse::<usize>().expect("a number");
            if read.len() >= whole {
                let body = read[end + 4..whole].to_vec();
                read.drain(..whole);
                return Some((head, body));
            }
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

fn held<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
