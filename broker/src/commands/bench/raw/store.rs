//! The floor of storing: append what waits, one `fdatasync` for all of it, answer.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::super::Failure;
use super::desk::{Address, Desk, Order};
use super::publication::Publication;

/// A message that is to be stored before anybody sees it or its receipt.
pub(super) struct Entry {
    pub(super) publication: Arc<Publication>,
    pub(super) publisher: Address,
    pub(super) receipt: Vec<u8>,
}

/// Messages that wait at most; then reading stops. In number.
const WAITING_MAX: usize = 4096;

/// Opens the file and starts the thread that writes it.
pub(super) fn start(path: &Path, desks: Arc<[Desk]>) -> Result<SyncSender<Entry>, Failure> {
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
        Failure::new(format!("--store {}: {error}. Name a file that can be written.", path.display()))
    })?;
    let (hand_in, waiting) = sync_channel(WAITING_MAX);
    let name = path.display().to_string();
    std::thread::spawn(move || {
        if let Err(error) = run(file, &waiting, &desks) {
            // What cannot be stored must not be confirmed, and without confirmations there is nothing to measure.
            eprintln!("--store {name}: {error}.");
            std::process::exit(1);
        }
    });
    Ok(hand_in)
}

fn run(mut file: File, waiting: &Receiver<Entry>, desks: &[Desk]) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while let Ok(first) = waiting.recv() {
        // While one sync ran, these have gathered.
        let batch: Vec<Entry> = std::iter::once(first).chain(waiting.try_iter().take(WAITING_MAX)).collect();
        bytes.clear();
        for entry in &batch {
            bytes.extend_from_slice(entry.publication.destination.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&(entry.publication.body.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&entry.publication.body);
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        let publications: Vec<Arc<Publication>> = batch.iter().map(|entry| Arc::clone(&entry.publication)).collect();
        let mut orders: Vec<Vec<Order>> =
            desks.iter().map(|_| publications.iter().cloned().map(Order::Publish).collect()).collect();
        for Entry { publisher, receipt, .. } in batch {
            orders[publisher.worker].push(Order::Answer(publisher, receipt));
        }
        for (desk, orders) in desks.iter().zip(orders) {
            desk.put(orders);
        }
    }
    Ok(())
}
