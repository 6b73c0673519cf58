//! GitHub, mocked according to its documentation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_auth::upstream::{AllowedDomains, GithubConfig, GithubProvider};
use hexabase_core::conformance::identity_provider::{Approval, SignInHarness};
use hexabase_core::error::ErrorKind;
use hexabase_core::identity::{CodeExchange, IdentityProvider};
use hexabase_core::name::{Email, ProviderName};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// Identity and authorization request of an issued code.
#[derive(Debug, Clone)]
struct IssuedCode {
    email: String,
    redirect_uri: String,
    challenge: String,
}

type IssuedCodes = Arc<Mutex<BTreeMap<String, IssuedCode>>>;

/// Mock of GitHub, where the id of a user is derived from the address.
#[derive(Debug)]
struct MockGithub {
    server: MockServer,
    issued_codes: IssuedCodes,
    provider: Arc<dyn IdentityProvider>,
}

fn bearer(request: &Request) -> String {
    let value = request.headers.get("authorization").unwrap().to_str().unwrap();
    value.strip_prefix("Bearer token-of-").unwrap().to_owned()
}

fn user_id(email: &str) -> u32 {
    email.bytes().fold(7, |sum, byte| sum * 257 % 1_000_003 + u32::from(byte))
}

fn redeemed(issued_codes: &IssuedCodes, request: &Request) -> Value {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let rejection =
        json!({ "error": "bad_verification_code", "error_description": "The code is incorrect." });
    if (form["client_id"].as_str(), form["client_secret"].as_str()) != ("hexabase", "secret") {
        return json!({ "error": "incorrect_client_credentials" });
    }
    let Some(issued) = issued_codes.lock().unwrap().remove(&form["code"]) else { return rejection };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    if issued.challenge != challenge || issued.redirect_uri != form["redirect_uri"] {
        return rejection;
    }
    json!({ "access_token": format!("token-of-{}", issued.email), "token_type": "bearer", "scope": "user:email" })
}

impl MockGithub {
    async fn start(addresses: fn(&str) -> Value, organizations: &[&str]) -> Self {
        let (server, issued_codes) = (MockServer::start().await, IssuedCodes::default());
        let known = issued_codes.clone();
        let token =
            move |request: &Request| ResponseTemplate::new(200).set_body_json(redeemed(&known, request));
        Mock::given(method("POST"))
            .and(path("/login/oauth/access_token"))
            .respond_with(token)
            .mount(&server)
            .await;
        let user = |request: &Request| {
            let email = bearer(request);
            let user =
                json!({ "id": user_id(&email), "login": "ann", "name": null, "email": "public@example.com" });
            ResponseTemplate::new(200).set_body_json(user)
        };
        Mock::given(method("GET")).and(path("/api/user")).respond_with(user).mount(&server).await;
        let emails =
            move |request: &Request| ResponseTemplate::new(200).set_body_json(addresses(&bearer(request)));
        Mock::given(method("GET")).and(path("/api/user/emails")).respond_with(emails).mount(&server).await;
        let memberships = ResponseTemplate::new(200).set_body_json(json!([{ "login": "Acme", "id": 7 }]));
        Mock::given(method("GET")).and(path("/api/user/orgs")).respond_with(memberships).mount(&server).await;
        let config = GithubConfig {
            organizations: organizations.iter().map(|name| (*name).to_owned()).collect(),
            url: server.uri(),
            api_url: format!("{}/api", server.uri()),
            ..GithubConfig::new(
                ProviderName::parse("github").unwrap(),
                "hexabase",
                "secret".to_owned().into(),
            )
        };
        let provider = Arc::new(GithubProvider::new(config).unwrap());
        Self { server, issued_codes, provider }
    }

    /// Issues a code for Ann; returns the request to exchange it.
    async fn code(&self) -> CodeExchange {
        let code = "a code".to_owned();
        let issued = IssuedCode {
            email: "ann@example.com".to_owned(),
            redirect_uri: "https://hexabase.example/auth/callback/github".to_owned(),
            challenge: URL_SAFE_NO_PAD.encode(Sha256::digest("verifier")),
        };
        let redirect_uri = issued.redirect_uri.clone();
        self.issued_codes.lock().unwrap().insert(code.clone(), issued);
        CodeExchange {
            code: code.into(),
            redirect_uri,
            nonce: String::new(),
            code_verifier: "verifier".to_owned().into(),
            issuer: None,
        }
    }
}

fn verified(email: &str) -> Value {
    json!([
        { "email": "other@example.com", "primary": false, "verified": true, "visibility": null },
        { "email": email, "primary": true, "verified": true, "visibility": "private" },
    ])
}

#[async_trait]
impl SignInHarness for MockGithub {
    fn provider(&self) -> &dyn IdentityProvider {
        &*self.provider
    }

    async fn approve(&self, authorization_url: &str, email: &Email) -> Approval {
        let url = Url::parse(authorization_url).unwrap();
        assert_eq!(url.path(), "/login/oauth/authorize");
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(
            (query["client_id"].as_str(), query["code_challenge_method"].as_str()),
            ("hexabase", "S256")
        );
        let issued = IssuedCode {
            email: email.to_string(),
            redirect_uri: query["redirect_uri"].clone(),
            challenge: query["code_challenge"].clone(),
        };
        let code = format!("code-{}", issued.email);
        self.issued_codes.lock().unwrap().insert(code.clone(), issued);
        Approval { code, issuer: None }
    }
}

mod conformance {
    use super::{MockGithub, verified};

    hexabase_core::identity_provider_conformance!(async {
        // Calls GithubProvider::new.
        (MockGithub::start(verified, &[]).await, ())
    });
}

mod allowed_domains_conformance {
    use super::{AllowedDomains, Arc, MockGithub, verified};

    hexabase_core::identity_provider_conformance!(async {
        let github = MockGithub::start(verified, &["acme"]).await;
        let provider = AllowedDomains::new(github.provider.clone(), &["example.com".to_owned()]);
        (MockGithub { provider: Arc::new(provider), ..github }, ())
    });
}

#[tokio::test]
async fn only_the_verified_primary_address_is_used() {
    let unverified = |email: &str| {
        json!([
            { "email": email, "primary": true, "verified": false, "visibility": null },
            { "email": "other@example.com", "primary": false, "verified": true, "visibility": null },
        ])
    };
    let github = MockGithub::start(unverified, &[]).await;
    let identity = github.provider.exchange(&github.code().await).await.unwrap();
    assert_eq!(identity.verified_email, None);
    assert_eq!(identity.subject, user_id("ann@example.com").to_string());
    assert_eq!(identity.name.unwrap().as_str(), "ann");
}

#[tokio::test]
async fn only_members_of_allowed_organizations_can_sign_in() {
    let github = MockGithub::start(verified, &["other", "acme"]).await;
    assert!(github.provider.exchange(&github.code().await).await.is_ok());
    let github = MockGithub::start(verified, &["other"]).await;
    let error = github.provider.exchange(&github.code().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.to_string().contains("only members of other on GitHub"), "{error}");
}

#[tokio::test]
async fn an_organization_can_be_identified_by_its_id() {
    let github = MockGithub::start(verified, &["id:7"]).await;
    assert!(github.provider.exchange(&github.code().await).await.is_ok());
    for other in ["id:8", "id:", "7"] {
        let github = MockGithub::start(verified, &[other]).await;
        let error = github.provider.exchange(&github.code().await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{other}");
    }
}

#[tokio::test]
async fn a_server_error_of_github_is_reported_as_unavailable() {
    let github = MockGithub::start(verified, &[]).await;
    let code = github.code().await;
    github.server.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(502)).mount(&github.server).await;
    assert_eq!(github.provider.exchange(&code).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (github, other_host) = (MockGithub::start(verified, &[]).await, MockServer::start().await);
    let code = github.code().await;
    github.server.reset().await;
    let redirect = ResponseTemplate::new(307).insert_header("location", other_host.uri());
    Mock::given(method("POST")).respond_with(redirect).mount(&github.server).await;
    assert_eq!(github.provider.exchange(&code).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert!(other_host.received_requests().await.unwrap().is_empty());
}
