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

/// What a crate imports in the sections of its manifest that `wanted` says: `[dependencies]`, also of one system only
/// (`[target.'cfg(..)'.dependencies]`), `[build-dependencies]`, `[dev-dependencies]`.
fn imports_of(name: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let manifest = read(&root().join("crates").join(name).join("Cargo.toml"));
    imports_in(&manifest, wanted)
}

fn imports_in(manifest: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let (mut found, mut section) = (Vec::new(), String::new());
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            // `[dependencies.axum]` is a section for one crate.
            let (kind, of_one) = match header.rsplit_once("dependencies.") {
                Some((before, name)) => (format!("{before}dependencies"), Some(name)),
                None => (header.to_owned(), None),
            };
            section = kind.rsplit('.').next().unwrap_or_default().to_owned();
            found.extend(of_one.filter(|_| wanted(&section)).map(str::to_owned));
        } else if wanted(&section) && !line.is_empty() && !line.starts_with('#') {
            found.extend(line.split(['.', '=', ' ']).next().map(str::to_owned));
            // Under another name it is the same crate.
            let renamed = line.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
            found.extend(renamed.map(str::to_owned));
        }
    }
    found
}

/// What the code of a crate imports, and what builds it.
fn imports(name: &str) -> Vec<String> {
    imports_of(name, |section| matches!(section, "dependencies" | "build-dependencies"))
}

/// Also what its tests import: one that needs a floor above stands in `tests/it`.
fn imports_of_tests_too(name: &str) -> Vec<String> {
    imports_of(name, |section| section.ends_with("dependencies"))
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
        for import in imports_of_tests_too(name) {
            let Some(below) = floors.get(&import) else { continue };
            if below >= floor && !SIDEWAYS.contains(&(name, &import)) {
                upward.push(format!("{name} (floor {floor}) imports {import} (floor {below})"));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn an_import_is_seen_wherever_a_manifest_has_it() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\n# no = \"1\"\nb = { package = \"c\" }\n\
        [target.'cfg(unix)'.dependencies]\nd = \"1\"\n[build-dependencies]\ne = \"1\"\n[dev-dependencies]\nf = \"1\"\n\
        [dependencies.g]\nversion = \"1\"\n[target.'cfg(unix)'.build-dependencies.h]\nversion = \"1\"\n[features]\ni = []\n";
    let without_versions =
        |found: Vec<String>| found.into_iter().filter(|name| name != "version").collect::<Vec<_>>();
    let all = without_versions(imports_in(manifest, |section| section.ends_with("dependencies")));
    assert_eq!(all, ["a", "b", "c", "d", "e", "f", "g", "h"]);
    assert_eq!(
        without_versions(imports_in(manifest, |section| section == "dependencies")),
        ["a", "b", "c", "d", "g"]
    );
}

#[test]
fn three_absences_carry_weight() {
    assert!(!imports_of_tests_too("brickyard-serving").contains(&"brickyard-resources".to_owned()));
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

/// The demo's agent is committed as it was logged, so that serving it needs no logging first: whoever changes the source
/// or the script logs it again.
#[test]
fn the_demos_agent_is_what_its_script_logs() {
    let agents = root().join("config/agents");
    let (source, logged) = (agents.join("concierge_agent.py"), agents.join("concierge"));
    let again = "run config/agents/log_concierge.py again";
    assert!(read(&source) == read(&logged.join("concierge_agent.py")), "{again}: the source has changed");
    let script = read(&agents.join("log_concierge.py"));
    let quoted = |text: &str| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let after = |mark: &str| script.split_once(mark).map(|(_, rest)| rest).expect(mark).to_owned();
    let between = |mark: &str| quoted(after(mark).split(']').next().expect("a list"));

    let requirements = read(&logged.join("requirements.txt"));
    assert_eq!(requirements.lines().collect::<Vec<_>>(), between("REQUIREMENTS = ["), "{again}");
    let report = brickyard::doctor::judge(&logged, None).expect("a logged model");
    assert_eq!(report.user_scopes.expect("a user policy"), between("api_scopes=["), "{again}");
    let declared: Vec<String> =
        report.resources.iter().map(|verdict| verdict.resource.name.clone()).collect();
    assert_eq!(declared, between("resources=["), "{again}");
    let kinds: Vec<String> = report
        .resources
        .iter()
        .map(|verdict| verdict.resource.kind.python("").replace("=\"\"", ""))
        .collect();
    let classes: Vec<String> = after("resources=[")
        .split(']')
        .next()
        .expect("a list")
        .split("Databricks")
        .skip(1)
        .map(|class| format!("Databricks{}", class.split('(').next().expect("a call")))
        .collect();
    for (kind, class) in kinds.iter().zip(&classes) {
        assert_eq!(kind.split('(').next(), Some(class.as_str()), "{again}");
    }
    let example = read(&logged.join("input_example.json"));
    assert!(
        example.contains("What is the weather in Lisbon?")
            && script.contains("What is the weather in Lisbon?")
    );
}
