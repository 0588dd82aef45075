//! All rooms that are open, opened once each and closed when nobody needs them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use homeroom_storage::{LogError, LogName, Message, Retention, Store};
use tokio::sync::OnceCell;

use super::bell::Bell;
use super::{Held, Room, Settings};
use crate::router::{Pattern, Rules};

/// How often rooms that nobody needs are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

type Slot = Arc<OnceCell<Arc<Room>>>;
/// Says how long a room, by its name, keeps its records.
pub type RetentionOf = Arc<dyn Fn(&str) -> Retention + Send + Sync>;

/// All rooms.
pub struct Registry {
    store: Store,
    rules: Arc<Rules>,
    settings: Settings,
    retention_of: RetentionOf,
    open_max: usize,
    open: Mutex<HashMap<LogName, Slot>>,
    /// Grows with every room that is opened for the first time.
    generation: AtomicU64,
    watchers: Mutex<Vec<Weak<Bell>>>,
}

/// Why a room cannot be entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnterError {
    /// As many rooms are open as the settings allow.
    #[error("{0} classrooms are open, which is the limit")]
    TooMany(usize),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Registry {
    /// No room is open yet.
    pub fn new(
        store: Store,
        rules: Arc<Rules>,
        settings: Settings,
        retention_of: RetentionOf,
        open_max: usize,
    ) -> Arc<Registry> {
        let registry = Arc::new(Registry {
            store,
            rules,
            settings,
            retention_of,
            open_max,
            open: Mutex::default(),
            generation: AtomicU64::new(1),
            watchers: Mutex::default(),
        });
        tokio::spawn(sweep(Arc::downgrade(&registry)));
        registry
    }

    /// How names are read.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The room of this name, opened if need be.
    ///
    /// # Errors
    /// Too many rooms, or those of the store.
    pub async fn enter(&self, name: &str) -> Result<Arc<Room>, EnterError> {
        let slot = self.slot(name)?;
        let (store, rules, settings) = (self.store.clone(), self.rules.clone(), &self.settings);
        let room = slot
            .get_or_try_init(|| async {
                let room = Room::open(store, rules, LogName::new(name), (self.retention_of)(name), settings).await?;
                self.announce();
                Ok::<_, LogError>(room)
            })
            .await;
        match room {
            Ok(room) if !room.has_ended() => Ok(room.clone()),
            Ok(_) => {
                self.forget(name, &slot);
                Err(LogError::Unavailable("the classroom is being deleted".to_owned()).into())
            }
            Err(error) => {
                self.forget(name, &slot);
                Err(error.into())
            }
        }
    }

    /// The names of all rooms, open or only stored, that a pattern may reach.
    pub fn reached_by(&self, pattern: &Pattern) -> Vec<LogName> {
        let mut names = self.store.logs();
        names.extend(self.locked().keys().cloned());
        names.retain(|name| pattern.reaches(name.as_str()));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Rings when a room appears.
    pub fn watch(&self, bell: &Arc<Bell>) {
        let mut watchers = self.watchers.lock().expect("nothing panics while it holds the watchers");
        watchers.retain(|known| known.strong_count() > 0);
        watchers.push(Arc::downgrade(bell));
    }

    /// Grows when a room appears.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// How many rooms are open.
    pub fn open_count(&self) -> usize {
        self.locked().len()
    }

    /// How much is held in all rooms together.
    pub(crate) fn held(&self) -> Held {
        let rooms: Vec<Slot> = self.locked().values().cloned().collect();
        rooms.iter().filter_map(|slot| slot.get()).fold(Held::default(), |all, room| {
            let own = room.held();
            Held {
                listeners: all.listeners + own.listeners,
                durables: all.durables + own.durables,
                groups: all.groups + own.groups,
                people: all.people + own.people,
            }
        })
    }

    /// Has all rooms show such messages no more: they are erased from the logs.
    pub fn forget_messages(&self, gone: &dyn Fn(&Message) -> bool) {
        let rooms: Vec<Slot> = self.locked().values().cloned().collect();
        rooms.iter().filter_map(|slot| slot.get()).for_each(|room| room.forget_messages(gone));
    }

    fn slot(&self, name: &str) -> Result<Slot, EnterError> {
        let mut open = self.locked();
        if let Some(slot) = open.get(name) {
            return Ok(slot.clone());
        }
        if open.len() >= self.open_max {
            return Err(EnterError::TooMany(open.len()));
        }
        let slot = Slot::default();
        open.insert(LogName::new(name), slot.clone());
        Ok(slot)
    }

    fn forget(&self, name: &str, slot: &Slot) {
        let mut open = self.locked();
        if open.get(name).is_some_and(|known| Arc::ptr_eq(known, slot)) {
            open.remove(name);
        }
    }

    fn announce(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        let watchers = self.watchers.lock().expect("nothing panics while it holds the watchers");
        watchers.iter().filter_map(Weak::upgrade).for_each(|bell| bell.ring());
    }

    /// Closes rooms that nobody holds. Under the lock nobody can come by one of them meanwhile.
    fn close_idle(&self) {
        self.locked().retain(|_, slot| {
            if let Some(room) = slot.get() {
                room.forget_unused();
            }
            let held = Arc::strong_count(slot) > 1;
            held || slot.get().is_some_and(|room| Arc::strong_count(room) > 1 || !room.is_idle())
        });
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<LogName, Slot>> {
        self.open.lock().expect("nothing panics while it holds the rooms")
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("open", &self.open_count()).finish_non_exhaustive()
    }
}

async fn sweep(registry: Weak<Registry>) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        match registry.upgrade() {
            Some(registry) => registry.close_idle(),
            None => return,
        }
    }
}
