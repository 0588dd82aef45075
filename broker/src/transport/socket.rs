//! The bytes of one peer, in the clear or under TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A stream that is ready to be spoken on: whatever comes before the first word of HTTP or STOMP is over.
#[derive(Debug)]
pub enum Socket {
    /// As TCP carries them.
    Plain(TcpStream),
    /// Under TLS, after the handshake.
    Secure(Box<TlsStream<TcpStream>>),
    /// To a client in the same process.
    #[cfg(test)]
    Memory(super::memory::Memory),
}

impl Socket {
    /// Whether nobody on the way can read along.
    pub fn is_secure(&self) -> bool {
        matches!(self, Socket::Secure(_))
    }
}

/// Hands a call on to whichever stream it is.
macro_rules! of_either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket.get_mut() {
            Socket::Plain($stream) => $call,
            Socket::Secure($stream) => $call,
            #[cfg(test)]
            Socket::Memory($stream) => $call,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        of_either!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        of_either!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_either!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_either!(self, stream => Pin::new(stream).poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_either!(self, stream => Pin::new(stream).poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Socket::Plain(stream) => stream.is_write_vectored(),
            Socket::Secure(stream) => stream.is_write_vectored(),
            #[cfg(test)]
            Socket::Memory(stream) => stream.is_write_vectored(),
        }
    }
}
