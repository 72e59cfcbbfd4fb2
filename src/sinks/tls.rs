//! The client's side of TLS, out of files.

use std::{path::Path, sync::Arc};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::config::{Error, read};
use crate::secrets;

/// A connector that trusts these authorities and shows this certificate, if any.
pub(super) fn connector(authorities: &Path, own: Option<(&Path, &Path)>) -> Result<TlsConnector, Error> {
    let refused = |path: &Path, why: &dyn std::fmt::Display| Error::Content(path.to_owned(), why.to_string());
    let mut roots = RootCertStore::empty();
    // A machine's bundle may hold authorities that rustls does not take; one must be left.
    let (taken, _) = roots.add_parsable_certificates(certificates(authorities)?);
    if taken == 0 {
        return Err(refused(authorities, &"it holds no authority"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| refused(authorities, &e))?
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let private =
                PrivateKeyDer::from_pem_slice(secrets::read(key)?.bytes()).map_err(|e| refused(key, &e))?;
            builder.with_client_auth_cert(certificates(chain)?, private).map_err(|e| refused(chain, &e))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    found.map_err(|e| Error::Content(path.to_owned(), e.to_string()))
}
