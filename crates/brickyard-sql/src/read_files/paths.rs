//! Which files a path means, and that none of them is outside the folder of files.

use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::engine::Inner;
use crate::error::SqlError;

/// More files than this are refused: a pattern that means so many was a mistake.
const MOST_FILES: usize = 10_000;

/// The one folder that a path means.
pub(super) fn folder(inner: &Inner, path: &str) -> Result<PathBuf, SqlError> {
    let base = base(&inner.options.files)?;
    let found = inside(&base, &base.join(plain(path)?), path)?;
    if found.is_dir() { Ok(found) } else { Err(not_found(path)) }
}

/// The files that a path means, sorted: one file, everything in a folder, or what fits a pattern of `*`, `?`, `[..]`
/// and `{a,b}`. What starts with `_` or `.` is no data, as in Spark.
pub(super) async fn files(inner: &Inner, path: &str) -> Result<Vec<PathBuf>, SqlError> {
    let (folder, path) = (inner.options.files.clone(), path.to_owned());
    let found = tokio::task::spawn_blocking(move || find(&folder, &path)).await;
    found.map_err(|error| SqlError::condition("INTERNAL_ERROR", "XX000", error.to_string()))?
}

/// A file's path from the folder of files.
pub(super) fn below(inner: &Inner, file: &Path) -> String {
    let base = base(&inner.options.files).unwrap_or_default();
    file.strip_prefix(&base).unwrap_or(file).to_string_lossy().into_owned()
}

fn find(files: &Path, path: &str) -> Result<Vec<PathBuf>, SqlError> {
    let base = base(files)?;
    let path = plain(path)?;
    let is_pattern = |part: &str| part.contains(['*', '?', '[', '{']);
    let mut start = base.clone();
    let mut rest: Vec<String> = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => {
                let part = part.to_string_lossy();
                if rest.is_empty() && !is_pattern(&part) {
                    start.push(&*part)
                } else {
                    rest.push(part.into_owned())
                }
            }
            Component::RootDir => start = PathBuf::from("/"),
            Component::ParentDir if rest.is_empty() => start.push(".."),
            Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(outside(path)),
        }
    }
    let start = inside(&base, &start, path)?;
    let mut found = Vec::new();
    if start.is_file() {
        if rest.is_empty() {
            found.push(start);
        }
    } else {
        let pattern = if rest.is_empty() { None } else { Some(pattern(&rest.join("/"), path)?) };
        walk(&base, &start, "", pattern.as_ref(), &mut found, path)?;
    }
    if found.is_empty() {
        return Err(not_found(path));
    }
    found.sort();
    Ok(found)
}

/// All files below a folder whose path from there, or that of a folder around them, fits.
fn walk(
    base: &Path,
    folder: &Path,
    from: &str,
    pattern: Option<&Regex>,
    found: &mut Vec<PathBuf>,
    asked: &str,
) -> Result<(), SqlError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with(['_', '.']) {
            continue;
        }
        let relative = if from.is_empty() { name } else { format!("{from}/{name}") };
        let fits = pattern.is_none_or(|pattern| pattern.is_match(&relative));
        let Ok(kind) = entry.file_type() else { continue };
        // Links to folders are not followed: they could lead in circles.
        if kind.is_dir() {
            walk(base, &entry.path(), &relative, if fits { None } else { pattern }, found, asked)?;
            continue;
        }
        if !fits {
            continue;
        }
        let file = inside(base, &entry.path(), asked)?;
        if file.is_file() {
            if found.len() >= MOST_FILES {
                let message = format!("The path {asked} means more than {MOST_FILES} files.");
                return Err(SqlError::condition("TOO_MANY_FILES", "54000", message));
            }
            found.push(file);
        }
    }
    Ok(())
}

/// A path that is no URL. `file:` in front is what Databricks writes for local files.
fn plain(path: &str) -> Result<&str, SqlError> {
    let path = path.trim();
    if path.contains("://") || path.contains('\0') {
        let message = format!("'{path}' is not a path below the folder of files. URLs are not read.");
        return Err(SqlError::condition("INVALID_PATH", "42000", message));
    }
    Ok(path.strip_prefix("file:").unwrap_or(path))
}

fn base(files: &Path) -> Result<PathBuf, SqlError> {
    files.canonicalize().map_err(|_| not_found(&files.to_string_lossy()))
}

/// The real path, if it is in the folder of files.
fn inside(base: &Path, path: &Path, asked: &str) -> Result<PathBuf, SqlError> {
    let Ok(real) = path.canonicalize() else {
        // Whether something exists outside is nobody's business.
        let climbs = path.components().any(|part| part == Component::ParentDir);
        return Err(if path.starts_with(base) && !climbs { not_found(asked) } else { outside(asked) });
    };
    if real.starts_with(base) { Ok(real) } else { Err(outside(asked)) }
}

fn pattern(glob: &str, asked: &str) -> Result<Regex, SqlError> {
    let mut regex = String::from("^");
    let mut braces = 0_usize;
    let mut characters = glob.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '*' if characters.peek() == Some(&'*') => {
                characters.next();
                regex.push_str(".*");
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '{' => {
                braces += 1;
                regex.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                regex.push(')');
            }
            ',' if braces > 0 => regex.push('|'),
            '[' => {
                regex.push('[');
                if characters.next_if(|c| matches!(c, '!' | '^')).is_some() {
                    regex.push('^');
                }
                for inner in characters.by_ref() {
                    match inner {
                        ']' => break,
                        '-' => regex.push('-'),
                        other => regex.push_str(&regex::escape(&other.to_string())),
                    }
                }
                regex.push(']');
            }
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex.push('$');
    Regex::new(&regex).map_err(|_| {
        let message = format!("'{asked}' is not a pattern of paths.");
        SqlError::condition("INVALID_PATH", "42000", message)
    })
}

pub(super) fn not_found(path: &str) -> SqlError {
    SqlError::condition("PATH_NOT_FOUND", "42K03", format!("Path does not exist: {path}."))
}

fn outside(path: &str) -> SqlError {
    let message = format!("The path {path} is outside the folder of files. Put the files below it.");
    SqlError::condition("UNAUTHORIZED_ACCESS", "42501", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("files/data/deep")).unwrap();
        for name in [
            "files/data/a.csv",
            "files/data/b.csv",
            "files/data/c.json",
            "files/data/deep/d.csv",
            "secret.csv",
        ] {
            std::fs::write(folder.path().join(name), "x\n1\n").unwrap();
        }
        std::fs::write(folder.path().join("files/data/_SUCCESS"), "").unwrap();
        folder
    }

    fn names(files: &Path, path: &str) -> Vec<String> {
        let found = find(files, path).unwrap();
        found.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_path_means_a_file_a_folder_or_what_fits_its_pattern() {
        let folder = folder();
        let files = folder.path().join("files");
        assert_eq!(names(&files, "data/a.csv"), ["a.csv"]);
        assert_eq!(names(&files, "data/*.csv"), ["a.csv", "b.csv"]);
        assert_eq!(names(&files, "data/[ab].csv"), ["a.csv", "b.csv"]);
        assert_eq!(names(&files, "data/{a,c}.*"), ["a.csv", "c.json"]);
        assert_eq!(names(&files, "data/**.csv"), ["a.csv", "b.csv", "d.csv"]);
        assert_eq!(names(&files, "data"), ["a.csv", "b.csv", "c.json", "d.csv"]);
        assert_eq!(names(&files, "data/de*"), ["d.csv"]);
    }

    #[test]
    fn nothing_outside_the_folder_is_found() {
        let folder = folder();
        let files = folder.path().join("files");
        std::os::unix::fs::symlink(folder.path().join("secret.csv"), files.join("data/link.csv")).unwrap();
        let secret = folder.path().join("secret.csv");
        for path in [
            "../secret.csv",
            "data/../../secret.csv",
            secret.to_str().unwrap(),
            "data/link.csv",
            "data/l*.csv",
            "../none",
        ] {
            let error = find(&files, path).unwrap_err();
            assert!(error.message().contains("UNAUTHORIZED_ACCESS"), "{path}: {}", error.message());
        }
        for path in ["s3://bucket/x.csv", "http://host/x.csv", "file:///etc/passwd"] {
            assert!(find(&files, path).unwrap_err().message().contains("INVALID_PATH"), "{path}");
        }
        assert!(find(&files, "data/none.csv").unwrap_err().message().contains("PATH_NOT_FOUND"));
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_makes_it_panic(text in "[\\PC*?\\[\\]{},/]{0,30}") {
            let _ = pattern(&text, &text);
        }
    }
}
