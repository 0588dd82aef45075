//! Sending, and what comes back.

use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    // ── which frames there are ──────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "Client Frames",
        "A client MAY send a frame not in this list, but for such a frame a STOMP 1.2 server MAY respond with an ERROR frame and then close the connection.",
        "
        K:
        C: DANCE|receipt:r||^
        S: ERROR|message:bad request
        X:
        ",
    ),
    row(
        "1.1",
        "Once Connected",
        "A client MAY send a frame not in this list, but for such a frame a STOMP 1.1 server MAY respond with an ERROR frame.",
        "
        K:
        C: DANCE|receipt:r||^
        S: ERROR|message:bad request
        X:
        ",
    ),
    row(
        "1.0",
        "(introduction)",
        "At this point there are a number of commands the client may send",
        "
        K:
        C: DANCE||^
        S: ERROR|message:bad request
        X:
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Augmented BNF",
        r#"server-command = "CONNECTED" | "MESSAGE" | "RECEIPT" | "ERROR""#,
        "
        K:
        C: MESSAGE|destination:{d}|receipt:r||^
        S: ERROR|message:bad request|reason:MESSAGE is for servers to send|receipt-id:r
        X:
        K2:
        C2: RECEIPT|receipt-id:r||^
        S2: ERROR|message:bad request
        X2:
        K3:
        C3: ERROR|message:r||^
        S3: ERROR|message:bad request
        X3:
        C4: CONNECTED|version:1.2||^
        S4: ERROR|message:bad request
        X4:
        ",
    ),
    // ── SEND ────────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.1 1.2",
        "SEND",
        "It has one REQUIRED header, destination",
        "
        K:
        C: SEND|receipt:r||x^
        S: ERROR|message:bad request|reason:SEND needs the header destination|receipt-id:r
        X:
        ",
    ),
    row(
        "1.0",
        "SEND",
        "It has one required header, destination",
        "
        K:
        C: SEND|receipt:r||x^
        S: ERROR|message:bad request|reason:SEND needs the header destination|receipt-id:r
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "SEND",
        "The user defined headers MUST be passed through in the MESSAGE frame.",
        r"
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^
        C: SEND|destination:{d}|priority:7|my own:a\cb|type:quiz|reply-to:/queue/answers|correlation-id:1||x^
        S: MESSAGE|priority:7|my own:a\cb|type:quiz|reply-to:/queue/answers|correlation-id:1||x^
        ",
    ),
    row(
        "1.2",
        "SEND",
        "If the server cannot successfully process the SEND frame for any reason, the server MUST send the client an ERROR frame and then close the connection.",
        "
        K:
        C: SEND|destination:/nowhere/at/all|receipt:r||x^
        S: ERROR|message:unknown destination|receipt-id:r|content-type:text/plain;charset=utf-8
        X:
        ",
    ),
    row(
        "1.1",
        "SEND",
        "If the server cannot successfully process the SEND frame for any reason, the server MUST send the client an ERROR frame and disconnect the client.",
        "
        K:
        C: SEND|destination:/nowhere/at/all||x^
        S: ERROR|message:unknown destination|-receipt-id
        X:
        ",
    ),
    // ── MESSAGE ─────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "MESSAGE",
        "The MESSAGE frame MUST include a destination header indicating the destination the message was sent to.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}/**||^SEND|destination:{d}/quiz||x^
        S: MESSAGE|destination:{d}/quiz||x^
        ",
    ),
    row(
        "1.2",
        "MESSAGE",
        "this destination header SHOULD be identical to the one used in the corresponding SEND frame.",
        r"
        K:
        C: SUBSCRIBE|id:0|destination:{d}/a/b||^SEND|destination:{d}.a.b||1^
        S: MESSAGE|destination:{d}.a.b||1^
        C: SEND|destination:{d}/a/%62||2^
        S: MESSAGE|destination:{d}/a/%62||2^
        ",
    ),
    row(
        "1.2",
        "MESSAGE",
        "this destination header SHOULD be identical to the one used in the corresponding SEND frame.",
        r"
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:/exchange/amq.topic/{u}||3^
        S: MESSAGE|destination:{d}||3^
        ",
    )
    .differs("Another broker's prefix is shown as ours: a reader need not know how the publisher spells it."),
    row(
        "1.1",
        "MESSAGE",
        "The MESSAGE frame will include a destination header indicating the destination the message was sent to.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}/**||^SEND|destination:{d}/quiz||x^
        S: MESSAGE|destination:{d}/quiz|message-id:*|subscription:0||x^
        ",
    ),
    row(
        "1.0",
        "MESSAGE",
        "The MESSAGE frame will include a header, destination, indicating the destination the message was delivered to.",
        "
        K:
        C: SUBSCRIBE|destination:{d}/**||^SEND|destination:{d}/quiz||x^
        S: MESSAGE|destination:{d}/quiz|message-id:*||x^
        ",
    ),
    row(
        "1.2",
        "MESSAGE",
        "The MESSAGE frame MUST also contain a message-id header with a unique identifier for that message and a subscription header matching the identifier of the subscription that is receiving the message.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}||1^
        S: MESSAGE|message-id:{one}|subscription:0||1^
        C: SEND|destination:{d}|persistent:false||2^
        S: MESSAGE|message-id:!{one}|subscription:0||2^
        ",
    ),
    row(
        "1.1",
        "MESSAGE",
        "The subscription header will be set to match the id header of the subscription that is receiving the message.",
        "
        K:
        C: SUBSCRIBE|id:s-7|destination:{d}||^SEND|destination:{d}||1^
        S: MESSAGE|message-id:{one}|subscription:s-7||1^
        C: SEND|destination:{d}||2^
        S: MESSAGE|message-id:!{one}|subscription:s-7||2^
        ",
    ),
    row(
        "1.2",
        "MESSAGE",
        "If the message is received from a subscription that requires explicit acknowledgment (either client or client-individual mode) then the MESSAGE frame MUST also contain an ack header with an arbitrary value.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|ack:client||^SEND|destination:{d}||1^
        S: MESSAGE|ack:{a}||1^
        C: SUBSCRIBE|id:1|destination:{d}.b|ack:client-individual||^SEND|destination:{d}.b||2^
        S: MESSAGE|ack:!{a}||2^
        C: SUBSCRIBE|id:2|destination:{d}.c||^SEND|destination:{d}.c||3^
        S: MESSAGE|-ack||3^
        ",
    ),
    row(
        "1.1 1.2",
        "MESSAGE",
        "MESSAGE frames SHOULD include a content-length header and a content-type header if a body is present.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|content-type:text/plain||hello^
        S: MESSAGE|content-length:5|content-type:text/plain||hello^
        ",
    ),
    row(
        "1.0",
        "MESSAGE",
        "It is recommended that MESSAGE frames include a content-length header",
        "
        K:
        C: SUBSCRIBE|destination:{d}||^SEND|destination:{d}||hello^
        S: MESSAGE|content-length:5||hello^
        ",
    ),
    row(
        "1.1 1.2",
        "MESSAGE",
        "MESSAGE frames will also include all user defined headers that were present when the message was sent",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|mine:1|receipt-id:2|host:3|version:4||^
        S: MESSAGE|mine:1|receipt-id:2|host:3|version:4
        ",
    ),
    row(
        "1.2",
        "Frames and Headers",
        "the SEND and MESSAGE frames MAY include arbitrary user defined headers that SHOULD be considered as being part of the carried message.",
        "
        K:
        C: SEND|destination:{d}|mine:1|content-type:text/x-own||kept^SUBSCRIBE|id:0|destination:{d}|x-stream-offset:first||^
        S: MESSAGE|mine:1|content-type:text/x-own||kept^
        ",
    ),
    row(
        "1.2",
        "Frames and Headers",
        "STOMP servers MAY use additional headers to give access to features like persistency or expiration.",
        "
        K:
        C: SEND|destination:{d}|receipt:1||kept^SEND|destination:{d}|persistent:false|receipt:2||passing^
        S: RECEIPT|receipt-id:1|position:*
        S: RECEIPT|receipt-id:2|-position
        C: SUBSCRIBE|id:0|destination:{d}|x-stream-offset:first||^
        S: MESSAGE||kept^
        ",
    ),
    row(
        "1.1 1.2",
        "MESSAGE",
        "in addition to the server specific headers that MAY get added to the frame.",
        "
        K: login:{u}
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|user-id:forged|message-id:forged|subscription:forged||^
        S: MESSAGE|subscription:0|user-id:{u}|message-id:topic/{u}@*
        ",
    ),
    // ── RECEIPT ─────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "RECEIPT",
        "A RECEIPT frame MUST include the header receipt-id, where the value is the value of the receipt header in the frame which this is a receipt for.",
        "
        K:
        C: SEND|destination:{d}|receipt:message-12345||Hello a!^
        S: RECEIPT|receipt-id:message-12345||^
        ",
    ),
    row(
        "1.0 1.1",
        "RECEIPT",
        "where the value is the value of the receipt header in the frame which this is a receipt for.",
        "
        K:
        C: SEND|destination:{d}|receipt:message-12345||Hello a!^
        S: RECEIPT|receipt-id:message-12345||^
        ",
    ),
    row(
        "1.0 1.1",
        "RECEIPT",
        "The receipt body will be empty.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|receipt:r||^
        S: RECEIPT|receipt-id:r||^
        ",
    ),
    row(
        "1.2",
        "RECEIPT",
        "the receipt is also a cumulative acknowledgment that all the previous frames have been received by the server.",
        "
        K:
        C: SEND|destination:{d}|receipt:1||^BEGIN|transaction:t|receipt:2||^SEND|destination:{d}.b|receipt:3||^
        S: RECEIPT|receipt-id:1
        S: RECEIPT|receipt-id:2
        S: RECEIPT|receipt-id:3
        C: SEND|destination:{d}||^SEND|destination:{d}||^UNSUBSCRIBE|id:none|receipt:4||^
        S: RECEIPT|receipt-id:4
        C: SUBSCRIBE|id:0|destination:{d}|x-stream-offset:first||^
        S: MESSAGE
        S: MESSAGE
        S: MESSAGE
        ",
    ),
    row(
        "1.2",
        "RECEIPT",
        "If the client disconnects, previously received frames SHOULD continue to get processed by the server.",
        "
        K2:
        C2: SUBSCRIBE|id:0|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        K:
        C: SEND|destination:{d}||1^SEND|destination:{d}||2^SEND|destination:{d}||3^
        H:
        S2: MESSAGE||1^
        S2: MESSAGE||2^
        S2: MESSAGE||3^
        ",
    ),
    // ── ERROR ───────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "ERROR",
        "In this case, it MUST then close the connection just after sending the ERROR frame.",
        "
        K:
        C: ABORT|transaction:never||^BEGIN|transaction:t|receipt:r||^
        S: ERROR|message:bad request
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "ERROR",
        "frame SHOULD contain a message header with a short description of the error",
        "
        K:
        C: ABORT|transaction:never||^
        S: ERROR|message:bad request|reason:ABORT names a transaction that is not open
        X:
        ",
    ),
    row(
        "1.0",
        "ERROR",
        "The error frame should contain a message header with a short description of the error, and the body may contain more detailed information",
        "
        K:
        C: ABORT|transaction:never||^
        S: ERROR|message:bad request||Send BEGIN with that name first. COMMIT and ABORT end a transaction.^
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "ERROR",
        "if the frame included a receipt header, the ERROR frame SHOULD set the receipt-id header to match the value of the receipt header of the frame which the error is related to.",
        "
        K:
        C: BEGIN|transaction:t||^SEND|transaction:other|destination:{d}|receipt:r||^
        S: ERROR|receipt-id:r
        X:
        K2:
        C2: BEGIN|transaction:t|receipt:fine||^
        S2: RECEIPT|receipt-id:fine
        C2: BEGIN|transaction:t||^
        S2: ERROR|-receipt-id
        X2:
        ",
    ),
    row(
        "1.1 1.2",
        "ERROR",
        "ERROR frames SHOULD include a content-length header and a content-type header if a body is present.",
        "
        K:
        C: ABORT|transaction:never||^
        S: ERROR|content-type:text/plain;charset=utf-8|content-length:68||Send BEGIN with that name first. COMMIT and ABORT end a transaction.^
        X:
        ",
    ),
];
