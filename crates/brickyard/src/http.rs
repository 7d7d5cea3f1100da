//! **The HTTP stack**: what every request passes between the socket (`accept.rs`) and the router, one layer a line.
//!
//! ```text
//!  RequestIds          each answer, also a refused or a panicked one, carries an id made here
//!  CatchPanic          a bug in one request is one INTERNAL_ERROR
//!  hygiene             what no client sends: two Authorization headers, smuggled lengths, foreign targets
//!  sensitive_headers   authorization marked before anyone can log it
//!  strip_internal      x-brickyard-*, x-forwarded-* from outside: gone
//!  Trace               one span a request, fields instead of prose
//!  content_encoding    a compressed body is refused, so a byte counted is a byte read
//!  body_limit          the profile's 16 MB at most, refused without reading the rest
//!  Timeout             an answer begins in time; a stream that has begun is not cut
//!  Shed                so many at once, the next ones get 429 at once
//!  LastCall            when brickyard stops, open event streams end with an error event
//! ```
//!
//! The order is the rule: the id is outermost so that nothing leaves without it; the panic guard is next so that every
//! check below it may be wrong; headers are marked and stripped before the first span can record them; cheap checks
//! come before those that hold a timer or a permit. Authenticate and Scope are not here: they belong to the router, for
//! each family of routes states its own scope.

pub mod body_limit;
pub mod catch_panic;
pub mod content_encoding;
pub mod gate;
pub mod hygiene;
pub mod json;
pub mod last_call;
pub mod request_id;
pub mod sensitive_headers;
pub mod shed;
pub mod sse;
pub mod strip_internal;
pub mod timeout;
pub mod trace;
pub mod upstream_headers;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use brickyard_types::Entropy;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, ServiceBuilder};

use self::catch_panic::CatchPanic;
use self::gate::Gate;
use self::last_call::LastCall;
use self::request_id::RequestIds;
use self::shed::Shed;
use self::timeout::Timeout;
use self::trace::Trace;
use crate::profile::Profile;

/// The figures of the stack.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// The largest body of any route. Routes that take less say so themselves ([`body_limit::collect`]).
    pub body: usize,
    /// How long a request may take until its answer begins: the profile's time and a margin, so that the serving
    /// stack's own timeout speaks first.
    pub timeout: Duration,
    /// How many requests run at once, open streams included.
    pub in_flight: usize,
    /// How the text begins that one more is refused with.
    pub too_many: &'static str,
    /// The authorities (`host:port`) under which brickyard may be named in an absolute request target, lower case.
    pub own_hosts: Vec<String>,
}

/// How much later than the serving stack this one speaks.
const MARGIN: Duration = Duration::from_secs(3);

impl HttpLimits {
    /// The documented ones. How many requests run at once is this machine's matter, and in no document.
    pub fn of(profile: &Profile) -> Self {
        Self {
            body: profile.model_payload_bytes.value.max(profile.agent_payload_bytes.value),
            timeout: Duration::from_secs(profile.execution_seconds.value) + MARGIN,
            in_flight: 4096,
            too_many: profile.too_many_in_workspace.value,
            own_hosts: Vec::new(),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self::of(Profile::newest())
    }
}

/// What the stack is made of.
#[derive(Clone)]
pub struct StackParts {
    /// Where request ids come from.
    pub entropy: Arc<dyn Entropy>,
    /// The figures.
    pub limits: HttpLimits,
    /// Fires shortly before the end of a drain ([`crate::accept::Shutdown::last_call`]).
    pub last_call: CancellationToken,
}

/// The stack around `router`. Always ready: whoever calls it need not poll for readiness.
pub fn stack<B>(
    router: Router,
    parts: StackParts,
) -> impl Service<Request<B>, Response = Response, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let StackParts { entropy, limits, last_call } = parts;
    let own_hosts: Arc<[String]> = limits.own_hosts.into();
    ServiceBuilder::new()
        .layer(RequestIds::layer(entropy))
        .layer(CatchPanic::layer())
        .layer(Gate::layer(move |request| hygiene::check(request, &own_hosts)))
        .layer(Gate::layer(sensitive_headers::mark))
        .layer(Gate::layer(strip_internal::strip))
        .layer(Trace::layer())
        .layer(Gate::layer(content_encoding::check))
        .layer(Gate::layer(move |request| body_limit::limit(request, limits.body)))
        .layer(Timeout::layer(limits.timeout))
        .layer(Shed::layer(limits.in_flight, limits.too_many))
        .layer(LastCall::layer(last_call))
        .service(router)
}

#[cfg(test)]
mod tests;
