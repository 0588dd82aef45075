//! One segment of a name: from the client's spelling to the one that names are compared in.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

use super::DestinationError;
use super::pattern::Segment;

/// Letters with a meaning of their own in a path.
const RESERVED: [char; 7] = ['%', '*', '#', '>', '$', '.', '/'];

/// One segment as written; `None` if it is empty.
pub(super) fn segment(written: &str) -> Option<Result<Segment, DestinationError>> {
    match written {
        "" => None,
        "*" => Some(Ok(Segment::One)),
        "**" | "#" | ">" => Some(Ok(Segment::Rest)),
        _ => Some(literal(written).map(Segment::Literal)),
    }
}

/// A segment's canonical spelling: decoded once, the reserved letters encoded again. A `$` that was written
/// plainly at the beginning keeps its meaning.
pub(super) fn literal(written: &str) -> Result<Box<str>, DestinationError> {
    let (mark, text) = written.strip_prefix('$').map_or(("", written), |rest| ("$", rest));
    let decoded = decode(text).ok_or_else(|| DestinationError::Encoding(written.to_owned()))?;
    Ok(format!("{mark}{}", segment_of(&decoded)?).into())
}

/// The canonical spelling of a text that is no destination, such as a user's name, as one segment of a path.
///
/// # Errors
/// Control characters.
pub fn segment_of(text: &str) -> Result<String, DestinationError> {
    if text.chars().any(char::is_control) {
        return Err(DestinationError::Control);
    }
    let mut canonical = String::with_capacity(text.len());
    for letter in text.chars() {
        if RESERVED.contains(&letter) {
            write!(canonical, "%{:02X}", u32::from(letter)).expect("writing to a String cannot fail");
        } else {
            canonical.push(letter);
        }
    }
    Ok(canonical)
}

/// Percent-decodes; `None` for a `%` without two digits and for bytes that are no UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let well_formed = text
        .split('%')
        .skip(1)
        .all(|part| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
    well_formed.then(|| percent_decode_str(text).decode_utf8().ok())?
}
