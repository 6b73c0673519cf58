//! Addresses of clients behind proxies: one header per line.
#![no_main]

use hexabase_fuzz::Server;
use http::{HeaderName, Method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let name = HeaderName::from_static("x-forwarded-for");
    let headers: Vec<_> = data.split(|byte| *byte == b'\n').map(|value| (name.clone(), value)).collect();
    Server::get().send(Method::GET, "/auth/providers", false, &headers, &[]);
});
