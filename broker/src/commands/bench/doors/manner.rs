//! What a page says and hears, in each of the four ways. No sockets here: bytes in, bytes out.
//!
//! Each does what its page in `broker/DASHBOARD.md` does.

use std::time::Duration;

use serde::Deserialize;

use super::answer::{answer, head};
use super::asking::Asking;
use super::update::updates;
use super::{Stage, Way};
use crate::commands::bench::conversation::{Asked, Conversation};
use crate::commands::bench::crowd::Heard;
use crate::commands::bench::framing::{Incoming, Side, forget};
use crate::commands::bench::member::Opening;

/// One page's way, and how far it has come on it.
pub(super) enum Manner {
    /// Asks again and again.
    Polling(Polling),
    /// One answer that does not end.
    Events { heard: Vec<u8>, is_open: bool },
    /// STOMP over WebSocket.
    Websocket { incoming: Incoming, conversation: Conversation },
}

/// A page that polls.
pub(super) struct Polling {
    /// How long it lets pass between an answer and the next question; without it the broker waits.
    pause: Option<Duration>,
    /// Of the last update that it has.
    position: String,
    /// Of the last answer; only who comes again asks with it.
    tag: Option<String>,
    heard: Vec<u8>,
    is_waiting: bool,
}

/// What came of something that was heard, or of a time that came.
#[derive(Default)]
pub(super) struct Came {
    /// Numbers of updates.
    pub(super) updates: Vec<u64>,
    /// Requests that are to be said.
    pub(super) requests: u64,
    /// To be told again after this time.
    pub(super) again: Option<Duration>,
}

/// The part of a page that is read.
#[derive(Deserialize)]
struct Page {
    position: String,
}

/// How long the broker may keep a question, in seconds.
const WAIT_SECONDS: u64 = 25;

impl Manner {
    pub(super) fn new(stage: &Stage<'_>) -> Manner {
        let polling = |pause| {
            let (position, heard) = (String::new(), Vec::new());
            Manner::Polling(Polling { pause, position, tag: None, heard, is_waiting: false })
        };
        match stage.way {
            Way::Short => polling(Some(stage.poll)),
            Way::Long => polling(None),
            Way::Events => Manner::Events { heard: Vec::new(), is_open: false },
            Way::Websocket => {
                let subscribe = Some(stage.speech.subscribe(stage.destination, 0, false));
                let conversation = Conversation::new(Opening { connect: stage.speech.connect(None), subscribe });
                Manner::Websocket { incoming: Incoming::new(Side::Client), conversation }
            }
        }
    }

    /// What is said on a fresh connection.
    pub(super) fn begin(&mut self, stage: &Stage<'_>, came: &mut Came) -> Vec<u8> {
        came.requests += 1;
        match self {
            Manner::Polling(polling) => polling.ask(&stage.asking),
            Manner::Events { .. } => stage.asking.events("&from=first"),
            Manner::Websocket { .. } => stage.speech.upgrade(),
        }
    }

    /// What is said when the time that was asked for has come.
    pub(super) fn due(&mut self, stage: &Stage<'_>, came: &mut Came) -> Vec<u8> {
        match self {
            Manner::Polling(polling) => {
                came.requests += 1;
                polling.ask(&stage.asking)
            }
            Manner::Events { .. } => Vec::new(),
            Manner::Websocket { .. } => {
                came.again = Some(stage.beat);
                stage.speech.beat()
            }
        }
    }

    /// Whether a connection that ends now is simply made anew when there is something to say.
    pub(super) fn may_be_left(&self) -> bool {
        matches!(self, Manner::Polling(polling) if polling.pause.is_some() && !polling.is_waiting)
    }

    /// Takes what came in; `reply` is said at once.
    pub(super) fn hear(
        &mut self,
        stage: &Stage<'_>,
        bytes: &mut [u8],
        reply: &mut Vec<u8>,
        came: &mut Came,
    ) -> Result<(), String> {
        match self {
            Manner::Polling(polling) => polling.hear(&stage.asking, bytes, reply, came),
            Manner::Events { heard, is_open } => {
                heard.extend_from_slice(bytes);
                stream(heard, is_open, came)
            }
            Manner::Websocket { incoming, conversation } => {
                let (mut asked, mut outcome) = (Asked::default(), Ok(()));
                let taken = incoming.take(bytes, reply, &mut |piece| {
                    let heard = conversation.hear(stage.speech, piece, &mut asked, &mut |heard| {
                        if let Heard::Message(message) = heard {
                            came.updates.extend(updates(message));
                        }
                    });
                    if outcome.is_ok() {
                        outcome = heard;
                    }
                });
                reply.append(&mut asked.reply);
                came.again = asked.beat.map(|_| stage.beat).or(came.again);
                taken.map_err(|error| error.to_string()).and(outcome)
            }
        }
    }
}

impl Polling {
    fn ask(&mut self, asking: &Asking) -> Vec<u8> {
        self.is_waiting = true;
        let place = match &*self.position {
            "" => "&from=first".to_owned(),
            position => format!("&after={position}"),
        };
        match self.pause {
            Some(_) => asking.page(&place, self.tag.as_deref()),
            None => asking.page(&format!("&wait={WAIT_SECONDS}{place}"), None),
        }
    }

    fn hear(&mut self, asking: &Asking, bytes: &[u8], reply: &mut Vec<u8>, came: &mut Came) -> Result<(), String> {
        self.heard.extend_from_slice(bytes);
        let Some(answer) = answer(&self.heard)? else { return Ok(()) };
        match answer.status {
            304 => {}
            200 => {
                let page: Page = serde_json::from_slice(answer.body).map_err(|error| format!("no page: {error}"))?;
                self.position = page.position;
                self.tag = answer.tag.map(str::to_owned);
                came.updates.extend(updates(answer.body));
            }
            status => return Err(refused(status, answer.body)),
        }
        let length = answer.length;
        forget(&mut self.heard, length);
        self.is_waiting = false;
        came.again = self.pause;
        if self.pause.is_none() {
            came.requests += 1;
            reply.extend(self.ask(asking));
        }
        Ok(())
    }
}

/// Takes whole events out of what was heard. What wraps the pieces stands between events.
fn stream(heard: &mut Vec<u8>, is_open: &mut bool, came: &mut Came) -> Result<(), String> {
    if !*is_open {
        let Some(head) = head(heard)? else { return Ok(()) };
        if head.status != 200 {
            return Err(refused(head.status, &heard[head.length..]));
        }
        let length = head.length;
        forget(heard, length);
        *is_open = true;
    }
    if let Some(end) = heard.windows(2).rposition(|two| two == b"\n\n") {
        came.updates.extend(updates(&heard[..end]));
        forget(heard, end + 2);
    }
    Ok(())
}

fn refused(status: u16, body: &[u8]) -> String {
    let said = String::from_utf8_lossy(body);
    format!("the broker answered {status}: {}", said.trim())
}
