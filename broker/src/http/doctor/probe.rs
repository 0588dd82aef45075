//! One answer that is late on purpose.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::classroom::now_millis;
use crate::shutdown::{Shutdown, Tracked};

const TICK: Duration = Duration::from_secs(1);

/// What is said, and when.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    /// Something at once and every second, for so long.
    Ticks(Duration),
    /// Something at once and something behind this silence.
    Quiet(Duration),
    /// Something behind this silence.
    Wait(Duration),
}

/// One answer, from the request to its end. Holds its place among the others as long as it lives.
pub(super) struct Probe {
    script: Script,
    began: Instant,
    said: u32,
    shutdown: Arc<Shutdown>,
    _tracked: Tracked,
    _place: OwnedSemaphorePermit,
}

impl Probe {
    pub(super) fn new(script: Script, shutdown: Arc<Shutdown>, tracked: Tracked, place: OwnedSemaphorePermit) -> Probe {
        Probe { script, began: Instant::now(), said: 0, shutdown, _tracked: tracked, _place: place }
    }

    /// The next piece, when its time has come; `None` at the end, and when the broker stops.
    pub(super) async fn next(&mut self) -> Option<String> {
        let (after, said) = self.due()?;
        tokio::select! {
            () = tokio::time::sleep_until(self.began + after) => {}
            () = self.shutdown.begun() => return None,
        }
        self.said += 1;
        let time = now_millis();
        Some(match said {
            Some(event) => format!("event: {event}\ndata: {{\"server_time\":{time}}}\n\n"),
            None => format!("{{\"server_time\":{time}}}"),
        })
    }

    /// All pieces, one after the other.
    pub(super) fn pieces(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(Box::new(self), |mut probe| async move {
            let piece = probe.next().await?;
            Some((Ok(Bytes::from(piece)), probe))
        })
    }

    /// When the next piece is due, since the beginning, and the name of its event, if it is one.
    fn due(&self) -> Option<(Duration, Option<&'static str>)> {
        match (self.script, self.said) {
            (Script::Ticks(time), said) => {
                let after = TICK * said;
                (said == 0 || after <= time).then_some((after, Some("tick")))
            }
            (Script::Quiet(_), 0) => Some((Duration::ZERO, Some("begin"))),
            (Script::Quiet(time), 1) => Some((time, Some("end"))),
            (Script::Wait(time), 0) => Some((time, None)),
            (Script::Quiet(_) | Script::Wait(_), _) => None,
        }
    }
}
