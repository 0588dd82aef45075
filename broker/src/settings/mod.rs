//! What an operator can decide, as plain data.
//!
//! Every value is parsed before it gets here: what exists is right.
//! `deploy/homeroom.toml` says of each key why one would change it.
//!
//! Never here: sockets, files of the store, the rooms that use the values.

mod access;
mod classrooms;
mod hook;
mod host;
mod layers;
mod load;
mod nearest;
mod problem;
mod reader;
mod rules;
mod sections;
mod server_url;
mod setting;
mod sockjs;
mod tls;
pub(crate) mod units;
mod values;
mod websocket_path;

pub use access::{Access, Algorithm, Claims, CookieName, FileName, Jwt, Role};
pub use classrooms::{ClassroomPattern, ClassroomPolicy, ClassroomRule, Durable, Start};
pub use hook::{Act, Hook};
pub use host::HostName;
pub use layers::{Flag, Sources};
pub use load::{Loaded, load};
pub use problem::{Problem, Problems, Source};
pub use reader::Entry;
pub use sections::{
    Delivery, Destinations, Http, Limits, Listen, Log, Presence, Queues, Settings, Shutdown, Stomp, Storage,
};
pub use server_url::ServerUrl;
pub use sockjs::{ClientUrl, Sockjs};
pub use tls::{Listener, Network, Proxies, Tls, TlsVersion};
pub use values::{
    ClassroomShape, Engine, LogFormat, ManagementAsks, Origin, ParseValueError, ShapeSegment, Unprefixed,
};
pub use websocket_path::WebSocketPath;

#[cfg(test)]
mod tests;

pub(crate) use units::duration as parse_duration;
