//! Who subscribed where, and what waits for them.

use std::collections::HashMap;
use std::sync::Arc;

use super::publication::Publication;
use super::sockets::Sockets;

/// The destinations of one thread.
#[derive(Default)]
pub(super) struct Rooms {
    places: HashMap<String, usize>,
    rooms: Vec<Room>,
    /// Rooms in which something waits.
    waiting: Vec<usize>,
}

#[derive(Default)]
struct Room {
    groups: Vec<Group>,
    waiting: Vec<Arc<Publication>>,
}

/// Subscribers who share a subscription id share the bytes.
struct Group {
    id: String,
    subscribers: Vec<(usize, u32)>,
}

impl Rooms {
    /// From now on this client, by place and birth, gets what is sent there.
    pub(super) fn subscribe(&mut self, destination: &str, id: &str, subscriber: (usize, u32)) {
        let place = self.places.get(destination).copied().unwrap_or_else(|| {
            self.rooms.push(Room::default());
            self.places.insert(destination.to_owned(), self.rooms.len() - 1);
            self.rooms.len() - 1
        });
        let groups = &mut self.rooms[place].groups;
        match groups.iter_mut().find(|group| group.id == id) {
            Some(group) => group.subscribers.push(subscriber),
            None => groups.push(Group { id: id.to_owned(), subscribers: vec![subscriber] }),
        }
    }

    /// Keeps it until [`Rooms::deliver`].
    pub(super) fn take_in(&mut self, publication: Arc<Publication>) {
        let Some(place) = self.places.get(&publication.destination).copied() else { return };
        let room = &mut self.rooms[place];
        if room.waiting.is_empty() {
            self.waiting.push(place);
        }
        room.waiting.push(publication);
    }

    /// One write per socket and message, or per `join` messages.
    pub(super) fn deliver(&mut self, join: usize, sockets: &mut Sockets) {
        for place in self.waiting.drain(..) {
            let Room { groups, waiting } = &mut self.rooms[place];
            for messages in waiting.chunks(join) {
                for group in groups.iter() {
                    let encoded: Vec<Vec<u8>> = messages.iter().map(|message| message.encoded(&group.id)).collect();
                    let bytes = encoded.concat();
                    for (client, birth) in &group.subscribers {
                        sockets.say(*client, *birth, &bytes);
                    }
                }
            }
            waiting.clear();
        }
    }

    /// Forgets subscribers that have left, and rooms without any; nothing may be waiting.
    pub(super) fn forget_the_gone(&mut self, sockets: &Sockets) {
        for room in &mut self.rooms {
            room.groups.retain_mut(|group| {
                group.subscribers.retain(|(client, birth)| sockets.has(*client, *birth));
                !group.subscribers.is_empty()
            });
        }
        let mut before: Vec<Option<Room>> = std::mem::take(&mut self.rooms).into_iter().map(Some).collect();
        self.places.retain(|_, place| {
            let Some(room) = before[*place].take().filter(|room| !room.groups.is_empty()) else { return false };
            *place = self.rooms.len();
            self.rooms.push(room);
            true
        });
    }
}
