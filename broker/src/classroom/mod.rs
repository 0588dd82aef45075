//! Rooms: one log and the people around it.
//!
//! Publishing appends and wakes; it never waits for a reader. A reader is a
//! cursor on the log. The two meet only in the log and in its newest messages,
//! which are kept in memory once for everybody.
//!
//! Never here: STOMP, HTTP, sockets; who may do what.

pub mod audience;
#[cfg(test)]
mod audience_tests;
pub mod beginning;
pub mod bell;
#[cfg(test)]
mod bell_tests;
mod coming;
#[cfg(test)]
mod counting;
pub mod durable;
#[cfg(test)]
mod durable_tests;
pub mod entry;
mod follow;
pub mod group;
pub mod news;
pub mod pages;
#[cfg(test)]
mod pages_tests;
pub mod presence;
pub mod reader;
mod reading;
pub mod recent;
pub mod registry;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use homeroom_storage::{
    AppendError, Appended, Bounds, Cursor, Epoch, LogError, LogName, Message, Offset, Record, Retention, Seek, Store,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::audience::{Audience, Member, Place, Seat};
use self::coming::Coming;
use self::durable::Durables;
use self::entry::Entry;
use self::follow::Errand;
use self::group::{Groups, Tally};
use self::news::Form;
use self::pages::Pages;
use self::presence::Presence;
use self::recent::Recent;
pub use crate::outside::now_millis;
use crate::rate::Meter;
use crate::router::{Kind, Rules};

/// What [`bell`] and [`durable`] share between threads, by names under which a model checker has its own.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard};

    pub(super) use atomic_waker::AtomicWaker;
}

/// Errands that may wait for their turn; messages no log keeps are dropped beyond, as a full network would.
const ERRANDS_WAITING_MAX: usize = 1024;

/// How rooms are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much stays in memory.
    pub recent: recent::Limits,
    /// How much of what is read from the logs stays in memory for the next who wants it.
    pub pages: pages::Limits,
    /// How long somebody who dropped off still counts as here.
    pub presence_grace: Duration,
    /// Changes of the roster are told together, so often at most.
    pub presence_coalesce: Duration,
    /// A message that a group was given so often goes to the dead letters.
    pub deliveries_max: u32,
    /// A queue keeps so many bytes.
    pub queue_bytes_max: u64,
    /// Where groups count what they do.
    pub tally: Arc<Tally>,
}

/// What a room holds for those who are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Subscriptions and requests that are told of news.
    pub(crate) listeners: usize,
    /// Durable subscriptions that somebody is attached to.
    pub(crate) durables: usize,
    /// Groups of consumers.
    pub(crate) groups: usize,
    /// People who are here or expected back.
    pub(crate) people: usize,
}

/// One log and the people around it.
#[derive(Debug)]
pub struct Room {
    log: LogName,
    epoch: Epoch,
    head_at_opening: Offset,
    /// Milliseconds since 1970.
    opened_at: u64,
    store: Store,
    rules: Arc<Rules>,
    recent: Recent,
    audience: Audience,
    coming: Coming,
    pages: Pages,
    durables: Arc<Durables>,
    groups: Groups,
    deliveries_max: u32,
    tally: Arc<Tally>,
    /// So much it keeps at most, if it is a queue.
    bytes_max: Option<u64>,
    presence: Presence,
    publishing: Meter,
    errands: mpsc::Sender<Errand>,
    ended: AtomicBool,
}

impl Room {
    /// Opens the log and begins to follow it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open(
        store: Store,
        rules: Arc<Rules>,
        log: LogName,
        retention: Retention,
        settings: &Settings,
    ) -> Result<Arc<Room>, LogError> {
        let opened = store.open(&log, retention).await?;
        let is_queue = matches!(Kind::of(log.as_str()), Some((Kind::Queue, _)));
        let bytes_max = is_queue.then_some(settings.queue_bytes_max);
        let (errands, waiting) = mpsc::channel(ERRANDS_WAITING_MAX);
        let opened_at = now_millis();
        let classroom = Arc::new(Room {
            log,
            epoch: opened.bounds.epoch,
            head_at_opening: opened.bounds.head,
            opened_at,
            store,
            rules,
            recent: Recent::new(opened.bounds.head, settings.recent),
            audience: Audience::default(),
            coming: Coming::default(),
            pages: Pages::new(settings.pages.clone()),
            durables: Arc::new(Durables::new(opened_at)),
            groups: Groups::default(),
            deliveries_max: settings.deliveries_max,
            tally: settings.tally.clone(),
            bytes_max,
            presence: Presence::new(settings.presence_grace),
            publishing: Meter::default(),
            errands,
            ended: AtomicBool::new(false),
        });
        follow::spawn(&classroom, opened.tail, waiting, settings.presence_coalesce);
        Ok(classroom)
    }

    /// Its name, which is that of its log: `topic/7b`.
    pub fn name(&self) -> &str {
        self.log.as_str()
    }

    /// Its log.
    pub fn log(&self) -> &LogName {
        &self.log
    }

    /// Its log's incarnation.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How far messages were sent under a cursor. One that was saved before the room was opened may
    /// carry a ceiling from before a crash, ahead of all that existed then.
    pub fn delivered_before(&self, cursor: &Cursor) -> Offset {
        let limit = if cursor.used < self.opened_at { self.head_at_opening } else { self.recent.head() };
        cursor.delivered.min(limit)
    }

    /// The time of day at which a cursor is used now; never before the room was opened, whatever becomes of the clock.
    pub fn used_now(&self) -> u64 {
        now_millis().max(self.opened_at)
    }

    /// Its newest messages.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Who is here.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// How much was sent to it lately.
    pub fn publishing(&self) -> &Meter {
        &self.publishing
    }

    /// Its durable subscriptions.
    pub fn durables(&self) -> &Arc<Durables> {
        &self.durables
    }

    /// Those who share its log.
    fn groups(&self) -> &Groups {
        &self.groups
    }

    /// What its log keeps now; `None` if the engine has to ask elsewhere for it.
    fn kept(&self) -> Option<Bounds> {
        self.store.bounds(&self.log).now_or_never().and_then(Result::ok).flatten()
    }

    /// Whether its log belongs to its consumers: what they have done with is not kept.
    pub fn is_queue(&self) -> bool {
        self.bytes_max.is_some()
    }

    /// What a queue keeps and may keep, if so many bytes more are too many.
    pub fn beyond(&self, bytes: u64) -> Option<(u64, u64)> {
        let (max, kept) = (self.bytes_max?, self.kept()?.bytes);
        (kept + bytes > max).then_some((kept, max))
    }

    /// Where its records and cursors are kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the log was deleted under it.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// An append to its log is handed to the store: its record will be news in a moment.
    pub fn expect(&self) {
        self.coming.expect();
    }

    /// That append was answered.
    pub fn was_answered(&self, answer: &Result<Appended, AppendError>) {
        self.coming.was_answered(answer);
    }

    /// Shows a message that no log keeps to those who are here, behind the record at `after` and
    /// before whatever is appended from now on. Dropped when too many wait.
    pub fn publish_ephemeral(&self, message: Message, path: String, after: Offset) {
        // A full queue drops the message, which is what "not persistent" allows.
        let _ = self.errands.try_send(Errand::Show { message, path, after });
    }

    /// Resolves when everything that was confirmed before this call is in [`Room::recent`]. A
    /// publisher may hold a receipt a moment before the room has taken the message in.
    pub async fn catch_up(&self) {
        let (done, caught_up) = oneshot::channel();
        if self.errands.send(Errand::CatchUp(done)).await.is_ok() {
            // A room that ends meanwhile has nothing more to take in.
            let _ = caught_up.await;
        }
    }

    /// A notice of the broker itself, for `$…` channels.
    pub fn notice(&self, channel: &str, body: impl Into<Bytes>) -> (Message, String) {
        let path = format!("{}/{channel}", self.log);
        let headers = [("content-type".into(), "application/json".into())].into();
        (Message { destination: format!("/{path}").into(), headers, body: body.into(), publisher: None }, path)
    }

    /// One entry that is shown to a single reader, such as a snapshot.
    pub fn entry_of_its_own(&self, message: Message, path: String) -> Arc<Entry> {
        Arc::new(Entry::new(self.unlogged(message), 0, path, 0, false))
    }

    /// The offset after which a read from `seek` begins.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn seek(&self, seek: Seek) -> Result<Offset, LogError> {
        self.store.seek(&self.log, seek).await
    }

    /// Everything up to here is gone.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn trimmed(&self) -> Result<Offset, LogError> {
        Ok(self.store.bounds(&self.log).await?.map_or(Offset::ZERO, |bounds| bounds.trimmed))
    }

    /// Lets go of what nobody asks for any more: what was read from the log, groups without consumers, old quarrels.
    pub(crate) fn forget_unused(&self) {
        self.durables.forget_unused();
        self.pages.forget_unused(pages::UNUSED);
        self.groups.forget_idle();
    }

    /// Shows messages no more that were erased from the log. What is on its way to somebody goes out.
    pub(crate) fn forget_messages(&self, gone: &dyn Fn(&Message) -> bool) {
        self.recent.forget(gone);
        self.pages.forget(gone);
        self.groups.forget(gone);
    }

    /// Tells `member` of everything new, from this call on: in this form, or else by a ring.
    pub(crate) fn join(self: &Arc<Self>, form: Option<Arc<dyn Form>>, member: Member) -> Place {
        self.audience.join(self, form, member)
    }

    pub(crate) fn leave(&self, seat: Seat) {
        self.audience.leave(seat);
    }

    /// How many listen, attach, share and are here.
    pub(crate) fn held(&self) -> Held {
        Held {
            listeners: self.audience.count(),
            durables: self.durables.count(),
            groups: self.groups.count(),
            people: self.presence.count(),
        }
    }

    /// Whether nobody reads, holds a durable subscription or is expected back.
    pub(crate) fn is_idle(&self) -> bool {
        self.audience.is_empty() && self.durables.is_empty() && self.groups.are_idle() && self.presence.is_empty()
    }

    fn take_in(&self, record: &Arc<Record>) {
        self.recent.push_record(record, |shown| self.rules.path_of(self.name(), shown));
        self.coming.arrived();
    }

    fn show(&self, message: Message, path: String) {
        self.recent.push_ephemeral(self.unlogged(message), path);
    }

    fn unlogged(&self, message: Message) -> Arc<Record> {
        Arc::new(Record { epoch: self.epoch, offset: Offset::ZERO, time: now_millis(), messages: [message].into() })
    }

    fn tell_presence(&self) {
        if let Some(changes) = self.presence.changes(Instant::now()) {
            let body = serde_json::to_vec(&changes).expect("a notice is plain JSON");
            let (message, path) = self.notice("$presence", body);
            self.show(message, path);
            self.audience.wake();
        }
    }
}
