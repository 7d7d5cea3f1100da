//! One parsed statement: what somebody asks for, before anybody is asked whether they may.
//!
//! Queries are `sqlparser`'s own tree. Everything that Databricks writes differently (policies, functions, grants,
//! `SHOW`) is ours, so that no clause is silently dropped: what `front` does not put in here is refused.

mod alteration;
mod copy_into;

use std::collections::BTreeMap;

use brickyard_types::SqlType;
use datafusion::sql::sqlparser::ast;

pub use self::alteration::Alteration;
pub use self::copy_into::CopyInto;

/// A name of one to three parts, as written, without quotes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name(pub Vec<String>);

/// A name that may be `IDENTIFIER(:x)` or `IDENTIFIER('a' || 'b')`: it is known when parameters are.
/// (In queries the same stays inside `sqlparser`'s tree and is resolved by the planner.)
#[derive(Clone, PartialEq, Debug)]
pub enum NameOrMarker {
    /// Written down.
    Name(Name),
    /// `IDENTIFIER(expression)`; the expression is constant.
    Identifier(Box<ast::Expr>),
}

/// The kinds of securables that statements name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the variants are what they are called
pub enum Kind {
    Metastore,
    Catalog,
    Schema,
    Table,
    View,
    Function,
    Connection,
}

/// One statement.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // the fields are what they are called
pub enum Statement {
    /// `SELECT`, `WITH`, `VALUES`, `TABLE t`, set operations.
    Query(Box<ast::Query>),
    /// `EXPLAIN [EXTENDED|FORMATTED|CODEGEN|COST] statement`: a query, DML or `CREATE TABLE AS`, never another `EXPLAIN`.
    Explain(Box<Statement>),
    CreateCatalog(CreateContainer),
    CreateSchema(CreateContainer),
    CreateTable(Box<CreateTable>),
    CreateView(Box<CreateView>),
    CreateFunction(Box<CreateFunction>),
    CreateConnection(CreateConnection),
    Drop {
        kind: Kind,
        name: NameOrMarker,
        if_exists: bool,
        cascade: bool,
    },
    /// `ALTER CATALOG|SCHEMA|CONNECTION|FUNCTION|VIEW|TABLE name action`; table actions only on tables and views.
    Alter {
        kind: Kind,
        name: NameOrMarker,
        action: Alteration,
    },
    Insert(Box<Insert>),
    Update {
        table: NameOrMarker,
        alias: Option<String>,
        set: Vec<(Vec<String>, ast::Expr)>,
        filter: Option<ast::Expr>,
    },
    Delete {
        table: NameOrMarker,
        alias: Option<String>,
        filter: Option<ast::Expr>,
    },
    Merge(Box<Merge>),
    CopyInto(Box<CopyInto>),
    Truncate {
        table: NameOrMarker,
    },
    Describe {
        kind: Kind,
        name: NameOrMarker,
        extended: bool,
    },
    /// `DESCRIBE t c`.
    DescribeColumn {
        table: NameOrMarker,
        column: String,
    },
    /// Of a table's files: `OPTIMIZE t`, `DESCRIBE HISTORY t`, ..
    Upkeep {
        table: NameOrMarker,
        what: Upkeep,
    },
    /// `DESCRIBE QUERY q`.
    DescribeQuery(Box<ast::Query>),
    ShowCatalogs {
        like: Option<String>,
    },
    ShowSchemas {
        within: Option<NameOrMarker>,
        like: Option<String>,
    },
    ShowTables {
        within: Option<NameOrMarker>,
        like: Option<String>,
    },
    ShowViews {
        within: Option<NameOrMarker>,
        like: Option<String>,
    },
    /// `SHOW [USER|SYSTEM|ALL] FUNCTIONS [IN schema] [LIKE pattern]`.
    ShowFunctions {
        scope: FunctionScope,
        within: Option<NameOrMarker>,
        like: Option<String>,
    },
    ShowColumns {
        table: NameOrMarker,
    },
    ShowConnections {
        like: Option<String>,
    },
    ShowCreateTable {
        table: NameOrMarker,
    },
    ShowTableProperties {
        table: NameOrMarker,
        key: Option<String>,
    },
    /// `SHOW TABLE EXTENDED [IN schema] LIKE pattern`.
    ShowTableExtended {
        within: Option<NameOrMarker>,
        like: String,
    },
    /// `SHOW GRANTS [principal] ON kind name`.
    ShowGrants {
        principal: Option<String>,
        kind: Kind,
        name: Option<NameOrMarker>,
    },
    Comment {
        kind: Kind,
        name: NameOrMarker,
        comment: Option<String>,
    },
    /// `COMMENT ON COLUMN t.c IS ..`: the last part is the column.
    CommentOnColumn {
        table: NameOrMarker,
        column: String,
        comment: Option<String>,
    },
    Grant {
        privileges: Vec<String>,
        kind: Kind,
        name: Option<NameOrMarker>,
        principal: String,
    },
    Revoke {
        privileges: Vec<String>,
        kind: Kind,
        name: Option<NameOrMarker>,
        principal: String,
    },
    /// `EXECUTE IMMEDIATE text INTO variable, .. USING value AS name, ..`: the text is a statement of whoever says this.
    ExecuteImmediate {
        text: Box<ast::Expr>,
        into: Vec<Name>,
        using: Vec<(String, ast::Expr)>,
    },
    Declare(Box<DeclareVariables>),
    /// `SET VAR a = 1, b = DEFAULT`.
    SetVariables(Vec<(Name, Option<ast::Expr>)>),
    /// `SET VAR (a, b) = (SELECT ..)`.
    SetVariablesFrom {
        names: Vec<Name>,
        query: Box<ast::Query>,
    },
    DropVariable {
        name: Name,
        if_exists: bool,
    },
    UseCatalog(NameOrMarker),
    /// `USE [SCHEMA|DATABASE] [catalog.]schema`.
    UseSchema(NameOrMarker),
    /// `SET name = value`; `SET TIME ZONE x`, whose name is `timezone`; `RESET name`, whose value is `None`; `RESET`,
    /// whose name is empty. Only a few names have a meaning, the others are refused by name.
    Set {
        name: String,
        value: Option<String>,
    },
}

/// `DECLARE [OR REPLACE] [VARIABLE] name, .. [type] [DEFAULT expression]`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct DeclareVariables {
    pub names: Vec<Name>,
    pub or_replace: bool,
    /// None: the type of the default.
    pub data_type: Option<SqlType>,
    pub default: Option<ast::Expr>,
}

/// What is done to a table's files, or asked of them.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // the variants are what they are called
pub enum Upkeep {
    History,
    Detail,
    Optimize {
        zorder: Vec<String>,
    },
    Vacuum {
        dry_run: bool,
    },
    Analyze,
    Refresh,
    /// `RESTORE TABLE t TO VERSION AS OF n`, or `TIMESTAMP AS OF ..`.
    Restore {
        is_version: bool,
        at: Box<ast::Expr>,
    },
}

/// Where a column stands among the others.
#[derive(Clone, PartialEq, Debug)]
pub enum Place {
    /// `FIRST`.
    First,
    /// `AFTER c`.
    After(String),
}

/// Which functions `SHOW FUNCTIONS` lists. `All` when the statement does not say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the variants are what they are called
pub enum FunctionScope {
    User,
    System,
    All,
}

/// `CREATE CATALOG|SCHEMA`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct CreateContainer {
    pub name: NameOrMarker,
    pub if_not_exists: bool,
    pub comment: Option<String>,
    pub properties: BTreeMap<String, String>,
}

/// One column of `CREATE TABLE` or `ADD COLUMN`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct Column {
    pub name: String,
    pub data_type: SqlType,
    pub nullable: bool,
    pub default: Option<ast::Expr>,
    pub identity: Option<Identity>,
    pub comment: Option<String>,
    pub mask: Option<Mask>,
}

/// `GENERATED ALWAYS|BY DEFAULT AS IDENTITY (START WITH n INCREMENT BY m)`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct Identity {
    pub always: bool,
    pub start: i64,
    pub step: i64,
}

/// `MASK f [USING COLUMNS (..)]`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct Mask {
    pub function: NameOrMarker,
    pub using: Vec<PolicyArgument>,
}

/// `[WITH] ROW FILTER f ON (..)`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct RowFilter {
    pub function: NameOrMarker,
    pub on: Vec<PolicyArgument>,
}

/// What a policy's function is given: a column of the table, or a constant.
#[derive(Clone, PartialEq, Debug)]
pub enum PolicyArgument {
    /// A column's name.
    Column(String),
    /// A literal, as SQL text (`'x'`, `42`).
    Constant(String),
}

/// `CREATE [OR REPLACE] TABLE`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct CreateTable {
    pub name: NameOrMarker,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub columns: Vec<Column>,
    /// `LIKE t`, or `DEEP CLONE t`.
    pub like: Option<NameOrMarker>,
    /// `DEEP CLONE`: the query reads the other table.
    pub clone: bool,
    /// `AS query`.
    pub source: Option<Box<ast::Query>>,
    /// `USING delta|parquet|csv|json`, lower case.
    pub using: Option<String>,
    pub location: Option<String>,
    pub partitioned_by: Vec<String>,
    pub cluster_by: Vec<String>,
    pub comment: Option<String>,
    pub properties: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub row_filter: Option<RowFilter>,
    /// `PRIMARY KEY`: informational in Unity Catalog.
    pub primary_key: Option<PrimaryKey>,
    /// `FOREIGN KEY`: informational in Unity Catalog.
    pub foreign_keys: Vec<ForeignKey>,
}

/// What a table says of its rows. Keys are never enforced, conditions always.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Constraint {
    PrimaryKey(PrimaryKey),
    ForeignKey(ForeignKey),
    /// The condition is SQL text.
    Check {
        name: String,
        condition: String,
    },
}

/// `[CONSTRAINT name] PRIMARY KEY (..)`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct PrimaryKey {
    pub name: Option<String>,
    pub columns: Vec<String>,
}

/// Which constraint `DROP` is about.
#[derive(Clone, PartialEq, Debug)]
pub enum Dropped {
    /// `CONSTRAINT name`.
    Named(String),
    /// `PRIMARY KEY`.
    PrimaryKey,
    /// `FOREIGN KEY (..)`.
    ForeignKey(Vec<String>),
}

/// `[CONSTRAINT name] FOREIGN KEY (..) REFERENCES table [(..)]`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct ForeignKey {
    pub name: Option<String>,
    pub columns: Vec<String>,
    pub table: NameOrMarker,
    /// Empty: the other table's primary key.
    pub referenced: Vec<String>,
}

/// The body of a SQL function, parsed: what follows `RETURN`.
#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::large_enum_variant)] // taken apart where it is made, and never kept
pub enum FunctionBody {
    /// One value.
    Expression(ast::Expr),
    /// `SELECT ..`, also in parentheses: rows, or the one value of a scalar function.
    Query(ast::Query),
}

/// `CREATE [OR REPLACE] [TEMPORARY] VIEW`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct CreateView {
    pub name: NameOrMarker,
    pub temporary: bool,
    pub or_replace: bool,
    pub if_not_exists: bool,
    /// Column names with comments, if the statement gives them.
    pub columns: Vec<(String, Option<String>)>,
    pub comment: Option<String>,
    pub properties: BTreeMap<String, String>,
    pub query: Box<ast::Query>,
    /// The query as it was written.
    pub text: String,
}

/// One parameter of a function, or one column of its table result.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct Parameter {
    pub name: String,
    pub data_type: SqlType,
    /// SQL text.
    pub default: Option<String>,
    pub comment: Option<String>,
}

/// What a function gives back.
#[derive(Clone, PartialEq, Debug)]
pub enum Returns {
    /// One value. `None`: `RETURNS` was left out and the type is the body's.
    Scalar(Option<SqlType>),
    /// Rows. Empty: `RETURNS TABLE` without columns, which are then the query's.
    Table(Vec<Parameter>),
}

/// What a function does.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// `RETURN expression` or `RETURN query`, as written, without the word `RETURN`.
    Sql(String),
    /// `AS $$ .. $$` with `LANGUAGE PYTHON`.
    Python(String),
}

/// `CREATE [OR REPLACE] FUNCTION`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct CreateFunction {
    pub name: NameOrMarker,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub parameters: Vec<Parameter>,
    pub returns: Returns,
    pub body: Body,
    pub comment: Option<String>,
    /// `DETERMINISTIC` / `NOT DETERMINISTIC`.
    pub deterministic: Option<bool>,
    /// `CONTAINS SQL`, `READS SQL DATA`, as the REST API writes it (`CONTAINS_SQL`).
    pub data_access: Option<String>,
}

/// `CREATE CONNECTION name TYPE type OPTIONS (..)`. A value is a literal or `secret('scope', 'key')`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct CreateConnection {
    pub name: NameOrMarker,
    pub if_not_exists: bool,
    pub connection_type: String,
    pub options: Vec<(String, OptionValue)>,
    pub comment: Option<String>,
}

/// A value of an option.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum OptionValue {
    Literal(String),
    Secret { scope: String, key: String },
}

/// `INSERT INTO|OVERWRITE`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct Insert {
    pub table: NameOrMarker,
    pub overwrite: bool,
    /// `REPLACE WHERE ..`: the rows that go.
    pub replaced: Option<ast::Expr>,
    pub columns: Vec<String>,
    /// `BY NAME`.
    pub by_name: bool,
    pub source: Box<ast::Query>,
}

/// `MERGE INTO target USING source ON condition WHEN ..`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct Merge {
    pub target: NameOrMarker,
    pub alias: Option<String>,
    pub source: ast::TableFactor,
    pub condition: ast::Expr,
    pub clauses: Vec<MergeClause>,
}

/// One `WHEN`.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct MergeClause {
    pub when: MergeWhen,
    /// `AND condition`.
    pub condition: Option<ast::Expr>,
    pub then: MergeThen,
}

/// When a clause applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum MergeWhen {
    Matched,
    NotMatched,
    NotMatchedBySource,
}

/// What a clause does.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum MergeThen {
    UpdateAll,
    Update(Vec<(Vec<String>, ast::Expr)>),
    Delete,
    InsertAll,
    Insert { columns: Vec<String>, values: Vec<ast::Expr> },
}
