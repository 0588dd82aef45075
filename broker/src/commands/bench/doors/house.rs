//! All open pages and the shop, on one thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::Stage;
use super::manner::Came;
use super::shop::Shop;
use super::visitor::{Street, Traffic, Visitor};
use crate::commands::bench::Failure;
use crate::commands::bench::alarm::{ALARM, Alarm};
use crate::commands::bench::progress::Progress;
use crate::commands::bench::report::Delays;

/// The pages that are open on one broker.
pub(super) struct House<'a> {
    stage: &'a Stage<'a>,
    poll: Poll,
    events: Events,
    alarm: Alarm,
    buffer: Vec<u8>,
    address: SocketAddr,
    visitors: Vec<Visitor>,
    shop: Shop,
    /// Who wants to be told when.
    times: BinaryHeap<Reverse<(Instant, usize)>>,
    /// How many have the first update.
    ready: usize,
    requests: u64,
    /// Of updates from this number on.
    measured_from: u64,
    pub(super) heard: Deliveries,
}

/// What arrived of the measured updates.
pub(super) struct Deliveries {
    /// From the time an update was due until a page has it.
    pub(super) delays: Delays,
    /// What this client itself was late by.
    pub(super) sent: Delays,
    pub(super) count: u64,
    /// Updates that came again, or before an older one.
    pub(super) repeated: u64,
}

/// What has gone over all lines so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) traffic: Traffic,
}

const SHOP: Token = Token(usize::MAX - 1);

/// While nothing at all happens for so long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shared by all reads. In bytes.
const BUFFER_BYTES: usize = 256 * 1024;

impl<'a> House<'a> {
    /// A shop that has published its first update, and nobody who has seen it.
    pub(super) fn open(stage: &'a Stage<'a>) -> Result<House<'a>, Failure> {
        let authority = stage.speech.authority();
        let unknown = |error: &dyn std::fmt::Display| {
            Failure::new(format!("{authority} cannot be resolved: {error}. Check the host in --url."))
        };
        let address = authority.to_socket_addrs().map_err(|error| unknown(&error))?.next();
        let address = address.ok_or_else(|| unknown(&"it has no address"))?;
        let poll = Poll::new().map_err(|error| unwatched(&error))?;
        let alarm = Alarm::new(poll.registry()).map_err(|error| unwatched(&error))?;
        let mut house = House {
            stage,
            poll,
            events: Events::with_capacity(1024),
            alarm,
            buffer: vec![0; BUFFER_BYTES],
            address,
            visitors: Vec::new(),
            shop: Shop::new(),
            times: BinaryHeap::new(),
            ready: 0,
            requests: 0,
            measured_from: u64::MAX,
            heard: Deliveries { delays: Delays::new(), sent: Delays::new(), count: 0, repeated: 0 },
        };
        house.publish(Instant::now())?;
        let until = Instant::now() + PATIENCE;
        while !house.shop.is_confirmed() && Instant::now() < until {
            house.turn(until)?;
        }
        Ok(house)
    }

    /// Opens so many pages, `at_once` at a time, and waits until all have the first update.
    pub(super) fn invite(&mut self, clients: usize, at_once: usize) -> Result<(), Failure> {
        let progress = Progress::new("connecting", clients as u64);
        self.visitors.extend((0..clients).map(|_| Visitor::new(self.stage)));
        let (mut opened, mut alive) = (0, Instant::now());
        while self.ready < clients {
            let before = self.ready;
            while opened < clients && opened < self.ready + at_once {
                self.tell(opened, Visitor::open)?;
                opened += 1;
            }
            self.turn(Instant::now() + Duration::from_millis(100))?;
            progress.set(self.ready as u64);
            if self.ready > before {
                alive = Instant::now();
            } else if alive.elapsed() > PATIENCE {
                return Err(Failure::new(format!(
                    "{} pages were opened, then none within {} seconds. Does the broker limit them?",
                    self.ready,
                    PATIENCE.as_secs()
                )));
            }
        }
        Ok(())
    }

    /// Sends the next update, which was due then.
    pub(super) fn publish(&mut self, due: Instant) -> Result<(), Failure> {
        let late = due.elapsed();
        let street = Street { address: self.address, registry: self.poll.registry(), token: SHOP };
        let published = self.shop.publish(&self.stage.asking, &street, due);
        published.map_err(|reason| lost(self.stage, "the publisher's connection", &reason))?;
        if self.shop.published() >= self.measured_from {
            self.heard.sent.record(late);
        }
        Ok(())
    }

    /// From now on updates are measured.
    pub(super) fn measure(&mut self) {
        self.measured_from = self.shop.published() + 1;
    }

    /// Measured updates that some page does not have, once for each.
    pub(super) fn missing(&self) -> u64 {
        let measured = (self.shop.published() + 1).saturating_sub(self.measured_from);
        (measured * self.visitors.len() as u64).saturating_sub(self.heard.count)
    }

    pub(super) fn counts(&self) -> Counts {
        let traffic = self.visitors.iter().map(Visitor::traffic).fold(Traffic::default(), |sum, one| Traffic {
            sent_bytes: sum.sent_bytes + one.sent_bytes,
            received_bytes: sum.received_bytes + one.received_bytes,
            connections: sum.connections + one.connections,
        });
        Counts { requests: self.requests, traffic }
    }

    /// Waits until something happens or until then, and does what is due.
    pub(super) fn turn(&mut self, until: Instant) -> Result<(), Failure> {
        while let Some(Reverse((_, who))) = self.times.peek().copied().filter(|next| next.0.0 <= Instant::now()) {
            self.times.pop();
            self.tell(who, Visitor::due)?;
        }
        let next = self.times.peek().map(|next| next.0.0);
        let until = next.map_or(until, |next| next.min(until));
        let wait = self.alarm.set(until).map_err(|error| unwatched(&error))?;
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(unwatched(&error)),
            _ => {}
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in events.iter().filter(|event| event.token() != ALARM) {
            if event.token() == SHOP {
                let heard = self.shop.event(&mut self.buffer);
                heard.map_err(|reason| lost(self.stage, "the publisher's connection", &reason))?;
                continue;
            }
            let who = event.token().0;
            let mut came = Came::default();
            let heard = self.visitors[who].event(self.stage, event, &mut self.buffer, &mut came);
            heard.map_err(|reason| lost(self.stage, &format!("connection {who}"), &reason))?;
            self.came(who, &came);
        }
        self.events = events;
        Ok(())
    }

    /// Lets one visitor say something.
    fn tell(&mut self, who: usize, what: Word) -> Result<(), Failure> {
        let mut came = Came::default();
        let street = Street { address: self.address, registry: self.poll.registry(), token: Token(who) };
        let said = what(&mut self.visitors[who], self.stage, &street, &mut came);
        said.map_err(|reason| lost(self.stage, &format!("connection {who}"), &reason))?;
        self.came(who, &came);
        Ok(())
    }

    /// Writes down what came of it.
    fn came(&mut self, who: usize, came: &Came) {
        let share = who as f64 / self.visitors.len() as f64;
        let visitor = &mut self.visitors[who];
        self.requests += came.requests;
        if let Some(again) = came.again {
            // Pages are opened at any time: the first time of each lies somewhere in its interval.
            let first = !std::mem::replace(&mut visitor.is_timed, true);
            let after = if first { again.mul_f64(share) } else { again };
            self.times.push(Reverse((Instant::now() + after, who)));
        }
        for &number in &came.updates {
            if number <= visitor.last {
                self.heard.repeated += 1;
                continue;
            }
            self.ready += usize::from(visitor.last == 0);
            visitor.last = number;
            if number >= self.measured_from
                && let Some(due) = self.shop.due(number)
            {
                self.heard.delays.record(due.elapsed());
                self.heard.count += 1;
            }
        }
    }
}

type Word = fn(&mut Visitor, &Stage<'_>, &Street<'_>, &mut Came) -> Result<(), String>;

fn unwatched(error: &io::Error) -> Failure {
    Failure::new(format!("Sockets cannot be watched: {error}."))
}

fn lost(stage: &Stage<'_>, what: &str, reason: &str) -> Failure {
    Failure::new(format!("{}: {what} is over: {reason}.", stage.speech.url()))
}
