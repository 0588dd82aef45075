//! Who may do what: one decision for all doors, for live and for replay.
//!
//! A right is decided when somebody subscribes or sends, on canonical names.
//! A subscription is allowed only if every path it could ever match is granted,
//! so that nothing has to be asked again for each message; when rights change,
//! the subscriptions that stand are asked again.

mod cover;
#[cfg(test)]
mod oracle_tests;
mod template;

use std::fmt;
use std::str::FromStr;

use self::cover::Cover;
pub use self::template::{Template, TemplateError};
use super::pattern::Pattern;
use crate::auth::Principal;

/// What somebody may do with a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read it, live and from the log.
    Subscribe,
    /// Publish there.
    Send,
    /// Take messages of a classroom away from the others of a `group`.
    Group,
}

/// One rule: who may do what, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// For whom it holds.
    pub role: Box<str>,
    /// What they may.
    pub may: Vec<Action>,
    /// Where.
    pub place: Template,
}

/// The rules of this broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    rules: Vec<Rule>,
}

/// What one principal may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grants {
    /// Everything, on a broker that is open.
    Everything,
    /// These places.
    Places(Box<Places>),
}

/// The places for each action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    subscribe: Cover,
    send: Cover,
    group: Cover,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 3] = [Action::Subscribe, Action::Send, Action::Group];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Subscribe => "subscribe",
            Action::Send => "send",
            Action::Group => "group",
        })
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Action, ()> {
        Action::ALL.into_iter().find(|action| action.to_string() == text).ok_or(())
    }
}

impl Default for Rights {
    /// What holds where the settings say nothing: a student reads the classrooms of the token and sends to `answers`
    /// channels there, a teacher does everything there, a service what its key grants, an admin everything. All have
    /// their own private queues.
    fn default() -> Rights {
        let template = |written: &str| written.parse::<Template>().expect("the rule is written below");
        let rule = |role: &str, may: &[Action], place| Rule { role: role.into(), may: may.to_vec(), place };
        let mut rules = vec![
            rule("student", &[Action::Subscribe], template("/topic/{classroom}/**")),
            rule("student", &[Action::Send], template("/topic/{classroom}/**/answers/**")),
            rule("teacher", &Action::ALL, template("/topic/{classroom}/**").with_what_the_broker_makes()),
            rule("admin", &Action::ALL, Template::everything()),
        ];
        rules.extend(["student", "teacher", "service"].map(|role| {
            let own = template("/user/{user}/**");
            rule(role, &[Action::Subscribe], own)
        }));
        Rights { rules }
    }
}

impl Rights {
    /// These rules and no others.
    pub fn new(rules: Vec<Rule>) -> Rights {
        Rights { rules }
    }

    /// What a principal may: what the rules of the roles give, and the grants of its own.
    pub fn of(&self, principal: &Principal) -> Grants {
        let places = |action| {
            let rules = self.rules.iter().filter(|rule| principal.has_role(&rule.role) && rule.may.contains(&action));
            let given = rules.flat_map(|rule| rule.place.bind(principal));
            let own = principal.grants.iter().filter(|(may, _)| may.parse() == Ok(action));
            let own =
                own.filter_map(|(_, place)| place.parse::<Template>().ok()).flat_map(|place| place.bind(principal));
            Cover::new(given.chain(own).collect())
        };
        Grants::Places(Box::new(Places {
            subscribe: places(Action::Subscribe),
            send: places(Action::Send),
            group: places(Action::Group),
        }))
    }
}

impl Grants {
    /// Whether a subscription is allowed: every path it could match is granted.
    pub fn may_subscribe(&self, wanted: &Pattern) -> bool {
        match self {
            Grants::Everything => true,
            Grants::Places(places) => places.subscribe.holds(wanted),
        }
    }

    /// Whether a share in a classroom's messages is allowed: to read all of them, and to take them from others.
    pub fn may_join_group(&self, wanted: &Pattern) -> bool {
        match self {
            Grants::Everything => true,
            Grants::Places(places) => places.subscribe.holds(wanted) && places.group.holds(wanted),
        }
    }

    /// Whether a message may be sent to this canonical path.
    pub fn may_send(&self, path: &str) -> bool {
        match self {
            Grants::Everything => true,
            Grants::Places(places) => places.send.has(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::{Destination, Rules};

    fn grants(role: &str) -> Grants {
        let principal = Principal {
            user: Some("alice".into()),
            roles: [role.into()].into(),
            classrooms: ["7b".into(), "8.a".into()].into(),
            ..Principal::default()
        };
        Rights::default().of(&principal)
    }

    fn may(grants: &Grants, action: Action, written: &str) -> bool {
        let rules = Rules::default();
        if action == Action::Send {
            let Destination::Logged(place) = rules.sendable(written).expect("a place");
            return grants.may_send(&place.path);
        }
        let wanted = rules.subscribable(written, Some("alice")).expect("a destination");
        if action == Action::Group { grants.may_join_group(&wanted) } else { grants.may_subscribe(&wanted) }
    }

    #[test]
    fn what_each_role_may_where_the_settings_say_nothing() {
        use Action::{Group, Send, Subscribe};
        for (action, written, roles) in [
            (Subscribe, "/topic/7b", &["student", "teacher", "admin"][..]),
            (Subscribe, "/topic/7b.quiz.7", &["student", "teacher", "admin"]),
            (Subscribe, "/topic/7b/**", &["student", "teacher", "admin"]),
            (Subscribe, "/topic/8%2Ea/**", &["student", "teacher", "admin"]),
            (Subscribe, "/topic/8/a/**", &["admin"]),
            (Subscribe, "/topic/7b/$presence", &["teacher", "admin"]),
            (Subscribe, "/topic/7c/quiz", &["admin"]),
            (Subscribe, "/topic/*/quiz", &["admin"]),
            (Subscribe, "/topic/**", &["admin"]),
            (Subscribe, "/queue/grading", &["admin"]),
            (Subscribe, "/user/queue/marks", &["student", "teacher", "service", "admin"]),
            (Group, "/topic/7b/quiz", &["teacher", "admin"]),
            (Group, "/topic/7c/quiz", &["admin"]),
            (Send, "/topic/7b/quiz", &["teacher", "admin"]),
            (Send, "/topic/7b/answers", &["student", "teacher", "admin"]),
            (Send, "/topic/7b/quiz/7/answers", &["student", "teacher", "admin"]),
            (Send, "/topic/7b/quiz/7/answers/alice", &["student", "teacher", "admin"]),
            (Send, "/topic/7b/answers2", &["teacher", "admin"]),
            (Send, "/topic/7c/answers", &["admin"]),
            (Send, "/topic/answers", &["admin"]),
            (Send, "/queue/grading", &["admin"]),
            (Send, "/user/bob/queue/marks", &["admin"]),
        ] {
            for role in ["student", "teacher", "service", "admin", "cook", ""] {
                let allowed = may(&grants(role), action, written);
                assert_eq!(allowed, roles.contains(&role), "{role} may {action} at {written}");
            }
        }
    }

    #[test]
    fn a_service_may_what_its_key_grants() {
        let own = [("send".into(), "/topic/*/quiz".into()), ("subscribe".into(), "/queue/grading".into())];
        let principal = Principal { roles: ["service".into()].into(), grants: own.into(), ..Principal::default() };
        let grants = Rights::default().of(&principal);
        assert!(may(&grants, Action::Send, "/topic/7b/quiz") && may(&grants, Action::Subscribe, "/queue/grading"));
        assert!(!may(&grants, Action::Send, "/topic/7b/chat") && !may(&grants, Action::Subscribe, "/topic/7b/quiz"));
        assert!(!may(&grants, Action::Send, "/queue/grading"));
    }

    #[test]
    fn to_share_a_classroom_is_to_read_it_as_well() {
        let rule = |may| Rule { role: "a".into(), may, place: "/topic/7b/**".parse().expect("a template") };
        let principal = Principal { roles: ["a".into()].into(), ..Principal::default() };
        for (given, expected) in [(vec![Action::Group], false), (vec![Action::Group, Action::Subscribe], true)] {
            assert_eq!(may(&Rights::new(vec![rule(given)]).of(&principal), Action::Group, "/topic/7b/x"), expected);
        }
    }

    #[test]
    fn an_open_broker_allows_everything() {
        for action in Action::ALL {
            assert!(may(&Grants::Everything, action, "/topic/7b/quiz"), "{action}");
        }
    }
}
