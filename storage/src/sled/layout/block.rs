//! A block: records of one log that were committed together, or one part of a long record.
//!
//! `crc u32 | version u8 | flags u8 | count | previous | previous keyed | records before | bytes before | time | records`
//!
//! What came before is counted since the log began, so that opening a store
//! needs the first and the last block of a log and none between.

use super::bytes::{Input, number_len, put_bytes, put_number, seal, unseal};
use super::{BlockKey, Damaged, Pair, Stored, VALUE_BYTES_MAX};
use crate::{Epoch, Offset};

const VERSION: u8 = 1;
/// The record goes on in the next part.
const MORE: u8 = 1;
/// The part of a record that began in an earlier one.
const CONTINUED: u8 = 2;
/// Some record has an idempotency key.
const KEYED: u8 = 4;
/// Room for the checksum and a head of the largest numbers.
const HEAD_BYTES_MAX: usize = 4 + 2 + 6 * 10;
/// Room for records.
const CONTENT_BYTES_MAX: usize = VALUE_BYTES_MAX - HEAD_BYTES_MAX;

/// What a block says of itself and of what lies before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// How many records it holds; 1 for the first part of a long one, 0 for the others.
    pub(crate) count: u64,
    /// The offset before its first; a larger distance to the block before it is a hole.
    pub(crate) previous: u64,
    /// The first offset of the last block before it with idempotency keys; 0 if there is none.
    pub(crate) previous_keyed: u64,
    /// Records of the log before it, trimmed ones included.
    pub(crate) records_before: u64,
    /// Their cost.
    pub(crate) bytes_before: u64,
    /// The time of its first record, milliseconds since 1970.
    pub(crate) time: u64,
    /// Whether it has keys itself.
    pub(crate) keyed: bool,
    /// Whether its record goes on in the next part.
    pub(crate) more: bool,
    /// Whether its record began in an earlier part.
    pub(crate) continued: bool,
}

/// A block whose checksum is right.
#[derive(Clone, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) head: Head,
    content: &'a [u8],
}

impl<'a> Block<'a> {
    /// Checks and takes apart a value.
    pub(crate) fn parse(key: &[u8], value: &'a [u8]) -> Result<Block<'a>, Damaged> {
        let mut input = Input(unseal(key, value)?);
        if input.byte()? != VERSION {
            return Err(Damaged);
        }
        let flags = input.byte()?;
        let head = Head {
            count: input.number()?,
            previous: input.number()?,
            previous_keyed: input.number()?,
            records_before: input.number()?,
            bytes_before: input.number()?,
            time: input.number()?,
            keyed: flags & KEYED != 0,
            more: flags & MORE != 0,
            continued: flags & CONTINUED != 0,
        };
        Ok(Block { head, content: input.0 })
    }

    /// The records of a block that is whole in itself.
    pub(crate) fn records(&self, key: BlockKey, epoch: Epoch) -> Result<Vec<Stored>, Damaged> {
        let mut input = Input(self.content);
        (key.first..key.first + self.head.count)
            .map(|offset| Stored::decode(input.bytes()?, self.head.time, epoch, Offset(offset)))
            .collect()
    }

    /// Its share of a long record.
    pub(crate) fn part(&self) -> &'a [u8] {
        self.content
    }
}

/// A long record whose parts have been put together.
pub(crate) fn joined(parts: &[u8], head: Head, key: BlockKey, epoch: Epoch) -> Result<Stored, Damaged> {
    Stored::decode(parts, head.time, epoch, Offset(key.first))
}

/// Packs the records of one log into blocks.
#[derive(Debug)]
pub(crate) struct Packer {
    log: u32,
    head: Head,
    first: u64,
    content: Vec<u8>,
    cost: u64,
    packed: Vec<Pair>,
}

impl Packer {
    /// Begins after what is stored: `before.previous` is the last offset, the other numbers count what is there.
    pub(crate) fn new(log: u32, before: Head) -> Packer {
        let head = Head { count: 0, keyed: false, more: false, continued: false, ..before };
        Packer { log, head, first: 0, content: Vec::new(), cost: 0, packed: Vec::new() }
    }

    /// Adds the next record, in the order of offsets.
    pub(crate) fn push(&mut self, stored: &Stored) {
        let mut bytes = stored.encode(self.head.time);
        if self.content.len() + framed_len(&bytes) > CONTENT_BYTES_MAX {
            self.close_block();
        }
        if self.head.count == 0 {
            self.first = stored.record.offset.0;
            self.head.time = stored.record.time;
            // Shorter than before: its time is the block's.
            bytes = stored.encode(self.head.time);
        }
        self.cost += stored.record.cost() as u64;
        self.head.keyed |= stored.key.is_some();
        if framed_len(&bytes) > CONTENT_BYTES_MAX {
            self.push_long(&bytes);
        } else {
            self.head.count += 1;
            put_bytes(&mut self.content, &bytes);
        }
    }

    /// The blocks so far; the next record begins another.
    pub(crate) fn take(&mut self) -> Vec<Pair> {
        self.close_block();
        std::mem::take(&mut self.packed)
    }

    /// How many blocks [`Packer::take`] would give at least.
    pub(crate) fn packed(&self) -> usize {
        self.packed.len()
    }

    /// What the next block says of those before it. Called after [`Packer::take`].
    pub(crate) fn end(&self) -> Head {
        self.head
    }

    /// In two parts at least: one that is alone would be read as a block of framed records.
    fn push_long(&mut self, bytes: &[u8]) {
        let room = CONTENT_BYTES_MAX.min(bytes.len() - 1);
        let last = bytes.chunks(room).count() - 1;
        for (part, chunk) in bytes.chunks(room).enumerate() {
            let (count, more, continued) = (u64::from(part == 0), part < last, part > 0);
            let head = Head { count, more, continued, ..self.head };
            let part = u16::try_from(part).expect("the largest record has fewer parts");
            self.packed.push(sealed(BlockKey { log: self.log, first: self.first, part }, head, chunk));
        }
        self.head.count = 1;
        self.content.clear();
        self.pass_over();
    }

    fn close_block(&mut self) {
        if self.head.count > 0 {
            let key = BlockKey { log: self.log, first: self.first, part: 0 };
            let content = std::mem::take(&mut self.content);
            self.packed.push(sealed(key, self.head, &content));
            self.pass_over();
        }
    }

    fn pass_over(&mut self) {
        self.head.previous = self.first + self.head.count - 1;
        if self.head.keyed {
            self.head.previous_keyed = self.first;
        }
        self.head.records_before += self.head.count;
        self.head.bytes_before += std::mem::take(&mut self.cost);
        self.head.count = 0;
        self.head.keyed = false;
    }
}

/// What a record takes of a block that is whole in itself.
fn framed_len(record: &[u8]) -> usize {
    number_len(record.len() as u64) + record.len()
}

fn sealed(key: BlockKey, head: Head, content: &[u8]) -> Pair {
    let mut out = Vec::with_capacity(HEAD_BYTES_MAX + content.len());
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.push(VERSION);
    out.push(flag(head.more, MORE) | flag(head.continued, CONTINUED) | flag(head.keyed, KEYED));
    for number in [head.count, head.previous, head.previous_keyed, head.records_before, head.bytes_before, head.time] {
        put_number(&mut out, number);
    }
    out.extend_from_slice(content);
    let key = key.to_bytes();
    let value = seal(&key, &out);
    (key, value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::keys::Key;
    use crate::{Message, Record};

    fn stored(offset: u64, body: usize, key: Option<&str>) -> Stored {
        let message = Message {
            destination: "/topic/7b/quiz".into(),
            headers: Box::new([("content-type".into(), "text/plain".into())]),
            body: Bytes::from(vec![b'x'; body]),
            publisher: Some("teacher".into()),
        };
        let record = Record { epoch: Epoch(9), offset: Offset(offset), time: 1_000, messages: Box::new([message]) };
        Stored { record: Arc::new(record), key: key.map(|text| Key::new(text.into(), &[])) }
    }

    fn pack(records: &[Stored]) -> (Vec<Pair>, Head) {
        let mut packer = Packer::new(3, Head { previous: 10, records_before: 10, ..Head::default() });
        records.iter().for_each(|record| packer.push(record));
        let blocks = packer.take();
        (blocks, packer.end())
    }

    #[test]
    fn small_records_share_blocks_that_know_what_came_before() {
        let records: Vec<_> = (11..111).map(|offset| stored(offset, 200, (offset == 50).then_some("k"))).collect();
        let (blocks, end) = pack(&records);
        let mut seen = Vec::new();
        let mut cost = 0;
        for (key, value) in &blocks {
            assert!(value.len() <= VALUE_BYTES_MAX);
            let at = BlockKey::parse(key).unwrap();
            let block = Block::parse(key, value).unwrap();
            assert_eq!((block.head.previous + 1, block.head.records_before), (at.first, at.first - 1));
            assert_eq!(block.head.bytes_before, cost);
            seen.extend(block.records(at, Epoch(9)).unwrap());
            cost = seen.iter().map(|stored| stored.record.cost() as u64).sum();
        }
        assert_eq!(seen, records);
        assert_eq!((end.previous, end.records_before, end.bytes_before), (110, 110, cost));
        assert!(end.previous_keyed <= 50 && end.previous_keyed > 0);
    }

    #[test]
    fn a_long_record_continues_in_parts_and_small_ones_stand_around_it() {
        let records = [stored(11, 10, None), stored(12, 100_000, Some("k")), stored(13, 10, None)];
        let (blocks, end) = pack(&records);
        let parts: Vec<_> = blocks.iter().map(|(key, _)| BlockKey::parse(key).unwrap()).collect();
        assert_eq!(parts.iter().filter(|key| key.first == 12).count(), blocks.len() - 2);
        let mut joined_bytes = Vec::new();
        let head = Block::parse(&blocks[1].0, &blocks[1].1).unwrap().head;
        for (key, value) in &blocks[1..blocks.len() - 1] {
            assert!(value.len() <= VALUE_BYTES_MAX);
            joined_bytes.extend_from_slice(Block::parse(key, value).unwrap().part());
        }
        assert_eq!(joined(&joined_bytes, head, parts[1], Epoch(9)).unwrap(), records[1]);
        assert_eq!((end.previous, end.previous_keyed, end.records_before), (13, 12, 13));
    }

    #[test]
    fn a_record_of_any_length_about_that_of_a_block_comes_back() {
        for body in CONTENT_BYTES_MAX - 120..CONTENT_BYTES_MAX + 20 {
            let records = [stored(11, body, Some("k")), stored(12, 10, None)];
            let (blocks, end) = pack(&records);
            let (key, value) = &blocks[0];
            let (at, block) = (BlockKey::parse(key).unwrap(), Block::parse(key, value).unwrap());
            let first = if block.head.more {
                let parts: Vec<_> =
                    blocks.iter().filter(|(key, _)| BlockKey::parse(key).unwrap().first == 11).collect();
                let parts: Vec<u8> =
                    parts.iter().flat_map(|(key, value)| Block::parse(key, value).unwrap().part().to_vec()).collect();
                joined(&parts, block.head, at, Epoch(9)).unwrap()
            } else {
                block.records(at, Epoch(9)).unwrap_or_else(|_| panic!("a body of {body} bytes is lost")).remove(0)
            };
            assert!(first == records[0], "a body of {body} bytes");
            assert!(blocks.iter().all(|(_, value)| value.len() <= VALUE_BYTES_MAX) && end.previous == 12);
        }
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let (blocks, _) = pack(&[stored(11, 50, None)]);
        let (key, value) = &blocks[0];
        for bit in 0..value.len() * 8 {
            let mut value = value.clone();
            value[bit / 8] ^= 1 << (bit % 8);
            assert!(Block::parse(key, &value).is_err(), "bit {bit}");
        }
    }
}
