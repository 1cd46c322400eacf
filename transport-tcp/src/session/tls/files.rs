//! Certificates and keys from files to what TLS needs, and who is trusted.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore, ServerConfig,
    SignatureScheme,
};
use skep::secret::{SecretError, Stamp, private_file};
use skep::transport::CertificateError;

use super::Configs;

/// The longest file, in bytes.
const MAX_FILE: usize = 1 << 20;

/// Where the certificates of a node are, all as PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// This node's certificate, with the node's name among its DNS names, and those that lead to an authority.
    pub certificate: PathBuf,
    /// Its private key; only its owner may read it (0600).
    pub key: PathBuf,
    /// Who signed the other nodes' certificates: no one but the cluster's own authority should be in it.
    pub authorities: PathBuf,
}

impl TlsFiles {
    pub(super) fn stamps(&self) -> [Option<Stamp>; 3] {
        [&self.certificate, &self.key, &self.authorities].map(|path| Stamp::at(path))
    }

    pub(super) fn load(&self) -> Result<Configs, CertificateError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&self.certificate)?;
        let (key, _) = private_file(&self.key, MAX_FILE).map_err(CertificateError::File)?;
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| CertificateError::NoKey { path: self.key.clone() })?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.authorities)? {
            roots.add(authority).map_err(|_| self.no_authority())?;
        }
        let roots = Arc::new(roots);

        let other_key = |_: Error| CertificateError::OtherKey { path: self.key.clone() };
        let trusts = Authorities { roots: roots.clone(), provider: provider.clone() };
        let mut dialler = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .expect("ring knows TLS 1.3")
            .dangerous() // only because the name is looked at later: see `Authorities`
            .with_custom_certificate_verifier(Arc::new(trusts))
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(other_key)?;
        dialler.enable_sni = false; // it would tell whoever listens
        dialler.resumption = Resumption::disabled();

        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|_| self.no_authority())?;
        let mut acceptor = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("ring knows TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(other_key)?;
        acceptor.session_storage = Arc::new(NoServerSessionStorage {});
        acceptor.send_tls13_tickets = 0; // nothing of TLS follows the handshake
        Ok(Configs { dialler: Arc::new(dialler), acceptor: Arc::new(acceptor) })
    }

    fn no_authority(&self) -> CertificateError {
        CertificateError::NoAuthority { path: self.authorities.clone() }
    }
}

/// All certificates in a file: at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let not_read = |error: std::io::Error| {
        CertificateError::File(SecretError::NotRead { path: path.into(), kind: error.kind() })
    };
    let none = || CertificateError::NoCertificate { path: path.into() };
    let mut pem = Vec::new();
    let file = File::open(path).map_err(not_read)?;
    file.take(MAX_FILE as u64).read_to_end(&mut pem).map_err(not_read)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| none())?;
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

/// Trusts whom an authority has signed. Under which name a peer may come is judged with its hello: who is dialled has
/// an address only, and no name yet.
#[derive(Debug)]
struct Authorities {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into()) // no TLS 1.2 is spoken
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
