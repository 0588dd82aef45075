//! One thread of the bare server: its sockets, and what the other threads hand it.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use homeroom_protocol::{Command, Decoder, Frame, MessageHead, Version, encode_message};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::super::line::{Side, text};
use super::client::{Client, connected, decoder, receipt};
use super::store::Entry;

/// A SEND.
pub(super) struct Publication {
    pub(super) destination: String,
    pub(super) body: Bytes,
    number: u64,
}

/// Whom an answer is for.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub(super) worker: usize,
    client: usize,
    birth: u32,
}

/// What one thread asks of another.
pub(super) enum Order {
    Adopt(TcpStream),
    Publish(Arc<Publication>),
    Answer(Address, Vec<u8>),
}

/// Where orders for a thread are put.
pub(super) struct Desk {
    orders: Mutex<Vec<Order>>,
    waker: Waker,
}

/// How the bare server behaves.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// Waiting messages in one write, at most.
    pub(super) join: usize,
    /// A SUBSCRIBE is answered with a RECEIPT if it asks for one.
    pub(super) confirm_subscriptions: bool,
}

/// The thread.
pub(super) struct Worker {
    number: usize,
    desks: Arc<[Desk]>,
    poll: Poll,
    sockets: Sockets,
    manners: Manners,
    store: Option<SyncSender<Entry>>,
    destinations: HashMap<String, Destination>,
    /// SENDs read in this round, for the other threads and for us.
    sent: Vec<Arc<Publication>>,
}

/// Its clients, by token.
struct Sockets {
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    births: u32,
    /// Clients that went since the subscribers were last looked through.
    gone: usize,
}

#[derive(Default)]
struct Destination {
    groups: Vec<Group>,
    waiting: Vec<Arc<Publication>>,
}

/// Subscribers who share a subscription id share the bytes.
struct Group {
    id: String,
    subscribers: Vec<(usize, u32)>,
}

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Read at a time. In bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// Dead subscribers that are worth looking for.
const GONE_MAX: usize = 1024;

static MESSAGES: AtomicU64 = AtomicU64::new(0);

impl Desk {
    /// A desk and what wakes its thread.
    pub(super) fn new() -> io::Result<(Desk, Poll)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok((Desk { orders: Mutex::new(Vec::new()), waker }, poll))
    }

    /// Hands orders over. Only the first of those who wait wakes the thread.
    pub(super) fn put(&self, orders: Vec<Order>) {
        let mut waiting = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.is_empty();
        waiting.extend(orders);
        drop(waiting);
        if first {
            // It fails only when the thread is gone, and then the process ends.
            let _ = self.waker.wake();
        }
    }

    fn take(&self) -> Vec<Order> {
        std::mem::take(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Worker {
    pub(super) fn new(
        number: usize,
        desks: Arc<[Desk]>,
        poll: Poll,
        manners: Manners,
        store: Option<SyncSender<Entry>>,
    ) -> Worker {
        let sockets = Sockets { clients: Vec::new(), free: Vec::new(), births: 0, gone: 0 };
        Worker { number, desks, poll, sockets, manners, store, destinations: HashMap::new(), sent: Vec::new() }
    }

    /// Serves; the one with the listener also accepts. Ends only when the kernel refuses.
    pub(super) fn run(mut self, mut listener: Option<TcpListener>) -> io::Result<()> {
        if let Some(listener) = &mut listener {
            self.poll.registry().register(listener, LISTENER, Interest::READABLE)?;
        }
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; BUFFER_BYTES];
        let (mut decoder, mut frames, mut next) = (decoder(), Vec::new(), 0);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(listener.as_ref(), &mut next)?,
                    WAKER => {
                        for order in self.desks[self.number].take() {
                            self.obey(order)?;
                        }
                    }
                    Token(index) => self.client(index, event, &mut buffer, &mut decoder, &mut frames),
                }
            }
            self.publish();
            self.deliver();
            self.look_for_the_gone();
        }
    }

    fn accept(&mut self, listener: Option<&TcpListener>, next: &mut usize) -> io::Result<()> {
        while let Some(listener) = listener {
            match listener.accept() {
                Ok((stream, _)) => {
                    *next = (*next + 1) % self.desks.len();
                    if *next == self.number {
                        self.sockets.adopt(self.poll.registry(), stream)?;
                    } else {
                        self.desks[*next].put(vec![Order::Adopt(stream)]);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The client went before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Adopt(stream) => self.sockets.adopt(self.poll.registry(), stream)?,
            Order::Publish(publication) => self.take_in(publication),
            Order::Answer(address, bytes) => self.sockets.say(address.client, address.birth, &bytes),
        }
        Ok(())
    }

    fn client(
        &mut self,
        index: usize,
        event: &mio::event::Event,
        buffer: &mut [u8],
        decoder: &mut Decoder,
        frames: &mut Vec<Frame>,
    ) {
        let Some(client) = &mut self.sockets.clients[index] else { return };
        let birth = client.birth;
        let mut open = !event.is_writable() || client.line.flush().is_ok();
        if event.is_readable() || event.is_read_closed() {
            open &= client.read(buffer, decoder, frames);
        }
        for frame in frames.drain(..) {
            self.heard(index, birth, &frame);
        }
        if !open {
            self.sockets.drop_client(index);
        }
    }

    fn heard(&mut self, client: usize, birth: u32, frame: &Frame) {
        let header = |name| frame.headers.get(name);
        let asked = header("receipt");
        match frame.command {
            Command::Connect | Command::Stomp => return self.sockets.say(client, birth, &connected()),
            Command::Subscribe => {
                let destination = header("destination").unwrap_or_default();
                self.subscribe(destination, header("id").unwrap_or_default(), (client, birth));
                if !self.manners.confirm_subscriptions {
                    return;
                }
            }
            Command::Send => {
                let number = MESSAGES.fetch_add(1, Ordering::Relaxed);
                let destination = header("destination").unwrap_or_default().to_owned();
                let publication = Arc::new(Publication { destination, body: frame.body.clone(), number });
                if let (Some(store), Some(id)) = (&self.store, asked) {
                    let publisher = Address { worker: self.number, client, birth };
                    // It fails only when the thread is gone, and then the process ends.
                    let _ = store.send(Entry { publication, publisher, receipt: receipt(id) });
                    return;
                }
                self.sent.push(publication);
            }
            _ => {}
        }
        if let Some(id) = asked {
            self.sockets.say(client, birth, &receipt(id));
        }
    }

    fn subscribe(&mut self, destination: &str, id: &str, subscriber: (usize, u32)) {
        let destination = match self.destinations.get_mut(destination) {
            Some(known) => known,
            None => self.destinations.entry(destination.to_owned()).or_default(),
        };
        match destination.groups.iter_mut().find(|group| group.id == id) {
            Some(group) => group.subscribers.push(subscriber),
            None => destination.groups.push(Group { id: id.to_owned(), subscribers: vec![subscriber] }),
        }
    }

    /// The other threads first: then they write while we do.
    fn publish(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let sent = std::mem::take(&mut self.sent);
        for (number, desk) in self.desks.iter().enumerate() {
            if number != self.number {
                desk.put(sent.iter().cloned().map(Order::Publish).collect());
            }
        }
        sent.into_iter().for_each(|publication| self.take_in(publication));
    }

    fn take_in(&mut self, publication: Arc<Publication>) {
        if let Some(destination) = self.destinations.get_mut(&publication.destination) {
            destination.waiting.push(publication);
        }
    }

    /// One write per socket and message, or per `join` messages.
    fn deliver(&mut self) {
        let waiting = self.destinations.values_mut().filter(|destination| !destination.waiting.is_empty());
        for Destination { groups, waiting } in waiting {
            for messages in waiting.chunks(self.manners.join) {
                for group in groups.iter_mut() {
                    let bytes = encoded(messages, &group.id);
                    for (client, birth) in &group.subscribers {
                        self.sockets.say(*client, *birth, &bytes);
                    }
                }
            }
            waiting.clear();
        }
    }

    fn look_for_the_gone(&mut self) {
        let Sockets { clients, gone, .. } = &mut self.sockets;
        if *gone < GONE_MAX {
            return;
        }
        *gone = 0;
        self.destinations.retain(|_, destination| {
            destination.groups.retain_mut(|group| {
                let alive = |(client, birth): &(usize, u32)| {
                    clients[*client].as_ref().is_some_and(|client| client.birth == *birth)
                };
                group.subscribers.retain(alive);
                !group.subscribers.is_empty()
            });
            !destination.groups.is_empty()
        });
    }
}

impl Sockets {
    fn adopt(&mut self, registry: &Registry, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        self.births = self.births.wrapping_add(1);
        let mut client = Client::new(stream, self.births);
        let index = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        registry.register(client.line.source(), Token(index), Interest::READABLE | Interest::WRITABLE)?;
        self.clients[index] = Some(client);
        Ok(())
    }

    #[inline]
    fn say(&mut self, index: usize, birth: u32, bytes: &[u8]) {
        let Some(client) = self.clients[index].as_mut().filter(|client| client.birth == birth) else { return };
        if client.line.say(bytes).is_err() {
            self.drop_client(index);
        }
    }

    fn drop_client(&mut self, index: usize) {
        if self.clients[index].take().is_some() {
            self.free.push(index);
            self.gone += 1;
        }
    }
}

fn encoded(messages: &[Arc<Publication>], id: &str) -> Vec<u8> {
    let (mut all, mut frame) = (Vec::new(), Vec::new());
    for message in messages {
        frame.clear();
        let number = message.number.to_string();
        let head = MessageHead {
            subscription: Some(id),
            message_id: &number,
            destination: &message.destination,
            ack: None,
            content_length: message.body.len(),
        };
        encode_message(&mut frame, Version::V1_2, &head, std::iter::empty(), &message.body);
        all.append(&mut text(Side::Server, &frame));
    }
    all
}
