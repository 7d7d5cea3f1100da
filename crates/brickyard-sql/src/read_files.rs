//! Files as rows: `read_files(..)`, and external tables over a folder.
//!
//! Paths start at the folder of files that the engine was opened with, and nothing outside it is read: not by `..`, not
//! by an absolute path, not by a symbolic link, not by a URL. CSV files have a header unless `header => false` says
//! otherwise (Databricks' own default is `false`, its examples say `true`; sample data has headers).
//!
//! Source: Databricks' SQL manual, "read_files table-valued function".

mod options;
mod paths;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brickyard_catalog::unity::{Column, Object};
use brickyard_types::SqlType;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::reader::infer_json_schema_from_iterator;
use datafusion::datasource::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;

use crate::arrow_types;
use crate::delta;
use crate::engine::Inner;
use crate::error::SqlError;

use options::{Format, Options};

/// The option that says which of a path's files are meant, one a line: `COPY INTO` loads no file twice.
pub(crate) const ONLY: &str = "@files";

/// The files that a path means, below the folder of files: all of them, those of these names, or those that fit a pattern.
pub(crate) async fn chosen(
    inner: &Inner,
    path: &str,
    names: &[String],
    pattern: Option<&str>,
) -> Result<Vec<String>, SqlError> {
    let path = path.trim_end_matches('/');
    let mut files = Vec::new();
    match pattern {
        Some(pattern) => files = paths::files(inner, &format!("{path}/{pattern}")).await?,
        None if names.is_empty() => files = paths::files(inner, path).await?,
        None => {
            for name in names {
                files.extend(paths::files(inner, &format!("{path}/{name}")).await?);
            }
        }
    }
    let mut below: Vec<String> = files.iter().map(|file| paths::below(inner, file)).collect();
    below.sort();
    below.dedup();
    Ok(below)
}

/// `read_files('path', format => 'csv', ..)`.
pub(crate) async fn table(
    inner: &Inner,
    path: &str,
    options: BTreeMap<String, String>,
) -> Result<Arc<dyn TableProvider>, SqlError> {
    if asks_for(&options, "delta") {
        let folder = paths::folder(inner, path)?;
        let columns = columns_of(&*delta::schema_at(inner, &folder).await?)?;
        return delta::at(inner, &folder, &columns).await;
    }
    let mut files = paths::files(inner, path).await?;
    let mut options = options;
    if let Some(only) = options.remove(ONLY) {
        let only: HashSet<&str> = only.split('\n').collect();
        files.retain(|file| only.contains(paths::below(inner, file).as_str()));
    }
    let options = Options::read(&files, options)?;
    let columns = match &options.schema {
        Some(columns) => columns.clone(),
        None => inferred(inner, &files, &options).await?,
    };
    let declared = options.schema.is_some();
    as_columns(inner, files, &options, &columns, declared).await
}

/// An external table's raw rows, with exactly the declared columns and types. Nothing is filtered or masked.
pub(crate) async fn external(inner: &Inner, object: &Object) -> Result<Arc<dyn TableProvider>, SqlError> {
    let Some(detail) = object.table() else { return Err(SqlError::unsupported("reading what is no table")) };
    let Some(location) = &detail.location else {
        let message = format!("The table {} has no location.", object.full_name);
        return Err(SqlError::condition("INTERNAL_ERROR", "XX000", message));
    };
    let format = detail.format.as_deref().unwrap_or("DELTA");
    if format.eq_ignore_ascii_case("delta") {
        let folder = paths::folder(inner, location)?;
        return delta::at(inner, &folder, &detail.columns).await;
    }
    let files = paths::files(inner, location).await?;
    let options = Options::read(&files, with_format(&detail.options, format))?;
    as_columns(inner, files, &options, &detail.columns, true).await
}

/// The columns of what is at a location, for an external table whose statement does not list them. Also checks that the
/// location and the options can be read at all.
pub(crate) async fn external_columns(
    inner: &Inner,
    location: &str,
    format: &str,
    options: &BTreeMap<String, String>,
) -> Result<Vec<Column>, SqlError> {
    if format.eq_ignore_ascii_case("delta") {
        let folder = paths::folder(inner, location)?;
        return columns_of(&*delta::schema_at(inner, &folder).await?);
    }
    let files = paths::files(inner, location).await?;
    let options = Options::read(&files, with_format(options, format))?;
    match &options.schema {
        Some(columns) => Ok(columns.clone()),
        None => inferred(inner, &files, &options).await,
    }
}

fn asks_for(options: &BTreeMap<String, String>, format: &str) -> bool {
    let mut said = options.iter().filter(|(name, _)| name.eq_ignore_ascii_case("format"));
    said.any(|(_, value)| value.eq_ignore_ascii_case(format))
}

fn with_format(options: &BTreeMap<String, String>, format: &str) -> BTreeMap<String, String> {
    let mut options = options.clone();
    options.insert("format".to_owned(), format.to_lowercase());
    options
}

/// What the files themselves look like.
async fn inferred(inner: &Inner, files: &[PathBuf], options: &Options) -> Result<Vec<Column>, SqlError> {
    let schema = file_schema(inner, &delta::reading(inner), files, options).await?;
    let mut columns = columns_of(&schema)?;
    for column in &mut columns {
        if column.data_type == SqlType::Void {
            column.data_type = SqlType::String;
        }
        // Text files hold instants; there is no other way to write one.
        if column.data_type == SqlType::TimestampNtz && options.format != Format::Parquet {
            column.data_type = SqlType::Timestamp;
        }
        if !options.infer_types && options.format == Format::Csv {
            column.data_type = SqlType::String;
        }
    }
    Ok(columns)
}

async fn file_schema(
    inner: &Inner,
    state: &SessionState,
    files: &[PathBuf],
    options: &Options,
) -> Result<SchemaRef, SqlError> {
    let listing = ListingOptions::new(file_format(options)).with_file_extension("");
    let mut schema: Option<Schema> = None;
    for file in files {
        let next = if options.format == Format::Json && options.multi_line {
            array_schema(file).await
        } else {
            listing.infer_schema(state, &url(file)?).await
        };
        let next = next.map_err(|error| unreadable(inner, file, error))?;
        schema = Some(match schema {
            None => (*next).clone(),
            Some(before) => merged(&before, &next),
        });
    }
    let schema = schema.unwrap_or_else(Schema::empty);
    Ok(Arc::new(match options.format {
        Format::Json => Schema::new(by_name(schema.fields())),
        Format::Csv | Format::Parquet => schema,
    }))
}

/// The columns of a file that is one JSON array. DataFusion would take each of its lines for an object.
async fn array_schema(file: &Path) -> Result<SchemaRef, DataFusionError> {
    let text = tokio::fs::read(file).await?;
    let rows: Vec<serde_json::Value> =
        serde_json::from_slice(&text).map_err(|error| ArrowError::JsonError(error.to_string()))?;
    Ok(Arc::new(infer_json_schema_from_iterator(rows.iter().map(Ok))?))
}

/// A file that is not what it is said to be, by its name below the folder of files.
fn unreadable(inner: &Inner, file: &Path, error: DataFusionError) -> SqlError {
    match error.find_root() {
        DataFusionError::ParquetError(_) | DataFusionError::ArrowError(..) => {
            let why = crate::error::of_engine::text(&error);
            let message = format!("Error while reading file {}: {why}.", paths::below(inner, file));
            SqlError::condition("FAILED_READ_FILE.NO_HINT", "KD001", message)
        }
        _ => error.into(),
    }
}

/// Columns of both, by name.
fn merged(left: &Schema, right: &Schema) -> Schema {
    Schema::new(merged_fields(left.fields(), right.fields()))
}

fn merged_fields(left: &Fields, right: &Fields) -> Vec<Field> {
    let mut fields: Vec<Field> = left.iter().map(|field| (**field).clone()).collect();
    for field in right {
        match fields.iter_mut().find(|known| known.name() == field.name()) {
            None => fields.push((**field).clone()),
            Some(known) => {
                *known = Field::new(known.name(), wider(known.data_type(), field.data_type()), true)
            }
        }
    }
    fields
}

/// What holds the values of a column whose types differ between files: the wider number, or text.
fn wider(left: &DataType, right: &DataType) -> DataType {
    match (left, right) {
        (left, right) if left == right => left.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        (DataType::Struct(left), DataType::Struct(right)) => {
            DataType::Struct(merged_fields(left, right).into())
        }
        (DataType::List(left), DataType::List(right)) => {
            let element = wider(left.data_type(), right.data_type());
            DataType::List(Arc::new(Field::new(left.name(), element, true)))
        }
        _ => DataType::Utf8,
    }
}

/// The fields of objects in order of their names, however deep: Spark reads JSON so, as objects have no order. What is
/// nowhere anything but null is text.
fn by_name(fields: &Fields) -> Fields {
    let mut sorted: Vec<Field> = fields
        .iter()
        .map(|field| Field::new(field.name(), by_name_inside(field.data_type()), field.is_nullable()))
        .collect();
    sorted.sort_by(|one, other| one.name().cmp(other.name()));
    sorted.into()
}

fn by_name_inside(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(by_name(fields)),
        DataType::List(element) => {
            let inside = by_name_inside(element.data_type());
            DataType::List(Arc::new(Field::new(element.name(), inside, element.is_nullable())))
        }
        DataType::Null => DataType::Utf8,
        other => other.clone(),
    }
}

fn columns_of(schema: &Schema) -> Result<Vec<Column>, SqlError> {
    let columns = schema.fields().iter().map(|field| {
        let data_type = arrow_types::to_sql(field.data_type()).ok_or_else(|| {
            SqlError::unsupported(format_args!("the type {} of column '{}'", field.data_type(), field.name()))
        })?;
        let name = field.name().clone();
        Ok(Column {
            name,
            data_type,
            nullable: true,
            comment: None,
            mask: None,
            default: None,
            identity: None,
            tags: Default::default(),
        })
    });
    columns.collect()
}

/// The files as these columns.
async fn as_columns(
    inner: &Inner,
    files: Vec<PathBuf>,
    options: &Options,
    columns: &[Column],
    declared: bool,
) -> Result<Arc<dyn TableProvider>, SqlError> {
    let state = delta::reading(inner);
    let mut schema = file_schema(inner, &state, &files, options).await?;
    if options.format == Format::Csv {
        // A CSV file is text: it is read as that, and what a type cannot hold is NULL, as Databricks' `PERMISSIVE` mode
        // has it. Declared columns take the fields in order, as in Spark.
        let names = schema.fields().iter().enumerate().map(|(index, field)| match columns.get(index) {
            Some(column) if declared => column.name.clone(),
            _ if declared => format!("_extra_{index}"),
            _ => field.name().clone(),
        });
        let fields: Vec<Field> = names.map(|name| Field::new(name, DataType::Utf8, true)).collect();
        schema = Arc::new(Schema::new(fields));
    }
    if options.format == Format::Json && declared {
        schema = Arc::new(Schema::new(as_deep_as(columns, &schema)));
    }
    let urls = files.iter().map(|file| url(file)).collect::<Result<Vec<_>, _>>()?;
    let listing = ListingOptions::new(file_format(options)).with_file_extension("");
    let config =
        ListingTableConfig::new_with_multi_paths(urls).with_listing_options(listing).with_schema(schema);
    let raw = Arc::new(ListingTable::try_new(config)?);
    let lenient = options.format != Format::Parquet && !options.fail_fast;
    delta::as_declared(raw, columns, lenient)
}

/// The fields of JSON files, those that hold other fields as they are declared: no cast leaves a field out, or adds one.
fn as_deep_as(columns: &[Column], found: &Schema) -> Vec<Field> {
    let mut fields: Vec<Field> = found.fields().iter().map(|field| (**field).clone()).collect();
    for column in columns {
        if !matches!(column.data_type, SqlType::Struct(_) | SqlType::Array(_) | SqlType::Map(..)) {
            continue;
        }
        if let Some(field) = fields.iter_mut().find(|field| field.name().eq_ignore_ascii_case(&column.name)) {
            *field = Field::new(field.name(), arrow_types::stored(&column.data_type), true);
        }
    }
    fields
}

fn file_format(options: &Options) -> Arc<dyn FileFormat> {
    match options.format {
        Format::Parquet => Arc::new(ParquetFormat::default().with_force_view_types(true)),
        Format::Json => Arc::new(JsonFormat::default().with_newline_delimited(!options.multi_line)),
        Format::Csv => Arc::new(
            CsvFormat::default()
                .with_has_header(options.header)
                .with_delimiter(options.delimiter)
                .with_quote(options.quote)
                .with_escape(options.escape)
                .with_comment(options.comment)
                .with_null_regex(options.null_regex.clone())
                .with_newlines_in_values(options.multi_line)
                .with_truncated_rows(true),
        ),
    }
}

/// A file as the listing takes it. Characters that mean something in patterns mean nothing here: patterns are resolved.
fn url(file: &Path) -> Result<ListingTableUrl, SqlError> {
    let text = file.to_str().ok_or_else(|| paths::not_found(&file.to_string_lossy()))?;
    let url = deltalake_core::table::builder::parse_table_uri(text).map_err(|_| paths::not_found(text))?;
    Ok(ListingTableUrl::try_new(url, None)?)
}
