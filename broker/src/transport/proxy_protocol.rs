//! The PROXY protocol, version 2: whom a proxy speaks for, in a few bytes before everything else.
//!
//! Only proxies that the settings list are believed, and where a listener expects the header each of them has to send
//! it. From anybody else it is no word of HTTP, STOMP or TLS, and is refused as such.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Section 2.2 of the protocol.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const HEAD_BYTES: usize = 16;
/// Behind the head, addresses and what proxies add to them. Those that are used add a few hundred bytes.
const REST_BYTES_MAX: usize = 4096;
/// A proxy sends all of it at once.
const WITHIN: Duration = Duration::from_secs(5);

/// Why a connection that should begin with a header is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It begins with something else.
    #[error(
        "it does not begin with a PROXY header of version 2: have the proxy send one, or take it out of proxies.trusted"
    )]
    NoHeader,
    /// A part of the header has no meaning.
    #[error("its PROXY header has {0}")]
    Header(&'static str),
    /// It took too long.
    #[error("its PROXY header did not come within {} s", WITHIN.as_secs())]
    Late,
    /// The proxy went away.
    #[error("it ended in its PROXY header: {0}")]
    Ended(#[from] io::Error),
}

/// What the head says of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    /// The proxy itself: a look whether we are well.
    ForItself,
    /// For a peer of another kind than TCP over IP.
    ForSomebody,
    ForV4,
    ForV6,
}

/// Reads the header and not a byte more. `None` if the proxy speaks for itself, or for somebody without an address.
///
/// # Errors
/// Why the connection is of no use.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, Broken> {
    read_within(WITHIN, stream).await
}

async fn read_within(within: Duration, stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, Broken> {
    tokio::time::timeout(within, header(stream)).await.unwrap_or(Err(Broken::Late))
}

async fn header(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, Broken> {
    let mut head = [0; HEAD_BYTES];
    // Byte for byte as far as it is one: whoever says something else and waits gets no answer from here.
    for place in 0..SIGNATURE.len() {
        head[place] = stream.read_u8().await?;
        if head[place] != SIGNATURE[place] {
            return Err(Broken::NoHeader);
        }
    }
    stream.read_exact(&mut head[SIGNATURE.len()..]).await?;
    let (speaks, length) = understand(head)?;
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    address(speaks, &rest)
}

fn understand(head: [u8; HEAD_BYTES]) -> Result<(Speaks, usize), Broken> {
    let [.., command, family, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > REST_BYTES_MAX {
        return Err(Broken::Header("more than 4096 bytes"));
    }
    let speaks = match (command, family) {
        (0x20, _) => Speaks::ForItself,
        (0x21, 0x11) => Speaks::ForV4,
        (0x21, 0x21) => Speaks::ForV6,
        (0x21, 0x00 | 0x31) => Speaks::ForSomebody,
        (0x21, _) => return Err(Broken::Header("a kind of address that is no TCP")),
        (0x22..=0x2f, _) => return Err(Broken::Header("an unknown command")),
        _ => return Err(Broken::Header("a version other than 2")),
    };
    Ok((speaks, length))
}

/// Source address, destination address, source port, destination port; then whatever the proxy likes to add.
fn address(speaks: Speaks, rest: &[u8]) -> Result<Option<SocketAddr>, Broken> {
    let too_short = Broken::Header("too few bytes for its addresses");
    let source: Option<(IpAddr, &[u8])> = match speaks {
        Speaks::ForItself | Speaks::ForSomebody => return Ok(None),
        Speaks::ForV4 => rest.split_first_chunk::<4>().map(|(bytes, rest)| (Ipv4Addr::from(*bytes).into(), rest)),
        Speaks::ForV6 => rest.split_first_chunk::<16>().map(|(bytes, rest)| (Ipv6Addr::from(*bytes).into(), rest)),
    };
    let Some((source, rest)) = source else { return Err(too_short) };
    let skipped = if source.is_ipv4() { 4 } else { 16 };
    let Some([high, low, _, _, ..]) = rest.get(skipped..) else { return Err(too_short) };
    Ok(Some(SocketAddr::new(source, u16::from_be_bytes([*high, *low]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    async fn answer(bytes: &[u8]) -> (Result<Option<SocketAddr>, String>, usize) {
        let mut rest = bytes;
        let read = read(&mut rest).await.map_err(|error| error.to_string());
        (read, rest.len())
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb];

    #[tokio::test]
    async fn whom_a_proxy_speaks_for_is_read_and_nothing_behind_it() {
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0x30, 0x39, 0x01, 0xbb]].concat();
        for (command, family, rest, expected) in [
            (0x21, 0x11, V4.to_vec(), Some("192.0.2.7:12345")),
            (0x21, 0x11, [&V4[..], &[3, 0, 4, 1, 2, 3, 4]].concat(), Some("192.0.2.7:12345")),
            (0x21, 0x21, v6, Some("[2001:db8::7]:12345")),
            (0x20, 0x00, vec![], None),
            (0x20, 0x11, V4.to_vec(), None),
            (0x21, 0x00, vec![], None),
            (0x21, 0x31, vec![0; 216], None),
            (0x21, 0x11, [&V4[..], &[0; 4084]].concat(), Some("192.0.2.7:12345")),
        ] {
            let bytes = [header(command, family, &rest), b"GET / ".to_vec()].concat();
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(answer(&bytes).await, (Ok(expected), 6), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_such_header_is_refused_with_a_reason() {
        let mut misspelt = header(0x21, 0x11, &V4);
        misspelt[11] = b'!';
        for (bytes, reason) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n".to_vec(), "version 2"),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "proxies.trusted"),
            (vec![0x16, 3, 1], "proxies.trusted"),
            (misspelt, "proxies.trusted"),
            (header(0x11, 0x11, &V4), "version other than 2"),
            (header(0x2f, 0x11, &V4), "unknown command"),
            (header(0x21, 0x12, &V4), "no TCP"),
            (header(0x21, 0xff, &V4), "no TCP"),
            (header(0x21, 0x11, &V4[..11]), "too few"),
            (header(0x21, 0x21, &[0; 35]), "too few"),
            (header(0x21, 0x11, &[0; 4097]), "4096"),
            (header(0x21, 0x11, &V4)[..27].to_vec(), "ended"),
            (SIGNATURE[..5].to_vec(), "ended"),
            (vec![], "ended"),
        ] {
            let reading = answer(&bytes).await.0.unwrap_err();
            assert!(reading.contains(reason), "{bytes:?}: {reading}");
        }
    }

    #[tokio::test]
    async fn half_a_header_is_waited_for_a_while() {
        let (mut near, mut far) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut far, &SIGNATURE[..7]).await.unwrap();
        let read = read_within(Duration::from_millis(10), &mut near).await;
        assert!(matches!(read, Err(Broken::Late)), "{read:?}");
    }
}
