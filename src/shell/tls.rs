//! TLS to subjects that are attached by an `https` URL.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Whom we trust, by file and whether anyone will do; read once.
static CLIENTS: Mutex<BTreeMap<(Option<String>, bool), Client>> = Mutex::new(BTreeMap::new());

/// Whom we trust, ready to connect.
#[derive(Clone)]
pub struct Client(Arc<ClientConfig>);

impl Client {
    /// Trusts the certificates of a file, else the system's; or any, if `insecure`.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no certificate.
    pub fn trusting(ca_file: Option<&str>, insecure: bool) -> Result<Self, String> {
        let key = (ca_file.map(str::to_owned), insecure);
        let mut known = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&key) {
            return Ok(client.clone());
        }
        let client = Self::new(ca_file, insecure)?;
        known.insert(key, client.clone());
        Ok(client)
    }

    fn new(ca_file: Option<&str>, insecure: bool) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let config = config.map_err(|error| error.to_string())?;
        let config = if insecure {
            config.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        } else {
            config.with_root_certificates(roots(ca_file)?)
        };
        Ok(Self(Arc::new(config.with_no_client_auth())))
    }
}

fn roots(ca_file: Option<&str>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = ca_file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| format!("{file}: {error}"))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("{file}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("{file}: {error}"))?;
    }
    match roots.is_empty() {
        true => Err(format!("{file}: holds no certificate (PEM)")),
        false => Ok(roots),
    }
}

/// Shakes hands with who listens at this address.
///
/// # Errors
/// Why it could not be done, and what may help.
pub(super) async fn connect(
    client: Option<Client>,
    at: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let Some(Client(config)) = client else { return Err(format!("{at}: nobody said whom to trust")) };
    let host = at.rsplit_once(':').map_or(at, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("{host}: {error}"))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        format!("no TLS with {at}: {error} (--ca-file FILE trusts its certificate, --insecure any)")
    })
}

/// Trusts anyone; signatures are checked all the same.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
