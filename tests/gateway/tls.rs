//! Who is let in: mutual TLS with peers that show the right certificate, a wrong one, and none.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use super::{Sender, Site, framed, oru};
use crate::support::Folder;

/// In files: an authority with a server's, a client's and an expired certificate, and a stranger's
/// authority with one of its own.
pub struct Certificates {
    folder: Folder,
}

impl Certificates {
    pub fn make(name: &str) -> Self {
        let folder = Folder::new(name);
        let write =
            |name: &str, text: String| bedwatch::secrets::write(&folder.join(name), text.as_bytes()).unwrap();
        for (authority, leaves) in
            [("authority", &["server", "client", "expired"][..]), ("stranger", &["intruder"])]
        {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, authority);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            write(&format!("{authority}.pem"), issuer.pem());
            for leaf in leaves {
                let key = KeyPair::generate().unwrap();
                let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
                if *leaf == "expired" {
                    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
                }
                write(&format!("{leaf}.pem"), params.signed_by(&key, &issuer).unwrap().pem());
                write(&format!("{leaf}.key"), key.serialize_pem());
            }
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A client that trusts the authority and shows the named certificate.
    fn client(&self, shown: Option<&str>) -> TlsConnector {
        let read = |name: &str| std::fs::read(self.path(name)).unwrap();
        let certificate = |name: &str| CertificateDer::from_pem_slice(&read(name)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate("authority.pem")).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let key = PrivateKeyDer::from_pem_slice(&read(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate(&format!("{name}.pem"))], key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }
}

/// What is answered to some bytes; an error or nothing where the peer is not let in.
async fn ask(
    client: TlsConnector,
    address: SocketAddr,
    bytes: &[u8],
    end: &[u8],
) -> std::io::Result<Vec<u8>> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = client.connect(name, TcpStream::connect(address).await?).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(end) {
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk).await? {
            0 => break,
            n => answer.extend_from_slice(&chunk[..n]),
        }
    }
    Ok(answer)
}

#[test]
fn only_a_peer_with_the_right_certificate_is_let_in() {
    let files = Certificates::make("gateway-mutual");
    let site = Site::start(|c| {
        c.gateway.tls.certificate = files.path("server.pem");
        c.gateway.tls.key = files.path("server.key");
        c.gateway.tls.client_authorities = files.path("authority.pem");
    });
    let message = framed(&oru("1", "p1", "80"));
    let mllp = |shown| site.runtime.block_on(ask(files.client(shown), site.mllp(), &message, b"\x1c\r"));
    let answer = String::from_utf8(mllp(Some("client")).unwrap()).unwrap();
    assert!(answer.contains("\rMSA|AA|1"), "{answer}");
    for shown in [None, Some("intruder"), Some("expired")] {
        let answer = mllp(shown);
        assert!(
            answer.as_ref().is_err() || answer.as_ref().is_ok_and(Vec::is_empty),
            "{shown:?}: {answer:?}"
        );
    }
    // In the clear: what is sent is no handshake, and no answer is one of HL7's.
    let mut plain = Sender::connect(site.mllp());
    plain.send(&oru("2", "p1", "80"));
    let mut said = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain.socket, &mut said);
    assert!(!said.windows(4).any(|w| w == b"MSA|"));
    site.until("bedwatch_gateway_connections_ended_total{how=\"handshake_failed\",protocol=\"mllp\"}", 4);
    assert_eq!(site.stored(&site.topics.hl7v2).len(), 1);

    let request = b"GET /metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let fhir = |shown| site.runtime.block_on(ask(files.client(shown), site.fhir(), request, b"\0"));
    let answer = String::from_utf8(fhir(Some("client")).unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("CapabilityStatement"), "{answer}");
    assert!(fhir(None).map_or(true, |a| a.is_empty()));
    site.stop();
}
