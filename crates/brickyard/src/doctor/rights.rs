//! Warehouses, tables, functions and connections that a model declares: who may use them is said in SQL, and SQL is not read but
//! run. So the configuration is seeded into a workspace that nobody can reach and that goes away, and its catalog is
//! asked what a deployment would ask.

use std::sync::Arc;

use brickyard_agents::LoggedModel;
use brickyard_identity::MasterKey;
use brickyard_serving::Missing;
use brickyard_store::MemoryJournal;
use brickyard_types::{DeclaredResource, ResourceType, SystemEntropy};

use super::Finding;
use super::creator::serves;
use crate::config::{Config, EndpointConfig};
use crate::run::{temporary_dir, workspace_options};
use crate::seed::Applied;
use crate::workspace::{Storage, Workspace};

/// Checks every endpoint of the configuration that serves the model.
pub(super) fn check(model: &LoggedModel, config: &Config, findings: &mut Vec<Finding>) {
    let here = |kind| {
        use ResourceType::{Function, SqlWarehouse, Table, UcConnection};
        matches!(kind, SqlWarehouse | Table | Function | UcConnection)
    };
    let declared = model.auth_policy.resources.iter().filter(|resource| !resource.on_behalf_of_user);
    let declared: Vec<_> = declared.filter(|resource| here(resource.kind)).collect();
    let endpoints: Vec<_> = (config.serving_endpoints.iter())
        .filter(|endpoint| endpoint.served_entities.iter().any(|entity| serves(entity, &model.dir)))
        .collect();
    if declared.is_empty() || endpoints.is_empty() {
        return;
    }
    // A runtime of its own: the doctor is a command, and no server is running here.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return findings.push(not_seeded(error.to_string())),
    };
    if let Err(reason) = runtime.block_on(ask(config, &endpoints, &declared, findings)) {
        findings.push(not_seeded(reason));
    }
}

fn not_seeded(reason: String) -> Finding {
    let fix = "mend it: a workspace with this configuration does not start";
    Finding::refused("configuration-not-applied", "the configuration", reason, fix)
}

async fn ask(
    config: &Config,
    endpoints: &[&EndpointConfig],
    declared: &[&DeclaredResource],
    findings: &mut Vec<Finding>,
) -> Result<(), String> {
    let scratch = temporary_dir(&SystemEntropy).map_err(|failure| failure.to_string())?;
    let master = Arc::new(MasterKey::ephemeral(&SystemEntropy));
    let storage = Storage::Memory(MemoryJournal::new(), master);
    let mut options = workspace_options(config, storage, scratch.0.clone());
    options.host = "http://localhost".to_owned();
    let workspace = Workspace::open(options).await.map_err(|error| error.to_string())?;
    let mut done = Applied::default();
    if workspace.seed_rights(config, &mut done).await.is_none() {
        let reasons: Vec<String> = done.errors.iter().map(ToString::to_string).collect();
        return Err(reasons.join("; "));
    }
    for endpoint in endpoints {
        // One who is gone is told of by `creator`.
        let Some(creator) = workspace.principal(&endpoint.creator) else { continue };
        let place = format!("endpoint {}", endpoint.name);
        for resource in declared {
            let lacking = workspace.serving.lacking(&creator, [*resource]);
            findings.extend(lacking.iter().map(|missing| finding(&place, &creator.name, resource, missing)));
        }
    }
    workspace.close(std::time::Duration::ZERO).await;
    Ok(())
}

fn finding(place: &str, creator: &str, resource: &DeclaredResource, missing: &Missing) -> Finding {
    let absent = missing.trace.is_none();
    let name = &resource.name;
    let (rule, fix) = match (resource.kind, absent) {
        (ResourceType::SqlWarehouse, true) => (
            "no-such-warehouse",
            format!("add {name} to sql_warehouses, or declare the id of one that is there"),
        ),
        (ResourceType::SqlWarehouse, false) => (
            "creator-may-not-use",
            format!(
                "sql_warehouses: {name}: permissions: [{{user_name: {creator}, permission_level: CAN_USE}}]"
            ),
        ),
        (ResourceType::Function, true) => {
            ("no-such-function", format!("CREATE FUNCTION {name} in a *.sql file"))
        }
        (ResourceType::Function, false) => {
            ("creator-may-not-execute", format!("GRANT EXECUTE ON FUNCTION {name} TO `{creator}`"))
        }
        (ResourceType::UcConnection, true) => {
            ("no-such-connection", format!("CREATE CONNECTION {name} TYPE HTTP OPTIONS (..) in a *.sql file"))
        }
        (ResourceType::UcConnection, false) => {
            ("creator-may-not-use", format!("GRANT USE CONNECTION ON CONNECTION {name} TO `{creator}`"))
        }
        (_, true) => (
            "no-such-table",
            format!("CREATE TABLE {name} in a *.sql file, with all three parts of its name"),
        ),
        (_, false) => ("creator-may-not-select", format!("GRANT SELECT ON TABLE {name} TO `{creator}`")),
    };
    let fix = missing.fix().unwrap_or(fix);
    Finding::refused(
        rule,
        place,
        format!("its creator {creator}: {} ({})", missing.reason, missing.what),
        fix,
    )
}
