//! OpenID Connect with a third-party server in a separate process.

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_auth::upstream::{AllowedDomains, OidcConfig, OidcProvider};
use hexabase_core::clock::SystemClock;
use hexabase_core::conformance::identity_provider::{Approval, SignInHarness};
use hexabase_core::error::ErrorKind;
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use hexabase_core::name::{Email, ProviderName};
use hexabase_test_servers::OidcPeer;
use url::Url;

const CALLBACK: &str = "https://hexabase.example/auth/callback/peer";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn config(peer: &OidcPeer) -> OidcConfig {
    let name = ProviderName::parse("peer").unwrap();
    let secret = Some(OidcPeer::CLIENT_SECRET.to_owned().into());
    OidcConfig { client_secret: secret, ..OidcConfig::new(name, peer.issuer(), "hexabase") }
}

fn provider(peer: &OidcPeer) -> OidcProvider {
    OidcProvider::new(config(peer), Arc::new(SystemClock)).unwrap()
}

/// Returns a query parameter of the callback URL.
fn parameter(location: &str, name: &str) -> Option<String> {
    let url = Url::parse(location).unwrap();
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: CALLBACK.to_owned(),
        state: "state".to_owned(),
        nonce: "nonce".to_owned(),
        code_challenge: CHALLENGE.to_owned(),
        login_hint: None,
        reauthenticate: false,
    }
}

fn exchange(location: &str) -> CodeExchange {
    CodeExchange {
        code: parameter(location, "code").unwrap().into(),
        redirect_uri: CALLBACK.to_owned(),
        nonce: "nonce".to_owned(),
        code_verifier: VERIFIER.to_owned().into(),
        issuer: parameter(location, "iss"),
    }
}

async fn sign_in(peer: &OidcPeer, provider: &dyn IdentityProvider, email: &str) -> CodeExchange {
    let url = provider.authorization_url(&request()).await.unwrap();
    exchange(&peer.approve(&url, email).await)
}

#[derive(Debug)]
struct OidcHarness(OidcPeer, OidcProvider);

#[async_trait]
impl SignInHarness for OidcHarness {
    fn provider(&self) -> &dyn IdentityProvider {
        &self.1
    }

    async fn approve(&self, authorization_url: &str, email: &Email) -> Approval {
        let location = self.0.approve(authorization_url, email.as_str()).await;
        Approval { code: parameter(&location, "code").unwrap(), issuer: parameter(&location, "iss") }
    }
}

mod conformance {
    use super::{CALLBACK, OidcHarness, OidcPeer, OidcProvider, SystemClock, config};
    use std::sync::Arc;

    hexabase_core::identity_provider_conformance!(async {
        let peer = OidcPeer::start(&[CALLBACK]);
        let provider = OidcProvider::new(config(&peer), Arc::new(SystemClock)).unwrap();
        (OidcHarness(peer, provider), ())
    });
}

#[tokio::test]
async fn unverified_addresses_are_ignored() {
    let peer = OidcPeer::start(&[CALLBACK]);
    let provider = provider(&peer);
    let code = sign_in(&peer, &provider, "unverified@example.com").await;
    let ExternalIdentity { subject, verified_email, name, .. } = provider.exchange(&code).await.unwrap();
    assert_eq!((subject.as_str(), verified_email), ("unverified@example.com", None));
    assert_eq!(name.unwrap().as_str(), "unverified");
}

#[tokio::test]
async fn a_code_from_another_issuer_is_rejected() {
    let peer = OidcPeer::start(&[CALLBACK]);
    let provider = provider(&peer);
    for issuer in [None, Some("https://evil.example".to_owned())] {
        let code = CodeExchange { issuer, ..sign_in(&peer, &provider, "ann@example.com").await };
        assert_eq!(provider.exchange(&code).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
}

#[tokio::test]
async fn a_wrong_nonce_is_rejected() {
    let peer = OidcPeer::start(&[CALLBACK]);
    let provider = provider(&peer);
    let code = sign_in(&peer, &provider, "ann@example.com").await;
    let replayed = CodeExchange { nonce: "another".to_owned(), ..code };
    assert_eq!(provider.exchange(&replayed).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_wrong_client_secret_is_rejected() {
    let peer = OidcPeer::start(&[CALLBACK]);
    let configured = provider(&peer);
    let code = sign_in(&peer, &configured, "ann@example.com").await;
    let misconfigured = OidcConfig { client_secret: Some("wrong".to_owned().into()), ..config(&peer) };
    let misconfigured = OidcProvider::new(misconfigured, Arc::new(SystemClock)).unwrap();
    let error = misconfigured.exchange(&code).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(format!("{error:?}").contains("invalid_client"), "{error:?}");
}

#[tokio::test]
async fn only_users_of_allowed_domains_can_sign_in() {
    let peer = OidcPeer::start(&[CALLBACK]);
    let provider = AllowedDomains::new(Arc::new(provider(&peer)), &["Example.com".to_owned()]);
    let allowed = sign_in(&peer, &provider, "ann@example.com").await;
    assert!(provider.exchange(&allowed).await.is_ok());
    for rejected in ["ann@evil-example.com", "ann@example.com.evil.example", "unverified@example.com"] {
        let code = sign_in(&peer, &provider, rejected).await;
        assert_eq!(provider.exchange(&code).await.unwrap_err().kind(), ErrorKind::Forbidden, "{rejected}");
    }
}

#[tokio::test]
async fn a_provider_can_be_used_again_after_an_outage() {
    let mut peer = OidcPeer::start(&[CALLBACK]);
    let provider = provider(&peer);
    let code = sign_in(&peer, &provider, "ann@example.com").await;
    peer.stop();
    assert!(provider.authorization_url(&request()).await.is_ok(), "the metadata is cached");
    assert_eq!(provider.exchange(&code).await.unwrap_err().kind(), ErrorKind::Unavailable);
    peer.resume();
    let code = sign_in(&peer, &provider, "ann@example.com").await;
    assert!(provider.exchange(&code).await.is_ok());
}
