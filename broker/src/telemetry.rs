//! Logs on stderr, for people or for machines.
//!
//! Nothing here is set up but by `main`: a broker writes to whatever subscriber
//! its process has, so that several brokers run in one process.

use std::io::IsTerminal;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::settings::{Log, LogFormat};

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error(
        "The log filter \"{filter}\" cannot be read: {reason}. Write a level or directives such as \"info,homeroom::router=debug\"."
    )]
    Filter {
        /// As it was written.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This process has logs already.
    #[error("Logs were set up before in this process.")]
    SetUpBefore,
}

/// Crates that write what they carry at their most talkative levels: the bytes
/// of frames and pages, which are what pupils answer. They are heard up to INFO,
/// whatever a filter asks for.
const CAPPED: [&str; 8] =
    ["tungstenite", "tokio_tungstenite", "hyper", "hyper_util", "rustls", "tokio_rustls", "h2", "sled"];

/// Sends all logs of this process to stderr. `instead` replaces the filter of the settings.
///
/// # Errors
/// If the filter cannot be read, or at the second call in a process.
pub fn init(log: &Log, instead: Option<&str>) -> Result<(), Error> {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = subscriber(instead.unwrap_or(&log.filter), log.format, colours, std::io::stderr)?;
    subscriber.try_init().map_err(|_| Error::SetUpBefore)
}

fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = EnvFilter::try_new(filter)
        .map_err(|error| Error::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Without the hint, every line that nobody asked for would be made up before it is thrown away: tungstenite
    // has some for each frame.
    let harmless = filter_fn(is_harmless).with_max_level_hint(LevelFilter::TRACE);
    Ok(tracing_subscriber::registry().with(lines.with_filter(wanted.and(harmless))))
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let named = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || !CAPPED.contains(&named)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};
    use std::sync::{Arc, Mutex};

    use tokio_tungstenite::tungstenite::protocol::Role;
    use tokio_tungstenite::tungstenite::{Message, WebSocket};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Memory {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// A WebSocket message with an answer in it, and a line of our own.
    fn talk() {
        tracing::trace!(target: "homeroom::test", "a line of our own");
        tracing::trace!(target: "h2::frame", "the answer is 42");
        let mut socket = WebSocket::from_raw_socket(Cursor::new(Vec::new()), Role::Client, None);
        socket.send(Message::text("the answer is 42")).unwrap();
    }

    #[test]
    fn an_answer_is_in_no_log_whatever_the_filter() {
        for filter in ["trace", "trace,tungstenite=trace,tungstenite::protocol=trace,h2::frame=trace"] {
            let memory = Memory::default();
            let writer = memory.clone();
            let guard = subscriber(filter, LogFormat::Human, false, move || writer.clone()).unwrap().set_default();
            talk();
            drop(guard);
            assert!(memory.text().contains("a line of our own"), "{}", memory.text());
            assert!(!memory.text().contains("the answer"), "{}", memory.text());
        }
    }

    #[test]
    fn no_filter_lifts_the_cap_of_any_library() {
        let named: Vec<String> = CAPPED.iter().map(|name| format!("{name}=trace,{name}::inner=trace")).collect();
        for filter in ["trace", &named.join(","), &format!("trace,{}", named.join(","))] {
            let subscriber = subscriber(filter, LogFormat::Human, false, std::io::sink).unwrap();
            let guard = subscriber.set_default();
            for allowed in [
                tracing::enabled!(target: "tungstenite::inner", Level::DEBUG),
                tracing::enabled!(target: "tokio_tungstenite", Level::TRACE),
                tracing::enabled!(target: "hyper::inner", Level::TRACE),
                tracing::enabled!(target: "hyper_util::inner", Level::DEBUG),
                tracing::enabled!(target: "rustls::inner", Level::TRACE),
                tracing::enabled!(target: "tokio_rustls", Level::DEBUG),
                tracing::enabled!(target: "h2::inner", Level::DEBUG),
                tracing::enabled!(target: "sled::inner", Level::TRACE),
            ] {
                assert!(!allowed, "{filter}");
            }
            assert!(tracing::enabled!(target: "h2::inner", Level::INFO), "{filter}");
            drop(guard);
        }
    }

    /// Shows that the test above looks at something: without the cap the answer is there.
    #[test]
    fn without_the_cap_an_answer_would_be_logged() {
        let memory = Memory::default();
        let writer = memory.clone();
        let lines = fmt::layer().with_writer(move || writer.clone()).with_filter(EnvFilter::new("tungstenite=trace"));
        let guard = tracing_subscriber::registry().with(lines).set_default();
        talk();
        drop(guard);
        assert!(memory.text().contains("the answer is 42"), "{}", memory.text());
    }

    #[test]
    fn what_nobody_asked_for_is_not_even_looked_at() {
        for (filter, level) in [("info", LevelFilter::INFO), ("warn,homeroom=debug", LevelFilter::DEBUG)] {
            let subscriber = subscriber(filter, LogFormat::Human, false, std::io::sink).unwrap();
            assert_eq!(subscriber.max_level_hint(), Some(level));
        }
    }

    #[test]
    fn a_line_for_machines_is_one_json_object() {
        let memory = Memory::default();
        let writer = memory.clone();
        let guard = subscriber("info", LogFormat::Json, false, move || writer.clone()).unwrap().set_default();
        tracing::info!(classroom = "7b", "opened");
        tracing::debug!("not asked for");
        drop(guard);
        let line: serde_json::Value = serde_json::from_str(&memory.text()).unwrap();
        assert_eq!(
            (&line["message"], &line["classroom"], &line["level"]),
            (&"opened".into(), &"7b".into(), &"INFO".into())
        );
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let error = subscriber("homeroom=loud", LogFormat::Human, false, std::io::sink).err().unwrap();
        assert!(error.to_string().contains("homeroom=loud"), "{error}");
    }
}
