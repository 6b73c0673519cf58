//! Cursors of lists: as a client makes them up, and as this server seals them.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_fuzz::{Server, selector, text};
use http::Method;
use libfuzzer_sys::fuzz_target;

/// Lists of an organization.
const LISTS: [&str; 6] =
    ["workspaces", "members", "invitations", "service-accounts", "audit-events", "billing/invoices"];

fuzz_target!(|data: &[u8]| {
    let server = Server::get();
    let Some((form, rest)) = selector(data) else { return };
    let path = format!("{}/{}", server.organization, LISTS[form / 2 % LISTS.len()]);
    let cursor = match form % 2 {
        0 => URL_SAFE_NO_PAD.encode(rest),
        _ => {
            let Some(position) = text(rest) else { return };
            let (key, ids) = (server.platform.master_key(), &**server.platform.ids());
            let sealed = key.seal_text(ids, &format!("cursor:{path}"), position);
            sealed.expect("every text can be sealed")
        }
    };
    server.send(Method::GET, &format!("{path}?cursor={cursor}"), true, &[], &[]);
});
