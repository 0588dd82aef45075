//! Which subscription ids are taken.

use crate::Fault;

/// The subscriptions of one connection, sorted by id.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Vec<Subscription>);

#[derive(Debug)]
struct Subscription {
    id: Box<str>,
    /// Kept in STOMP 1.0 alone, where UNSUBSCRIBE may name it.
    destination: Option<Box<str>>,
}

impl Subscriptions {
    /// Takes an id.
    pub(crate) fn take(&mut self, id: &str, destination: Option<&str>, limit: usize) -> Result<(), Fault> {
        let Err(place) = self.find(id) else { return Err(Fault::SubscriptionTaken) };
        if self.0.len() >= limit {
            return Err(Fault::SubscriptionsExceeded { limit });
        }
        self.0.reserve_exact(1);
        self.0.insert(place, Subscription { id: id.into(), destination: destination.map(Into::into) });
        Ok(())
    }

    /// Makes an id free again. Says whether it was taken.
    pub(crate) fn free(&mut self, id: &str) -> bool {
        let Ok(place) = self.find(id) else { return false };
        self.0.remove(place);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        true
    }

    /// The id of a subscription to this destination, in STOMP 1.0.
    pub(crate) fn id_by_destination(&self, destination: &str) -> Option<&str> {
        let found = self.0.iter().find(|subscription| subscription.destination.as_deref() == Some(destination));
        found.map(|subscription| &*subscription.id)
    }

    fn find(&self, id: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|subscription| (*subscription.id).cmp(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_once_and_free_again() {
        let mut subscriptions = Subscriptions::default();
        for id in ["b", "a", "c"] {
            subscriptions.take(id, Some("/topic/x"), 3).unwrap();
        }
        assert_eq!(subscriptions.take("a", None, 3), Err(Fault::SubscriptionTaken));
        assert_eq!(subscriptions.take("d", None, 3), Err(Fault::SubscriptionsExceeded { limit: 3 }));
        assert!(subscriptions.free("a") && !subscriptions.free("a"));
        assert_eq!(subscriptions.id_by_destination("/topic/x"), Some("b"));
        assert_eq!(subscriptions.id_by_destination("/topic/y"), None);
        subscriptions.take("a", None, 3).unwrap();
    }
}
