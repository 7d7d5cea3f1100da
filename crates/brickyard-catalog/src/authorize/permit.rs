//! The proof that the catalog said yes.

use std::fmt;

use brickyard_types::Principal;

use crate::action::Action;
use crate::trace::Trace;

/// Holding one proves that [`principal`](Self::principal) may do `A` to [`on`](Self::on): guarded functions take it
/// as an argument. It is made in [`Catalog`](crate::Catalog)'s `authorize` and nowhere else.
///
/// It is true of the moment it was made at. It may be kept, as an endpoint keeps its creator's; whoever keeps it asks
/// again where a right that was taken away must count.
#[derive(Clone)]
pub struct Permit<A: Action> {
    action: A,
    principal: Principal,
    trace: Trace,
}

impl<A: Action> Permit<A> {
    pub(super) fn new(action: A, principal: Principal, trace: Trace) -> Self {
        Self { action, principal, trace }
    }

    /// What it allows to do this to.
    pub fn on(&self) -> &A::On {
        self.action.on()
    }

    /// What it allows.
    pub fn action(&self) -> &A {
        &self.action
    }

    /// Who may.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Why.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

impl<A: Action> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({:?} for {})", self.action, self.principal)
    }
}
