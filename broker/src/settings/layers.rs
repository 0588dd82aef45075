//! Where values come from, in layers: file, then environment, then flags. The
//! crate `config` lays them over each other; each value carries where it was
//! written, which that crate cannot know for a file's lines.

use std::path::{Path, PathBuf};

use config::{Map, Source as Layer, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::problem::{Problem, Source};

/// Two underscores after the name: orchestrators set variables such as
/// `HOMEROOM_PORT` for a service of that name, and those are none of ours.
const PREFIX: &str = "HOMEROOM__";

/// What to read settings from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The configuration file; it must exist.
    pub file: Option<PathBuf>,
    /// Variables, ours and others'.
    pub environment: Vec<(String, String)>,
    /// Flags of the command line.
    pub flags: Vec<Flag>,
}

/// A value from the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As typed, with its dashes.
    pub name: &'static str,
    /// The key it sets, `section.key`.
    pub key: &'static str,
    /// The value as text.
    pub value: String,
}

impl Sources {
    /// The named file, or `homeroom.toml` in the working directory if there is one; this process's environment.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Sources {
        let usual = || Some(PathBuf::from("homeroom.toml")).filter(|path| path.exists());
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Sources {
            file: file.or_else(usual),
            environment: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            flags,
        }
    }

    /// All layers over each other, and what is no TOML.
    pub(super) fn merge(&self) -> (Value, Vec<Problem>) {
        let (file, problems) = self.file.as_deref().map(read).unwrap_or_default();
        let merged = config::Config::builder()
            .add_source(Written(file))
            .add_source(Written(self.environment.iter().filter_map(variable).collect()))
            .add_source(Written(self.flags.iter().map(flag).collect()))
            .build()
            .expect("layers that are already values do not fail");
        (merged.cache, problems)
    }
}

/// A layer: keys and values with their origins.
#[derive(Clone, Debug)]
struct Written(Vec<(String, Value)>);

impl Layer for Written {
    fn clone_into_box(&self) -> Box<dyn Layer + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.iter().cloned().collect())
    }
}

fn variable((name, value): &(String, String)) -> Option<(String, Value)> {
    let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
    let source = Source::Environment(name.clone());
    Some((key, from(&source, ValueKind::String(value.clone()))))
}

/// The variable that sets a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

fn flag(flag: &Flag) -> (String, Value) {
    let source = Source::Flag(flag.name.to_owned());
    (flag.key.to_owned(), from(&source, ValueKind::String(flag.value.clone())))
}

fn from(source: &Source, kind: ValueKind) -> Value {
    Value::new(Some(&source.to_string()), kind)
}

fn read(path: &Path) -> (Vec<(String, Value)>, Vec<Problem>) {
    let shown = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => File { path: shown, text: &text }.parse(),
        Err(error) => {
            let remedy = format!("The file cannot be read: {error}. Name another with --config.");
            let source = Source::File { path: shown, line: 1 };
            (Vec::new(), vec![Problem { source, key: String::new(), value: None, remedy }])
        }
    }
}

struct File<'a> {
    path: String,
    text: &'a str,
}

impl File<'_> {
    fn parse(&self) -> (Vec<(String, Value)>, Vec<Problem>) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let problems = errors.iter().map(|error| self.problem(error)).collect();
        let values = table.get_ref().iter().map(|(key, value)| self.pair(key, value)).collect();
        (values, problems)
    }

    fn problem(&self, error: &toml::de::Error) -> Problem {
        let at = error.span().map_or(0, |span| span.start);
        let remedy = format!("This is no TOML: {}.", error.message().replace('\n', "; "));
        Problem { source: self.source(at), key: String::new(), value: None, remedy }
    }

    fn pair(&self, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> (String, Value) {
        (key.get_ref().to_string(), self.value(value, key.span().start))
    }

    /// A value with the line of its key; in an array, with its own line.
    fn value(&self, value: &Spanned<DeValue<'_>>, at: usize) -> Value {
        let kind = match value.get_ref() {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Integer(number) => integer(number),
            DeValue::Float(number) => {
                let text = number.as_str().replace('_', "");
                text.parse().map_or(ValueKind::String(text), ValueKind::Float)
            }
            DeValue::Boolean(boolean) => ValueKind::Boolean(*boolean),
            DeValue::Datetime(time) => ValueKind::String(time.to_string()),
            DeValue::Array(items) => {
                ValueKind::Array(items.iter().map(|item| self.value(item, item.span().start)).collect())
            }
            // A table with nothing in it would be merged away together with its line.
            DeValue::Table(table) if table.is_empty() => ValueKind::Nil,
            DeValue::Table(table) => ValueKind::Table(table.iter().map(|(key, value)| self.pair(key, value)).collect()),
        };
        from(&self.source(at), kind)
    }

    fn source(&self, at: usize) -> Source {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        Source::File { path: self.path.clone(), line }
    }
}

fn integer(number: &DeInteger<'_>) -> ValueKind {
    let digits = number.as_str();
    i64::from_str_radix(digits, number.radix()).map_or_else(|_| ValueKind::String(digits.to_owned()), ValueKind::I64)
}
