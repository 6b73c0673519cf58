//! Alert rules through the API.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod rules;
