//! The certificate and the peers' authorities out of their files.

use std::{path::Path, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

use super::config::{Error, Tls, read};
use crate::secrets;

impl Tls {
    /// Whether TLS is configured.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }

    /// The server's side of TLS; `None` where it is off.
    pub(super) fn acceptor(&self) -> Result<Option<TlsAcceptor>, Error> {
        if !self.is_on() {
            return Ok(None);
        }
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |why: &dyn std::fmt::Display| Error::Tls(path, why.to_string())
        };
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(secrets::read(&self.key)?.bytes())
            .map_err(|e| refused(&self.key)(&e))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| refused(&self.certificate)(&e))?;
        let builder = if self.client_authorities.as_os_str().is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for authority in certificates(&self.client_authorities)? {
                roots.add(authority).map_err(|e| refused(&self.client_authorities)(&e))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|e| refused(&self.client_authorities)(&e))?;
            builder.with_client_cert_verifier(verifier)
        };
        let config = builder.with_single_cert(chain, key).map_err(|e| refused(&self.certificate)(&e))?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Every certificate of a file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(Error::Tls(path.to_owned(), "it holds no certificate".to_owned()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(Error::Tls(path.to_owned(), error.to_string())),
    }
}
