//! API scopes: which token may reach which route family, before any object is looked at.
//!
//! Three vocabularies of scope names are alive at once. An agent declares fine ones (`dashboards.genie`), the REST
//! reference prints coarse ones (`genie`), and a token may hold either, or `all-apis`. So a family accepts several
//! names, and a refusal prints one: the coarse one, as Databricks does. A scope opens an API; it never gives a right
//! on an object, and it says nothing of what a called endpoint does onward.
//!
//! Everything here is data. [`family`] is the gate table (families that rest on inference say so), and
//! [`UserScopes`] is the list that a `UserAuthPolicy` may choose from, by the date of the profile: that list grows.

use std::fmt;

use brickyard_types::{ALL_APIS, Scope, ScopeSet};

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
}

/// The scopes that a `UserAuthPolicy` of a model may name, at one date.
#[derive(Debug, PartialEq, Eq)]
pub struct UserScopes {
    /// The profile that it belongs to.
    pub profile: &'static str,
    /// The names, in the order in which the refusal lists them.
    pub allowed: &'static [&'static str],
}

impl UserScopes {
    /// As copied from the platform's own refusal, August 2026.
    pub const LATEST: Self = Self {
        profile: "databricks-2026-08",
        allowed: &[
            "sql",
            "sql.statement-execution",
            "sql.warehouses",
            "mcp.genie",
            "mcp.external",
            "mcp.sql",
            "mcp.vectorsearch",
            "mcp.functions",
            "catalog.connections",
            "vector-search",
            "vectorsearch.vector-search-indexes",
            "vectorsearch.vector-search-endpoints",
            "iam.current-user:read",
            "iam.access-control:read",
            "dashboards.genie",
            "genie",
            "ai-gateway",
            "unity-catalog",
            "apps.apps",
            "apps",
            "model-serving",
            "serving.serving-endpoints",
            "workspace.workspace",
        ],
    };

    /// The older habit, reconstructed: short names (and so `ai-gateway`) were refused until mid-2026.
    const DOTTED_ONLY: Self = Self {
        profile: "databricks-2026-05",
        allowed: &[
            "sql.statement-execution",
            "sql.warehouses",
            "mcp.genie",
            "mcp.external",
            "mcp.sql",
            "mcp.vectorsearch",
            "mcp.functions",
            "catalog.connections",
            "vectorsearch.vector-search-indexes",
            "vectorsearch.vector-search-endpoints",
            "iam.current-user:read",
            "iam.access-control:read",
            "dashboards.genie",
            "apps.apps",
            "serving.serving-endpoints",
        ],
    };

    /// Every list that is known, newest first.
    pub const ALL: [&'static Self; 2] = [&Self::LATEST, &Self::DOTTED_ONLY];

    /// The list of a profile.
    pub fn of(profile: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|list| list.profile == profile)
    }

    /// Accepts a policy's scopes, or says which of them are not allowed.
    ///
    /// # Errors
    /// With every scope that is not on the list, in the order of the policy.
    pub fn check(&'static self, declared: &[String]) -> Result<ScopeSet, InvalidUserScopes> {
        let mut scopes = Vec::with_capacity(declared.len());
        let mut invalid: Vec<String> = Vec::new();
        for text in declared {
            match text.parse::<Scope>() {
                Ok(scope) if self.allowed.contains(&scope.as_str()) => scopes.push(scope),
                _ if invalid.contains(text) => {}
                _ => invalid.push(text.clone()),
            }
        }
        if invalid.is_empty() {
            Ok(ScopeSet::new(scopes))
        } else {
            Err(InvalidUserScopes { invalid, allowed: self })
        }
    }
}

/// [`UserScopes::check`] of the newest list.
///
/// # Errors
/// With every scope that is not on the list.
pub fn check_user_scopes(declared: &[String]) -> Result<ScopeSet, InvalidUserScopes> {
    UserScopes::LATEST.check(declared)
}

/// A model declares API scopes that Model Serving does not hand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidUserScopes {
    /// Those refused, in the order of the policy, without repeats.
    pub invalid: Vec<String>,
    /// The list that they are not on.
    pub allowed: &'static UserScopes,
}

impl InvalidUserScopes {
    /// Databricks' own text.
    pub fn message(&self, model: &str) -> String {
        format!(
            "Invalid user API scope(s) specified for model: {model}. Invalid scopes: {}. Allowed scopes are: {}",
            self.invalid.join(", "),
            self.allowed.allowed.join(", ")
        )
    }

    /// For each refused scope, what to write instead.
    pub fn hints(&self) -> Vec<String> {
        self.invalid.iter().map(|scope| substitution(scope, self.allowed)).collect()
    }
}

impl fmt::Display for InvalidUserScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "these API scopes cannot be declared by a served model: {}", self.invalid.join(", "))?;
        for hint in self.hints() {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidUserScopes {}

/// What people write, and what they mean.
const SUBSTITUTES: &[(&str, &[&str])] = &[
    ("ai-search", &["vector-search", "mcp.vectorsearch"]),
    ("vectorsearch", &["vectorsearch.vector-search-indexes", "vectorsearch.vector-search-endpoints"]),
    ("vectorsearch.vector-search-indexes:read", &["vectorsearch.vector-search-indexes"]),
    ("vector-search-indexes", &["vectorsearch.vector-search-indexes"]),
    ("vector-search-endpoints", &["vectorsearch.vector-search-endpoints"]),
    ("sql.warehouses:read", &["sql.warehouses"]),
    ("sql.statements", &["sql.statement-execution"]),
    ("sql.queries", &["sql"]),
    ("sql.dashboards", &["sql"]),
    ("sql.alerts", &["sql"]),
    ("sql.query-history", &["sql"]),
    ("warehouses", &["sql.warehouses"]),
    ("serving", &["serving.serving-endpoints"]),
    ("serving-endpoints", &["serving.serving-endpoints"]),
    ("model-serving.serving-endpoints", &["serving.serving-endpoints"]),
    ("dashboards", &["dashboards.genie"]),
    ("genie.spaces", &["dashboards.genie"]),
    ("catalog", &["unity-catalog"]),
    ("catalog.catalogs:read", &["unity-catalog"]),
    ("catalog.schemas:read", &["unity-catalog"]),
    ("catalog.tables:read", &["unity-catalog"]),
    ("connections", &["catalog.connections"]),
    ("mcp", &["mcp.functions", "mcp.vectorsearch", "mcp.genie", "mcp.sql", "mcp.external"]),
    ("mcp.vector-search", &["mcp.vectorsearch"]),
    ("iam", &["iam.current-user:read", "iam.access-control:read"]),
    ("iam.current-user", &["iam.current-user:read"]),
    ("access-management", &["iam.access-control:read"]),
    ("workspace", &["workspace.workspace"]),
    // Names that were short or coarse, for the lists that know only dotted ones.
    ("sql", &["sql.statement-execution", "sql.warehouses"]),
    ("genie", &["dashboards.genie"]),
    ("model-serving", &["serving.serving-endpoints"]),
    ("ai-gateway", &["serving.serving-endpoints"]),
    ("vector-search", &["vectorsearch.vector-search-indexes", "vectorsearch.vector-search-endpoints"]),
    ("unity-catalog", &["catalog.connections"]),
    ("apps", &["apps.apps"]),
];

/// APIs that no user token of an agent reaches, and the method that does.
const OUT_OF_REACH: &[(&str, &str)] = &[
    (
        "files",
        "volumes and files cannot be reached on behalf of the user in Model Serving (Databricks Apps can)",
    ),
    (
        "postgres",
        "Lakebase cannot be reached on behalf of the user; declare DatabricksLakebase in resources=[...]",
    ),
    (
        "database",
        "Lakebase cannot be reached on behalf of the user; declare DatabricksLakebase in resources=[...]",
    ),
    ("secrets", "secrets reach an agent as environment variables {{secrets/<scope>/<key>}}"),
    ("mlflow", "MLflow cannot be reached on behalf of the user; use a service principal of your own"),
    ("jobs", "jobs cannot be reached on behalf of the user; use a service principal of your own"),
    ("clusters", "clusters cannot be reached on behalf of the user; use a service principal of your own"),
    ("authentication", "tokens cannot be managed on behalf of the user"),
];

/// The one-line advice for a scope that was refused.
pub fn substitution(refused: &str, list: &UserScopes) -> String {
    if refused == ALL_APIS {
        return "all-apis is never allowed: name each API that the agent reaches".to_owned();
    }
    if matches!(refused, "openid" | "profile" | "email" | "offline_access") {
        return format!(
            "{refused} is an identity scope: leave it out, the user's name is in iam.current-user:read"
        );
    }
    let folded = refused.trim().to_ascii_lowercase().replace('_', "-");
    if list.allowed.contains(&folded.as_str()) {
        return format!("{refused}: write {folded}");
    }
    let known = SUBSTITUTES.iter().find(|(from, _)| *from == folded).map(|(_, to)| *to).unwrap_or_default();
    let known: Vec<&str> = known.iter().copied().filter(|scope| list.allowed.contains(scope)).collect();
    if !known.is_empty() {
        return format!("{refused}: write {}", known.join(" and "));
    }
    let first = folded.split(['.', ':']).next().unwrap_or_default();
    if let Some((_, why)) = OUT_OF_REACH.iter().find(|(name, _)| *name == first) {
        return format!("{refused}: {why}");
    }
    let nearest = (list.allowed.iter()).map(|scope| (strsim::jaro_winkler(&folded, scope), *scope));
    match nearest.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((score, scope)) if score > 0.85 => format!("{refused}: {scope} is the nearest allowed scope"),
        _ => format!("{refused}: no allowed scope opens that; remove it"),
    }
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

    #[test]
    fn a_deployment_with_wrong_scopes_is_refused_in_databricks_words() {
        assert_eq!(UserScopes::LATEST.allowed.len(), 23);
        let refused = check_user_scopes(&["sql".into(), "files".into(), "all-apis".into(), "files".into()])
            .unwrap_err();
        assert_eq!(
            refused.message("main.agents.concierge"),
            "Invalid user API scope(s) specified for model: main.agents.concierge. Invalid scopes: files, all-apis. \
             Allowed scopes are: sql, sql.statement-execution, sql.warehouses, mcp.genie, mcp.external, mcp.sql, \
             mcp.vectorsearch, mcp.functions, catalog.connections, vector-search, vectorsearch.vector-search-indexes, \
             vectorsearch.vector-search-endpoints, iam.current-user:read, iam.access-control:read, dashboards.genie, \
             genie, ai-gateway, unity-catalog, apps.apps, apps, model-serving, serving.serving-endpoints, workspace.workspace"
        );
        assert_eq!(check_user_scopes(&["sql".into(), "genie".into()]).unwrap(), set("genie sql"));
        assert_eq!(check_user_scopes(&[]).unwrap(), ScopeSet::empty());
    }

    #[test]
    fn every_refused_scope_comes_with_what_to_write_instead() {
        let table = [
            ("all-apis", "all-apis is never allowed: name each API that the agent reaches"),
            ("SQL", "SQL: write sql"),
            ("model_serving", "model_serving: write model-serving"),
            ("ai-search", "ai-search: write vector-search and mcp.vectorsearch"),
            ("catalog.tables:read", "catalog.tables:read: write unity-catalog"),
            (
                "postgres",
                "postgres: Lakebase cannot be reached on behalf of the user; declare DatabricksLakebase in resources=[...]",
            ),
            (
                "files.files",
                "files.files: volumes and files cannot be reached on behalf of the user in Model Serving (Databricks Apps can)",
            ),
            ("dashboards.geni", "dashboards.geni: dashboards.genie is the nearest allowed scope"),
            ("a b", "a b: no allowed scope opens that; remove it"),
        ];
        for (refused, hint) in table {
            assert_eq!(check_user_scopes(&[refused.into()]).unwrap_err().hints(), [hint]);
        }
    }

    #[test]
    fn an_older_profile_refuses_the_short_names_and_says_which_dotted_one_to_use() {
        let refused = UserScopes::of("databricks-2026-05")
            .unwrap()
            .check(&["genie".into(), "ai-gateway".into()])
            .unwrap_err();
        assert_eq!(
            refused.hints(),
            ["genie: write dashboards.genie", "ai-gateway: write serving.serving-endpoints"]
        );
        assert!(UserScopes::of("databricks-1999-01").is_none());
    }
}
