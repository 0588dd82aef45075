//! Whose turn it is to connect: so many at a time, and at first one subscriber alone, to find out whether this broker
//! confirms a SUBSCRIBE.

use std::collections::VecDeque;

use super::member::Opening;

/// Those who are invited, and those who are on their way.
pub(super) struct Arrivals {
    /// Invited, and not yet connecting.
    queue: VecDeque<(usize, Opening)>,
    /// On their way to being ready.
    connecting: usize,
    connecting_max: usize,
    receipts: Receipts,
}

/// Whether this broker confirms a SUBSCRIBE. The first subscriber goes ahead and finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receipts {
    Unknown,
    Given,
    Missing,
}

impl Arrivals {
    /// Nobody yet, and at most so many at a time.
    pub(super) fn new(connecting_max: usize) -> Arrivals {
        Arrivals { queue: VecDeque::new(), connecting: 0, connecting_max, receipts: Receipts::Unknown }
    }

    /// Somebody more, behind all others.
    pub(super) fn invite(&mut self, who: usize, opening: Opening) {
        self.queue.push_back((who, opening));
    }

    /// From now on so many at a time.
    pub(super) fn connect_at_once(&mut self, connecting_max: usize) {
        self.connecting_max = connecting_max;
    }

    /// Who is to connect now, if anybody.
    pub(super) fn next(&mut self) -> Option<(usize, Opening)> {
        let alone =
            self.are_finding_out() && self.queue.front().is_some_and(|(_, opening)| opening.subscribe.is_some());
        if alone || self.connecting >= self.connecting_max {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.connecting += 1;
        Some(next)
    }

    /// One of those on their way is ready.
    pub(super) fn is_ready(&mut self) {
        self.connecting -= 1;
    }

    /// Everybody who was invited is ready.
    pub(super) fn are_over(&self) -> bool {
        self.connecting == 0 && self.queue.is_empty()
    }

    /// Whether somebody is on the way from whose SUBSCRIBE it will be known if there are receipts.
    pub(super) fn are_finding_out(&self) -> bool {
        self.receipts == Receipts::Unknown && self.connecting > 0
    }

    /// A SUBSCRIBE was confirmed.
    pub(super) fn confirmed(&mut self) {
        self.receipts = Receipts::Given;
    }

    /// A SUBSCRIBE was not confirmed, and none will be.
    pub(super) fn give_up_on_receipts(&mut self) {
        self.receipts = Receipts::Missing;
    }

    /// Whether a SUBSCRIBE is known to be confirmed by nothing.
    pub(super) fn receipts_are_missing(&self) -> bool {
        self.receipts == Receipts::Missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invited(listeners: &[bool], connecting_max: usize) -> Arrivals {
        let mut arrivals = Arrivals::new(connecting_max);
        for (who, listens) in listeners.iter().enumerate() {
            arrivals.invite(who, Opening { connect: Vec::new(), subscribe: listens.then(Vec::new) });
        }
        arrivals
    }

    fn next(arrivals: &mut Arrivals) -> Option<usize> {
        arrivals.next().map(|(who, _)| who)
    }

    #[test]
    fn the_first_subscriber_goes_alone_and_then_so_many_at_a_time() {
        for confirmed in [true, false] {
            let mut arrivals = invited(&[true; 5], 3);
            assert_eq!([(); 2].map(|()| next(&mut arrivals)), [Some(0), None]);
            match confirmed {
                true => arrivals.confirmed(),
                false => arrivals.give_up_on_receipts(),
            }
            arrivals.is_ready();
            assert_eq!([(); 4].map(|()| next(&mut arrivals)), [Some(1), Some(2), Some(3), None]);
            arrivals.connect_at_once(4);
            assert_eq!([(); 2].map(|()| next(&mut arrivals)), [Some(4), None]);
            assert!(!arrivals.are_over());
            (0..4).for_each(|_| arrivals.is_ready());
            assert!(arrivals.are_over() && arrivals.receipts_are_missing() != confirmed);
        }
    }

    #[test]
    fn those_who_do_not_listen_wait_for_nobody() {
        let mut arrivals = invited(&[false, false, true], 3);
        assert_eq!([(); 3].map(|()| next(&mut arrivals)), [Some(0), Some(1), None]);
        (0..2).for_each(|_| arrivals.is_ready());
        assert_eq!(next(&mut arrivals), Some(2));
    }
}
