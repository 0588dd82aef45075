//! What headers mean and how they are written, by version.

use homeroom_protocol::Version;

use crate::script::Said;

/// A frame's headers as they are meant.
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    /// Of repeated headers the first counts.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        self.0.retain(|(own, _)| own != name);
        found
    }

    /// In words.
    pub(super) fn told(&self) -> String {
        self.0.iter().map(|(name, value)| format!(" {name}={value:?}")).collect()
    }
}

/// What headers mean; nothing, if they mean nothing in this version.
pub(super) fn read(version: Version, plain: bool, said: &Said) -> Option<Headers> {
    if said.flaw.is_some() {
        return None;
    }
    let meant = said.headers.iter().map(|(name, value)| {
        let value = match version {
            _ if plain => (*value).to_owned(),
            Version::V1_0 => value.trim().to_owned(),
            _ => unescaped(version, value)?,
        };
        Some(((*name).to_owned(), value))
    });
    let mut headers = meant.collect::<Option<Vec<_>>>()?;
    if said.body.contains('\0') {
        headers.push(("content-length".to_owned(), said.body.len().to_string()));
    }
    Some(Headers(headers))
}

fn unescaped(version: Version, written: &str) -> Option<String> {
    let mut meant = String::new();
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        meant.push(match letter {
            '\\' => match letters.next()? {
                'n' => '\n',
                'c' => ':',
                '\\' => '\\',
                'r' if version == Version::V1_2 => '\r',
                _ => return None,
            },
            letter => letter,
        });
    }
    Some(meant)
}

/// How a version writes what is meant. What it cannot write is a space.
pub(super) fn write(version: Version, meant: &str) -> String {
    let spelled = |letter| match (letter, version) {
        ('\n' | '\r', Version::V1_0) | ('\r', Version::V1_1) => " ".to_owned(),
        (letter, Version::V1_0) => letter.to_string(),
        ('\\', _) => "\\\\".to_owned(),
        (':', _) => "\\c".to_owned(),
        ('\n', _) => "\\n".to_owned(),
        ('\r', _) => "\\r".to_owned(),
        (letter, _) => letter.to_string(),
    };
    meant.chars().map(spelled).collect()
}
