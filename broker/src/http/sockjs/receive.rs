//! Answers that carry what a session says: one for each poll, or one that goes on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use hyper::body::{Frame, SizeHint};

use super::pages;
use super::session::Receiver;
use super::table::Unreceived;
use crate::http::{Door, upgrade};
use crate::metrics::Limit;
use crate::transport::pipe::Answering;
use crate::transport::sockjs;

/// Bytes before the first frame of a stream, so that browsers and proxies show it at once.
const PRELUDE_BYTES: usize = 2048;

/// How a session is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// `xhr`
    Poll,
    /// `xhr_streaming`
    Stream,
    /// `eventsource`
    Events,
    /// `htmlfile`
    Html,
}

impl Manner {
    pub(super) fn of(transport: &str) -> Option<Manner> {
        match transport {
            "xhr" => Some(Manner::Poll),
            "xhr_streaming" => Some(Manner::Stream),
            "eventsource" => Some(Manner::Events),
            "htmlfile" => Some(Manner::Html),
            _ => None,
        }
    }

    /// A page that asks with XHR sees whether an answer ended or broke off, and asks again only after the one. Event
    /// sources and frames do not see it: there, one answer is all of a session, and nothing is said to have arrived.
    fn answering(self) -> Answering {
        match self {
            Manner::Poll | Manner::Stream => Answering::Client,
            Manner::Events | Manner::Html => Answering::Departure,
        }
    }

    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Manner::Poll | Manner::Stream => "application/javascript; charset=UTF-8",
            Manner::Events => "text/event-stream",
            Manner::Html => "text/html; charset=UTF-8",
        })
    }

    fn prelude(self, callback: &str) -> String {
        match self {
            Manner::Poll => String::new(),
            Manner::Stream => format!("{}\n", "h".repeat(PRELUDE_BYTES)),
            Manner::Events => "\r\n".to_owned(),
            Manner::Html => {
                let page = HTML.replace("{callback}", callback);
                let missing = PRELUDE_BYTES.saturating_sub(page.len());
                format!("{page}{}\r\n\r\n", " ".repeat(missing))
            }
        }
    }

    fn push(self, frame: &str, out: &mut String) {
        match self {
            Manner::Poll | Manner::Stream => out.extend([frame, "\n"]),
            // The client undoes percent encoding here.
            Manner::Events => out.extend(["data: ", &frame.replace('%', "%25"), "\r\n\r\n"]),
            Manner::Html => {
                // Nothing in a message may end the script.
                let text = serde_json::Value::from(frame).to_string().replace('<', "\\u003c");
                out.extend(["<script>\np(", &text, ");\n</script>\r\n"]);
            }
        }
    }
}

/// sockjs-protocol, "HtmlFile".
const HTML: &str = r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{callback};
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>"#;

/// Answers one request for what the session says.
pub(super) async fn answer(
    door: &Arc<Door>,
    session: &str,
    manner: Manner,
    peer: SocketAddr,
    query: Option<&str>,
) -> Response {
    let callback = match manner {
        Manner::Html => match callback(query.unwrap_or_default()) {
            Ok(callback) => callback,
            Err(reason) => return upgrade::plain(StatusCode::INTERNAL_SERVER_ERROR, reason.to_owned()),
        },
        _ => String::new(),
    };
    let received = door.sockjs.receive(door, session, manner.answering(), peer);
    let mut response = match received {
        Err(Unreceived::Busy) => {
            door.services.metrics.turned_away(Limit::Connections);
            return upgrade::busy();
        }
        Err(Unreceived::Another) => {
            let mut text = manner.prelude(&callback);
            manner.push(&sockjs::close(2010, "Another connection still open"), &mut text);
            text.into_response()
        }
        Ok(receiver) => {
            let lease = receiver.lease();
            let mut response = if manner == Manner::Poll {
                poll(receiver).await
            } else {
                streaming(Flow {
                    left: bytes_max(door, manner),
                    prelude: Some(manner.prelude(&callback)),
                    receiver,
                    manner,
                })
            };
            response.extensions_mut().insert(lease);
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, manner.media_type());
    if manner == Manner::Html {
        headers.insert(header::CONTENT_SECURITY_POLICY, pages::frame_ancestors(door));
    }
    response
}

/// How much one answer carries.
fn bytes_max(door: &Door, manner: Manner) -> usize {
    match manner.answering() {
        Answering::Client => usize::try_from(door.services.settings.sockjs.answer_bytes).unwrap_or(usize::MAX),
        Answering::Departure => usize::MAX,
    }
}

/// The function that the frame calls in its page.
fn callback(query: &str) -> Result<String, &'static str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(name, _)| matches!(*name, "c" | "callback")).map(|(_, value)| value).unwrap_or_default();
    let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match value.as_ref() {
        "" => Err("\"callback\" parameter required\n"),
        value if !value.bytes().all(is_plain) => Err("invalid \"callback\" parameter\n"),
        value => Ok(value.to_owned()),
    }
}

async fn poll(mut receiver: Receiver) -> Response {
    let mut text = String::new();
    for frame in receiver.next().await {
        Manner::Poll.push(&frame, &mut text);
    }
    Body::new(Whole { text: Bytes::from(text), receiver }).into_response()
}

/// The answer to a poll: the receiver is finished when it was taken.
struct Whole {
    text: Bytes,
    receiver: Receiver,
}

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = std::mem::take(&mut self.text);
        self.receiver.finish();
        Poll::Ready((!text.is_empty()).then(|| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.text.len() as u64)
    }
}

/// An answer that goes on.
struct Flow {
    receiver: Receiver,
    manner: Manner,
    prelude: Option<String>,
    /// Bytes until its end.
    left: usize,
}

fn streaming(flow: Flow) -> Response {
    let pieces = stream::unfold(Some(Box::new(flow)), |flow| async move {
        let mut flow = flow?;
        let piece = flow.next().await;
        let ends = flow.left == 0;
        // What is over is kept until its last piece is taken.
        (!piece.is_empty() || !ends).then(|| (Ok::<_, Infallible>(Bytes::from(piece)), Some(flow)))
    });
    Body::from_stream(pieces).into_response()
}

impl Flow {
    /// What is to be written next; nothing at the end.
    async fn next(&mut self) -> String {
        if let Some(prelude) = self.prelude.take() {
            return prelude;
        }
        let mut text = String::new();
        if self.left == 0 {
            return text;
        }
        let frames = self.receiver.next().await;
        for frame in &frames {
            self.manner.push(frame, &mut text);
        }
        self.left = self.left.saturating_sub(text.len());
        if frames.is_empty() || self.receiver.is_last() {
            self.left = 0;
        }
        if self.left == 0 {
            self.receiver.finish();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_a_name_and_nothing_else() {
        for (query, name) in [("c=%63allback", "callback"), ("x=1&c=_jp.a-1", "_jp.a-1"), ("callback=f", "f")] {
            assert_eq!(callback(query).as_deref(), Ok(name), "{query}");
        }
        for query in ["c=%20", "c=*", "c=abc(", "c=abc%28", "c=%3C/script%3E", "c=%ff"] {
            assert_eq!(callback(query), Err("invalid \"callback\" parameter\n"), "{query}");
        }
        assert_eq!(callback("c="), Err("\"callback\" parameter required\n"));
    }

    #[test]
    fn a_frame_is_written_as_each_way_has_it() {
        let written = |manner: Manner| {
            let mut text = String::new();
            manner.push("a[\"</script>%2A\"]", &mut text);
            text
        };
        assert_eq!(written(Manner::Poll), "a[\"</script>%2A\"]\n");
        assert_eq!(written(Manner::Events), "data: a[\"</script>%252A\"]\r\n\r\n");
        assert_eq!(written(Manner::Html), "<script>\np(\"a[\\\"\\u003c/script>%2A\\\"]\");\n</script>\r\n");
    }
}
