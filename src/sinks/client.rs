//! An HTTP client for one address: one connection kept open, one request at a time.
//!
//! hyper speaks HTTP/1.1, rustls TLS. A redirect is not followed: an alert goes where the site said.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, Uri, client::conn::http1::SendRequest, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{config::Error, delivery::Trouble, tls};

/// An answer's body is read so far, so that the connection can be used again.
const MOST_ANSWERED: usize = 4 << 20;

/// A client of one address.
pub(super) struct Client {
    host: String,
    port: u16,
    path: String,
    tls: Option<TlsConnector>,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// For an address `http://host[:port][/path]`, or `https`.
    pub(super) fn new(
        key: &'static str,
        url: &str,
        authorities: &Path,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let wrong = || Error::Address(key, "https://host/path");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?.to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some(tls::connector(authorities, None)?), 443),
            Some("http") => (None, 80),
            _ => return Err(wrong()),
        };
        if tls.is_some() {
            ServerName::try_from(host.clone()).map_err(|_| wrong())?;
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        let port = uri.port_u16().unwrap_or(port);
        Ok(Self { host, port, path, tls, timeout, connection: None })
    }

    /// Posts a body and tells whether it was accepted.
    pub(super) async fn post(&mut self, headers: &[(&str, &str)], body: Vec<u8>) -> Result<(), Trouble> {
        let body = Bytes::from(body);
        // A connection kept open may have been closed by the peer meanwhile: then a new one at once.
        let kept = self.connection.as_ref().is_some_and(|c| !c.is_closed());
        let first = self.attempt(headers, body.clone()).await;
        let status = match first {
            Err(_) if kept => self.attempt(headers, body).await?,
            other => other?,
        };
        judge(status)
    }

    async fn attempt(&mut self, headers: &[(&str, &str)], body: Bytes) -> Result<StatusCode, Trouble> {
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, self.exchange(headers, body)).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(why)) => {
                self.connection = None;
                Err(Trouble::Away(why))
            }
            Err(_) => {
                self.connection = None;
                Err(Trouble::Away("no answer in time".to_owned()))
            }
        }
    }

    async fn exchange(&mut self, headers: &[(&str, &str)], body: Bytes) -> Result<StatusCode, String> {
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.connect().await?,
        };
        let host = if matches!(self.port, 80 | 443) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let mut request = Request::post(&self.path).header(header::HOST, host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|_| "a header is refused".to_owned())?;
        connection.ready().await.map_err(|e| e.to_string())?;
        let answer = connection.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        // What the peer writes is not looked at; when it is too long the connection is not kept.
        if Limited::new(answer.into_body(), MOST_ANSWERED).collect().await.is_ok() {
            self.connection = Some(connection);
        }
        Ok(status)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let socket = TcpStream::connect((host, self.port)).await.map_err(|e| e.to_string())?;
        socket.set_nodelay(true).map_err(|e| e.to_string())?;
        match &self.tls {
            None => handshake(socket).await,
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
                handshake(tls.connect(name, socket).await.map_err(|e| e.to_string())?).await
            }
        }
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    // It ends with its sender; what breaks it is told to whoever waits for an answer.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// What a status means. Wrong credentials, a wrong path or a redirect are no fault of the message.
fn judge(status: StatusCode) -> Result<(), Trouble> {
    let told = || format!("HTTP status {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Ok(()),
        300..=399 | 401 | 403 | 404 | 405 | 407 | 408 | 410 | 421 | 425 | 429 | 502 | 503 | 504 => {
            Err(Trouble::Away(told()))
        }
        _ => Err(Trouble::Refused(told())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_an_outage_or_a_refusal() {
        let of = |code: u16| judge(StatusCode::from_u16(code).unwrap());
        for code in [200, 201, 204, 207] {
            assert_eq!(of(code), Ok(()), "{code}");
        }
        for code in [301, 401, 403, 404, 408, 429, 502, 503, 504] {
            assert!(matches!(of(code), Err(Trouble::Away(_))), "{code}");
        }
        for code in [400, 409, 412, 413, 415, 422, 500, 501] {
            assert!(matches!(of(code), Err(Trouble::Refused(_))), "{code}");
        }
    }

    #[test]
    fn what_is_no_web_address_is_refused() {
        for url in ["host", "ftp://host/", "http://", "/path", "https://ho st/"] {
            assert!(Client::new("fhir.url", url, Path::new("/nowhere"), Duration::ZERO).is_err(), "{url}");
        }
        let client =
            Client::new("fhir.url", "http://host:8080/r4?x=1", Path::new("/nowhere"), Duration::ZERO);
        let client = client.unwrap();
        assert_eq!((client.host.as_str(), client.port, client.path.as_str()), ("host", 8080, "/r4?x=1"));
    }
}
