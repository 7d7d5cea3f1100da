//! The master key: what everything secret at rest hangs on.
//!
//! One file of 32 random bytes beside the journal. From it are derived, each for one purpose, the key that seals
//! values (AES-256-GCM-SIV: a repeated nonce costs nothing but the knowledge that two values are equal) and the
//! pepper of the keyed hashes. A journal without its master key is of no use to a thief, nor to its owner.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use aws_lc_rs::hmac;
use brickyard_types::{Entropy, Secret};
use zeroize::Zeroizing;

const FILE: &str = "master.key";
const VERSION: u8 = 1;
const NONCE: usize = 12;

/// Why a sealed value, or the key itself, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not what was sealed, not under this name, or not with this key.
    #[error(
        "a sealed value cannot be opened: it was changed, or sealed under another name or with another master key"
    )]
    NotOpened,
    /// The file system said no.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it answered.
        source: io::Error,
    },
    /// The file is there, and is no master key.
    #[error("{} is not a master key: {reason}", .path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// 32 bytes that never leave this type.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl MasterKey {
    /// A key that dies with the process.
    pub fn ephemeral(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(&mut *bytes);
        Self(bytes)
    }

    /// The key in `directory`, made there (mode 0600) if there is none. A crash leaves a whole key or none: it is
    /// written beside, synced, then linked into place.
    ///
    /// # Errors
    /// If the file cannot be read or written, is not 32 bytes long, or may be read by others.
    pub fn open_or_create(directory: &Path, entropy: &dyn Entropy) -> Result<Self, SealError> {
        let path = directory.join(FILE);
        match Self::read(&path)? {
            Some(key) => Ok(key),
            None => {
                Self::create(directory, &path, entropy)?;
                Self::read(&path)?
                    .ok_or_else(|| SealError::NotAKey { path, reason: "it vanished".to_owned() })
            }
        }
    }

    fn read(path: &Path) -> Result<Option<Self>, SealError> {
        let failed = |doing| move |source| SealError::File { doing, path: path.to_owned(), source };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open")(error)),
        };
        let refuse = |reason: String| Err(SealError::NotAKey { path: path.to_owned(), reason });
        let facts = file.metadata().map_err(failed("inspect"))?;
        let mode = facts.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return refuse(format!(
                "its mode is {mode:o}, so others may read it; chmod 600 it, and treat it as known"
            ));
        }
        if facts.len() != 32 {
            return refuse(format!("it has {} bytes instead of 32; restore it from a copy", facts.len()));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        file.read_exact(&mut *bytes).map_err(failed("read"))?;
        Ok(Some(Self(bytes)))
    }

    fn create(directory: &Path, path: &Path, entropy: &dyn Entropy) -> Result<(), SealError> {
        let key = Self::ephemeral(entropy);
        let mut suffix = [0; 8];
        entropy.fill(&mut suffix);
        let beside = directory.join(format!(".{FILE}.{:016x}", u64::from_be_bytes(suffix)));
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| SealError::File { doing, path, source }
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(failed("create", &beside))?;
        let written = file.write_all(&*key.0).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| match std::fs::hard_link(&beside, path) {
            // Another process was quicker: its key is the key.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
        let removed = std::fs::remove_file(&beside);
        linked.map_err(failed("create", path))?;
        removed.map_err(failed("remove", &beside))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed("sync", directory))
    }

    /// A key for one purpose. Different purposes give unrelated keys.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"brickyard/v1/");
        context.update(purpose.as_bytes());
        let mut derived = [0; 32];
        derived.copy_from_slice(context.sign().as_ref());
        derived
    }

    fn cipher(&self) -> Aes256GcmSiv {
        let key = Zeroizing::new(self.derive("seal"));
        Aes256GcmSiv::new((&*key).into())
    }

    /// Seals `plain` under the name `aad`: it opens only under the same name.
    pub fn seal(&self, aad: &[u8], plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad })
            .expect("AES-GCM-SIV refuses only messages of 64 GiB and more");
        let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what was sealed under the name `aad`.
    ///
    /// # Errors
    /// If a bit of it, its name or the key differs. Which one is not said: it cannot be known.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret, SealError> {
        let Some((&[VERSION], rest)) =
            sealed.split_at_checked(1).map(|(v, rest)| (<&[u8; 1]>::try_from(v).unwrap_or(&[0]), rest))
        else {
            return Err(SealError::NotOpened);
        };
        let Some((nonce, message)) = rest.split_first_chunk::<NONCE>() else {
            return Err(SealError::NotOpened);
        };
        self.cipher()
            .decrypt(&Nonce::from(*nonce), Payload { msg: message, aad })
            .map(Secret::new)
            .map_err(|_| SealError::NotOpened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brickyard_types::SeededEntropy;

    #[test]
    fn a_sealed_value_opens_only_whole_under_its_own_name_and_with_its_own_key() {
        let chance = SeededEntropy::new(1);
        let key = MasterKey::ephemeral(&chance);
        let sealed = key.seal(b"travel/token", b"s3cret", &chance);
        assert_eq!(key.open(b"travel/token", &sealed).unwrap().expose(), b"s3cret");
        assert!(key.open(b"travel/other", &sealed).is_err());
        assert!(MasterKey::ephemeral(&chance).open(b"travel/token", &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(key.open(b"travel/token", &sealed[..length]).is_err());
        }
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(key.open(b"travel/token", &changed).is_err());
        }
        assert_ne!(sealed, key.seal(b"travel/token", b"s3cret", &chance));
    }

    #[test]
    fn the_master_key_is_made_once_and_only_its_owner_may_read_it() {
        let chance = SeededEntropy::new(2);
        let directory = tempfile::tempdir().unwrap();
        let first = MasterKey::open_or_create(directory.path(), &chance).unwrap();
        let again = MasterKey::open_or_create(directory.path(), &chance).unwrap();
        assert_eq!(first.derive("x"), again.derive("x"));
        assert_ne!(first.derive("x"), first.derive("y"));
        let path = directory.path().join(FILE);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(MasterKey::open_or_create(directory.path(), &chance).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"short").unwrap();
        assert!(MasterKey::open_or_create(directory.path(), &chance).is_err());
    }
}
