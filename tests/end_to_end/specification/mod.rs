//! STOMP 1.0, 1.1 and 1.2, sentence by sentence, as raw bytes.
//!
//! Each row quotes a sentence that obliges the server, or allows it something, and shows what the broker makes of it:
//! what a client sends, byte for byte, and what comes back, in order and nothing else. Every row is played in each
//! version it names, over TCP and over WebSocket, whole and in pieces. A row of several versions quotes the latest of
//! them. Where the broker differs on purpose, the row says why, and section 13 of `protocol/README.md` lists it.
//!
//! | Room | Sections |
//! | --- | --- |
//! | `frames` | frames, the grammar, size limits |
//! | `headers` | value encoding, body, standard headers, repeated headers |
//! | `connecting` | CONNECT, CONNECTED, negotiation, heart-beating, lingering, DISCONNECT |
//! | `messages` | SEND, MESSAGE, RECEIPT, ERROR |
//! | `subscribing` | SUBSCRIBE, UNSUBSCRIBE |
//! | `acknowledging` | ack modes, ACK, NACK |
//! | `transacting` | BEGIN, COMMIT, ABORT |
//!
//! # Sentences without a row
//!
//! | Sentence | Why |
//! | --- | --- |
//! | 1.1, 1.2 CONNECT: "clients MUST set the following headers", "clients SHOULD continue to use the CONNECT command" | for clients; what is left out is in rows |
//! | 1.2 Protocol Negotiation: accept-version "SHOULD be set to a comma separated list of incrementing" versions | for clients; any order is taken |
//! | 1.1, 1.2 content-length, content-type: SEND "SHOULD include", "SHOULD append ;charset" | for clients; the rows show that neither is needed |
//! | 1.2 content-type: "its value MUST be a MIME type" | ERROR's is in its rows; MESSAGE's is what the publisher wrote |
//! | 1.2 Frames and Headers: the lists of REQUIRED and OPTIONAL headers; examples | said again of each frame, in its rows |
//! | 1.2 Heart-beating: "the receiver SHOULD be tolerant and take into account an error margin", "any new data received … is an indication that the remote end is alive", "MUST send new data … at least every n milliseconds" | moments, not bytes: `heart_beats`, and `protocol/tests/model` to the millisecond |
//! | 1.2 SUBSCRIBE: "the client MUST send the server ACK frames", "SHOULD send NACK frames" | for clients |
//! | 1.2 SUBSCRIBE: "MAY redeliver the message to another client" | a topic's message is each subscription's own; the row shows that it comes again |
//! | 1.2 UNSUBSCRIBE, COMMIT, ABORT: "MUST match", "MUST specify the identifier" | for clients; what happens otherwise is in rows |
//! | 1.2 DISCONNECT: "the client SHOULD", "Clients MUST NOT send any more frames" | for clients; what they send all the same is in a row |
//! | 1.2 Repeated Header Entries: a server "MAY 'update' header values" | this broker relays to no other |
//! | 1.2 Connection Lingering: "a client may not receive the last frame" | not promised, so not observable: rows expect every last frame |
//! | 1.0 SEND, MESSAGE, ERROR: "recommended that … frames include a content-length" | in the rows of content-length |
//! | 1.0 SUBSCRIBE: "may support the selector header" | it is not supported: a row of SUBSCRIBE |

mod acknowledging;
mod connecting;
mod frames;
mod headers;
mod messages;
mod stage;
mod subscribing;
mod transacting;

use std::sync::Arc;

use homeroom_tests::{Broker, Client};
use tokio::task::JoinSet;

use stage::Stage;

/// One sentence and what the broker makes of it.
struct Row {
    /// In which versions it is played, with spaces between.
    versions: &'static str,
    /// The section of the latest of them.
    section: &'static str,
    /// What stands there.
    sentence: &'static str,
    /// See [`stage`].
    script: &'static str,
    /// Why we do otherwise, where we do.
    differs: Option<&'static str>,
}

const fn row(versions: &'static str, section: &'static str, sentence: &'static str, script: &'static str) -> Row {
    Row { versions, section, sentence, script, differs: None }
}

impl Row {
    /// The broker does otherwise, for this reason.
    const fn differs(self, why: &'static str) -> Row {
        Row { differs: Some(why), ..self }
    }
}

/// How the bytes of a script travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    TcpInPieces,
    /// A message for each line of the script; what is no UTF-8 goes as binary.
    WebSocketText,
    WebSocketBinary,
    /// Many messages for each line of the script, of two fragments each.
    WebSocketInPieces,
}

impl Transport {
    async fn open(self, broker: &Broker) -> Client {
        match self {
            Transport::Tcp | Transport::TcpInPieces => Client::tcp(broker).await,
            _ => Client::websocket(broker, &[]).await,
        }
    }

    fn pieces(self, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        let length = match self {
            Transport::TcpInPieces | Transport::WebSocketInPieces => (bytes.len() / PIECES_MAX).max(PIECE_BYTES),
            _ => bytes.len().max(1),
        };
        bytes.chunks(length)
    }
}

/// No divisor of what the frames are made of.
const PIECE_BYTES: usize = 7;
/// A frame of many kilobytes need not come in thousands of pieces.
const PIECES_MAX: usize = 64;

/// Heart-beats that come soon, and bodies whose limit is soon passed.
const SETTINGS: &str = r#"
[stomp]
heartbeat_send = "100ms"
heartbeat_receive = "100ms"
[limits]
body_bytes = "64KiB"
"#;

fn rows() -> impl Iterator<Item = &'static Row> {
    let rooms = [frames::ROWS, headers::ROWS, connecting::ROWS, messages::ROWS];
    let more = [subscribing::ROWS, acknowledging::ROWS, transacting::ROWS];
    rooms.into_iter().chain(more).flatten()
}

async fn every_row(version: &'static str, transport: Transport) {
    let broker = Arc::new(Broker::start_with(SETTINGS).await);
    let mut playing = JoinSet::new();
    for (number, row) in rows().enumerate().filter(|(_, row)| row.versions.split(' ').any(|own| own == version)) {
        let mut stage = Stage::new(Arc::clone(&broker), transport, version, &format!("row-{number}"));
        let name = format!("STOMP {version}, {}: “{}”", row.section, row.sentence);
        let played = tokio::spawn(async move { stage.play(row).await });
        playing.spawn(async move {
            match played.await {
                Ok(Ok(())) => None,
                Ok(Err(wrong)) => Some(format!("{name}\n  {wrong}")),
                Err(panicked) => Some(format!("{name}\n  {panicked}")),
            }
        });
    }
    let failed: Vec<String> = playing.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} rows over {transport:?}:\n\n{}\n", failed.len(), failed.join("\n\n"));
}

#[test]
fn every_row_names_its_versions_and_reasons() {
    for row in rows() {
        let known = row.versions.split(' ').all(|version| ["1.0", "1.1", "1.2"].contains(&version));
        assert!(known && !row.section.is_empty() && !row.sentence.is_empty(), "{}: {}", row.section, row.sentence);
        assert!(row.differs.is_none_or(|why| why.ends_with('.')), "a reason is a sentence: {:?}", row.differs);
    }
}

macro_rules! each_version_over {
    ($($name:ident: $transport:ident,)*) => {$(
        mod $name {
            use super::{Transport, every_row};

            #[tokio::test]
            async fn stomp_1_0() {
                every_row("1.0", Transport::$transport).await;
            }

            #[tokio::test]
            async fn stomp_1_1() {
                every_row("1.1", Transport::$transport).await;
            }

            #[tokio::test]
            async fn stomp_1_2() {
                every_row("1.2", Transport::$transport).await;
            }
        }
    )*};
}

each_version_over! {
    over_tcp: Tcp,
    over_tcp_in_pieces: TcpInPieces,
    over_websocket_text: WebSocketText,
    over_websocket_binary: WebSocketBinary,
    over_websocket_in_pieces: WebSocketInPieces,
}
