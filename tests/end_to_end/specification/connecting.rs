//! How a conversation begins, stays alive and ends.

use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    // ── CONNECT and CONNECTED ────────────────────────────────────────────────────────────────────
    row(
        "1.0",
        "(introduction)",
        "After the client sends the CONNECT frame, the server will always acknowledge the connection",
        "
        C: CONNECT|login: <username>|passcode:<passcode>||^
        S: CONNECTED|session:{one}||^
        C2: CONNECT||^
        S2: CONNECTED|session:!{one}||^
        ",
    ),
    row(
        "1.1 1.2",
        "Connecting",
        "If the server accepts the connection attempt it will respond with a CONNECTED frame",
        "
        C: CONNECT|accept-version:{v}|host:stomp.github.org||^
        S: CONNECTED|version:{v}||^
        ",
    ),
    row(
        "1.1 1.2",
        "Connecting",
        "A STOMP client initiates the stream or TCP connection to the server by sending the CONNECT frame",
        "
        C: SEND|destination:{d}|receipt:r||too early^CONNECT|accept-version:{v}||^
        S: ERROR|message:bad request|reason:SEND came before CONNECT|receipt-id:r
        X:
        ",
    ),
    row(
        "1.0",
        "(introduction)",
        "The client then sends",
        "
        C: SUBSCRIBE|destination:{d}||^CONNECT||^
        S: ERROR|message:bad request|reason:SUBSCRIBE came before CONNECT
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Connecting",
        "A STOMP client initiates the stream or TCP connection to the server by sending the CONNECT frame",
        "
        K:
        C: CONNECT|accept-version:1.2|host:school||^
        S: ERROR|message:bad request|reason:CONNECT came on a connection that is connected
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Connecting",
        "The server SHOULD respond back with an ERROR frame",
        "
        C: CONNECT|accept-version:{v}|host:school|heart-beat:often||^
        S: ERROR|message:bad request|reason:heart-beat of CONNECT must be*|content-type:text/plain;charset=utf-8
        X:
        ",
    ),
    row(
        "1.2",
        "CONNECT or STOMP Frame",
        "STOMP servers MUST handle a STOMP frame in the same manner as a CONNECT frame.",
        r"
        C: STOMP|accept-version:1.2|host:school|login:a\cb||^
        S: CONNECTED|version:1.2|user-name:a\cb||^
        C: STOMP|accept-version:1.2|host:school||^
        S: ERROR|reason:STOMP came on a connection that is connected
        X:
        ",
    ),
    row(
        "1.1",
        "CONNECT or STOMP Frame",
        "STOMP servers SHOULD handle a STOMP frame in the same manner as a CONNECT frame.",
        r"
        C: STOMP|accept-version:1.1|host:school|login:a\cb||^
        S: CONNECTED|version:1.1|user-name:a\cb||^
        ",
    ),
    row(
        "1.1 1.2",
        "CONNECT or STOMP Frame",
        "servers supporting virtual hosting MAY select a default virtual host or reject the connection.",
        "
        C: CONNECT|accept-version:{v}|host:never.heard.of||^
        S: CONNECTED|version:{v}
        C2: CONNECT|accept-version:{v}||^
        S2: CONNECTED|version:{v}
        ",
    )
    .differs("There are no virtual hosts: any host is taken, also none, though clients MUST name one."),
    row(
        "1.1 1.2",
        "CONNECT or STOMP Frame",
        "clients MAY set the following headers",
        "
        C: CONNECT|accept-version:{v}|host:school|login:{u}|passcode:a:b||^
        S: CONNECTED|user-name:{u}|-passcode||^
        ",
    ),
    row(
        "1.1 1.2",
        "CONNECTED Frame",
        "version : The version of the STOMP protocol the session will be using.",
        "
        C: CONNECT|accept-version:{v}|host:school||^
        S: CONNECTED|version:{v}||^
        ",
    ),
    row(
        "1.1 1.2",
        "CONNECTED Frame",
        "that uniquely identifies the session.",
        "
        C: CONNECT|accept-version:{v}|host:school||^
        S: CONNECTED|session:{one}||^
        C2: CONNECT|accept-version:{v}|host:school||^
        S2: CONNECTED|session:!{one}||^
        ",
    ),
    row(
        "1.1 1.2",
        "CONNECTED Frame",
        "The field MUST contain a server-name field",
        "
        C: CONNECT|accept-version:{v}|host:school||^
        S: CONNECTED|server:homeroom/*||^
        ",
    ),
    // ── negotiation ──────────────────────────────────────────────────────────────────────────────
    row(
        "1.1 1.2",
        "Protocol Negotiation",
        "If the accept-version header is missing, it means that the client only supports version 1.0 of the protocol.",
        r"
        C: CONNECT|host:school||^
        S: CONNECTED|version:1.0
        C: SUBSCRIBE|destination: {d}||^SEND|destination: {d}|x:\t||^
        S: MESSAGE|x:\t|-subscription
        ",
    ),
    row(
        "1.1 1.2",
        "Protocol Negotiation",
        "the highest protocol version that both the client and server have in common.",
        "
        C: CONNECT|accept-version:1.0,1.1,2.0|host:stomp.github.org||^
        S: CONNECTED|version:1.1
        C2: CONNECT|accept-version:1.2,1.0,1.1|host:stomp.github.org||^
        S2: CONNECTED|version:1.2
        C3: CONNECT|accept-version:1.0|host:stomp.github.org||^
        S3: CONNECTED|version:1.0
        ",
    ),
    row(
        "1.2",
        "Protocol Negotiation",
        "If the client and server do not share any common protocol versions, then the server MUST respond with an ERROR frame similar to the following and then close the connection",
        "
        C: CONNECT|accept-version:2.0,2.1|host:school||^
        S: ERROR|version:1.0,1.1,1.2|content-type:text/plain;charset=utf-8|reason:supported protocol versions are 1.0 1.1 1.2
        X:
        ",
    ),
    row(
        "1.1",
        "Protocol Negotiation",
        "If the client and server do not share any common protocol versions, then the server SHOULD respond with an ERROR frame",
        "
        C: CONNECT|accept-version:|host:school||^
        S: ERROR|version:1.0,1.1,1.2|content-type:text/plain;charset=utf-8|reason:supported protocol versions are 1.0 1.1 1.2
        X:
        ",
    ),
    // ── heart-beating ────────────────────────────────────────────────────────────────────────────
    row(
        "1.1 1.2",
        "Heart-beating",
        "When used, the heart-beat header MUST contain two positive integers separated by a comma.",
        "
        C: CONNECT|accept-version:{v}|host:school|heart-beat:0,0||^
        S: CONNECTED|heart-beat:100,100
        C2: CONNECT|accept-version:{v}|host:school|heart-beat:1||^
        S2: ERROR|message:bad request
        X2:
        C3: CONNECT|accept-version:{v}|host:school|heart-beat:-1,0||^
        S3: ERROR|message:bad request
        X3:
        ",
    ),
    row(
        "1.1 1.2",
        "Heart-beating",
        "it MUST send",
        "
        K: heart-beat:0,50
        B:
        B:
        C: BEGIN|transaction:t|receipt:r||^
        S: RECEIPT|receipt-id:r
        B:
        ",
    ),
    row(
        "1.1 1.2",
        "Heart-beating",
        r#"A missing heart-beat header MUST be treated the same way as a "heart-beat:0,0" header"#,
        "
        K:
        K2: heart-beat:0,0
        K3: heart-beat:0,50
        B3:
        B3:
        B3:
        ",
    ),
    row(
        "1.1 1.2",
        "Heart-beating",
        "the server does not want to receive heart-beats) then there will be none",
        "
        K: heart-beat:60000,0
        K2: heart-beat:0,50
        B2:
        B2:
        B2:
        ",
    ),
    row(
        "1.2",
        "Heart-beating",
        "the receiver did not receive any new data, it MAY consider the connection as dead",
        "
        K: heart-beat:100,0
        X:
        ",
    ),
    row(
        "1.1",
        "Heart-beating",
        "the receiver did not receive any new data, it CAN consider the connection as dead",
        "
        K: heart-beat:100,0
        X:
        ",
    ),
    row(
        "1.0",
        "(introduction)",
        "the server will always acknowledge the connection",
        "
        C: CONNECT|heart-beat:50,50||^
        S: CONNECTED|-heart-beat
        K2: accept-version:1.1|heart-beat:0,50
        B2:
        B2:
        B2:
        ",
    ),
    // ── the end ──────────────────────────────────────────────────────────────────────────────────
    row(
        "1.1 1.2",
        "DISCONNECT",
        "wait for the RECEIPT frame response to the DISCONNECT.",
        "
        K:
        C: SEND|destination:{d}||^SEND|destination:{d}||^DISCONNECT|receipt:77||^
        S: RECEIPT|receipt-id:77||^
        H:
        ",
    ),
    row(
        "1.0",
        "DISCONNECT",
        "DISCONNECT does a graceful disconnect from the server.",
        "
        K:
        C: SEND|destination:{d}||before^DISCONNECT||^
        H:
        K2:
        C2: SUBSCRIBE|destination:{d}|x-stream-offset:first||^
        S2: MESSAGE||before^
        ",
    ),
    row(
        "1.1 1.2",
        "DISCONNECT",
        "Clients MUST NOT send any more frames after the DISCONNECT frame is sent.",
        "
        K2:
        C2: SUBSCRIBE|id:0|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        K:
        C: SEND|destination:{d}||before^DISCONNECT|receipt:77||^SEND|destination:{d}|receipt:78||behind^
        S: RECEIPT|receipt-id:77||^
        H:
        C2: SEND|destination:{d}||later^
        S2: MESSAGE||before^
        S2: MESSAGE||later^
        ",
    ),
    row(
        "1.1 1.2",
        "DISCONNECT",
        "A client can disconnect from the server at anytime by closing the socket",
        "
        K:
        H:
        C2: CONNECT|accept-ver
        H2:
        C3: |
        H3:
        ",
    ),
    row(
        "1.2",
        "Connection Lingering",
        "STOMP servers must be able to support clients which rapidly connect and disconnect.",
        "
        K1:
        H1:
        K2:
        H2:
        K3:
        C3: DISCONNECT|receipt:r||^
        S3: RECEIPT|receipt-id:r
        H3:
        K4:
        H4:
        K5:
        H5:
        K6:
        ",
    ),
    row(
        "1.1",
        "Connecting",
        "STOMP servers MUST support clients which rapidly connect and disconnect.",
        "
        K1:
        H1:
        K2:
        H2:
        K3:
        C3: DISCONNECT|receipt:r||^
        S3: RECEIPT|receipt-id:r
        H3:
        K4:
        H4:
        K5:
        ",
    ),
];
