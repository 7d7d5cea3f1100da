//! Requirements that are too old for what the model declares.
//!
//! Old versions of `databricks-sdk` do not look for their token file in another folder; brickyard serves them all the
//! same, so that is no finding.

use brickyard_agents::LoggedModel;

use super::Finding;

/// The documented first mlflow of on-behalf-of-user authentication.
const MLFLOW: [u64; 3] = [2, 22, 1];

/// Checks mlflow.
pub(super) fn check(model: &LoggedModel, findings: &mut Vec<Finding>) {
    if !model.auth_policy.user_auth {
        return;
    }
    let required = model.requirements.iter().find_map(|line| newest(line, &["mlflow", "mlflow-skinny"]));
    let (place, version) = match (required, &model.mlflow_version) {
        (Some(Some(version)), _) => ("requirements.txt", version),
        // Any version may be installed.
        (Some(None), _) | (None, None) => return,
        (None, Some(version)) => ("MLmodel", version.clone()),
    };
    if numbers(&version).is_some_and(|found| found < MLFLOW) {
        let what = format!("on_behalf_of_user needs mlflow 2.22.1 or newer; this is {version} at most");
        let fix = "log the model again with mlflow>=2.22.1 in its requirements";
        findings.push(Finding::refused("mlflow-too-old", place, what, fix));
    }
}

/// For a line about one of `packages`: the newest version it admits, `None` inside if there is no upper end.
fn newest(line: &str, packages: &[&str]) -> Option<Option<String>> {
    let line = line.split([';', '#']).next().unwrap_or_default().trim();
    let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let folded = name.to_ascii_lowercase().replace(['_', '.'], "-");
    if !packages.contains(&folded.as_str()) {
        return None;
    }
    let rest = line[name.len()..].trim();
    let rest =
        rest.strip_prefix('[').and_then(|extras| extras.split_once(']')).map_or(rest, |(_, rest)| rest);
    let upper = rest.split(',').filter_map(|part| {
        let part = part.trim();
        let version = |sign: &str| part.strip_prefix(sign).map(str::trim);
        if let Some(exact) = version("===").or_else(|| version("==")).or_else(|| version("<=")) {
            return Some(exact.replace(".*", ".999999"));
        }
        if let Some(below) = version("<") {
            return numbers(below).map(|[major, minor, patch]| match (minor, patch) {
                (0, 0) => format!("{}.999999", major.saturating_sub(1)),
                (_, 0) => format!("{major}.{}.999999", minor.saturating_sub(1)),
                _ => format!("{major}.{minor}.{}", patch - 1),
            });
        }
        // `~=2.20.1` stays below 2.21, `~=2.20` below 3.
        let close = version("~=")?;
        let (stem, _) = close.rsplit_once('.')?;
        Some(format!("{stem}.999999"))
    });
    Some(upper.min_by_key(|version| numbers(version).unwrap_or([u64::MAX; 3])))
}

/// The first three numbers of a version.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.trim().trim_start_matches('v').split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    Some([parts.next()??, parts.next().flatten().unwrap_or(0), parts.next().flatten().unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_a_line_admits() {
        let table = [
            ("mlflow==2.20.3", Some(Some("2.20.3"))),
            ("mlflow[databricks]==3.1.0 ; python_version > '3.9'", Some(Some("3.1.0"))),
            ("mlflow-skinny<=2.21", Some(Some("2.21"))),
            ("mlflow>=2.20,<2.22.1", Some(Some("2.22.0"))),
            ("mlflow>=2.20,<3", Some(Some("2.999999"))),
            ("mlflow<2.22", Some(Some("2.21.999999"))),
            ("mlflow~=2.20.1", Some(Some("2.20.999999"))),
            ("mlflow~=2.20", Some(Some("2.999999"))),
            ("mlflow>=3.17", Some(None)),
            ("mlflow", Some(None)),
            ("mlflow-extra==1", None),
            ("databricks-sdk==0.94.0", None),
        ];
        for (line, expected) in table {
            let found = newest(line, &["mlflow", "mlflow-skinny"]);
            assert_eq!(found.as_ref().map(Option::as_deref), expected, "{line}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(numbers("2.9.0") < numbers("2.22.1"));
        assert!(numbers("2.22.1rc0") == numbers("2.22.1"));
        assert_eq!(numbers("dev"), None);
    }
}
