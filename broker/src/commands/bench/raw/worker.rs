//! One thread of the bare server: its sockets, and what the other threads hand it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use homeroom_protocol::{Command, Decoder, Frame};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::client::{connected, decoder, receipt};
use super::desk::{Address, Desk, Order, WAKER};
use super::publication::Publication;
use super::rooms::Rooms;
use super::sockets::Sockets;
use super::store::Entry;

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
    rooms: Rooms,
    /// SENDs read in this round, for the other threads and for us.
    sent: Vec<Arc<Publication>>,
}

const LISTENER: Token = Token(usize::MAX);

/// Read at a time. In bytes.
const BUFFER_BYTES: usize = 64 * 1024;

static MESSAGES: AtomicU64 = AtomicU64::new(0);

impl Worker {
    pub(super) fn new(
        number: usize,
        desks: Arc<[Desk]>,
        poll: Poll,
        manners: Manners,
        store: Option<SyncSender<Entry>>,
    ) -> Worker {
        Worker {
            number,
            desks,
            poll,
            sockets: Sockets::default(),
            manners,
            store,
            rooms: Rooms::default(),
            sent: Vec::new(),
        }
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
            self.rooms.deliver(self.manners.join, &mut self.sockets);
            if self.sockets.many_left() {
                self.rooms.forget_the_gone(&self.sockets);
            }
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
            Order::Publish(publication) => self.rooms.take_in(publication),
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
        let Some(client) = self.sockets.at(index) else { return };
        let birth = client.birth;
        let mut open = !event.is_writable() || client.line.flush().is_ok();
        if event.is_readable() || event.is_read_closed() {
            open &= client.read(buffer, decoder, frames);
        }
        for frame in frames.drain(..) {
            self.heard(index, birth, frame);
        }
        if !open {
            self.sockets.drop_client(index);
        }
    }

    fn heard(&mut self, client: usize, birth: u32, frame: Frame) {
        let header = |name| frame.headers.get(name);
        let asked = header("receipt").map(receipt);
        match frame.command {
            Command::Connect | Command::Stomp => return self.sockets.say(client, birth, &connected()),
            Command::Subscribe => {
                let destination = header("destination").unwrap_or_default();
                self.rooms.subscribe(destination, header("id").unwrap_or_default(), (client, birth));
                if !self.manners.confirm_subscriptions {
                    return;
                }
            }
            Command::Send => {
                let number = MESSAGES.fetch_add(1, Ordering::Relaxed) + 1;
                let publication = Arc::new(Publication::new(frame, number));
                if let Some(store) = &self.store
                    && let Some(receipt) = asked
                {
                    let publisher = Address { worker: self.number, client, birth };
                    // It fails only when the thread is gone, and then the process ends.
                    let _ = store.send(Entry { publication, publisher, receipt });
                    return;
                }
                self.sent.push(publication);
            }
            _ => {}
        }
        if let Some(receipt) = asked {
            self.sockets.say(client, birth, &receipt);
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
        sent.into_iter().for_each(|publication| self.rooms.take_in(publication));
    }
}
