//! API scopes: which token may reach which route family, before any object is looked at.
//!
//! Three vocabularies of scope names are alive at once. An agent declares fine ones (`dashboards.genie`), the REST
//! reference prints coarse ones (`genie`), and a token may hold either, or `all-apis`. So a family accepts several
//! names, and a refusal prints one: the coarse one, as Databricks does. A scope opens an API; it never gives a right
//! on an object, and it says nothing of what a called endpoint does onward.
//!
//! Everything here is data: [`family`] is the gate table, and families that rest on inference say so.

use std::fmt;

use brickyard_types::ScopeSet;

use crate::user_scopes::UserScopes;

/// A group of routes that one set of scopes opens.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiFamily {
    /// A short name, for people and for the list of routes.
    pub name: &'static str,
    /// The routes, as the reference writes them.
    pub routes: &'static [&'static str],
    /// Any one of these opens it, and so does what covers one of them. Empty: every valid token does.
    pub accepted: &'static [&'static str],
    /// The name that a refusal prints.
    pub printed: &'static str,
    /// True if Databricks documents or was seen to use these names; false where they are inferred.
    pub documented: bool,
}

impl ApiFamily {
    /// True if a token with `scopes` may call these routes.
    pub fn accepts(&self, scopes: &ScopeSet) -> bool {
        self.accepted.is_empty() || self.accepted.iter().any(|accepted| scopes.covers(accepted))
    }

    /// The scope that an agent declares to reach these routes on behalf of its user: the first accepted one that a
    /// `UserAuthPolicy` may name.
    pub fn declared(&self) -> Option<&'static str> {
        self.accepted.iter().copied().find(|scope| UserScopes::LATEST.allowed.contains(scope))
    }
}

impl fmt::Display for ApiFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! families {
    ($($(#[$doc:meta])* $id:ident = $name:literal, [$($route:literal),+], accepts [$($scope:literal),*], prints $printed:literal, $documented:ident;)+) => {
        $($(#[$doc])* pub static $id: ApiFamily = ApiFamily {
            name: $name,
            routes: &[$($route),+],
            accepted: &[$($scope),*],
            printed: $printed,
            documented: families!(@ $documented),
        };)+

        /// Every family, in the order of the reference.
        pub static ALL: &[&ApiFamily] = &[$(&$id),+];
    };
    (@ documented) => { true };
    (@ inferred) => { false };
}

/// The gate table.
pub mod family {
    use super::ApiFamily;

    families! {
        /// Who am I. The scopes page lists it under every scope, so every valid token opens it.
        CURRENT_USER = "current user", ["GET /api/2.0/preview/scim/v2/Me"], accepts [], prints "iam", documented;
        /// The control plane of serving endpoints.
        SERVING_ENDPOINTS = "serving endpoints", ["/api/2.0/serving-endpoints/**"],
            accepts ["serving.serving-endpoints", "model-serving", "ai-gateway"], prints "model-serving", documented;
        /// Invocations, and the OpenAI-style paths.
        SERVING_INVOCATIONS = "serving invocations", ["POST /serving-endpoints/**"],
            accepts ["serving.serving-endpoints", "model-serving", "ai-gateway"], prints "model-serving", documented;
        /// Vector search endpoints.
        VECTOR_SEARCH_ENDPOINTS = "vector search endpoints", ["/api/2.0/vector-search/endpoints/**"],
            accepts ["vectorsearch.vector-search-endpoints", "vector-search"], prints "vector-search", documented;
        /// Reading a vector search index: describing and querying it.
        VECTOR_SEARCH_READ = "vector search queries",
            ["GET /api/2.0/vector-search/indexes/{i}", "/api/2.0/vector-search/indexes/{i}/query|query-next-page|scan"],
            accepts ["vectorsearch.vector-search-indexes", "vector-search", "vectorsearch.vector-search-indexes:read"],
            prints "vector-search", documented;
        /// Changing a vector search index.
        VECTOR_SEARCH_WRITE = "vector search indexes",
            ["POST|DELETE /api/2.0/vector-search/indexes/**", "/api/2.0/vector-search/indexes/{i}/upsert-data|delete-data|sync"],
            accepts ["vectorsearch.vector-search-indexes", "vector-search"], prints "vector-search", documented;
        /// Genie spaces and conversations.
        GENIE = "Genie", ["/api/2.0/genie/**"], accepts ["dashboards.genie", "genie"], prints "genie", documented;
        /// Statements and sessions.
        SQL_STATEMENTS = "SQL statements", ["/api/2.0/sql/statements/**", "/api/2.0/sql/sessions/**"],
            accepts ["sql.statement-execution", "sql"], prints "sql", documented;
        /// Looking at SQL warehouses.
        SQL_WAREHOUSES_READ = "SQL warehouses, read", ["GET /api/2.0/sql/warehouses/**"],
            accepts ["sql.warehouses", "sql", "sql.warehouses:read"], prints "sql", documented;
        /// Changing SQL warehouses.
        SQL_WAREHOUSES = "SQL warehouses", ["/api/2.0/sql/warehouses/**"], accepts ["sql.warehouses", "sql"], prints "sql", documented;
        /// The Thrift road into a warehouse.
        SQL_THRIFT = "SQL over Thrift", ["POST /sql/1.0/warehouses/{id}"],
            accepts ["sql.warehouses", "sql.statement-execution", "sql"], prints "sql", inferred;
        /// Tables of Unity Catalog.
        UC_TABLES = "Unity Catalog tables", ["GET /api/2.1/unity-catalog/tables/**"],
            accepts ["catalog.tables:read", "unity-catalog"], prints "unity-catalog", documented;
        /// Functions of Unity Catalog.
        UC_FUNCTIONS = "Unity Catalog functions", ["/api/2.1/unity-catalog/functions/**"],
            accepts ["unity-catalog"], prints "unity-catalog", inferred;
        /// Catalogs and schemas.
        UC_CATALOGS = "Unity Catalog catalogs and schemas", ["GET /api/2.1/unity-catalog/catalogs/**", "GET /api/2.1/unity-catalog/schemas/**"],
            accepts ["catalog.catalogs:read", "catalog.schemas:read", "unity-catalog"], prints "unity-catalog", documented;
        /// Connections.
        UC_CONNECTIONS = "Unity Catalog connections", ["/api/2.1/unity-catalog/connections/**"],
            accepts ["catalog.connections", "unity-catalog"], prints "unity-catalog", documented;
        /// Grants of Unity Catalog.
        UC_GRANTS = "Unity Catalog grants", ["/api/2.1/unity-catalog/permissions/**"],
            accepts ["unity-catalog"], prints "unity-catalog", inferred;
        /// Changing catalogs, schemas and tables, and looking at the metastore.
        UC_WRITE = "Unity Catalog objects", ["POST|PATCH|DELETE /api/2.1/unity-catalog/catalogs|schemas|tables/**"],
            accepts ["unity-catalog"], prints "unity-catalog", documented;
        /// Calling out through a connection.
        EXTERNAL_FUNCTION = "external function", ["POST /api/2.0/external-function"],
            accepts ["catalog.connections", "unity-catalog", "serving.serving-endpoints"], prints "unity-catalog", inferred;
        /// Managed MCP: functions.
        MCP_FUNCTIONS = "MCP functions", ["POST /api/2.0/mcp/functions/**"],
            accepts ["mcp.functions", "unity-catalog"], prints "unity-catalog", documented;
        /// Managed MCP: vector search.
        MCP_VECTOR_SEARCH = "MCP vector search", ["POST /api/2.0/mcp/vector-search/**", "POST /api/2.0/mcp/ai-search/**"],
            accepts ["mcp.vectorsearch", "vector-search", "ai-search"], prints "ai-search", documented;
        /// Managed MCP: Genie.
        MCP_GENIE = "MCP Genie", ["POST /api/2.0/mcp/genie/**"], accepts ["mcp.genie", "genie"], prints "genie", documented;
        /// Managed MCP: SQL.
        MCP_SQL = "MCP SQL", ["POST /api/2.0/mcp/sql"], accepts ["mcp.sql", "sql"], prints "sql", documented;
        /// Managed MCP: servers outside.
        MCP_EXTERNAL = "MCP external", ["POST /api/2.0/mcp/external/**"],
            accepts ["mcp.external", "unity-catalog"], prints "unity-catalog", documented;
        /// Lakebase.
        LAKEBASE = "Lakebase", ["/api/2.0/database/**", "/api/2.0/postgres/**"],
            accepts ["postgres", "database.database-instances"], prints "postgres", documented;
        /// Secret scopes, secrets and their ACLs. No scope of a `UserAuthPolicy` opens it.
        SECRETS = "secrets", ["/api/2.0/secrets/**"], accepts ["secrets"], prints "secrets", inferred;
        /// Access lists of workspace objects.
        PERMISSIONS = "permissions", ["/api/2.0/permissions/**"], accepts ["access-management"], prints "access-management", documented;
        /// Looking up users, groups and service principals.
        DIRECTORY_READ = "directory, read", ["GET /api/2.0/preview/scim/v2/**"],
            accepts ["access-management", "iam.access-control:read"], prints "access-management", inferred;
        /// Changing users, groups, service principals and the latter's secrets.
        DIRECTORY = "directory", ["/api/2.0/preview/scim/v2/**", "/api/2.0/accounts/**"],
            accepts ["access-management"], prints "access-management", inferred;
        /// Personal access tokens.
        TOKENS = "tokens", ["/api/2.0/token/**", "/api/2.0/token-management/**"],
            accepts ["authentication"], prints "authentication", inferred;
        /// The prompt registry, experiments and traces.
        MLFLOW = "MLflow", ["/api/2.0/mlflow/**", "/api/3.0/mlflow/**"], accepts ["mlflow"], prints "mlflow", inferred;
        /// Databricks Apps.
        APPS = "apps", ["/api/2.0/apps/**"], accepts ["apps.apps", "apps"], prints "apps", documented;
        /// Spark Connect.
        SPARK_CONNECT = "Spark Connect", ["gRPC spark.connect.SparkConnectService"], accepts ["all-apis"], prints "sql", inferred;
        /// Brickyard's own API.
        BRICKYARD = "brickyard", ["/_brickyard/**"], accepts ["all-apis"], prints "all-apis", documented;
    }

    /// Who am I, asked with a user's token by an agent, where `workspace.strict_current_user` is set: people saw it
    /// refused in Model Serving (databricks-sdk-go issue 1408), and a scope of that name exists. The printed name is inferred.
    pub static CURRENT_USER_STRICT: ApiFamily = ApiFamily {
        name: "current user",
        routes: CURRENT_USER.routes,
        accepted: &["iam.current-user:read", "iam.access-control:read"],
        printed: "iam",
        documented: false,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    #[test]
    fn a_token_opens_what_its_scopes_name_and_nothing_else() {
        let table: &[(&str, &ApiFamily, bool)] = &[
            ("all-apis", &family::SERVING_INVOCATIONS, true),
            ("model-serving", &family::SERVING_INVOCATIONS, true),
            ("serving.serving-endpoints", &family::SERVING_INVOCATIONS, true),
            ("ai-gateway", &family::SERVING_INVOCATIONS, true),
            ("sql genie unity-catalog", &family::SERVING_INVOCATIONS, false),
            ("serving", &family::SERVING_INVOCATIONS, false),
            ("", &family::SERVING_INVOCATIONS, false),
            ("", &family::CURRENT_USER, true),
            ("sql", &family::SQL_STATEMENTS, true),
            ("sql.warehouses", &family::SQL_STATEMENTS, false),
            ("vectorsearch.vector-search-indexes:read", &family::VECTOR_SEARCH_READ, true),
            ("vectorsearch.vector-search-indexes:read", &family::VECTOR_SEARCH_WRITE, false),
            ("sql.warehouses:read", &family::SQL_WAREHOUSES, false),
            ("model-serving sql", &family::SECRETS, false),
            ("secrets", &family::SECRETS, true),
            ("sql model-serving unity-catalog", &family::BRICKYARD, false),
        ];
        for (scopes, family, opens) in table {
            assert_eq!(family.accepts(&set(scopes)), *opens, "{scopes:?} on {family}");
        }
    }

    #[test]
    fn no_scope_that_an_agent_may_declare_opens_secrets_tokens_lakebase_or_brickyard_itself() {
        let declared = UserScopes::LATEST.allowed.iter().map(|scope| scope.parse().unwrap());
        let everything = ScopeSet::new(declared);
        for closed in [
            &family::SECRETS,
            &family::TOKENS,
            &family::LAKEBASE,
            &family::BRICKYARD,
            &family::PERMISSIONS,
            &family::DIRECTORY,
        ] {
            assert!(!closed.accepts(&everything), "{closed}");
            assert_eq!(closed.declared(), None, "{closed}");
        }
        assert_eq!(family::SERVING_INVOCATIONS.declared(), Some("serving.serving-endpoints"));
    }
}
