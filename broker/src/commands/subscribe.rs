//! `homeroom subscribe`.

use std::fmt::Write as _;
use std::io::Write;

use clap::Args;
use homeroom_protocol::{Command, Frame};
use homeroom_storage::Position;
use serde_json::json;

use super::Failure;
use super::client::{Client, Target};
use super::failure::of_output;
use crate::settings::units;

#[derive(Args, Debug)]
#[command(after_help = "\
Each message is one line: its position, destination and body. What is not a
message (where the subscription begins, what is missing) goes to standard error.
A durable subscription goes on where it was. What is taken from a queue is gone
for others. In both, a message is acknowledged once it is written.

Examples:
  homeroom subscribe '/topic/7b/**'                            all channels of a classroom
  homeroom subscribe '/topic/7b/**' --rewind 10 --count 10     the last ten, then end
  homeroom subscribe '/topic/7b/**' --rewind 2m                the last two minutes and what follows
  homeroom subscribe /topic/7b/quiz --after 81234:42 --json    what came after a position
  homeroom subscribe /topic/7b/quiz --durable board --login alice
  HOMEROOM_TOKEN=$(cat alice.token) homeroom subscribe /topic/7b/quiz
                                            where the broker asks who one is: see homeroom token
  homeroom subscribe /queue/grading --count 1 --body           takes one job
  homeroom subscribe '/queue/grading/$dead' --browse           looks at what could not be done

Exit codes:
  0  --count messages were printed, or all that --browse shows
  1  the connection is over; standard error says why
  2  the command line is wrong")]
pub(super) struct Flags {
    /// From where, for example /topic/7b/quiz; * is one segment, ** the rest
    destination: String,
    #[command(flatten)]
    target: Target,
    /// Begin after this position
    #[arg(long, value_name = "POSITION")]
    after: Option<Position>,
    /// Begin so many messages, or such a time, before now
    #[arg(long, value_name = "COUNT|DURATION", value_parser = rewind, conflicts_with = "after")]
    rewind: Option<String>,
    /// Go on where the subscription of this name was; needs --login or a token
    #[arg(long, value_name = "NAME")]
    durable: Option<String>,
    /// Share the messages with all who name the same group
    #[arg(long, value_name = "NAME", conflicts_with_all = ["durable", "browse"])]
    group: Option<String>,
    /// Look at what waits in a queue and take nothing
    #[arg(long, conflicts_with_all = ["after", "rewind", "durable"])]
    browse: bool,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Each message as one JSON object in a line, with all its headers
    #[arg(long, conflicts_with = "body")]
    json: bool,
    /// Only the bodies, byte for byte, each with an end of line
    #[arg(long)]
    body: bool,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("The runtime cannot be started: {error}.")))?;
    runtime.block_on(subscribe(flags, &mut std::io::stdout()))
}

/// Writes messages to `out`.
pub(super) async fn subscribe(flags: &Flags, out: &mut dyn Write) -> Result<(), Failure> {
    if flags.durable.is_some() {
        flags.target.sign_in.needed_for("--durable")?;
    }
    let mut client = Client::connect(&flags.target).await?;
    client.send(&request(flags)).await?;
    let mut left = flags.count;
    while left != Some(0) {
        let frame = client.next().await?;
        match frame.command {
            Command::Receipt => eprintln!("{}", beginning(&flags.destination, &frame)),
            Command::Message if frame.headers.get("browser") == Some("end") => break,
            Command::Message => {
                write(out, flags, &frame).map_err(|error| of_output(&error))?;
                if let Some(id) = frame.headers.get("ack") {
                    client.send(&Frame::new(Command::Ack).with("id", id)).await?;
                }
                left = left.map(|left| left - 1);
            }
            _ => {}
        }
    }
    client.disconnect().await
}

/// Whether messages are acknowledged once they are written: where the broker keeps them until then.
fn acknowledges(flags: &Flags) -> bool {
    let of_queue = ["/queue/", "/amq/queue/"].iter().any(|prefix| flags.destination.starts_with(prefix));
    flags.durable.is_some() || flags.group.is_some() || of_queue && !flags.browse
}

/// A subscription's id names it, if it is durable.
fn request(flags: &Flags) -> Frame {
    let mut frame =
        Frame::new(Command::Subscribe).with("destination", &flags.destination).with("receipt", "subscribed");
    frame = match &flags.durable {
        Some(name) => frame.with("id", name).with("durable", "true"),
        None => frame.with("id", "1"),
    };
    if acknowledges(flags) {
        frame = frame.with("ack", "client-individual");
        // What is not to be printed is not to be taken.
        if let Some(count) = flags.count {
            frame = frame.with("prefetch-count", &count.min(1_000).to_string());
        }
    }
    if let Some(group) = &flags.group {
        frame = frame.with("group", group);
    }
    if flags.browse {
        frame = frame.with("browser", "true");
    }
    if let Some(position) = &flags.after {
        frame = frame.with("after", &position.to_string());
    }
    match &flags.rewind {
        Some(rewind) => frame.with("rewind", rewind),
        None => frame,
    }
}

/// What the RECEIPT of a SUBSCRIBE says, for a person.
fn beginning(destination: &str, receipt: &Frame) -> String {
    let header = |name| receipt.headers.get(name);
    let mut text = format!("Subscribed to {destination}");
    for (before, name) in [("at", "position"), ("missed:", "missed"), ("lost:", "gap")] {
        if let Some(value) = header(name) {
            let _ = write!(text, ", {before} {value}");
        }
    }
    text
}

fn write(out: &mut dyn Write, flags: &Flags, message: &Frame) -> std::io::Result<()> {
    if let Some(gap) = message.headers.get("gap") {
        eprintln!("Lost before the next message: {gap}");
    }
    if flags.json {
        writeln!(out, "{}", as_json(message))?;
    } else {
        if !flags.body {
            let header = |name| message.headers.get(name).unwrap_or("-");
            write!(out, "{} {} ", position(message).unwrap_or_else(|| "-".to_owned()), header("destination"))?;
        }
        out.write_all(&message.body)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// `{log}@{epoch}:{offset}` ends with the position; what has no offset is stored nowhere.
fn position(message: &Frame) -> Option<String> {
    message.headers.get("offset")?;
    let (_, position) = message.headers.get("message-id")?.rsplit_once('@')?;
    Some(position.to_owned())
}

fn as_json(message: &Frame) -> serde_json::Value {
    let mut headers = serde_json::Map::new();
    for (name, value) in &message.headers {
        // The first of repeated headers counts.
        headers.entry(name).or_insert_with(|| value.into());
    }
    let mut object = json!({ "position": position(message), "headers": headers });
    match std::str::from_utf8(&message.body) {
        Ok(text) => object["body"] = text.into(),
        Err(_) => object["body_hex"] = hex(&message.body).into(),
    }
    object
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn rewind(text: &str) -> Result<String, String> {
    let understood = text.parse::<u64>().is_ok() || units::duration(text).is_some();
    understood.then(|| text.to_owned()).ok_or_else(|| "write a count such as 10, or a duration such as 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Frame {
        Frame::new(Command::Message)
            .with("message-id", "7b@81234:42")
            .with("destination", "/topic/7b/quiz")
            .with("offset", "42")
            .with("offset", "43")
    }

    #[test]
    fn json_holds_the_first_of_repeated_headers_and_any_body() {
        let text = as_json(&message().with_body("Is 91 prime?"));
        assert_eq!(text["position"], "81234:42");
        assert_eq!(text["headers"]["offset"], "42");
        assert_eq!(text["body"], "Is 91 prime?");
        assert_eq!(as_json(&message().with_body(vec![0xff, 0x00]))["body_hex"], "ff00");
    }

    #[test]
    fn what_is_stored_nowhere_has_no_position() {
        let ephemeral = Frame::new(Command::Message).with("message-id", "7b@e:1");
        assert_eq!(position(&ephemeral), None);
        assert_eq!(position(&message()), Some("81234:42".to_owned()));
    }

    #[test]
    fn a_rewind_is_a_count_or_a_duration() {
        assert!(rewind("10").is_ok() && rewind("2m").is_ok());
        assert!(rewind("two").is_err() && rewind("-1").is_err());
    }
}
