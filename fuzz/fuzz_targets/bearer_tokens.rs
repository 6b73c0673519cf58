//! Bearer tokens of the API: access tokens and API tokens.
#![no_main]

use std::sync::OnceLock;

use hexabase_auth::Auth;
use hexabase_fuzz::{auth, block_on, edited, selector, sign_in, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    static AUTH: OnceLock<(Auth, String)> = OnceLock::new();
    let (auth, valid) = AUTH.get_or_init(|| {
        let auth = auth();
        let token = sign_in(&auth).access_token;
        (auth, token)
    });
    let Some((form, rest)) = selector(data) else { return };
    let token = match form {
        0 => edited(valid, rest),
        _ => {
            let Some(token) = text(rest) else { return };
            token.to_owned()
        }
    };
    let accepted = block_on(auth.authenticate_bearer(&token)).is_ok();
    assert!(!accepted || token == *valid, "{token:?} is accepted");
});
