//! Tests of the OpenID Connect provider with conforming and hostile clients. The tests of the reference server run a
//! third-party client against it over HTTP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod authorization;
mod clients;
mod device;
mod exchange;
mod logout;
mod probing;
mod test_env;
mod tokens;
