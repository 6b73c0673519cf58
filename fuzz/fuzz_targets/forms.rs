//! Forms of the OpenID Connect provider.
#![no_main]

use hexabase_fuzz::{Server, selector};
use http::Method;
use http::header::CONTENT_TYPE;
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 6] = [
    "/oauth2/token",
    "/oauth2/revoke",
    "/oauth2/introspect",
    "/oauth2/userinfo",
    "/oauth2/authorize",
    "/oauth2/logout",
];

fuzz_target!(|data: &[u8]| {
    let Some((path, form)) = selector(data) else { return };
    let media_type = (CONTENT_TYPE, b"application/x-www-form-urlencoded".as_slice());
    Server::get().send(Method::POST, PATHS[path % PATHS.len()], false, &[media_type], form);
});
