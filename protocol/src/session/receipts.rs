//! Receipts that were asked for, answered in the order of asking.

use std::collections::VecDeque;

use bytes::Bytes;

use super::event::Ticket;

/// The receipts of one connection that are not yet on their way.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    /// The ticket of the first in line.
    first: u64,
    line: VecDeque<Asked>,
}

#[derive(Debug)]
struct Asked {
    receipt_id: Box<str>,
    /// The whole RECEIPT, once it is confirmed.
    answer: Option<Bytes>,
}

impl Receipts {
    /// Puts a receipt at the end of the line.
    pub(crate) fn ask(&mut self, receipt_id: String) -> Ticket {
        self.line.push_back(Asked { receipt_id: receipt_id.into(), answer: None });
        Ticket(self.first + self.line.len() as u64 - 1)
    }

    /// What the peer calls this receipt, if it is still in line.
    pub(crate) fn receipt_id(&self, ticket: Ticket) -> Option<&str> {
        self.line.get(self.place(ticket)?).map(|asked| &*asked.receipt_id)
    }

    /// Notes the answer. It leaves when all before it have left.
    pub(crate) fn answer(&mut self, ticket: Ticket, receipt: Bytes) {
        let asked = self.place(ticket).and_then(|place| self.line.get_mut(place));
        if let Some(asked) = asked {
            asked.answer.get_or_insert(receipt);
        }
    }

    /// The first in line, if it is answered.
    pub(crate) fn release(&mut self) -> Option<Bytes> {
        let answer = self.line.front_mut()?.answer.take()?;
        self.line.pop_front();
        self.first += 1;
        if self.line.is_empty() {
            self.line = VecDeque::new();
        }
        Some(answer)
    }

    /// Receipts asked for and not released.
    pub(crate) fn len(&self) -> usize {
        self.line.len()
    }

    fn place(&self, ticket: Ticket) -> Option<usize> {
        usize::try_from(ticket.0.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_in_the_order_of_asking() {
        let mut receipts = Receipts::default();
        let [one, two, three] = ["1", "2", "3"].map(|id| receipts.ask(id.to_owned()));
        assert_eq!(receipts.receipt_id(two), Some("2"));
        receipts.answer(three, "third".into());
        receipts.answer(two, "second".into());
        assert_eq!(receipts.release(), None);
        receipts.answer(one, "first".into());
        receipts.answer(one, "again".into());
        let released: Vec<_> = std::iter::from_fn(|| receipts.release()).collect();
        assert_eq!(released, ["first", "second", "third"]);
        assert_eq!((receipts.len(), receipts.receipt_id(two)), (0, None));
        receipts.answer(two, "late".into());
        assert_eq!(receipts.release(), None);
    }
}
