//! One record as bytes: time, idempotency key, messages.

use std::sync::Arc;

use bytes::Bytes;

use super::Damaged;
use super::bytes::{Input, put_bytes, put_number};
use crate::keys::Key;
use crate::{Epoch, Message, Offset, Record};

/// A record and the idempotency key it was stored with: one value, so that no crash separates them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// What readers get.
    pub(crate) record: Arc<Record>,
    /// The key, if the publisher gave one.
    pub(crate) key: Option<Key>,
}

impl Stored {
    /// What stays of a record that was erased: its place and its time. Readers pass over it.
    pub(crate) fn emptied(&self) -> Stored {
        Stored { record: Arc::new(self.record.emptied()), key: None }
    }

    /// `since` is the time of the block; no record of it is older.
    pub(super) fn encode(&self, since: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.record.cost() + 64);
        put_number(&mut out, self.record.time.saturating_sub(since));
        put_key(&mut out, self.key.as_ref());
        put_number(&mut out, self.record.messages.len() as u64);
        self.record.messages.iter().for_each(|message| put_message(&mut out, message));
        out
    }

    pub(super) fn decode(bytes: &[u8], since: u64, epoch: Epoch, offset: Offset) -> Result<Stored, Damaged> {
        let input = &mut Input(bytes);
        let time = since.saturating_add(input.number()?);
        let key = key(input)?;
        let count = input.size()?;
        let messages = (0..count).map(|_| message(input)).collect::<Result<_, _>>()?;
        if !input.is_empty() {
            return Err(Damaged);
        }
        Ok(Stored { record: Arc::new(Record { epoch, offset, time, messages }), key })
    }
}

/// 0, or 1 and the text; or 2, the text and the digest of what was said to other logs.
fn put_key(out: &mut Vec<u8>, key: Option<&Key>) {
    let Some(Key { text, elsewhere }) = key else { return out.push(0) };
    out.push(if elsewhere.is_some() { 2 } else { 1 });
    put_bytes(out, text.as_bytes());
    out.extend(elsewhere.iter().flatten());
}

fn key(input: &mut Input<'_>) -> Result<Option<Key>, Damaged> {
    let kind = input.byte()?;
    if kind == 0 {
        return Ok(None);
    }
    let text = input.text()?.into();
    let elsewhere = match kind {
        1 => None,
        2 => Some(input.array()?),
        _ => return Err(Damaged),
    };
    Ok(Some(Key { text, elsewhere }))
}

fn put_message(out: &mut Vec<u8>, message: &Message) {
    put_bytes(out, message.destination.as_bytes());
    put_optional(out, message.publisher.as_deref());
    put_number(out, message.headers.len() as u64);
    for (name, value) in &message.headers {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
    put_bytes(out, &message.body);
}

fn message(input: &mut Input<'_>) -> Result<Message, Damaged> {
    let destination = input.text()?.into();
    let publisher = optional(input)?;
    let count = input.size()?;
    let headers = (0..count).map(|_| Ok((input.text()?.into(), input.text()?.into()))).collect::<Result<_, _>>()?;
    let body = Bytes::copy_from_slice(input.bytes()?);
    Ok(Message { destination, headers, body, publisher })
}

fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_bytes(out, text.as_bytes());
    }
}

fn optional(input: &mut Input<'_>) -> Result<Option<Box<str>>, Damaged> {
    match input.byte()? {
        0 => Ok(None),
        1 => Ok(Some(input.text()?.into())),
        _ => Err(Damaged),
    }
}
