//! The API scopes that a model may declare in its `UserAuthPolicy`, and what to write instead of one that is refused.
//!
//! The list is the platform's, by date: it grows, and a deployment is refused in the platform's own words. Every
//! refused scope gets a hint, since people write names of one of the other vocabularies, or of Databricks Apps.

use std::fmt;

use brickyard_types::{ALL_APIS, Scope, ScopeSet};

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
    pub const DOTTED_ONLY: Self = Self {
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

    #[test]
    fn a_deployment_with_wrong_scopes_is_refused_in_databricks_words() {
        assert_eq!(UserScopes::LATEST.allowed.len(), 23);
        let refused = UserScopes::LATEST
            .check(&["sql".into(), "files".into(), "all-apis".into(), "files".into()])
            .unwrap_err();
        assert_eq!(
            refused.message("main.agents.concierge"),
            "Invalid user API scope(s) specified for model: main.agents.concierge. Invalid scopes: files, all-apis. \
             Allowed scopes are: sql, sql.statement-execution, sql.warehouses, mcp.genie, mcp.external, mcp.sql, \
             mcp.vectorsearch, mcp.functions, catalog.connections, vector-search, vectorsearch.vector-search-indexes, \
             vectorsearch.vector-search-endpoints, iam.current-user:read, iam.access-control:read, dashboards.genie, \
             genie, ai-gateway, unity-catalog, apps.apps, apps, model-serving, serving.serving-endpoints, workspace.workspace"
        );
        assert_eq!(
            UserScopes::LATEST.check(&["sql".into(), "genie".into()]).unwrap(),
            ScopeSet::parse("genie sql").unwrap()
        );
        assert_eq!(UserScopes::LATEST.check(&[]).unwrap(), ScopeSet::empty());
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
            assert_eq!(UserScopes::LATEST.check(&[refused.into()]).unwrap_err().hints(), [hint]);
        }
    }

    #[test]
    fn an_older_profile_refuses_the_short_names_and_says_which_dotted_one_to_use() {
        let refused = UserScopes::DOTTED_ONLY.check(&["genie".into(), "ai-gateway".into()]).unwrap_err();
        assert_eq!(
            refused.hints(),
            ["genie: write dashboards.genie", "ai-gateway: write serving.serving-endpoints"]
        );
    }
}
