//! SUBSCRIBE and UNSUBSCRIBE.

use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    // ── SUBSCRIBE ───────────────────────────────────────────────────────────────────────────────────
    row(
        "1.1 1.2",
        "SUBSCRIBE",
        "Like the SEND frame, the SUBSCRIBE frame requires a destination header",
        "
        K:
        C: SUBSCRIBE|id:0|receipt:r||^
        S: ERROR|message:bad request|reason:SUBSCRIBE needs the header destination|receipt-id:r
        X:
        ",
    ),
    row(
        "1.0",
        "SUBSCRIBE",
        "Like the SEND command, the SUBSCRIBE command requires a destination header",
        "
        K:
        C: SUBSCRIBE|id:0||^
        S: ERROR|message:bad request|reason:SUBSCRIBE needs the header destination
        X:
        ",
    ),
    row(
        "1.2",
        "SUBSCRIBE",
        "If the server cannot successfully create the subscription, the server MUST send the client an ERROR frame and then close the connection.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:/nowhere/at/all|receipt:r||^
        S: ERROR|message:unknown destination|receipt-id:r
        X:
        ",
    ),
    row(
        "1.1",
        "SUBSCRIBE",
        "If the server cannot successfully create the subscription, the server MUST send the client an ERROR frame and disconnect the client.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:/nowhere/at/all|receipt:r||^
        S: ERROR|message:unknown destination|receipt-id:r
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "SUBSCRIBE",
        "STOMP servers MAY support additional server specific headers to customize the delivery semantics of the subscription.",
        "
        K:
        C: SEND|destination:{d}||1^SEND|destination:{d}||2^SUBSCRIBE|id:0|destination:{d}|x-stream-offset:last||^
        S: MESSAGE|replayed:true||2^
        ",
    ),
    row(
        "1.0",
        "SUBSCRIBE",
        "Stomp brokers may support the selector header",
        "
        K:
        C: SUBSCRIBE|destination:{d}|selector:a > 1||^
        S: ERROR|message:bad request|reason:selector*
        X:
        ",
    )
    .differs("A selector that was not obeyed would let through what nobody asked for: it is refused."),
    row(
        "1.1 1.2",
        "SUBSCRIBE id Header",
        "an id header MUST be included in the frame to uniquely identify the subscription",
        "
        K:
        C: SUBSCRIBE|destination:{d}|receipt:r||^
        S: ERROR|message:bad request|reason:SUBSCRIBE needs the header id|receipt-id:r
        X:
        ",
    ),
    row(
        "1.2",
        "SUBSCRIBE id Header",
        "Within the same connection, different subscriptions MUST use different subscription identifiers.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SUBSCRIBE|id:0|destination:{d}.b|receipt:r||^
        S: ERROR|message:bad request|reason:this connection has a subscription of that id already|receipt-id:r
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "SUBSCRIBE id Header",
        "Since a single connection can have multiple open subscriptions with a server",
        "
        K:
        K2:
        C2: SUBSCRIBE|id:0|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        C: SUBSCRIBE|id:0|destination:{d}.a||^SUBSCRIBE|id:1|destination:{d}.b||^
        C: SEND|destination:{d}.a||a^
        S: MESSAGE|subscription:0||a^
        C: SEND|destination:{d}.b||b^
        S: MESSAGE|subscription:1||b^
        C: SEND|destination:{d}||c^
        S2: MESSAGE|subscription:0||c^
        ",
    ),
    row(
        "1.0",
        "SUBSCRIBE",
        "If an id header is supplied then Stomp brokers should append a subscription header to any MESSAGE commands which are sent to the client",
        "
        K:
        C: SUBSCRIBE|id:mine|destination:{d}||^SUBSCRIBE|destination:{d}.b||^SEND|destination:{d}||a^
        S: MESSAGE|subscription:mine||a^
        C: SEND|destination:{d}.b||b^
        S: MESSAGE|-subscription||b^
        ",
    ),
    // ── UNSUBSCRIBE ─────────────────────────────────────────────────────────────────────────────────
    row(
        "1.1 1.2",
        "UNSUBSCRIBE",
        "Once the subscription is removed the STOMP connections will no longer receive messages from that",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SUBSCRIBE|id:1|destination:{d}.b||^UNSUBSCRIBE|id:0|receipt:u||^
        S: RECEIPT|receipt-id:u
        C: SEND|destination:{d}||gone^SEND|destination:{d}.b||here^
        S: MESSAGE|subscription:1||here^
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}||again^
        S: MESSAGE|subscription:0||again^
        ",
    ),
    row(
        "1.0",
        "UNSUBSCRIBE",
        "It requires either a destination header or an id header (if the previous SUBSCRIBE operation passed an id value).",
        "
        K:
        C: SUBSCRIBE|destination:{d}||^SUBSCRIBE|id:b|destination:{d}.b||^SUBSCRIBE|destination:{d}.c||^
        C: UNSUBSCRIBE|destination:{d}||^UNSUBSCRIBE|id:b|receipt:u||^
        S: RECEIPT|receipt-id:u
        C: SEND|destination:{d}||gone^SEND|destination:{d}.b||gone^SEND|destination:{d}.c||here^
        S: MESSAGE||here^
        C: UNSUBSCRIBE|receipt:r||^
        S: ERROR|message:bad request|reason:UNSUBSCRIBE needs the header destination|receipt-id:r
        X:
        ",
    ),
    row(
        "1.2",
        "UNSUBSCRIBE",
        "an id header MUST be included in the frame to uniquely identify the subscription to remove.",
        "
        K:
        C: UNSUBSCRIBE|destination:{d}|receipt:r||^
        S: ERROR|message:bad request|reason:UNSUBSCRIBE needs the header id|receipt-id:r
        X:
        ",
    ),
    row(
        "1.1",
        "UNSUBSCRIBE",
        "It requires that the id header matches the id value of previous SUBSCRIBE operation.",
        "
        K:
        C: UNSUBSCRIBE|destination:{d}|receipt:r||^
        S: ERROR|message:bad request|reason:UNSUBSCRIBE needs the header id|receipt-id:r
        X:
        ",
    ),
    row(
        "1.2",
        "UNSUBSCRIBE",
        "This header MUST match the subscription identifier of an existing subscription.",
        "
        K:
        C: UNSUBSCRIBE|id:never|receipt:r||^
        S: RECEIPT|receipt-id:r
        ",
    )
    .differs("What is not subscribed has had its UNSUBSCRIBE: an ERROR would punish a client that makes sure."),
];
