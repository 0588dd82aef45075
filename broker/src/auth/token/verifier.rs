//! From a token's text to who it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::claims::Rules;
use super::key::Key;
use super::parsed::Parsed;
use super::{Invalid, Jwks, Signer, Statement};
use crate::auth::files::{self, Fault};
use crate::auth::watched::Watched;
use crate::auth::{Denied, Principal, Secret};
use crate::settings::{Algorithm, Jwt};

/// So many keys are tried for one token: those of a set without names could be many.
const TRIED_MAX: usize = 16;

/// Checks tokens, with the keys of the settings and those of an address.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<Key>,
    /// Keys that are read again when their files change.
    files: Vec<Watched<Key>>,
    jwks: Option<Arc<Jwks>>,
    algorithms: Vec<Algorithm>,
    rules: Rules,
}

impl Verifier {
    /// One that has read all its files, and has made and checked a token if it could.
    ///
    /// # Errors
    /// Every setting that cannot be used.
    pub fn open(settings: &Jwt) -> Result<Verifier, Vec<Fault>> {
        let mut faults = Vec::new();
        let secret = secret_of(settings).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let mut keys = Vec::new();
        let mut files = Vec::new();
        match (&settings.secret_file, &secret) {
            (Some(path), Some(_)) => {
                files.push(Watched::secret("access.jwt.secret_file", path.clone(), Key::of_secret_file));
            }
            (None, Some(secret)) => keys.extend(Key::of_secret(secret.expose())),
            (_, None) => {}
        }
        let public = settings.public_keys.iter().map(|file| file.path().to_owned());
        files.extend(public.map(|path| Watched::public("access.jwt.public_keys", path, Key::of_pem)));
        let files = files.into_iter().filter_map(|file| file.map_err(|fault| faults.push(fault)).ok()).collect();
        let jwks = settings.jwks_url.as_ref().map(|url| {
            let fault = |remedy| Fault { key: "access.jwt.jwks_url", value: url.to_string(), remedy };
            Jwks::new(url.clone(), settings.jwks_refresh).map(Arc::new).map_err(fault)
        });
        let jwks = jwks.transpose().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        if settings.has_public_keys() && settings.issuer.is_none() && settings.audience.is_empty() {
            tracing::warn!(
                "tokens that their server made for others are let in too: set access.jwt.issuer or access.jwt.audience"
            );
        }
        let verifier = Verifier { files, ..Verifier::new(keys, jwks, settings) };
        verifier.test_itself(settings, secret).map_err(|fault| vec![fault])?;
        Ok(verifier)
    }

    pub(super) fn new(keys: Vec<Key>, jwks: Option<Arc<Jwks>>, settings: &Jwt) -> Verifier {
        Verifier {
            keys,
            files: Vec::new(),
            jwks,
            algorithms: settings.algorithms.clone(),
            rules: Rules::from(settings),
        }
    }

    /// Whether any token can be accepted.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() || self.has_files() || self.jwks.is_some()
    }

    /// Whether any key is in a file.
    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Reads the files again that have changed; says whether a new key holds.
    pub fn look(&self) -> bool {
        self.files.iter().filter(|file| file.look()).count() > 0
    }

    /// Whether a token that was accepted rests on a key that still holds. One of an address stays until it expires: an
    /// address does not say why a key has gone.
    pub fn still_accepts(&self, principal: &Principal) -> bool {
        let rests_on = |key: &Key| key.basis == principal.basis;
        principal.basis.is_none()
            || self.keys.iter().any(rests_on)
            || self.files.iter().any(|file| rests_on(&file.now()))
    }

    /// The keys that come from an address.
    pub fn jwks(&self) -> Option<&Arc<Jwks>> {
        self.jwks.as_ref()
    }

    /// Who the token says it is. Asks the address of the keys, at most now and then, if it names one that is not there.
    ///
    /// # Errors
    /// Why it is not believed.
    pub async fn principal(&self, token: &str, now: SystemTime) -> Result<Principal, Denied> {
        let first = self.check(token, now);
        let Some(jwks) = self.jwks.as_ref().filter(|_| matches!(first, Err(Denied::Token(Invalid::UnknownKey)))) else {
            return first;
        };
        jwks.fetch_for_unknown().await;
        match self.check(token, now) {
            Err(Denied::Token(Invalid::UnknownKey)) if jwks.age().is_none() => Err(Denied::Unavailable),
            second => second,
        }
    }

    /// The same, with the keys that are there.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn check(&self, token: &str, now: SystemTime) -> Result<Principal, Denied> {
        if !self.has_keys() {
            return Err(Invalid::NotAccepted.into());
        }
        let parsed = Parsed::read(token)?;
        if !self.algorithms.contains(&parsed.algorithm) {
            return Err(Invalid::Algorithm.into());
        }
        let fetched = self.jwks.as_ref().map(|jwks| jwks.keys()).unwrap_or_default();
        let is_named = |key: &Key| key.id.is_some() && key.id == parsed.key;
        let fits = |key: &&Key| {
            key.algorithm == parsed.algorithm && (key.id.is_none() || parsed.key.is_none() || is_named(key))
        };
        let of_files: Vec<Arc<Key>> = self.files.iter().map(Watched::now).collect();
        let all = self.keys.iter().chain(of_files.iter().map(|key| &**key)).chain(fetched.iter());
        let mut tried = all.filter(fits).take(TRIED_MAX);
        let Some(key) = tried.find(|key| key.verifies(parsed.signed, parsed.signature)) else {
            let fetchable = self.jwks.is_some() && parsed.algorithm != Algorithm::Hs256;
            let is_new = fetched.is_empty() || (parsed.key.is_some() && !fetched.iter().any(is_named));
            return Err(if fetchable && is_new { Invalid::UnknownKey } else { Invalid::Signature }.into());
        };
        Ok(Principal { basis: key.basis, ..self.rules.principal(&parsed.claims()?, now)? })
    }

    /// Makes a token with the secret and checks it. Without a secret, with one made up: whether signatures work at all
    /// depends on how the program was built, and would else be found out by the first user.
    fn test_itself(&self, settings: &Jwt, own: Option<Secret>) -> Result<(), Fault> {
        let made_up = Secret::from("a secret for this test only, which signs nothing else");
        let allowed = own.is_some() && settings.algorithms.contains(&Algorithm::Hs256);
        let now = SystemTime::now();
        let statement = Statement {
            user: "self-test".to_owned(),
            roles: vec!["none".to_owned()],
            issuer: settings.issuer.clone(),
            audience: settings.audience.iter().take(1).cloned().collect(),
            lifetime: Duration::from_secs(60),
            ..Statement::default()
        };
        let fault = |remedy: String| Fault { key: "access.jwt", value: "self-test".to_owned(), remedy };
        let secret = own.filter(|_| allowed).unwrap_or(made_up);
        let signer = Signer::of_secret(&secret).map_err(|error| fault(error.to_string()))?;
        let token = signer.sign(&statement, &settings.claims, now).map_err(|error| fault(error.to_string()))?;
        let checked = if allowed {
            self.check(token.expose(), now)
        } else {
            let key = Key::of_secret(secret.expose()).map_err(fault)?;
            let settings = Jwt { algorithms: vec![Algorithm::Hs256], ..settings.clone() };
            Verifier::new(vec![key], None, &settings).check(token.expose(), now)
        };
        let told = |denied| fault(format!("A token made with these settings is refused by them: {denied}."));
        checked.map(|_| ()).map_err(told)
    }
}

/// The secret of the settings, or of the file that they name.
///
/// # Errors
/// If it is too short, or the file cannot be used.
pub fn secret_of(settings: &Jwt) -> Result<Option<Secret>, Fault> {
    if let Some(path) = &settings.secret_file {
        let key = "access.jwt.secret_file";
        let secret = files::secret_in(key, path)?;
        Key::of_secret(secret.expose()).map_err(|remedy| Fault::of_file(key, path, remedy))?;
        return Ok(Some(secret));
    }
    let Some(secret) = &settings.secret else { return Ok(None) };
    let hidden = |remedy| Fault { key: "access.jwt.secret", value: "…".to_owned(), remedy };
    Key::of_secret(secret.expose()).map_err(hidden)?;
    Ok(Some(secret.clone()))
}
