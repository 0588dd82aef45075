//! What the bytes in the store mean. Nobody else knows.
//!
//! One tree; the first byte of a key says what it is, so that one commit, and
//! where needed one atomic batch, covers everything:
//!
//! | Key | Value |
//! | --- | --- |
//! | `b`, log id `u32`, first offset `u64` | [`block`]: records of one commit, at most 6 KiB |
//! | the same and part `u16` | the next part of a record longer than a block |
//! | `c`, page `u32` | [`page`]: about a hundred cursors |
//! | `k`, log id `u32`, offset `u64` | [`page`]: keys of records that retention took before their day was over |
//! | `l`, log id `u32` | [`entry`]: name, epoch, retention, what is trimmed |
//! | `m`, text | the format version; the next log id |
//!
//! Numbers in keys are big-endian, so that the order of keys is the order of
//! records. Every value carries a CRC-32 over its key and itself.

pub(crate) mod block;
mod bytes;
pub(crate) mod entry;
pub(crate) mod page;
mod record;

use std::ops::RangeInclusive;

pub(crate) use self::record::Stored;

/// The format this program writes.
pub(crate) const FORMAT: u32 = 1;
/// Where the format version is.
pub(crate) const FORMAT_KEY: &[u8] = b"mformat";
/// Where the next log id is.
pub(crate) const NEXT_ID_KEY: &[u8] = b"mnext";
/// No value is larger: sixteen of them share one of sled's leaves, and a leaf over 128 KiB would become a blob.
pub(crate) const VALUE_BYTES_MAX: usize = 6 * 1024;

const BLOCK: u8 = b'b';
const CURSORS: u8 = b'c';
const KEYS: u8 = b'k';
const ENTRY: u8 = b'l';

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// A value that is not what was written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its checksum or its form is wrong")]
pub(crate) struct Damaged;

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockKey {
    /// The log's id.
    pub(crate) log: u32,
    /// The offset of its first record.
    pub(crate) first: u64,
    /// 0, or which part of a long record it is.
    pub(crate) part: u16,
}

impl BlockKey {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut key = numbered(BLOCK, self.log);
        key.extend_from_slice(&self.first.to_be_bytes());
        if self.part > 0 {
            key.extend_from_slice(&self.part.to_be_bytes());
        }
        key
    }

    pub(crate) fn parse(key: &[u8]) -> Option<BlockKey> {
        let (log, rest) = key.strip_prefix(&[BLOCK])?.split_first_chunk::<4>()?;
        let (first, part) = rest.split_first_chunk::<8>()?;
        let part = if part.is_empty() { [0, 0] } else { part.try_into().ok()? };
        Some(BlockKey {
            log: u32::from_be_bytes(*log),
            first: u64::from_be_bytes(*first),
            part: u16::from_be_bytes(part),
        })
    }
}

/// All blocks of a log whose first offset is in the range.
pub(crate) fn blocks(log: u32, first: u64, last: u64) -> RangeInclusive<Vec<u8>> {
    let low = BlockKey { log, first, part: 0 };
    let high = BlockKey { log, first: last, part: u16::MAX };
    low.to_bytes()..=high.to_bytes()
}

/// Where a page of cursors lies.
pub(crate) fn cursor_page(page: u32) -> Vec<u8> {
    numbered(CURSORS, page)
}

/// The number of a page of cursors.
pub(crate) fn cursor_page_number(key: &[u8]) -> Option<u32> {
    number(CURSORS, key)
}

/// All pages of cursors.
pub(crate) const CURSOR_PAGES: [u8; 1] = [CURSORS];

/// Where a page of keys lies that begins with the key of this record.
pub(crate) fn key_page(log: u32, first: u64) -> Vec<u8> {
    let mut key = numbered(KEYS, log);
    key.extend_from_slice(&first.to_be_bytes());
    key
}

/// All pages of keys of one log.
pub(crate) fn key_pages(log: u32) -> Vec<u8> {
    numbered(KEYS, log)
}

/// Where a log's entry lies.
pub(crate) fn entry_key(log: u32) -> Vec<u8> {
    numbered(ENTRY, log)
}

/// The id of the log an entry belongs to.
pub(crate) fn entry_id(key: &[u8]) -> Option<u32> {
    number(ENTRY, key)
}

/// All entries.
pub(crate) const ENTRIES: [u8; 1] = [ENTRY];

fn numbered(kind: u8, number: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(15);
    key.push(kind);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn number(kind: u8, key: &[u8]) -> Option<u32> {
    key.strip_prefix(&[kind])?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_the_records_do() {
        let key = |log, first, part| BlockKey { log, first, part };
        let sorted = [key(1, 1, 0), key(1, 1, 1), key(1, 1, 300), key(1, 2, 0), key(1, 300, 0), key(2, 1, 0)];
        let bytes: Vec<_> = sorted.iter().map(|key| key.to_bytes()).collect();
        assert!(bytes.is_sorted());
        assert!(bytes.iter().zip(sorted).all(|(bytes, key)| BlockKey::parse(bytes) == Some(key)));
        assert!(blocks(1, 1, 2).contains(&key(1, 2, 7).to_bytes()));
        assert!(!blocks(1, 2, 2).contains(&key(1, 1, 7).to_bytes()));
    }
}
