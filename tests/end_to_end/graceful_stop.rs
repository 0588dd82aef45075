//! graceful_stop
