//! Headers that carry a credential are marked, so that no `Debug` of a header map ever shows them.

use axum::http::{HeaderName, Request, header};

use crate::errors::ApiError;

const SENSITIVE: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-databricks-azure-sp-management-token"),
    HeaderName::from_static("x-databricks-gcp-sa-access-token"),
];

/// Marks them.
///
/// # Errors
/// Never; it has the type of a [`super::gate::Gate`].
#[allow(clippy::unnecessary_wraps)]
pub fn mark<B>(mut request: Request<B>) -> Result<Request<B>, ApiError> {
    for name in &SENSITIVE {
        if let Some(value) = request.headers_mut().get_mut(name) {
            value.set_sensitive(true);
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_map_in_a_log_shows_no_token() {
        let request =
            Request::get("/").header("Authorization", "Bearer dapi-canary").body(()).expect("a request");
        let request = mark(request).expect("let through");
        assert!(!format!("{:?}", request.headers()).contains("canary"));
    }
}
