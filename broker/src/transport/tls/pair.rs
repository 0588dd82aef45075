//! A certificate and its key: read, and looked at from all sides, before anybody is shown them.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Before a certificate ends, so long it is told that it will: whoever renews by hand, or whose renewal is broken, has
/// two weeks.
pub const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// More than any certificate with its chain has.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a pair is, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and behind it those that it is signed by.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What both files hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// A certificate and the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    /// From when on it holds.
    pub not_before: SystemTime,
    /// Until when it holds.
    pub not_after: SystemTime,
    /// For which names and addresses.
    pub names: Vec<String>,
}

/// One thing wrong with the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The setting that names the file.
    pub key: &'static str,
    /// Its value.
    pub path: PathBuf,
    /// What is wrong and what to do.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = \"{}\": {}", self.key, self.path.display(), self.remedy)
    }
}

/// The settings.
const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";

impl Files {
    /// Reads and looks at both.
    ///
    /// # Errors
    /// Everything that keeps them from being used.
    pub fn load(&self) -> Result<Pair, Vec<Fault>> {
        self.understand(&self.read()?)
    }

    /// Reads both.
    ///
    /// # Errors
    /// Those that cannot be read.
    pub fn read(&self) -> Result<Contents, Vec<Fault>> {
        match (read(CERTIFICATE, &self.certificate), read(KEY, &self.key)) {
            (Ok(certificate), Ok(key)) => Ok(Contents { certificate, key }),
            (certificate, key) => Err(certificate.err().into_iter().chain(key.err()).collect()),
        }
    }

    /// Looks at what was read.
    ///
    /// # Errors
    /// Everything that keeps it from being used. That the time is not right is no such thing.
    pub fn understand(&self, contents: &Contents) -> Result<Pair, Vec<Fault>> {
        let chain = self.chain(&contents.certificate);
        let key = self.private_key(&contents.key);
        let ((chain, leaf), key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
        };
        let signer = aws_lc_rs::default_provider().key_provider.load_private_key(key).map_err(|_| {
            vec![self.of_key(
                "This kind of key is not supported: use RSA (2048 bits or more), ECDSA (P-256, P-384) or Ed25519.",
            )]
        })?;
        let certified = CertifiedKey::new(chain, signer);
        match certified.keys_match() {
            // Where the key cannot say what its public half is, there is nothing to compare.
            Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(error) => return Err(vec![self.no_match(&certified, &error)]),
        }
        let validity = &leaf.tbs_certificate.validity;
        let moment = |time: &x509_cert::time::Time| UNIX_EPOCH + time.to_unix_duration();
        let (not_before, not_after) = (moment(&validity.not_before), moment(&validity.not_after));
        Ok(Pair { certified: Arc::new(certified), not_before, not_after, names: names(&leaf) })
    }

    /// What is wrong with the time of a pair, if anything is.
    pub fn untimely(&self, pair: &Pair, now: SystemTime) -> Option<Fault> {
        if now >= pair.not_after {
            let ended = now.duration_since(pair.not_after).unwrap_or_default();
            return Some(self.of_certificate(&format!(
                "The certificate ended {} ago, and browsers refuse it: renew it.",
                days(ended)
            )));
        }
        let begins = pair.not_before.duration_since(now).ok().filter(|early| !early.is_zero())?;
        let remedy = "The certificate holds only from now in";
        let clock = "browsers refuse it until then: use the one before, or look at this machine's clock.";
        Some(self.of_certificate(&format!("{remedy} {}, and {clock}", days(begins))))
    }

    /// What one should know although the pair can be used.
    pub fn warnings(&self, pair: &Pair, now: SystemTime) -> Vec<Fault> {
        let ends = pair.not_after.duration_since(now).ok().filter(|left| *left < ENDS_SOON);
        let soon = ends.map(|left| {
            self.of_certificate(&format!("The certificate ends in {}: renew it, or see why nobody did.", days(left)))
        });
        let open = open_to_others(&self.key).then(|| {
            let path = self.key.display();
            self.of_key(&format!("Every user of this machine may read the key: chmod o-rwx '{path}'."))
        });
        soon.into_iter().chain(open).collect()
    }

    fn chain(&self, pem: &[u8]) -> Result<(Vec<CertificateDer<'static>>, Certificate), Fault> {
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| self.of_certificate(&no_pem(&error)))?;
        let Some(first) = chain.first() else {
            let is_key = PrivateKeyDer::from_pem_slice(pem).is_ok();
            let what = if is_key { "There is a key in it and no certificate" } else { "There is no certificate in it" };
            return Err(self.of_certificate(&format!(
                "{what}: name the file with -----BEGIN CERTIFICATE-----, for example fullchain.pem."
            )));
        };
        let leaf = Certificate::from_der(first).map_err(|_| {
            self.of_certificate("The first certificate in it cannot be read: ask who issued it for it again, in PEM.")
        })?;
        Ok((chain, leaf))
    }

    fn private_key(&self, pem: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
        PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
            let holds = |mark: &str| pem.windows(mark.len()).any(|window| window == mark.as_bytes());
            if holds("ENCRYPTED") {
                return self.of_key(
                    "The key is encrypted, and nobody is there to type its password: write it out with \
                     `openssl pkey -in FILE -out FILE` and let the broker's user alone read it.",
                );
            }
            let remedy = "name the file with -----BEGIN PRIVATE KEY-----, for example privkey.pem.";
            match error {
                PemError::NoItemsFound if holds("BEGIN CERTIFICATE") => {
                    self.of_key(&format!("There is a certificate in it and no key: {remedy}"))
                }
                PemError::NoItemsFound => self.of_key(&format!("There is no private key in it: {remedy}")),
                error => self.of_key(&no_pem(&error)),
            }
        })
    }

    fn no_match(&self, certified: &CertifiedKey, error: &TlsError) -> Fault {
        let belongs = |certificate: &CertificateDer<'static>| {
            CertifiedKey::new(vec![certificate.clone()], certified.key.clone()).keys_match().is_ok()
        };
        if certified.cert.iter().skip(1).any(belongs) {
            return self.of_certificate(
                "The key belongs to a certificate further down in it: put that one first, and behind it those that \
                 it is signed by.",
            );
        }
        match error {
            TlsError::InconsistentKeys(_) => self.of_key(&format!(
                "It is not the key of the certificate in {}: name the two that were made together.",
                self.certificate.display()
            )),
            _ => self.of_certificate("The public key of the certificate cannot be read: have it issued again."),
        }
    }

    fn of_certificate(&self, remedy: &str) -> Fault {
        Fault { key: CERTIFICATE, path: self.certificate.clone(), remedy: remedy.to_owned() }
    }

    fn of_key(&self, remedy: &str) -> Fault {
        Fault { key: KEY, path: self.key.clone(), remedy: remedy.to_owned() }
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, Fault> {
    let fault = |remedy| Fault { key, path: path.to_owned(), remedy };
    let cannot = |error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "name the file where it is, as a path from the working directory or from / on.",
            io::ErrorKind::PermissionDenied => {
                "let the user that the broker runs as read it, and every directory above."
            }
            _ => "name a file in PEM.",
        };
        fault(format!("It cannot be read ({error}): {remedy}"))
    };
    let length = fs::metadata(path).map_err(cannot)?.len();
    if length > FILE_BYTES_MAX {
        return Err(fault(format!(
            "It has {length} bytes, which is more than a certificate or key has: name another."
        )));
    }
    fs::read(path).map_err(cannot)
}

fn no_pem(error: &PemError) -> String {
    // Of what the file holds nothing is repeated: it may be the key.
    let what = match error {
        PemError::MissingSectionEnd { .. } => "a block has no end",
        PemError::IllegalSectionStart { .. } => "a block does not begin as it should",
        PemError::Base64Decode(_) => "a block is no base64",
        _ => "it is damaged",
    };
    format!("It is no PEM ({what}): is it written out to its end?")
}

/// The names and addresses that a certificate is for.
pub fn names(leaf: &Certificate) -> Vec<String> {
    let Ok(Some((_, alternatives))) = leaf.tbs_certificate.get::<SubjectAltName>() else { return Vec::new() };
    let name = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
            bytes @ [_, _, _, _] => Some(bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".")),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    };
    alternatives.0.iter().filter_map(name).collect()
}

fn open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

fn days(duration: Duration) -> String {
    match duration.as_secs() / (24 * 3600) {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
#[path = "pair_tests.rs"]
mod tests;
