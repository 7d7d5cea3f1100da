//! What the family's routes are asked in a query, and how long their pages are.
//!
//! Both SDKs ask with `max_results=0`, which means the server's page size; without it everything comes at once.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;

use crate::errors::ApiError;
use crate::routes::paging::LONGEST;
pub(super) use crate::routes::paging::Page;

/// Everything that the family's routes are asked in a query. What nobody knows is ignored, as Databricks does.
#[derive(Deserialize, Default, Debug)]
pub(super) struct Asked {
    pub catalog_name: Option<String>,
    pub schema_name: Option<String>,
    pub schema_name_pattern: Option<String>,
    pub table_name_pattern: Option<String>,
    pub principal: Option<String>,
    pub max_results: Option<i64>,
    pub page_size: Option<i64>,
    pub page_token: Option<String>,
    pub force: Option<bool>,
    /// Whether what is known through `BROWSE` alone is shown.
    pub include_browse: Option<bool>,
    pub omit_columns: Option<bool>,
    pub omit_properties: Option<bool>,
    pub omit_username: Option<bool>,
}

impl Asked {
    /// Whether what is known through `BROWSE` alone is shown.
    pub(super) fn browses(&self) -> bool {
        self.include_browse.unwrap_or(false)
    }
}

/// A query as it was sent.
pub(super) type Sent = Result<Query<Asked>, QueryRejection>;

/// Reads the query.
pub(super) fn asked(sent: Sent) -> Result<Asked, ApiError> {
    sent.map(|Query(asked)| asked)
        .map_err(|error| ApiError::invalid_parameter(format!("Invalid query: {}", error.body_text())))
}

/// A parameter that has to be there.
pub(super) fn needed<'a>(name: &str, value: Option<&'a String>) -> Result<&'a str, ApiError> {
    match value {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(ApiError::invalid_parameter(format!("Missing required field: {name}"))),
    }
}

impl Page {
    /// As long as `max_results` says.
    pub(super) fn by_max_results(asked: &Asked) -> Result<Self, ApiError> {
        let unsaid = usize::MAX;
        Self::of("max_results", asked.max_results, unsaid, asked.page_token.as_deref())
    }

    /// As long as `page_size` says; the routes that have it always come in pages.
    pub(super) fn by_page_size(asked: &Asked) -> Result<Self, ApiError> {
        Self::of("page_size", asked.page_size, LONGEST, asked.page_token.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(asked: impl Fn(Option<String>) -> Asked, names: &[&str]) -> Vec<Vec<String>> {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let page = Page::by_max_results(&asked(token)).expect("a page");
            let list = names.iter().map(|name| ((*name).to_owned(), (*name).to_owned()));
            let (items, next) = page.cut(list, |name| !name.starts_with("hidden"));
            found.push(items);
            token = next;
            if token.is_none() {
                return found;
            }
        }
    }

    #[test]
    fn every_item_that_is_shown_comes_once_whatever_the_page_size() {
        let names = ["a", "b", "hidden1", "hidden2", "z"];
        for (size, pages_expected) in
            [(None, 1), (Some(0), 1), (Some(1), 3), (Some(2), 2), (Some(3), 1), (Some(9), 1)]
        {
            let found =
                pages(|page_token| Asked { max_results: size, page_token, ..Asked::default() }, &names);
            assert_eq!(found.len(), pages_expected, "{size:?}");
            assert_eq!(found.concat(), ["a", "b", "z"], "{size:?}");
        }
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (max_results, page_token) in [(Some(-1), None), (None, Some("%%%")), (None, Some("_-_-"))] {
            let asked = Asked { max_results, page_token: page_token.map(str::to_owned), ..Asked::default() };
            assert_eq!(Page::by_max_results(&asked).err().map(|error| error.status().as_u16()), Some(400));
        }
    }
}
