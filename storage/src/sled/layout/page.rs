//! Pages: a hundred small things in one value.

use std::ops::RangeInclusive;

use super::bytes::{Input, put_bytes, put_number, seal, unseal};
use super::{Damaged, VALUE_BYTES_MAX};
use crate::Offset;
use crate::keys::Known;

/// Room for content beside the checksum.
pub(crate) const PAGE_BYTES_MAX: usize = VALUE_BYTES_MAX - 4;
/// How many idempotency keys a page takes.
pub(crate) const KEYS_PER_PAGE: usize = 110;

/// A cursor, or a share of one with many ranges: shares are merged when they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CursorShare<'a> {
    /// The log, by id; that names its epoch too.
    pub(crate) log: u32,
    pub(crate) owner: &'a str,
    pub(crate) name: &'a str,
    pub(crate) offset: u64,
    pub(crate) delivered: u64,
    pub(crate) used: u64,
    pub(crate) above: Vec<RangeInclusive<u64>>,
}

impl<'a> CursorShare<'a> {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_number(out, u64::from(self.log));
        put_bytes(out, self.owner.as_bytes());
        put_bytes(out, self.name.as_bytes());
        put_number(out, self.offset);
        put_number(out, self.delivered);
        put_number(out, self.used);
        put_number(out, self.above.len() as u64);
        let mut reached = self.offset;
        for range in &self.above {
            put_number(out, range.start().saturating_sub(reached));
            put_number(out, range.end() - range.start());
            reached = *range.end();
        }
    }

    fn take(input: &mut Input<'a>) -> Result<CursorShare<'a>, Damaged> {
        let log = u32::try_from(input.number()?).map_err(|_| Damaged)?;
        let (owner, name) = (input.text()?, input.text()?);
        let (offset, delivered) = (input.number()?, input.number()?);
        let (used, count) = (input.number()?, input.size()?);
        let mut above = Vec::new();
        let mut reached = offset;
        for _ in 0..count {
            let first = reached.checked_add(input.number()?).ok_or(Damaged)?;
            reached = first.checked_add(input.number()?).ok_or(Damaged)?;
            above.push(first..=reached);
        }
        Ok(CursorShare { log, owner, name, offset, delivered, used, above })
    }
}

/// The shares on a page.
pub(crate) fn cursor_shares<'a>(key: &[u8], value: &'a [u8]) -> Result<Vec<CursorShare<'a>>, Damaged> {
    let mut input = Input(unseal(key, value)?);
    let mut shares = Vec::new();
    while !input.is_empty() {
        shares.push(CursorShare::take(&mut input)?);
    }
    Ok(shares)
}

/// A page of content that fits.
pub(crate) fn sealed(key: &[u8], content: &[u8]) -> Vec<u8> {
    seal(key, content)
}

/// A page of idempotency keys.
pub(crate) fn encode_keys(key: &[u8], keys: &[Known]) -> Vec<u8> {
    let mut out = Vec::with_capacity(keys.len() * 44);
    for known in keys {
        out.extend_from_slice(&known.key);
        out.extend_from_slice(&known.content);
        put_number(&mut out, known.offset.0);
        put_number(&mut out, known.time);
    }
    seal(key, &out)
}

/// The keys on a page.
pub(crate) fn decode_keys(key: &[u8], value: &[u8]) -> Result<Vec<Known>, Damaged> {
    let mut input = Input(unseal(key, value)?);
    let mut keys = Vec::new();
    while !input.is_empty() {
        let (key, content) = (input.array()?, input.array()?);
        keys.push(Known { key, content, offset: Offset(input.number()?), time: input.number()? });
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_cursors_come_back() {
        let share = |name, above: &[RangeInclusive<u64>]| CursorShare {
            log: 7,
            owner: "user:alice",
            name,
            offset: 40,
            delivered: 41,
            used: 1_790_000_000_000,
            above: above.to_vec(),
        };
        let shares = [share("quiz", &[]), share("board", &[42..=42, 50..=60])];
        let mut content = Vec::new();
        shares.iter().for_each(|share| share.put(&mut content));
        assert!(content.len() < 100, "a cursor costs some forty bytes");
        assert_eq!(cursor_shares(b"c1", &sealed(b"c1", &content)).unwrap(), shares);
    }

    #[test]
    fn a_full_page_of_keys_fits() {
        let known = Known { key: [1; 16], content: [2; 16], offset: Offset(u64::MAX), time: u64::MAX };
        let page = encode_keys(b"k1", &[known; KEYS_PER_PAGE]);
        assert!(page.len() <= VALUE_BYTES_MAX);
        assert_eq!(decode_keys(b"k1", &page).unwrap(), [known; KEYS_PER_PAGE]);
    }
}
