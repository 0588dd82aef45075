//! Transactions.

use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "1.1 1.2",
        "BEGIN",
        "any messages sent or acknowledged during a transaction will be",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^BEGIN|transaction:t||^
        C: SEND|destination:{d}|transaction:t||1^SEND|destination:{d}||outside^SEND|destination:{d}|transaction:t||2^
        S: MESSAGE||outside^
        C: COMMIT|transaction:t||^
        S: MESSAGE|-transaction||1^
        S: MESSAGE|-transaction||2^
        ",
    ),
    row(
        "1.0",
        "BEGIN",
        "any messages sent or acknowledged during a transaction will be handled atomically based on the transaction.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^BEGIN|transaction:t||^
        C: SEND|destination:{d}|transaction:t||1^SEND|destination:{d}||outside^SEND|destination:{d}|transaction:t||2^
        S: MESSAGE||outside^
        C: COMMIT|transaction: t||^
        S: MESSAGE||1^
        S: MESSAGE||2^
        ",
    ),
    row(
        "1.1 1.2",
        "BEGIN",
        "The transaction header is REQUIRED, and the transaction identifier will be used for SEND, COMMIT, ABORT, ACK, and NACK frames",
        "
        K:
        C: BEGIN|receipt:r||^
        S: ERROR|message:bad request|reason:BEGIN needs the header transaction|receipt-id:r
        X:
        K2:
        C2: SEND|destination:{d}|transaction:never|receipt:r||^
        S2: ERROR|message:bad request|reason:SEND names a transaction that is not open|receipt-id:r
        X2:
        K3:
        C3: ACK|id:1|message-id:1|subscription:1|transaction:never||^
        S3: ERROR|message:bad request|reason:ACK names a transaction that is not open
        X3:
        K4:
        C4: NACK|id:1|message-id:1|subscription:1|transaction:never||^
        S4: ERROR|message:bad request|reason:NACK names a transaction that is not open
        X4:
        ",
    ),
    row(
        "1.0",
        "BEGIN",
        "The transaction header is required, and the transaction identifier will be used for SEND, COMMIT, ABORT, and ACK frames",
        "
        K:
        C: BEGIN||^
        S: ERROR|message:bad request|reason:BEGIN needs the header transaction
        X:
        K2:
        C2: SEND|destination:{d}|transaction:never||^
        S2: ERROR|message:bad request|reason:SEND names a transaction that is not open
        X2:
        ",
    ),
    row(
        "1.2",
        "BEGIN",
        "Within the same connection, different transactions MUST use different transaction identifiers.",
        "
        K:
        C: BEGIN|transaction:t||^BEGIN|transaction:t|receipt:r||^
        S: ERROR|message:bad request|reason:a transaction of that name is open already|receipt-id:r
        X:
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "BEGIN",
        "to bind them to",
        "
        K:
        K2:
        C2: BEGIN|transaction:a||^ABORT|transaction:a|receipt:r||^
        S2: RECEIPT|receipt-id:r
        C: SUBSCRIBE|id:0|destination:{d}||^BEGIN|transaction:a||^BEGIN|transaction:b||^
        C: SEND|destination:{d}|transaction:a||a1^SEND|destination:{d}|transaction:b||b1^SEND|destination:{d}|transaction:a||a2^
        C: COMMIT|transaction:b||^
        S: MESSAGE||b1^
        C: BEGIN|transaction:b||^ABORT|transaction:b||^COMMIT|transaction:a||^
        S: MESSAGE||a1^
        S: MESSAGE||a2^
        ",
    ),
    row(
        "1.1 1.2",
        "BEGIN",
        "Any started transactions which have not been committed will be implicitly aborted if the client sends a DISCONNECT frame",
        "
        K2:
        C2: SUBSCRIBE|id:0|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        K:
        C: BEGIN|transaction:t||^SEND|destination:{d}|transaction:t||never^DISCONNECT|receipt:r||^
        S: RECEIPT|receipt-id:r
        H:
        C2: SEND|destination:{d}||later^
        S2: MESSAGE||later^
        ",
    ),
    row(
        "1.1 1.2",
        "BEGIN",
        "or if the TCP connection fails for any reason.",
        "
        K2:
        C2: SUBSCRIBE|id:0|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        K:
        C: BEGIN|transaction:t||^SEND|destination:{d}|transaction:t|receipt:r||never^
        S: RECEIPT|receipt-id:r
        H:
        C2: SEND|destination:{d}||later^
        S2: MESSAGE||later^
        ",
    ),
    row(
        "1.1 1.2",
        "COMMIT",
        "The transaction header is REQUIRED and MUST specify the",
        "
        K:
        C: COMMIT|receipt:r||^
        S: ERROR|message:bad request|reason:COMMIT needs the header transaction|receipt-id:r
        X:
        K2:
        C2: BEGIN|transaction:t||^COMMIT|transaction:t|receipt:1||^
        S2: RECEIPT|receipt-id:1
        C2: COMMIT|transaction:t|receipt:2||^
        S2: ERROR|message:bad request|reason:COMMIT names a transaction that is not open|receipt-id:2
        X2:
        ",
    ),
    row(
        "1.0",
        "COMMIT",
        "The transaction header is required, you must specify which transaction to commit",
        "
        K:
        C: COMMIT||^
        S: ERROR|message:bad request|reason:COMMIT needs the header transaction
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "ABORT",
        "ABORT is used to roll back a transaction in progress.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^BEGIN|transaction:t||^SEND|destination:{d}|transaction:t||never^
        C: ABORT|transaction:t||^SEND|destination:{d}||later^
        S: MESSAGE||later^
        C: COMMIT|transaction:t||^
        S: ERROR|message:bad request|reason:COMMIT names a transaction that is not open
        X:
        ",
    ),
    row(
        "1.0",
        "ABORT",
        "ABORT is used to roll back a transaction in progress.",
        "
        K:
        C: SUBSCRIBE|destination:{d}||^BEGIN|transaction:t||^SEND|destination:{d}|transaction:t||never^
        C: ABORT|transaction:t||^SEND|destination:{d}||later^
        S: MESSAGE||later^
        C: ABORT||^
        S: ERROR|message:bad request|reason:ABORT needs the header transaction
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "ABORT",
        "The transaction header is REQUIRED and MUST specify the",
        "
        K:
        C: ABORT|receipt:r||^
        S: ERROR|message:bad request|reason:ABORT needs the header transaction|receipt-id:r
        X:
        ",
    ),
];
