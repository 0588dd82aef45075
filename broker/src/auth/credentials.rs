//! What somebody brings along to show who they are.

use data_encoding::BASE64;

use super::{Proof, Secret, keys, token};

/// What somebody brings along. Prints without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing at all.
    Nothing,
    /// A name and a password, as `login` and `passcode` or as HTTP's Basic.
    Login {
        /// The name; empty if there is none.
        user: String,
        /// The password. A token or a key in its place is taken for what it is.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
    /// A key of a service.
    ApiKey(Secret),
    /// A ticket that stands for somebody who has shown before who it is.
    Ticket(Secret),
}

impl Credentials {
    /// With what somebody comes.
    pub fn proof(&self) -> Proof {
        match self {
            Credentials::Nothing => Proof::Nothing,
            Credentials::Bearer(_) => Proof::Token,
            Credentials::ApiKey(_) => Proof::Key,
            Credentials::Ticket(_) => Proof::Ticket,
            Credentials::Login { password, .. } if keys::looks_like_one(password.expose()) => Proof::Key,
            Credentials::Login { password, .. } if token::looks_like_one(password.expose()) => Proof::Token,
            Credentials::Login { .. } => Proof::Password,
        }
    }

    /// What a CONNECT brings: `Authorization` if it is there, else `login` and `passcode`.
    ///
    /// An `Authorization` that cannot be read is a token that is refused: it was meant to say something.
    pub fn of_connect(login: Option<&str>, passcode: Option<&str>, authorization: Option<&str>) -> Credentials {
        match authorization {
            Some(value) => Credentials::of_authorization(value),
            None => Credentials::of_login(login.unwrap_or_default(), passcode.unwrap_or_default()),
        }
    }

    /// A name and a password, or what stands in the place of the password.
    pub fn of_login(user: &str, password: &str) -> Credentials {
        match (user.is_empty(), password.is_empty()) {
            (true, true) => Credentials::Nothing,
            (true, false) if keys::looks_like_one(password) => Credentials::ApiKey(password.into()),
            (true, false) if token::looks_like_one(password) => Credentials::Bearer(password.into()),
            _ => Credentials::Login { user: user.to_owned(), password: password.into() },
        }
    }

    /// The value of an `Authorization` header: `Bearer …` with a token or a key, or `Basic …`.
    pub fn of_authorization(value: &str) -> Credentials {
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_start();
        if scheme.eq_ignore_ascii_case("basic") {
            return basic(rest).unwrap_or_else(|| Credentials::Bearer(Secret::from("")));
        }
        // Some clients of STOMP send the bare token.
        let text = if scheme.eq_ignore_ascii_case("bearer") { rest } else { value.trim() };
        if keys::looks_like_one(text) { Credentials::ApiKey(text.into()) } else { Credentials::Bearer(text.into()) }
    }
}

fn basic(encoded: &str) -> Option<Credentials> {
    let text = zeroize::Zeroizing::new(BASE64.decode(encoded.as_bytes()).ok()?);
    let (user, password) = std::str::from_utf8(&text).ok()?.split_once(':')?;
    Some(Credentials::of_login(user, password))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln";
    const KEY: &str = "hr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_passcode_may_be_a_password_a_token_or_a_key() {
        for (login, passcode, expected) in [
            ("", "", Credentials::Nothing),
            ("", TOKEN, Credentials::Bearer(TOKEN.into())),
            ("", KEY, Credentials::ApiKey(KEY.into())),
            ("alice", "pw", Credentials::Login { user: "alice".to_owned(), password: "pw".into() }),
            ("alice", "", Credentials::Login { user: "alice".to_owned(), password: "".into() }),
            // The login must be the token's user: both are kept.
            ("alice", TOKEN, Credentials::Login { user: "alice".to_owned(), password: TOKEN.into() }),
            ("", "pw", Credentials::Login { user: String::new(), password: "pw".into() }),
        ] {
            assert_eq!(Credentials::of_connect(Some(login), Some(passcode), None), expected, "{login} {passcode}");
        }
    }

    #[test]
    fn authorization_is_a_token_a_key_or_a_name_and_a_password() {
        for (value, expected) in [
            (format!("Bearer {TOKEN}"), Credentials::Bearer(TOKEN.into())),
            (format!("bearer   {TOKEN} "), Credentials::Bearer(TOKEN.into())),
            (format!("Bearer {KEY}"), Credentials::ApiKey(KEY.into())),
            (TOKEN.to_owned(), Credentials::Bearer(TOKEN.into())),
            ("Basic YWxpY2U6cDp3".to_owned(), Credentials::of_login("alice", "p:w")),
            ("Basic Og==".to_owned(), Credentials::Nothing),
            ("Basic !".to_owned(), Credentials::Bearer("".into())),
            ("Bearer".to_owned(), Credentials::Bearer("".into())),
            ("Digest x".to_owned(), Credentials::Bearer("Digest x".into())),
        ] {
            assert_eq!(Credentials::of_connect(Some("x"), Some("y"), Some(&value)), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_some_credential_and_none_shows_its_secret(login: String, secret in "[ -~]{12,60}") {
            for credentials in [
                Credentials::of_login("alice", &secret),
                Credentials::of_connect(Some(&login), Some(&secret), None),
                Credentials::of_authorization(&secret),
                Credentials::Ticket(secret.as_str().into()),
            ] {
                let shown = format!("{credentials:?}").replace(&format!("{login:?}"), "");
                prop_assert!(!shown.contains(&secret), "{}", shown);
            }
        }
    }
}
