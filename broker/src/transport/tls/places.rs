//! Places for handshakes that are under way: so many in all, and so many of them with one address.
//!
//! Whoever finds none waits, as long as its deadline allows: a school that returns at once comes in behind one
//! address. Who waits for its address takes no place of all, so that one address makes only itself wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::{Hits, Limit};

/// All places of a broker.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    each: usize,
    by_address: Arc<Mutex<HashMap<IpAddr, Arc<Semaphore>>>>,
    hits: Hits,
}

/// A place that is held until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _all: OwnedSemaphorePermit,
    _own: Own,
}

/// A place of one address, waited for or held. The last one takes its address off the list.
#[derive(Debug)]
struct Own {
    address: IpAddr,
    semaphore: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    by_address: Arc<Mutex<HashMap<IpAddr, Arc<Semaphore>>>>,
}

impl Places {
    /// So many in all, of which each address has so many at most.
    pub(super) fn new(all: usize, each: usize, hits: Hits) -> Places {
        Places { all: Arc::new(Semaphore::new(all)), each, by_address: Arc::default(), hits }
    }

    /// A place for somebody at this address, once there is one.
    pub(super) async fn take(&self, address: IpAddr) -> Place {
        let mut own = self.own(address.to_canonical());
        let permit = self.acquire(&own.semaphore, Limit::HandshakesPerAddress).await;
        own.permit = Some(permit);
        Place { _all: self.acquire(&self.all, Limit::Handshakes).await, _own: own }
    }

    fn own(&self, address: IpAddr) -> Own {
        let mut known = locked(&self.by_address);
        let semaphore = known.entry(address).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone();
        Own { address, semaphore, permit: None, by_address: self.by_address.clone() }
    }

    async fn acquire(&self, semaphore: &Arc<Semaphore>, limit: Limit) -> OwnedSemaphorePermit {
        if let Ok(permit) = semaphore.clone().try_acquire_owned() {
            return permit;
        }
        self.hits.hit(limit);
        semaphore.clone().acquire_owned().await.expect("nobody closes it")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Under the lock nobody else can come to this address.
        let mut known = locked(&self.by_address);
        self.permit = None;
        // This one and the list hold it; a permit holds it too.
        if Arc::strong_count(&self.semaphore) == 2 {
            known.remove(&self.address);
        }
    }
}

fn locked(by_address: &Mutex<HashMap<IpAddr, Arc<Semaphore>>>) -> MutexGuard<'_, HashMap<IpAddr, Arc<Semaphore>>> {
    by_address.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt as _;

    use super::*;

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    #[test]
    fn one_address_makes_only_itself_wait() {
        let places = Places::new(4, 2, Hits::default());
        let take = |last| places.take(address(last)).now_or_never();
        let held = [take(1), take(1)].map(|place| place.expect("there is room"));
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(places.take(address(1)))).collect();
        assert!(waiting.iter_mut().all(|place| place.now_or_never().is_none()));
        let others = [take(2), take(3)].map(|place| place.expect("there is room for others"));
        assert!(take(4).is_none(), "all are taken");
        drop(others);
        drop(held);
        assert!(waiting[0].as_mut().now_or_never().is_some());
    }

    #[test]
    fn nothing_stays_behind_of_who_has_gone_or_given_up_waiting() {
        let places = Places::new(1, 1, Hits::default());
        let held = places.take(address(1)).now_or_never().expect("it is free");
        let mut gives_up: Vec<_> = [1, 2].into_iter().map(|last| Box::pin(places.take(address(last)))).collect();
        assert!(gives_up.iter_mut().all(|place| place.now_or_never().is_none()));
        assert_eq!(locked(&places.by_address).len(), 2);
        drop(gives_up);
        assert_eq!(locked(&places.by_address).len(), 1);
        drop(held);
        assert!(locked(&places.by_address).is_empty());
        assert!(places.take(address(2)).now_or_never().is_some());
    }
}
