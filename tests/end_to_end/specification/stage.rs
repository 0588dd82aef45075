//! Plays the script of a row against the broker, strictly: whatever comes must be in the script, in order.
//!
//! | Line | Means |
//! | --- | --- |
//! | `K: headers` | CONNECT in the row's version with these headers more, and its CONNECTED |
//! | `C: bytes` | the client sends, cut as the transport cuts |
//! | `S: frame` | the next frame of the broker |
//! | `B:` | an end of line comes |
//! | `X:` | the connection ends, and nothing comes before that |
//! | `H:` | the client hangs up without a word, and the broker lets go |
//!
//! `K2`, `C2` … are those of a second connection, and so on. In the end every connection that is still open says
//! DISCONNECT: nothing may come before its RECEIPT.
//!
//! In bytes `|` is LF, `␍` is CR, `^` is NUL and `␠` a space at the end of a line; `{d}` is a destination and `{u}` a word of this row alone, `{v}` its
//! version, `{17x}` seventeen letters, `{ff}` a byte that is never UTF-8.
//!
//! A frame is matched as it is written, unescaped by nobody. Its pattern names the headers that must be there:
//! `name:value`, `name:*` for any value, `name:begin*` for how it begins, `-name` for one that must not be there. A
//! value `{x}` is remembered, or compared once it is known; `!{x}` must be another. What follows `||` is the whole
//! body.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, Heard, Opcode, Pongs};

use super::{Row, Transport};

/// One row's players.
pub(super) struct Stage {
    broker: Arc<Broker>,
    transport: Transport,
    version: &'static str,
    known: HashMap<String, String>,
    open: BTreeMap<String, Line>,
}

/// One connection.
struct Line {
    client: Client,
    connected: bool,
    hears_beats: bool,
}

impl Stage {
    /// For a row with a word that no other row has.
    pub(super) fn new(broker: Arc<Broker>, transport: Transport, version: &'static str, word: &str) -> Stage {
        let known = [("u", word.to_owned()), ("v", version.to_owned()), ("d", format!("/topic/{word}"))];
        let known = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Stage { broker, transport, version, known, open: BTreeMap::new() }
    }

    /// Plays a row to its end.
    ///
    /// # Errors
    /// The line that did not come true, and what came instead.
    pub(super) async fn play(&mut self, row: &Row) -> Result<(), String> {
        for line in row.script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.line(line).await.map_err(|wrong| format!("{line}\n    {wrong}"))?;
        }
        let still_open: Vec<String> =
            self.open.iter().filter(|(_, line)| line.connected).map(|(name, _)| name.clone()).collect();
        for name in still_open {
            self.say(&name, "DISCONNECT|receipt:fence||^").await;
            let fence = self.expect(&name, "RECEIPT|receipt-id:fence||^").await;
            fence.map_err(|wrong| format!("nothing more on connection {name:?}\n    {wrong}"))?;
        }
        Ok(())
    }

    async fn line(&mut self, line: &str) -> Result<(), String> {
        let (who, what) = line.split_once(':').ok_or("a line says who")?;
        let (verb, name) = who.split_at(1);
        let what = what.trim_start();
        match verb {
            "K" => self.connect(name, what).await,
            "C" => {
                self.say(name, what).await;
                Ok(())
            }
            "S" => self.expect(name, what).await,
            "B" => match self.hear(name, true).await? {
                Heard::HeartBeat => Ok(()),
                heard => Err(told(&heard)),
            },
            "X" => match self.hear(name, false).await? {
                Heard::Closed(_) => {
                    self.open.remove(name);
                    Ok(())
                }
                heard => Err(told(&heard)),
            },
            "H" => {
                let line = self.open.remove(name).ok_or("nobody there to hang up")?;
                line.client.hang_up().await;
                Ok(())
            }
            _ => Err("nobody is called so".to_owned()),
        }
    }

    async fn connect(&mut self, name: &str, headers: &str) -> Result<(), String> {
        // STOMP 1.0 knows no version: one who speaks it names none.
        let asks = if self.version == "1.0" { "login:spec" } else { "accept-version:{v}|host:school" };
        let asks = if headers.contains("accept-version") { "host:school" } else { asks };
        let own = if headers.is_empty() { String::new() } else { format!("{headers}|") };
        self.say(name, &format!("CONNECT|{own}{asks}||^")).await;
        self.expect(name, "CONNECTED").await
    }

    async fn say(&mut self, name: &str, what: &str) {
        let bytes = self.bytes(what);
        let transport = self.transport;
        let line = self.line_of(name).await;
        for piece in transport.pieces(&bytes) {
            // A broker that has refused already takes no more: what it said is in the script.
            let _ = match transport {
                Transport::Tcp | Transport::TcpInPieces => line.client.try_send_bytes(piece).await,
                Transport::WebSocketText => line.client.try_send_bytes(piece).await,
                Transport::WebSocketBinary => line.client.socket().write(Opcode::Binary, true, piece).await,
                Transport::WebSocketInPieces => {
                    let (first, second) = piece.split_at(piece.len() / 2);
                    let socket = line.client.socket();
                    match socket.write(Opcode::Binary, false, first).await {
                        Ok(()) => socket.write(Opcode::Continuation, true, second).await,
                        refused => refused,
                    }
                }
            };
            tokio::task::yield_now().await;
        }
    }

    async fn expect(&mut self, name: &str, pattern: &str) -> Result<(), String> {
        let frame = match self.hear(name, false).await? {
            Heard::Frame(frame) => frame,
            heard => return Err(told(&heard)),
        };
        self.fits(pattern, &frame).map_err(|wrong| format!("{wrong} in {frame}"))?;
        if frame.command == "CONNECTED" {
            self.line_of(name).await.connected = true;
        }
        Ok(())
    }

    /// The next thing that counts. Heart-beats count for those who wait for them.
    async fn hear(&mut self, name: &str, beats_count: bool) -> Result<Heard, String> {
        let line = self.line_of(name).await;
        line.hears_beats |= beats_count;
        loop {
            match tokio::time::timeout(DEADLINE, line.client.hear()).await {
                Ok(Heard::HeartBeat) if line.hears_beats && !beats_count => {}
                Ok(Heard::Ping(_) | Heard::Pong(_)) => {}
                Ok(heard) => return Ok(heard),
                Err(_) => return Err(format!("nothing came within {DEADLINE:?}")),
            }
        }
    }

    async fn line_of(&mut self, name: &str) -> &mut Line {
        if !self.open.contains_key(name) {
            let mut client = self.transport.open(&self.broker).await;
            client.show_headers_as_written();
            // A Pong would be a sign of life that no row speaks of.
            client.answer_pings(Pongs::Withheld);
            self.open.insert(name.to_owned(), Line { client, connected: false, hears_beats: false });
        }
        self.open.get_mut(name).expect("just opened")
    }

    fn fits(&mut self, pattern: &str, frame: &Frame) -> Result<(), String> {
        let (head, body) = pattern.split_once("||").map_or((pattern, None), |(head, body)| (head, Some(body)));
        let mut wanted = head.split('|');
        let command = wanted.next().unwrap_or_default();
        if command != frame.command {
            return Err(format!("{command} was expected"));
        }
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for header in wanted {
            if let Some(name) = header.strip_prefix('-') {
                if frame.header(name).is_some() {
                    return Err(format!("{name} must not be"));
                }
                continue;
            }
            let (name, value) = header.split_once(':').ok_or("a header of a pattern has a colon")?;
            let nth = seen.entry(name).or_default();
            let written = frame.headers.iter().filter(|(own, _)| own == name).nth(*nth).map(|(_, value)| value.clone());
            *nth += 1;
            let written = written.ok_or_else(|| format!("no {name}"))?;
            if !self.value_fits(value, &written) {
                return Err(format!("{name} must be {value}"));
            }
        }
        match body {
            Some(body) if self.bytes(body) != [frame.body.as_slice(), b"\0"].concat() => {
                Err(format!("body not {body}"))
            }
            _ => Ok(()),
        }
    }

    fn value_fits(&mut self, pattern: &str, written: &str) -> bool {
        if let Some(name) = pattern.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            return *self.known.entry(name.to_owned()).or_insert_with(|| written.to_owned()) == written;
        }
        if let Some(other) = pattern.strip_prefix('!') {
            return self.bytes(other) != written.as_bytes();
        }
        match pattern.strip_suffix('*') {
            Some(beginning) => written.as_bytes().starts_with(&self.bytes(beginning)),
            None => self.bytes(pattern) == written.as_bytes(),
        }
    }

    /// What a script's text stands for.
    fn bytes(&self, written: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = written;
        while let Some((plain, behind)) = rest.split_once('{') {
            let (name, behind) = behind.split_once('}').expect("a brace is closed");
            bytes.extend(spelled(plain));
            match (name, name.strip_suffix('x').and_then(|count| count.parse::<usize>().ok())) {
                ("ff", _) => bytes.push(0xff),
                (_, Some(count)) => bytes.resize(bytes.len() + count, b'x'),
                _ => bytes.extend(self.known.get(name).unwrap_or_else(|| panic!("{{{name}}} is not known")).bytes()),
            }
            rest = behind;
        }
        bytes.extend(spelled(rest));
        bytes
    }
}

fn spelled(written: &str) -> Vec<u8> {
    written.replace('|', "\n").replace('␍', "\r").replace('^', "\0").replace('␠', " ").into_bytes()
}

fn told(heard: &Heard) -> String {
    match heard {
        Heard::Frame(frame) => format!("came {frame}"),
        other => format!("came {other:?}"),
    }
}
