//! Who asks over HTTP: the user of `Authorization: Basic`, else nobody in particular.

use axum::http::{HeaderMap, header};
use data_encoding::BASE64;
use homeroom_protocol::Refusal;

use crate::auth::Identity;
use crate::refusals::bad_request;

/// Who the headers say it is: a name without proof, as `login` is in STOMP.
///
/// # Errors
/// An `Authorization` that names nobody.
pub(super) fn person(headers: &HeaderMap) -> Result<Identity, Refusal> {
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
        person(&headers).map(|person| person.user.map(|user| user.to_string()))
    }

    #[test]
    fn the_user_is_taken_at_its_word() {
        assert_eq!(person(&HeaderMap::new()), Ok(Identity::default()));
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
}
