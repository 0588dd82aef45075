//! What somebody who misspelt a key may have meant.

use std::collections::BTreeSet;

use super::layers::variable_of;
use super::problem::Source;

/// All keys and sections that there are.
pub(super) struct Nearest<'a> {
    keys: &'a BTreeSet<&'a str>,
    sections: BTreeSet<&'a str>,
}

impl<'a> Nearest<'a> {
    pub(super) fn to(keys: &'a BTreeSet<&'a str>) -> Nearest<'a> {
        let mut sections: BTreeSet<&str> =
            keys.iter().filter_map(|key| key.rsplit_once('.')).map(|(section, _)| section).collect();
        sections.insert("classrooms");
        Nearest { keys, sections }
    }

    pub(super) fn is_section(&self, key: &str) -> bool {
        self.sections.contains(key)
    }

    /// What to write instead, in the spelling of where the unknown key was written.
    pub(super) fn suggest(&self, key: &str, source: &Source) -> String {
        let environment = matches!(source, Source::Environment(_));
        let what = if environment { "This variable sets nothing" } else { "This key is not known" };
        let candidates = self.keys.iter().chain(&self.sections).copied();
        let nearest = candidates.min_by_key(|other| distance(key, other));
        match nearest.filter(|other| distance(key, other) * 2 <= name(key).len()) {
            Some(nearest) if environment => format!("{what}. Did you mean {}?", variable_of(nearest)),
            Some(nearest) => format!("{what}. Did you mean {nearest}?"),
            None => format!("{what}. {}", self.all_beside(key)),
        }
    }

    fn all_beside(&self, key: &str) -> String {
        match key.rsplit_once('.').filter(|(section, _)| self.is_section(section)) {
            Some((section, _)) => {
                let all = self.keys.iter().chain(&self.sections);
                let beside = all.filter(|other| section_of(other) == section).map(|other| name(other));
                format!("The keys of {section} are {}.", listed(beside))
            }
            None => {
                let top = self.sections.iter().copied().filter(|section| !section.contains(['.', '[']));
                format!("The sections are {}.", listed(top))
            }
        }
    }
}

/// How many letters to change: in the whole key, or in its name if it only stands in the wrong section.
fn distance(key: &str, other: &str) -> usize {
    let whole = strsim::damerau_levenshtein(key, other);
    whole.min(strsim::damerau_levenshtein(name(key), name(other)) + 1)
}

fn name(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, name)| name)
}

fn section_of(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(section, _)| section)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
