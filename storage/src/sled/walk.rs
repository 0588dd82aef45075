//! From block to block through one log, naming the holes.
//!
//! Every block says which offset lies before it. So a block that is missing or
//! damaged needs no care of its own: it is what the next good one proves.

use sled::IVec;

use super::disk::{Disk, Fault};
use super::layout::block::{self, Block, Head};
use super::layout::{BlockKey, Stored, blocks};
use crate::{Epoch, Offset, OffsetRange};

/// What lies next in a log.
#[derive(Debug)]
pub(crate) enum Step {
    /// The records of one block, or one long record.
    Records(Found),
    /// Offsets that held records which cannot be read.
    Hole(OffsetRange),
}

/// One block, or all parts of a long record.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) key: BlockKey,
    pub(crate) head: Head,
    pub(crate) records: Vec<Stored>,
}

impl Found {
    /// The offset of its last record.
    pub(crate) fn last(&self) -> u64 {
        self.key.first + self.head.count - 1
    }

    /// What their records cost.
    pub(crate) fn cost(&self) -> u64 {
        self.records.iter().map(|stored| stored.record.cost() as u64).sum()
    }
}

/// A walk over the offsets of one log, both ends included.
pub(crate) struct Walk {
    epoch: Epoch,
    blocks: std::iter::Peekable<sled::Iter>,
    /// Everything up to here was looked at.
    reached: u64,
    up_to: u64,
    /// A block that waits behind a hole.
    waiting: Option<Found>,
    is_blocked: bool,
}

impl Walk {
    /// Begins with the block that holds `first`.
    pub(crate) fn new(disk: &Disk, log: u32, epoch: Epoch, first: u64, up_to: u64) -> Result<Walk, Fault> {
        let begin = block_of(disk, log, first)?.map_or(first, |key| key.first);
        let blocks = disk.range(blocks(log, begin, up_to)).peekable();
        Ok(Walk { epoch, blocks, reached: first.saturating_sub(1), up_to, waiting: None, is_blocked: false })
    }

    /// The next step; `None` when everything was looked at.
    pub(crate) fn step(&mut self) -> Result<Option<Step>, Fault> {
        if let Some(found) = self.waiting.take() {
            return Ok(Some(self.arrive(found)));
        }
        while !self.is_blocked
            && let Some(next) = self.blocks.next()
        {
            let Some(found) = self.take(next)? else { continue };
            if found.head.previous > self.reached {
                let hole = self.hole(found.head.previous);
                self.waiting = Some(found);
                return Ok(Some(hole));
            }
            return Ok(Some(self.arrive(found)));
        }
        Ok((self.reached < self.up_to).then(|| self.hole(self.up_to)))
    }

    fn arrive(&mut self, found: Found) -> Step {
        self.reached = self.reached.max(found.last());
        Step::Records(found)
    }

    fn hole(&mut self, last: u64) -> Step {
        let first = self.reached + 1;
        self.reached = last.min(self.up_to);
        Step::Hole(OffsetRange { first: Offset(first), last: Offset(self.reached) })
    }

    /// A block with all its parts; `None` if any of them is not what was written.
    fn take(&mut self, next: Result<(IVec, IVec), sled::Error>) -> Result<Option<Found>, Fault> {
        let (key, value) = match next.map_err(Fault::from) {
            Ok(pair) => pair,
            Err(Fault::Damaged(_)) => {
                // sled cannot pass a page it cannot read: all beyond is one hole.
                self.is_blocked = true;
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        let (Some(at), Ok(block)) = (BlockKey::parse(&key), Block::parse(&key, &value)) else { return Ok(None) };
        if block.head.continued {
            return Ok(None);
        }
        let records = match block.head.more {
            false => block.records(at, self.epoch),
            true => match self.join(at, &block) {
                Some(parts) => block::joined(&parts, block.head, at, self.epoch).map(|stored| vec![stored]),
                None => return Ok(None),
            },
        };
        Ok(records.ok().map(|records| Found { key: at, head: block.head, records }))
    }

    fn join(&mut self, at: BlockKey, begin: &Block<'_>) -> Option<Vec<u8>> {
        let mut parts = begin.part().to_vec();
        for part in 1.. {
            let expected = BlockKey { part, ..at }.to_bytes();
            let is_next = |next: &Result<(IVec, IVec), sled::Error>| matches!(next, Ok((key, _)) if *key == expected);
            let (key, value) = self.blocks.next_if(is_next)?.ok()?;
            let block = Block::parse(&key, &value).ok()?;
            parts.extend_from_slice(block.part());
            if !block.head.more {
                return Some(parts);
            }
        }
        None
    }
}

/// The block that holds an offset, or the last one before it.
pub(crate) fn block_of(disk: &Disk, log: u32, offset: u64) -> Result<Option<BlockKey>, Fault> {
    match disk.range(blocks(log, 0, offset)).next_back() {
        None => Ok(None),
        Some(Ok((key, _))) => Ok(BlockKey::parse(&key).map(|key| BlockKey { part: 0, ..key })),
        Some(Err(error)) => Err(error.into()),
    }
}

/// What the block says that holds an offset; `None` if it is missing or damaged.
pub(crate) fn head_of(disk: &Disk, log: u32, offset: u64) -> Result<Option<(BlockKey, Head)>, Fault> {
    let Some(at) = block_of(disk, log, offset)? else { return Ok(None) };
    let key = at.to_bytes();
    let value = disk.get(&key)?;
    Ok(value.and_then(|value| Block::parse(&key, &value).ok().map(|block| (at, block.head))))
}
