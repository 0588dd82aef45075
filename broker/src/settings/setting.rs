//! How each kind of value is read from a layer and written as TOML.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use config::{Value, ValueKind};

use super::{
    Act, Algorithm, ClassroomPattern, ClassroomShape, ClientUrl, CookieName, Durable, Engine, FileName, HostName,
    Listener, LogFormat, ManagementAsks, Network, Origin, ParseValueError, Role, ServerUrl, Start, TlsVersion,
    Unprefixed, WebSocketPath, units,
};
use crate::auth::Secret;
use crate::router::{Action, Template, TemplateError};

/// A value of one key. Texts from the environment and from flags are read like
/// the values of a file, so a number may also be written as a text.
pub(super) trait Setting: Sized {
    /// Whether no message may repeat the value.
    const IS_SECRET: bool = false;

    /// The value, or what to write instead.
    fn read(value: &Value) -> Result<Self, String>;

    /// As TOML that [`Setting::read`] reads back.
    fn written(&self) -> String;
}

/// Any value as a person may have written it, for messages.
pub(super) fn shown(value: &Value) -> String {
    let whole = match &value.kind {
        ValueKind::Nil => "{}".to_owned(),
        ValueKind::String(text) => quoted(text),
        ValueKind::Array(items) => list(items.iter().map(shown)),
        ValueKind::Table(_) => "{ … }".to_owned(),
        other => other.to_string(),
    };
    if whole.chars().count() <= 80 { whole } else { whole.chars().take(79).chain(['…']).collect() }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn text(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::String(text) => Some(text),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match &value.kind {
        ValueKind::I64(number) => Some(*number),
        ValueKind::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The items of an array; a text holds them separated by commas.
fn items(value: &Value) -> Option<Vec<String>> {
    match &value.kind {
        ValueKind::Array(items) => items.iter().map(|item| text(item).map(str::to_owned)).collect(),
        ValueKind::String(text) => {
            Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
        }
        _ => None,
    }
}

impl Setting for bool {
    fn read(value: &Value) -> Result<bool, String> {
        match (&value.kind, text(value)) {
            (ValueKind::Boolean(boolean), _) => Ok(*boolean),
            (_, Some("true")) => Ok(true),
            (_, Some("false")) => Ok(false),
            _ => Err("Write true or false.".to_owned()),
        }
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Setting for usize {
    fn read(value: &Value) -> Result<usize, String> {
        let number = integer(value).and_then(|number| number.try_into().ok());
        number.ok_or_else(|| "Write a whole number, for example 64.".to_owned())
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

/// Sizes, in bytes.
impl Setting for u64 {
    fn read(value: &Value) -> Result<u64, String> {
        let bytes = match &value.kind {
            ValueKind::I64(bytes) => (*bytes).try_into().ok(),
            _ => text(value).and_then(units::size),
        };
        bytes.ok_or_else(|| "Write a size with its unit, for example \"256KB\" or \"64MiB\".".to_owned())
    }

    fn written(&self) -> String {
        quoted(&units::print_size(*self))
    }
}

impl Setting for f32 {
    fn read(value: &Value) -> Result<f32, String> {
        let number = match &value.kind {
            ValueKind::Float(number) => Some(*number as f32),
            ValueKind::I64(number) => i16::try_from(*number).ok().map(f32::from),
            _ => text(value).and_then(|text| text.parse().ok()),
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| "Write a number, for example 2.5.".to_owned())
    }

    fn written(&self) -> String {
        format!("{self:?}")
    }
}

impl Setting for Duration {
    fn read(value: &Value) -> Result<Duration, String> {
        let duration = match &value.kind {
            ValueKind::I64(0) => Some(Duration::ZERO),
            _ => text(value).and_then(units::duration),
        };
        duration.ok_or_else(|| {
            "Write a duration with its unit (ms, s, m, h or d), for example \"20s\" or \"7d\".".to_owned()
        })
    }

    fn written(&self) -> String {
        quoted(&units::print_duration(*self))
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<SocketAddr, String> {
        text(value).and_then(address).ok_or_else(|| {
            "Write an address and a port, for example \"127.0.0.1:8080\", \"[::1]:8080\", or port 0 for any free one."
                .to_owned()
        })
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    local.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| text.parse().ok())
}

impl Setting for Option<SocketAddr> {
    fn read(value: &Value) -> Result<Option<SocketAddr>, String> {
        if text(value) == Some("off") {
            return Ok(None);
        }
        SocketAddr::read(value).map(Some).map_err(|remedy| format!("{remedy} \"off\" does without."))
    }

    fn written(&self) -> String {
        self.as_ref().map_or_else(|| quoted("off"), Setting::written)
    }
}

/// A secret prints as `…`, which is too short to be taken for one.
impl Setting for Option<Secret> {
    const IS_SECRET: bool = true;

    fn read(value: &Value) -> Result<Option<Secret>, String> {
        match text(value) {
            Some("off") => Ok(None),
            Some(text) if text.len() >= 32 => Ok(Some(text.into())),
            _ => Err(
                "Write a text of at least 32 bytes, such as `openssl rand -base64 48` prints, or \"off\". Better: put \
                      it into a file of its own, and name that in the key that ends in _file."
                    .to_owned(),
            ),
        }
    }

    fn written(&self) -> String {
        quoted(if self.is_some() { "…" } else { "off" })
    }
}

impl Setting for Option<PathBuf> {
    fn read(value: &Value) -> Result<Option<PathBuf>, String> {
        match text(value) {
            Some("off") => Ok(None),
            Some(path) if !path.is_empty() => Ok(Some(path.into())),
            _ => Err("Write the path of a file, for example \"/etc/homeroom/file\", or \"off\".".to_owned()),
        }
    }

    fn written(&self) -> String {
        quoted(&self.as_ref().map_or_else(|| "off".into(), |path| path.to_string_lossy()))
    }
}

impl Setting for Option<String> {
    fn read(value: &Value) -> Result<Option<String>, String> {
        match text(value) {
            Some("off") => Ok(None),
            Some(text) if !text.is_empty() => Ok(Some(text.to_owned())),
            _ => Err("Write a text between quotation marks, or \"off\".".to_owned()),
        }
    }

    fn written(&self) -> String {
        quoted(self.as_deref().unwrap_or("off"))
    }
}

/// Values with a text form of their own, or `"off"`.
macro_rules! settings_that_can_be_off {
    ($($kind:ty),*) => {$(
        impl Setting for Option<$kind> {
            fn read(value: &Value) -> Result<Option<$kind>, String> {
                match text(value) {
                    Some("off") => Ok(None),
                    text => parsed(text.unwrap_or_default()).map(Some),
                }
            }

            fn written(&self) -> String {
                quoted(&self.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string))
            }
        }
    )*};
}

settings_that_can_be_off!(ClientUrl, CookieName, ServerUrl, Role);

impl Setting for Option<usize> {
    fn read(value: &Value) -> Result<Option<usize>, String> {
        if text(value) == Some("none") {
            return Ok(None);
        }
        usize::read(value).map(Some).map_err(|_| "Write a whole number, or \"none\" for no limit.".to_owned())
    }

    fn written(&self) -> String {
        self.as_ref().map_or_else(|| quoted("none"), Setting::written)
    }
}

impl Setting for String {
    fn read(value: &Value) -> Result<String, String> {
        text(value).map(str::to_owned).ok_or_else(|| "Write a text between quotation marks.".to_owned())
    }

    fn written(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    fn read(value: &Value) -> Result<PathBuf, String> {
        let path = text(value).filter(|path| !path.is_empty()).map(PathBuf::from);
        path.ok_or_else(|| "Write the path of a directory, for example \"/var/lib/homeroom\".".to_owned())
    }

    fn written(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for Template {
    fn read(value: &Value) -> Result<Template, String> {
        let written =
            text(value).ok_or_else(|| "Write a destination, for example \"/topic/{classroom}/**\".".to_owned())?;
        written.parse().map_err(|error: TemplateError| {
            format!("{error}: write a destination with holes and wildcards, for example \"/topic/{{classroom}}/**\".")
        })
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Vec<Action> {
    fn read(value: &Value) -> Result<Vec<Action>, String> {
        let wanted =
            || "Write a list of \"subscribe\", \"send\" and \"group\", for example [\"subscribe\"].".to_owned();
        let all = items(value).filter(|all| !all.is_empty()).ok_or_else(wanted)?;
        all.iter().map(|item| item.parse().map_err(|()| wanted())).collect()
    }

    fn written(&self) -> String {
        list(self.iter().map(|action| quoted(&action.to_string())))
    }
}

impl Setting for BTreeSet<Listener> {
    fn read(value: &Value) -> Result<BTreeSet<Listener>, String> {
        let all = items(value).ok_or_else(|| "Write a list, for example [\"http\", \"stomp\"].".to_owned())?;
        all.iter().map(|item| parsed(item)).collect()
    }

    fn written(&self) -> String {
        list(self.iter().map(|item| quoted(&item.to_string())))
    }
}

impl Setting for BTreeSet<String> {
    fn read(value: &Value) -> Result<BTreeSet<String>, String> {
        let all = items(value).map(|all| all.into_iter().collect());
        all.ok_or_else(|| "Write a list of texts, for example [\"guest\", \"pupil\"].".to_owned())
    }

    fn written(&self) -> String {
        list(self.iter().map(|item| quoted(item)))
    }
}

impl<T: Listed> Setting for Vec<T> {
    fn read(value: &Value) -> Result<Vec<T>, String> {
        let all = items(value).ok_or_else(|| "Write a list of texts between [ and ].".to_owned())?;
        all.iter().map(|item| parsed(item)).collect()
    }

    fn written(&self) -> String {
        list(self.iter().map(|item| quoted(&item.to_string())))
    }
}

/// What stands in lists.
pub(super) trait Listed: FromStr<Err = ParseValueError> + Display {}
impl Listed for Act {}
impl Listed for Algorithm {}
impl Listed for FileName {}
impl Listed for HostName {}
impl Listed for Origin {}
impl Listed for ClassroomShape {}
impl Listed for WebSocketPath {}
impl Listed for Network {}

fn parsed<T: FromStr<Err = ParseValueError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: ParseValueError| {
        let remedy = error.to_string();
        let (first, rest) = remedy.split_at(1);
        format!("{}{rest}.", first.to_uppercase())
    })
}

/// Values with a text form of their own.
macro_rules! settings_with_a_text_form {
    ($($kind:ty),*) => {$(
        impl Setting for $kind {
            fn read(value: &Value) -> Result<$kind, String> {
                // What is no text at all is refused like a text that is none of these.
                parsed(text(value).unwrap_or_default())
            }

            fn written(&self) -> String {
                quoted(&self.to_string())
            }
        }
    )*};
}

settings_with_a_text_form!(
    Role,
    ClassroomPattern,
    Durable,
    Engine,
    LogFormat,
    ManagementAsks,
    Start,
    TlsVersion,
    Unprefixed
);
