//! Tokens in forms, which prove that a form is from a page of the session that sends it.
//!
//! The [origin](hexabase_api::layers::forms_of_this_site) of a form is checked before; the token is a second, independent
//! check.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::Platform;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::id::UserId;
use hexabase_core::id_source::IdSourceExt as _;
use subtle::ConstantTimeEq as _;

/// Purpose of the derived secret.
const PURPOSE: &str = "console.form";
/// Length of the secret and of its mask, in bytes.
const LENGTH: usize = 32;

/// Returns the token for the forms of a page. It differs in every page, since a random mask hides the secret: lengths of
/// compressed pages reveal nothing about it.
pub(crate) fn form_token(platform: &Platform, principal: &Principal) -> String {
    let secret = platform.master_key().derive(PURPOSE, subject(principal).as_bytes());
    let mask: [u8; LENGTH] = platform.ids().bytes();
    let token = URL_SAFE_NO_PAD.encode([mask, xor(secret, mask)].concat());
    format!("{}.{token}", principal.user_id)
}

/// `true` if a token is for forms of this principal. The comparison takes constant time.
pub(crate) fn is_valid(platform: &Platform, principal: &Principal, token: &str) -> bool {
    let decode = || {
        let bytes = URL_SAFE_NO_PAD.decode(token.split_once('.')?.1).ok()?;
        let (mask, masked) = bytes.split_at_checked(LENGTH)?;
        Some(xor(masked.try_into().ok()?, mask.try_into().ok()?))
    };
    let Some(sent) = decode() else { return false };
    let subject = subject(principal);
    let mut secrets = platform.master_key().derive_all(PURPOSE, subject.as_bytes());
    secrets.any(|secret| secret.ct_eq(&sent).into())
}

/// Returns the user for whom the page of a token was rendered. It is no proof of anything.
pub(crate) fn user_of(token: &str) -> Option<UserId> {
    token.split_once('.')?.0.parse().ok()
}

fn xor(bytes: [u8; LENGTH], mask: [u8; LENGTH]) -> [u8; LENGTH] {
    std::array::from_fn(|index| bytes[index] ^ mask[index])
}

/// Returns the text that identifies the session of a principal, so that forms of an earlier session do not count.
fn subject(principal: &Principal) -> String {
    let user = principal.user_id;
    match &principal.credential {
        Credential::Session(session) => format!("{user}/{session}"),
        Credential::Token(token, _) => format!("{user}/{token}"),
        Credential::Workload { .. } => format!("{user}/workload"),
        Credential::External(authenticator) => format!("{user}/external/{authenticator}"),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture;

    use super::*;

    fn platform() -> Platform {
        Platform::builder("https://hexabase.example")
            .with_plans(vec![fixture::plan("small")])
            .build()
            .unwrap()
    }

    fn principal(user: &str, session: &str) -> Principal {
        Principal { user_id: fixture::id(user), credential: Credential::Session(fixture::id(session)) }
    }

    #[test]
    fn a_token_counts_for_its_session_only() {
        let (platform, ann) = (platform(), principal("ann", "laptop"));
        let token = form_token(&platform, &ann);
        assert!(is_valid(&platform, &ann, &token));
        assert_eq!(user_of(&token), Some(ann.user_id));
        for other in [principal("ann", "phone"), principal("bob", "laptop")] {
            assert!(!is_valid(&platform, &other, &token));
        }
        for wrong in ["", ".", "usr_x.", &token[1..].replace('.', ""), &format!("{token}A"), "a.AAAA"] {
            assert!(!is_valid(&platform, &ann, wrong), "{wrong}");
        }
    }

    #[test]
    fn two_pages_have_different_tokens() {
        let (platform, ann) = (platform(), principal("ann", "laptop"));
        assert_ne!(form_token(&platform, &ann), form_token(&platform, &ann));
    }
}
