//! Certificates for a test: an authority of its own, and what it signs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};

/// A certificate authority that exists for one test. Its files go with the folder they are in.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    ca: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// An authority of this name; its files are written into `folder`.
    ///
    /// # Panics
    /// When a key cannot be made, or the folder not written.
    #[must_use]
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let own = params.self_signed(&key).expect("an authority's certificate");
        let ca = write(folder, &format!("{name}-ca.pem"), &own.pem());
        Self { folder: folder.to_owned(), ca, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate: what a client trusts.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// A certificate for a server on this machine, or for a client of that name.
    ///
    /// # Panics
    /// When it cannot be signed or written.
    #[must_use]
    pub fn issue(&self, name: &str) -> Certified {
        self.issue_until(name, 2999)
    }

    /// The same, out of date for years.
    ///
    /// # Panics
    /// As [`Authority::issue`].
    #[must_use]
    pub fn issue_expired(&self, name: &str) -> Certified {
        self.issue_until(name, 2001)
    }

    fn issue_until(&self, name: &str, year: i32) -> Certified {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certified {
            cert: write(&self.folder, &format!("{name}.pem"), &signed.pem()),
            key: write(&self.folder, &format!("{name}-key.pem"), &key.serialize_pem()),
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path
}
