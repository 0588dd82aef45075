//! STOMP 1.2, as far as a load needs it: a MESSAGE is told by its first bytes.

use homeroom_protocol::{Command, Decoded, Decoder, Frame, Limits, Version, encode};

use super::flags::Target;
use super::framing::{Side, text};
use super::speech::{BYE, Letter, MARKER_BYTES, SUBSCRIBED, Said};

pub(super) fn connect(target: &Target, client_id: Option<&str>) -> Vec<u8> {
    let mut frame = Frame::new(Command::Connect)
        .with("accept-version", Version::V1_2.number())
        .with("host", &target.host)
        .with("heart-beat", &target.heart_beat);
    for (name, text) in target.sign_in.headers() {
        frame = frame.with(name, text.expose());
    }
    if let Some(client_id) = client_id {
        frame = frame.with("client-id", client_id);
    }
    said(&with_all(frame, &target.connect_headers))
}

pub(super) fn subscribe(target: &Target, destination: &str, number: usize, durable: bool) -> Vec<u8> {
    let id = if target.unique_ids { format!("sub-{number}") } else { "sub-0".to_owned() };
    let mut frame = Frame::new(Command::Subscribe)
        .with("id", &id)
        .with("destination", destination)
        .with("ack", "auto")
        .with("receipt", SUBSCRIBED);
    if durable {
        frame = frame.with("durable", "true").with("auto-delete", "false");
    }
    said(&with_all(frame, &target.subscribe_headers))
}

pub(super) fn letter(destination: &str, body: &[u8], persistent: bool, receipt: bool) -> Letter {
    const PLACE: &str = "0000000000000000";
    let mut frame = Frame::new(Command::Send)
        .with("destination", destination)
        .with("content-type", "text/plain")
        .with("persistent", if persistent { "true" } else { "false" });
    if receipt {
        frame = frame.with("receipt", PLACE);
    }
    let bytes = said(&frame.with_body(body.to_vec()));
    let end = bytes.len() - 1;
    let mut places = vec![end - MARKER_BYTES];
    let asked = b"\nreceipt:";
    if let Some(at) = bytes.windows(asked.len()).position(|window| window == asked) {
        places.push(at + asked.len());
    }
    Letter { bytes, places }
}

pub(super) fn disconnect() -> Vec<u8> {
    said(&Frame::new(Command::Disconnect).with("receipt", BYE))
}

pub(super) fn beat() -> Vec<u8> {
    text(Side::Client, b"\n")
}

/// One WebSocket message holds one frame; brokers that do otherwise are not known.
pub(super) fn hear(payload: &[u8], mut on: impl FnMut(Said<'_>)) {
    if payload.starts_with(b"MESSAGE") {
        return on(Said::Message(payload));
    }
    // What comes often, without a frame of its own.
    if let Some(rest) = payload.strip_prefix(b"RECEIPT\nreceipt-id:")
        && let Some(id) = rest.split(|byte| matches!(byte, b'\r' | b'\n')).next()
        && let Ok(id) = std::str::from_utf8(id)
    {
        return on(Said::Receipt(id));
    }
    let limits = Limits { header_bytes_max: 1 << 20, body_bytes_max: 64 << 20, ..Limits::default() };
    let mut decoder = Decoder::new(Version::V1_2, &limits);
    decoder.push(payload);
    while let Some(decoded) = decoder.next() {
        match decoded {
            Ok(Decoded::Frame(frame)) => said_by(&frame, &mut on),
            Ok(Decoded::HeartBeat) => {}
            Err(error) => return on(Said::Error(format!("what it said is no STOMP: {error}"))),
        }
    }
}

fn said_by(frame: &Frame, on: &mut impl FnMut(Said<'_>)) {
    let header = |name| frame.headers.get(name).unwrap_or_default();
    match frame.command {
        Command::Connected => {
            let wanted = header("heart-beat").split_once(',').map_or("0", |(_, wants)| wants);
            on(Said::Connected { beat_millis: wanted.trim().parse().unwrap_or(0) });
        }
        Command::Receipt => on(Said::Receipt(header("receipt-id"))),
        Command::Error => {
            let body = String::from_utf8_lossy(&frame.body);
            let text = [header("message"), header("reason"), body.trim()];
            let text: Vec<&str> = text.into_iter().filter(|part| !part.is_empty()).collect();
            on(Said::Error(text.join(" ")));
        }
        _ => {}
    }
}

fn with_all(frame: Frame, headers: &[(String, String)]) -> Frame {
    headers.iter().fold(frame, |frame, (name, value)| frame.with(name, value))
}

fn said(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, Version::V1_2, frame);
    text(Side::Client, &bytes)
}
