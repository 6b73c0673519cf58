//! Conformance suite for [`Authenticator`].

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use http::HeaderMap;

use crate::access::Principal;
use crate::authenticator::{Authentication, Authenticator, RequestCredentials};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Origin;

/// An authenticator under test, with simulated users.
#[async_trait]
pub trait AuthenticatorHarness: fmt::Debug + Send + Sync {
    /// The authenticator.
    fn authenticator(&self) -> &dyn Authenticator;

    /// Signs a user in, and returns one request for each type of credential that the authenticator accepts.
    async fn sign_in(&self, name: &str) -> Vec<SentRequest>;

    /// Returns requests with credentials that are not valid: one list for each type of credential, with one request
    /// for each reason that callers must not learn.
    async fn invalid(&self) -> Vec<Vec<SentRequest>>;

    /// Ends all credentials of a user.
    async fn end(&self, name: &str);
}

/// Request with one credential.
#[derive(Debug, Clone)]
pub struct SentRequest {
    /// Headers of the request.
    pub headers: HeaderMap,
    /// Direct peer of the connection.
    pub peer: Option<IpAddr>,
}

/// Defines one test per case for an [`AuthenticatorHarness`]. See the [module](crate::conformance) for the value of the
/// expression.
#[macro_export]
macro_rules! authenticator_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            authenticator,
            $make,
            [
                a_request_without_credentials_has_no_principal,
                invalid_credentials_are_unauthenticated_for_no_stated_reason,
                the_same_credentials_authenticate_the_same_user,
                a_principal_is_alive_directly_after_it_has_authenticated,
                a_principal_is_not_alive_after_its_credentials_have_ended,
            ]
        );
    };
}

async fn authenticate(
    harness: &dyn AuthenticatorHarness,
    sent: &SentRequest,
) -> Result<Option<Authentication>> {
    let request = RequestCredentials { headers: &sent.headers, peer: sent.peer, origin: &Origin::default() };
    harness.authenticator().authenticate(&request).await
}

async fn principals(harness: &dyn AuthenticatorHarness, name: &str) -> Vec<Principal> {
    let mut principals = Vec::new();
    for sent in harness.sign_in(name).await {
        principals.push(authenticate(harness, &sent).await.unwrap().unwrap().principal);
    }
    assert!(!principals.is_empty(), "the harness sends no credentials");
    principals
}

fn require_unauthenticated(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
}

/// A request without credentials has no principal, from any peer.
pub async fn a_request_without_credentials_has_no_principal(harness: &dyn AuthenticatorHarness) {
    for sent in harness.sign_in("ann").await {
        let empty = SentRequest { headers: HeaderMap::new(), ..sent };
        assert!(authenticate(harness, &empty).await.unwrap().is_none());
    }
}

/// Credentials that are not valid are rejected and not ignored, with the same error for every reason. The error does not
/// contain them.
pub async fn invalid_credentials_are_unauthenticated_for_no_stated_reason(
    harness: &dyn AuthenticatorHarness,
) {
    for requests in harness.invalid().await {
        let mut first = None;
        for sent in requests {
            let error = authenticate(harness, &sent).await.unwrap_err();
            require_unauthenticated(&error);
            let text = error.to_string();
            assert_eq!(first.get_or_insert_with(|| text.clone()), &text, "the error reveals the reason");
            for value in sent.headers.values().filter_map(|value| value.to_str().ok()) {
                assert!(!format!("{error:?}").contains(value), "the error contains a credential");
            }
        }
        assert!(first.is_some(), "the harness sends no invalid credentials");
    }
}

/// Credentials authenticate their user at every request, and no other user.
pub async fn the_same_credentials_authenticate_the_same_user(harness: &dyn AuthenticatorHarness) {
    let ann = principals(harness, "ann").await[0].user_id;
    for sent in harness.sign_in("ann").await {
        for _ in 0..2 {
            assert_eq!(authenticate(harness, &sent).await.unwrap().unwrap().principal.user_id, ann);
        }
    }
    for bob in principals(harness, "bob").await {
        assert_ne!(bob.user_id, ann);
    }
}

/// The principal of valid credentials is alive.
pub async fn a_principal_is_alive_directly_after_it_has_authenticated(harness: &dyn AuthenticatorHarness) {
    for principal in principals(harness, "ann").await {
        harness.authenticator().require_alive(&principal).await.unwrap();
    }
}

/// The principal of ended credentials is not alive.
pub async fn a_principal_is_not_alive_after_its_credentials_have_ended(harness: &dyn AuthenticatorHarness) {
    let principals = principals(harness, "ann").await;
    harness.end("ann").await;
    for principal in &principals {
        require_unauthenticated(&harness.authenticator().require_alive(principal).await.unwrap_err());
    }
}
