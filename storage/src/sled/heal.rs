//! After "disk full": sled is poisoned by it for good, so it is closed, and
//! opened again when there is room.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::appender::Writer;
use super::desk::Desk;
use super::disk::Fault;
use super::housekeeping::full;
use super::open::{attempt, ballast_file};
use super::recover::{Recovered, Unusable};
use super::space::{drop_ballast, free_bytes, lay_ballast};
use crate::Health;

/// How long readers may hold on to a database that is to be closed.
const RELEASE: Duration = Duration::from_secs(10);

impl Writer {
    /// Lets go of a poisoned database.
    pub(crate) fn close_for_space(&mut self) {
        let free = free_bytes(&self.shared.dir).unwrap_or(0);
        self.shared.set_health(full(free, self.shared.settings.free_space_min));
        self.shared.set_disk(None);
        self.release_disk();
    }

    /// Drops the database for good, files and lock, as soon as no reader uses it.
    pub(crate) fn release_disk(&mut self) {
        let Some(mut disk) = self.disk.take() else { return };
        let begun = Instant::now();
        while begun.elapsed() < RELEASE {
            match Arc::try_unwrap(disk) {
                Ok(disk) => return drop(disk),
                Err(shared) => disk = shared,
            }
            thread::sleep(Duration::from_millis(5));
        }
        warn!("a reader still holds the database");
    }

    /// Opens the database again once there is room.
    pub(crate) fn heal(&mut self) {
        if self.disk.is_some() || self.has_failed() {
            return;
        }
        let settings = self.shared.settings.clone();
        let free = free_bytes(&self.shared.dir).unwrap_or(0);
        if free < settings.free_space_min {
            return;
        }
        self.shared.set_health(Health::Recovering { reason: "the disk has room again, the store is opening".into() });
        let confirmed = self.desks.values().map(|desk| (desk.log.id, desk.log.lock().head.offset)).collect();
        match attempt(self.home.path(), &settings, true, Some(confirmed)) {
            Ok((disk, recovered)) => {
                self.disk = Some(Arc::new(disk));
                self.take_up(recovered);
                self.shared.set_disk(self.disk.clone());
                self.shared.set_health(Health::Ready);
                let spare = settings.free_space_min;
                if let Err(error) = lay_ballast(&ballast_file(&self.shared.dir), settings.ballast_bytes, spare) {
                    warn!(%error, "no ballast was laid");
                }
                info!("the store is open again and takes records");
            }
            Err(Unusable::Fault(Fault::Full)) => {
                self.shared.set_health(full(free, settings.free_space_min));
                if let Err(error) = drop_ballast(&ballast_file(&self.shared.dir)) {
                    warn!(%error, "the ballast could not be given up");
                }
            }
            Err(other) => self.fail(&format!("the store cannot be opened again: {other:?}")),
        }
    }

    /// Goes on with what was found; those who follow a log notice nothing.
    pub(super) fn take_up(&mut self, recovered: Recovered) {
        self.next_id = self.next_id.max(recovered.next_id);
        self.leftovers = recovered.leftovers;
        let mut known: HashMap<_, _> = self.desks.drain().map(|(_, desk)| (desk.log.id, desk.log)).collect();
        for found in &recovered.logs {
            let desk = match known.remove(&found.id) {
                Some(log) => {
                    if let Some(damage) = &found.damage {
                        log.fence_off(damage);
                    }
                    Desk::reopened(log, found)
                }
                None => Desk::recovered(found),
            };
            self.shared.add_log(&desk.log);
            self.desks.insert(desk.log.name.clone(), desk);
        }
        for log in known.into_values().filter(|log| self.shared.log(&log.name).is_some()) {
            log.fence_off("it was lost when the disk was full");
        }
    }
}
