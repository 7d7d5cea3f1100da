//! The house stands as `crates/README.md` draws it: floors, names, sizes, and a map that is true.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that share a floor, where one nevertheless stands on the other.
const SIDEWAYS: [(&str, &str); 1] = [("brickyard-identity", "brickyard-store")];

/// Beside the house: may import every floor, and no floor may import it.
const BESIDE: u8 = u8::MAX;

const MOST_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the root").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn map() -> String {
    read(&root().join("crates/README.md"))
}

/// The map's table of crates: `| 2 | brickyard-catalog | ... |` -> its floor.
fn floors() -> BTreeMap<String, u8> {
    let rows = map();
    let rows = rows.lines().filter_map(|line| {
        let mut cells =
            line.strip_prefix('|')?.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        let (floor, name) = (cells.next()?, cells.next()?);
        let floor = if floor == "beside" { BESIDE } else { floor.parse().ok()? };
        Some((name, floor))
    });
    rows.collect()
}

/// The folders below `crates/`.
fn crates() -> Vec<String> {
    let folder = root().join("crates");
    let entries =
        fs::read_dir(&folder).expect("crates/ is there").map(|entry| entry.expect("readable").path());
    let mut names: Vec<String> = entries
        .filter(|path| path.join("Cargo.toml").is_file())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What the product code of a crate imports: the keys of its `[dependencies]`.
fn imports(name: &str) -> Vec<String> {
    let manifest = read(&root().join("crates").join(name).join("Cargo.toml"));
    let section = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let keys = section.take_while(|line| !line.starts_with('['));
    keys.filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|key| !key.is_empty() && !key.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Every Rust file of the project.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() && !entry.ends_with("target") {
            files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root().join("crates"), &mut found);
    files(&root().join("tests"), &mut found);
    assert!(found.len() > 50, "the walk finds the code: {}", found.len());
    found
}

#[test]
fn every_crate_is_on_the_map_and_the_map_has_no_other() {
    let on_the_map: Vec<String> = floors().into_keys().collect();
    assert_eq!(on_the_map, crates());
}

#[test]
fn imports_only_go_down() {
    let floors = floors();
    let mut upward = Vec::new();
    for (name, floor) in &floors {
        for import in imports(name) {
            let Some(below) = floors.get(&import) else { continue };
            if below >= floor && !SIDEWAYS.contains(&(name, &import)) {
                upward.push(format!("{name} (floor {floor}) imports {import} (floor {below})"));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn three_absences_carry_weight() {
    assert!(!imports("brickyard-serving").contains(&"brickyard-resources".to_owned()));
    let who_import = |begins: &str| {
        let crates = crates().into_iter();
        crates.filter(|name| imports(name).iter().any(|key| key.starts_with(begins))).collect::<Vec<_>>()
    };
    assert_eq!(who_import("axum"), ["brickyard"], "only the face speaks public HTTP");
    // Its build is the longest of all, and its rows are raw: no policy stands before them.
    for begins in ["datafusion", "deltalake"] {
        assert_eq!(who_import(begins), ["brickyard-sql"], "one crate knows {begins}");
    }
}

#[test]
fn every_file_that_the_map_names_is_there() {
    let map = map();
    let in_the_house = |word: &&str| {
        ["brickyard-", "brickyard/", "tests/", "config/"].iter().any(|top| word.starts_with(top))
            && word.contains('/')
    };
    let named: Vec<&str> = map.split('`').skip(1).step_by(2).filter(in_the_house).collect();
    assert!(named.len() > 10, "the map names files: {named:?}");
    let missing: Vec<&&str> = named
        .iter()
        .filter(|path| !root().join("crates").join(path).exists() && !root().join(path).exists())
        .collect();
    assert!(missing.is_empty(), "not there: {missing:#?}");
}

#[test]
fn a_files_name_says_what_it_is_for() {
    const EMPTY: [&str; 7] = ["mod", "util", "utils", "common", "helper", "helpers", "misc"];
    let stems = rust_files()
        .into_iter()
        .filter(|path| path.file_stem().is_some_and(|stem| EMPTY.contains(&stem.to_string_lossy().as_ref())));
    assert_eq!(stems.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn a_file_is_one_thought() {
    let long: Vec<String> = rust_files()
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{lines} lines: {}", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
