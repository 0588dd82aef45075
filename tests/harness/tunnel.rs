//! From a plain address on this machine to a listener under TLS, so that every client of every test can speak through
//! TLS without knowing. Ends with what it leads to, or when dropped.

use std::io::ErrorKind;
use std::sync::Arc;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::authority::Authority;

/// A way through TLS to one listener.
pub struct Tunnel {
    address: String,
    _ends: oneshot::Sender<()>,
}

impl Tunnel {
    /// A tunnel to `target`, with threads of its own: a test may keep its own one busy.
    pub fn to(target: &str, authority: &Arc<Authority>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let address = listener.local_addr().expect("an address").to_string();
        let (ends, ended) = oneshot::channel();
        let (target, authority) = (target.to_owned(), authority.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, target, authority) => {}
                    _ = ended => {}
                }
            });
        });
        Self { address, _ends: ends }
    }

    /// Its near end, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

async fn accept(listener: TcpListener, target: String, authority: Arc<Authority>) {
    while let Ok((near, _)) = listener.accept().await {
        let (target, authority) = (target.clone(), authority.clone());
        tokio::spawn(async move {
            let _ = near.set_nodelay(true);
            // A broker that is gone shows itself as a connection that closes.
            if let Ok(far) = authority.connect(&target).await {
                pass_on(near, far).await;
            }
        });
    }
}

/// Passes bytes on, both ways, each until its own end.
async fn pass_on(near: TcpStream, far: tokio_rustls::client::TlsStream<TcpStream>) {
    let (mut near_reads, mut near_writes) = near.into_split();
    let (mut far_reads, mut far_writes) = tokio::io::split(far);
    let out = async {
        let mut bytes = [0; 16 * 1024];
        loop {
            match near_reads.read(&mut bytes).await {
                Ok(count) if count > 0 => {
                    far_writes.write_all(&bytes[..count]).await?;
                    far_writes.flush().await?;
                }
                Ok(_) => return far_writes.shutdown().await,
                Err(error) => return Err(error),
            }
        }
    };
    let back = async {
        let mut bytes = [0; 16 * 1024];
        loop {
            match far_reads.read(&mut bytes).await {
                Ok(count) if count > 0 => near_writes.write_all(&bytes[..count]).await?,
                Ok(_) => return near_writes.shutdown().await,
                // A process that was killed says no good-bye, over TCP as here.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return near_writes.shutdown().await,
                Err(error) => return Err(error),
            }
        }
    };
    let _ = tokio::try_join!(out, back);
}
