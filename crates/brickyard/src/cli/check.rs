//! `brickyard check`: would this configuration start? Everything is read, nothing is bound, built or run.

use std::io::Write;
use std::path::PathBuf;

use brickyard_agents::{AuthPolicy, LoggedModel};
use serde::Deserialize;

use super::Failure;
use super::arguments::ConfigPaths;
use crate::config::{self, Config, Environment, ServedKind};

pub(super) fn run(
    paths: &ConfigPaths,
    environment: &dyn Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = config::load(&paths.paths, environment)?;
    let problems: Vec<String> = model_problems(&config);
    if !problems.is_empty() {
        return Err(Failure::Usage(problems.join("\n")));
    }
    summary(&config, out)
}

/// What is wrong inside the logged models that the configuration names.
fn model_problems(config: &Config) -> Vec<String> {
    let versions = config.registered_models.iter().flat_map(|model| &model.versions);
    versions
        .filter_map(|version| {
            let error = LoggedModel::read(&version.source).err()?;
            Some(format!("{}: {error}", version.place))
        })
        .chain(scope_problems(config))
        .collect()
}

/// User API scopes that the deployment would be refused for.
fn scope_problems(config: &Config) -> Vec<String> {
    let list = config.workspace.profile.user_api_scopes.value;
    let mut problems = Vec::new();
    for entity in config.serving_endpoints.iter().flat_map(|endpoint| &endpoint.served_entities) {
        let (model, policy) = match &entity.kind {
            ServedKind::Model { name, folder, .. } => {
                (name.as_str(), LoggedModel::read(folder).ok().map(|model| model.auth_policy))
            }
            ServedKind::Url(_) | ServedKind::Scripted(_) => {
                let policy = entity.auth_policy.as_ref();
                (entity.name.as_str(), policy.and_then(|policy| AuthPolicy::deserialize(policy).ok()))
            }
        };
        if let Some(refused) = policy.and_then(|policy| list.check(&policy.api_scopes).err()) {
            problems.push(format!("{}: {}", entity.place, refused.message(model)));
        }
    }
    problems
}

fn summary(config: &Config, out: &mut dyn Write) -> Result<(), Failure> {
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let secrets: usize = config.secret_scopes.iter().map(|scope| scope.secrets.len()).sum();
    let versions: usize = config.registered_models.iter().map(|model| model.versions.len()).sum();
    match &config.files[..] {
        [] => writeln!(out, "no configuration: an empty workspace")?,
        files => writeln!(
            out,
            "good: {}",
            files.iter().map(|file: &PathBuf| file.display().to_string()).collect::<Vec<_>>().join(", ")
        )?,
    }
    let lines = [
        format!("workspace {} with the limits of {}", config.workspace.id, config.workspace.profile.name),
        format!(
            "{}, {}, {}",
            count(config.users.len(), "user"),
            count(config.service_principals.len(), "service principal"),
            count(config.groups.len(), "group")
        ),
        format!("{} with {}", count(config.secret_scopes.len(), "secret scope"), count(secrets, "secret")),
        format!(
            "{} with {}",
            count(config.registered_models.len(), "registered model"),
            count(versions, "version")
        ),
        count(config.serving_endpoints.len(), "serving endpoint"),
        format!(
            "{}, {} of SQL with {}",
            count(config.sql_warehouses.len(), "SQL warehouse"),
            count(config.seeds.len(), "file"),
            count(config.seeds.iter().map(|file| file.statements.len()).sum(), "statement")
        ),
    ];
    for line in lines {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}
