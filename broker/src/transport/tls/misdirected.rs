//! TLS that is spoken where none is expected.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A client that was given a wrong address returns for ever: it is told of so often in the log.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Whether a stream begins with a record of a TLS handshake. Neither HTTP nor STOMP begins so.
pub fn is_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16] | [0x16, 3, ..])
}

/// Says in the log that a client speaks TLS to a listener without it.
pub fn log_misdirected(listener: &'static str, peer: SocketAddr) {
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let mut told = TOLD.lock().expect("nothing panics while it holds the moment");
    if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
        *told = Some(Instant::now());
        tracing::warn!(
            %peer,
            "a client speaks TLS on the {listener} listener, which has none: use an address without TLS, or set \
             tls.certificate and tls.key (told once a minute at most)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_told_from_http_and_stomp() {
        assert!(is_hello(&[0x16, 3, 1, 2, 0, 1]) && is_hello(&[0x16]));
        for bytes in [&b""[..], b"GET / HTTP/1.1", b"CONNECT\n", b"\n", b"PRI * HTTP/2.0", &[0x16, 2]] {
            assert!(!is_hello(bytes), "{bytes:?}");
        }
    }
}
