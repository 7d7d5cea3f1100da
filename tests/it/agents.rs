//! Agents for the promises: one that somebody else runs (`guest`), and ones that were logged (`logged`).

mod guest;
mod logged;

pub use guest::{Answer, Guest, Received, claims};
pub use logged::{Logged, python};

/// Asserts that `text` has these pieces, in this order.
#[track_caller]
pub fn tells(text: &str, pieces: &[&str]) {
    let mut rest = text;
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            panic!("{piece:?} is not (or not after the others) in\n{text}")
        };
        rest = &rest[at + piece.len()..];
    }
}
