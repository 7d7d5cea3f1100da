//! One element of `served_entities:`: what answers (exactly one of four kinds), with which environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use brickyard_agents::AuthPolicy;
use brickyard_models::{Scripted, ScriptedConfig};
use brickyard_serving::plaintext_credential;
use brickyard_types::{EndpointName, EnvironmentValue, ServedName};
use serde::Deserialize;

use super::fields::{Fields, text_of};
use super::files::{absolute, folder_of};
use super::node::Node;
use super::problem::{Place, Problems, shown};
use super::registered_models::ModelNames;
use super::secret_scopes::SecretNames;
use super::workspace::WorkspaceConfig;

/// What answers.
#[derive(Debug, Clone)]
pub enum ServedKind {
    /// A logged MLflow model, run in worker processes.
    Model {
        /// The registered model.
        name: String,
        /// Its version.
        version: String,
        /// The folder with the `MLmodel`.
        folder: PathBuf,
        /// An interpreter to use instead of an environment built from the model's requirements.
        python: Option<PathBuf>,
    },
    /// An agent that somebody else runs.
    Url(String),
    /// A built-in agent or model that answers from rules.
    Scripted(ScriptedConfig),
}

/// The name of a served entity that gives none: `<model>-<version>` as Databricks has it, else the endpoint's name, with a
/// number from the second entity on.
pub fn default_served_name(kind: &ServedKind, endpoint: &EndpointName, index: usize) -> Option<ServedName> {
    let name = match kind {
        ServedKind::Model { name, version, .. } => {
            format!("{}-{version}", name.rsplit('.').next().unwrap_or(name))
        }
        ServedKind::Url(_) | ServedKind::Scripted(_) if index == 0 => endpoint.to_string(),
        ServedKind::Url(_) | ServedKind::Scripted(_) => format!("{endpoint}-{}", index + 1),
    };
    name.parse().ok()
}

/// One served entity.
#[derive(Debug, Clone)]
pub struct ServedEntityConfig {
    /// Its name, given or made by [`default_served_name`].
    pub name: ServedName,
    /// What answers.
    pub kind: ServedKind,
    /// What the agent declared, for the kinds without an `MLmodel`: `system_auth_policy.resources` and
    /// `user_auth_policy.api_scopes`, as in an `MLmodel`.
    pub auth_policy: Option<serde_json::Value>,
    /// Environment variables.
    pub environment_vars: BTreeMap<String, EnvironmentValue>,
    /// `Small`, `Medium` or `Large`.
    pub workload_size: Option<String>,
    /// `CPU`, `GPU_SMALL`, ...
    pub workload_type: Option<String>,
    /// Whether it may sleep.
    pub scale_to_zero_enabled: bool,
    /// Units of concurrency at least.
    pub min_provisioned_concurrency: Option<u32>,
    /// Units of concurrency at most.
    pub max_provisioned_concurrency: Option<u32>,
    /// Where it stands.
    pub place: Place,
}

/// What a served entity may refer to.
pub(super) struct Known<'a> {
    pub models: &'a ModelNames,
    pub secrets: &'a SecretNames,
}

/// What can answer: exactly one of these keys.
const KINDS: [&str; 5] = ["entity_name", "url", "scripted", "foundation_model", "external_model"];

/// Fields that mean nothing on one machine.
const NOT_YET: [&str; 5] = [
    "instance_profile_arn",
    "min_provisioned_throughput",
    "max_provisioned_throughput",
    "provisioned_model_units",
    "burst_scaling_enabled",
];

const OTHERS: [&str; 10] = [
    "name",
    "entity_version",
    "environment_vars",
    "workload_size",
    "workload_type",
    "scale_to_zero_enabled",
    "min_provisioned_concurrency",
    "max_provisioned_concurrency",
    "python",
    "auth_policy",
];

/// Reads one.
pub(super) fn read(
    node: &Node,
    endpoint: Option<&EndpointName>,
    index: usize,
    workspace: &WorkspaceConfig,
    known: &Known<'_>,
    problems: &Problems,
) -> Option<ServedEntityConfig> {
    let keys: Vec<&str> = KINDS.into_iter().chain(OTHERS).chain(NOT_YET).collect();
    let fields = Fields::of(node, &keys, problems)?;
    for key in NOT_YET.into_iter().filter(|key| fields.node(key).is_some()) {
        fields.refuse(key, format!("brickyard does not stand in for {key} yet; remove it"));
    }
    let name = fields.parsed::<ServedName>("name");
    let environment_vars = read_environment(&fields, workspace, known);
    let auth_policy = read_auth_policy(&fields);
    let workload_size = workload_size(&fields, workspace);
    let workload_type = one_of(&fields, "workload_type", workspace.profile.workload_types.value);
    let scale_to_zero_enabled = fields.flag("scale_to_zero_enabled").unwrap_or(false);
    let least = concurrency(&fields, "min_provisioned_concurrency", workspace);
    let most = concurrency(&fields, "max_provisioned_concurrency", workspace);
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        fields.refuse("min_provisioned_concurrency", "more than max_provisioned_concurrency");
    }
    let kind = read_kind(&fields, known)?;
    let name = match (fields.node("name"), endpoint) {
        (Some(_), _) => name,
        (None, Some(endpoint)) => {
            let made = default_served_name(&kind, endpoint, index);
            if made.is_none() {
                fields.refuse("name", "missing, and none can be made of entity_name and entity_version");
            }
            made
        }
        (None, None) => None,
    }?;
    Some(ServedEntityConfig {
        name,
        kind,
        auth_policy,
        environment_vars,
        workload_size,
        workload_type,
        scale_to_zero_enabled,
        min_provisioned_concurrency: least,
        max_provisioned_concurrency: most,
        place: node.place.clone(),
    })
}

fn read_kind(fields: &Fields<'_>, known: &Known<'_>) -> Option<ServedKind> {
    let given: Vec<&str> = KINDS.into_iter().filter(|key| fields.node(key).is_some()).collect();
    let [key] = given[..] else {
        let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
        fields
            .problems
            .at(fields.place, format!("exactly one of {} is needed; found {found}", KINDS.join(", ")));
        return None;
    };
    let model = key == "entity_name";
    for only in ["entity_version", "python"].into_iter().filter(|only| !model && fields.node(only).is_some())
    {
        fields.refuse(only, format!("belongs beside entity_name, not {key}"));
    }
    if model && fields.node("auth_policy").is_some() {
        fields.refuse("auth_policy", "a logged model declares this in its MLmodel; remove it");
    }
    match key {
        "entity_name" => {
            let name = fields.text("entity_name");
            let version =
                fields.present("entity_version").and_then(|_| fields.text_or_number("entity_version"));
            let python = fields.text("python").map(|path| absolute(&folder_of(fields.place).join(path)));
            if let Some(python) = python.as_ref().filter(|python| !python.is_file()) {
                fields.refuse("python", format!("no interpreter {}", python.display()));
            }
            let (name, version) = (name?, version?);
            let folder = known.models.expect(fields, name, &version)?;
            Some(ServedKind::Model { name: name.to_owned(), version, folder, python })
        }
        "url" => url(fields).map(ServedKind::Url),
        "scripted" => scripted(fields).map(ServedKind::Scripted),
        other => {
            fields.refuse(
                other,
                format!("brickyard does not stand in for {other} entities of the configuration yet"),
            );
            None
        }
    }
}

fn url(fields: &Fields<'_>) -> Option<String> {
    let text = fields.text("url")?;
    let reason = match reqwest::Url::parse(text) {
        Ok(url) if url.scheme() != "http" => {
            "only http:// is spoken to agents; put a proxy before one that needs TLS"
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "a URL must not hold a password",
        Ok(url) if url.fragment().is_some() || url.query().is_some() => "a URL without ? and # is needed",
        Ok(_) => return Some(text.to_owned()),
        Err(_) => "a URL such as http://localhost:9000 is needed",
    };
    fields.refuse("url", reason);
    None
}

/// Reads and compiles the rules: `check` finds a bad pattern before anything starts.
fn scripted(fields: &Fields<'_>) -> Option<ScriptedConfig> {
    let refuse = |reason: String| fields.refuse("scripted", reason);
    let config = ScriptedConfig::deserialize(fields.node("scripted")?.to_json())
        .map_err(|error| refuse(error.to_string()))
        .ok()?;
    Scripted::compile(&config).map_err(|error| refuse(error.to_string())).ok()?;
    Some(config)
}

fn one_of(fields: &Fields<'_>, key: &str, words: &[&str]) -> Option<String> {
    let words: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
    fields.word(key, &words).map(str::to_owned)
}

fn workload_size(fields: &Fields<'_>, workspace: &WorkspaceConfig) -> Option<String> {
    let sizes: Vec<&str> = workspace.profile.workload_sizes.value.iter().map(|size| size.name).collect();
    one_of(fields, "workload_size", &sizes)
}

fn concurrency(fields: &Fields<'_>, key: &str, workspace: &WorkspaceConfig) -> Option<u32> {
    let most = workspace.profile.provisioned_concurrency.value;
    let number = fields.whole(key)?;
    let number = u32::try_from(number).ok().filter(|number| *number as usize <= most);
    if number.is_none() {
        fields.refuse(key, format!("at most {most} is needed"));
    }
    number
}

fn read_auth_policy(fields: &Fields<'_>) -> Option<serde_json::Value> {
    let node = fields.node("auth_policy")?;
    let before = fields.problems.count();
    let policy = Fields::of(node, &["system_auth_policy", "user_auth_policy"], fields.problems)?;
    if let Some(system) = policy.node("system_auth_policy") {
        let system = Fields::of(system, &["resources"], fields.problems)?;
        if let Some(resources) = system.node("resources") {
            let kinds: Vec<&str> =
                brickyard_types::ResourceType::ALL.into_iter().map(|kind| kind.as_str()).collect();
            let known: Vec<&str> = kinds.into_iter().chain(["api_version", "databricks"]).collect();
            Fields::of(resources, &known, fields.problems)?;
        }
    }
    if let Some(user) = policy.node("user_auth_policy") {
        let user = Fields::of(user, &["api_scopes"], fields.problems)?;
        for (place, scope) in user.texts("api_scopes") {
            if let Err(error) = scope.parse::<brickyard_types::Scope>() {
                fields.problems.at(place, error.to_string());
            }
        }
    }
    let policy = node.to_json();
    // The same reader as for an MLmodel: what it refuses at deploying, `check` refuses now. One mistake is told once.
    if fields.problems.count() == before
        && let Err(error) = AuthPolicy::deserialize(&policy)
    {
        fields.refuse("auth_policy", error.to_string());
        return None;
    }
    Some(policy)
}

fn read_environment(
    fields: &Fields<'_>,
    workspace: &WorkspaceConfig,
    known: &Known<'_>,
) -> BTreeMap<String, EnvironmentValue> {
    let entries = fields.entries("environment_vars");
    let most = workspace.profile.environment_variables.value;
    if entries.len() > most {
        fields.refuse(
            "environment_vars",
            format!("{} variables; at most {most} a served entity", entries.len()),
        );
    }
    let mut variables = BTreeMap::new();
    for (name, node) in entries {
        let problem = |reason: String| fields.problems.at(&node.place, reason);
        let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !word || name.starts_with(|c: char| c.is_ascii_digit()) || name.len() > 255 {
            problem(format!("{} is not the name of an environment variable", shown(name)));
            continue;
        }
        let Some(text) = text_of(node) else {
            problem(format!("text is needed here, not {}; put it in quotes", node.value.kind()));
            continue;
        };
        if text.contains('\0') {
            problem("an environment variable cannot hold a NUL character".to_owned());
            continue;
        }
        match EnvironmentValue::parse(text) {
            Err(error) => problem(error.to_string()),
            Ok(value) => {
                match &value {
                    EnvironmentValue::Secret(wanted) => {
                        known.secrets.expect(&node.place, wanted, fields.problems)
                    }
                    EnvironmentValue::Plain(text) if workspace.refuse_plaintext_credentials => {
                        if let Some(why) = plaintext_credential(name, text) {
                            problem(why.to_string());
                        }
                    }
                    EnvironmentValue::Plain(_) => {}
                }
                variables.insert(name.clone(), value);
            }
        }
    }
    variables
}
