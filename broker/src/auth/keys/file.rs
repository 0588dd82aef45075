//! The file of keys, as `homeroom key` writes it.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::auth::names;
use crate::auth::register::Register;
use crate::auth::users::check_lists;

/// Destinations that one key names.
const GRANTS_MAX: usize = 64;
/// The end of the year 9999.
const SECONDS_MAX: u64 = 253_402_300_799;

/// A service's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The service: the sender of its messages.
    pub name: String,
    /// SHA-256 of the key, as hexadecimal digits.
    pub sha256: String,
    /// Whose rules hold for it.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Where it belongs.
    #[serde(default)]
    pub classrooms: Vec<String>,
    /// Where else it may send.
    #[serde(default)]
    pub send: Vec<String>,
    /// What else it may subscribe to.
    #[serde(default)]
    pub subscribe: Vec<String>,
    /// Until when it holds, in seconds since 1970; `None` is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// The file as a whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    version: u8,
    #[serde(default)]
    keys: Vec<Key>,
}

impl Key {
    pub(super) fn hash(&self) -> Option<[u8; 32]> {
        HEXLOWER.decode(self.sha256.as_bytes()).ok()?.try_into().ok()
    }
}

impl Register for KeyFile {
    type Entry = Key;

    const HEADING: &'static str = "\
# Keys of services: `homeroom key add`, `remove` and `list` change and show them
# while the broker runs. Only their hashes are kept.
";

    fn empty(version: u8) -> KeyFile {
        KeyFile { version, keys: Vec::new() }
    }

    fn version(&self) -> u8 {
        self.version
    }

    fn entries(&mut self) -> &mut Vec<Key> {
        &mut self.keys
    }

    fn name_of(key: &Key) -> &str {
        &key.name
    }

    fn check(key: &Key) -> Result<(), String> {
        names::user(&key.name).map_err(|what| format!("name {what}"))?;
        key.hash().ok_or("sha256 must be 64 hexadecimal digits in lower case")?;
        check_lists(&key.roles, &key.classrooms)?;
        if key.send.len() + key.subscribe.len() > GRANTS_MAX {
            return Err(format!("there are at most {GRANTS_MAX} destinations in send and subscribe"));
        }
        let is_place =
            |place: &&String| place.starts_with('/') && place.len() <= 255 && !place.contains(char::is_control);
        if let Some(place) = key.send.iter().chain(&key.subscribe).find(|place| !is_place(place)) {
            return Err(format!("{place:?} is no destination: write one such as \"/topic/**\""));
        }
        match key.expires {
            Some(seconds) if !(1..=SECONDS_MAX).contains(&seconds) => {
                Err("expires must be seconds since 1970, before the year 10000".to_owned())
            }
            _ => Ok(()),
        }
    }
}
