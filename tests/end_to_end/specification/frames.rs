//! Where lines, headers and frames end, and how large they may be.

use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    // ── lines ───────────────────────────────────────────────────────────────────────────────────────
    row(
        "1.2",
        "STOMP Frames",
        "an end-of-line (EOL), which consists of an OPTIONAL carriage return (octet 13) followed by a REQUIRED line feed",
        r"
        C: CONNECT␍|accept-version:1.2␍|host:school␍|␍|^
        S: CONNECTED|version:1.2
        C: SUBSCRIBE␍|id:0|destination:{d}␍|␍|^SEND|destination:{d}␍|x:y␍||␍|body␍|^
        S: MESSAGE|subscription:0|destination:{d}|x:y||␍|body␍|^
        ",
    ),
    row(
        "1.0 1.1",
        "Augmented BNF",
        "frame = command LF *( header LF ) LF",
        r"
        K:
        C: SUBSCRIBE␍|id:0␍|destination:{d}␍|␍|^SEND␍|destination:{d}␍|x:y␍|␍|body␍|^
        S: MESSAGE|subscription:0|destination:{d}|x:y||body␍|^
        ",
    )
    .differs("CR LF ends a line in every version: clients write it, and no value means the CR at its end."),
    row(
        "1.1",
        "Augmented BNF",
        r#"header-value = *<any OCTET except LF or ":">"#,
        r"
        K:
        K2: accept-version:1.2
        C2: SUBSCRIBE|id:0|destination:{d}|receipt:s||^
        S2: RECEIPT|receipt-id:s
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|x:a␍b||^
        S: MESSAGE|x:a b
        S2: MESSAGE|x:a\rb
        ",
    )
    .differs("A CR within a value is taken, and shown as a space in versions that do not escape it: it may end a line there."),
    row(
        "1.2",
        "STOMP Frames",
        "The NULL octet can be optionally followed by multiple EOLs.",
        r"
        C: CONNECT|accept-version:1.2||^|||␍||
        S: CONNECTED
        C: |␍|SUBSCRIBE|id:0|destination:{d}||^␍|||SEND|destination:{d}||one^|||SEND|destination:{d}||two^|
        S: MESSAGE||one^
        S: MESSAGE||two^
        ",
    ),
    row(
        "1.0 1.1",
        "Augmented BNF",
        "NULL *( LF )",
        r"
        K:
        C: |||SUBSCRIBE|id:0|destination:{d}||^|||SEND|destination:{d}||one^|||SEND|destination:{d}||two^|
        S: MESSAGE||one^
        S: MESSAGE||two^
        ",
    ),
    row(
        "1.1 1.2",
        "STOMP Frames",
        "All commands and header names referenced in this document are case sensitive.",
        "
        K:
        C: send|destination:{d}||^
        S: ERROR|message:bad request
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "STOMP Frames",
        "All commands and header names referenced in this document are case sensitive.",
        "
        K:
        C: SEND|Destination:{d}||^
        S: ERROR|message:bad request|reason:SEND needs the header destination
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "STOMP Frames",
        "The frame starts with a command string",
        "
        K:
        C:  SEND|destination:{d}|x^
        S: ERROR|message:bad request
        X:
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Augmented BNF",
        r#"header = header-name ":" header-value"#,
        "
        K:
        C: SEND|destination:{d}|no colon||^
        S: ERROR|message:bad request|reason:a header line has no colon
        X:
        ",
    ),
    row(
        "1.0 1.1 1.2",
        "Augmented BNF",
        "header-name = 1*<any",
        "
        K:
        C: SEND|destination:{d}|:no name||^
        S: ERROR|message:bad request|reason:a header has no name
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Augmented BNF",
        r#"header-value = *<any OCTET except"#,
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|empty:||^
        S: MESSAGE|empty:||^
        ",
    ),
    row(
        "1.0",
        "Augmented BNF",
        "header-value = 1*<any CHAR except LF>",
        "
        K:
        C: SUBSCRIBE|destination:{d}||^SEND|destination:{d}|empty:|coloured:a:b|ä:ö||^
        S: MESSAGE|empty:|coloured:a:b|ä:ö||^
        ",
    )
    .differs("Values may be empty, and headers UTF-8 as in later versions: nothing is lost by taking more."),
    row(
        "1.2",
        "Augmented BNF",
        r#"header-value = *<any OCTET except CR or LF or ":">"#,
        "
        K:
        C: SEND|destination:{d}|x:a␍b||^
        S: ERROR|message:bad request|reason:a header has a carriage return that does not end its line
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Augmented BNF",
        r#"header-value = *<any OCTET except"#,
        r"
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|x:a:b||^
        S: MESSAGE|x:a\cb
        ",
    )
    .differs("A plain colon in a value is taken: many clients do not escape it. What the broker writes is escaped."),
    row(
        "1.0 1.1",
        "Augmented BNF",
        "frame = command LF *( header LF ) LF",
        "
        K:
        C: SEND|destination:{d}|x:^
        S: ERROR|message:bad request|reason:the frame ended before its headers did
        X:
        ",
    ),
    row(
        "1.2",
        "Augmented BNF",
        "frame = command EOL *( header EOL ) EOL *OCTET NULL",
        "
        K:
        C: SEND|destination:{d}|x:^
        S: ERROR|message:bad request|reason:the frame ended before its headers did
        X:
        ",
    ),
    // ── size limits ─────────────────────────────────────────────────────────────────────────────────
    row(
        "1.1 1.2",
        "Size Limits",
        "the number of frame headers allowed in a single frame",
        "
        K:
        C: SEND|1:|2:|3:|4:|5:|6:|7:|8:|9:|10:|11:|12:|13:|14:|15:|16:|17:|18:|19:|20:|21:|22:|23:|24:|25:|26:|27:|28:|29:|30:|31:|32:|33:|34:|35:|36:|37:|38:|39:|40:|41:|42:|43:|44:|45:|46:|47:|48:|49:|50:|51:|52:|53:|54:|55:|56:|57:|58:|59:|60:|61:|62:|63:|64:|65:|
        S: ERROR|message:limit exceeded|reason:a frame may have 64 headers
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Size Limits",
        "the maximum length of header lines",
        r"
        K:
        C: SEND|destination:{d}|x:{16384x}
        S: ERROR|message:limit exceeded|reason:the headers of one frame may have 16384 bytes
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Size Limits",
        "If these limits are exceeded the server SHOULD send the client an ERROR frame and",
        "
        K:
        C: SEND|destination:{d}|content-length:65537|
        S: ERROR|message:limit exceeded|reason:a body may have 65536 bytes
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Size Limits",
        "the maximum size of a frame body",
        "
        K:
        C: SEND|destination:{d}||{65537x}
        S: ERROR|message:limit exceeded|reason:a body may have 65536 bytes
        X:
        ",
    ),
    row(
        "1.1 1.2",
        "Size Limits",
        "servers MAY place maximum limits on",
        "
        K:
        C: SUBSCRIBE|id:0|destination:{d}||^SEND|destination:{d}|x:{15000x}||{65536x}^
        S: MESSAGE|content-length:65536|x:{15000x}||{65536x}^
        ",
    ),
    row(
        "1.1 1.2",
        "Conformance",
        "Implementations may impose implementation-specific limits on unconstrained inputs",
        "
        K:
        C: BEGIN|transaction:{1025x}||^
        S: ERROR|message:limit exceeded|reason:transaction may have 1024 bytes
        X:
        ",
    ),
];
