//! JSON bodies of the API. The organization does not exist, so that a valid body changes nothing.
#![no_main]

use hexabase_fuzz::{Server, selector};
use http::Method;
use libfuzzer_sys::fuzz_target;

const OPERATIONS: [(&str, &str); 14] = [
    ("PATCH", ""),
    ("POST", "/workspaces"),
    ("PATCH", "/workspaces/WS"),
    ("POST", "/workspaces/WS/projects"),
    ("PUT", "/workspaces/WS/projects/PRJ/quota"),
    ("POST", "/workspaces/WS/projects/PRJ/roles"),
    ("POST", "/workspaces/WS/groups"),
    ("POST", "/workspaces/WS/role-assignments"),
    ("POST", "/workspaces/WS/node-pools"),
    ("POST", "/workspaces/WS/access-reviews"),
    ("POST", "/invitations"),
    ("POST", "/service-accounts"),
    ("PUT", "/billing/subscription"),
    ("PUT", "/billing/budget"),
];

fuzz_target!(|data: &[u8]| {
    let Some((operation, body)) = selector(data) else { return };
    let (method, path) = OPERATIONS[operation % OPERATIONS.len()];
    let path =
        path.replace("WS", "ws_00000000000000000000000000").replace("PRJ", "prj_00000000000000000000000000");
    let path = format!("/api/v1/organizations/org_00000000000000000000000000{path}");
    let method = Method::from_bytes(method.as_bytes()).expect("is a method");
    let status = Server::get().send(method, &path, true, &[], body);
    assert!(status.is_none_or(|status| status.is_client_error()), "{status:?}");
});
