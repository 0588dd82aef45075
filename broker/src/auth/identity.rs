//! Whom a connection names: the user and the device.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A person or service on one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: Option<Arc<str>>,
    /// The device or program, as the client named it.
    pub client: Option<Arc<str>>,
}

impl Identity {
    /// Who a CONNECT says it is. Empty names are none.
    pub fn new(login: Option<&str>, client: Option<&str>) -> Identity {
        let named = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(Arc::from);
        Identity { user: named(login), client: named(client) }
    }

    /// The user, if nobody shares the login.
    pub fn alone(&self, shared_logins: &BTreeSet<String>) -> Option<&str> {
        self.user.as_deref().filter(|user| !shared_logins.contains(*user))
    }

    /// Whose durable subscriptions these are: the user's, with the client's name
    /// where there is one, or the client's alone. Users and clients never meet:
    /// each has its own namespace. `None` if nobody in particular is there.
    pub fn owner(&self, shared_logins: &BTreeSet<String>) -> Option<Arc<str>> {
        match (self.user.as_deref(), self.client.as_deref()) {
            (Some(user), Some(client)) => Some(format!("user:{}/{client}", escape(user)).into()),
            (Some(user), None) if shared_logins.contains(user) => None,
            (Some(user), None) => Some(format!("user:{}", escape(user)).into()),
            (None, Some(client)) => Some(format!("client:{client}").into()),
            (None, None) => None,
        }
    }

    /// Whether durable subscriptions of this owner are the user's, on whatever device.
    pub fn is_owner(user: &str, owner: &str) -> bool {
        let rest = owner.strip_prefix("user:").and_then(|rest| rest.strip_prefix(escape(user).as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A user's name without a plain `/`, so that user `a/b` is not client `b` of user `a`.
fn escape(user: &str) -> String {
    user.replace('%', "%25").replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(user: Option<&str>, client: Option<&str>) -> Option<String> {
        Identity::new(user, client).owner(&BTreeSet::from(["guest".to_owned()])).map(|owner| owner.to_string())
    }

    #[test]
    fn owners_have_namespaces_of_their_own() {
        assert_eq!(owner(Some("alice"), None).as_deref(), Some("user:alice"));
        assert_eq!(owner(Some("alice"), Some("tablet")).as_deref(), Some("user:alice/tablet"));
        assert_eq!(owner(None, Some("alice")).as_deref(), Some("client:alice"));
        assert_ne!(owner(Some("a/b"), None), owner(Some("a"), Some("b")));
    }

    #[test]
    fn nobody_in_particular_owns_nothing() {
        for (user, client) in [(None, None), (Some(""), Some("")), (Some("guest"), None)] {
            assert_eq!(owner(user, client), None);
        }
        assert_eq!(owner(Some("guest"), Some("tablet-7")).as_deref(), Some("user:guest/tablet-7"));
    }
}
