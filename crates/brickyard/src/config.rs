//! **The configuration**: YAML files in, one typed [`Config`] out, or every problem at once.
//!
//! ```text
//!  --config PATH... -> files.rs    which files; merge by top-level key
//!                      node.rs     YAML -> a tree whose values know file and key path
//!                      fields.rs   typed fields; an unknown key names the nearest known one
//!                      one file a section: workspace, directory, secret_scopes, registered_models,
//!                      sql_warehouses, serving_endpoints, served_entity
//!                      seed_files.rs   *.sql -> statements, which are run when the workspace starts
//!  Config           <- references resolved: a name in it stands for something that is in it
//! ```
//!
//! **Rule:** this is the one load. Nothing else reads a configuration file, and only `main` knows the process'
//! environment, which comes in as an [`Environment`].
//!
//! **Rule:** holding a [`Config`] means that every reference inside it resolves: creators, members, permissions, models and
//! secrets exist. What it does not mean: that a model can be served or that its creator has the rights; deploying says that.

mod collections;
mod directory;
mod duration;
mod fields;
mod files;
mod node;
mod permissions;
mod problem;
mod registered_models;
mod secret_scopes;
mod secret_source;
mod seed_files;
mod served_entity;
mod serving_endpoints;
mod size;
mod sql_warehouses;
#[cfg(test)]
mod tests;
mod workspace;

use std::path::{Path, PathBuf};

pub use brickyard_identity::SigningAlgorithm;
pub use directory::{
    GroupConfig, OAuthSecretConfig, PersonalAccessTokenConfig, PrincipalRef, ServicePrincipalConfig,
    UserConfig,
};
pub use duration::{NotADuration, parse as parse_duration, show as show_duration};
pub use permissions::{EndpointPermission, PermissionEntry, WarehousePermission};
pub use problem::{ConfigError, Place, Problem};
pub use registered_models::{ModelVersionConfig, RegisteredModelConfig};
pub use secret_scopes::{ScopePermission, SecretConfig, SecretScopeConfig};
pub use secret_source::{Environment, NoEnvironment};
pub use seed_files::{SeedFile, SeedStatement};
pub use served_entity::{ServedEntityConfig, ServedKind, default_served_name};
pub use serving_endpoints::{EndpointConfig, RouteConfig};
pub use sql_warehouses::SqlWarehouseConfig;
pub use workspace::{TokensConfig, WorkspaceConfig};

use problem::Problems;

/// The folder that is read when no path is given.
const DEFAULT_FOLDER: &str = "config";

/// A whole configuration. The default is an empty workspace.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The workspace itself.
    pub workspace: WorkspaceConfig,
    /// Users, administrators included.
    pub users: Vec<UserConfig>,
    /// Service principals.
    pub service_principals: Vec<ServicePrincipalConfig>,
    /// Groups; `users` and `admins` exist without being here.
    pub groups: Vec<GroupConfig>,
    /// Secret scopes with their secrets.
    pub secret_scopes: Vec<SecretScopeConfig>,
    /// Models.
    pub registered_models: Vec<RegisteredModelConfig>,
    /// Endpoints.
    pub serving_endpoints: Vec<EndpointConfig>,
    /// SQL warehouses.
    pub sql_warehouses: Vec<SqlWarehouseConfig>,
    /// The files of SQL, in the order in which they run.
    pub seeds: Vec<SeedFile>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// The folder that relative paths in SQL start from: that of the first file, or where the process stands.
    pub fn folder(&self) -> PathBuf {
        let folder = self.files.first().and_then(|file| file.parent()).unwrap_or_else(|| Path::new("."));
        // A file beside the process has an empty folder.
        files::absolute(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    }
}

/// Adds statements as if they stood in the file `name` of the configuration.
///
/// # Errors
/// If they are no SQL.
pub fn add_sql(config: &mut Config, name: &str, text: &str) -> Result<(), ConfigError> {
    let problems = Problems::default();
    let file = seed_files::read(Path::new(name), text, &problems);
    config.seeds.push(problems.finish(file)?);
    Ok(())
}

/// Reads what `--config` names: files and folders. Without any: the folder `config/`, if there is one.
///
/// # Errors
/// All that is wrong, with file, key and reason.
pub fn load(paths: &[PathBuf], environment: &dyn Environment) -> Result<Config, ConfigError> {
    let default = [PathBuf::from(DEFAULT_FOLDER)];
    let paths = match paths {
        [] if Path::new(DEFAULT_FOLDER).is_dir() => &default[..],
        paths => paths,
    };
    let problems = Problems::default();
    let merged = files::load(paths, &problems);
    read(merged, environment, problems)
}

/// Reads one text as if it were the file `name`; relative paths in it start at the folder of `name`.
///
/// # Errors
/// As [`load`].
pub fn from_text(name: &str, text: &str, environment: &dyn Environment) -> Result<Config, ConfigError> {
    let problems = Problems::default();
    let mut merged = files::Merged::default();
    merged.add(name, text, &problems);
    merged.files.push(name.into());
    read(merged, environment, problems)
}

fn read(
    merged: files::Merged,
    environment: &dyn Environment,
    problems: Problems,
) -> Result<Config, ConfigError> {
    collections::refuse_not_yet(&merged, &problems);
    // In the order of what refers to what: later sections ask earlier ones "does this exist?".
    let workspace = workspace::read(merged.section("workspace"), &problems);
    let directory = directory::Directory::read(&merged, &workspace, environment, &problems);
    let (secret_scopes, secrets) = secret_scopes::read(&merged, &directory, environment, &problems);
    let (registered_models, models) = registered_models::read(&merged, &problems);
    let sql_warehouses = sql_warehouses::read(&merged, &directory, &problems);
    let known = served_entity::Known { models: &models, secrets: &secrets };
    let serving_endpoints = serving_endpoints::read(&merged, &workspace, &directory, &known, &problems);
    let directory::Directory { users, service_principals, groups, .. } = directory;
    let files::Merged { files, seeds, .. } = merged;
    problems.finish(Some(Config {
        workspace,
        users,
        service_principals,
        groups,
        secret_scopes,
        registered_models,
        serving_endpoints,
        sql_warehouses,
        seeds,
        files,
    }))
}
