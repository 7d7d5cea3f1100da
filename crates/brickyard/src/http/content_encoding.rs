//! A body is what it is on the wire: no `Content-Encoding` is decoded, so a small body cannot become a large one. The
//! official clients compress nothing they send to these APIs, and the refusal says what to do.

use axum::http::{Request, header};

use crate::errors::ApiError;

/// Lets bodies through as they are.
///
/// # Errors
/// 415 for a body that says it is encoded.
pub fn check<B>(request: Request<B>) -> Result<Request<B>, ApiError> {
    for value in request.headers().get_all(header::CONTENT_ENCODING) {
        if !value.as_bytes().eq_ignore_ascii_case(b"identity") {
            let message = "Content-Encoding is not supported: send the body uncompressed";
            return Err(ApiError::unsupported_media_type(message)
                .with_header(header::ACCEPT_ENCODING, "identity")
                .closing());
        }
    }
    Ok(request)
}
