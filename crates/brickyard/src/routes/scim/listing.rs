//! A listing: filtered, sorted, cut into pages.

use brickyard_identity::Directory;
use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::Filter;
use super::invalid_value;
use super::record::{Attribute, Kind, Projection, Record};
use crate::errors::ApiError;

/// The largest page. The SDK asks for this many.
const LARGEST_PAGE: u64 = 10_000;

/// The query of a listing, and of a single record, where only the attributes count.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    pub(super) attributes: Option<String>,
    pub(super) excluded_attributes: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) start_index: Option<i64>,
    pub(super) count: Option<i64>,
    pub(super) sort_by: Option<String>,
    pub(super) sort_order: Option<String>,
}

/// One page of a listing. A page beyond the end has no resources, so that whoever asks on can stop.
///
/// # Errors
/// If the filter or the order cannot be understood.
pub(super) fn page(directory: &Directory, kind: Kind, query: &ListQuery) -> Result<Value, ApiError> {
    let filter = match query.filter.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Some(Filter::parse(kind, text)?),
        None => None,
    };
    let order = order(kind, query)?;
    // Below 1 is 1, below 0 is 0 (RFC 7644 section 3.4.2.4).
    let start = query.start_index.and_then(|index| u64::try_from(index).ok()).unwrap_or(1).max(1);
    let count = query.count.map_or(LARGEST_PAGE, |count| u64::try_from(count).unwrap_or(0).min(LARGEST_PAGE));
    let (skip, take) =
        (usize::try_from(start - 1).unwrap_or(usize::MAX), usize::try_from(count).unwrap_or(usize::MAX));

    let projection = Projection::of(query);
    let mut found = found(directory, kind, filter.as_ref());
    if let Some((attribute, descending)) = order {
        found.sort_by_cached_key(|record| record.attribute(attribute));
        if descending {
            found.reverse();
        }
    }
    let resources: Vec<Value> =
        found.iter().skip(skip).take(take).map(|record| record.shown(directory, &projection)).collect();
    Ok(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": found.len(),
        "startIndex": start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    }))
}

fn found<'a>(directory: &'a Directory, kind: Kind, filter: Option<&Filter>) -> Vec<Record<'a>> {
    let Some(filter) = filter else { return Record::all(directory, kind).collect() };
    // Looking one record up by its name costs the same in a directory of a million.
    if let Some((attribute, value)) = filter.names_one()
        && let Some(found) = Record::named(directory, kind, attribute, value)
    {
        return found.into_iter().collect();
    }
    Record::all(directory, kind).filter(|record| filter.admits(record)).collect()
}

fn order(kind: Kind, query: &ListQuery) -> Result<Option<(Attribute, bool)>, ApiError> {
    let descending = match query.sort_order.as_deref() {
        None | Some("ascending") => false,
        Some("descending") => true,
        Some(_) => return Err(invalid_value("sortOrder is ascending or descending")),
    };
    let Some(name) = query.sort_by.as_deref().filter(|name| !name.is_empty()) else { return Ok(None) };
    match Attribute::named(kind, name) {
        Some(attribute) => Ok(Some((attribute, descending))),
        None => {
            let name: String = name.chars().take(80).collect();
            Err(invalid_value(format!("{} cannot be sorted by {name:?}", kind.path())))
        }
    }
}
