//! How header names and values are spelled, by version.
//!
//! | | 1.0, CONNECT, CONNECTED | 1.1 | 1.2 |
//! | --- | --- | --- | --- |
//! | LF | cannot be spelled | `\n` | `\n` |
//! | `:` | as itself, in values | `\c` | `\c` |
//! | `\` | as itself | `\\` | `\\` |
//! | CR | cannot be spelled | cannot be spelled | `\r` |
//! | NUL | cannot be spelled | cannot be spelled | cannot be spelled |
//!
//! What cannot be spelled is written as a space, so that no header can make
//! another header or end its frame.

use crate::Version;

/// An escape that the version does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undefined;

/// Appends what `text` means to `out`.
pub(crate) fn unescape(out: &mut String, version: Version, text: &str) -> Result<(), Undefined> {
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut characters = escaped.chars();
        out.push(match (characters.next(), version) {
            (Some('n'), _) => '\n',
            (Some('c'), _) => ':',
            (Some('\\'), _) => '\\',
            (Some('r'), Version::V1_2) => '\r',
            // STOMP 1.2, Value Encoding: "Undefined escape sequences such as \t …
            // MUST be treated as a fatal protocol error."
            _ => return Err(Undefined),
        });
        rest = characters.as_str();
    }
    out.push_str(rest);
    Ok(())
}

/// Appends `text` as a header value of `version` spells it.
pub(crate) fn escape(out: &mut Vec<u8>, version: Version, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(position) = rest.iter().position(|byte| is_special(*byte)) {
        out.extend_from_slice(&rest[..position]);
        out.extend_from_slice(spelling(version, rest[position]));
        rest = &rest[position + 1..];
    }
    out.extend_from_slice(rest);
}

/// Whether a header of this name can be written at all: an empty name never,
/// one with a colon only where colons are escaped.
pub(crate) fn can_be_name(version: Version, name: &str) -> bool {
    !name.is_empty() && (version > Version::V1_0 || !name.contains(':'))
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b':' | b'\n' | b'\r' | 0)
}

fn spelling(version: Version, byte: u8) -> &'static [u8] {
    match (byte, version) {
        (b'\\', Version::V1_0) => b"\\",
        (b':', Version::V1_0) => b":",
        (b'\\', _) => b"\\\\",
        (b':', _) => b"\\c",
        (b'\n', Version::V1_1 | Version::V1_2) => b"\\n",
        (b'\r', Version::V1_2) => b"\\r",
        _ => b" ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{V1_0, V1_1, V1_2};

    fn escaped(version: Version, text: &str) -> String {
        let mut out = Vec::new();
        escape(&mut out, version, text);
        String::from_utf8(out).unwrap()
    }

    fn unescaped(version: Version, text: &str) -> Option<String> {
        let mut out = String::new();
        unescape(&mut out, version, text).is_ok().then_some(out)
    }

    #[test]
    fn spelled_and_read_back() {
        let table = [
            (V1_1, "plain", "plain"),
            (V1_1, "a:b", "a\\cb"),
            (V1_1, "a\nb", "a\\nb"),
            (V1_1, "a\\b", "a\\\\b"),
            (V1_1, "\\n", "\\\\n"),
            (V1_2, "a\r\nb", "a\\r\\nb"),
            (V1_2, ":", "\\c"),
            (V1_2, "\\\\", "\\\\\\\\"),
            (V1_2, "ä:ö", "ä\\cö"),
            (V1_2, "", ""),
        ];
        for (version, meant, spelled) in table {
            assert_eq!(escaped(version, meant), spelled, "{version} {meant:?}");
            assert_eq!(unescaped(version, spelled).as_deref(), Some(meant), "{version} {spelled:?}");
        }
    }

    #[test]
    fn undefined_escapes_are_refused() {
        for spelled in ["\\t", "\\", "a\\", "\\N", "\\:", "\\ä", "\\\\\\"] {
            assert_eq!(unescaped(V1_1, spelled), None, "{spelled:?}");
            assert_eq!(unescaped(V1_2, spelled), None, "{spelled:?}");
        }
        assert_eq!(unescaped(V1_1, "\\r"), None, "CR is escaped since 1.2 only");
    }

    #[test]
    fn what_cannot_be_spelled_becomes_a_space() {
        let table = [
            (V1_0, "a\nb\rc\0d", "a b c d"),
            (V1_0, "a:b\\c", "a:b\\c"),
            (V1_1, "a\rb\0c", "a b c"),
            (V1_2, "a\0c", "a c"),
        ];
        for (version, meant, spelled) in table {
            assert_eq!(escaped(version, meant), spelled, "{version} {meant:?}");
        }
        assert!(!can_be_name(V1_0, "a:b") && can_be_name(V1_1, "a:b") && !can_be_name(V1_2, ""));
    }
}
