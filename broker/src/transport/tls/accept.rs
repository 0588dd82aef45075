//! From an accepted socket to a stream under TLS.
//!
//! A peer has a deadline from its first byte to the end of the handshake, as it has one for each thing it is waited
//! for. Keys are exchanged and signed a few at a time, between the turns of all others: a school that returns at once
//! asks for a thousand signatures, and the message that a class waits for does not stand behind them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::server::Acceptor as Hello;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use super::misdirected::is_hello;
use super::places::Places;
use super::reload::Current;
use crate::metrics::{Handshake, Limit, Metrics};

/// What is spoken under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/2 and HTTP/1.1.
    Http,
    /// STOMP.
    Stomp,
}

/// What a listener under TLS does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether TLS 1.2 is refused.
    pub only_1_3: bool,
    /// From the accepted connection to the end of the handshake, as far as the peer is waited for.
    pub within: Duration,
    /// So many handshakes are under way at a time; the others wait.
    pub handshakes: usize,
    /// ... and so many of them with one address.
    pub handshakes_per_address: usize,
    /// So many wait at most; beyond, they are turned away.
    pub waiting: usize,
}

/// Whoever comes in has to go through here.
#[derive(Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    spoken: Spoken,
    within: Duration,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
}

/// What all listeners have together.
#[derive(Debug)]
struct Shared {
    waiting: Semaphore,
    places: Places,
    /// Signatures that are made at a time.
    turns: Semaphore,
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it said nothing, or not enough")]
    Late,
    #[error("it speaks something else")]
    NotTls,
    #[error("{0}")]
    Tls(io::Error),
}

const VERSIONS_1_2: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const VERSIONS_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];
/// A peer that speaks without TLS has so long to take the answer.
const LINGER: Duration = Duration::from_secs(2);
const HTTP_INSTEAD: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 75\r\n\
                            Connection: close\r\n\r\n\
                            This port speaks TLS: use https:// or wss:// instead of http:// or ws://.\r\n";
const STOMP_INSTEAD: &str = "ERROR\nmessage:TLS needed\ncode:107\nretryable:false\ncontent-type:text/plain\n\n\
                             This port speaks TLS: connect with TLS (SSL) switched on.\n\0";

impl Acceptor {
    /// Acceptors for several listeners, of which each speaks one thing. They share the limits.
    ///
    /// # Errors
    /// None with the cipher suites that are built in.
    pub fn of(
        spoken: &[Spoken],
        current: &Arc<Current>,
        rules: Rules,
        metrics: &Arc<Metrics>,
    ) -> Result<Vec<Arc<Acceptor>>, rustls::Error> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let shared = Arc::new(Shared {
            waiting: Semaphore::new(rules.waiting),
            places: Places::new(rules.handshakes, rules.handshakes_per_address, metrics.hits().clone()),
            turns: Semaphore::new(cores),
        });
        let versions = if rules.only_1_3 { VERSIONS_1_3 } else { VERSIONS_1_2 };
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        // Whoever returns needs no signature, and for that nothing is kept here.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        let acceptor = |spoken: &Spoken| {
            let mut config = config.clone();
            if *spoken == Spoken::Http {
                config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            }
            let (within, shared, metrics) = (rules.within, shared.clone(), metrics.clone());
            Arc::new(Acceptor { config: Arc::new(config), spoken: *spoken, within, shared, metrics })
        };
        Ok(spoken.iter().map(acceptor).collect())
    }

    /// The stream under TLS, if it comes to one.
    pub async fn accept(&self, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let tls = self.metrics.tls();
        let Ok(_waits) = self.shared.waiting.try_acquire() else {
            tls.handshake(Handshake::TurnedAway);
            self.metrics.hit(Limit::Connections);
            return None;
        };
        match self.handshake(stream, peer.ip()).await {
            Ok(stream) => {
                tls.handshake(Handshake::Done);
                Some(stream)
            }
            Err(failure) => {
                tls.handshake(match failure {
                    Failure::Late => {
                        self.metrics.hit(Limit::HandshakeTimeout);
                        Handshake::Late
                    }
                    Failure::NotTls => Handshake::NotTls,
                    Failure::Tls(_) => Handshake::Failed,
                });
                tracing::debug!(%peer, %failure, "no TLS handshake");
                None
            }
        }
    }

    async fn handshake(&self, stream: TcpStream, from: IpAddr) -> Result<TlsStream<TcpStream>, Failure> {
        let until = Instant::now() + self.within;
        // Who says nothing at all takes nobody's place.
        let mut first = [0];
        let count = in_time(until, stream.peek(&mut first)).await?;
        if !is_hello(&first[..count]) {
            self.say_instead(stream, first[0]).await;
            return Err(Failure::NotTls);
        }
        let place = tokio::time::timeout_at(until, self.shared.places.take(from));
        let _place = place.await.map_err(|_| Failure::Late)?;
        let hello = in_time(until, LazyConfigAcceptor::new(Hello::default(), stream)).await?;
        let begun = Instant::now();
        let accepting = {
            let _turn = self.shared.turns.acquire().await;
            let accepting = hello.into_stream(self.config.clone());
            tokio::task::yield_now().await;
            accepting
        };
        // What we took ourselves is not held against the peer.
        let stream = in_time(until + begun.elapsed(), accepting).await?;
        Ok(TlsStream::Server(stream))
    }

    /// Tells somebody who speaks without TLS, in what is probably spoken.
    async fn say_instead(&self, mut stream: TcpStream, first: u8) {
        if !first.is_ascii_uppercase() {
            return;
        }
        let words = match self.spoken {
            Spoken::Http => HTTP_INSTEAD,
            Spoken::Stomp => STOMP_INSTEAD,
        };
        let said = async {
            stream.write_all(words.as_bytes()).await?;
            stream.shutdown().await?;
            // With bytes unread the peer would be told to forget what it was sent.
            let mut piece = [0; 1024];
            while stream.read(&mut piece).await? > 0 {}
            io::Result::Ok(())
        };
        // However it ends, nothing more is owed.
        let _ = tokio::time::timeout(LINGER, said).await;
    }
}

async fn in_time<T>(until: Instant, what: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout_at(until, what).await {
        Ok(done) => done.map_err(Failure::Tls),
        Err(_) => Err(Failure::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_without_tls_has_the_length_it_says() {
        let (head, body) = HTTP_INSTEAD.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
