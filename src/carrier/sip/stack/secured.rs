//! Connections to carriers that nobody else reads, with certificates that were looked at.

use crate::carrier::sip::settings::Trunk;
use rsipstack::platform::CancellationToken;
use rsipstack::transport::tls::{TlsConfig, TlsConnection};
use rsipstack::transport::{SipAddr, SipConnection};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The connections that nobody else reads, by the address of the carrier.
#[derive(Default)]
pub(super) struct Secured {
    /// With whom they were made, and whether they live.
    known: Mutex<HashMap<SocketAddr, (Identity, CancellationToken)>>,
    /// Reads what this machine trusts once, when it is first wanted.
    verifier: OnceLock<Result<Arc<dyn ServerCertVerifier>, String>>,
}

/// Whose certificate was looked at, and who had to have signed it.
type Identity = (String, Option<PathBuf>);

fn identity(trunk: &Trunk) -> Identity {
    (trunk.destination().0.to_owned(), trunk.ca_file.clone())
}

impl Secured {
    fn known(&self) -> MutexGuard<'_, HashMap<SocketAddr, (Identity, CancellationToken)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is one for this trunk. The library finds connections by their address alone, so no other carrier
    /// may be at it.
    pub(super) fn is_to(&self, trunk: &Trunk, address: SocketAddr) -> Result<bool, String> {
        match self.known().get(&address).filter(|(_, token)| !token.is_cancelled()) {
            Some((with, _)) if *with == identity(trunk) => Ok(true),
            Some(((name, _), _)) => Err(format!(
                "{address} is {name} as well for another trunk: give both the same name and the same ca_file"
            )),
            None => Ok(false),
        }
    }

    pub(super) fn keep(&self, trunk: &Trunk, address: SocketAddr, token: CancellationToken) {
        self.known().insert(address, (identity(trunk), token));
    }

    /// Connects, and looks at the certificate.
    pub(super) async fn connect(
        &self,
        trunk: &Trunk,
        to: SipAddr,
        token: CancellationToken,
    ) -> Result<SipConnection, String> {
        // The one choice for the process; another that was made before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (authorities, verifier) = match &trunk.ca_file {
            Some(file) => {
                let read = tokio::fs::read(file).await;
                let pem = read.map_err(|error| format!("ca_file {}: {error}", file.display()))?;
                if CertificateDer::pem_slice_iter(&pem).next().is_none_or(|found| found.is_err()) {
                    return Err(format!("ca_file {} holds no certificate in PEM", file.display()));
                }
                (pem, None)
            }
            None => (Vec::new(), Some(self.verifier()?)),
        };
        let name = trunk.destination().0.to_owned();
        let ca_certs = Some(authorities);
        let config = TlsConfig { ca_certs, sni_hostname: Some(name.clone()), ..TlsConfig::default() };
        let connected = TlsConnection::connect(&to, Some(&config), verifier, Some(token)).await;
        connected.map(SipConnection::Tls).map_err(|error| {
            let error = error.to_string();
            match error.contains("certificate") {
                true => format!("the certificate of {name} is not accepted ({error}): is the host right, and who signed it in ca_file?"),
                false => format!("no secured connection to {name}: {error}"),
            }
        })
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, String> {
        let read = || -> Result<Arc<dyn ServerCertVerifier>, String> {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = Verifier::new(provider);
            Ok(Arc::new(verifier.map_err(|error| format!("this machine trusts no certificates: {error}"))?))
        };
        self.verifier.get_or_init(read).clone()
    }
}
