//! GitHub, by what its documentation says that it answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_auth::upstream::{AllowedDomains, GithubProvider, GithubSettings};
use hexabase_core::conformance::identity_provider::{Approval, SignInHarness};
use hexabase_core::error::ErrorKind;
use hexabase_core::identity::{CodeExchange, IdentityProvider};
use hexabase_core::name::{Email, ProviderName};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// What a code was given out for.
#[derive(Debug, Clone)]
struct Grant {
    email: String,
    redirect_uri: String,
    challenge: String,
}

type Grants = Arc<Mutex<BTreeMap<String, Grant>>>;

/// A GitHub on which everybody has a number that follows from their address.
#[derive(Debug)]
struct Hub {
    server: MockServer,
    grants: Grants,
    provider: Arc<dyn IdentityProvider>,
}

fn bearer(request: &Request) -> String {
    let value = request.headers.get("authorization").unwrap().to_str().unwrap();
    value.strip_prefix("Bearer token-of-").unwrap().to_owned()
}

fn number(email: &str) -> u32 {
    email.bytes().fold(7, |sum, byte| sum * 257 % 1_000_003 + u32::from(byte))
}

fn redeemed(grants: &Grants, request: &Request) -> Value {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let refusal = json!({ "error": "bad_verification_code", "error_description": "The code is incorrect." });
    if (form["client_id"].as_str(), form["client_secret"].as_str()) != ("hexabase", "secret") {
        return json!({ "error": "incorrect_client_credentials" });
    }
    let Some(grant) = grants.lock().unwrap().remove(&form["code"]) else { return refusal };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    if grant.challenge != challenge || grant.redirect_uri != form["redirect_uri"] {
        return refusal;
    }
    json!({ "access_token": format!("token-of-{}", grant.email), "token_type": "bearer", "scope": "user:email" })
}

impl Hub {
    async fn start(addresses: fn(&str) -> Value, organizations: &[&str]) -> Self {
        let (server, grants) = (MockServer::start().await, Grants::default());
        let known = grants.clone();
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
                json!({ "id": number(&email), "login": "ann", "name": null, "email": "public@example.com" });
            ResponseTemplate::new(200).set_body_json(user)
        };
        Mock::given(method("GET")).and(path("/api/user")).respond_with(user).mount(&server).await;
        let emails =
            move |request: &Request| ResponseTemplate::new(200).set_body_json(addresses(&bearer(request)));
        Mock::given(method("GET")).and(path("/api/user/emails")).respond_with(emails).mount(&server).await;
        let theirs = ResponseTemplate::new(200).set_body_json(json!([{ "login": "Acme" }]));
        Mock::given(method("GET")).and(path("/api/user/orgs")).respond_with(theirs).mount(&server).await;
        let settings = GithubSettings {
            organizations: organizations.iter().map(|name| (*name).to_owned()).collect(),
            url: server.uri(),
            api_url: format!("{}/api", server.uri()),
            ..GithubSettings::new(
                ProviderName::parse("github").unwrap(),
                "hexabase",
                "secret".to_owned().into(),
            )
        };
        let provider = Arc::new(GithubProvider::new(settings).unwrap());
        Self { server, grants, provider }
    }

    /// Signs in: answers what the provider is asked to exchange.
    async fn code(&self) -> CodeExchange {
        let code = "a code".to_owned();
        let grant = Grant {
            email: "ann@example.com".to_owned(),
            redirect_uri: "https://hexabase.example/auth/callback/github".to_owned(),
            challenge: URL_SAFE_NO_PAD.encode(Sha256::digest("verifier")),
        };
        let redirect_uri = grant.redirect_uri.clone();
        self.grants.lock().unwrap().insert(code.clone(), grant);
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
impl SignInHarness for Hub {
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
        let grant = Grant {
            email: email.to_string(),
            redirect_uri: query["redirect_uri"].clone(),
            challenge: query["code_challenge"].clone(),
        };
        let code = format!("code-{}", grant.email);
        self.grants.lock().unwrap().insert(code.clone(), grant);
        Approval { code, issuer: None }
    }
}

mod conformance {
    use super::{Hub, verified};

    hexabase_core::identity_provider_conformance!(async {
        // GithubProvider::new is called in there.
        (Hub::start(verified, &[]).await, ())
    });
}

mod conformance_of_allowed_domains {
    use super::{AllowedDomains, Arc, Hub, verified};

    hexabase_core::identity_provider_conformance!(async {
        let hub = Hub::start(verified, &["acme"]).await;
        let provider = AllowedDomains::new(hub.provider.clone(), &["example.com".to_owned()]);
        (Hub { provider: Arc::new(provider), ..hub }, ())
    });
}

#[tokio::test]
async fn an_address_counts_only_when_it_is_the_primary_one_and_verified() {
    let unverified = |email: &str| {
        json!([
            { "email": email, "primary": true, "verified": false, "visibility": null },
            { "email": "other@example.com", "primary": false, "verified": true, "visibility": null },
        ])
    };
    let hub = Hub::start(unverified, &[]).await;
    let who = hub.provider.exchange(&hub.code().await).await.unwrap();
    assert_eq!(who.verified_email, None);
    assert_eq!(who.subject, number("ann@example.com").to_string());
    assert_eq!(who.name.unwrap().as_str(), "ann");
}

#[tokio::test]
async fn only_members_of_allowed_organizations_are_let_in() {
    let hub = Hub::start(verified, &["other", "acme"]).await;
    assert!(hub.provider.exchange(&hub.code().await).await.is_ok());
    let hub = Hub::start(verified, &["other"]).await;
    let error = hub.provider.exchange(&hub.code().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.to_string().contains("only members of other on GitHub"), "{error}");
}

#[tokio::test]
async fn a_github_that_is_down_is_away_and_not_against_anybody() {
    let hub = Hub::start(verified, &[]).await;
    let code = hub.code().await;
    hub.server.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(502)).mount(&hub.server).await;
    assert_eq!(hub.provider.exchange(&code).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn nothing_is_sent_on_to_where_a_redirect_leads() {
    let (hub, elsewhere) = (Hub::start(verified, &[]).await, MockServer::start().await);
    let code = hub.code().await;
    hub.server.reset().await;
    let away = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    Mock::given(method("POST")).respond_with(away).mount(&hub.server).await;
    assert_eq!(hub.provider.exchange(&code).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}
