//! Query strings of the API, of the OpenID Connect provider, and of the sign-in, whose state is sealed.
#![no_main]

use hexabase_fuzz::{Server, selector, text};
use http::Method;
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 7] = [
    "/oauth2/authorize",
    "/oauth2/logout",
    "/oauth2/device",
    "/auth/callback/dev",
    "/auth/login/dev",
    "/api/v1/organizations",
    "/api/v1/plans",
];
const IN_ORGANIZATION: [&str; 5] =
    ["workspaces", "audit-events", "billing/usage", "billing/invoices", "members"];

fuzz_target!(|data: &[u8]| {
    let server = Server::get();
    let Some((path, query)) = selector(data) else { return };
    let Some(query) = text(query) else { return };
    let all = PATHS.len() + IN_ORGANIZATION.len();
    let uri = match path % all {
        index if index < PATHS.len() => format!("{}?{query}", PATHS[index]),
        index => format!("{}/{}?{query}", server.organization, IN_ORGANIZATION[index - PATHS.len()]),
    };
    server.send(Method::GET, &uri, true, &[], &[]);
});
