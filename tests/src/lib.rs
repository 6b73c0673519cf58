//! What the tests of the whole share: a world to act in, and a client to act with.

#![expect(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "tests fail by panicking")]

pub mod backends;
pub mod bodies;
mod client;
pub mod hosts;
mod letters;
pub mod operations;
mod world;

pub use client::{Answer, Client};
pub use letters::Letters;
pub use operations::Operation;
pub use world::{Person, Place, World, plans};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
