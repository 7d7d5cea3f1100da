//! `USE` and `SET`: what a session remembers.

use brickyard_catalog::unity::{ObjectKind, UseParents};

use crate::error::SqlError;
use crate::information_schema;
use crate::run::{Rows, Run, no_rows};
use crate::session::Current;
use crate::statement::NameOrMarker;

impl Run<'_> {
    pub(crate) fn use_catalog(&self, name: &NameOrMarker) -> Result<Rows, SqlError> {
        let catalog = self.object(ObjectKind::Catalog, name)?;
        self.authorize(UseParents(Self::target(&catalog)))?;
        self.session.set_current(Current { catalog: catalog.name.to_string(), schema: "default".to_owned() });
        Ok(no_rows())
    }

    pub(crate) fn use_schema(&self, name: &NameOrMarker) -> Result<Rows, SqlError> {
        let path = self.path(ObjectKind::Schema, name)?;
        if information_schema::holds(&path) {
            let catalog = self.described_catalog(&self.session.speaker().asker(), &path)?;
            let catalog = catalog.map_or_else(|| path.parts()[0].clone(), |catalog| catalog.name.to_string());
            self.session.set_current(Current { catalog, schema: information_schema::NAME.to_owned() });
            return Ok(no_rows());
        }
        let schema = self.object(ObjectKind::Schema, name)?;
        self.authorize(UseParents(Self::target(&schema)))?;
        let Some((catalog, schema)) = schema.full_name.split_once('.') else {
            return Err(SqlError::condition(
                "INVALID_IDENTIFIER",
                "42602",
                format!("{} is no schema.", schema.full_name),
            ));
        };
        self.session.set_current(Current { catalog: catalog.to_owned(), schema: schema.to_owned() });
        Ok(no_rows())
    }

    /// Parameters of a session. Those that are what this warehouse always does are taken; the others are refused.
    pub(crate) fn set(&self, name: &str, value: Option<&str>) -> Result<Rows, SqlError> {
        let Some(value) = value else { return Ok(no_rows()) };
        let fixed = match name.to_lowercase().as_str() {
            "timezone" | "spark.sql.session.timezone" => &["utc", "etc/utc", "gmt", "+00:00", "z"][..],
            "ansi_mode" | "spark.sql.ansi.enabled" => &["true"][..],
            _ => return Err(SqlError::unsupported(format_args!("the session parameter '{name}'"))),
        };
        if fixed.contains(&value.trim_matches(['\'', '"']).to_lowercase().as_str()) {
            return Ok(no_rows());
        }
        Err(SqlError::unsupported(format_args!("the value '{value}' of the session parameter '{name}'")))
    }
}
