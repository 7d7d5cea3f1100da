//! The data directory: made private, and claimed for one store.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;

const JOURNAL: &str = "journal.sqlite3";
/// Beside the journal and not the journal itself, since closing any handle of a database file would drop
/// SQLite's own locks on it.
const LOCK: &str = "journal.lock";

/// Makes `directory` and the journal's (possibly still empty) file, and locks them for this store. Answers
/// the file's path and the lock, which lasts until it is dropped or the process ends, however it ends.
pub(super) fn claim(directory: &Path) -> Result<(PathBuf, File), StoreError> {
    make_directory(directory).map_err(failed("make the data directory", directory))?;

    let lock_path = directory.join(LOCK);
    let lock = private_file(&lock_path).map_err(failed("make the lock file", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::AlreadyOpen { directory: directory.to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock", &lock_path)(error)),
    }

    let journal = directory.join(JOURNAL);
    // Made here, with the right mode, before SQLite could make it with another. Its write-ahead log takes
    // the mode over.
    let file = private_file(&journal).map_err(failed("make the journal", &journal))?;
    restrict(&file).map_err(failed("restrict the mode of", &journal))?;
    sync(directory).map_err(failed("flush the data directory", directory))?;
    Ok((journal, lock))
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |error| StoreError::File { doing, path: path.to_owned(), source: Arc::new(error) }
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Only a directory made here gets a mode: one that was there (`.`, a mounted volume) is its owner's.
fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if file.metadata()?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_: &File) -> io::Result<()> {
    Ok(())
}

/// A new file is durable only once its directory is.
#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
