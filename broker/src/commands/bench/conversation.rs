//! One conversation: from the upgrade to being ready, then what is heard.

use std::time::{Duration, Instant};

use super::crowd::Heard;
use super::framing::Piece;
use super::member::Opening;
use super::speech::{BYE, SUBSCRIBED, Said, Speech, number};

/// What has been said and heard on one connection.
pub(super) struct Conversation {
    pub(super) stage: Stage,
    /// What is still to be said; gone once it is.
    opening: Option<Box<Opening>>,
    /// What goes on in the next WebSocket message.
    carry: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// HTTP becomes a WebSocket.
    Upgrading,
    /// CONNECT is said.
    SigningIn,
    /// SUBSCRIBE is said, since then.
    Subscribing(Instant),
    Ready,
    /// DISCONNECT is said: every ending is a good one.
    Leaving,
}

/// What a conversation wants from the crowd after it heard something.
#[derive(Default)]
pub(super) struct Asked {
    /// Whether subscriptions are known to be confirmed by nothing.
    pub(super) receipts_missing: bool,
    /// To be said.
    pub(super) reply: Vec<u8>,
    /// It became ready.
    pub(super) ready: bool,
    /// A SUBSCRIBE was confirmed.
    pub(super) subscription_confirmed: bool,
    /// The broker wants to hear something so often.
    pub(super) beat: Option<Duration>,
}

impl Asked {
    pub(super) fn clear(&mut self) {
        self.reply.clear();
        (self.ready, self.subscription_confirmed) = (false, false);
    }
}

impl Conversation {
    pub(super) fn new(opening: Opening) -> Conversation {
        Conversation { stage: Stage::Upgrading, opening: Some(Box::new(opening)), carry: Vec::new() }
    }

    /// Takes what came in; an error is the end.
    #[inline]
    pub(super) fn hear(
        &mut self,
        speech: &Speech,
        piece: Piece<'_>,
        asked: &mut Asked,
        ear: &mut impl FnMut(Heard<'_>),
    ) -> Result<(), String> {
        match piece {
            Piece::Message(payload) => {
                let mut carry = std::mem::take(&mut self.carry);
                let mut outcome = Ok(());
                speech.hear(&mut carry, payload, |said| {
                    if outcome.is_ok() {
                        outcome = self.said(speech, said, asked, ear);
                    }
                });
                self.carry = carry;
                outcome
            }
            Piece::Head(head) => self.upgraded(head, asked),
            Piece::Close(reason) => Err(format!("the broker closed it with {reason}")),
        }
    }

    fn upgraded(&mut self, head: &[u8], asked: &mut Asked) -> Result<(), String> {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if !line.starts_with(b"HTTP/1.1 101") {
            let line = String::from_utf8_lossy(line);
            return Err(format!("the broker answered \"{line}\" and no WebSocket. Check the path in --url"));
        }
        self.stage = Stage::SigningIn;
        if let Some(opening) = &mut self.opening {
            asked.reply.append(&mut opening.connect);
        }
        Ok(())
    }

    #[inline]
    fn said(
        &mut self,
        speech: &Speech,
        said: Said<'_>,
        asked: &mut Asked,
        ear: &mut impl FnMut(Heard<'_>),
    ) -> Result<(), String> {
        match (said, self.stage) {
            (Said::Message(message), _) => ear(Heard::Message(message)),
            (Said::Receipt(SUBSCRIBED) | Said::Pong, Stage::Subscribing(_)) => {
                asked.subscription_confirmed = true;
                self.ready(asked, ear);
            }
            (Said::Receipt(BYE), Stage::Leaving) => return Err("it has left".to_owned()),
            (Said::Receipt(id), _) => {
                if let Some(number) = number(id.as_bytes()) {
                    ear(Heard::Receipt(number));
                }
            }
            (Said::Connected { beat_millis }, Stage::SigningIn) => {
                asked.beat = speech.beat_every(beat_millis);
                self.signed_in(asked, ear);
            }
            (Said::Pong, Stage::SigningIn) => self.signed_in(asked, ear),
            (Said::Ping, _) => asked.reply.extend(speech.pong()),
            (Said::Error(text), _) => return Err(format!("the broker refused: {text}")),
            (Said::Connected { .. } | Said::Pong, _) => {}
        }
        Ok(())
    }

    fn signed_in(&mut self, asked: &mut Asked, ear: &mut impl FnMut(Heard<'_>)) {
        let subscribe = self.opening.take().and_then(|opening| opening.subscribe);
        let Some(subscribe) = subscribe else { return self.ready(asked, ear) };
        asked.reply.extend(subscribe);
        self.stage = Stage::Subscribing(Instant::now());
        if asked.receipts_missing {
            self.ready(asked, ear);
        }
    }

    fn ready(&mut self, asked: &mut Asked, ear: &mut impl FnMut(Heard<'_>)) {
        self.stage = Stage::Ready;
        asked.ready = true;
        ear(Heard::Ready);
    }
}
