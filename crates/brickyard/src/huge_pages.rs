//! Pages of 2 MiB: a large GROUP BY is faster with them, and a server that answers no SQL would hold ten megabytes more
//! at rest, since its few small things lie in as many large pages. So a server begins without, and takes them with its
//! first statement.
//!
//! The switch is the process' own (`PR_SET_THP_DISABLE`); agents that were started before the first statement begin as it was then.

use std::sync::Once;

/// Begins without.
pub fn forgo() {
    set_disabled(true);
}

/// A statement is about to run: with them from now on.
pub fn for_statements() {
    static ASKED: Once = Once::new();
    ASKED.call_once(|| set_disabled(false));
}

#[cfg(target_os = "linux")]
fn set_disabled(disabled: bool) {
    // A kernel without the switch has its own default, which is as right.
    let _ = nix::sys::prctl::set_thp_disable(disabled);
}

#[cfg(not(target_os = "linux"))]
fn set_disabled(_: bool) {}
