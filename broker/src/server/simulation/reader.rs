//! Those who read: with a place that the broker keeps, or with one of their own.

use std::sync::Arc;
use std::time::Duration;

use homeroom_checker::{Event, Position, Stream};
use homeroom_protocol::{Command, Frame};
use tokio::time::{Instant, sleep};

use super::history::place;
use super::line::{Door, Gone, Line};
use super::publisher::RECONNECT;
use super::random::Random;
use super::web;
use super::world::{Phase, World};

/// How somebody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `ack:client`, acknowledged by the reader.
    Acknowledges,
    /// `ack:auto`, settled by the broker.
    Durable,
    /// Says itself where to go on.
    After,
    /// An event stream.
    Events,
    /// Long polls.
    Polls,
}

pub(super) struct Reader {
    pub(super) world: Arc<World>,
    pub(super) name: Arc<str>,
    pub(super) classroom: String,
    pub(super) random: Random,
    pub(super) kind: Kind,
    pub(super) session: u64,
    /// The last place, as those remember it that have no other.
    pub(super) seen: Option<String>,
    /// Came since something was acknowledged.
    since_ack: u64,
}

/// Reads until the day is over.
pub(super) async fn read(world: Arc<World>, number: u64, random: Random) {
    let kinds = [Kind::Acknowledges, Kind::Durable, Kind::After, Kind::Events, Kind::Polls];
    let kind = kinds[number as usize % kinds.len()];
    let classroom = world.options.classroom(number / 2);
    let name = format!("r{number}-{kind:?}").to_lowercase().into();
    let mut reader = Reader { world, name, classroom, random, kind, session: 0, seen: None, since_ack: 0 };
    while reader.world.phase() < Phase::Over {
        reader.session += 1;
        let ended = match kind {
            Kind::Events => web::stream(&mut reader).await,
            Kind::Polls => web::poll(&mut reader).await,
            _ => reader.over_stomp().await,
        };
        let (session, broken) = (reader.session, ended.is_err());
        reader.note(Event::Left { reader: reader.name.clone(), session, broken });
        if broken {
            reader.world.rest(RECONNECT, Phase::Over).await;
        }
    }
}

impl Reader {
    pub(super) fn stream(&self) -> Stream {
        let log = format!("topic/{}", self.classroom).into();
        Stream { reader: self.name.clone(), session: self.session, log }
    }

    pub(super) fn note(&self, event: Event) {
        self.world.history.note(&self.name, event);
    }

    pub(super) fn note_subscribed(&self, after: Option<Position>, durable: bool) {
        self.note(Event::Subscribed { stream: self.stream(), after, durable });
    }

    /// Sometimes somebody does not read for a while.
    pub(super) async fn dawdle(&mut self) {
        if self.world.phase() == Phase::Lessons && self.random.within(1..=300) == 1 {
            let time = self.random.millis(300..=8_000);
            self.world.rest(time, Phase::Calm).await;
        }
    }

    async fn over_stomp(&mut self) -> Result<(), Gone> {
        let world = self.world.clone();
        let mut line = Line::open(&world.house, Door::WebSocket, &self.name).await?;
        self.note(Event::Subscribe { stream: self.stream(), principal: None });
        line.say(&self.subscribe()).await?;
        self.since_ack = 0;
        let mut acks_at: Option<(Instant, Position, String)> = None;
        while world.phase() < Phase::Over {
            let soon = Instant::now() + Duration::from_millis(500);
            let frame = line.next(acks_at.as_ref().map_or(soon, |(at, ..)| (*at).min(soon))).await?;
            if let Some((_, place, ack)) = acks_at.take_if(|(at, ..)| *at <= Instant::now()) {
                let acknowledge = Frame::new(Command::Ack).with("id", &ack);
                line.say(&acknowledge.with("receipt", &format!("ack {place}"))).await?;
            }
            let Some(frame) = frame else { continue };
            match frame.command {
                Command::Message => {
                    world.history.received(&self.stream(), &frame);
                    self.seen = Some(place(&frame).to_string());
                    self.since_ack += 1;
                    if self.kind == Kind::Acknowledges {
                        let at = acks_at.map_or_else(|| Instant::now() + self.random.millis(0..=900), |(at, ..)| at);
                        acks_at = Some((at, place(&frame), frame.headers.get("ack").unwrap().to_owned()));
                    }
                    self.dawdle().await;
                }
                Command::Receipt => self.take_receipt(&frame),
                _ => return Err(Gone),
            }
        }
        self.note(Event::CaughtUp { stream: self.stream() });
        sleep(Duration::from_millis(1)).await;
        Ok(())
    }

    fn subscribe(&self) -> Frame {
        let destination = format!("/topic/{}/**", self.classroom);
        let subscribe = Frame::new(Command::Subscribe).with("id", "1").with("destination", &destination);
        let subscribe = subscribe.with("receipt", "subscribed");
        match (self.kind, &self.seen) {
            (Kind::Acknowledges, _) => subscribe.with("ack", "client").with("durable-subscription-name", "own"),
            (Kind::Durable, _) => subscribe.with("ack", "auto").with("durable-subscription-name", "own"),
            (_, Some(seen)) => subscribe.with("after", seen),
            (_, None) => subscribe.with("x-stream-offset", "first"),
        }
    }

    fn take_receipt(&self, receipt: &Frame) {
        match receipt.headers.get("receipt-id").unwrap().strip_prefix("ack ") {
            Some(through) => {
                let through = through.parse().unwrap();
                self.note(Event::Acked { stream: self.stream(), through });
            }
            None => {
                let after = receipt.headers.get("position").map(|position| position.parse().unwrap());
                self.note_subscribed(after, self.kind != Kind::After);
            }
        }
    }
}
