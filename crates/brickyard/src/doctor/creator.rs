//! May the creator of each endpoint that serves this model do what the model declares? By the configuration alone:
//! what somebody granted over the API is not known here. Warehouses, tables and functions: [`rights`](super::rights).

use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

use brickyard_agents::{LoggedModel, check_variable_name};
use brickyard_models::builtin::foundation_model;
use brickyard_types::{EnvironmentValue, GroupName, ResourceType};
use regex::Regex;

use super::Finding;
use super::scan::regex;
use super::source::lines;
use crate::config::{
    Config, EndpointConfig, EndpointPermission, PrincipalRef, ServedEntityConfig, ServedKind,
};

/// Checks every endpoint of the configuration that serves the model's folder, and answers their names.
pub(super) fn check(
    model: &LoggedModel,
    source: Option<&str>,
    config: &Config,
    findings: &mut Vec<Finding>,
) -> Vec<String> {
    let mut names = Vec::new();
    for endpoint in &config.serving_endpoints {
        for entity in endpoint.served_entities.iter().filter(|entity| serves(entity, &model.dir)) {
            if names.last() != Some(&endpoint.name.to_string()) {
                names.push(endpoint.name.to_string());
            }
            let creator = Creator::of(endpoint, config);
            creator.check(model, entity, findings);
            variables(endpoint, entity, source, findings);
        }
    }
    names
}

pub(super) fn serves(entity: &ServedEntityConfig, dir: &Path) -> bool {
    match &entity.kind {
        ServedKind::Model { folder, .. } => {
            matches!((folder.canonicalize(), dir.canonicalize()), (Ok(one), Ok(other)) if one == other)
        }
        _ => false,
    }
}

struct Creator<'a> {
    endpoint: &'a EndpointConfig,
    config: &'a Config,
    name: &'a str,
    groups: HashSet<&'a GroupName>,
    admin: bool,
    active: bool,
}

impl<'a> Creator<'a> {
    fn of(endpoint: &'a EndpointConfig, config: &'a Config) -> Self {
        let creator = &endpoint.creator;
        let (name, own_groups, active): (&str, &[GroupName], bool) = match creator {
            PrincipalRef::User(name) => {
                let user = config.users.iter().find(|user| user.user_name == *name);
                (name.as_str(), user.map_or(&[], |user| &user.groups), user.is_some_and(|user| user.active))
            }
            PrincipalRef::ServicePrincipal(id) => {
                let found =
                    config.service_principals.iter().find(|principal| principal.application_id == *id);
                (id, found.map_or(&[], |found| &found.groups), found.is_some_and(|found| found.active))
            }
            // The configuration refuses a group as creator.
            PrincipalRef::Group(name) => (name.as_str(), &[], false),
        };
        let mut groups: HashSet<&GroupName> = own_groups.iter().collect();
        // Groups hold groups: those above what is known are added until nothing is new. The load refuses circles.
        loop {
            let before = groups.len();
            for group in &config.groups {
                let holds = |member: &PrincipalRef| match member {
                    PrincipalRef::Group(inner) => groups.contains(inner),
                    member => member == creator,
                };
                if group.members.iter().any(holds) {
                    groups.insert(&group.display_name);
                }
            }
            if groups.len() == before {
                break;
            }
        }
        let named_admin =
            matches!(creator, PrincipalRef::User(name) if config.workspace.admins.contains(name));
        let admin = named_admin || groups.iter().any(|group| group.as_str() == "admins");
        Self { endpoint, config, name, groups, admin, active }
    }

    fn is(&self, principal: &PrincipalRef) -> bool {
        match principal {
            PrincipalRef::Group(group) => group.as_str() == "users" || self.groups.contains(group),
            principal => *principal == self.endpoint.creator,
        }
    }

    fn place(&self) -> String {
        format!("endpoint {}", self.endpoint.name)
    }

    fn check(&self, model: &LoggedModel, entity: &ServedEntityConfig, findings: &mut Vec<Finding>) {
        if !self.active {
            let what = format!("its creator {} is not an active member of the workspace", self.name);
            findings.push(Finding::refused(
                "creator-gone",
                self.place(),
                what,
                "name another creator, or set active: true",
            ));
            return;
        }
        let passthrough = model.auth_policy.resources.iter().filter(|resource| !resource.on_behalf_of_user);
        for resource in passthrough.filter(|resource| resource.kind == ResourceType::ServingEndpoint) {
            self.may_query(&resource.name, findings);
        }
        for (variable, value) in &entity.environment_vars {
            let EnvironmentValue::Secret(secret) = value else { continue };
            let name = secret.scope.as_str();
            let scope = self
                .config
                .secret_scopes
                .iter()
                .find(|scope| scope.scope.as_str().eq_ignore_ascii_case(name));
            if self.admin
                || scope.is_some_and(|scope| scope.acls.iter().any(|entry| self.is(&entry.principal)))
            {
                continue;
            }
            findings.push(Finding::refused(
                "creator-may-not-read",
                self.place(),
                format!("its creator {} may not READ {secret}, which {variable} references", self.name),
                format!("secret_scopes: {name}: acls: [{{principal: {}, permission: READ}}]", self.name),
            ));
        }
    }

    fn may_query(&self, wanted: &str, findings: &mut Vec<Finding>) {
        let Some(target) =
            self.config.serving_endpoints.iter().find(|endpoint| endpoint.name.as_str() == wanted)
        else {
            if foundation_model(wanted).is_none() {
                findings.push(Finding::refused(
                    "no-such-endpoint",
                    self.place(),
                    format!("the configuration has no serving endpoint {wanted}, which the model declares"),
                    format!("add {wanted} to serving_endpoints, or log the model without it"),
                ));
            }
            return;
        };
        let enough = |level: EndpointPermission| {
            matches!(level, EndpointPermission::CanQuery | EndpointPermission::CanManage)
        };
        let granted = target.permissions.iter().any(|entry| enough(entry.level) && self.is(&entry.principal));
        if self.admin || granted || target.creator == self.endpoint.creator {
            return;
        }
        let key = match self.endpoint.creator {
            PrincipalRef::User(_) => "user_name",
            _ => "service_principal_name",
        };
        findings.push(Finding::refused(
            "creator-may-not-query",
            self.place(),
            format!("its creator {} lacks CAN_QUERY on {wanted}, which the model declares", self.name),
            format!("{wanted}: permissions: [{{{key}: {}, permission_level: CAN_QUERY}}]", self.name),
        ));
    }
}

static REQUIRED: LazyLock<Regex> = LazyLock::new(|| regex(r#"\bos\.environ\[["'](\w+)["']\](\s*=[^=])?"#));

/// Variables that the code takes for granted and the endpoint does not set.
fn variables(
    endpoint: &EndpointConfig,
    entity: &ServedEntityConfig,
    source: Option<&str>,
    findings: &mut Vec<Finding>,
) {
    let mut seen: Vec<String> = Vec::new();
    for line in lines(source.unwrap_or_default()) {
        for found in REQUIRED.captures_iter(&line.text) {
            let name = &found[1];
            // What nobody may set, the serving environment sets itself.
            let set = entity.environment_vars.contains_key(name) || check_variable_name(name).is_err();
            if set || found.get(2).is_some() || seen.iter().any(|known| known == name) {
                continue;
            }
            findings.push(Finding::hint(
                "variable-not-set",
                format!("endpoint {}", endpoint.name),
                format!("the code reads {name} (line {}), and environment_vars does not set it", line.number),
                format!("environment_vars: {{{name}: \"{{{{secrets/<scope>/<key>}}}}\"}}"),
            ));
            seen.push(name.to_owned());
        }
    }
}
