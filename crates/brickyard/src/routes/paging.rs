//! Lists in pages.
//!
//! A page token says after which key the next page begins, so what is made or dropped between two pages moves nothing
//! else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::errors::ApiError;

/// The longest page, and the server's own page size.
pub(super) const LONGEST: usize = 100;

/// One page of a list that is ordered by its keys.
pub(super) struct Page {
    size: usize,
    after: Option<String>,
}

impl Page {
    /// As long as the parameter `name` says (0 is the server's own page size), and as long as `unsaid` without it.
    pub(super) fn of(
        name: &str,
        wanted: Option<i64>,
        unsaid: usize,
        page_token: Option<&str>,
    ) -> Result<Self, ApiError> {
        let size = match wanted.map(usize::try_from) {
            None => unsaid,
            Some(Ok(0)) => LONGEST,
            Some(Ok(size)) => size.min(LONGEST),
            Some(Err(_)) => return Err(ApiError::invalid_parameter(format!("{name} is less than 0"))),
        };
        let after = match page_token {
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
