//! What an agent may declare: for each resource type, what it takes and which methods reach it.
//!
//! The whole documented table, also where brickyard does not stand in for the thing yet: a deployment that needs
//! such a thing is refused by name rather than served without it.

use brickyard_types::ResourceType;

use crate::level::Level;

/// A right on a resource. Those of Unity Catalog and Postgres are words here until brickyard has these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// A level of the workspace's access lists.
    Workspace(Level),
    /// A level of a Genie space.
    Genie(&'static str),
    /// A privilege of Unity Catalog (with `USE CATALOG` and `USE SCHEMA` above it).
    UnityCatalog(&'static str),
    /// A role inside Postgres.
    Postgres(&'static str),
}

impl Privilege {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace(level) => level.as_str(),
            Self::Genie(name) | Self::UnityCatalog(name) | Self::Postgres(name) => name,
        }
    }
}

impl std::fmt::Display for Privilege {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Declarable {
    /// The type.
    pub kind: ResourceType,
    /// What the endpoint's creator must hold on the resource, and all that the system service principal is given.
    pub privilege: Privilege,
    /// The scopes that a `UserAuthPolicy` names to reach it on behalf of the user.
    pub user_scopes: &'static [&'static str],
    /// True if the platform hands out a credential of the system service principal for it.
    pub passthrough: bool,
    /// True if it can be reached on behalf of the user.
    pub on_behalf_of_user: bool,
    /// True if brickyard stands in for it.
    pub stands_in: bool,
    /// What it reaches in turn, which must be declared as well.
    pub also: &'static [ResourceType],
    /// What else is worth knowing.
    pub note: &'static str,
}

use Privilege::{Postgres, UnityCatalog, Workspace};
use ResourceType as T;

/// The table, in mlflow's order of types.
pub static DECLARABLE: [Declarable; 10] = [
    Declarable {
        kind: T::ServingEndpoint,
        privilege: Workspace(Level::CanQuery),
        user_scopes: &["serving.serving-endpoints"],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: true,
        also: &[],
        note: "",
    },
    Declarable {
        kind: T::VectorSearchIndex,
        privilege: UnityCatalog("SELECT"),
        user_scopes: &[
            "vectorsearch.vector-search-endpoints",
            "vectorsearch.vector-search-indexes",
            "serving.serving-endpoints",
        ],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: false,
        also: &[T::ServingEndpoint],
        note: "an index with managed embeddings also needs its embedding endpoint; Databricks calls the right \"Can Use\"",
    },
    Declarable {
        kind: T::SqlWarehouse,
        privilege: Workspace(Level::CanUse),
        user_scopes: &["sql.statement-execution", "sql.warehouses"],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: true,
        also: &[],
        note: "",
    },
    Declarable {
        kind: T::Function,
        privilege: UnityCatalog("EXECUTE"),
        user_scopes: &["sql.statement-execution", "sql.warehouses"],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: true,
        also: &[],
        note: "on behalf of the user only through statements on a warehouse, or through MCP (mcp.functions)",
    },
    Declarable {
        kind: T::GenieSpace,
        privilege: Privilege::Genie("CAN_RUN"),
        user_scopes: &["dashboards.genie"],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: false,
        also: &[T::SqlWarehouse, T::Table],
        note: "the space's warehouse and tables must be declared too, or be open to the user",
    },
    Declarable {
        kind: T::Table,
        privilege: UnityCatalog("SELECT"),
        user_scopes: &["sql.statement-execution", "sql.warehouses"],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: true,
        also: &[],
        note: "on behalf of the user only through statements on a warehouse",
    },
    Declarable {
        kind: T::UcConnection,
        privilege: UnityCatalog("USE CONNECTION"),
        user_scopes: &["catalog.connections", "serving.serving-endpoints"],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: true,
        also: &[],
        note: "",
    },
    Declarable {
        kind: T::App,
        privilege: Workspace(Level::CanUse),
        user_scopes: &["apps.apps"],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: false,
        also: &[],
        note: "an app's front door takes OAuth tokens only; that passthrough reaches it is inferred from mlflow's type",
    },
    Declarable {
        kind: T::Lakebase,
        privilege: Postgres("databricks_superuser"),
        user_scopes: &[],
        passthrough: true,
        on_behalf_of_user: false,
        stands_in: false,
        also: &[],
        note: "no scope of a UserAuthPolicy reaches Lakebase",
    },
    Declarable {
        kind: T::UcModelService,
        privilege: UnityCatalog("EXECUTE"),
        user_scopes: &["serving.serving-endpoints"],
        passthrough: true,
        on_behalf_of_user: true,
        stands_in: false,
        also: &[],
        note: "new in mlflow 3.17 and undocumented: its right and scope are inferred",
    },
];

/// The row of a type.
pub fn declarable(kind: ResourceType) -> &'static Declarable {
    &DECLARABLE[kind as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_scopes::UserScopes;

    #[test]
    fn every_type_has_its_own_row_and_only_scopes_that_a_policy_may_name() {
        for kind in ResourceType::ALL {
            let row = declarable(kind);
            assert_eq!(row.kind, kind);
            assert_eq!(row.on_behalf_of_user, !row.user_scopes.is_empty(), "{kind}");
            assert!(row.user_scopes.iter().all(|scope| UserScopes::LATEST.allowed.contains(scope)), "{kind}");
        }
    }

    #[test]
    fn the_table_reads_as_documented() {
        let rows: Vec<String> = (DECLARABLE.iter())
            .map(|row| {
                let reach = match (row.passthrough, row.on_behalf_of_user) {
                    (true, true) => "passthrough, on behalf of user",
                    (true, false) => "passthrough",
                    _ => "manual only",
                };
                let here = if row.stands_in { "" } else { " (not here yet)" };
                format!("{}: {} by {reach}{here}", row.kind, row.privilege)
            })
            .collect();
        assert_eq!(
            rows.join("\n"),
            "serving_endpoint: CAN_QUERY by passthrough, on behalf of user\n\
             vector_search_index: SELECT by passthrough, on behalf of user (not here yet)\n\
             sql_warehouse: CAN_USE by passthrough, on behalf of user\n\
             function: EXECUTE by passthrough, on behalf of user\n\
             genie_space: CAN_RUN by passthrough, on behalf of user (not here yet)\n\
             table: SELECT by passthrough, on behalf of user\n\
             uc_connection: USE CONNECTION by passthrough, on behalf of user\n\
             app: CAN_USE by passthrough, on behalf of user (not here yet)\n\
             lakebase: databricks_superuser by passthrough (not here yet)\n\
             uc_model_service: EXECUTE by passthrough, on behalf of user (not here yet)"
        );
    }
}
