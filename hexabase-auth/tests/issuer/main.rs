//! Hexabase as an OpenID Connect provider, as well-meaning and as hostile clients meet it. What a client of another
//! house makes of it over HTTP is tried with the server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod authorization;
mod clients;
mod device;
mod exchange;
mod logout;
mod tokens;
mod world;
