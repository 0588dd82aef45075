//! The sections of the configuration, with their defaults.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use homeroom_storage::Retention;

use super::{
    Access, ClassroomPolicy, ClassroomRule, ClassroomShape, Durable, Engine, HostName, LogFormat, ManagementAsks,
    Origin, Proxies, Sockjs, Start, Tls, Unprefixed, WebSocketPath,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const MB: u64 = 1_000_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Everything an operator can decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Where the broker listens.
    pub listen: Listen,
    /// Encryption.
    pub tls: Tls,
    /// Who speaks for somebody else.
    pub proxies: Proxies,
    /// Where and how records are kept.
    pub storage: Storage,
    /// What a classroom keeps, unless a rule says otherwise.
    pub retention: Retention,
    /// Exceptions for some classrooms: the first rule that matches holds.
    pub classrooms: Vec<ClassroomRule>,
    /// What destinations mean.
    pub destinations: Destinations,
    /// Messages of which each goes to one consumer.
    pub queues: Queues,
    /// HTTP and the way to a WebSocket.
    pub http: Http,
    /// SockJS below `/ws/`.
    pub sockjs: Sockjs,
    /// STOMP conversations.
    pub stomp: Stomp,
    /// How much of everything is allowed.
    pub limits: Limits,
    /// How messages go out.
    pub delivery: Delivery,
    /// Who is here.
    pub presence: Presence,
    /// How the broker ends.
    pub shutdown: Shutdown,
    /// What is written to stderr.
    pub log: Log,
    /// Who may come in.
    pub access: Access,
}

impl Settings {
    /// What holds for one classroom: the first rule that matches its name, else the defaults.
    pub fn classroom(&self, name: &str) -> ClassroomPolicy {
        match self.classrooms.iter().find(|rule| rule.matches.covers(name)) {
            Some(rule) => rule.policy,
            None => ClassroomPolicy { durable: Durable::Asked, start: Start::Now, retention: self.retention },
        }
    }
}

/// `[listen]`: where the broker listens. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// HTTP and WebSocket.
    pub http: SocketAddr,
    /// STOMP over TCP; `None` is off.
    pub stomp: Option<SocketAddr>,
    /// Health and metrics; `None` is off.
    pub management: Option<SocketAddr>,
    /// When whoever reads figures there has to show who they are.
    pub management_asks: ManagementAsks,
    /// Allows addresses that other machines can reach although nobody has to show who they are.
    pub open_to_anyone: bool,
}

impl Default for Listen {
    fn default() -> Listen {
        Listen {
            http: loopback(8080),
            stomp: Some(loopback(61613)),
            management: Some(loopback(9090)),
            management_asks: ManagementAsks::Elsewhere,
            open_to_anyone: false,
        }
    }
}

impl Listen {
    /// Whether whoever reads figures on the management listener has to show who they are, where anybody has to.
    pub fn figures_are_asked_for(&self) -> bool {
        let on_loopback = || self.management.is_none_or(|address| address.ip().to_canonical().is_loopback());
        match self.management_asks {
            ManagementAsks::Elsewhere => !on_loopback(),
            ManagementAsks::Always => true,
            ManagementAsks::Never => false,
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// `[storage]`: where and how records are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// Which engine.
    pub engine: Engine,
    /// The data directory.
    pub path: PathBuf,
    /// Durable messages are refused while the disk has fewer bytes free than this.
    pub free_space_min: u64,
    /// Bytes of a file that is deleted when the disk is full, to get out of it.
    pub ballast: u64,
    /// A cursor nobody used for so long is forgotten.
    pub cursor_ttl: Duration,
    /// Bytes of memory for the engine's cache of the disk.
    pub cache_bytes: u64,
    /// Bytes of all messages that wait for the disk; beyond, more are refused.
    pub queue_bytes_max: u64,
    /// How long opening may take, beside 10 s for each GB of the store, before the directory is set aside.
    pub open_timeout: Duration,
    /// How long after opening every record begins to be read once, at leisure, so that damage is found before it is needed.
    pub scrub_after: Duration,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage {
            engine: Engine::Sled,
            path: PathBuf::from("./data"),
            free_space_min: 256 * MB,
            ballast: 64 * MB,
            cursor_ttl: 90 * DAY,
            cache_bytes: 64 * MIB,
            queue_bytes_max: 64 * MIB,
            open_timeout: Duration::from_secs(60),
            scrub_after: Duration::from_secs(10),
        }
    }
}

/// `[destinations]`: what destinations mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Destinations {
    /// What a destination without a known prefix is.
    pub unprefixed: Unprefixed,
    /// Shapes whose classroom is not the first segment; the first that matches holds.
    pub classrooms: Vec<ClassroomShape>,
    /// What private destinations may begin with behind `/user/`, beside `queue`.
    pub private: BTreeSet<String>,
}

/// `[queues]`: messages of which each goes to one consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Queues {
    /// A message that was delivered so often and not acknowledged goes to the dead letters.
    pub max_deliveries: usize,
    /// Bytes that a queue keeps, from its oldest unacknowledged message on; beyond, more are refused.
    pub bytes: u64,
}

impl Default for Queues {
    fn default() -> Queues {
        Queues { max_deliveries: 5, bytes: 64 * MB }
    }
}

/// `[http]`: HTTP and the way to a WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Origins of other sites whose pages may connect. Pages of the broker's own host always may.
    pub allowed_origins: Vec<Origin>,
    /// The broker's own names. Whoever asks for another host is refused; none is any name.
    pub hosts: Vec<HostName>,
    /// Where WebSocket is offered beside `/ws` and `/stomp`.
    pub websocket_paths: Vec<WebSocketPath>,
    /// From the first byte of a request to the end of its headers.
    pub header_timeout: Duration,
    /// Bytes of a request's headers.
    pub header_bytes_max: u64,
    /// From the accepted connection to a complete request or WebSocket upgrade.
    pub upgrade_timeout: Duration,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            allowed_origins: Vec::new(),
            hosts: Vec::new(),
            websocket_paths: Vec::new(),
            header_timeout: Duration::from_secs(5),
            header_bytes_max: 16 * KIB,
            upgrade_timeout: Duration::from_secs(10),
        }
    }
}

/// `[stomp]`: STOMP conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct Stomp {
    /// The interval of heart-beats we offer to send; zero is none.
    pub heartbeat_send: Duration,
    /// The interval of heart-beats we ask clients for; zero is none.
    pub heartbeat_receive: Duration,
    /// A peer is gone after this many of its intervals without a byte.
    pub heartbeat_tolerance: f32,
    /// From the open connection to CONNECT.
    pub connect_within: Duration,
    /// From a frame's first byte to its last.
    pub frame_within: Duration,
    /// Logins that several people use: durable subscriptions of these need a `client-id`.
    pub shared_logins: BTreeSet<String>,
}

impl Default for Stomp {
    fn default() -> Stomp {
        Stomp {
            heartbeat_send: Duration::from_secs(10),
            heartbeat_receive: Duration::from_secs(10),
            heartbeat_tolerance: 2.5,
            connect_within: Duration::from_secs(10),
            frame_within: Duration::from_secs(10),
            shared_logins: BTreeSet::new(),
        }
    }
}

/// `[limits]`: how much of everything is allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections of the whole broker.
    pub connections: usize,
    /// Connections from one network address; `None` is no limit (a school often shares one address).
    pub connections_per_address: Option<usize>,
    /// Connections and HTTP requests of one user at a time, where users show who they are.
    pub connections_per_user: usize,
    /// Connections that are taken in a second, and a burst of two seconds' worth; the others wait in the system.
    pub accepts_per_second: Option<usize>,
    /// TLS handshakes under way with one network address; the others wait.
    pub handshakes_per_address: usize,
    /// Subscriptions of one connection.
    pub subscriptions: usize,
    /// Headers of one frame.
    pub header_count: usize,
    /// Bytes of one frame's command and headers.
    pub header_bytes: u64,
    /// Bytes of one message's body.
    pub body_bytes: u64,
    /// Bytes a connection may send before it is CONNECTED.
    pub bytes_before_connected: u64,
    /// Bytes of an id that is kept for a while: of a subscription, a receipt, a transaction.
    pub identifier_bytes: u64,
    /// Open transactions of one connection.
    pub transactions: usize,
    /// Messages and acknowledgements in one transaction.
    pub transaction_messages: usize,
    /// Bytes in one transaction.
    pub transaction_bytes: u64,
    /// From BEGIN to COMMIT.
    pub transaction_age: Duration,
    /// Bytes on their way to one connection.
    pub outbox_bytes: u64,
    /// Bytes of one connection's messages that wait for the disk; beyond, its socket is not read.
    pub in_flight_bytes: u64,
    /// Messages of one connection that wait for the disk; beyond, its socket is not read.
    pub in_flight_messages: usize,
    /// Classrooms of the whole broker.
    pub classrooms: usize,
    /// Receipts one connection waits for.
    pub receipts: usize,
    /// Reply queues of one connection.
    pub reply_queues: usize,
    /// Answers under way with which networks are measured; zero is none.
    pub doctor_probes: usize,
    /// Replies that wait for one connection; beyond, more are refused.
    pub replies: usize,
    /// Bytes of replies that wait for one connection; beyond, more are refused.
    pub reply_bytes: u64,
    /// Messages in a second of one user, and a burst of two seconds' worth; of a connection where nobody is known.
    pub publish_per_user: Option<usize>,
    /// The same of one user of the role `service`, and of each connection where access is open.
    pub publish_per_service: Option<usize>,
    /// The same of all together in one classroom.
    pub publish_per_classroom: Option<usize>,
    /// Messages over STOMP that would have to wait for longer are refused; those before are not read meanwhile.
    pub publish_wait: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 20_000,
            connections_per_address: None,
            connections_per_user: 1000,
            accepts_per_second: Some(1_000),
            handshakes_per_address: 256,
            subscriptions: 64,
            header_count: 64,
            header_bytes: 16 * KIB,
            body_bytes: MIB,
            bytes_before_connected: 16 * KIB,
            identifier_bytes: KIB,
            transactions: 8,
            transaction_messages: 1_000,
            transaction_bytes: 4 * MIB,
            transaction_age: Duration::from_secs(60),
            outbox_bytes: 256 * KIB,
            in_flight_bytes: MIB,
            in_flight_messages: 256,
            classrooms: 100_000,
            receipts: 1_024,
            reply_queues: 64,
            doctor_probes: 64,
            replies: 1_000,
            reply_bytes: MIB,
            publish_per_user: Some(1_000),
            publish_per_service: Some(100_000),
            publish_per_classroom: Some(200_000),
            publish_wait: Duration::from_secs(10),
        }
    }
}

/// `[delivery]`: how messages go out.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Messages a subscription may hold unacknowledged, unless it says `prefetch-count`.
    pub prefetch: usize,
    /// A WebSocket Ping goes out at most this long after a message that is to be confirmed by its Pong.
    pub ping_after: Duration,
    /// ... or after this many bytes.
    pub ping_bytes: u64,
    /// Bytes that may be at a browser without any sign of its page.
    pub reached_bytes_max: u64,
    /// The newest messages of each classroom that stay in memory, by count.
    pub recent_messages: usize,
    /// ... and by bytes.
    pub recent_bytes: u64,
    /// Bytes of all pages of the logs that stay in memory for those who come back.
    pub pages_bytes: u64,
    /// Bytes of one classroom's pages.
    pub pages_bytes_per_classroom: u64,
    /// Classrooms' dispatchers write shared bytes straight to the sockets of those who are up to date.
    pub fast_path: bool,
    /// Unsent bytes the kernel may hold for one connection (`TCP_NOTSENT_LOWAT`).
    pub not_sent_low_water: u64,
    /// The longest delay of an answer to one who keeps taking over a durable subscription.
    pub takeover_delay_max: Duration,
    /// The longest delay of an ERROR to one who is refused the same way again and again.
    pub refusal_delay_max: Duration,
    /// How long a SUBSCRIBE waits for a store that is unavailable.
    pub subscribe_wait: Duration,
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery {
            prefetch: 1_000,
            ping_after: Duration::from_millis(250),
            ping_bytes: 64 * KIB,
            reached_bytes_max: 16 * MIB,
            recent_messages: 256,
            recent_bytes: 256 * KIB,
            pages_bytes: 32 * MIB,
            pages_bytes_per_classroom: MIB,
            fast_path: true,
            not_sent_low_water: 64 * KIB,
            takeover_delay_max: Duration::from_secs(60),
            refusal_delay_max: Duration::from_secs(60),
            subscribe_wait: Duration::from_secs(10),
        }
    }
}

/// `[presence]`: who is here.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// Someone whose connection broke stays on the roster for so long.
    pub grace: Duration,
    /// Changes of a roster are gathered for so long before they are told.
    pub coalesce: Duration,
}

impl Default for Presence {
    fn default() -> Presence {
        Presence { grace: Duration::from_secs(20), coalesce: Duration::from_millis(500) }
    }
}

/// `[shutdown]`: how the broker ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Shutdown {
    /// Connections are closed over this time, so that not all come back at once.
    pub spread: Duration,
    /// Whatever is not finished by then is cut off.
    pub deadline: Duration,
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { spread: Duration::from_secs(5), deadline: Duration::from_secs(12) }
    }
}

/// `[log]`: what is written to stderr.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// A level, or directives such as `info,homeroom::router=debug`.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
    /// Where it is written who came in, was refused, published, was removed; `None` is nowhere.
    pub audit: Option<PathBuf>,
}

impl Default for Log {
    fn default() -> Log {
        Log { filter: "info".to_owned(), format: LogFormat::Human, audit: None }
    }
}
