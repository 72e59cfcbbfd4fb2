//! `[gateway]` of the configuration.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use bedwatch_ingest::{MAX_JSON_BYTES, hl7};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secrets;

/// The receivers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether `bedwatch run` listens too; `bedwatch gateway` always does.
    pub enabled: bool,
    /// A file with a secret of at least 32 bytes: patients are then named by a keyed hash of their
    /// number, in the key and in PID and MRG. Empty: by the number as it is sent.
    pub pseudonym_secret_file: PathBuf,
    /// A message that Kafka has not confirmed after so many seconds is refused (AR, CE, 503).
    pub kafka_timeout_secs: u64,
    /// Listening beyond this machine without TLS is refused unless this is set.
    pub allow_plaintext: bool,
    /// The certificate, for both protocols.
    pub tls: Tls,
    /// HL7 v2 over MLLP.
    pub mllp: Mllp,
    /// FHIR over HTTP.
    pub fhir: Fhir,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            pseudonym_secret_file: PathBuf::new(),
            kafka_timeout_secs: 10,
            allow_plaintext: false,
            tls: Tls::default(),
            mllp: Mllp::default(),
            fhir: Fhir::default(),
        }
    }
}

/// TLS (1.2 and 1.3), by files in PEM.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain; empty: no TLS.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authorities of the peers' certificates; empty: peers show none. With it a peer without a
    /// certificate of theirs is refused (mutual TLS, as IHE ATNA wants it).
    pub client_authorities: PathBuf,
}

/// HL7 v2 over MLLP.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mllp {
    /// The address; empty: none.
    pub listen: String,
    /// The longest message, in bytes; at most 4 MiB.
    pub max_frame_bytes: usize,
    /// Messages of one connection that may wait for Kafka; then it is read no further.
    pub window: usize,
    /// Connections at one time; one more is closed at once.
    pub connections: usize,
    /// A peer may take so many seconds for a message from its first byte to its last, for the TLS
    /// handshake, and to take an answer.
    pub frame_timeout_secs: u64,
    /// A connection without a byte for so many seconds is closed; 0: never.
    pub idle_secs: u64,
    /// Messages begun and not ended may hold so many bytes on all connections together; what would
    /// go over closes its connection.
    pub max_begun_bytes: usize,
    /// Messages remembered, so that one sent again is not forwarded twice.
    pub repeats: usize,
    /// The processing ids (MSH-11) taken, such as `["P"]`; empty: all.
    pub processing_ids: Vec<String>,
}

impl Default for Mllp {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:2575".to_owned(),
            max_frame_bytes: hl7::MAX_BYTES,
            window: 64,
            connections: 2_048,
            frame_timeout_secs: 10,
            idle_secs: 3_600,
            max_begun_bytes: 256 << 20,
            repeats: 100_000,
            processing_ids: Vec::new(),
        }
    }
}

/// FHIR over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fhir {
    /// The address; empty: none.
    pub listen: String,
    /// The longest body, in bytes; at most 4 MiB.
    pub max_body_bytes: usize,
    /// Connections at one time; one more is closed at once.
    pub connections: usize,
    /// A peer may take so many seconds for a request, and for the TLS handshake.
    pub request_timeout_secs: u64,
    /// A connection without a whole request head for so many seconds is closed.
    pub idle_secs: u64,
    /// A file with a token that every request must carry (`Authorization: Bearer`); empty: none.
    pub token_file: PathBuf,
    /// The `system` of the identifier that names patients, where it is the number that HL7 v2 sends in
    /// PID-3; empty: patients are named by the id of their reference.
    pub identifier_system: String,
}

impl Default for Fhir {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8090".to_owned(),
            max_body_bytes: MAX_JSON_BYTES,
            connections: 1_024,
            request_timeout_secs: 30,
            idle_secs: 120,
            token_file: PathBuf::new(),
            identifier_system: String::new(),
        }
    }
}

/// Why the gateway does not listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address.
    #[error("{0} is not an address; write it as 127.0.0.1:2575")]
    Address(&'static str),
    /// Beyond this machine and in the clear.
    #[error(
        "{0} is not a loopback address and there is no TLS: set gateway.tls.certificate and gateway.tls.key, \
         or gateway.allow_plaintext where the network itself is protected"
    )]
    Plaintext(&'static str),
    /// A number out of its range, or two settings that do not go together.
    #[error("the configuration is refused: {0}")]
    Range(&'static str),
    /// A file that cannot be read.
    #[error("{0} cannot be read: {1}")]
    Read(PathBuf, std::io::Error),
    /// A secret that is not taken.
    #[error(transparent)]
    Secret(#[from] crate::secrets::Error),
    /// A file that is not what it should be.
    #[error("{0}: {1}")]
    Tls(PathBuf, String),
    /// The address cannot be bound.
    #[error("{0} cannot be bound ({1})")]
    Bind(SocketAddr, std::io::Error),
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| Error::Read(path.to_owned(), e))
}

/// The fewest bytes a token may have: one that can be guessed is none.
const MIN_TOKEN: usize = 16;

/// Reads a token.
pub(super) fn token(path: &Path) -> Result<Vec<u8>, Error> {
    let token = secrets::read(path)?.bytes().to_vec();
    if token.len() < MIN_TOKEN {
        return Err(Error::Range("the token of gateway.fhir.token_file must have at least 16 bytes"));
    }
    Ok(token)
}

fn address(key: &'static str, listen: &str) -> Result<Option<SocketAddr>, Error> {
    match listen {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Error::Address(key)),
    }
}

impl Error {
    /// What is wrong, beginning with the key.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::Range(why) => (*why).to_owned(),
            other => other.to_string(),
        }
    }
}

impl Mllp {
    /// Where to listen.
    pub(super) fn address(&self) -> Result<Option<SocketAddr>, Error> {
        address("gateway.mllp.listen", &self.listen)
    }
}

impl Fhir {
    /// Where to listen.
    pub(super) fn address(&self) -> Result<Option<SocketAddr>, Error> {
        address("gateway.fhir.listen", &self.listen)
    }
}

impl Config {
    /// Checks ranges and that nothing listens in the clear beyond this machine. Files are read when
    /// the gateway starts.
    ///
    /// # Errors
    /// What is refused, and why.
    pub fn check(&self) -> Result<(), Error> {
        self.faults().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that is refused.
    #[must_use]
    pub fn faults(&self) -> Vec<Error> {
        let ranges = [
            (self.kafka_timeout_secs >= 1, "gateway.kafka_timeout_secs must be at least 1"),
            (
                (1..=hl7::MAX_BYTES).contains(&self.mllp.max_frame_bytes),
                "gateway.mllp.max_frame_bytes must be between 1 and 4194304",
            ),
            (
                self.mllp.max_begun_bytes >= self.mllp.max_frame_bytes,
                "gateway.mllp.max_begun_bytes must be at least gateway.mllp.max_frame_bytes",
            ),
            (self.mllp.window >= 1, "gateway.mllp.window must be at least 1"),
            (self.mllp.connections >= 1, "gateway.mllp.connections must be at least 1"),
            (self.mllp.frame_timeout_secs >= 1, "gateway.mllp.frame_timeout_secs must be at least 1"),
            (
                (1..=MAX_JSON_BYTES).contains(&self.fhir.max_body_bytes),
                "gateway.fhir.max_body_bytes must be between 1 and 4194304",
            ),
            (self.fhir.connections >= 1, "gateway.fhir.connections must be at least 1"),
            (self.fhir.request_timeout_secs >= 1, "gateway.fhir.request_timeout_secs must be at least 1"),
            (self.fhir.idle_secs >= 1, "gateway.fhir.idle_secs must be at least 1"),
            (
                self.tls.certificate.as_os_str().is_empty() == self.tls.key.as_os_str().is_empty(),
                "gateway.tls.certificate and gateway.tls.key go together",
            ),
            (
                self.tls.client_authorities.as_os_str().is_empty() || self.tls.is_on(),
                "gateway.tls.client_authorities needs gateway.tls.certificate",
            ),
        ];
        let mut faults: Vec<Error> =
            ranges.into_iter().filter(|(holds, _)| !holds).map(|(_, why)| Error::Range(why)).collect();
        let guarded = self.tls.is_on() || self.allow_plaintext;
        for (key, address) in
            [("gateway.mllp.listen", self.mllp.address()), ("gateway.fhir.listen", self.fhir.address())]
        {
            match address {
                Err(error) => faults.push(error),
                Ok(Some(address)) if !address.ip().is_loopback() && !guarded => {
                    faults.push(Error::Plaintext(key));
                }
                Ok(_) => {}
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_listens_in_the_clear_beyond_this_machine_unless_told_so() {
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().map_err(|e| e.to_string())
        };
        let tls = |c: &mut Config| {
            c.tls = Tls { certificate: "c".into(), key: "k".into(), ..Tls::default() };
            c.mllp.listen = "0.0.0.0:2575".into();
        };
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(tls), Ok(()));
        assert_eq!(with(|c| c.mllp.listen = String::new()), Ok(()));
        assert_eq!(with(|c| (c.fhir.listen, c.allow_plaintext) = ("0.0.0.0:1".into(), true)), Ok(()));
        assert!(with(|c| c.mllp.listen = "0.0.0.0:2575".into()).unwrap_err().contains("no TLS"));
        assert!(with(|c| c.fhir.listen = "[2001:db8::1]:1".into()).unwrap_err().contains("no TLS"));
        let ranges: [fn(&mut Config); 11] = [
            |c| c.mllp.listen = "here".into(),
            |c| c.mllp.max_frame_bytes = 0,
            |c| c.mllp.max_frame_bytes = hl7::MAX_BYTES + 1,
            |c| c.mllp.max_begun_bytes = 1,
            |c| c.mllp.window = 0,
            |c| c.mllp.frame_timeout_secs = 0,
            |c| c.fhir.max_body_bytes = MAX_JSON_BYTES + 1,
            |c| c.fhir.idle_secs = 0,
            |c| c.kafka_timeout_secs = 0,
            |c| c.tls.key = "k".into(),
            |c| c.tls.client_authorities = "a".into(),
        ];
        for (n, change) in ranges.into_iter().enumerate() {
            assert!(with(change).is_err(), "{n}");
        }
    }
}
