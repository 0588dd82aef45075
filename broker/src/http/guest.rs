//! Who asks over HTTP, and what they may do.
//!
//! Where everybody may do everything, the user of `Authorization: Basic` is taken at its word, else nobody in
//! particular asks. Elsewhere a request brings a ticket in its query, `Authorization`, or the cookie that the settings
//! name, in this order, and is let in by it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use data_encoding::BASE64;
use homeroom_protocol::Refusal;
use tokio::time::Instant;

use super::Door;
use crate::access::{Pass, Standing};
use crate::audit::Line;
use crate::auth::{Credentials, Identity};
use crate::classroom::bell::Bell;
use crate::connection::Services;
use crate::refusals::bad_request;
use crate::router::Pattern;
use crate::settings::{Act, Settings};

/// The parameter of a query that holds a ticket.
pub(super) const TICKET: &str = "ticket";

/// What the audit log calls these doors.
const DOOR: &str = "http";

/// Who asks, and what they may do.
#[derive(Clone, Debug, Default)]
pub(super) struct Guest {
    person: Identity,
    /// None where everybody may do everything.
    admitted: Option<Admitted>,
}

/// A pass, and where a refusal of it is kept.
#[derive(Clone, Debug)]
struct Admitted {
    pass: Arc<Pass>,
    services: Arc<Services>,
    from: IpAddr,
}

impl Guest {
    /// Whoever brings these headers and this query, asked from `peer`.
    ///
    /// # Errors
    /// Why they may not come in; an `Authorization` that names nobody.
    pub(super) async fn let_in(
        door: &Door,
        headers: &HeaderMap,
        query: &[(String, String)],
        peer: Option<SocketAddr>,
    ) -> Result<Guest, Refusal> {
        let Some(access) = &door.services.access else {
            return Ok(Guest { person: taken_at_its_word(headers)?, admitted: None });
        };
        let ticket = query.iter().find(|(name, _)| name == TICKET).map(|(_, value)| value.as_str());
        let credentials = credentials(&door.services.settings, headers, ticket)?;
        let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let pass = access.let_in(credentials, None, from, Arc::default()).await.inspect_err(|refusal| {
            if let Some(audit) = &door.services.audit {
                audit.note(Line::refused(&Identity::default(), from, DOOR, refusal.code, &refusal.message));
            }
        })?;
        let admitted = Admitted { pass, services: door.services.clone(), from };
        Ok(Guest { person: admitted.pass.person().clone(), admitted: Some(admitted) })
    }

    /// Whose messages and cursors these are.
    pub(super) fn person(&self) -> &Identity {
        &self.person
    }

    /// What they hold; none where everybody may do everything.
    pub(super) fn pass(&self) -> Option<&Arc<Pass>> {
        self.admitted.as_ref().map(|admitted| &admitted.pass)
    }

    /// Whether they may read what a pattern covers, and until when somebody else decided that, if anybody did.
    ///
    /// # Errors
    /// That they may not, or not any more.
    pub(super) async fn may_subscribe(&self, pattern: &Pattern) -> Result<Option<Instant>, Refusal> {
        let Some(admitted) = &self.admitted else { return Ok(None) };
        self.rules_let_subscribe(pattern)?;
        if admitted.pass.hook().is_none() {
            return Ok(None);
        }
        let decided = async {
            let until = admitted.pass.decided(Act::Subscribe, Some(&pattern.canonical())).await?;
            // The rules may have changed meanwhile.
            admitted.pass.may_subscribe(pattern, false).map(|()| until)
        };
        decided.await.inspect_err(|refusal| admitted.note(refusal))
    }

    /// Whether they may publish at a canonical path.
    ///
    /// # Errors
    /// That they may not, or not any more.
    pub(super) async fn may_send(&self, path: &str) -> Result<(), Refusal> {
        let Some(admitted) = &self.admitted else { return Ok(()) };
        self.rules_let_send(path)?;
        if admitted.pass.hook().is_none() {
            return Ok(());
        }
        let decided = async {
            admitted.pass.decided(Act::Send, Some(&format!("/{path}"))).await?;
            admitted.pass.may_send(path)
        };
        decided.await.inspect_err(|refusal| admitted.note(refusal))
    }

    /// Whether they may publish at all of these canonical paths, as far as somebody else decides that.
    ///
    /// # Errors
    /// One of those where they may not, by its index, and why.
    pub(super) async fn may_send_all(&self, paths: &[&str]) -> Result<(), (usize, Refusal)> {
        let Some(admitted) = self.admitted.as_ref().filter(|admitted| admitted.pass.hook().is_some()) else {
            return Ok(());
        };
        let destinations: Vec<String> = paths.iter().map(|path| format!("/{path}")).collect();
        let decided = admitted.pass.decided_all(Act::Send, &destinations).await;
        let rules =
            |()| (0..).zip(paths).try_for_each(|(at, path)| admitted.pass.may_send(path).map_err(|no| (at, no)));
        decided.and_then(rules).inspect_err(|(_, refusal)| admitted.note(refusal))
    }

    /// Whether the rules let them publish there: what is refused by them is not worth a question to anybody else.
    ///
    /// # Errors
    /// That they may not, or not any more.
    pub(super) fn rules_let_send(&self, path: &str) -> Result<(), Refusal> {
        let Some(admitted) = &self.admitted else { return Ok(()) };
        admitted.pass.may_send(path).inspect_err(|refusal| admitted.note(refusal))
    }

    /// Whether the rules still let them read what a pattern covers.
    ///
    /// # Errors
    /// That they may not any more.
    pub(super) fn rules_let_subscribe(&self, pattern: &Pattern) -> Result<(), Refusal> {
        let Some(admitted) = &self.admitted else { return Ok(()) };
        admitted.pass.may_subscribe(pattern, false).inspect_err(|refusal| admitted.note(refusal))
    }

    /// For the audit log: they had something, and have it no more.
    pub(super) fn note(&self, refusal: &Refusal) {
        if let Some(admitted) = &self.admitted {
            admitted.note(refusal);
        }
    }

    /// Has a bell rung when what they may do changes.
    pub(super) fn hang(&self, bell: &Arc<Bell>) {
        if let Some(pass) = self.pass() {
            pass.hang(bell.clone());
        }
    }

    /// When their time is over, if ever.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        self.pass()?.expires_at()
    }

    /// The version of their rights.
    ///
    /// # Errors
    /// Their time is over, or what they brought was revoked.
    pub(super) fn version(&self) -> Result<u64, Refusal> {
        let Some(pass) = self.pass() else { return Ok(0) };
        pass.check()?;
        match pass.standing() {
            Standing::Holds { version } => Ok(version),
            Standing::Expired | Standing::Revoked => Ok(u64::MAX),
        }
    }
}

impl Admitted {
    /// For the audit log.
    fn note(&self, refusal: &Refusal) {
        if let Some(audit) = &self.services.audit {
            audit.note(Line::refused(self.pass.person(), self.from, DOOR, refusal.code, &refusal.message));
        }
    }
}

/// What a request brings to show who asks, WebSocket handshakes included.
///
/// # Errors
/// An `Authorization` that is no text.
pub(crate) fn credentials(
    settings: &Settings,
    headers: &HeaderMap,
    ticket: Option<&str>,
) -> Result<Credentials, Refusal> {
    if let Some(ticket) = ticket {
        return Ok(Credentials::Ticket(ticket.into()));
    }
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return Ok(Credentials::of_authorization(value.to_str().map_err(|_| not_read())?));
    }
    let named = settings.access.jwt.cookie.as_ref().map(ToString::to_string);
    let token = named.and_then(|name| cookie(headers, &name));
    Ok(token.map_or(Credentials::Nothing, |token| Credentials::Bearer(token.into())))
}

/// RFC 6265, section 4.2.1: `name=value` pairs with `; ` between.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value.trim_matches('"'))
}

/// A name without proof, as `login` is in STOMP.
fn taken_at_its_word(headers: &HeaderMap) -> Result<Identity, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Identity::default()) };
    let user = value.to_str().ok().and_then(basic_user).ok_or_else(not_read)?;
    Ok(Identity::new(Some(&user), None))
}

/// RFC 7617: the scheme in any case, then base64 of `user:password` in UTF-8.
fn basic_user(value: &str) -> Option<String> {
    let (scheme, credentials) = value.split_once(' ')?;
    let decoded = BASE64.decode(credentials.trim().as_bytes()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, _) = decoded.split_once(':')?;
    (scheme.eq_ignore_ascii_case("basic") && !user.chars().any(char::is_control)).then(|| user.to_owned())
}

fn not_read() -> Refusal {
    bad_request(
        "the header Authorization is not \"Basic\" with the base64 of user:password in UTF-8",
        "Write it as curl --user NAME: does, or leave it out to be nobody in particular.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<String>, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        taken_at_its_word(&headers).map(|person| person.user.map(|user| user.to_string()))
    }

    #[test]
    fn the_user_is_taken_at_its_word() {
        assert_eq!(taken_at_its_word(&HeaderMap::new()), Ok(Identity::default()));
        for (text, user) in [("alice:", Some("alice")), ("zoë:a:b", Some("zoë")), (":", None)] {
            let value = format!("Basic {}", BASE64.encode(text.as_bytes()));
            assert_eq!(read(&value), Ok(user.map(ToOwned::to_owned)), "{text}");
        }
        assert_eq!(read(&format!("basic {}", BASE64.encode(b"alice:"))), Ok(Some("alice".to_owned())));
    }

    #[test]
    fn what_names_nobody_is_refused_and_not_overheard() {
        let encoded = |bytes: &[u8]| format!("Basic {}", BASE64.encode(bytes));
        let no_colon = encoded(b"alice");
        let line_end = encoded(b"a\nb:");
        let no_text = encoded(b"\xff:");
        for value in ["", "Basic", "Basic ?", "Bearer abc", &no_colon, &line_end, &no_text] {
            assert!(read(value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_ticket_comes_before_authorization_and_that_before_the_cookie() {
        let mut settings = Settings::default();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=b; session=\"from-the-cookie\"; c=d".parse().unwrap());
        let read = |settings: &Settings, headers: &HeaderMap, ticket| credentials(settings, headers, ticket).unwrap();
        assert_eq!(read(&settings, &headers, None), Credentials::Nothing, "no cookie is named");
        settings.access.jwt.cookie = Some("session".parse().unwrap());
        assert_eq!(read(&settings, &headers, None), Credentials::Bearer("from-the-cookie".into()));
        headers.insert(header::AUTHORIZATION, "Bearer from-the-header".parse().unwrap());
        assert_eq!(read(&settings, &headers, None), Credentials::Bearer("from-the-header".into()));
        assert_eq!(read(&settings, &headers, Some("t")), Credentials::Ticket("t".into()));
    }
}
