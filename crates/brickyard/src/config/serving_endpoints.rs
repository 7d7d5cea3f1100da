//! `serving_endpoints:`: the create request of each endpoint, plus `creator` and `permissions`.
//!
//! Endpoints of the configuration take the same road as those of the REST API: what is checked here is what
//! only the configuration knows (its places, its references); everything else the serving stack checks for both.

use std::collections::HashMap;

use brickyard_types::EndpointName;

use super::directory::{self, Directory, PrincipalRef};
use super::fields::Fields;
use super::files::Merged;
use super::permissions::{self, EndpointPermission, PermissionEntry};
use super::problem::{Place, Problems, shown};
use super::served_entity::{self, Known, ServedEntityConfig};
use super::workspace::WorkspaceConfig;

/// One part of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConfig {
    /// The served entity.
    pub served_name: String,
    /// Its share.
    pub traffic_percentage: u8,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Its name.
    pub name: EndpointName,
    /// Who made it: a user or a service principal, never a group.
    pub creator: PrincipalRef,
    /// What it serves, at least one.
    pub served_entities: Vec<ServedEntityConfig>,
    /// How the traffic is split; empty: evenly as the serving stack has it.
    pub routes: Vec<RouteConfig>,
    /// Who may do what.
    pub permissions: Vec<PermissionEntry<EndpointPermission>>,
    /// Tags, key and value.
    pub tags: Vec<(String, String)>,
    /// What it is for.
    pub description: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// Fields of the create request that brickyard would have to ignore, and says so instead.
const NOT_YET: [&str; 6] = [
    "ai_gateway",
    "rate_limits",
    "budget_policy_id",
    "email_notifications",
    "telemetry_config",
    "auto_capture_config",
];

/// Reads the section.
pub(super) fn read(
    merged: &Merged,
    workspace: &WorkspaceConfig,
    directory: &Directory,
    known: &Known<'_>,
    problems: &Problems,
) -> Vec<EndpointConfig> {
    let mut endpoints: Vec<EndpointConfig> = Vec::new();
    let mut first: HashMap<String, Place> = HashMap::new();
    for node in directory::items(merged, "serving_endpoints", problems) {
        let keys: Vec<&str> =
            ["name", "creator", "config", "permissions", "tags", "description", "route_optimized"]
                .into_iter()
                .chain(NOT_YET)
                .collect();
        let Some(fields) = Fields::of(node, &keys, problems) else { continue };
        refuse_not_yet(&fields);
        let name = fields.required::<EndpointName>("name");
        let creator = creator(&fields, workspace, directory);
        let (served_entities, routes) = read_config(&fields, name.as_ref(), workspace, known);
        let permissions = permissions::read(&fields, &EndpointPermission::WORDS, directory, problems);
        let tags = tags(&fields);
        let description = fields.text("description").map(str::to_owned);
        if fields.flag("route_optimized") == Some(true) {
            fields
                .refuse("route_optimized", "brickyard does not stand in for route_optimized yet; remove it");
        }
        let (Some(name), Some(creator)) = (name, creator) else { continue };
        if let Some(first) = first.get(name.as_str()) {
            fields.refuse("name", format!("the name {name} is taken; the first is {first}"));
            continue;
        }
        first.insert(name.as_str().to_owned(), fields.place_of("name"));
        endpoints.push(EndpointConfig {
            name,
            creator,
            served_entities,
            routes,
            permissions,
            tags,
            description,
            place: node.place.clone(),
        });
    }
    endpoints
}

fn refuse_not_yet(fields: &Fields<'_>) {
    for key in NOT_YET.into_iter().filter(|key| fields.node(key).is_some()) {
        fields.refuse(key, format!("brickyard does not stand in for {key} yet; remove it"));
    }
}

fn creator(fields: &Fields<'_>, workspace: &WorkspaceConfig, directory: &Directory) -> Option<PrincipalRef> {
    if fields.node("creator").is_none() {
        let admin = workspace.admins.first().map(|name| PrincipalRef::User(name.clone()));
        if admin.is_none() {
            fields.refuse("creator", "missing, and workspace.admins has nobody who could be it");
        }
        return admin;
    }
    let name = fields.text("creator")?;
    match directory.expect(&fields.place_of("creator"), name, fields.problems)? {
        PrincipalRef::Group(_) => {
            fields.refuse(
                "creator",
                format!("{} is a group; a user or a service principal is needed", shown(name)),
            );
            None
        }
        principal => Some(principal),
    }
}

fn read_config(
    endpoint: &Fields<'_>,
    name: Option<&EndpointName>,
    workspace: &WorkspaceConfig,
    known: &Known<'_>,
) -> (Vec<ServedEntityConfig>, Vec<RouteConfig>) {
    let problems = endpoint.problems;
    let keys = ["name", "served_entities", "served_models", "traffic_config", "auto_capture_config"];
    let Some(fields) = endpoint.present("config").and_then(|node| Fields::of(node, &keys, problems)) else {
        return Default::default();
    };
    refuse_not_yet(&fields);
    if fields.node("served_models").is_some() {
        fields.refuse(
            "served_models",
            "the older name; write served_entities, with entity_name and entity_version",
        );
    }
    if fields.node("name").is_some() && fields.text("name") != endpoint.text("name") {
        fields.refuse("name", "another name than the endpoint's; remove it");
    }
    let nodes = fields.list("served_entities");
    let most = workspace.profile.served_entities.value;
    if nodes.is_empty() && fields.node("served_models").is_none() {
        fields.refuse("served_entities", "at least one is needed");
    } else if nodes.len() > most {
        fields.refuse("served_entities", format!("served_models cannot contain more than {most} elements"));
    }
    let read = |(index, node)| served_entity::read(node, name, index, workspace, known, problems);
    let entities: Vec<_> = nodes.iter().enumerate().filter_map(read).collect();
    for (index, entity) in entities.iter().enumerate() {
        if let Some(first) = entities[..index].iter().find(|other| other.name == entity.name) {
            let reason =
                format!("the served entity name {} is taken; the first is {}", entity.name, first.place);
            problems.at(&entity.place.key("name"), reason);
        }
    }
    let routes = read_routes(&fields, &entities, entities.len() == nodes.len());
    (entities, routes)
}

fn read_routes(config: &Fields<'_>, entities: &[ServedEntityConfig], complete: bool) -> Vec<RouteConfig> {
    let Some(traffic) =
        config.node("traffic_config").and_then(|node| Fields::of(node, &["routes"], config.problems))
    else {
        return Vec::new();
    };
    let mut routes: Vec<RouteConfig> = Vec::new();
    let nodes = traffic.list("routes");
    for node in nodes {
        let keys = ["served_entity_name", "served_model_name", "traffic_percentage"];
        let Some(fields) = Fields::of(node, &keys, config.problems) else { continue };
        let key = if fields.node("served_model_name").is_some() {
            "served_model_name"
        } else {
            "served_entity_name"
        };
        let name = fields.present(key).and_then(|_| fields.text(key));
        let share = fields.present("traffic_percentage").and_then(|_| fields.whole("traffic_percentage"));
        let (Some(name), Some(share)) = (name, share) else { continue };
        // An entity that could not be read may be the one that is meant.
        let unknown = complete && entities.iter().all(|entity| entity.name.as_str() != name);
        if unknown {
            fields.refuse(key, format!("no served entity {} in this endpoint", shown(name)));
        } else if routes.iter().any(|route| route.served_name == name) {
            fields.refuse(key, format!("{} has a route already", shown(name)));
        }
        match u8::try_from(share) {
            Ok(share @ 0..=100) => {
                routes.push(RouteConfig { served_name: name.to_owned(), traffic_percentage: share })
            }
            _ => fields.refuse("traffic_percentage", "a whole number from 0 to 100 is needed"),
        }
    }
    let total: u32 = routes.iter().map(|route| u32::from(route.traffic_percentage)).sum();
    if routes.len() == nodes.len() && total != 100 {
        traffic.refuse("routes", format!("the traffic percentages add up to {total}, not 100"));
    }
    routes
}

fn tags(fields: &Fields<'_>) -> Vec<(String, String)> {
    let mut tags: Vec<(String, String)> = Vec::new();
    for node in fields.list("tags") {
        let Some(fields) = Fields::of(node, &["key", "value"], fields.problems) else { continue };
        let Some(key) = fields.present("key").and_then(|_| fields.text("key")) else { continue };
        let value = fields.text("value").unwrap_or_default();
        if tags.iter().any(|(other, _)| other == key) {
            fields.refuse("key", format!("the tag {} is listed twice", shown(key)));
        } else {
            tags.push((key.to_owned(), value.to_owned()));
        }
    }
    tags
}
