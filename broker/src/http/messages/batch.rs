//! A batch as JSON: an array of messages, read one by one, so that an error says
//! which message and which member, and nothing beyond the limits is built.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64;
use homeroom_protocol::Headers;
use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::metrics::Limit;

/// What one message may say.
const MEMBERS: &str =
    "destination, body, body_base64, content_type, headers, correlation_id, reply_to, expires, expiration";

/// How much one batch may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Messages.
    pub(super) messages: usize,
    /// Bytes of one message's body.
    pub(super) body_bytes: usize,
}

/// One message of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    /// If it is not that of the request.
    pub(super) destination: Option<String>,
    pub(super) body: Bytes,
    /// In the words of SEND.
    pub(super) headers: Vec<(String, String)>,
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Which message, from 0; `None` for the batch itself.
    pub(super) index: Option<usize>,
    /// Which member of it.
    pub(super) member: Option<String>,
    /// In words, with the place.
    pub(super) reason: String,
    /// A limit, not a mistake of writing.
    pub(super) limit: Option<Limit>,
}

/// Reads a batch.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn read(json: &[u8], limits: Limits) -> Result<Vec<Item>, Fault> {
    let mut at = At::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = deserializer.deserialize_seq(Batch { limits, at: &mut at });
    let read = read.and_then(|items| deserializer.end().map(|()| items));
    read.map_err(|error| {
        let At { index, member, limit } = at;
        Fault { reason: error.to_string(), index, member, limit }
    })
}

/// Where reading has got to, to be told with an error.
#[derive(Debug, Default)]
struct At {
    index: Option<usize>,
    member: Option<String>,
    limit: Option<Limit>,
}

impl At {
    fn limit<E: de::Error>(&mut self, limit: Limit, reason: impl fmt::Display) -> E {
        self.limit = Some(limit);
        E::custom(reason)
    }
}

struct Batch<'a> {
    limits: Limits,
    at: &'a mut At,
}

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = Vec<Item>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<Item>, A::Error> {
        let (mut items, max) = (Vec::new(), self.limits.messages);
        loop {
            self.at.index = Some(items.len());
            let Some(item) = sequence.next_element_seed(One { limits: self.limits, at: self.at })? else { break };
            if items.len() == max {
                let reason = format_args!("a batch may have {max} messages (limits.transaction_messages)");
                return Err(self.at.limit(Limit::TransactionMessages, reason));
            }
            items.push(item);
        }
        self.at.index = None;
        if items.is_empty() { Err(de::Error::custom("a batch has at least one message")) } else { Ok(items) }
    }
}

struct One<'a> {
    limits: Limits,
    at: &'a mut At,
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = Item;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message, as an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let (mut item, mut seen) = (Item::default(), Vec::new());
        while let Some(member) = map.next_key::<String>()? {
            self.at.member = Some(member.chars().take(64).collect());
            if seen.contains(&member) {
                return Err(de::Error::custom("it is given twice"));
            }
            match &*member {
                "destination" => item.destination = Some(map.next_value()?),
                "body" | "body_base64" if seen.iter().any(|name: &String| name.starts_with("body")) => {
                    return Err(de::Error::custom("body and body_base64 are two ways to say the same; give one"));
                }
                "body" => item.body = map.next_value::<String>()?.into(),
                "body_base64" => item.body = decoded(&map.next_value::<String>()?)?,
                "headers" => map.next_value_seed(Named { headers: &mut item.headers })?,
                "content_type" => item.say("content-type", map.next_value()?),
                "correlation_id" => item.say("correlation-id", map.next_value()?),
                "reply_to" => item.say("reply-to", map.next_value()?),
                "expires" | "expiration" => item.say(&member, map.next_value::<u64>()?.to_string()),
                "persistent" => {
                    return Err(de::Error::custom("a batch is always stored; send what is not to be by itself"));
                }
                _ => return Err(de::Error::custom(format_args!("it is unknown; a message has {MEMBERS}"))),
            }
            let max = self.limits.body_bytes;
            if item.body.len() > max {
                let reason = format_args!("a message may have {max} bytes (limits.body_bytes)");
                return Err(self.at.limit(Limit::BodyBytes, reason));
            }
            seen.push(member);
        }
        self.at.member = None;
        Ok(item)
    }
}

impl Item {
    /// What has a member of its own goes before `headers`, whose repetitions do not count.
    fn say(&mut self, name: &str, value: String) {
        self.headers.insert(0, (name.to_owned(), value));
    }

    /// Its headers, behind these.
    pub(super) fn headers(&self, first: &[(&str, &str)]) -> Headers {
        let own = self.headers.iter().map(|(name, value)| (&**name, &**value));
        first.iter().copied().chain(own).collect()
    }
}

fn decoded<E: de::Error>(text: &str) -> Result<Bytes, E> {
    let decoded = BASE64.decode(text.as_bytes());
    decoded.map(Bytes::from).map_err(|_| E::custom("it is not base64 (RFC 4648, section 4, with padding)"))
}

/// Further headers, all texts.
struct Named<'a> {
    headers: &'a mut Vec<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object whose values are texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(header) = map.next_entry::<String, String>()? {
            self.headers.push(header);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { messages: 3, body_bytes: 8 };

    #[test]
    fn a_batch_is_read() {
        let json = r#"[{"body":"B","headers":{"x":"1"},"content_type":"text/plain"},
                       {"destination":"/topic/7b","body_base64":"AAH/","expires":12,"correlation_id":"c"}, {}]"#;
        let items = read(json.as_bytes(), LIMITS).expect("a batch");
        assert_eq!((&*items[0].body, &items[0].destination), (&b"B"[..], &None));
        let headers = items[0].headers(&[("idempotency-key", "k")]);
        let headers: Vec<(&str, &str)> = headers.iter().collect();
        assert_eq!(headers, [("idempotency-key", "k"), ("content-type", "text/plain"), ("x", "1")]);
        assert_eq!((&*items[1].body, items[1].destination.as_deref()), (&[0, 1, 255][..], Some("/topic/7b")));
        assert_eq!(items[1].headers(&[]).get("expires"), Some("12"));
        assert_eq!(items[2], Item::default());
    }

    #[test]
    fn an_error_names_the_message_and_the_member() {
        for (json, index, member, words) in [
            ("", None, None, "EOF"),
            ("{}", None, None, "array of messages"),
            ("[]", None, None, "at least one"),
            ("[{}] x", None, None, "trailing"),
            ("[{},5]", Some(1), None, "an object"),
            ("[{},{\"body\":5}]", Some(1), Some("body"), "expected a string"),
            ("[{\"body\":\"a\",\"body_base64\":\"AA==\"}]", Some(0), Some("body_base64"), "two ways"),
            ("[{\"body\":\"a\",\"body\":\"b\"}]", Some(0), Some("body"), "twice"),
            ("[{\"body_base64\":\"?\"}]", Some(0), Some("body_base64"), "base64"),
            ("[{\"body\":\"123456789\"}]", Some(0), Some("body"), "8 bytes"),
            ("[{\"headers\":{\"x\":1}}]", Some(0), Some("headers"), "expected a string"),
            ("[{\"expires\":-1}]", Some(0), Some("expires"), "expected u64"),
            ("[{\"persistent\":false}]", Some(0), Some("persistent"), "always stored"),
            ("[{\"boby\":\"a\"}]", Some(0), Some("boby"), "content_type"),
            ("[{},{},{},{}]", Some(3), None, "3 messages"),
        ] {
            let fault = read(json.as_bytes(), LIMITS).expect_err(json);
            assert_eq!((fault.index, fault.member.as_deref()), (index, member), "{json}: {fault:?}");
            assert!(fault.reason.contains(words), "{json}: {fault:?}");
            assert_eq!(fault.limit.is_some(), words == "8 bytes" || words == "3 messages", "{json}");
        }
    }
}
