//! **Isolation.** Many people ask the same agents at once, some of them leave in the middle, workers and keys go under
//! them; whatever happens, nobody is ever answered with another's words, name or credential, and the ledger never
//! writes one person's request down to another.

mod crowd;
mod python;
mod scripted;
