//! What is written comes out at the other end, byte for byte, however little the socket takes.

use std::sync::Arc;

use rcgen::KeyPair;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::*;

/// A sealed stream, and the client at its other end, whose kernels keep little.
async fn ends() -> (Sealed, client::TlsStream<TcpStream>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key): (CertificateDer<'static>, KeyPair) = (made.cert.der().clone(), made.signing_key);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connect = async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(address).await.unwrap();
        TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
    };
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        SockRef::from(&stream).set_send_buffer_size(4096).unwrap();
        TlsAcceptor::from(Arc::new(server)).accept(stream).await.unwrap()
    };
    let (near, far) = tokio::join!(accept, connect);
    (Sealed::new(TlsStream::Server(near)), far)
}

#[tokio::test]
async fn a_socket_that_takes_little_has_every_byte_once_and_in_order() {
    const BYTES: usize = 3_000_000;
    let (mut near, mut far) = ends().await;
    let said: Vec<u8> = (0..BYTES).map(|number| (number / 251 + number) as u8).collect();
    let expected = said.clone();
    let reader = tokio::spawn(async move {
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        assert!(heard == expected, "{} of {} bytes", heard.len(), expected.len());
    });
    let (mut written, mut blocked) = (0, 0);
    // Pieces of all sizes, a single byte among them, each begun again where the one before ended.
    for (turn, size) in [1, 2, 70_000, 1, 16_384, 999, 200_000].iter().cycle().enumerate() {
        let until = (written + size).min(BYTES);
        while written < until {
            match near.try_write(&said[written..until]) {
                Ok(count) => written += count,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "in turn {turn}");
                    blocked += 1;
                    near.writable().await.unwrap();
                }
            }
        }
        if written == BYTES {
            break;
        }
    }
    assert!(blocked > 10, "the socket took nothing {blocked} times");
    near.finish();
    reader.await.unwrap();
}

#[tokio::test]
async fn bytes_count_as_written_when_all_of_their_records_have_left() {
    let (mut near, mut far) = ends().await;
    let piece = vec![7; 50_000];
    let mut owned_up_to = 0;
    // Nobody reads: sooner or later the socket is full.
    while let Ok(count) = near.try_write(&piece) {
        owned_up_to += count;
        if count < piece.len() {
            break;
        }
    }
    assert!(near.owes_one && near.session.wants_write());
    assert_eq!(near.try_write(&piece[..1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let mut heard = vec![0; owned_up_to + 1];
    let read = far.read_exact(&mut heard);
    let write = async {
        loop {
            match near.try_write(&piece[..1]) {
                Ok(count) => return count,
                Err(_) => near.writable().await.unwrap(),
            }
        }
    };
    let (read, count) = tokio::join!(read, write);
    assert_eq!((read.unwrap(), count), (owned_up_to + 1, 1), "the byte was sealed once");
    assert!(!near.owes_one);
}

#[tokio::test]
async fn everything_that_came_is_opened_at_once_and_the_end_is_told() {
    let (mut near, mut far) = ends().await;
    let writer = tokio::spawn(async move {
        far.write_all(&[5; 100_000]).await.unwrap();
        far.shutdown().await.unwrap();
        far
    });
    let (mut sealed, mut opened, mut count) = (vec![0; 16 * 1024], Vec::new(), 0);
    loop {
        near.readable().await.unwrap();
        opened.clear();
        let received = near.receive(&mut sealed, &mut opened);
        count += opened.len();
        assert!(opened.len() <= 2 * sealed.len() && opened.iter().all(|byte| *byte == 5));
        if received == Received::End {
            break;
        }
    }
    assert_eq!(count, 100_000);
    drop(writer.await.unwrap());
}

#[tokio::test]
async fn what_is_no_record_ends_it() {
    let (mut near, far) = ends().await;
    let (mut stream, _) = far.into_inner();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let (mut sealed, mut opened) = (vec![0; 16 * 1024], Vec::new());
    loop {
        near.readable().await.unwrap();
        match near.receive(&mut sealed, &mut opened) {
            Received::End => break,
            other => assert!(other != Received::Some || opened.is_empty(), "{other:?}"),
        }
    }
    assert!(opened.is_empty());
}
