//! `cli.json`: the local server's address and an administrator's token, left for the commands on the same machine.
//!
//! `brickyard serve` writes it into its data folder, readable by its owner alone; `brickyard token --as ana@example.com` then works
//! with no setup. The token is sent to that server only, never to another host that somebody named.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use brickyard_types::BearerToken;
use serde::Deserialize;

/// The file's name in the data folder.
const FILE: &str = "cli.json";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalServer {
    /// Scheme, host and port.
    pub host: String,
    /// An administrator's token.
    pub token: BearerToken,
}

/// A file that is there and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Unusable {
    path: String,
    reason: String,
}

/// Writes the file, in one step and with mode 0600 from its first byte.
///
/// # Errors
/// If the folder cannot be written to.
pub fn write(data_dir: &Path, host: &str, token: &BearerToken) -> io::Result<PathBuf> {
    let path = data_dir.join(FILE);
    let draft = data_dir.join(format!(".{FILE}.{}", std::process::id()));
    // A draft of the same name is one that a killed server with this process id left behind.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let text = serde_json::json!({"host": host, "token": token.expose()}).to_string();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    Ok(path)
}

/// Removes the file: its server goes away.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove(data_dir: &Path) -> io::Result<()> {
    match fs::remove_file(data_dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Reads the file, if there is one.
///
/// # Errors
/// If it is not what [`write`] writes, or others may read it.
pub fn read(data_dir: &Path) -> Result<Option<LocalServer>, Unusable> {
    #[derive(Deserialize)]
    struct File {
        host: String,
        token: String,
    }
    let path = data_dir.join(FILE);
    let unusable = |reason: String| Unusable { path: path.display().to_string(), reason };
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(format!("cannot be read: {error}"))),
    };
    let about = file.metadata().map_err(|error| unusable(format!("cannot be read: {error}")))?;
    if !about.is_file() || about.size() > 64 * 1024 {
        return Err(unusable(
            "is not what brickyard serve writes; remove it and start the server again".to_owned(),
        ));
    }
    if about.permissions().mode() & 0o077 != 0 {
        return Err(unusable(
            "others may read or write it, and it holds a token; remove it and start the server again"
                .to_owned(),
        ));
    }
    let mut text = String::new();
    file.take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| unusable(format!("cannot be read: {error}")))?;
    // The parser's message could repeat a part of the token.
    let File { host, token } = serde_json::from_str(&text).map_err(|_| {
        unusable("is not what brickyard serve writes; remove it and start the server again".to_owned())
    })?;
    Ok(Some(LocalServer { host, token: BearerToken::new(token) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_can_read_the_local_token() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path()).expect("nothing"), None);
        for token in ["one", "two"] {
            let path =
                write(folder.path(), "http://127.0.0.1:8080", &BearerToken::new(token)).expect("written");
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
            let local = read(folder.path()).expect("read").expect("there");
            assert_eq!((local.host.as_str(), local.token.expose()), ("http://127.0.0.1:8080", token));
        }
        let path = folder.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(read(folder.path()).expect_err("refused").to_string().contains("others may read"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        fs::write(&path, "{\"host\": 5}").expect("written");
        assert!(read(folder.path()).is_err());
        remove(folder.path()).expect("removed");
        remove(folder.path()).expect("gone already");
    }
}
