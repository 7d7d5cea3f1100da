//! **Reliability.** Keys rotate, configurations change, agents misbehave, processes die and are told to stop: what was
//! accepted is answered, what was acknowledged is kept, what was withdrawn is refused, and nothing is left behind.

mod changes_under_load;
mod crash_loops;
mod kill_nine;
mod sigterm;
mod withdrawal;
