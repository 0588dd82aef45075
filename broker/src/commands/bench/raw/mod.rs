//! `bench raw`: the bare server. It knows who subscribed where and writes the same bytes to all of them.
//!
//! What a broker of this kind cannot avoid, and nothing else: a socket each, a
//! read per frame that comes in, a write per delivery. It checks nothing,
//! keeps nothing and promises nothing.

mod client;
mod desk;
mod publication;
mod rooms;
mod sockets;
mod store;
mod worker;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use super::flags::at_least_one;
use super::process::make_room;

#[derive(Args, Debug)]
#[command(after_help = "\
Answers CONNECT, SUBSCRIBE and RECEIPT, encodes each SEND once per thread, with
the headers that Homeroom adds, and writes it to every subscribed socket.
Compare the same load against it and against a broker: the ratio is what the
broker adds to the sockets. It listens until it is stopped, and the first line
on standard output says where.

Not for use: no limits, no checks, nothing is kept.

Examples:
  homeroom bench raw --listen 127.0.0.1:9999
  homeroom bench raw --join 64                         up to 64 waiting messages in one write
  homeroom bench raw --store /var/tmp/raw              a RECEIPT comes after fdatasync")]
pub(super) struct Flags {
    /// Where to listen; port 0 for any
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Put up to so many waiting messages into one write
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    join: usize,
    /// Append each SEND that asks for a receipt to this file, and answer once it is on the disk
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Give no RECEIPT for a SUBSCRIBE, as some brokers do
    #[arg(long)]
    no_receipts: bool,
    /// Threads that read and write
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = threads)]
    threads: usize,
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|threads| (1..=64).contains(threads)).ok_or_else(|| "write a number, 1 to 64".to_owned())
}

/// Never returns while all is well.
pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    make_room(0, "bench raw")?;
    let failed = |what: &str, error: &std::io::Error| Failure::new(format!("{what}: {error}."));
    let listener = mio::net::TcpListener::bind(flags.listen).map_err(|error| {
        Failure::new(format!("--listen {}: {error}. Is the port in use? Port 0 takes any free one.", flags.listen))
    })?;
    let address = listener.local_addr().map_err(|error| failed("The listener has no address", &error))?;

    let threads = (0..flags.threads).map(|_| desk::Desk::new()).collect::<std::io::Result<Vec<_>>>();
    let (desks, polls): (Vec<_>, Vec<_>) =
        threads.map_err(|error| failed("Sockets cannot be watched", &error))?.into_iter().unzip();
    let desks: Arc<[desk::Desk]> = desks.into();
    let store = flags.store.as_ref().map(|path| store::start(path, Arc::clone(&desks))).transpose()?;

    let mut listener = Some(listener);
    let mut running = Vec::new();
    for (number, poll) in polls.into_iter().enumerate() {
        let manners = worker::Manners { join: flags.join, confirm_subscriptions: !flags.no_receipts };
        let worker = worker::Worker::new(number, Arc::clone(&desks), poll, manners, store.clone());
        let listener = listener.take();
        running.push(std::thread::spawn(move || worker.run(listener)));
    }
    drop(store);
    // Nobody may be reading, and then nobody needs to know.
    let line = serde_json::json!({ "event": "listening", "http": address });
    let _ = writeln!(std::io::stdout(), "{line}");
    for thread in running {
        let ended = thread.join().unwrap_or_else(|_| Err(std::io::Error::other("it panicked")));
        ended.map_err(|error| failed("A thread of the bare server ended", &error))?;
    }
    Ok(())
}
