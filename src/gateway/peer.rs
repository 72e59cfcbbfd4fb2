//! A door: a listening socket with a cap on its connections, and TLS where it is configured.
//!
//! Handshakes run beside the door, not in it, so that a peer that never finishes one holds up nobody.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Counters, Error};

/// Connections that have shaken hands and wait to be taken.
const WAITING: usize = 64;
/// How long to wait after the system could not accept (too many open files).
const PAUSE: Duration = Duration::from_millis(100);

/// How a door is made.
pub(super) struct Settings {
    pub(super) protocol: &'static str,
    pub(super) address: SocketAddr,
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) connections: usize,
    pub(super) handshake: Duration,
}

/// A connection, in the clear or not. It counts as open until it is dropped.
pub(super) struct Peer {
    io: Io,
    _open: Open,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The place of one connection.
struct Open {
    protocol: &'static str,
    counters: Arc<Counters>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.closed(self.protocol);
    }
}

/// The door.
pub(super) struct Door {
    address: SocketAddr,
    ready: mpsc::Receiver<Peer>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Door {
    /// Binds the address and begins to accept.
    pub(super) async fn bind(settings: Settings, counters: Arc<Counters>) -> Result<Self, Error> {
        let wanted = settings.address;
        let failed = |e| Error::Bind(wanted, e);
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (sender, ready) = mpsc::channel(WAITING);
        let accepting = tokio::spawn(accept(listener, settings, counters, sender));
        Ok(Self { address, ready, accepting })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection; `None` once the door is closed.
    pub(super) async fn next(&mut self) -> Option<Peer> {
        self.ready.recv().await
    }
}

async fn accept(
    listener: TcpListener,
    settings: Settings,
    counters: Arc<Counters>,
    ready: mpsc::Sender<Peer>,
) {
    let places = Arc::new(Semaphore::new(settings.connections));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                counters.ended(settings.protocol, "not_accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = places.clone().try_acquire_owned() else {
            counters.ended(settings.protocol, "over_the_cap");
            continue;
        };
        counters.opened(settings.protocol);
        let open = Open { protocol: settings.protocol, counters: counters.clone(), _permit: permit };
        // Answers are small and wanted at once.
        stream.set_nodelay(true).ok();
        let Some(acceptor) = settings.acceptor.clone() else {
            if ready.send(Peer { io: Io::Plain(stream), _open: open }).await.is_err() {
                return;
            }
            continue;
        };
        let (ready, limit) = (ready.clone(), settings.handshake);
        tokio::spawn(async move {
            match timeout(limit, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    // Closed meanwhile: the connection ends with it.
                    ready.send(Peer { io: Io::Tls(Box::new(stream)), _open: open }).await.ok();
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a TLS handshake failed");
                    open.counters.ended(open.protocol, "handshake_failed");
                }
                Err(_) => open.counters.ended(open.protocol, "handshake_slow"),
            }
        });
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_flush(cx),
            Io::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Io::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
