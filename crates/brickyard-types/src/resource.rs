//! What an agent may declare that it needs (`mlflow.models.resources`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kinds of resource that an `MLmodel` can name, by their YAML key in mlflow 3.17
/// (`mlflow/models/resources.py`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the words are mlflow's own
pub enum ResourceType {
    ServingEndpoint,
    VectorSearchIndex,
    SqlWarehouse,
    Function,
    GenieSpace,
    Table,
    UcConnection,
    App,
    Lakebase,
    UcModelService,
}

impl ResourceType {
    /// All of them, in mlflow's order.
    pub const ALL: [Self; 10] = [
        Self::ServingEndpoint,
        Self::VectorSearchIndex,
        Self::SqlWarehouse,
        Self::Function,
        Self::GenieSpace,
        Self::Table,
        Self::UcConnection,
        Self::App,
        Self::Lakebase,
        Self::UcModelService,
    ];

    /// The key in an `MLmodel`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServingEndpoint => "serving_endpoint",
            Self::VectorSearchIndex => "vector_search_index",
            Self::SqlWarehouse => "sql_warehouse",
            Self::Function => "function",
            Self::GenieSpace => "genie_space",
            Self::Table => "table",
            Self::UcConnection => "uc_connection",
            Self::App => "app",
            Self::Lakebase => "lakebase",
            Self::UcModelService => "uc_model_service",
        }
    }

    /// How an agent's author declares one: the Python expression for `resources=[...]`.
    pub fn python(self, name: &str) -> String {
        let (class, argument) = match self {
            Self::ServingEndpoint => ("DatabricksServingEndpoint", "endpoint_name"),
            Self::VectorSearchIndex => ("DatabricksVectorSearchIndex", "index_name"),
            Self::SqlWarehouse => ("DatabricksSQLWarehouse", "warehouse_id"),
            Self::Function => ("DatabricksFunction", "function_name"),
            Self::GenieSpace => ("DatabricksGenieSpace", "genie_space_id"),
            Self::Table => ("DatabricksTable", "table_name"),
            Self::UcConnection => ("DatabricksUCConnection", "connection_name"),
            Self::App => ("DatabricksApp", "app_name"),
            Self::Lakebase => ("DatabricksLakebase", "database_instance_name"),
            Self::UcModelService => ("DatabricksUCModelService", "model_service_name"),
        };
        format!("{class}({argument}={name:?})")
    }
}

impl FromStr for ResourceType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| text.to_owned())
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One resource that an agent declared when it was logged.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct DeclaredResource {
    /// What kind.
    pub kind: ResourceType,
    /// Its name, three-part for Unity Catalog objects.
    pub name: String,
    /// `on_behalf_of_user` of the older `resources:` layout: the resource is reached as the caller, so the system
    /// service principal gets no right on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_behalf_of_user: bool,
}
