//! Those who publish, and send again what has no answer until it has one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::{Command, Frame};
use tokio::time::{Instant, sleep};

use super::line::{Door, Gone, Line};
use super::random::Random;
use super::web;
use super::world::{Phase, World};

/// As stompjs does it.
pub(super) const RECONNECT: Duration = Duration::from_secs(5);
/// Sent and not confirmed, at most.
const UNDER_WAY: usize = 12;

/// Somebody with something to say.
pub(super) struct Publisher {
    pub(super) world: Arc<World>,
    pub(super) name: String,
    classroom: String,
    pub(super) random: Random,
    next: u64,
    /// Numbers of messages without an answer, in their order.
    pub(super) waiting: VecDeque<u64>,
    speaks_at: Instant,
}

/// Publishes over STOMP, or over HTTP.
pub(super) async fn publish(world: Arc<World>, number: u64, random: Random) {
    let (name, classroom) = (format!("p{number}"), world.options.classroom(number));
    let speaks_at = Instant::now();
    let mut publisher = Publisher { world, name, classroom, random, next: 0, waiting: VecDeque::new(), speaks_at };
    let over_http = number % 3 == 2;
    while !publisher.is_done() {
        let _gone: Result<(), Gone> = match over_http {
            true => web::publish(&mut publisher).await,
            false => publisher.over_stomp().await,
        };
        if !publisher.is_done() {
            sleep(RECONNECT).await;
        }
    }
}

impl Publisher {
    pub(super) fn is_done(&self) -> bool {
        match self.world.phase() {
            Phase::Lessons | Phase::Calm => false,
            Phase::Quiet => self.waiting.is_empty(),
            Phase::Over => true,
        }
    }

    /// When there is something new to say.
    pub(super) fn speaks_at(&self) -> Instant {
        self.speaks_at
    }

    /// The numbers of what is said now.
    pub(super) fn think(&mut self) -> Vec<u64> {
        if Instant::now() < self.speaks_at || self.world.phase() >= Phase::Quiet || self.waiting.len() >= UNDER_WAY {
            return Vec::new();
        }
        let count = self.random.within(1..=4);
        self.speaks_at = Instant::now() + self.random.millis(20..=self.world.options.pace_max);
        let said: Vec<u64> = (self.next..self.next + count).collect();
        self.next += count;
        self.waiting.extend(&said);
        said
    }

    pub(super) fn destination(&self) -> String {
        format!("/topic/{}/quiz", self.classroom)
    }

    pub(super) fn id(&self, number: u64) -> String {
        format!("{}#{number}", self.name)
    }

    /// The same for a number whenever it is sent.
    pub(super) fn body(&self, number: u64) -> String {
        let bytes = (number * 7919 % 23) as usize * if number.is_multiple_of(17) { 300 } else { 9 };
        format!("{} {}", self.id(number), "x".repeat(bytes))
    }

    pub(super) fn note_asked(&self, number: u64) {
        self.world.history.asked(&self.id(number), &format!("topic/{}", self.classroom), &self.body(number));
    }

    pub(super) fn note_confirmed(&mut self, number: u64, position: &str) {
        self.world.history.confirmed(&self.id(number), position);
        self.waiting.retain(|waiting| *waiting != number);
    }

    async fn over_stomp(&mut self) -> Result<(), Gone> {
        let mut line = Line::open(&self.world.clone().house, Door::Tcp, &self.name).await?;
        for number in self.waiting.clone() {
            self.send(&mut line, number).await?;
        }
        while !self.is_done() {
            for number in self.think() {
                self.send(&mut line, number).await?;
            }
            let soon = Instant::now() + Duration::from_millis(100);
            let Some(frame) = line.next(self.speaks_at.max(soon)).await? else { continue };
            match frame.command {
                Command::Receipt => {
                    let number = frame.headers.get("receipt-id").unwrap().parse().unwrap();
                    self.note_confirmed(number, frame.headers.get("position").expect("it is kept"));
                }
                // Whatever it says: it is sent again with the same key.
                Command::Error => return Err(Gone),
                _ => {}
            }
        }
        line.say(&Frame::new(Command::Disconnect)).await
    }

    async fn send(&self, line: &mut Line, number: u64) -> Result<(), Gone> {
        self.note_asked(number);
        let send = Frame::new(Command::Send).with("destination", &self.destination());
        let send = send.with("receipt", &number.to_string()).with("idempotency-key", &self.id(number));
        line.say(&send.with_body(self.body(number))).await
    }
}
