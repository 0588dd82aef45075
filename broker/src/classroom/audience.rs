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
//! Each has members of its own and goes through them chunk by chunk, so that it
//! never keeps a thread for long, and whoever joins or leaves waits for nobody.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use super::Classroom;
use super::bell::Bell;
use super::entry::Entry;
use super::news::{Form, News, is_same};
use super::recent::Stretch;

/// A dispatcher more for every so many members.
const MEMBERS_PER_DISPATCHER: usize = 256;
/// Members told in a row before other tasks get their turn.
const CHUNK: usize = 32;
/// Messages taken at a time ...
const MESSAGES_AT_ONCE: usize = 64;
/// ... and their bytes, exceeded by one message at most.
const BYTES_AT_ONCE: usize = 64 * 1024;
/// A group for which there was nothing is told so after so many messages, so
/// that its members do not fall out of the memory of a busy room.
const SILENCE_MAX: u64 = 64;
/// So many forms are written by a dispatcher; who comes with another one is rung.
const FORMS_MAX: usize = 256;

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
    /// Ring it once all others have heard.
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
    /// All before this was told, or was not for it.
    told: u64,
}

impl Audience {
    /// Tells `member` of everything new from this call on. `room` is the room of this audience.
    pub fn join(&self, room: &Arc<Classroom>, form: Option<Arc<dyn Form>>, member: Member) -> Place {
        let mut shards = self.locked();
        let counts: Vec<usize> = shards.iter().map(|shard| shard.locked().count).collect();
        let wanted = dispatchers(counts.iter().sum::<usize>() + 1);
        if shards.len() < wanted {
            let shard = Arc::<Shard>::default();
            shards.push(shard.clone());
            tokio::spawn(dispatch(Arc::downgrade(room), shard, room.recent().end().0));
        }
        let emptiest = counts.iter().copied().chain([0]).take(shards.len()).enumerate().min_by_key(|(_, count)| *count);
        let shard = emptiest.map_or(0, |(shard, _)| shard);
        let (group, place, form) = shards[shard].locked().add(form, member);
        Place { seat: Seat { shard, group, place }, form }
    }

    /// Tells the member of nothing more.
    pub fn leave(&self, seat: Seat) {
        if let Some(shard) = self.locked().get(seat.shard) {
            shard.locked().remove(seat);
        }
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.locked().iter().all(|shard| shard.locked().count == 0)
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
    fn locked(&self) -> MutexGuard<'_, Members> {
        self.members.lock().expect("nothing panics while it holds the members")
    }
}

impl Members {
    fn add(&mut self, form: Option<Arc<dyn Form>>, member: Member) -> (usize, usize, Option<Arc<dyn Form>>) {
        let alike = |group: &Group| match (&group.form, &form) {
            (Some(known), Some(form)) => is_same(&**known, &**form),
            (known, form) => known.is_none() && form.is_none(),
        };
        let known = self.groups.iter().position(|group| group.as_ref().is_some_and(alike));
        let group = match known {
            Some(group) => group,
            None if form.is_some() && self.groups.len() >= FORMS_MAX => return self.add(None, member),
            None => self.add_group(form),
        };
        self.count += 1;
        let known = self.groups[group].as_mut().expect("it was found or made above");
        (group, known.add(member), known.form.clone())
    }

    fn add_group(&mut self, form: Option<Arc<dyn Form>>) -> usize {
        let free = self.groups.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.groups.push(None);
            self.groups.len() - 1
        });
        let number = self.group_next;
        self.group_next += 1;
        self.groups[index] = Some(Group { number, form, places: Vec::new(), free: Vec::new(), told: u64::MAX });
        index
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
async fn dispatch(room: Weak<Classroom>, shard: Arc<Shard>, mut seen: u64) {
    let mut round = Round::default();
    loop {
        shard.wake.heard().await;
        loop {
            let Some(room) = room.upgrade() else { return };
            let stretch = room.recent().newest(seen, MESSAGES_AT_ONCE, BYTES_AT_ONCE, &mut round.entries);
            drop(room);
            if round.entries.is_empty() {
                break;
            }
            round.go(&shard, stretch).await;
            seen = stretch.end;
        }
    }
}

/// One walk through the members, with its buffers.
#[derive(Debug, Default)]
struct Round {
    entries: Vec<Arc<Entry>>,
    news: News,
    chunk: Vec<Member>,
    later: Vec<Arc<dyn Listener>>,
}

/// What a group is told in a round.
enum Told {
    /// The news, in this form.
    News(Arc<dyn Form>, u64),
    /// To look for themselves.
    Ring(u64),
    /// Nothing: there was nothing for it.
    Nothing,
}

impl Round {
    async fn go(&mut self, shard: &Shard, stretch: Stretch) {
        let mut group = 0;
        while let Some(told) = self.prepare(shard, group, stretch) {
            let mut place = 0;
            match told {
                Told::News(form, number) => {
                    let mut written = 0;
                    while self.take_chunk(shard, group, number, &mut place) {
                        written += self.tell();
                        tokio::task::yield_now().await;
                    }
                    form.delivered(written);
                    self.later.drain(..).for_each(|listener| listener.ring());
                }
                Told::Ring(number) => {
                    while self.take_chunk(shard, group, number, &mut place) {
                        self.chunk.drain(..).for_each(|(listener, _)| listener.ring());
                        tokio::task::yield_now().await;
                    }
                }
                Told::Nothing => {}
            }
            group += 1;
        }
    }

    /// Puts together what a group is told; `None` behind the last group.
    fn prepare(&mut self, shard: &Shard, index: usize, stretch: Stretch) -> Option<Told> {
        let (form, told, number) = match shard.locked().groups.get(index)? {
            None => return Some(Told::Nothing),
            Some(Group { form: None, number, .. }) => return Some(Told::Ring(*number)),
            Some(Group { form: Some(form), told, number, .. }) => (form.clone(), *told, *number),
        };
        let Stretch { first, end, is_whole } = stretch;
        let since = if is_whole { told.min(first) } else { first };
        self.news.gather(&*form, &self.entries, since, end);
        let silent = self.news.is_empty() && end - since < SILENCE_MAX;
        if let Some(group) = shard.locked().group(index, number) {
            group.told = if silent { since } else { end };
        }
        Some(if silent { Told::Nothing } else { Told::News(form, number) })
    }

    /// The next members of a group from `place` on; `false` when there are none.
    fn take_chunk(&mut self, shard: &Shard, group: usize, number: u64, place: &mut usize) -> bool {
        self.chunk.clear();
        let mut members = shard.locked();
        let Some(group) = members.group(group, number) else { return false };
        while self.chunk.len() < CHUNK
            && let Some(member) = group.places.get(*place)
        {
            self.chunk.extend(member.clone());
            *place += 1;
        }
        !self.chunk.is_empty()
    }

    fn tell(&mut self) -> u64 {
        let mut written = 0;
        for (listener, lane) in self.chunk.drain(..) {
            let heard = listener.hear(lane, &self.news);
            written += u64::from(heard.written);
            if heard.ring {
                self.later.push(listener);
            }
        }
        written
    }
}
