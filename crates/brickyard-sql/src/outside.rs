//! What the warehouse needs from above and does not know: what seals a connection's secrets, and what speaks HTTP.

use brickyard_catalog::unity::{Object, SealedOption};
use brickyard_catalog::{Permit, ReadSecret};
use brickyard_types::Secret;

pub use crate::http_request::{Call, HttpConnection};

/// The types of connections that Databricks knows. Source: databricks-sdk, `ConnectionType`.
pub const CONNECTION_TYPES: [&str; 32] = [
    "AWS_SECRETS_MANAGER",
    "AZURE_KEY_VAULT",
    "BIGQUERY",
    "CONFLUENCE",
    "DATABRICKS",
    "DYNAMICS365",
    "GA4_RAW_DATA",
    "GITHUB",
    "GLUE",
    "HIVE_METASTORE",
    "HTTP",
    "HUBSPOT",
    "JDBC",
    "META_MARKETING",
    "MYSQL",
    "NETSUITE",
    "ORACLE",
    "OUTLOOK",
    "POSTGRESQL",
    "POWER_BI",
    "REDSHIFT",
    "SALESFORCE",
    "SALESFORCE_DATA_CLOUD",
    "SERVICENOW",
    "SMARTSHEET",
    "SNOWFLAKE",
    "SQLDW",
    "SQLSERVER",
    "TERADATA",
    "TIKTOK_ADS",
    "WORKDAY_RAAS",
    "ZENDESK",
];

/// The options of a connection that are no secret, in lower case. Every other one is.
pub const PUBLIC_OPTIONS: [&str; 26] = [
    "application_intent",
    "authorization_endpoint",
    "base_path",
    "client_id",
    "credential_type",
    "database",
    "host",
    "httppath",
    "is_mcp_connection",
    "issandbox",
    "issuer_url",
    "jdbc_url",
    "oauth_credential_exchange_method",
    "oauth_scope",
    "port",
    "project_id",
    "region",
    "service_name",
    "sfrole",
    "sfwarehouse",
    "ssl_tls_method",
    "tenant_id",
    "token_endpoint",
    "trustservercertificate",
    "user",
    "warehouse",
];

/// One request of `http_request`.
#[derive(Debug)]
pub struct HttpRequest {
    /// `GET`, `POST`, `PUT`, `DELETE` or `PATCH`.
    pub method: &'static str,
    /// Scheme, host, port and path.
    pub url: String,
    /// The query, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Headers, without the connection's credential.
    pub headers: Vec<(String, String)>,
    /// The body, which is JSON.
    pub json: Option<String>,
    /// The connection's bearer token. It is sent as a header and said nowhere.
    pub bearer: Option<Secret>,
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// The body.
    pub text: String,
    /// The header `mcp-session-id`, which an MCP server's client has to send again.
    pub mcp_session: Option<String>,
}

/// What stands above the warehouse. Errors are texts for people; none may hold a secret.
pub trait Outside: Send + Sync {
    /// Seals a secret option of the connection with this UUID.
    fn seal(&self, connection: &str, option: &str, value: &[u8]) -> SealedOption;

    /// Opens a secret option of a connection; `None` if it has no such option.
    ///
    /// # Errors
    /// If it does not open.
    fn open(&self, connection: &Object, option: &str) -> Result<Option<Secret>, String>;

    /// The value of a stored secret.
    ///
    /// # Errors
    /// If it is not there.
    fn secret(&self, permit: &Permit<ReadSecret>) -> Result<Secret, String>;

    /// Sends a request and waits for its whole answer. Redirects to another host are not followed.
    ///
    /// # Errors
    /// If nobody answers in time.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, String>;
}
