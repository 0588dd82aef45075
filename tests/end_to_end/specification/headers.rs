//! How headers are spelled, repeated, and what the standard ones mean; and the bodies that they describe.

use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    // ── value encoding ──────────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "Value Encoding",
        "When decoding frame headers, the following transformations MUST be applied",
        r"
        K:
        K2: accept-version:1.0
        C2: SUBSCRIBE|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|n\cm:a\cb\\c\nd\re||^
        S: MESSAGE|n\cm:a\cb\\c\nd\re
        S2: MESSAGE|-n:m
        C: SEND|destination:{d}|x:a\cb\\c\nd\re\\n||^
        S: MESSAGE|x:a\cb\\c\nd\re\\n
        S2: MESSAGE|x:a:b\c d e\n
        ",
    ),
    row(
        "1.1",
        "Value Encoding",
        "When decoding frame headers, the following transformations MUST be applied",
        r"
        K:
        K2: accept-version:1.0
        C2: SUBSCRIBE|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|x:a\cb\\c\nd\\n||^
        S: MESSAGE|x:a\cb\\c\nd\\n
        S2: MESSAGE|x:a:b\c d\n
        ",
    ),
    row(
        "1.1 1.2",
        "Value Encoding",
        "Conversely when encoding frame headers, the reverse transformation MUST be applied.",
        r"
        K:
        K2: accept-version:1.0
        C: SUBSCRIBE|id:a\cb\\\n|destination:{d}|receipt:r\c\\\n||^
        S: RECEIPT|receipt-id:r\c\\\n
        C2: SEND|destination:{d}|x:a:b\c||^
        S: MESSAGE|subscription:a\cb\\\n|x:a\cb\\c
        C: ACK|receipt:e\c1||^
        S: ERROR|receipt-id:e\c1
        X:
        ",
    ),
    row(
        "1.2",
        "Value Encoding",
        r"Undefined escape sequences such as \t (octet 92 and 116) MUST be treated as a fatal protocol error.",
        r"
        K:
        C: SEND|destination:{d}|x:a\tb|receipt:r||^
        S: ERROR|message:bad request|reason:a header has an escape that STOMP 1.2 does not define
        X:
        ",
    ),
    row(
        "1.1",
        "Value Encoding",
        r"Undefined escape sequences such as \r (octet 92 and 114) MUST be treated as a fatal protocol error.",
        r"
        K:
        C: SEND|destination:{d}|x:a\rb||^
        S: ERROR|message:bad request|reason:a header has an escape that STOMP 1.1 does not define
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Value Encoding",
        "MUST be treated as a fatal protocol error.",
        r"
        K:
        C: SUBSCRIBE|i\d:0|destination:{d}||^
        S: ERROR|message:bad request
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Value Encoding",
        "MUST be treated as a fatal protocol error.",
        r"
        K:
        C: SEND|destination:{d}|x:ends in a backslash\||^
        S: ERROR|message:bad request
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Value Encoding",
        "All frames except the CONNECT and CONNECTED frames will also escape any",
        r"
        K: login:a\cb\t:c\
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}||^
        S: MESSAGE|user-id:a\\cb\\t\cc\\
        ",
    ),
    row(
        "1.1 1.2",
        "Value Encoding",
        "The CONNECT and CONNECTED frames do not escape the",
        r"
        C: CONNECT|accept-version:{v}|host:school|login:a\cb\t:c||^
        S: CONNECTED|user-name:a\cb\t:c||^
        ",
    ),
    row(
        "1.0",
        "Augmented BNF",
        "header-value = 1*<any CHAR except LF>",
        r"
        K:
        K2: accept-version:1.2
        C2: SUBSCRIBE|id:0|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        C: SUBSCRIBE|destination:{d}||^SEND|destination:{d}|x:a\nb\c:\t\||^
        S: MESSAGE|x:a\nb\c:\t\
        S2: MESSAGE|x:a\\nb\\c\c\\t\\
        ",
    ),
    row(
        "1.1 1.2",
        "Value Encoding",
        "clients and servers MUST never trim or pad headers with spaces.",
        r"
        K:
        C: SUBSCRIBE|id: 0 |destination:{d}|receipt: r ||^
        S: RECEIPT|receipt-id: r␠
        C: SEND|destination:{d}| name :  value  ||^
        S: MESSAGE|subscription: 0 | name :  value ␠
        ",
    ),
    row(
        "1.0",
        "(introduction)",
        "login: <username>",
        r"
        C: CONNECT|login: alice|passcode:sesame||^
        S: CONNECTED|user-name:alice
        C: SUBSCRIBE|destination: {d}|ack: auto||^SEND|destination: {d}|x:  y ||^
        S: MESSAGE|destination:{d}|x:y
        ",
    ),
    row(
        "1.1 1.2",
        "Value Encoding",
        "The commands and headers are encoded in UTF-8.",
        r"
        K:
        C: SUBSCRIBE|id:教室|destination:{d}|receipt:ä€😀||^
        S: RECEIPT|receipt-id:ä€😀
        C: SEND|destination:{d}|größe:三||Grüße, 教室^
        S: MESSAGE|subscription:教室|größe:三||Grüße, 教室^
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Standard Headers, content-type",
        "All STOMP clients and servers MUST support UTF-8 encoding and decoding.",
        r"
        K:
        C: SEND|destination:{d}|x:{ff}||^
        S: ERROR|message:bad request|reason:command or headers are not UTF-8
        X:
        ",
    ),
    // ── bodies ──────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.0",
        "SUBSCRIBE",
        "The body of the SUBSCRIBE command is ignored.",
        "
        K:
        C: SUBSCRIBE|destination:{d}|receipt:s||ignored^SEND|destination:{d}||x^
        S: RECEIPT|receipt-id:s||^
        S: MESSAGE||x^
        ",
    ),
    row(
        "1.1 1.2",
        "Body",
        "All other frames MUST NOT have a body.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}|receipt:s||SEND|destination:{d}||^SEND|destination:{d}||x^
        S: RECEIPT|receipt-id:s||^
        S: MESSAGE||x^
        ",
    )
    .differs("A body where none may be is read and dropped, never taken for a frame; 1.0 says so of SUBSCRIBE."),
    row(
        "1.2",
        "Body",
        "All other frames MUST NOT have a body.",
        "
        K:
        C: BEGIN|transaction:t|receipt:r||^
        S: RECEIPT|receipt-id:r||^
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Header content-length",
        "regardless of whether or not there are",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|content-length:6||^^a||^^SEND|destination:{d}||b^
        S: MESSAGE|content-length:6||^^a||^^
        S: MESSAGE||b^
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Header content-length",
        "The frame still needs to be terminated with a",
        "
        K:
        C: SEND|destination:{d}|content-length:3||four^
        S: ERROR|message:bad request|reason:the body does not end where content-length says
        X:
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Header content-length",
        "a content-length header is included, this number of",
        "
        K:
        C: SEND|destination:{d}|content-length:40||too short^SEND|destination:{d}||swallowed, and more than that^
        S: ERROR|message:bad request|reason:the body does not end where content-length says
        X:
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Header content-length",
        "for the length of the message body.",
        "
        K:
        C: SEND|destination:{d}|content-length:two||xx^
        S: ERROR|message:bad request|reason:content-length is not a number of bytes
        X:
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Header content-length",
        "for the length of the message body.",
        "
        K:
        C: SEND|destination:{d}|content-length:-1||x^
        S: ERROR|message:bad request|reason:content-length is not a number of bytes
        X:
        ",
    ),
    row(
        "1.0",
        "SEND",
        "if a content-length is not specified, the first null byte encountered signals the end of the frame.",
        "
        K:
        C: SUBSCRIBE|destination:{d}||^SEND|destination:{d}||one^SEND|destination:{d}||two^
        S: MESSAGE||one^
        S: MESSAGE||two^
        ",
    ),
    row(
        "1.2",
        "Header content-length",
        "All frames MAY include a content-length header.",
        "
        K: content-length:0
        C: SUBSCRIBE|id:0|destination:{d}|content-length:3|receipt:s||^^^^BEGIN|transaction:t|content-length:0|receipt:b||^
        S: RECEIPT|receipt-id:s
        S: RECEIPT|receipt-id:b
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Header content-length",
        "for the length of the message body.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|content-length:4||{ff}^{ff}|^
        S: MESSAGE|content-length:4||{ff}^{ff}|^
        C: SEND|destination:{d}||ä^
        S: MESSAGE|content-length:2||ä^
        C: SEND|destination:{d}||^
        S: MESSAGE|content-length:0||^
        ",
    ),
    row(
        "1.2",
        "Header content-length",
        "If the frame body contains NULL octets, the frame MUST include a content-length header.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|content-length:1||^^SEND|destination:{d}||next^
        S: MESSAGE|content-length:1||^^
        S: MESSAGE|content-length:4||next^
        ",
    ),
    row(
        "1.1",
        "Header content-length",
        "If a frame's body contains NULL octets, the frame MUST include a content-length header.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|content-length:1||^^SEND|destination:{d}||next^
        S: MESSAGE|content-length:1||^^
        S: MESSAGE|content-length:4||next^
        ",
    ),
    row(
        "1.1 1.2",
        "Header content-type",
        "SHOULD consider the body to be a binary blob.",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}||a body^
        S: MESSAGE|-content-type||a body^
        C: SEND|destination:{d}|content-type:application/xml;charset=utf-8||<a/>^
        S: MESSAGE|content-type:application/xml;charset=utf-8||<a/>^
        ",
    ),
    // ── receipts ────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.0 1.1 1.2",
        "Header receipt",
        "Any client frame other than CONNECT",
        "
        C: CONNECT|accept-version:{v}|host:school|receipt:never||^
        S: CONNECTED
        C: SUBSCRIBE|id:0|destination:{d}|receipt:1||^UNSUBSCRIBE|id:0|receipt:2||^SEND|destination:{d}|receipt:3||^
        S: RECEIPT|receipt-id:1
        S: RECEIPT|receipt-id:2
        S: RECEIPT|receipt-id:3
        C: BEGIN|transaction:t|receipt:4||^SEND|transaction:t|destination:{d}|receipt:5||^COMMIT|transaction:t|receipt:6||^
        S: RECEIPT|receipt-id:4
        S: RECEIPT|receipt-id:5
        S: RECEIPT|receipt-id:6
        C: BEGIN|transaction:t|receipt:7||^ABORT|transaction:t|receipt:8||^DISCONNECT|receipt:9||^
        S: RECEIPT|receipt-id:7
        S: RECEIPT|receipt-id:8
        S: RECEIPT|receipt-id:9
        H:
        ",
    ),
    row(
        "1.1 1.2",
        "Header receipt",
        "with an arbitrary value.",
        r"
        K:
        C: BEGIN|transaction:a|receipt:||^BEGIN|transaction:b|receipt:two words, a=b||^BEGIN|transaction:c|receipt:{900x}||^
        S: RECEIPT|receipt-id:
        S: RECEIPT|receipt-id:two words, a=b
        S: RECEIPT|receipt-id:{900x}
        C: BEGIN|transaction:d|receipt:same||^BEGIN|transaction:e|receipt:same||^
        S: RECEIPT|receipt-id:same
        S: RECEIPT|receipt-id:same
        ",
    ),
    // ── repeated headers ────────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "Repeated Header Entries",
        "If a client or a server receives repeated frame header entries, only the first header entry SHOULD be used",
        "
        K:
        C: SUBSCRIBE|id:0|id:1|destination:{d}|destination:/topic/other|receipt:r|receipt:s||^
        S: RECEIPT|receipt-id:r
        C: SEND|destination:{d}|destination:nowhere|content-length:1|content-length:9||x^
        S: MESSAGE|subscription:0|destination:{d}||x^
        ",
    ),
    row(
        "1.1",
        "Repeated Header Entries",
        "only the first header entry SHOULD be used as the value of header entry.",
        "
        K:
        C: SUBSCRIBE|id:0|id:1|destination:{d}|destination:/topic/other|receipt:r|receipt:s||^
        S: RECEIPT|receipt-id:r
        C: SEND|destination:{d}|destination:nowhere||x^
        S: MESSAGE|subscription:0|destination:{d}||x^
        ",
    ),
    row(
        "1.1 1.2",
        "Repeated Header Entries",
        "Subsequent values are only used to maintain a history of state changes of the header",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|foo:World|foo:Hello||^
        S: MESSAGE|foo:World|foo:Hello
        ",
    ),
];
