//! The folder of one worker: its home, its temporary files, its system token. Nobody else may look.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use brickyard_types::BearerToken;
use zeroize::Zeroizing;

use crate::python_environment::IMPORTS;

const WORKER: &str = include_str!("../../python/brickyard_worker.py");
const TEMPLATE: &str = include_str!("../../python/brickyard_template.py");
const TOKEN_FILE: &str = "model-dependencies-oauth-token";

/// Where brickyard's side of an agent's process is.
#[derive(Debug, Clone)]
pub(crate) struct Scripts {
    /// The folder of both, and of what they import.
    pub(crate) folder: PathBuf,
    /// A worker.
    pub(crate) worker: PathBuf,
    /// The process that workers are forked from.
    pub(crate) template: PathBuf,
}

impl Scripts {
    /// Writes them into a folder of their own in `run_dir` (made if missing).
    pub(crate) fn write(run_dir: &Path) -> io::Result<Self> {
        let folder = run_dir.join("scripts");
        private_dir(&folder)?;
        let worker = folder.join("brickyard_worker.py");
        let template = folder.join("brickyard_template.py");
        replace(&worker, WORKER.as_bytes())?;
        replace(&template, TEMPLATE.as_bytes())?;
        replace(&folder.join("brickyard_imports.py"), IMPORTS.as_bytes())?;
        Ok(Self { folder, worker, template })
    }
}

/// Makes the folder for the private folders of one pool's workers.
pub(crate) fn pool_folder(run_dir: &Path, name: &str) -> io::Result<PathBuf> {
    let path = run_dir.join(name);
    private_dir(&path)?;
    Ok(path)
}

/// The folders of one worker.
#[derive(Debug)]
pub(crate) struct PrivateFolder {
    root: PathBuf,
    home: PathBuf,
    temporary: PathBuf,
    credentials: PathBuf,
}

impl PrivateFolder {
    /// Makes them, readable by the owner alone.
    pub(crate) fn create(pool: &Path, name: &str) -> io::Result<Self> {
        let root = pool.join(name);
        let folder = Self {
            home: root.join("home"),
            temporary: root.join("tmp"),
            credentials: root.join("credentials"),
            root,
        };
        for dir in [&folder.root, &folder.home, &folder.temporary, &folder.credentials] {
            private_dir(dir)?;
        }
        Ok(folder)
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    pub(crate) fn credentials(&self) -> &Path {
        &self.credentials
    }

    /// Puts the system token where every client looks for it, in one step: a reader sees the old file or the new one.
    pub(crate) fn write_token(&self, token: &BearerToken) -> io::Result<()> {
        let text = serde_json::to_string(token.expose()).map(Zeroizing::new).map_err(io::Error::other)?;
        let file = Zeroizing::new(format!("{{\"OAUTH_TOKEN\":[{{\"oauthTokenValue\":{}}}]}}", *text));
        replace(&self.credentials.join(TOKEN_FILE), file.as_bytes())
    }

    /// Takes everything away.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            tracing::warn!(folder = %self.root.display(), %error, "a worker's folder could not be removed");
        }
    }
}

fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// In one step. Beside others that replace the same file, in this process and in others.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.{}.new", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_system_token_is_for_its_worker_alone_and_replaced_in_one_step() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let folder = PrivateFolder::create(dir.path(), "w").expect("made");
        for token in ["first", "second"] {
            folder.write_token(&BearerToken::new(token)).expect("written");
            let path = folder.credentials().join(TOKEN_FILE);
            assert_eq!(
                fs::read_to_string(&path).expect("there"),
                format!("{{\"OAUTH_TOKEN\":[{{\"oauthTokenValue\":\"{token}\"}}]}}")
            );
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(folder.credentials()).expect("there").permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(folder.credentials()).expect("there").count(), 1);
        folder.remove();
        assert!(!dir.path().join("w").exists());
    }

    /// Endpoints are brought up beside each other, and their scripts are the same.
    #[test]
    fn pools_that_begin_at_the_same_time_all_have_their_scripts() {
        let dir = tempfile::TempDir::new().expect("a folder");
        std::thread::scope(|scope| {
            let pools: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..50).try_for_each(|_| Scripts::write(dir.path()).map(drop))))
                .collect();
            for pool in pools {
                pool.join().expect("no panic").expect("written");
            }
        });
        let scripts = Scripts::write(dir.path()).expect("written");
        assert_eq!(fs::read(&scripts.worker).expect("there"), WORKER.as_bytes());
        assert_eq!(fs::read_dir(&scripts.folder).expect("there").count(), 3, "nothing is left beside them");
    }

    /// An agent may read its token at any moment, also at that of its replacement.
    #[test]
    fn a_reader_sees_the_old_token_or_the_new_one_whole() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let folder = PrivateFolder::create(dir.path(), "w").expect("made");
        // Of different lengths: a file that was written over in its place would be seen cut, or with the old one's end.
        let tokens = ["short".to_owned(), "long".repeat(2_000)];
        let whole =
            tokens.clone().map(|token| format!("{{\"OAUTH_TOKEN\":[{{\"oauthTokenValue\":\"{token}\"}}]}}"));
        folder.write_token(&BearerToken::new(tokens[0].clone())).expect("written");
        let path = folder.credentials().join(TOKEN_FILE);
        let ended = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = std::collections::BTreeSet::new();
                while !ended.load(std::sync::atomic::Ordering::Acquire) || seen.len() < 2 {
                    let text = fs::read_to_string(&path).expect("there at every moment");
                    assert!(whole.contains(&text), "{} bytes", text.len());
                    seen.insert(text.len());
                }
            });
            for turn in 0.. {
                folder.write_token(&BearerToken::new(tokens[turn % 2].clone())).expect("written");
                ended.store(turn > 1_000, std::sync::atomic::Ordering::Release);
                if reader.is_finished() {
                    break;
                }
            }
            reader.join().expect("every token was whole");
        });
    }
}
