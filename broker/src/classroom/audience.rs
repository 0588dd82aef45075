//! All who want to know of a classroom's new messages, and the few tasks that
//! tell them.
//!
//! ```text
//!  follow ──wake──► dispatcher ──hear──► listener: writes to its socket at once,
//!                       │                          or rings the bell of its task
//!                       └─ news, put together once for all who see them alike
//! ```
//!
//! A small classroom has one dispatcher, a large one up to one for each core.
//! Each has members of its own and goes round among them chunk by chunk, so that
//! it never keeps a thread for long, and whoever joins or leaves waits for
//! nobody. What becomes known while it goes round is taken along from there, and
//! the round ends where the newest message was first told: each member gets all
//! that waits in one write. Before a round that takes long, what is about to be
//! on the disk is waited for: a moment here saves many writes.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Room;
use super::bell::Bell;
use super::entry::Entry;
use super::news::{Form, News, is_same};
use crate::outside::select;

/// A dispatcher more for every so many members.
const MEMBERS_PER_DISPATCHER: usize = 256;
/// Members taken from the list at a time.
const CHUNK: usize = 32;
/// Other tasks of the thread get their turn so often. Each turn given is a wait behind all that is ready to run:
/// after every chunk, a class beside a reconnect storm waited ten times as long.
const GIVE_WAY: Duration = Duration::from_millis(1);
/// Messages taken at a time ...
const MESSAGES_AT_ONCE: usize = 256;
/// ... and their bytes, exceeded by one message at most.
const BYTES_AT_ONCE: usize = 256 * 1024;
/// A group for which there was nothing is told so after so many messages, so
/// that its members do not fall out of the memory of a busy room.
const SILENCE_MAX: u64 = 64;
/// So many forms are written by a dispatcher; who comes with another one is rung.
const FORMS_MAX: usize = 256;

/// A round among so many members takes a millisecond or more ...
const LARGE: usize = 256;
/// ... and waits so long at most for records that are on their way.
const PATIENCE: Duration = Duration::from_millis(1);

/// Somebody who wants to know.
pub trait Listener: Debug + Send + Sync {
    /// There is news for one of its `lane`s, in the form that this lane asked for.
    fn hear(&self, lane: u32, news: &News) -> Heard;

    /// Look yourself: something has changed.
    fn ring(&self);
}

/// What a listener made of the news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// So many messages were written.
    pub written: u32,
    /// Ring it: at once if nothing was written, else when all others have heard.
    pub ring: bool,
}

impl Listener for Bell {
    fn hear(&self, _: u32, _: &News) -> Heard {
        Heard { written: 0, ring: true }
    }

    fn ring(&self) {
        Bell::ring(self);
    }
}

/// All listeners of a classroom.
#[derive(Debug, Default)]
pub struct Audience {
    shards: Mutex<Vec<Arc<Shard>>>,
}

/// Where a new member sits.
#[derive(Debug)]
pub struct Place {
    /// To leave by.
    pub seat: Seat,
    /// The form that all its group share; none if they are only rung.
    pub form: Option<Arc<dyn Form>>,
}

/// A member's seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    shard: usize,
    group: usize,
    place: usize,
}

/// A listener, and the number of its lane.
pub type Member = (Arc<dyn Listener>, u32);

/// The members of one dispatcher.
#[derive(Debug, Default)]
struct Shard {
    wake: Bell,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    groups: Vec<Option<Group>>,
    count: usize,
    group_next: u64,
}

/// Members who see messages alike; without a form they are only rung.
#[derive(Debug)]
struct Group {
    /// A number that no other group of this shard ever has.
    number: u64,
    form: Option<Arc<dyn Form>>,
    places: Vec<Option<Member>>,
    free: Vec<usize>,
    /// All before this was told.
    told: u64,
    /// All before this was told, or was not for it.
    looked: u64,
}

impl Audience {
    /// Tells `member` of everything new from this call on. `room` is the room of this audience.
    pub fn join(&self, room: &Arc<Room>, form: Option<Arc<dyn Form>>, member: Member) -> Place {
        let mut shards = self.locked();
        let counts: Vec<usize> = shards.iter().map(|shard| shard.locked().count).collect();
        let wanted = dispatchers(counts.iter().sum::<usize>() + 1);
        if shards.len() < wanted {
            let shard = Arc::<Shard>::default();
            shards.push(shard.clone());
            tokio::spawn(dispatch(Arc::downgrade(room), shard));
        }
        let emptiest = counts.iter().copied().chain([0]).take(shards.len()).enumerate().min_by_key(|(_, count)| *count);
        let shard = emptiest.map_or(0, |(shard, _)| shard);
        let (group, place, form) = shards[shard].locked().add(form, member, room.recent().end().0);
        Place { seat: Seat { shard, group, place }, form }
    }

    /// Tells the member of nothing more.
    pub fn leave(&self, seat: Seat) {
        if let Some(shard) = self.locked().get(seat.shard) {
            shard.locked().remove(seat);
        }
    }

    /// How many listen.
    pub fn count(&self) -> usize {
        self.locked().iter().map(|shard| shard.locked().count).sum()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// There is news: the dispatchers go round.
    pub fn wake(&self) {
        self.locked().iter().for_each(|shard| shard.wake.ring());
    }

    /// Rings everybody, whatever form they asked for.
    pub fn ring_all(&self) {
        for shard in &*self.locked() {
            let members = shard.locked();
            let places = members.groups.iter().flatten().flat_map(|group| group.places.iter().flatten());
            places.for_each(|(listener, _)| listener.ring());
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Arc<Shard>>> {
        self.shards.lock().expect("nothing panics while it holds the audience")
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        // The dispatchers look for their room, and end.
        self.wake();
    }
}

/// How many dispatchers `members` have.
fn dispatchers(members: usize) -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    cores.min(1 + members / MEMBERS_PER_DISPATCHER)
}

impl Shard {
    /// Lets a large class have records together that reach the disk one after the other.
    async fn wait_for_more(&self, room: &Room) {
        if self.locked().count < LARGE || !room.coming.is_any() {
            return;
        }
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        while room.coming.is_any() {
            select! {
                () = self.wake.heard() => {}
                () = &mut patience => return room.coming.forget(),
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Members> {
        self.members.lock().expect("nothing panics while it holds the members")
    }
}

impl Members {
    /// All before `head` is known to a member that begins a group.
    fn add(&mut self, form: Option<Arc<dyn Form>>, member: Member, head: u64) -> (usize, usize, Option<Arc<dyn Form>>) {
        let alike = |group: &Group| match (&group.form, &form) {
            (Some(known), Some(form)) => is_same(&**known, &**form),
            (known, form) => known.is_none() && form.is_none(),
        };
        let known = self.groups.iter().position(|group| group.as_ref().is_some_and(alike));
        let group = match known {
            Some(group) => group,
            None if form.is_some() && self.groups.len() >= FORMS_MAX => return self.add(None, member, head),
            None => self.add_group(form, head),
        };
        self.count += 1;
        let known = self.groups[group].as_mut().expect("it was found or made above");
        (group, known.add(member), known.form.clone())
    }

    fn add_group(&mut self, form: Option<Arc<dyn Form>>, head: u64) -> usize {
        let free = self.groups.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.groups.push(None);
            self.groups.len() - 1
        });
        let number = self.group_next;
        self.group_next += 1;
        self.groups[index] =
            Some(Group { number, form, places: Vec::new(), free: Vec::new(), told: head, looked: head });
        index
    }

    fn find(&self, index: usize) -> Option<Found> {
        let Group { number, form, told, looked, .. } = self.groups.get(index)?.as_ref()?;
        Some(Found { index, number: *number, form: form.clone(), told: *told, looked: *looked })
    }

    /// The group at this place, unless it has gone and another one has taken its place.
    fn group(&mut self, index: usize, number: u64) -> Option<&mut Group> {
        self.groups.get_mut(index)?.as_mut().filter(|group| group.number == number)
    }

    fn remove(&mut self, seat: Seat) {
        let Some(slot) = self.groups.get_mut(seat.group) else { return };
        let Some(group) = slot else { return };
        if group.places.get_mut(seat.place).and_then(Option::take).is_some() {
            group.free.push(seat.place);
            self.count -= 1;
        }
        if group.free.len() == group.places.len() {
            *slot = None;
        }
    }
}

impl Group {
    fn add(&mut self, member: Member) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(member);
                place
            }
            None => {
                self.places.push(Some(member));
                self.places.len() - 1
            }
        }
    }
}

/// Tells the members of a shard what is new, until the room is gone.
async fn dispatch(room: Weak<Room>, shard: Arc<Shard>) {
    let mut round = Round::default();
    loop {
        shard.wake.heard().await;
        round.began = Instant::now();
        loop {
            let Some(room) = room.upgrade() else { return };
            shard.wait_for_more(&room).await;
            let mut more = false;
            let groups = shard.locked().groups.len();
            for group in 0..groups {
                more |= round.go(&room, &shard, group).await;
            }
            if !more {
                round.rest();
                break;
            }
        }
    }
}

/// A group as a round finds it.
struct Found {
    index: usize,
    number: u64,
    form: Option<Arc<dyn Form>>,
    told: u64,
    looked: u64,
}

/// One round among the members of a group, with its buffers.
#[derive(Debug)]
struct Round {
    /// When it was last this task's turn.
    began: Instant,
    entries: Vec<Arc<Entry>>,
    news: News,
    chunk: Vec<Member>,
    later: Vec<Arc<dyn Listener>>,
}

impl Default for Round {
    fn default() -> Round {
        let (entries, chunk, later) = (Vec::new(), Vec::new(), Vec::new());
        Round { began: Instant::now(), entries, news: News::default(), chunk, later }
    }
}

impl Round {
    /// Tells a group what is new. Says whether there was anything.
    async fn go(&mut self, room: &Room, shard: &Shard, index: usize) -> bool {
        let Some(found) = shard.locked().find(index) else { return false };
        let Some(form) = found.form.clone() else { return self.ring(room, shard, &found).await };
        let stretch = room.recent().newest(found.looked, MESSAGES_AT_ONCE, BYTES_AT_ONCE, &mut self.entries);
        if self.entries.is_empty() {
            return false;
        }
        self.news.begin(if stretch.is_whole { found.told } else { stretch.first });
        self.news.extend(&*form, &self.entries, stretch.end);
        let silent = self.news.count() == 0 && stretch.end - self.news.since < SILENCE_MAX;
        let mut told = self.news.since;
        if !silent {
            told = self.tell(room, shard, &found, &*form).await;
            self.later.drain(..).for_each(|listener| listener.ring());
        }
        if let Some(group) = shard.locked().group(index, found.number) {
            group.told = told;
            group.looked = self.news.end;
        }
        true
    }

    /// Goes round until every member was told of the newest message. What is new is taken in once round only:
    /// other groups wait. Gives the sequence before which every member was told of all; what was looked at behind
    /// it was for others.
    async fn tell(&mut self, room: &Room, shard: &Shard, found: &Found, form: &dyn Form) -> u64 {
        let (mut place, mut left, mut written, mut told) = (0, usize::MAX, 0, self.news.end);
        let mut once_round = None;
        while left > 0 {
            let Some(passed) = self.take_chunk(shard, found, &mut place, &mut left) else { break };
            let unseen = once_round.get_or_insert(left);
            for (listener, lane) in self.chunk.drain(..) {
                let heard = listener.hear(lane, &self.news);
                written += u64::from(heard.written);
                match heard {
                    Heard { ring: false, .. } => {}
                    Heard { written: 0, .. } => listener.ring(),
                    // It has its messages; what it has to do now can wait until all others have theirs.
                    Heard { .. } => self.later.push(listener),
                }
            }
            left -= passed;
            *unseen = unseen.saturating_sub(passed);
            self.give_way().await;
            if *unseen > 0 && self.learn(room, form) {
                (left, told) = (usize::MAX, self.news.end);
                self.later.drain(..).for_each(|listener| listener.ring());
            }
        }
        form.delivered(written);
        told
    }

    /// Takes in what is new meanwhile, if there is room for it. Says whether anything was for the group.
    fn learn(&mut self, room: &Room, form: &dyn Form) -> bool {
        let (known, bytes) = (self.news.count(), self.news.bytes());
        if known >= MESSAGES_AT_ONCE || bytes >= BYTES_AT_ONCE {
            return false;
        }
        let (messages, bytes) = (MESSAGES_AT_ONCE - known, BYTES_AT_ONCE - bytes);
        let stretch = room.recent().newest(self.news.end, messages, bytes, &mut self.entries);
        if self.entries.is_empty() || !stretch.is_whole {
            return false;
        }
        self.news.extend(form, &self.entries, stretch.end);
        self.news.count() > known
    }

    /// Keeps nothing of the last messages: a thousand rooms have as many dispatchers.
    fn rest(&mut self) {
        self.entries = Vec::new();
        self.news.forget();
        self.later = Vec::new();
    }

    /// Lets other tasks run, if this one has had its time.
    async fn give_way(&mut self) {
        if self.began.elapsed() >= GIVE_WAY {
            tokio::task::yield_now().await;
            self.began = Instant::now();
        }
    }

    async fn ring(&mut self, room: &Room, shard: &Shard, found: &Found) -> bool {
        let head = room.recent().end().0;
        if found.looked >= head {
            return false;
        }
        let (mut place, mut left) = (0, usize::MAX);
        while left > 0 {
            let Some(passed) = self.take_chunk(shard, found, &mut place, &mut left) else { break };
            self.chunk.drain(..).for_each(|(listener, _)| listener.ring());
            left -= passed;
            self.give_way().await;
        }
        if let Some(group) = shard.locked().group(found.index, found.number) {
            (group.told, group.looked) = (head, head);
        }
        true
    }

    /// The next members from `place` on, at most `left` places, in a circle; says how many places were passed. A
    /// circle that begins anew (`left` is the largest number) has as many places as there are now. `None` when the
    /// group is gone.
    fn take_chunk(&mut self, shard: &Shard, found: &Found, place: &mut usize, left: &mut usize) -> Option<usize> {
        self.chunk.clear();
        let mut members = shard.locked();
        let group = members.group(found.index, found.number)?;
        *left = (*left).min(group.places.len());
        let passed = (*left).min(CHUNK);
        for _ in 0..passed {
            *place %= group.places.len();
            self.chunk.extend(group.places[*place].clone());
            *place += 1;
        }
        Some(passed)
    }
}
