//! The HL7 v2 receiver: ORU^R40 over MLLP, one message at a time, accepted when its acknowledgement
//! names its control id.

use std::{path::Path, time::Duration};

use bedwatch_alerts::render::pcd::{Names, control_id, message};
use bedwatch_ingest::mllp::{Codec, Item};
use bedwatch_schemas::alert::Alert;
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tokio_util::codec::{Decoder, Encoder};

use super::{
    config::{Error, Hl7v2},
    delivery::{Peer, Trouble},
    tls,
};

/// The longest acknowledgement read, in bytes.
const MOST_ANSWERED: usize = 64 << 10;

/// Something that can be read and written.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Duplex for T {}

/// A receiver and the connection to it.
pub(super) struct Receiver {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    names: Names,
    timeout: Duration,
    connection: Option<Connection>,
}

struct Connection {
    stream: Box<dyn Duplex>,
    codec: Codec,
    read: BytesMut,
}

impl Receiver {
    pub(super) fn new(config: &Hl7v2, timeout: Duration) -> Result<Self, Error> {
        let wrong = || Error::Address("hl7v2.address", "host:2575");
        let (host, port) = config.address.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        ServerName::try_from(host.clone()).map_err(|_| wrong())?;
        let own: Option<(&Path, &Path)> =
            (!config.certificate.as_os_str().is_empty()).then_some((&config.certificate, &config.key));
        let tls = if config.tls { Some(tls::connector(&config.authorities, own)?) } else { None };
        let names = Names {
            sending_application: config.sending_application.clone(),
            sending_facility: config.sending_facility.clone(),
            receiving_application: config.receiving_application.clone(),
            receiving_facility: config.receiving_facility.clone(),
            authority: config.authority.clone(),
        };
        Ok(Self { host, port, tls, names, timeout, connection: None })
    }

    async fn attempt(&mut self, bytes: &[u8], id: &str) -> Result<(), Trouble> {
        let timeout = self.timeout;
        let answer = match tokio::time::timeout(timeout, self.exchange(bytes, id)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => {
                self.connection = None;
                return Err(Trouble::Away(why));
            }
            Err(_) => {
                self.connection = None;
                return Err(Trouble::Away("no acknowledgement in time".to_owned()));
            }
        };
        judge(&answer)
    }

    /// Sends and gives the code of the acknowledgement that names this message.
    async fn exchange(&mut self, bytes: &[u8], id: &str) -> Result<String, String> {
        if self.connection.is_none() {
            self.connection = Some(self.connect().await?);
        }
        let connection = self.connection.as_mut().expect("it was made just now");
        connection.send(bytes).await.map_err(|e| e.to_string())?;
        loop {
            let frame = connection.frame().await?;
            match acknowledgement(&frame) {
                Some((code, named)) if named == id => return Ok(code),
                // Of a message that was given up before: not an answer to this one.
                Some(_) => tracing::warn!("an acknowledgement names another message"),
                None => return Err("the answer is no acknowledgement".to_owned()),
            }
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| e.to_string())?;
        socket.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream: Box<dyn Duplex> = match &self.tls {
            None => Box::new(socket),
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(|e| e.to_string())?;
                Box::new(tls.connect(name, socket).await.map_err(|e| e.to_string())?)
            }
        };
        Ok(Connection { stream, codec: Codec::new(MOST_ANSWERED), read: BytesMut::new() })
    }
}

impl Connection {
    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut out = BytesMut::with_capacity(bytes.len() + 3);
        self.codec.encode(bytes, &mut out)?;
        self.stream.write_all(&out).await?;
        self.stream.flush().await
    }

    async fn frame(&mut self) -> Result<Vec<u8>, String> {
        loop {
            match self.codec.decode(&mut self.read).map_err(|e| e.to_string())? {
                Some(Item::Frame(bytes)) => return Ok(bytes.to_vec()),
                Some(Item::TooLarge(_)) => return Err("the answer is too large".to_owned()),
                None => {}
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return Err("the peer has closed the connection".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl Peer for Receiver {
    fn name(&self) -> &'static str {
        "hl7v2"
    }

    async fn send(&mut self, alert: &Alert) -> Result<(), Trouble> {
        let (bytes, id) = (message(alert, &self.names), control_id(alert));
        let kept = self.connection.is_some();
        match self.attempt(&bytes, &id).await {
            // The peer may have closed a connection kept open: a new one at once. When it had taken
            // the message before, it sees the same control id again.
            Err(Trouble::Away(_)) if kept => self.attempt(&bytes, &id).await,
            other => other,
        }
    }
}

/// MSA-1 and MSA-2.
fn acknowledgement(frame: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(frame);
    let mut segments = text.split(['\r', '\n']);
    let separator = segments.next()?.strip_prefix("MSH")?.chars().next()?;
    let msa = segments.find(|s| s.starts_with("MSA") && s[3..].starts_with(separator))?;
    let mut fields = msa.split(separator).skip(1);
    Some((fields.next()?.trim().to_owned(), fields.next()?.trim().to_owned()))
}

fn judge(code: &str) -> Result<(), Trouble> {
    match code {
        "AA" | "CA" => Ok(()),
        "AE" | "AR" | "CE" | "CR" => Err(Trouble::Refused(format!("acknowledgement {code}"))),
        _ => Err(Trouble::Refused("an unknown acknowledgement code".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_read_by_its_own_separator() {
        let of = |text: &str| acknowledgement(text.as_bytes());
        let pair = |code: &str, id: &str| Some((code.to_owned(), id.to_owned()));
        assert_eq!(of("MSH|^~\\&|A|B\rMSA|AA|id-0\r"), pair("AA", "id-0"));
        assert_eq!(of("MSH#^~\\&#A\rSFT#x\rMSA#CR#id-1#text\r"), pair("CR", "id-1"));
        assert_eq!(of("MSH|^~\\&|A\nMSA|AE|id\n"), pair("AE", "id"));
        for none in ["", "MSA|AA|x", "MSH|^~\\&|A\r", "MSH|^~\\&|A\rMSA|AA", "MSH\rMSA|AA|x"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn only_accepted_is_accepted() {
        assert!(judge("AA").is_ok() && judge("CA").is_ok());
        for code in ["AE", "AR", "CE", "CR", "", "aa", "XX"] {
            assert!(matches!(judge(code), Err(Trouble::Refused(_))), "{code}");
        }
    }
}
