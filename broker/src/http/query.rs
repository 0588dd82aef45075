//! The query of a request: `name=value` with `&` between, percent-encoded UTF-8.

use homeroom_protocol::Refusal;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::refusals::{bad_request, shorten};

/// Names and values in their order. `+` is a space, as forms write it.
///
/// # Errors
/// What is no UTF-8: a name read half would mean another place.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// A text as the value of a parameter.
pub(super) fn encoded(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

fn decoded(text: &str) -> Result<String, Refusal> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| {
        let reason = format!("\"{}\" in the query is not percent-encoded UTF-8", shorten(text));
        bad_request(&reason, "Encode the query as encodeURIComponent does.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_once() {
        let read = pairs("destination=%2Ftopic%2F7b%2Fa%252Fb&header=x:a+b%2B&&flag").expect("UTF-8");
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(read, [("destination", "/topic/7b/a%2Fb"), ("header", "x:a b+"), ("flag", "")]);
        assert!(pairs("destination=%ff").is_err());
        let written = format!("destination={}", encoded("/topic/7b/a b%&=ü"));
        assert_eq!(pairs(&written).expect("UTF-8")[0].1, "/topic/7b/a b%&=ü");
    }
}
