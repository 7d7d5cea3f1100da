//! **What an agent's process sees**, all of it, and nothing of the developer's.
//!
//! The process starts from an empty environment. It gets what Model Serving gives (the two `IS_IN_...` flags, the
//! workspace's address under both names, the folder of its system token) and what every process needs; then the
//! served entity's own `environment_vars`, which may not take the place of the former. What is *absent* matters as
//! much: without `DATABRICKS_HOST`, `DATABRICKS_TOKEN` and `~/.databrickscfg` a plain `WorkspaceClient()` finds the
//! endpoint's system credential, as in production.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use brickyard_types::Secret;

/// Set by brickyard alone: an endpoint that could change them would not be in Model Serving any more, or would read
/// another worker's credential.
const RESERVED: &[&str] = &[
    "IS_IN_DB_MODEL_SERVING_ENV",
    "IS_IN_DATABRICKS_MODEL_SERVING_ENV",
    "DATABRICKS_MODEL_SERVING_HOST_URL",
    "DB_MODEL_SERVING_HOST_URL",
    "SERVING_CREDENTIALS_DIR",
    "DB_DEPENDENCY_OAUTH_CACHE",
    "DB_DEPENDENCY_OAUTH_CACHE_EXPIRY_TS",
    "HOME",
    "TMPDIR",
    "PATH",
];

/// An environment variable that a served entity may not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariable {
    /// The name belongs to the serving environment.
    #[error(
        "environment variable {0} is set by Model Serving itself and cannot be set by a served entity; remove it"
    )]
    Reserved(String),
    /// The name has a shape that no process could look up.
    #[error(
        "{0:?} is not the name of an environment variable: letters, digits and underscores are allowed, and no digit first"
    )]
    Name(String),
    /// The value holds a NUL byte.
    #[error("the value of environment variable {0} holds a NUL byte")]
    Value(String),
}

/// True (`Ok`) if a served entity may set a variable of this name.
///
/// # Errors
/// If the name is reserved for the serving environment or is no variable name.
pub fn check_variable_name(name: &str) -> Result<(), InvalidVariable> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(first) || name.len() > 255 || !name.chars().all(|c| first(c) || c.is_ascii_digit()) {
        return Err(InvalidVariable::Name(name.chars().take(80).collect()));
    }
    if RESERVED.contains(&name) {
        return Err(InvalidVariable::Reserved(name.to_owned()));
    }
    Ok(())
}

/// The private places of one worker, and where its workspace is.
pub(crate) struct Surroundings<'a> {
    pub(crate) python: &'a Path,
    pub(crate) host_url: &'a str,
    pub(crate) home: &'a Path,
    pub(crate) temporary: &'a Path,
    pub(crate) credentials: &'a Path,
}

/// The whole environment of a worker process.
pub(crate) fn of_worker(
    around: &Surroundings<'_>,
    variables: &[(String, Secret)],
) -> Result<Vec<(OsString, OsString)>, InvalidVariable> {
    use std::os::unix::ffi::OsStrExt;

    let host = around.host_url.trim_end_matches('/');
    let mut path = around.python.parent().unwrap_or(Path::new("/usr/bin")).as_os_str().to_owned();
    path.push(":/usr/bin:/bin");
    let mut all: Vec<(OsString, OsString)> = Vec::with_capacity(16 + variables.len());
    let mut set = |name: &str, value: &OsStr| all.push((name.into(), value.to_owned()));
    set("IS_IN_DB_MODEL_SERVING_ENV", OsStr::new("true"));
    set("IS_IN_DATABRICKS_MODEL_SERVING_ENV", OsStr::new("true"));
    set("DATABRICKS_MODEL_SERVING_HOST_URL", OsStr::new(host));
    set("DB_MODEL_SERVING_HOST_URL", OsStr::new(host));
    set("SERVING_CREDENTIALS_DIR", around.credentials.as_os_str());
    // A file that does not exist: otherwise the SDK would look for one in the home folder of the password database.
    set("DATABRICKS_CONFIG_FILE", around.home.join(".databrickscfg-absent").as_os_str());
    set("HOME", around.home.as_os_str());
    set("TMPDIR", around.temporary.as_os_str());
    set("PATH", &path);
    set("NO_PROXY", OsStr::new("localhost,127.0.0.1"));
    set("LANG", OsStr::new("C.UTF-8"));
    set("PYTHONUNBUFFERED", OsStr::new("1"));
    for (name, value) in variables {
        check_variable_name(name)?;
        let bytes = value.expose();
        if bytes.contains(&0) {
            return Err(InvalidVariable::Value(name.clone()));
        }
        let name = OsStr::new(name);
        all.retain(|(earlier, _)| earlier != name);
        all.push((name.to_owned(), OsStr::from_bytes(bytes).to_owned()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings<'static> {
        Surroundings {
            python: Path::new("/data/environments/abc/bin/python"),
            host_url: "http://127.0.0.1:8080/",
            home: Path::new("/run/w1/home"),
            temporary: Path::new("/run/w1/tmp"),
            credentials: Path::new("/run/w1/credentials"),
        }
    }

    #[test]
    fn the_whole_environment_of_an_agent_fits_on_a_page() {
        let mine = [
            ("WEATHER_TOKEN".to_owned(), Secret::from("s3cret")),
            ("LANG".to_owned(), Secret::from("de_DE.UTF-8")),
        ];
        let all = of_worker(&around(), &mine).expect("allowed names");
        let page: Vec<String> =
            all.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        assert_eq!(
            page,
            [
                "IS_IN_DB_MODEL_SERVING_ENV=true",
                "IS_IN_DATABRICKS_MODEL_SERVING_ENV=true",
                "DATABRICKS_MODEL_SERVING_HOST_URL=http://127.0.0.1:8080",
                "DB_MODEL_SERVING_HOST_URL=http://127.0.0.1:8080",
                "SERVING_CREDENTIALS_DIR=/run/w1/credentials",
                "DATABRICKS_CONFIG_FILE=/run/w1/home/.databrickscfg-absent",
                "HOME=/run/w1/home",
                "TMPDIR=/run/w1/tmp",
                "PATH=/data/environments/abc/bin:/usr/bin:/bin",
                "NO_PROXY=localhost,127.0.0.1",
                "PYTHONUNBUFFERED=1",
                "WEATHER_TOKEN=s3cret",
                "LANG=de_DE.UTF-8",
            ]
        );
    }

    #[test]
    fn an_endpoint_cannot_leave_the_serving_environment_by_a_variable() {
        for name in RESERVED {
            let mine = [((*name).to_owned(), Secret::from("x"))];
            assert!(matches!(of_worker(&around(), &mine), Err(InvalidVariable::Reserved(_))), "{name}");
        }
        for name in ["", "1A", "A=B", "A B", "\u{e9}", "A\0"] {
            assert!(matches!(check_variable_name(name), Err(InvalidVariable::Name(_))), "{name:?}");
        }
        let mine = [("A".to_owned(), Secret::new(b"a\0b".to_vec()))];
        assert!(matches!(of_worker(&around(), &mine), Err(InvalidVariable::Value(_))));
        for name in ["DATABRICKS_HOST", "DATABRICKS_TOKEN", "PYTHONPATH", "_x"] {
            assert!(check_variable_name(name).is_ok(), "{name}");
        }
    }
}
