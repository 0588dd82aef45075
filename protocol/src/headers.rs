//! Headers of a frame: an ordered list that allows repetition.

use std::fmt;

/// Names and values in order, unescaped. All text lies in one buffer, whatever
/// the number of headers.
#[derive(Clone, Default)]
pub struct Headers {
    text: String,
    spans: Vec<Span>,
}

/// Where one header lies in the text.
#[derive(Clone, Copy)]
struct Span {
    name_start: u32,
    name_end: u32,
    value_start: u32,
    value_end: u32,
}

impl Headers {
    /// No headers. Allocates nothing.
    #[must_use]
    pub fn new() -> Headers {
        Headers::default()
    }

    /// The value of the first header of this name.
    ///
    /// STOMP 1.2, Repeated Header Entries: "if a client or a server receives
    /// repeated frame header entries, only the first header entry SHOULD be used".
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Whether there is a header of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a header behind the others.
    ///
    /// # Panics
    ///
    /// When all headers together would pass 4 GiB.
    pub fn push(&mut self, name: &str, value: &str) {
        let name_start = self.text.len();
        self.text.push_str(name);
        let value_start = self.text.len();
        self.text.push_str(value);
        self.spans.push(Span {
            name_start: offset(name_start),
            name_end: offset(value_start),
            value_start: offset(value_start),
            value_end: offset(self.text.len()),
        });
    }

    /// Takes all headers of this name away. Says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.spans.len();
        let text = &self.text;
        self.spans.retain(|span| span.name(text) != name);
        before != self.spans.len()
    }

    /// Takes all headers of this name away and gives the value of the first.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?.to_owned();
        self.remove(name);
        Some(value)
    }

    /// Names and values in order, repeated ones included.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { text: &self.text, spans: self.spans.iter() }
    }

    /// How many there are, repeated ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// What this list keeps on the heap, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.text.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// Strips white space around the values.
    ///
    /// STOMP 1.2, Value Encoding: "The STOMP 1.0 specification included many example
    /// frames with padding in the headers", later ones "MUST never trim or pad".
    pub(crate) fn trim_values(&mut self) {
        for span in &mut self.spans {
            let value = span.value(&self.text);
            let leading = value.len() - value.trim_start().len();
            let length = value.trim().len();
            span.value_start += offset(leading);
            span.value_end = span.value_start + offset(length);
        }
    }

    /// A list over a copy of text that holds names and values already; `mark` adds them.
    pub(crate) fn over(text: &str, count: usize) -> Headers {
        Headers { text: text.to_owned(), spans: Vec::with_capacity(count) }
    }

    /// Adds the header whose name and value lie at these offsets of the text.
    #[inline]
    pub(crate) fn mark(&mut self, name: (usize, usize), value: (usize, usize)) {
        self.spans.push(Span {
            name_start: offset(name.0),
            name_end: offset(name.1),
            value_start: offset(value.0),
            value_end: offset(value.1),
        });
    }
}

#[inline]
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("headers are limited long before 4 GiB")
}

impl Span {
    fn name(self, text: &str) -> &str {
        &text[self.name_start as usize..self.name_end as usize]
    }

    fn value(self, text: &str) -> &str {
        &text[self.value_start as usize..self.value_end as usize]
    }
}

/// Goes over [`Headers`] in order.
#[derive(Clone)]
pub struct Iter<'a> {
    text: &'a str,
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.spans.next().map(|span| (span.name(self.text), span.value(self.text)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in pairs {
            headers.push(name, value);
        }
        headers
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

/// Shows all but secrets, so that a header list may stand in a log.
impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &'_ str| !SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name));
        formatter
            .debug_map()
            .entries(self.iter().map(|(name, value)| (name, if shown(name) { value } else { "***" })))
            .finish()
    }
}

/// Headers whose values never stand in a log.
const SECRET: [&str; 5] = ["passcode", "authorization", "token", "cookie", "x-authorization"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_repeated_headers_wins() {
        let headers: Headers = [("foo", "1"), ("bar", "2"), ("foo", "3")].into_iter().collect();
        assert_eq!(headers.get("foo"), Some("1"));
        assert_eq!(headers.len(), 3);
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("foo", "1"), ("bar", "2"), ("foo", "3")]);
    }

    #[test]
    fn removing_takes_all_of_a_name() {
        let mut headers: Headers = [("foo", "1"), ("bar", "2"), ("foo", "3")].into_iter().collect();
        assert_eq!(headers.take("foo").as_deref(), Some("1"));
        assert!(!headers.contains("foo"));
        assert!(!headers.remove("foo"));
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("bar", "2")]);
    }

    #[test]
    fn order_counts_for_equality_and_storage_does_not() {
        let mut left: Headers = [("gone", "x"), ("a", "1"), ("b", "2")].into_iter().collect();
        left.remove("gone");
        let right: Headers = [("a", "1"), ("b", "2")].into_iter().collect();
        let turned: Headers = [("b", "2"), ("a", "1")].into_iter().collect();
        assert_eq!(left, right);
        assert_ne!(left, turned);
    }

    #[test]
    fn values_are_trimmed_in_place() {
        let mut headers: Headers = [("a", "  x y\t"), ("b", " "), ("c", "z")].into_iter().collect();
        headers.trim_values();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("a", "x y"), ("b", ""), ("c", "z")]);
    }
}
