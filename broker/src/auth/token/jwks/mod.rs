//! Keys from an address (JWKS): fetched at the start and again and again, and
//! at once when a token names a key that is not there. What was fetched last
//! stays in use however long the address is out of reach.

mod fetch;
mod set;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use tokio::time::Instant;

use self::fetch::Fetcher;
use super::key::Key;
use crate::other_server;
use crate::settings::ServerUrl;

/// Tokens with names of keys that nobody knows cost the address at most one request in this time.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Whoever waits for keys waits with a connection of ours.
const FETCHED_WITHIN: Duration = Duration::from_secs(5);
/// With no keys at all, tokens cannot be checked: so long after the first failure it is tried again.
const FIRST_KEYS_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The keys of one address.
pub struct Jwks {
    fetcher: Fetcher,
    refresh: Duration,
    keys: ArcSwap<Vec<Key>>,
    told: Mutex<Told>,
    /// One fetch at a time; holds when the last one began that a token asked for.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

/// How it went the last time.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    fetched: Option<Instant>,
    fails: bool,
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").field("url", self.fetcher.url()).field("keys", &self.keys.load()).finish_non_exhaustive()
    }
}

impl Jwks {
    /// The keys of an address, none of which has been fetched yet.
    ///
    /// # Errors
    /// If the address is `https` and this machine trusts no authority.
    pub fn new(url: ServerUrl, refresh: Duration) -> Result<Jwks, String> {
        let authorities = other_server::authorities(&url)?;
        Ok(Jwks::trusting(url, refresh, authorities, FETCHED_WITHIN))
    }

    /// The same, believing these authorities, and waiting so long for an answer.
    pub(super) fn trusting(url: ServerUrl, refresh: Duration, authorities: RootCertStore, within: Duration) -> Jwks {
        Jwks {
            fetcher: Fetcher::new(url, authorities, within),
            refresh,
            keys: ArcSwap::default(),
            told: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The keys that were fetched last.
    pub(super) fn keys(&self) -> Arc<Vec<Key>> {
        self.keys.load_full()
    }

    /// How long ago the keys were fetched; `None` if they never were.
    pub fn age(&self) -> Option<Duration> {
        self.told().fetched.map(|fetched| fetched.elapsed())
    }

    /// Whether the last attempt failed.
    pub fn fails(&self) -> bool {
        self.told().fails
    }

    /// Fetches the keys. Those before stay if that fails.
    pub async fn fetch(&self) {
        let _turn = self.turn.lock().await;
        self.fetch_in_turn().await;
    }

    /// Fetches them for a token that names an unknown key, unless another one had that done just now.
    pub(super) async fn fetch_for_unknown(&self) {
        let mut turn = self.turn.lock().await;
        if turn.is_none_or(|last| last.elapsed() >= ASKED_AGAIN_AFTER) {
            *turn = Some(Instant::now());
            self.fetch_in_turn().await;
        }
    }

    /// Fetches them again and again, for ever.
    pub async fn keep_fresh(&self) {
        loop {
            self.fetch().await;
            let pause = if self.age().is_none() { FIRST_KEYS_AGAIN_AFTER.min(self.refresh) } else { self.refresh };
            tokio::time::sleep(pause).await;
        }
    }

    async fn fetch_in_turn(&self) {
        let read = match self.fetcher.fetch().await {
            Ok(text) => set::read(&text).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let url = self.fetcher.url();
        let before = self.told();
        match read {
            Ok(keys) => {
                if before.fails || before.fetched.is_none() {
                    tracing::info!(%url, keys = keys.len(), "the keys that tokens are checked with were fetched");
                }
                self.keys.store(Arc::new(keys));
                self.tell(Told { fetched: Some(Instant::now()), fails: false });
            }
            Err(error) => {
                match before.fetched.map(|fetched| fetched.elapsed().as_secs()) {
                    Some(age) => tracing::warn!(%url, age, "the keys of tokens stay those of {age} s ago: {error}"),
                    // It is tried again every few seconds: once is enough to say so.
                    None if before.fails => {
                        tracing::debug!(%url, "the keys of tokens still cannot be fetched: {error}");
                    }
                    None => tracing::error!(%url, "no token can be checked, its keys were never fetched: {error}"),
                }
                self.tell(Told { fails: true, ..before });
            }
        }
    }

    fn told(&self) -> Told {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, told: Told) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }
}
