//! The server.

pub mod settings;
pub mod telemetry;
