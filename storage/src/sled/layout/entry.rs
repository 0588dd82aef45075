//! A log's entry: what the store knows of a log beside its records.

use std::time::Duration;

use super::bytes::{Input, put_bytes, put_number, seal, unseal};
use super::{Damaged, Pair, entry_key};
use crate::{Epoch, LogName, Retention};

/// One log, by its id. Ids are never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The log's name.
    pub(crate) name: LogName,
    /// Its incarnation.
    pub(crate) epoch: Epoch,
    /// Deleted, and not all of it removed yet.
    pub(crate) deleted: bool,
    /// What it keeps.
    pub(crate) retention: Retention,
    /// Everything up to here is gone.
    pub(crate) trimmed: Totals,
}

/// A place in a log, with what was appended up to it since the log began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The offset.
    pub(crate) offset: u64,
    /// How many records there were up to it.
    pub(crate) records: u64,
    /// What they cost together.
    pub(crate) bytes: u64,
}

impl Entry {
    pub(crate) fn encode(&self, log: u32) -> Pair {
        let mut out = vec![u8::from(self.deleted)];
        let Retention { age, bytes, records } = self.retention;
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let Totals { offset, records: trimmed_records, bytes: trimmed_bytes } = self.trimmed;
        for number in [self.epoch.0, age, bytes, records, offset, trimmed_records, trimmed_bytes] {
            put_number(&mut out, number);
        }
        put_bytes(&mut out, self.name.as_str().as_bytes());
        let key = entry_key(log);
        let value = seal(&key, &out);
        (key, value)
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Entry, Damaged> {
        let mut input = Input(unseal(key, value)?);
        let deleted = input.byte()? != 0;
        let epoch = Epoch(input.number()?);
        let age = Duration::from_millis(input.number()?);
        let retention = Retention { age, bytes: input.number()?, records: input.number()? };
        let trimmed = Totals { offset: input.number()?, records: input.number()?, bytes: input.number()? };
        let name = LogName::new(input.text()?);
        Ok(Entry { name, epoch, deleted, retention, trimmed })
    }
}

/// A number under a text key: the format version, the next log id.
pub(crate) fn encode_number(key: &[u8], number: u32) -> Vec<u8> {
    seal(key, &number.to_be_bytes())
}

/// The number, if it is what was written.
pub(crate) fn decode_number(key: &[u8], value: &[u8]) -> Result<u32, Damaged> {
    unseal(key, value)?.try_into().map(u32::from_be_bytes).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back() {
        let entry = Entry {
            name: LogName::new("topic/7b"),
            epoch: Epoch(1 << 52),
            deleted: false,
            retention: Retention::default(),
            trimmed: Totals { offset: 7, records: 6, bytes: 1000 },
        };
        let (key, value) = entry.encode(5);
        assert_eq!(Entry::decode(&key, &value), Ok(entry));
        assert_eq!(Entry::decode(&entry_key(6), &value), Err(Damaged));
    }
}
