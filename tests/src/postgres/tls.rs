//! Certificates for one test server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Makes a CA and writes `server.crt` and `server.key` into the data directory; returns the CA's
/// certificate in PEM.
pub(super) fn write_certificates(data: &Path) -> Result<String> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Pierhead test CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key)?.pem();

    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    let certificate = server.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;

    std::fs::write(data.join("server.crt"), certificate.pem())?;
    let key_path = data.join("server.key");
    std::fs::write(&key_path, key.serialize_pem())?;
    // The server refuses a key that others can read.
    std::fs::set_permissions(&key_path, std::fs::Permissions::from_mode(0o600))?;
    Ok(ca_pem)
}
