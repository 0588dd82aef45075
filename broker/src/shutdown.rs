//! How the broker ends: everybody who is connected is told, finishes what was
//! begun, and goes at a moment of its own, so that not all return at once.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::classroom::bell::Bell;
use crate::metrics::Limit;

/// Who is connected, and whether the broker stops.
#[derive(Debug)]
pub struct Shutdown {
    stopping: AtomicBool,
    began: Mutex<Option<Instant>>,
    spread: Duration,
    next: AtomicU64,
    connected: Mutex<Connected>,
    all_gone: Notify,
    begun: Notify,
    connected_max: usize,
    per_address_max: Option<usize>,
}

#[derive(Debug, Default)]
struct Connected {
    bells: BTreeMap<u64, Arc<Bell>>,
    /// Counted only where there is a limit.
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// There are as many as may be, or the broker stops.
    Full,
    /// There are as many of its address.
    Address,
}

impl TurnedAway {
    /// Which limit that is.
    pub fn limit(self) -> Limit {
        match self {
            TurnedAway::Full => Limit::Connections,
            TurnedAway::Address => Limit::ConnectionsPerAddress,
        }
    }
}

/// One connection, counted as long as this lives.
#[derive(Debug)]
pub struct Tracked {
    shutdown: Arc<Shutdown>,
    number: u64,
    address: IpAddr,
    bell: Arc<Bell>,
}

impl Shutdown {
    /// Nobody is connected; a stop is spread over `spread`.
    pub fn new(spread: Duration, connected_max: usize, per_address_max: Option<usize>) -> Arc<Shutdown> {
        Arc::new(Shutdown {
            stopping: AtomicBool::new(false),
            began: Mutex::default(),
            spread,
            next: AtomicU64::new(0),
            connected: Mutex::default(),
            all_gone: Notify::new(),
            begun: Notify::new(),
            connected_max,
            per_address_max,
        })
    }

    /// Counts a connection.
    ///
    /// # Errors
    /// The broker stops or is full, or too many come from the same address.
    pub fn track(self: &Arc<Self>, address: IpAddr) -> Result<Tracked, TurnedAway> {
        let mut connected = self.connected();
        if self.is_stopping() || connected.bells.len() >= self.connected_max {
            return Err(TurnedAway::Full);
        }
        if let Some(max) = self.per_address_max {
            let count = connected.by_address.entry(address).or_default();
            if *count >= max {
                return Err(TurnedAway::Address);
            }
            *count += 1;
        }
        let (number, bell) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::new(Bell::default()));
        connected.bells.insert(number, bell.clone());
        Ok(Tracked { shutdown: self.clone(), number, address, bell })
    }

    /// Whether no connection more is taken.
    pub fn is_full(&self) -> bool {
        self.is_stopping() || self.count() >= self.connected_max
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.connected().bells.len()
    }

    /// Whether the broker stops.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Tells everybody.
    pub fn begin(&self) {
        *self.began.lock().expect("nothing panics while it holds the moment") = Some(Instant::now());
        self.stopping.store(true, Ordering::Release);
        self.begun.notify_waiters();
        self.connected().bells.values().for_each(|bell| bell.ring());
    }

    /// Resolves when the broker stops.
    pub async fn begun(&self) {
        let begun = self.begun.notified();
        if !self.is_stopping() {
            begun.await;
        }
    }

    /// When a connection that drew `lot` closes: all of them spread evenly, at once if they are few.
    pub fn close_at(&self, lot: u64) -> Instant {
        let began = self.began.lock().expect("nothing panics while it holds the moment").unwrap_or_else(Instant::now);
        let few = Duration::from_millis(self.count() as u64);
        let share = f64::from(u32::try_from(lot >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        began + self.spread.min(few * 10).mul_f64(share)
    }

    /// Resolves when nobody is connected any more.
    pub async fn all_gone(&self) {
        loop {
            let gone = self.all_gone.notified();
            if self.count() == 0 {
                return;
            }
            gone.await;
        }
    }

    fn connected(&self) -> std::sync::MutexGuard<'_, Connected> {
        self.connected.lock().expect("nothing panics while it holds the connections")
    }
}

impl Tracked {
    /// Rings when the broker stops, and for everything else this connection waits for.
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut connected = self.shutdown.connected();
        connected.bells.remove(&self.number);
        if let Some(count) = connected.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                connected.by_address.remove(&self.address);
            }
        }
        if connected.bells.is_empty() {
            self.shutdown.all_gone.notify_waiters();
        }
    }
}
