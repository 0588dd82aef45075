//! Ack modes, ACK and NACK. What the broker took for consumed shows when a durable subscription comes back.

use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    // ── the ack header ───────────────────────────────────────────────────────────────────────────
    row(
        "1.1 1.2",
        "SUBSCRIBE ack Header",
        "The valid values for the ack header are auto, client, or client-individual.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:auto|receipt:0||^SUBSCRIBE|id:1|destination:{d}|ack:client|receipt:1||^
        S: RECEIPT|receipt-id:0
        S: RECEIPT|receipt-id:1
        C: SUBSCRIBE|id:2|destination:{d}|ack:client-individual|receipt:2||^
        S: RECEIPT|receipt-id:2
        C: SUBSCRIBE|id:3|destination:{d}|ack:sometimes|receipt:3||^
        S: ERROR|message:bad request|reason:ack of SUBSCRIBE must be auto, client or client-individual|receipt-id:3
        X:
        ",
    ),
    row(
        "1.0",
        "SUBSCRIBE",
        "The valid values for ack are auto (the default if the header is not included) and client.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|receipt:0||^
        S: RECEIPT|receipt-id:0
        C: SUBSCRIBE|id:1|destination:{d}|ack:client-individual|receipt:1||^
        S: RECEIPT|receipt-id:1
        C: SUBSCRIBE|id:2|destination:{d}|ack:sometimes|receipt:2||^
        S: ERROR|message:bad request|receipt-id:2
        X:
        ",
    )
    .differs(
        "client-individual of later versions is taken in 1.0 too: clients of that time use it with other brokers.",
    ),
    row(
        "1.1 1.2",
        "SUBSCRIBE ack Header",
        "If the header is not set, it defaults to auto.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|prefetch-count:1||^SEND|destination:{d}||1^SEND|destination:{d}||2^
        S: MESSAGE|-ack||1^
        S: MESSAGE|-ack||2^
        ",
    ),
    row(
        "1.1 1.2",
        "SUBSCRIBE ack Header",
        "When the ack mode is auto, then the client does not need to send the server ACK frames for the messages it receives.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:auto|prefetch-count:1||^SEND|destination:{d}||1^SEND|destination:{d}||2^
        S: MESSAGE||1^
        S: MESSAGE||2^
        ",
    ),
    // ── client: cumulative ───────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "SUBSCRIBE ack Header",
        "The ACK frames sent by the client will be treated as a cumulative acknowledgment.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true|prefetch-count:3||^
        C: SEND|destination:{d}||1^SEND|destination:{d}||2^SEND|destination:{d}||3^SEND|destination:{d}||4^
        S: MESSAGE||1^
        S: MESSAGE|ack:{second}||2^
        S: MESSAGE||3^
        C: ACK|id:{second}||^
        S: MESSAGE||4^
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^
        S2: MESSAGE||3^
        S2: MESSAGE||4^
        ",
    ),
    row(
        "1.1",
        "SUBSCRIBE ack Header",
        "The ACK frames sent by the client will be treated as a cumulative ACK.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^
        C: SEND|destination:{d}||1^SEND|destination:{d}||2^SEND|destination:{d}||3^
        S: MESSAGE||1^
        S: MESSAGE|message-id:{second}||2^
        S: MESSAGE||3^
        C: ACK|subscription:0|message-id:{second}|receipt:a||^
        S: RECEIPT|receipt-id:a
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^
        S2: MESSAGE||3^
        ",
    ),
    row(
        "1.2",
        "SUBSCRIBE ack Header",
        "If the connection fails before a client sends an ACK frame for the message the server will assume the message has not been processed",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^SEND|destination:{d}||1^
        S: MESSAGE|message-id:{m}||1^
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^
        S2: MESSAGE|message-id:{m}|redelivered:true||1^
        ",
    ),
    row(
        "1.1",
        "SUBSCRIBE ack Header",
        "If the connection fails before a client sends an ACK for the message the server will assume the message has not been processed",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^SEND|destination:{d}||1^
        S: MESSAGE|message-id:{m}||1^
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^
        S2: MESSAGE|message-id:{m}|redelivered:true||1^
        ",
    ),
    row(
        "1.0",
        "ACK",
        "any messages received from that destination will not be considered to have been consumed (by the server) until the message has been acknowledged via an ACK.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^SEND|destination:{d}||1^SEND|destination:{d}||2^
        S: MESSAGE|message-id:{m}|-ack||1^
        S: MESSAGE||2^
        C: ACK|message-id:{m}|receipt:a||^
        S: RECEIPT|receipt-id:a
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^
        S2: MESSAGE|redelivered:true||2^
        ",
    ),
    // ── client-individual ────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "SUBSCRIBE ack Header",
        "This means that an ACK or NACK frame for a subsequent message MUST NOT cause a previous message to get acknowledged.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client-individual|durable:true||^
        C: SEND|destination:{d}||1^SEND|destination:{d}||2^SEND|destination:{d}||3^SEND|destination:{d}||4^
        S: MESSAGE||1^
        S: MESSAGE|ack:{second}||2^
        S: MESSAGE||3^
        S: MESSAGE|ack:{fourth}||4^
        C: ACK|id:{second}||^NACK|id:{fourth}|requeue:false|receipt:a||^
        S: RECEIPT|receipt-id:a
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client-individual|durable:true||^
        S2: MESSAGE|redelivered:true||1^
        S2: MESSAGE|redelivered:true||3^
        ",
    ),
    row(
        "1.1",
        "SUBSCRIBE ack Header",
        "This means that an ACK or NACK for a subsequent message MUST NOT cause a previous message to get acknowledged.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client-individual|durable:true||^
        C: SEND|destination:{d}||1^SEND|destination:{d}||2^SEND|destination:{d}||3^
        S: MESSAGE||1^
        S: MESSAGE|message-id:{second}||2^
        S: MESSAGE||3^
        C: ACK|subscription:0|message-id:{second}|receipt:a||^
        S: RECEIPT|receipt-id:a
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client-individual|durable:true||^
        S2: MESSAGE|redelivered:true||1^
        S2: MESSAGE|redelivered:true||3^
        ",
    ),
    // ── ACK ──────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "ACK",
        "The ACK frame MUST include an id header matching the ack header of the MESSAGE being acknowledged.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client||^SEND|destination:{d}||1^
        S: MESSAGE|ack:{a}|message-id:{m}||1^
        C: ACK|id:{a}|receipt:1||^
        S: RECEIPT|receipt-id:1
        C: ACK|message-id:{m}|subscription:0|receipt:2||^
        S: ERROR|message:bad request|reason:ACK needs the header id|receipt-id:2
        X:
        ",
    ),
    row(
        "1.2",
        "ACK",
        "The ACK frame MUST include an id header matching the ack header of the MESSAGE being acknowledged.",
        "
        K:
        C: ACK|id:no such message|receipt:r||^
        S: ERROR|message:unknown message|receipt-id:r
        X:
        ",
    ),
    row(
        "1.1",
        "ACK",
        "ACK has two REQUIRED headers: message-id, which MUST contain a value matching the message-id for the MESSAGE being acknowledged and subscription, which MUST be set to match the value of the subscription's id header.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client||^SEND|destination:{d}||1^
        S: MESSAGE|message-id:{m}|-ack||1^
        C: ACK|message-id:{m}|subscription:0|receipt:1||^
        S: RECEIPT|receipt-id:1
        C: ACK|message-id:{m}|receipt:2||^
        S: ERROR|message:bad request|reason:ACK needs the header subscription|receipt-id:2
        X:
        K2:
        C2: ACK|subscription:0||^
        S2: ERROR|message:bad request|reason:ACK needs the header message-id
        X2:
        K3:
        C3: ACK|subscription:0|message-id:no such message||^
        S3: ERROR|message:unknown message
        X3:
        ",
    ),
    row(
        "1.0",
        "ACK",
        "ACK has one required header, message-id, which must contain a value matching the message-id for the MESSAGE being acknowledged.",
        "
        K:
        C: SUBSCRIBE|destination:{d}|ack:client||^SEND|destination:{d}||1^
        S: MESSAGE|message-id:{m}||1^
        C: ACK|message-id:{m}|receipt:1||^
        S: RECEIPT|receipt-id:1
        C: ACK|receipt:2||^
        S: ERROR|message:bad request|reason:ACK needs the header message-id|receipt-id:2
        X:
        ",
    ),
    row(
        "1.1",
        "ACK",
        "ACK is used to acknowledge consumption of a message from a subscription",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client-individual||^SEND|destination:{d}||1^
        S: MESSAGE|message-id:{m}||1^
        C: UNSUBSCRIBE|id:0|receipt:u||^
        S: RECEIPT|receipt-id:u
        C: ACK|subscription:0|message-id:{m}|receipt:a||^
        S: RECEIPT|receipt-id:a
        ",
    ),
    row(
        "1.2",
        "ACK",
        "ACK is used to acknowledge consumption of a message from a subscription",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client-individual||^SEND|destination:{d}||1^
        S: MESSAGE|ack:{m}||1^
        C: UNSUBSCRIBE|id:0|receipt:u||^
        S: RECEIPT|receipt-id:u
        C: ACK|id:{m}|receipt:a||^
        S: RECEIPT|receipt-id:a
        ",
    ),
    row(
        "1.2",
        "ACK",
        "Optionally, a transaction header MAY be specified, indicating that the message acknowledgment SHOULD be part of the named transaction.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^SEND|destination:{d}||1^SEND|destination:{d}||2^
        S: MESSAGE|ack:{first}||1^
        S: MESSAGE|ack:{second}||2^
        C: BEGIN|transaction:t||^ACK|id:{first}|transaction:t||^COMMIT|transaction:t||^
        C: BEGIN|transaction:t||^ACK|id:{second}|transaction:t||^ABORT|transaction:t|receipt:b||^
        S: RECEIPT|receipt-id:b
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^
        S2: MESSAGE||2^
        ",
    ),
    row(
        "1.1",
        "ACK",
        "Optionally, a transaction header MAY be specified, indicating that the message acknowledgment SHOULD be part of the named transaction.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^SEND|destination:{d}||1^SEND|destination:{d}||2^
        S: MESSAGE|message-id:{first}||1^
        S: MESSAGE|message-id:{second}||2^
        C: BEGIN|transaction:t||^ACK|subscription:0|message-id:{first}|transaction:t||^COMMIT|transaction:t|receipt:b||^
        S: RECEIPT|receipt-id:b
        C: BEGIN|transaction:t||^ACK|subscription:0|message-id:{second}|transaction:t||^
        H:
        K2: login:{u}
        C2: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^
        S2: MESSAGE||2^
        ",
    ),
    row(
        "1.0",
        "ACK",
        "a transaction header may be specified, indicating that the message acknowledgment should be part of the named transaction.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}|ack:client|durable:true||^SEND|destination:{d}||1^SEND|destination:{d}||2^
        S: MESSAGE|message-id:{first}||1^
        S: MESSAGE|message-id:{second}||2^
        C: BEGIN|transaction:t||^ACK|message-id:{first}|transaction:t||^COMMIT|transaction:t|receipt:b||^
        S: RECEIPT|receipt-id:b
        C: ACK|message-id:{second}|transaction:t|receipt:c||^
        S: ERROR|message:bad request|reason:ACK names a transaction that is not open|receipt-id:c
        X:
        ",
    ),
    // ── NACK ─────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "NACK",
        "NACK takes the same headers as ACK: id (REQUIRED) and transaction (OPTIONAL).",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client-individual||^SEND|destination:{d}||1^
        S: MESSAGE|ack:{a}||1^
        C: BEGIN|transaction:t||^NACK|id:{a}|transaction:t||^COMMIT|transaction:t||^
        S: MESSAGE|redelivered:true||1^
        C: NACK|receipt:r||^
        S: ERROR|message:bad request|reason:NACK needs the header id|receipt-id:r
        X:
        ",
    ),
    row(
        "1.1",
        "NACK",
        "NACK takes the same headers as ACK: message-id (mandatory), subscription (mandatory) and transaction (OPTIONAL).",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client-individual||^SEND|destination:{d}||1^
        S: MESSAGE|message-id:{m}||1^
        C: NACK|message-id:{m}|subscription:0||^
        S: MESSAGE|message-id:{m}|redelivered:true||1^
        C: NACK|message-id:{m}|receipt:r||^
        S: ERROR|message:bad request|reason:NACK needs the header subscription|receipt-id:r
        X:
        ",
    ),
    row(
        "1.2",
        "NACK",
        "NACK applies either to one single message (if the subscription's ack mode is client-individual) or to all messages sent before and not yet ACK'ed or NACK'ed (if the subscription's ack mode is client).",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client-individual||^SEND|destination:{d}||1^SEND|destination:{d}||2^
        S: MESSAGE||1^
        S: MESSAGE|ack:{second}||2^
        C: NACK|id:{second}||^
        S: MESSAGE|redelivered:true||2^
        K2:
        C2: SUBSCRIBE|id:0|destination:{d}.b|ack:client||^SEND|destination:{d}.b||1^SEND|destination:{d}.b||2^
        S2: MESSAGE||1^
        S2: MESSAGE|ack:{b}||2^
        C2: NACK|id:{b}||^
        S2: MESSAGE|redelivered:true||1^
        S2: MESSAGE|redelivered:true||2^
        ",
    ),
    row(
        "1.1",
        "NACK",
        "NACK applies either to one single message (if the subscription's ack mode is client-individual) or to all messages sent before and not yet ACK'ed or NACK'ed.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client||^SEND|destination:{d}||1^SEND|destination:{d}||2^
        S: MESSAGE||1^
        S: MESSAGE|message-id:{second}||2^
        C: NACK|subscription:0|message-id:{second}||^
        S: MESSAGE|redelivered:true||1^
        S: MESSAGE|redelivered:true||2^
        ",
    ),
    row(
        "1.0",
        "Augmented BNF",
        r#"client-command = "SEND" | "SUBSCRIBE" | "UNSUBSCRIBE" | "BEGIN" | "COMMIT" | "ABORT" | "ACK" | "DISCONNECT""#,
        "
        K:
        C: NACK|message-id:1|receipt:r||^
        S: ERROR|message:bad request|reason:NACK does not exist in STOMP 1.0|receipt-id:r
        X:
        ",
    ),
];
