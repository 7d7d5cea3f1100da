//! Lists in pages.
//!
//! Both SDKs ask with `max_results=0`, which means the server's page size; without it everything comes at once. A page
//! token says after which name the next page begins, so what is made or dropped between two pages moves nothing else.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;

use crate::errors::ApiError;

/// The server's page size, and the longest page.
const PAGE: usize = 100;

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

/// One page of a list that is ordered by its keys.
pub(super) struct Page {
    size: usize,
    after: Option<String>,
}

impl Page {
    /// As long as `max_results` says.
    pub(super) fn by_max_results(asked: &Asked) -> Result<Self, ApiError> {
        Self::of("max_results", asked.max_results, asked.max_results.map_or(usize::MAX, |_| PAGE), asked)
    }

    /// As long as `page_size` says; the routes that have it always come in pages.
    pub(super) fn by_page_size(asked: &Asked) -> Result<Self, ApiError> {
        Self::of("page_size", asked.page_size, PAGE, asked)
    }

    fn of(name: &str, wanted: Option<i64>, most: usize, asked: &Asked) -> Result<Self, ApiError> {
        let size = match usize::try_from(wanted.unwrap_or(0)) {
            Ok(0) => most,
            Ok(size) => size.min(most),
            Err(_) => return Err(ApiError::invalid_parameter(format!("{name} is less than 0"))),
        };
        let after = match asked.page_token.as_deref() {
            None | Some("") => None,
            Some(token) => {
                let decoded = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Some(decoded.ok_or_else(|| {
                    ApiError::invalid_parameter(
                        "page_token is not a token of this list: start again without one",
                    )
                })?)
            }
        };
        Ok(Self { size, after })
    }

    /// This page of the list, and the token of the next. `shown` is asked only about what may come onto the page.
    pub(super) fn cut<T>(
        &self,
        list: impl IntoIterator<Item = (String, T)>,
        shown: impl Fn(&T) -> bool,
    ) -> (Vec<T>, Option<String>) {
        let mut page = Vec::new();
        let mut last = None;
        for (key, item) in list {
            if self.after.as_ref().is_some_and(|after| key <= *after) || !shown(&item) {
                continue;
            }
            if page.len() == self.size {
                return (page, last.map(|last: String| BASE64.encode(last)));
            }
            page.push(item);
            last = Some(key);
        }
        (page, None)
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
