//! What the broker takes from the world without being asked: the time of day, numbers that nobody can guess, and which
//! of several things that are ready comes first. Simulations make all three up, so that a seed gives the same run again.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now_millis() -> u64 {
    #[cfg(test)]
    if let Some(made_up) = made_up::now_millis() {
        return made_up;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A number that nobody can guess; `None` if the system gives none.
pub(crate) fn random() -> Option<u64> {
    #[cfg(test)]
    if let Some(made_up) = made_up::random() {
        return Some(made_up);
    }
    getrandom::u64().ok()
}

/// `tokio::select!`, fair to all branches. In unit tests the branches are tried in the order in which they are
/// written, since tokio takes no seed for the order that it draws.
#[cfg(not(test))]
macro_rules! select {
    ($($branches:tt)*) => { tokio::select! { $($branches)* } };
}
#[cfg(test)]
macro_rules! select {
    ($($branches:tt)*) => { tokio::select! { biased; $($branches)* } };
}
pub(crate) use select;

/// The made-up world of the thread, as long as it lasts.
#[cfg(test)]
pub(crate) mod made_up {
    use std::cell::RefCell;

    /// Says what time it is.
    type TimeOfDay = Box<dyn Fn() -> u64>;
    /// Gives the next number.
    type Numbers = Box<dyn FnMut() -> u64>;

    thread_local! {
        static WORLD: RefCell<Option<(TimeOfDay, Numbers)>> = const { RefCell::new(None) };
    }

    /// The real world comes back when this is dropped.
    #[must_use]
    pub(crate) struct World(());

    impl World {
        pub(crate) fn begin(now_millis: impl Fn() -> u64 + 'static, random: impl FnMut() -> u64 + 'static) -> World {
            WORLD.with_borrow_mut(|world| *world = Some((Box::new(now_millis), Box::new(random))));
            World(())
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            WORLD.with_borrow_mut(|world| *world = None);
        }
    }

    pub(super) fn now_millis() -> Option<u64> {
        WORLD.with_borrow(|world| world.as_ref().map(|(now_millis, _)| now_millis()))
    }

    pub(super) fn random() -> Option<u64> {
        WORLD.with_borrow_mut(|world| world.as_mut().map(|(_, random)| random()))
    }
}
