//! `homeroom publish`.

use std::collections::VecDeque;
use std::io::{BufRead, IsTerminal, Read, Write};

use clap::Args;
use homeroom_protocol::{Command, Frame};

use super::Failure;
use super::client::{Client, Ending, Target};
use super::failure::of_output;

#[derive(Args, Debug)]
#[command(after_help = "\
Prints the position of each message, one in a line, as soon as the broker has
stored it. Ephemeral messages have none, and nothing is printed for them.

Examples:
  homeroom publish /topic/7b/quiz 'Is 91 prime?'
  homeroom publish /topic/7b/quiz --content-type application/json < question.json
  homeroom publish /topic/7b/quiz --key question-17 'Is 91 prime?'     twice is stored once
  seq 100 | homeroom publish /topic/7b/numbers --lines
  homeroom publish /topic/7b/pen --ephemeral '{\"x\":3,\"y\":4}'

Where the broker asks who one is, with a token (or a key, hr_…) in the environment:
  export HOMEROOM_TOKEN=$(homeroom token --user smith --role teacher --classroom 7b)
  homeroom publish /topic/7b/quiz 'Is 91 prime?'

Exit codes:
  0  all messages are stored (ephemeral ones: handed over)
  1  at least one is not, or nobody knows; standard error says which it was
  2  the command line is wrong")]
pub(super) struct Flags {
    /// Where to, for example /topic/7b/quiz
    destination: String,
    /// The message; "-" or nothing reads it from standard input
    #[arg(conflicts_with = "lines")]
    body: Option<String>,
    #[command(flatten)]
    target: Target,
    /// What the message is, for example application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// A header that travels with the message; may be given more than once
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Idempotency key: the same key is stored once. With --lines, each line's key is KEY/1, KEY/2 …
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Each line of standard input is a message
    #[arg(long)]
    lines: bool,
    /// Not stored: seen by those who are there now
    #[arg(long)]
    ephemeral: bool,
}

/// Messages on their way whose receipt has not come. In number.
const PENDING_MAX: usize = 128;

pub(super) fn run(flags: Flags) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("The runtime cannot be started: {error}.")))?;
    runtime.block_on(publish(flags, &mut std::io::stdout()))
}

/// Writes positions to `out`.
pub(super) async fn publish(mut flags: Flags, out: &mut dyn Write) -> Result<(), Failure> {
    let body = if flags.lines { None } else { Some(whole_body(flags.body.take())?) };
    let client = Client::connect(&flags.target).await?;
    let mut publisher = Publisher { flags, client, out, sent: 0, pending: VecDeque::new() };
    match body {
        Some(body) => publisher.send(body).await?,
        None => publisher.send_lines().await?,
    }
    publisher.finish().await
}

fn whole_body(body: Option<String>) -> Result<Vec<u8>, Failure> {
    if let Some(text) = body.filter(|body| body != "-") {
        return Ok(text.into_bytes());
    }
    if std::io::stdin().is_terminal() {
        eprintln!("Write the message; Ctrl-D on a new line ends it.");
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| of_input(&error))?;
    Ok(bytes)
}

fn of_input(error: &std::io::Error) -> Failure {
    Failure::new(format!("Standard input cannot be read: {error}."))
}

struct Publisher<'a> {
    flags: Flags,
    client: Client,
    out: &'a mut dyn Write,
    /// Messages sent, which is also the receipt of the last.
    sent: u64,
    /// Receipts that have not come, oldest first.
    pending: VecDeque<u64>,
}

impl Publisher<'_> {
    async fn send_lines(&mut self) -> Result<(), Failure> {
        let (lines, mut arrived) = tokio::sync::mpsc::channel(1);
        // A terminal or a slow pipe must not keep heart-beats from being sent.
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().split(b'\n') {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        loop {
            while self.pending.len() >= PENDING_MAX {
                self.receipt().await?;
            }
            tokio::select! {
                line = arrived.recv() => match line {
                    Some(line) => self.send(line.map_err(|error| of_input(&error))?).await?,
                    None => return Ok(()),
                },
                frame = self.client.next() => {
                    let frame = frame.map_err(|ending| self.cut_short(ending))?;
                    self.confirmed(&frame)?;
                }
            }
        }
    }

    async fn send(&mut self, body: Vec<u8>) -> Result<(), Failure> {
        self.sent += 1;
        self.pending.push_back(self.sent);
        let frame = frame(&self.flags, self.sent, body);
        self.client.send(&frame).await.map_err(|ending| self.cut_short(ending))
    }

    async fn finish(mut self) -> Result<(), Failure> {
        while !self.pending.is_empty() {
            self.receipt().await?;
        }
        self.client.disconnect().await
    }

    async fn receipt(&mut self) -> Result<(), Failure> {
        let frame = self.client.next().await.map_err(|ending| self.cut_short(ending))?;
        self.confirmed(&frame)
    }

    fn confirmed(&mut self, frame: &Frame) -> Result<(), Failure> {
        let id = frame.headers.get("receipt-id").and_then(|id| id.parse::<u64>().ok());
        if frame.command != Command::Receipt || id.is_none() || self.pending.front() != id.as_ref() {
            return Ok(());
        }
        self.pending.pop_front();
        let Some(position) = frame.headers.get("position") else { return Ok(()) };
        let known = if frame.headers.get("duplicate") == Some("true") { " duplicate" } else { "" };
        writeln!(self.out, "{position}{known}").map_err(|error| of_output(&error))
    }

    /// Says what is known of messages whose receipt did not come.
    fn cut_short(&self, ending: Ending) -> Failure {
        let confirmed = self.sent - self.pending.len() as u64;
        match (ending, self.pending.len()) {
            (Ending::Refused(failure) | Ending::Lost(failure), 0) => failure,
            // One message, and this is the answer to it.
            (Ending::Refused(failure), 1) if !self.flags.lines => failure,
            (Ending::Refused(failure), _) => Failure::new(format!("{failure} Confirmed before: {confirmed} lines.")),
            (Ending::Lost(failure), _) => {
                let fate = match self.flags.lines {
                    true => format!("{confirmed} lines are stored, of those after them it is unknown."),
                    false => "Whether the message is stored is unknown.".to_owned(),
                };
                let again = match self.flags.key {
                    Some(_) => "The same command with the same key stores nothing twice.",
                    None => "With --key it could be sent again without being stored twice.",
                };
                Failure::new(format!("{failure} {fate} {again}"))
            }
        }
    }
}

fn frame(flags: &Flags, number: u64, body: Vec<u8>) -> Frame {
    let mut frame = Frame::new(Command::Send).with("destination", &flags.destination);
    frame = frame.with("receipt", &number.to_string());
    if let Some(content_type) = &flags.content_type {
        frame = frame.with("content-type", content_type);
    }
    if let Some(key) = &flags.key {
        let key = if flags.lines { format!("{key}/{number}") } else { key.clone() };
        frame = frame.with("idempotency-key", &key);
    }
    if flags.ephemeral {
        frame = frame.with("persistent", "false");
    }
    let own = flags.headers.iter();
    own.fold(frame, |frame, (name, value)| frame.with(name, value)).with_body(body)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').filter(|(name, _)| !name.is_empty()).ok_or("write NAME:VALUE")?;
    if ["destination", "receipt", "transaction", "content-length"].contains(&name) {
        return Err(format!("{name} is set by the command itself"));
    }
    Ok((name.to_owned(), value.trim_start().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        assert_eq!(header("x-kind: quiz:7"), Ok(("x-kind".to_owned(), "quiz:7".to_owned())));
        for text in ["", "quiz", ":quiz", "destination:/topic/8a"] {
            assert!(header(text).is_err(), "{text}");
        }
    }
}
