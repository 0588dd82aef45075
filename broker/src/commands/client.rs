//! A STOMP client over WebSocket, as far as the commands need one.

use std::time::Duration;

use clap::Args;
use futures_util::{SinkExt, StreamExt};
use homeroom_protocol::{Command, Decoded, Decoder, Frame, Limits, Version, encode};
use tokio::time::{Instant, Interval, interval, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::Failure;
use super::reach::{Failed, Place, Trust, port};
use super::sign_in::{self, SignIn};
use crate::refusals::code;
use crate::transport::Socket;

/// Which broker, and as whom.
#[derive(Args, Clone, Debug)]
pub(super) struct Target {
    /// The broker's WebSocket, ws:// or wss://
    #[arg(long, env = "HOMEROOM_URL", value_name = "URL", default_value = "ws://127.0.0.1:8080/ws")]
    pub(super) url: String,
    #[command(flatten)]
    pub(super) sign_in: SignIn,
    #[command(flatten)]
    pub(super) trust: Trust,
}

/// A conversation after CONNECTED.
pub(super) struct Client {
    socket: WebSocketStream<Socket>,
    decoder: Decoder,
    heart_beats: HeartBeats,
}

/// Why there is no next frame.
#[derive(Debug)]
pub(super) enum Ending {
    /// The broker said ERROR: what it was about has had no effect.
    Refused(Failure),
    /// The line is gone: what was under way may have had its effect or not.
    Lost(Failure),
}

impl From<Ending> for Failure {
    fn from(ending: Ending) -> Failure {
        match ending {
            Ending::Refused(failure) | Ending::Lost(failure) => failure,
        }
    }
}

/// Our own at every tick; theirs at the latest at `silent_at`.
struct HeartBeats {
    ours: Interval,
    theirs: Duration,
    silent_at: Instant,
}

/// What we offer to send and ask for.
const HEART_BEAT: Duration = Duration::from_secs(10);

/// From the first packet to CONNECTED.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

impl Client {
    /// Connects and signs in.
    pub(super) async fn connect(target: &Target) -> Result<Client, Failure> {
        let url = &target.url;
        tokio::time::timeout(CONNECT_WITHIN, open(target)).await.unwrap_or_else(|_| {
            Err(Failure::new(format!("{url} did not answer within {} seconds.", CONNECT_WITHIN.as_secs())))
        })
    }

    /// Sends a frame.
    pub(super) async fn send(&mut self, frame: &Frame) -> Result<(), Ending> {
        let mut bytes = Vec::new();
        encode(&mut bytes, Version::V1_2, frame);
        let message = match String::from_utf8(bytes) {
            Ok(text) => Message::text(text),
            Err(error) => Message::binary(error.into_bytes()),
        };
        self.socket.send(message).await.map_err(|error| lost(&error.to_string()))
    }

    /// The next frame that is no ERROR; an ERROR, a close and silence are endings. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Result<Frame, Ending> {
        loop {
            match self.decoder.next() {
                Some(Ok(Decoded::Frame(frame))) if frame.command == Command::Error => return Err(refused(&frame)),
                Some(Ok(Decoded::Frame(frame))) => return Ok(frame),
                Some(Ok(Decoded::HeartBeat)) => {}
                Some(Err(error)) => return Err(lost(&format!("the broker sent no STOMP: {error}"))),
                None => self.receive().await?,
            }
        }
    }

    /// DISCONNECT, and waits until everything before it has had its effect.
    pub(super) async fn disconnect(mut self) -> Result<(), Failure> {
        self.send(&Frame::new(Command::Disconnect).with("receipt", "bye")).await?;
        loop {
            let frame = self.next().await?;
            if frame.command == Command::Receipt && frame.headers.get("receipt-id") == Some("bye") {
                // All is said; whether the close is heard changes nothing.
                let _ = self.socket.close(None).await;
                return Ok(());
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Ending> {
        let beats = &mut self.heart_beats;
        tokio::select! {
            message = self.socket.next() => {
                beats.silent_at = Instant::now() + beats.theirs;
                self.take(message.transpose().map_err(|error| lost(&error.to_string()))?)
            }
            _ = beats.ours.tick() => {
                self.socket.send(Message::text("\n")).await.map_err(|error| lost(&error.to_string()))
            }
            () = sleep_until(beats.silent_at) => Err(lost("nothing was heard from the broker for too long")),
        }
    }

    fn take(&mut self, message: Option<Message>) -> Result<(), Ending> {
        match message {
            Some(Message::Text(text)) => self.decoder.push(text.as_bytes()),
            Some(Message::Binary(bytes)) => self.decoder.push(&bytes),
            Some(Message::Close(Some(close))) => {
                return Err(lost(&format!("the broker closed it with {}: {}", close.code, close.reason)));
            }
            Some(Message::Close(None)) | None => return Err(lost("the broker closed it without a reason")),
            Some(_) => {}
        }
        Ok(())
    }
}

async fn open(target: &Target) -> Result<Client, Failure> {
    let (request, place) = request(&target.url)?;
    let unreachable = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "{} cannot be reached: {error}. Is the broker running there? Name another address with --url.",
            target.url
        ))
    };
    let stream = place.connect(&target.trust).await.map_err(|failure| match failure {
        Failed::Unreachable(error) => unreachable(&error),
        Failed::Otherwise(failure) => failure,
    })?;
    let (socket, _) = client_async(request, stream).await.map_err(|error| unreachable(&error))?;
    let decoder = Decoder::new(Version::V1_2, &limits());
    let heart_beats = HeartBeats::negotiated("0,0");
    let mut client = Client { socket, decoder, heart_beats };
    client.send(&connect_frame(target)).await?;
    let connected = client.next().await?;
    if connected.command != Command::Connected {
        return Err(Failure::new(format!("{} answered CONNECT with {}.", target.url, connected.command)));
    }
    client.heart_beats = HeartBeats::negotiated(connected.headers.get("heart-beat").unwrap_or("0,0"));
    Ok(client)
}

fn request(url: &str) -> Result<(Request, Place), Failure> {
    let wrong = |what: &str| {
        Failure::usage(format!("--url {url} {what}: write the address of a WebSocket, such as ws://127.0.0.1:8080/ws."))
    };
    let mut request = url.into_client_request().map_err(|error| wrong(&format!("cannot be read ({error})")))?;
    let secure = match request.uri().scheme_str() {
        Some("ws") => false,
        Some("wss") => true,
        _ => return Err(wrong("is neither ws:// nor wss://")),
    };
    let authority = request.uri().authority().ok_or_else(|| wrong("names no host"))?;
    let host = authority.host().to_owned();
    let port = port(authority, if secure { 443 } else { 80 }).ok_or_else(|| wrong("has no port from 1 to 65535"))?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(Version::V1_2.subprotocol()));
    Ok((request, Place { host, port, secure }))
}

fn connect_frame(target: &Target) -> Frame {
    let beat = HEART_BEAT.as_millis();
    let frame = Frame::new(Command::Connect)
        .with("accept-version", Version::V1_2.number())
        .with("host", "homeroom")
        .with("heart-beat", &format!("{beat},{beat}"));
    target.sign_in.headers().iter().fold(frame, |frame, (name, text)| frame.with(name, text.expose()))
}

/// A broker may allow more than the defaults; what it sends is what it was sent.
fn limits() -> Limits {
    Limits { header_bytes_max: 1 << 20, headers_max: 4096, body_bytes_max: 64 << 20, ..Limits::default() }
}

/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl HeartBeats {
    /// From what the broker offers to send and asks for, in milliseconds.
    fn negotiated(header: &str) -> HeartBeats {
        let (sends, wants) = header.split_once(',').unwrap_or(("0", "0"));
        let millis = |text: &str| Duration::from_millis(text.trim().parse().unwrap_or(0));
        let agreed = |their: Duration| if their.is_zero() { FOREVER } else { their.max(HEART_BEAT) };
        // An interval's first tick is at once, but there is nothing to say yet.
        let mut ours = interval(agreed(millis(wants)));
        ours.reset();
        let theirs = agreed(millis(sends)).saturating_mul(5) / 2;
        HeartBeats { ours, theirs, silent_at: Instant::now() + theirs }
    }
}

/// An ERROR as one paragraph.
fn refused(error: &Frame) -> Ending {
    let header = |name| error.headers.get(name).map(str::to_owned);
    let message = header("message").unwrap_or_else(|| "an error without a message".to_owned());
    let code = header("code").map(|code| format!(" (code {code})")).unwrap_or_default();
    let reason = header("reason").filter(|reason| !reason.trim().is_empty());
    let reason = reason.map(|reason| format!(" {}", sentence(&reason))).unwrap_or_default();
    let remedy = String::from_utf8_lossy(&error.body);
    let again = match error.headers.get("retryable") {
        Some("true") => " The same may succeed later.",
        _ => "",
    };
    let ours = match error.headers.get("code").and_then(|code| code.parse().ok()) {
        Some(code::UNAUTHORIZED) => format!(" {}", sign_in::remedy()),
        _ => String::new(),
    };
    let text = format!("The broker refused: {message}{code}.{reason} {}{ours}{again}", remedy.trim());
    Ending::Refused(Failure::new(text.trim()))
}

/// With a capital and a full stop, however it was written.
fn sentence(text: &str) -> String {
    let mut characters = text.trim().trim_end_matches('.').chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", characters.as_str())
}

fn lost(reason: &str) -> Ending {
    Ending::Lost(Failure::new(format!("The connection is over: {reason}.")))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request as Upgrade, Response};
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;

    use super::*;

    const CONNECTED: &str = "CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0";

    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    fn speak_stomp(_: &Upgrade, mut response: Response) -> Result<Response, ErrorResponse> {
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("v12.stomp"));
        Ok(response)
    }

    /// A broker for one conversation: answers each message with the next line of its script, then closes.
    async fn scripted(script: &'static [&'static str]) -> (Target, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let broker = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept_hdr_async(stream, speak_stomp).await.unwrap();
            let mut heard = Vec::new();
            for answer in script {
                let message = socket.next().await.unwrap().unwrap();
                heard.push(message.into_text().unwrap().to_string());
                socket.send(Message::text(*answer)).await.unwrap();
            }
            let reason = CloseFrame { code: 1012.into(), reason: "the broker stops".into() };
            let _ = socket.close(Some(reason)).await;
            heard
        });
        let sign_in = SignIn { login: Some("alice".to_owned()), ..SignIn::default() };
        (Target { url, sign_in, trust: Trust::default() }, broker)
    }

    #[tokio::test]
    async fn a_conversation_signs_in_sends_and_ends_with_a_receipt() {
        let receipts = &[CONNECTED, "RECEIPT\nreceipt-id:1\nposition:7\\c42\n\n\0", "RECEIPT\nreceipt-id:bye\n\n\0"];
        let (target, broker) = scripted(receipts).await;
        let mut client = Client::connect(&target).await.unwrap();
        let send = Frame::new(Command::Send).with("destination", "/topic/7b").with("receipt", "1").with_body("hello");
        client.send(&send).await.unwrap();
        assert_eq!(client.next().await.unwrap().headers.get("position"), Some("7:42"));
        client.disconnect().await.unwrap();
        let heard = broker.await.unwrap();
        assert!(heard[0].starts_with("CONNECT\naccept-version:1.2\n") && heard[0].contains("\nlogin:alice\n"));
        assert!(heard[1].starts_with("SEND\ndestination:/topic/7b\n") && heard[1].ends_with("\n\nhello\0"));
        assert!(heard[2].starts_with("DISCONNECT\n"));
    }

    #[tokio::test]
    async fn an_error_is_told_with_its_code_reason_and_remedy() {
        const ERROR: &str =
            "ERROR\nmessage:storage-full\ncode:108\nreason:The disk is full.\nretryable:true\n\nMake room.\0";
        let (target, _broker) = scripted(&[CONNECTED, ERROR]).await;
        let mut client = Client::connect(&target).await.unwrap();
        client.send(&Frame::new(Command::Subscribe)).await.unwrap();
        let failure = Failure::from(client.next().await.unwrap_err()).to_string();
        let told =
            "The broker refused: storage-full (code 108). The disk is full. Make room. The same may succeed later.";
        assert_eq!(failure, told);
    }

    #[tokio::test]
    async fn a_close_is_told_with_its_code_and_reason() {
        let (target, _broker) = scripted(&[CONNECTED]).await;
        let mut client = Client::connect(&target).await.unwrap();
        let failure = Failure::from(client.next().await.unwrap_err()).to_string();
        assert_eq!(failure, "The connection is over: the broker closed it with 1012: the broker stops.");
    }

    #[tokio::test]
    async fn a_broker_that_is_not_there_is_named() {
        let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let target = Target { url: format!("ws://{vacant}/ws"), sign_in: SignIn::default(), trust: Trust::default() };
        let failure = Client::connect(&target).await.err().unwrap().to_string();
        assert!(failure.contains(&target.url) && failure.contains("--url"), "{failure}");
    }

    #[test]
    fn only_a_websocket_address_is_taken() {
        for url in ["", "127.0.0.1:8080", "http://127.0.0.1/ws", "ws://"] {
            assert!(request(url).is_err(), "{url}");
        }
        for url in ["ws://school.example:99999/ws", "wss://[::1]:0/ws", "ws://alice@school.example:x/ws"] {
            let failure = request(url).unwrap_err().to_string();
            assert!(failure.contains(url) && failure.contains("1 to 65535"), "{failure}");
        }
        let place = |host: &str, port, secure| Place { host: host.to_owned(), port, secure };
        assert_eq!(request("ws://[::1]/ws").unwrap().1, place("[::1]", 80, false));
        assert_eq!(request("wss://school.example/ws").unwrap().1, place("school.example", 443, true));
    }
}
