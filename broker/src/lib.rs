//! The server.

pub mod commands;
pub mod settings;
pub mod telemetry;
