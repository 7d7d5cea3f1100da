//! What `ALTER` does.

use std::collections::BTreeMap;

use brickyard_types::SqlType;
use datafusion::sql::sqlparser::ast;

use super::{Column, Constraint, Dropped, Mask, NameOrMarker, OptionValue, Place, RowFilter};

/// What `ALTER` does.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Alteration {
    /// `[SET] OWNER TO principal`.
    OwnerTo(String),
    RenameTo(NameOrMarker),
    SetProperties(BTreeMap<String, String>),
    UnsetProperties {
        keys: Vec<String>,
        if_exists: bool,
    },
    /// Of a catalog, schema or connection: `SET COMMENT`; tables use `COMMENT ON`.
    SetComment(Option<String>),
    AddColumns(Vec<(Column, Option<Place>)>),
    ColumnPlace {
        column: String,
        place: Place,
    },
    /// `CLUSTER BY (..)`; empty: `NONE`, or whoever likes.
    ClusterBy(Vec<String>),
    DropColumns {
        names: Vec<String>,
        if_exists: bool,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    ColumnComment {
        column: String,
        comment: Option<String>,
    },
    ColumnType {
        column: String,
        data_type: SqlType,
    },
    ColumnNullable {
        column: String,
        nullable: bool,
    },
    /// `SET DEFAULT expression`, or `DROP DEFAULT`.
    ColumnDefault {
        column: String,
        default: Option<Box<ast::Expr>>,
    },
    SetMask {
        column: String,
        mask: Mask,
    },
    DropMask {
        column: String,
    },
    SetRowFilter(RowFilter),
    DropRowFilter,
    AddConstraint(Constraint),
    DropConstraint {
        dropped: Dropped,
        if_exists: bool,
        cascade: bool,
    },
    /// Of the object, or of one column.
    SetTags {
        column: Option<String>,
        tags: BTreeMap<String, String>,
    },
    UnsetTags {
        column: Option<String>,
        names: Vec<String>,
    },
    /// `ALTER VIEW v AS query`.
    ViewQuery {
        query: Box<ast::Query>,
        text: String,
    },
    SetOptions(Vec<(String, OptionValue)>),
    /// Understood and not made here. Says which.
    Refused(String),
}
