//! Events of an answer that is still under way: their names, as they come.

use std::time::Duration;

use hyper::body::Incoming;
use tokio::time::Instant;

use super::line::{BYTES_MAX, Fault, piece};

/// Reads the names of events, until its time is over.
pub(super) struct Events {
    body: Incoming,
    until: Instant,
    /// What came behind the last line that was whole.
    rest: Vec<u8>,
    bytes: usize,
}

impl Events {
    /// Of an answer that may take `within` from now on.
    pub(super) fn new(body: Incoming, within: Duration) -> Events {
        Events { body, until: Instant::now() + within, rest: Vec::new(), bytes: 0 }
    }

    /// The names of the events that the next bytes bring, perhaps none; `None` at the end.
    ///
    /// # Errors
    /// That the time is over, that it broke off, or that it is more than any doctor asks for.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, Fault> {
        let piece = tokio::time::timeout_at(self.until, piece(&mut self.body)).await;
        let Some(bytes) = piece.map_err(|_| Fault::Silent)?? else { return Ok(None) };
        self.bytes += bytes.len();
        if self.bytes > BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        self.rest.extend_from_slice(&bytes);
        Ok(Some(names(&mut self.rest)))
    }
}

/// Takes whole lines off `rest`.
fn names(rest: &mut Vec<u8>) -> Vec<String> {
    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let lines: Vec<u8> = rest.drain(..=end).collect();
    let names = lines.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"event: "));
    names.map(|name| String::from_utf8_lossy(name).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_with_whole_lines() {
        let mut rest = b"event: tick\ndata: {}\n\neve".to_vec();
        assert_eq!(names(&mut rest), ["tick"]);
        rest.extend_from_slice(b"nt: end\r\n");
        assert_eq!(names(&mut rest), ["end"]);
        assert!(rest.is_empty());
        rest.extend_from_slice(b"<html>\n\xff\xfe\n");
        assert!(names(&mut rest).is_empty());
    }
}
