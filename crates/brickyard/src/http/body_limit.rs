//! How much of a body is read at all. A length that is told and too large is refused before anything runs; one that is
//! not told is counted while it arrives, and the reading stops at the limit. Nothing past the limit is kept in memory.
//!
//! Also here: [`collect`], which is how a route reads a whole body under its own, smaller limit (4 MB for agents), and
//! which knows the three ways in which that can fail.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::{Request, header};
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::BoxError;

use crate::errors::ApiError;

/// Why a body could not be read to its end. Found in the chain of causes of the body's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefused {
    /// More bytes than allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// Fewer bytes a second than allowed, or none.
    #[error("the body came too slowly")]
    TooSlow,
}

/// Puts the limit around the body.
///
/// # Errors
/// 413 if the request says that it is longer.
pub fn limit<B>(request: Request<B>, limit: usize) -> Result<Request<Body>, ApiError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    if told_length(&request).is_some_and(|length| length > limit as u64) {
        return Err(ApiError::body_too_large(limit));
    }
    Ok(request.map(|body| {
        if body.is_end_stream() { Body::empty() } else { Body::new(Limited { body, left: limit, limit }) }
    }))
}

fn told_length<B>(request: &Request<B>) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pin_project! {
    struct Limited<B> {
        #[pin]
        body: B,
        left: usize,
        limit: usize,
    }
}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>>> HttpBody for Limited<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        loop {
            let Some(frame) = ready!(this.body.as_mut().poll_frame(cx)) else { return Poll::Ready(None) };
            // Trailers are dropped: no header may arrive after the headers were checked.
            let Ok(data) = frame.map_err(Into::into)?.into_data() else { continue };
            return Poll::Ready(Some(match this.left.checked_sub(data.len()) {
                Some(left) => {
                    *this.left = left;
                    Ok(Frame::data(data))
                }
                None => Err(BodyRefused::TooLarge(*this.limit).into()),
            }));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a whole body of at most `limit` bytes. One that arrived in one piece is not copied.
///
/// # Errors
/// 413 if it is longer, 408 if it came too slowly, 400 if it broke off or was framed wrongly.
pub async fn collect(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    use http_body_util::BodyExt;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(ApiError::body_too_large(limit));
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| refusal(&error))?.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Err(ApiError::body_too_large(limit));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            // No more is set aside than what has really come, twice over: an announced length is only a promise.
            all.reserve((first.len() + data.len()).saturating_mul(2).min(limit));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// The refusal for a body that could not be read.
pub fn refusal(error: &(dyn Error + 'static)) -> ApiError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<BodyRefused>() {
            Some(BodyRefused::TooLarge(limit)) => return ApiError::body_too_large(*limit),
            Some(BodyRefused::TooSlow) => return ApiError::body_too_slow(),
            None => cause = error.source(),
        }
    }
    ApiError::bad_request("Request body ended early or is framed wrongly").closing()
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn chunks(sizes: &[usize]) -> Body {
        let chunks: Vec<_> =
            sizes.iter().map(|size| Ok::<_, BoxError>(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn the_edge_is_exact_whether_the_length_is_told_or_not() {
        for (sizes, status) in [
            (&[9][..], 200),
            (&[10], 200),
            (&[11], 413),
            (&[4, 6], 200),
            (&[4, 3, 3], 200),
            (&[4, 6, 1], 413),
            (&[], 200),
        ] {
            let got = |result: Result<Bytes, ApiError>| match result {
                Ok(bytes) => {
                    assert_eq!(bytes.len(), sizes.iter().sum::<usize>());
                    200
                }
                Err(error) => error.status().as_u16(),
            };
            assert_eq!(got(collect(chunks(sizes), 10).await), status, "collect {sizes:?}");
            let request = limit(Request::new(chunks(sizes)), 10).expect("length not told");
            assert_eq!(got(collect(request.into_body(), 1000).await), status, "limit {sizes:?}");
        }
        let told = Request::builder().header("content-length", "11").body(chunks(&[11])).expect("a request");
        assert_eq!(limit(told, 10).expect_err("too long").status(), 413);
    }
}
