//! What is published: `{"book":"Momo","sold":7}`, with a number that says which it is.

/// The update with this number, from 1 on.
pub(super) fn update(number: u64) -> String {
    format!("{{\"book\":\"Momo\",\"sold\":{number}}}")
}

/// The numbers of all updates in a text, in whatever it is wrapped.
pub(super) fn updates(text: &[u8]) -> impl Iterator<Item = u64> {
    const NAME: &[u8] = b"sold";
    let behind = |at: usize| &text[at + NAME.len()..];
    let found = text.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    found.filter_map(move |(at, _)| {
        let digits = behind(at).iter().skip_while(|byte| matches!(byte, b'"' | b'\\' | b':'));
        let digits = digits.take_while(|byte| byte.is_ascii_digit());
        digits.fold(None, |number: Option<u64>, digit| {
            number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_found_in_whatever_they_are_wrapped() {
        let page = serde_json::json!({ "messages": [{ "body": update(7) }, { "body": update(12) }] }).to_string();
        let events = format!("id: 1:7\nevent: top-seller\ndata: {}\n\n", update(7));
        assert_eq!(updates(page.as_bytes()).collect::<Vec<_>>(), [7, 12]);
        assert_eq!(updates(events.as_bytes()).collect::<Vec<_>>(), [7]);
        assert_eq!(updates(b"nothing is sold here").count(), 0);
    }
}
