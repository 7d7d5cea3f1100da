//! `SHOW CREATE TABLE`: the statement that makes a table or view like this one.

use std::fmt::Write;

use brickyard_catalog::unity::{ObjectKind, SelectTable, TableKind, quoted};

use crate::error::SqlError;
use crate::run::{Rows, Run};
use crate::show::describe::arguments;
use crate::show::text_rows;
use crate::statement::NameOrMarker;

impl Run<'_> {
    pub(crate) fn show_create_table(&self, name: &NameOrMarker) -> Result<Rows, SqlError> {
        let object = self.visible(ObjectKind::Table, name)?;
        let Some(table) = object.table() else {
            return Err(SqlError::unsupported(format_args!("SHOW CREATE TABLE of {}", object.full_name)));
        };
        let full_name: Vec<_> = object.full_name.split('.').map(quoted).collect();
        let is_view = table.table_kind == TableKind::View;
        // Nothing is left of a view without its text: who is not shown that is refused.
        if is_view && !self.reads_definition(&object) {
            self.authorize(SelectTable(Self::target(&object)))?;
        }
        let columns: Vec<_> = (table.columns.iter())
            .map(|column| {
                let mut line = format!("  {}", quoted(&column.name));
                if !is_view {
                    let _ = write!(line, " {}", column.data_type.in_capitals());
                    if !column.nullable {
                        line.push_str(" NOT NULL");
                    }
                    if let Some(identity) = &column.identity {
                        let how = if identity.always { "ALWAYS" } else { "BY DEFAULT" };
                        let (start, step) = (identity.start, identity.step);
                        let _ = write!(
                            line,
                            " GENERATED {how} AS IDENTITY (START WITH {start} INCREMENT BY {step})"
                        );
                    }
                    if let Some(default) = &column.default {
                        let _ = write!(line, " DEFAULT {default}");
                    }
                }
                if let Some(comment) = &column.comment {
                    let _ = write!(line, " COMMENT {}", literal(comment));
                }
                if let Some(mask) = &column.mask {
                    let _ = write!(line, " MASK {}", function(&mask.function_name));
                    if !mask.arguments.is_empty() {
                        let _ = write!(line, " USING COLUMNS ({})", arguments(&mask.arguments));
                    }
                }
                line
            })
            .collect();
        let word = if is_view { "VIEW" } else { "TABLE" };
        let mut text = format!("CREATE {word} {} (\n{}", full_name.join("."), columns.join(",\n"));
        if !table.primary_key.is_empty() {
            let keys: Vec<_> = table.primary_key.iter().map(|key| quoted(key)).collect();
            let name = table.primary_key_name.as_deref();
            let name = name.map_or_else(String::new, |name| format!("CONSTRAINT {} ", quoted(name)));
            let _ = write!(text, ",\n  {name}PRIMARY KEY ({})", keys.join(", "));
        }
        for key in &table.foreign_keys {
            let Some(other) = self.referred_to(key) else { continue };
            let columns: Vec<_> = key.columns.iter().map(|column| quoted(column)).collect();
            let other: Vec<_> = other.full_name.split('.').map(quoted).collect();
            let name = quoted(&key.name);
            let (columns, other) = (columns.join(", "), other.join("."));
            let _ = write!(text, ",\n  CONSTRAINT {name} FOREIGN KEY ({columns}) REFERENCES {other}");
        }
        text.push(')');
        if let (Some(format), false) = (&table.format, is_view) {
            let _ = write!(text, "\nUSING {}", format.to_lowercase());
        }
        if !table.options.is_empty() {
            let _ = write!(text, "\nOPTIONS ({})", pairs(&table.options));
        }
        if let Some(location) = &table.location {
            let _ = write!(text, "\nLOCATION {}", literal(location));
        }
        if let Some(comment) = &object.comment {
            let _ = write!(text, "\nCOMMENT {}", literal(comment));
        }
        if !object.properties.is_empty() {
            let _ = write!(text, "\nTBLPROPERTIES ({})", pairs(&object.properties));
        }
        if let Some(filter) = &table.row_filter {
            let on = arguments(&filter.arguments);
            let _ = write!(text, "\nWITH ROW FILTER {} ON ({on})", function(&filter.function_name));
        }
        if let Some(query) = &table.view_query {
            let _ = write!(text, "\nAS {query}");
        }
        text_rows(&["createtab_stmt"], vec![vec![Some(text)]])
    }
}

fn function(full_name: &str) -> String {
    full_name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn pairs(options: &std::collections::BTreeMap<String, String>) -> String {
    let shown: Vec<_> =
        options.iter().map(|(key, value)| format!("{} = {}", literal(key), literal(value))).collect();
    shown.join(", ")
}
