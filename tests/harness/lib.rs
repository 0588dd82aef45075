//! The means of looking at the broker from outside.
//!
//! ```text
//!   broker    a real process on port 0, with its data directory, its memory and its signals
//!   stomp     a client that can do what libraries cannot: withhold a Pong, send half a frame
//!   sockjs    a session of SockJS, request by request
//!   history   what every actor asked, was told and saw; `checker/` says whether that keeps the promises
//!   authority certificates, and clients that trust no others; tunnel: TLS for clients that need not know
//!   school    a broker where everybody shows who they are; hook: a service that it asks for decisions
//!   canaries  what was sent or shown, which no log may hold
//!   stranger  somebody who says nothing, or half of something, before CONNECT
//!   wait      waits for an event, never for a time
//! ```
//!
//! Never here: the broker's own crates. What is judged does not judge itself.

mod authority;
mod broker;
mod canaries;
mod clients;
mod frame;
mod history;
mod hook;
mod http;
mod random;
mod school;
mod sockjs;
mod stomp;
mod stranger;
mod stream;
mod tunnel;
mod wait;
mod websocket;

pub use authority::{Authority, shown};
pub use broker::{Addresses, Broker, Refused, Setup, binary, directory_bytes};
pub use canaries::{canary, leaks};
pub use clients::{Script, node, node_client, node_trusting, python, python_trusting, readme_block};
pub use frame::{Dialect, Frame, FrameReader, Part};
pub use history::{History, MessageName, stream};
pub use homeroom_checker::{Event, Stream};
pub use hook::{HookServer, Reply};
pub use http::{Answer, exchange, get, metric, post, request, try_get};
pub use random::Random;
pub use sockjs::{Sockjs, array};
pub use stomp::{Client, Close, Heard, Pongs};
pub use stranger::{Said, Stranger};
pub use stream::HttpStream;
pub use tunnel::Tunnel;
pub use wait::{DEADLINE, eventually, within};
pub use websocket::{Opcode, Piece, WebSocket};

/// Raises the number of descriptors this process may hold to the hard limit, and returns it.
pub fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let granted = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    granted.unwrap_or(u64::MAX)
}
