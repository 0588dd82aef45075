//! Reads keys one by one, notes where each value came from, and gathers what
//! is wrong instead of stopping at it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use config::{Value, ValueKind};

use super::nearest::Nearest;
use super::problem::{Problem, Source};
use super::setting::{Setting, shown};

/// One key as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `section.key`; in lists of tables `classrooms[0].match`.
    pub key: String,
    /// The value as TOML.
    pub value: String,
    /// Who said so.
    pub source: Source,
}

/// The merged layers, and what was found in them.
#[derive(Debug)]
pub(super) struct Reader {
    root: Value,
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
}

/// The keys below one name.
pub(super) struct Section<'a> {
    reader: &'a mut Reader,
    name: String,
    table: Value,
}

impl Reader {
    pub(super) fn new(root: Value, problems: Vec<Problem>) -> Reader {
        Reader { root, entries: Vec::new(), problems }
    }

    /// The section of that name; an empty one if nobody wrote it.
    pub(super) fn section(&mut self, name: &str) -> Section<'_> {
        let found = child(&self.root, name).cloned().unwrap_or_else(|| Value::new(None, ValueKind::Nil));
        self.table(name.to_owned(), found)
    }

    fn table(&mut self, name: String, found: Value) -> Section<'_> {
        if !matches!(found.kind, ValueKind::Table(_) | ValueKind::Nil) {
            let remedy = match name.rsplit_once('.') {
                None => format!("This is a section: write [{name}] and its keys in lines below it."),
                Some((_, inner)) => format!("This holds keys: write {inner} = {{ key = value }}."),
            };
            self.refuse(&name, &found, remedy);
        }
        Section { reader: self, name, table: found }
    }

    /// Reads each table of a list such as `[[classrooms]]`.
    pub(super) fn each<T>(&mut self, name: &str, read: impl Fn(Section<'_>) -> Option<T>) -> Vec<T> {
        let found = child(&self.root, name).cloned();
        self.each_of(name, found, read)
    }

    fn each_of<T>(&mut self, name: &str, found: Option<Value>, read: impl Fn(Section<'_>) -> Option<T>) -> Vec<T> {
        let Some(found) = found else { return Vec::new() };
        let Some(tables) = tables(&found) else {
            self.refuse(name, &found, format!("Write [[{name}]] with two brackets, once for each rule, in the file."));
            return Vec::new();
        };
        let numbered = tables.iter().enumerate();
        numbered.filter_map(|(index, table)| read(self.table(format!("{name}[{index}]"), table.clone()))).collect()
    }

    fn refuse(&mut self, key: &str, found: &Value, remedy: String) {
        let problem = Problem { source: source(found), key: key.to_owned(), value: Some(shown(found)), remedy };
        self.problems.push(problem);
    }

    /// The same for a secret, which is not repeated.
    fn refuse_hidden(&mut self, key: &str, found: &Value, remedy: String) {
        self.problems.push(Problem { source: source(found), key: key.to_owned(), value: None, remedy });
    }

    /// Refuses every key that nobody has read.
    pub(super) fn refuse_unknown(&mut self) {
        let known: BTreeSet<&str> = self.entries.iter().map(|entry| entry.key.as_str()).collect();
        let nearest = Nearest::to(&known);
        let mut unknown = Vec::new();
        leaves("", &self.root, &mut |key, value| {
            let refused = self.problems.iter().any(|problem| is_within(key, &problem.key));
            if !refused && !known.contains(key) && !nearest.is_section(key) {
                let source = source(value);
                let remedy = nearest.suggest(key, &source);
                unknown.push(Problem { source, key: key.to_owned(), value: None, remedy });
            }
        });
        self.problems.append(&mut unknown);
    }
}

impl Section<'_> {
    /// Reads a key into its place, which holds the default.
    pub(super) fn read<T: Setting>(&mut self, key: &str, place: &mut T) {
        self.read_if(key, place, |_| Ok(()));
    }

    /// The same, within bounds.
    pub(super) fn read_within<T: Setting + PartialOrd>(&mut self, key: &str, place: &mut T, bounds: RangeInclusive<T>) {
        let outside = format!("Write a value from {} to {}.", bounds.start().written(), bounds.end().written());
        self.read_if(key, place, |value| if bounds.contains(value) { Ok(()) } else { Err(outside) });
    }

    /// The same, if it passes a test that says what to write instead.
    pub(super) fn read_if<T: Setting>(
        &mut self,
        key: &str,
        place: &mut T,
        test: impl FnOnce(&T) -> Result<(), String>,
    ) {
        let path = self.path(key);
        let source = match child(&self.table, key) {
            None => Source::Default,
            Some(found) => {
                match T::read(found).and_then(|value| test(&value).map(|()| value)) {
                    Ok(value) => *place = value,
                    Err(remedy) if T::IS_SECRET => self.reader.refuse_hidden(&path, found, remedy),
                    Err(remedy) => self.reader.refuse(&path, found, remedy),
                }
                source(found)
            }
        };
        self.reader.entries.push(Entry { key: path, value: place.written(), source });
    }

    /// Reads a key that has no default.
    pub(super) fn require<T: Setting>(&mut self, key: &str, missing: &str) -> Option<T> {
        let path = self.path(key);
        let Some(found) = child(&self.table, key) else {
            let (source, value) = (source(&self.table), None);
            self.reader.problems.push(Problem { source, key: path, value, remedy: missing.to_owned() });
            return None;
        };
        match T::read(found) {
            Ok(value) => {
                self.reader.entries.push(Entry { key: path, value: value.written(), source: source(found) });
                Some(value)
            }
            Err(remedy) => {
                self.reader.refuse(&path, found, remedy);
                None
            }
        }
    }

    /// The section of that name inside this one.
    pub(super) fn section(&mut self, name: &str) -> Section<'_> {
        let path = self.path(name);
        let found = child(&self.table, name).cloned().unwrap_or_else(|| Value::new(None, ValueKind::Nil));
        self.reader.table(path, found)
    }

    /// Reads each table of a list inside this section, such as `[[access.rules]]`.
    pub(super) fn each<T>(&mut self, name: &str, read: impl Fn(Section<'_>) -> Option<T>) -> Vec<T> {
        let found = child(&self.table, name).cloned();
        self.reader.each_of(&self.path(name), found, read)
    }

    fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }
}

fn child<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match &value.kind {
        ValueKind::Table(table) => table.get(name),
        _ => None,
    }
}

fn tables(value: &Value) -> Option<&[Value]> {
    match &value.kind {
        ValueKind::Array(items) => {
            let all = items.iter().all(|item| matches!(item.kind, ValueKind::Table(_) | ValueKind::Nil));
            all.then_some(items)
        }
        _ => None,
    }
}

/// Where a value was written; a merged table has forgotten that, its first value has not.
fn source(value: &Value) -> Source {
    if let Some(Ok(source)) = value.origin().map(str::parse) {
        return source;
    }
    match &value.kind {
        ValueKind::Table(table) => table.values().map(source).min_by_key(Source::line).unwrap_or(Source::Default),
        _ => Source::Default,
    }
}

/// Whether the key is the other one, or stands below it.
fn is_within(key: &str, other: &str) -> bool {
    key.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Calls `see` for each value that is no table, and for empty tables.
fn leaves(path: &str, value: &Value, see: &mut impl FnMut(&str, &Value)) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match &value.kind {
        ValueKind::Table(table) => table.iter().for_each(|(name, value)| leaves(&below(name), value, see)),
        ValueKind::Array(items) if items.iter().any(|item| matches!(item.kind, ValueKind::Table(_))) => {
            items.iter().enumerate().for_each(|(index, item)| leaves(&format!("{path}[{index}]"), item, see));
        }
        _ => see(path, value),
    }
}
