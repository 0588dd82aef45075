//! As whom a command comes to a broker.

use clap::Args;

use super::Failure;
use crate::auth::Secret;

/// Names a token or a key.
const TOKEN: &str = "HOMEROOM_TOKEN";
/// Names the password of `--login`.
const PASSCODE: &str = "HOMEROOM_PASSCODE";

/// What shows who somebody is. What is typed comes before what the environment says.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct SignIn {
    /// Sign in under this name
    #[arg(long, value_name = "USER")]
    pub(super) login: Option<String>,
    /// With this password. Better in HOMEROOM_PASSCODE: others on the machine can see what was typed
    #[arg(long, value_name = "PASSWORD")]
    pub(super) passcode: Option<Secret>,
    /// With this token or key (hr_…); the name is in it. Better in HOMEROOM_TOKEN
    #[arg(long, value_name = "TOKEN", conflicts_with = "passcode")]
    pub(super) token: Option<Secret>,
}

impl SignIn {
    /// The headers of CONNECT that say it.
    pub(super) fn headers(&self) -> Vec<(&'static str, Secret)> {
        self.headers_in(|name| std::env::var(name).ok())
    }

    /// Whether anything says who it is.
    ///
    /// # Errors
    /// That nothing does, and `what` needs it.
    pub(super) fn needed_for(&self, what: &str) -> Result<(), Failure> {
        if self.headers().is_empty() {
            return Err(Failure::usage(format!(
                "{what} needs to know whose it is: give --login, or a token in {TOKEN}."
            )));
        }
        Ok(())
    }

    fn headers_in(&self, environment: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, Secret)> {
        let said = |name| environment(name).map(|text| Secret::from(text.trim())).filter(|text| !text.is_empty());
        let token = self.token.as_ref().map(|token| Secret::from(token.expose().trim()));
        let token = token.or_else(|| self.passcode.is_none().then(|| said(TOKEN)).flatten());
        let password = self.passcode.clone().or_else(|| self.login.as_ref().and(said(PASSCODE)));
        let login = self.login.as_deref().map(|login| ("login", Secret::from(login)));
        login.into_iter().chain(token.or(password).map(|shown| ("passcode", shown))).collect()
    }
}

/// What to do where a broker asks who somebody is, in the words of the command line.
pub(super) fn remedy() -> String {
    format!("Here: put a token or a key into {TOKEN}, or give --login and put the password into {PASSCODE}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(typed: &[&str], environment: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            sign_in: SignIn,
        }
        let line = <Line as clap::Parser>::try_parse_from(["homeroom"].iter().chain(typed)).unwrap();
        let value =
            |wanted: &str| environment.iter().find(|(name, _)| *name == wanted).map(|(_, text)| (*text).to_owned());
        let said = line.sign_in.headers_in(value).into_iter();
        said.map(|(name, text)| (name, text.expose().to_owned())).collect()
    }

    #[test]
    fn what_is_typed_comes_before_the_environment() {
        let both = [(TOKEN, "a.b.c\n"), (PASSCODE, "secret")];
        let is = |name, text: &str| (name, text.to_owned());
        assert_eq!(headers(&[], &[]), []);
        assert_eq!(headers(&[], &both), [is("passcode", "a.b.c")]);
        assert_eq!(headers(&["--token", "hr_x"], &both), [is("passcode", "hr_x")]);
        assert_eq!(
            headers(&["--login", "alice", "--passcode", "pw"], &both),
            [is("login", "alice"), is("passcode", "pw")]
        );
        assert_eq!(headers(&["--login", "alice"], &both[1..]), [is("login", "alice"), is("passcode", "secret")]);
        assert_eq!(headers(&["--login", "alice"], &both), [is("login", "alice"), is("passcode", "a.b.c")]);
        assert_eq!(headers(&[], &both[1..]), [], "a password is nobody's without a name");
        assert_eq!(headers(&[], &[(TOKEN, " ")]), [], "an empty variable says nothing");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let sign_in = SignIn { token: Some("a.b.c".into()), passcode: Some("pw".into()), login: None };
        let shown = format!("{sign_in:?}");
        assert!(!shown.contains("a.b.c") && !shown.contains("pw"), "{shown}");
    }
}
