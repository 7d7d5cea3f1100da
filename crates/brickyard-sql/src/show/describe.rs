//! `DESCRIBE`, `SHOW COLUMNS` and `SHOW TBLPROPERTIES`: one object, for who sees it.

use std::sync::Arc;

use brickyard_catalog::unity::{
    FunctionBody, FunctionReturns, Object, ObjectKind, PolicyArgument, SeeObject, TableDetail, TableKind,
};

use crate::definition::columns::position;
use crate::definition::{is_of_kind, object_kind};
use crate::error::SqlError;
use crate::run::{Rows, Run};
use crate::show::text_rows;
use crate::statement::{Kind, NameOrMarker};

/// What a row says, in pairs.
type Info = Vec<(String, String)>;

impl Run<'_> {
    /// An object that the speaker sees.
    pub(super) fn visible(&self, kind: ObjectKind, name: &NameOrMarker) -> Result<Arc<Object>, SqlError> {
        let object = self.object(kind, name)?;
        self.authorize(SeeObject(Self::target(&object)))?;
        Ok(object)
    }

    /// Whether the speaker is shown the text of a view or function.
    pub(super) fn reads_definition(&self, object: &Object) -> bool {
        self.sql.catalog.reads_definition(self.session.speaker().principal(), &object.reference())
    }

    pub(crate) fn describe(&self, kind: Kind, name: &NameOrMarker, extended: bool) -> Result<Rows, SqlError> {
        if matches!(kind, Kind::Table | Kind::View)
            && let Some(rows) = self.describe_relation(name)?
        {
            return Ok(rows);
        }
        let object = self.visible(object_kind(kind), name)?;
        if kind == Kind::View {
            is_of_kind(kind, &object)?;
        }
        if let Some(table) = object.table() {
            return self.describe_table(&object, table, extended);
        }
        let info = match object.kind {
            ObjectKind::Function => return self.describe_function(&object, extended),
            ObjectKind::Catalog => self.about("Catalog", &object),
            ObjectKind::Schema => {
                let catalog = object.full_name.split('.').next().unwrap_or_default().to_owned();
                let mut info = vec![("Catalog Name".to_owned(), catalog)];
                info.extend(self.about("Namespace", &object));
                info
            }
            _ => {
                let mut info = self.about("Connection", &object);
                if let Some(connection) = object.connection() {
                    info.push(("Type".to_owned(), connection.connection_type.clone()));
                    info.push(("Options".to_owned(), options(&connection.options)));
                }
                info
            }
        };
        let mut info = info;
        if extended {
            info.push(("Properties".to_owned(), properties(&object.properties)));
        }
        let names = match object.kind {
            ObjectKind::Schema => ["database_description_item", "database_description_value"],
            _ => ["info_name", "info_value"],
        };
        text_rows(&names, info.into_iter().map(|(name, value)| vec![Some(name), Some(value)]).collect())
    }

    fn about(&self, what: &str, object: &Object) -> Info {
        vec![
            (format!("{what} Name"), object.name.to_string()),
            ("Comment".to_owned(), object.comment.clone().unwrap_or_default()),
            ("Owner".to_owned(), self.sql.catalog.grantee_name(object.owner)),
        ]
    }

    fn describe_table(&self, object: &Object, table: &TableDetail, extended: bool) -> Result<Rows, SqlError> {
        let mut rows: Vec<Vec<Option<String>>> = (table.columns.iter())
            .map(|column| {
                vec![Some(column.name.clone()), Some(column.data_type.to_string()), column.comment.clone()]
            })
            .collect();
        if extended {
            let mut line =
                |name: &str, value: String| rows.push(vec![Some(name.to_owned()), Some(value), None]);
            line("", String::new());
            line("# Detailed Table Information", String::new());
            let mut parts = object.full_name.splitn(3, '.');
            for name in ["Catalog", "Database", "Table"] {
                line(name, parts.next().unwrap_or_default().to_owned());
            }
            line("Owner", self.sql.catalog.grantee_name(object.owner));
            line("Created Time", object.created_at.to_string());
            line("Last Access", "UNKNOWN".to_owned());
            line("Created By", object.created_by.to_string());
            line("Type", kind_word(table.table_kind).to_owned());
            if let Some(comment) = &object.comment {
                line("Comment", comment.clone());
            }
            if let Some(location) = &table.location {
                line("Location", location.clone());
            }
            if let Some(format) = &table.format {
                line("Provider", format.to_lowercase());
            }
            if let Some(query) = table.view_query.as_ref().filter(|_| self.reads_definition(object)) {
                line("View Text", query.clone());
                let current = [table.view_context.0.as_deref(), table.view_context.1.as_deref()];
                line(
                    "View Catalog and Namespace",
                    current.into_iter().flatten().collect::<Vec<_>>().join("."),
                );
            }
            if !object.properties.is_empty() {
                line("Table Properties", options(&object.properties));
            }
            if let Some(filter) = &table.row_filter {
                line("# Row Filter", String::new());
                line("Function", filter.function_name.to_string());
                line("Arguments", arguments(&filter.arguments));
            }
            if table.columns.iter().any(|column| column.mask.is_some()) {
                line("# Column Masks", String::new());
                for column in &table.columns {
                    if let Some(mask) = &column.mask {
                        line(&column.name, format!("{}({})", mask.function_name, arguments(&mask.arguments)));
                    }
                }
            }
            let referred = |key| self.referred_to(key).map(|other| (key, other));
            let foreign: Vec<_> = table.foreign_keys.iter().filter_map(referred).collect();
            if !table.primary_key.is_empty() || !foreign.is_empty() {
                line("# Constraints", String::new());
            }
            if !table.primary_key.is_empty() {
                line(
                    &table.key_name(&object.name),
                    format!("PRIMARY KEY ({})", table.primary_key.join(", ")),
                );
            }
            for (key, other) in foreign {
                let columns = key.columns.join(", ");
                line(&key.name, format!("FOREIGN KEY ({columns}) REFERENCES {}", other.full_name));
            }
        }
        text_rows(&["col_name", "data_type", "comment"], rows)
    }

    fn describe_function(&self, object: &Object, extended: bool) -> Result<Rows, SqlError> {
        let Some(function) = object.function() else {
            return Err(SqlError::unsupported(format_args!("DESCRIBE FUNCTION of {}", object.full_name)));
        };
        let mut lines = vec![
            format!("Function:    {}", object.full_name),
            format!(
                "Type:        {}",
                if matches!(function.returns, FunctionReturns::Scalar(_)) { "SCALAR" } else { "TABLE" }
            ),
        ];
        for (at, parameter) in function.parameters.iter().enumerate() {
            let label = if at == 0 { "Input:      " } else { "            " };
            lines.push(format!("{label} {} {}", parameter.name, parameter.data_type.in_capitals()));
        }
        match &function.returns {
            FunctionReturns::Scalar(returns) => lines.push(format!("Returns:     {}", returns.in_capitals())),
            FunctionReturns::Table(columns) => {
                for (at, column) in columns.iter().enumerate() {
                    let label = if at == 0 { "Returns:    " } else { "            " };
                    lines.push(format!("{label} {} {}", column.name, column.data_type.in_capitals()));
                }
            }
        }
        if extended {
            lines.push(format!("Comment:     {}", object.comment.clone().unwrap_or_default()));
            lines.push(format!("Deterministic: {}", function.deterministic));
            lines.push(format!("Data Access: {}", function.data_access.replace('_', " ")));
            lines.push(format!("Owner:       {}", self.sql.catalog.grantee_name(object.owner)));
            lines.push(format!("Create Time: {}", object.created_at));
            if self.reads_definition(object) {
                let (FunctionBody::Sql(body) | FunctionBody::Python(body)) = &function.body;
                lines.push(format!("Body:        {body}"));
            }
        }
        text_rows(&["function_desc"], lines.into_iter().map(|line| vec![Some(line)]).collect())
    }

    pub(crate) fn show_columns(&self, name: &NameOrMarker) -> Result<Rows, SqlError> {
        if let Some(columns) = self.described_relation(name)? {
            return text_rows(&["col_name"], columns.into_iter().map(|(name, _)| vec![Some(name)]).collect());
        }
        let object = self.visible(ObjectKind::Table, name)?;
        let columns = object.table().map(|table| table.columns.clone()).unwrap_or_default();
        text_rows(&["col_name"], columns.into_iter().map(|column| vec![Some(column.name)]).collect())
    }

    /// `DESCRIBE t c`.
    pub(crate) fn describe_column(&self, name: &NameOrMarker, column: &str) -> Result<Rows, SqlError> {
        let object = self.visible(ObjectKind::Table, name)?;
        let columns = object.table().map(|table| table.columns.as_slice()).unwrap_or_default();
        let column = &columns[position(columns, column)?];
        let line = |name: &str, value: String| vec![Some(name.to_owned()), Some(value)];
        let rows = vec![
            line("col_name", column.name.clone()),
            line("data_type", column.data_type.to_string()),
            line("comment", column.comment.clone().unwrap_or_else(|| "NULL".to_owned())),
        ];
        text_rows(&["info_name", "info_value"], rows)
    }

    pub(crate) fn show_table_properties(
        &self,
        name: &NameOrMarker,
        key: Option<&str>,
    ) -> Result<Rows, SqlError> {
        let object = self.visible(ObjectKind::Table, name)?;
        if let Some(key) = key {
            let missing = || format!("Table {} does not have property: {key}", object.full_name);
            let value = object.properties.get(key).cloned().unwrap_or_else(missing);
            return text_rows(&["key", "value"], vec![vec![Some(key.to_owned()), Some(value)]]);
        }
        let rows = object.properties.iter().map(|(key, value)| vec![Some(key.clone()), Some(value.clone())]);
        text_rows(&["key", "value"], rows.collect())
    }
}

pub(super) fn kind_word(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Managed => "MANAGED",
        TableKind::External => "EXTERNAL",
        TableKind::View => "VIEW",
    }
}

pub(super) fn arguments(arguments: &[PolicyArgument]) -> String {
    let shown = arguments.iter().map(|argument| match argument {
        PolicyArgument::Column(name) => brickyard_catalog::unity::quoted(name),
        PolicyArgument::Constant(text) => text.clone(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Of what holds tables. (Those of a table are written as options are.)
fn properties(properties: &std::collections::BTreeMap<String, String>) -> String {
    let shown: Vec<_> = properties.iter().map(|(key, value)| format!("({key},{value})")).collect();
    format!("({})", shown.join(", "))
}

fn options(options: &std::collections::BTreeMap<String, String>) -> String {
    let shown: Vec<_> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("[{}]", shown.join(","))
}
