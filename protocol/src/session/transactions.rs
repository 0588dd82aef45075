//! What is collected between BEGIN and COMMIT.

use std::time::Instant;

use super::event::Operation;
use crate::{Command, Fault, Limits};

/// The open transactions of one connection, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    open: Vec<Transaction>,
    bytes: usize,
}

#[derive(Debug)]
struct Transaction {
    name: String,
    began: Instant,
    bytes: usize,
    operations: Vec<Operation>,
}

impl Transactions {
    pub(crate) fn begin(&mut self, name: String, now: Instant, limits: &Limits) -> Result<(), Fault> {
        if self.find(&name).is_some() {
            return Err(Fault::TransactionTaken);
        }
        if self.open.len() >= limits.transactions_max {
            return Err(Fault::TransactionsExceeded { limit: limits.transactions_max });
        }
        self.open.push(Transaction { name, began: now, bytes: 0, operations: Vec::new() });
        Ok(())
    }

    /// Adds a step to a transaction. Nothing happens before its COMMIT.
    pub(crate) fn add(&mut self, name: &str, operation: Operation, limits: &Limits) -> Result<(), Fault> {
        let place = self.find(name).ok_or(Fault::TransactionUnknown(operation.command()))?;
        let transaction = &mut self.open[place];
        if transaction.operations.len() >= limits.transaction_operations_max {
            return Err(Fault::TransactionOperationsExceeded { limit: limits.transaction_operations_max });
        }
        let bytes = operation.bytes();
        if self.bytes + bytes > limits.transaction_bytes_max {
            return Err(Fault::TransactionBytesExceeded { limit: limits.transaction_bytes_max });
        }
        self.bytes += bytes;
        transaction.bytes += bytes;
        transaction.operations.push(operation);
        Ok(())
    }

    /// Ends a transaction and gives what it holds, in order: to COMMIT or to forget it.
    pub(crate) fn end(&mut self, name: &str, command: Command) -> Result<Vec<Operation>, Fault> {
        let place = self.find(name).ok_or(Fault::TransactionUnknown(command))?;
        let transaction = self.open.remove(place);
        self.bytes -= transaction.bytes;
        Ok(transaction.operations)
    }

    /// When the oldest that is open was begun.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.open.first().map(|transaction| transaction.began)
    }

    /// Not more than a handful: looking at all of them is quick.
    fn find(&self, name: &str) -> Option<usize> {
        self.open.iter().position(|transaction| transaction.name == name)
    }
}

impl Operation {
    fn command(&self) -> Command {
        match self {
            Operation::Send(_) => Command::Send,
            Operation::Acknowledge(acknowledge) if acknowledge.negative => Command::Nack,
            Operation::Acknowledge(_) => Command::Ack,
        }
    }

    /// What it keeps in memory, itself included.
    fn bytes(&self) -> usize {
        size_of::<Operation>()
            + match self {
                Operation::Send(send) => send.destination.len() + send.headers.bytes() + send.body.len(),
                Operation::Acknowledge(acknowledge) => acknowledge.message.bytes() + acknowledge.headers.bytes(),
            }
    }
}
