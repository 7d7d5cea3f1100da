//! The relations and their columns, as Databricks documents them.
//! Source: Databricks' SQL language manual, "Information schema" and the page of each relation.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::arrow_types::UTC;

/// The columns of a relation; a word after a colon is a type other than STRING, and `@type` are those of [`TYPE`].
pub(super) const RELATIONS: &[(&str, &str)] = &[
    ("catalog_privileges", "grantor grantee catalog_name privilege_type is_grantable inherited_from"),
    (
        "catalogs",
        "catalog_name catalog_owner comment created:time created_by last_altered:time last_altered_by",
    ),
    (
        "column_masks",
        "catalog_name schema_name table_name column_name mask_catalog mask_schema mask_name mask_col_usage",
    ),
    (
        "columns",
        "table_catalog table_schema table_name column_name ordinal_position:int column_default is_nullable \
         full_data_type data_type @type is_identity identity_generation identity_start identity_increment \
         identity_maximum identity_minimum identity_cycle is_generated generation_expression \
         is_system_time_period_start is_system_time_period_end system_time_period_timestamp_generation \
         is_updatable partition_index:int comment",
    ),
    ("catalog_tags", "catalog_name tag_name tag_value"),
    ("column_tags", "catalog_name schema_name table_name column_name tag_name tag_value"),
    ("schema_tags", "catalog_name schema_name tag_name tag_value"),
    ("table_tags", "catalog_name schema_name table_name tag_name tag_value"),
    ("information_schema_catalog_name", "catalog_name"),
    (
        "key_column_usage",
        "constraint_catalog constraint_schema constraint_name table_catalog table_schema table_name column_name \
         ordinal_position:int position_in_unique_constraint:int",
    ),
    (
        "parameters",
        "specific_catalog specific_schema specific_name ordinal_position:int parameter_mode is_result as_locator \
         parameter_name full_data_type data_type @type parameter_default comment",
    ),
    (
        "referential_constraints",
        "constraint_catalog constraint_schema constraint_name unique_constraint_catalog unique_constraint_schema \
         unique_constraint_name match_option update_rule delete_rule",
    ),
    (
        "routine_columns",
        "specific_catalog specific_schema specific_name ordinal_position:int column_name full_data_type data_type \
         @type comment",
    ),
    (
        "routine_privileges",
        "grantor grantee specific_catalog specific_schema specific_name routine_catalog routine_schema \
         routine_name privilege_type is_grantable inherited_from",
    ),
    (
        "routines",
        "specific_catalog specific_schema specific_name routine_catalog routine_schema routine_name routine_owner \
         routine_type full_data_type data_type @type routine_body routine_definition external_name \
         external_language parameter_style is_deterministic sql_data_access is_null_call sql_path security_type \
         as_locator comment created:time created_by last_altered:time last_altered_by",
    ),
    (
        "row_filters",
        "catalog_name schema_name table_name filter_catalog filter_schema filter_name filter_col_usage",
    ),
    (
        "schema_privileges",
        "grantor grantee catalog_name schema_name privilege_type is_grantable inherited_from",
    ),
    (
        "schemata",
        "catalog_name schema_name schema_owner comment created:time created_by last_altered:time last_altered_by",
    ),
    (
        "table_constraints",
        "constraint_catalog constraint_schema constraint_name table_catalog table_schema table_name \
         constraint_type is_deferrable initially_deferred enforced comment",
    ),
    (
        "table_privileges",
        "grantor grantee table_catalog table_schema table_name privilege_type is_grantable inherited_from",
    ),
    (
        "tables",
        "table_catalog table_schema table_name table_type is_insertable_into commit_action table_owner comment \
         created:time created_by last_altered:time last_altered_by data_source_format storage_path",
    ),
    (
        "views",
        "table_catalog table_schema table_name view_definition check_option is_updatable is_insertable_into \
         sql_path is_materialized",
    ),
];

/// Relations that Databricks has and brickyard does not: asked for, they are refused by name.
pub(super) const NOT_HERE: &[&str] = &[
    "check_constraints",
    "connection_privileges",
    "connections",
    "constraint_column_usage",
    "constraint_table_usage",
    "credential_privileges",
    "credentials",
    "external_location_privileges",
    "external_locations",
    "metastore_privileges",
    "metastores",
    "providers",
    "recipients",
    "shares",
    "storage_credentials",
    "volume_privileges",
    "volume_tags",
    "volumes",
];

/// What is said of a type, behind its name.
const TYPE: &str = "character_maximum_length:int character_octet_length numeric_precision:int \
                    numeric_precision_radix:int numeric_scale:int datetime_precision:int interval_type \
                    interval_precision:int maximum_cardinality:int";

/// The columns of a relation.
pub(super) fn of(relation: &str) -> Option<SchemaRef> {
    let (_, columns) = RELATIONS.iter().find(|(name, _)| *name == relation)?;
    let columns = columns.replace("@type", TYPE);
    let fields = columns.split_whitespace().map(|column| match column.split_once(':') {
        None => Field::new(column, DataType::Utf8, true),
        Some((name, "int")) => Field::new(name, DataType::Int32, true),
        Some((name, _)) => {
            Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())), true)
        }
    });
    Some(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}
