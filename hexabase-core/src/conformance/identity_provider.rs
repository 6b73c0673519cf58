//! Conformance suite for [`IdentityProvider`].

use std::fmt;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::error::ErrorKind;
use crate::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use crate::name::Email;

/// A provider under test, with a simulated user that signs in.
#[async_trait]
pub trait SignInHarness: fmt::Debug + Send + Sync {
    /// The provider.
    fn provider(&self) -> &dyn IdentityProvider;

    /// Follows an authorization URL as a browser does, signs in as the owner of a verified e-mail address, and returns
    /// the parameters of the redirect back.
    async fn approve(&self, authorization_url: &str, email: &Email) -> Approval;
}

/// Parameters of the provider's redirect back to Hexabase.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Authorization code.
    pub code: String,
    /// Issuer, if the provider sends it (`iss`, RFC 9207).
    pub issuer: Option<String>,
}

/// Defines one test per case for a [`SignInHarness`]. See the [module](crate::conformance) for the value of the
/// expression.
#[macro_export]
macro_rules! identity_provider_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            identity_provider,
            $make,
            [
                the_authorization_url_contains_state_and_challenge_but_no_secret,
                a_code_is_exchanged_for_the_identity_that_signed_in,
                a_person_has_a_stable_unique_subject,
                a_code_can_be_exchanged_only_once,
                a_code_requires_its_verifier,
                a_code_requires_its_redirect_uri,
                an_unknown_code_is_rejected,
            ]
        );
    };
}

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The redirect URI: the callback of `https://hexabase.example` for this provider.
fn redirect(harness: &dyn SignInHarness) -> String {
    format!("https://hexabase.example/auth/callback/{}", harness.provider().name())
}

fn request(harness: &dyn SignInHarness) -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: redirect(harness),
        state: "the-state".to_owned(),
        nonce: "the-nonce".to_owned(),
        code_challenge: URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER)),
        login_hint: None,
        reauthenticate: false,
    }
}

fn exchange(harness: &dyn SignInHarness, approval: &Approval) -> CodeExchange {
    CodeExchange {
        code: approval.code.clone().into(),
        redirect_uri: redirect(harness),
        nonce: "the-nonce".to_owned(),
        code_verifier: VERIFIER.to_owned().into(),
        issuer: approval.issuer.clone(),
    }
}

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

async fn code(harness: &dyn SignInHarness, email: &Email) -> Approval {
    let url = harness.provider().authorization_url(&request(harness)).await.unwrap();
    harness.approve(&url, email).await
}

async fn sign_in(harness: &dyn SignInHarness, email: &Email) -> ExternalIdentity {
    let code = code(harness, email).await;
    harness.provider().exchange(&exchange(harness, &code)).await.unwrap()
}

async fn refused(harness: &dyn SignInHarness, with: CodeExchange) {
    let error = harness.provider().exchange(&with).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
}

/// The URL contains the state, which the provider must return, and the code challenge, but not the verifier.
pub async fn the_authorization_url_contains_state_and_challenge_but_no_secret(harness: &dyn SignInHarness) {
    let url = harness.provider().authorization_url(&request(harness)).await.unwrap();
    assert!(url.contains("the-state"), "{url}");
    assert!(url.contains(&request(harness).code_challenge), "{url}");
    assert!(!url.contains(VERIFIER), "{url}");
}

/// The identity is that of the user who signed in, with the verified e-mail address.
pub async fn a_code_is_exchanged_for_the_identity_that_signed_in(harness: &dyn SignInHarness) {
    let identity = sign_in(harness, &ann()).await;
    assert_eq!(identity.verified_email, Some(ann()));
    assert!(!identity.subject.is_empty());
}

/// A user has the same subject at every sign-in, and another user has another one.
pub async fn a_person_has_a_stable_unique_subject(harness: &dyn SignInHarness) {
    let first = sign_in(harness, &ann()).await;
    let again = sign_in(harness, &ann()).await;
    let other = sign_in(harness, &Email::parse("bob@example.com").unwrap()).await;
    assert_eq!(first.subject, again.subject);
    assert_ne!(first.subject, other.subject);
}

/// A code that was exchanged is rejected.
pub async fn a_code_can_be_exchanged_only_once(harness: &dyn SignInHarness) {
    let code = code(harness, &ann()).await;
    harness.provider().exchange(&exchange(harness, &code)).await.unwrap();
    refused(harness, exchange(harness, &code)).await;
}

/// A stolen code is rejected without the verifier.
pub async fn a_code_requires_its_verifier(harness: &dyn SignInHarness) {
    let code = code(harness, &ann()).await;
    let stolen = CodeExchange { code_verifier: "x".repeat(43).into(), ..exchange(harness, &code) };
    refused(harness, stolen).await;
}

/// A code is bound to the redirect URI that it was issued for.
pub async fn a_code_requires_its_redirect_uri(harness: &dyn SignInHarness) {
    let code = code(harness, &ann()).await;
    let other = CodeExchange { redirect_uri: "https://evil.example/".to_owned(), ..exchange(harness, &code) };
    refused(harness, other).await;
}

/// A code that the provider did not issue is rejected.
pub async fn an_unknown_code_is_rejected(harness: &dyn SignInHarness) {
    let real = code(harness, &ann()).await;
    for made_up in ["made-up", ""] {
        let made_up = Approval { code: made_up.to_owned(), ..real.clone() };
        refused(harness, exchange(harness, &made_up)).await;
    }
}
