//! Objects: catalogs, schemas, tables, views, functions, connections, with everything that is known of one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use brickyard_types::{PrincipalId, SqlType, Timestamp};
use serde::{Deserialize, Serialize};

/// What rights hang on. Never used again, so a right never passes to a new object of an old name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub u64);

impl ObjectId {
    /// The metastore, which is always there.
    pub const METASTORE: Self = Self(0);
}

/// What kind of securable. Tables and views share one kind, as their grants do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the variants are what they are called
pub enum ObjectKind {
    Metastore,
    Catalog,
    Schema,
    Table,
    Function,
    Connection,
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Metastore, Self::Catalog, Self::Schema, Self::Table, Self::Function, Self::Connection];

    /// The word in Databricks' refusals: `User does not have EXECUTE on Routine or Model 'main.s.f'.`
    pub const fn spoken(self) -> &'static str {
        match self {
            Self::Metastore => "Metastore",
            Self::Catalog => "Catalog",
            Self::Schema => "Schema",
            Self::Table => "Table",
            Self::Function => "Routine or Model",
            Self::Connection => "Connection",
        }
    }

    /// The word in SQL and in the REST API: `CATALOG`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Metastore => "METASTORE",
            Self::Catalog => "CATALOG",
            Self::Schema => "SCHEMA",
            Self::Table => "TABLE",
            Self::Function => "FUNCTION",
            Self::Connection => "CONNECTION",
        }
    }

    /// True if `inner` objects live below objects of this kind.
    pub const fn contains(self, inner: Self) -> bool {
        matches!(
            (self, inner),
            (Self::Metastore, Self::Catalog | Self::Schema | Self::Table | Self::Function | Self::Connection)
                | (Self::Catalog, Self::Schema | Self::Table | Self::Function)
                | (Self::Schema, Self::Table | Self::Function)
        )
    }

    /// The kind of the object that holds it; `None` for the metastore.
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Metastore => None,
            Self::Catalog | Self::Connection => Some(Self::Metastore),
            Self::Schema => Some(Self::Catalog),
            Self::Table | Self::Function => Some(Self::Schema),
        }
    }
}

/// An object by the id that rights hang on, its kind, and the full name that people know it by.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The id.
    pub id: ObjectId,
    /// The kind.
    pub kind: ObjectKind,
    /// `main.sales.orders`, as it was spelled when it was created.
    pub full_name: Arc<str>,
}

impl ObjectRef {
    /// The metastore.
    pub fn metastore() -> Self {
        Self { id: ObjectId::METASTORE, kind: ObjectKind::Metastore, full_name: "metastore".into() }
    }
}

/// `Table 'main.s.t'`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ObjectKind::Metastore => f.write_str("the metastore"),
            kind => write!(f, "{} '{}'", kind.spoken(), self.full_name),
        }
    }
}

/// One object.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Object {
    /// What rights hang on.
    pub id: ObjectId,
    /// What kind.
    pub kind: ObjectKind,
    /// A UUID for the REST API (`table_id`, `function_id`), and the name of a managed table's folder.
    pub uid: Arc<str>,
    /// The last part of its name.
    pub name: Arc<str>,
    /// All parts of its name.
    pub full_name: Arc<str>,
    /// What holds it.
    pub parent: ObjectId,
    /// A user, service principal or group.
    pub owner: PrincipalId,
    /// What people wrote about it.
    pub comment: Option<String>,
    /// `TBLPROPERTIES`, `DBPROPERTIES`.
    pub properties: BTreeMap<String, String>,
    /// `SET TAGS`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// When, and by whom.
    pub created_at: Timestamp,
    /// The creator's name.
    pub created_by: Arc<str>,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// By whom.
    pub updated_by: Arc<str>,
    /// What only its kind has.
    pub detail: Detail,
}

impl Object {
    /// Its id, kind and name.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef { id: self.id, kind: self.kind, full_name: Arc::clone(&self.full_name) }
    }

    /// What only tables and views have.
    pub fn table(&self) -> Option<&TableDetail> {
        if let Detail::Table(table) = &self.detail { Some(table) } else { None }
    }

    /// What only functions have.
    pub fn function(&self) -> Option<&FunctionDetail> {
        if let Detail::Function(function) = &self.detail { Some(function) } else { None }
    }

    /// What only connections have.
    pub fn connection(&self) -> Option<&ConnectionDetail> {
        if let Detail::Connection(connection) = &self.detail { Some(connection) } else { None }
    }
}

/// What only one kind of object has.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the variants are those of `ObjectKind`
pub enum Detail {
    Metastore,
    Catalog,
    Schema,
    Table(TableDetail),
    Function(FunctionDetail),
    Connection(ConnectionDetail),
}

/// What kind of table, as the REST API's `table_type`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum TableKind {
    Managed,
    External,
    View,
}

/// A table or view.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TableDetail {
    /// Managed, external, or a view.
    pub table_kind: TableKind,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// A view's query, as it was written.
    pub view_query: Option<String>,
    /// The catalog and schema that names in the view's query are resolved in.
    #[serde(default)]
    pub view_context: (Option<String>, Option<String>),
    /// Which rows are seen.
    pub row_filter: Option<RowFilter>,
    /// Where an external table's files are. A managed table's folder is named after its uid.
    pub location: Option<String>,
    /// `DELTA`, `PARQUET`, `CSV`, `JSON`; `None` for a view.
    pub format: Option<String>,
    /// Of an external table's files (`header`, `sep`).
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Informational, as in Unity Catalog.
    #[serde(default)]
    pub primary_key: Vec<String>,
    /// The name of the key, if the statement gave it one.
    #[serde(default)]
    pub primary_key_name: Option<String>,
    /// Informational, as in Unity Catalog.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
}

impl TableDetail {
    /// What the primary key of a table is called. Without a name of its own it is called after the table.
    pub fn key_name(&self, table: &str) -> String {
        self.primary_key_name.clone().unwrap_or_else(|| format!("{table}_pk"))
    }
}

/// Columns that hold the primary key of another table's rows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// In the order of the other table's key.
    pub columns: Vec<String>,
    /// The other table. When it or its key is gone, so is this.
    pub table: ObjectId,
}

/// One column.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: SqlType,
    /// False for `NOT NULL`.
    pub nullable: bool,
    /// What people wrote about it.
    pub comment: Option<String>,
    /// What is shown instead of its values.
    pub mask: Option<ColumnMask>,
    /// The default, as SQL.
    #[serde(default)]
    pub default: Option<String>,
    /// That its values are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// `ALTER COLUMN .. SET TAGS`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// `GENERATED .. AS IDENTITY`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Nobody else gives it values.
    pub always: bool,
    /// The first value.
    pub start: i64,
    /// From one value to the next; never 0.
    pub step: i64,
    /// What its count goes by, whatever the column is called later.
    pub uid: Arc<str>,
}

/// A row filter: rows for which the function is not TRUE are not there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RowFilter {
    /// The function. When it is gone, the table cannot be read.
    pub function: ObjectId,
    /// Its full name when the filter was set.
    pub function_name: Arc<str>,
    /// Its arguments.
    pub arguments: Vec<PolicyArgument>,
}

/// A column mask: the function's value stands in the column's place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ColumnMask {
    /// The function. When it is gone, the table cannot be read.
    pub function: ObjectId,
    /// Its full name when the mask was set.
    pub function_name: Arc<str>,
    /// Its arguments after the first, which is the column itself.
    pub arguments: Vec<PolicyArgument>,
}

/// What a policy's function is given.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyArgument {
    /// A column of the table.
    Column(String),
    /// A literal, as SQL.
    Constant(String),
}

/// A function.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FunctionDetail {
    /// Its parameters in order.
    pub parameters: Vec<FunctionParameter>,
    /// What it gives back.
    pub returns: FunctionReturns,
    /// What it does.
    pub body: FunctionBody,
    /// `DETERMINISTIC`.
    pub deterministic: bool,
    /// `CONTAINS_SQL`, `READS_SQL_DATA`, `NO_SQL`.
    pub data_access: String,
    /// The catalog and schema that names in the body are resolved in.
    #[serde(default)]
    pub context: (Option<String>, Option<String>),
}

/// A parameter of a function, or a column of its rows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FunctionParameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: SqlType,
    /// The default, as SQL.
    pub default: Option<String>,
    /// What people wrote about it.
    pub comment: Option<String>,
}

/// What a function gives back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionReturns {
    /// One value of this type.
    Scalar(SqlType),
    /// Rows of these columns.
    Table(Vec<FunctionParameter>),
}

/// What a function does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionBody {
    /// The text after `RETURN`.
    Sql(String),
    /// The body of a Python function.
    Python(String),
}

/// A connection to something outside.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConnectionDetail {
    /// `HTTP`, `POSTGRESQL`, ...
    pub connection_type: String,
    /// Options that are no secret.
    pub options: BTreeMap<String, String>,
    /// Options that are, sealed. They are never shown.
    pub sealed: BTreeMap<String, SealedOption>,
}

/// A sealed value: ciphertext in base64, opened only by whoever holds the workspace's master key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedOption(pub String);

impl fmt::Debug for SealedOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[SEALED]")
    }
}
