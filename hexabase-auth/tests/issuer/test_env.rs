//! Test environment: an OpenID Connect provider with users, clients and a workspace.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hexabase_auth::issuer::{
    Authorization, ClientCredential, Consent, OAuthError, Parameters, RegisteredClient, TokenResponse,
};
use hexabase_auth::{
    Auth, AuthConfig, CookiePrincipal, DevProvider, LoginCallback, LoginRequest, PendingApproval,
};
use hexabase_core::Platform;
use hexabase_core::changeset::{Changeset, RecordKey};
use hexabase_core::clock::{Clock as _, ManualClock};
use hexabase_core::ephemeral::MemoryEphemeral;
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::model::{Membership, OrganizationRole, Origin, SignatureAlgorithm};
use hexabase_core::name::Email;
use hexabase_core::seal::MasterKey;
use hexabase_core::store::Commit as _;
use hexabase_core::store::MemoryStore;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://hexabase.example";
pub(crate) const GRAFANA: &str = "https://grafana.example/login";
pub(crate) const SECRET: &str = "s3cret: +%&/";
pub(crate) const LOOPBACK: &str = "http://127.0.0.1:8000/callback";
/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Signing key of a client, for assertions.
pub(crate) struct ClientKey(EcdsaKeyPair);

impl ClientKey {
    pub(crate) fn new() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap())
    }

    pub(crate) fn public(&self) -> Value {
        let point = self.0.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig", "kid": "1" }] })
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(crate) struct TestEnv {
    pub(crate) auth: Auth,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) ephemeral: Arc<MemoryEphemeral>,
    pub(crate) key: ClientKey,
}

pub(crate) fn origin() -> Origin {
    Origin {
        address: Some("192.0.2.1".to_owned()),
        device: "client/1".to_owned(),
        request_id: "r".to_owned(),
    }
}

pub(crate) fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    Parameters::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// Returns the query parameters of a URL, decoded.
pub(crate) fn query(url: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let url = url::Url::parse(url).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    move |name| pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}

/// Returns the unverified claims of a token.
pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Id of the workspace `dev`.
pub(crate) fn dev() -> String {
    id::<hexabase_core::id::WorkspaceId>("dev").to_string()
}

pub(crate) fn basic(client: &str, secret: &str) -> String {
    let secret: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

fn registered(id: &str, credential: ClientCredential) -> RegisteredClient {
    RegisteredClient {
        id: id.to_owned(),
        name: id.to_owned(),
        redirect_uris: vec![GRAFANA.to_owned()],
        post_logout_redirect_uris: vec!["https://grafana.example/".to_owned()],
        credential,
        workspace: None,
        trusted: false,
        algorithm: SignatureAlgorithm::Es256,
    }
}

impl TestEnv {
    pub(crate) async fn new() -> Self {
        let (clock, store, key) =
            (Arc::new(ManualClock::new(FIXTURE_TIME)), Arc::new(MemoryStore::new()), ClientKey::new());
        let ephemeral = Arc::new(MemoryEphemeral::new(clock.clone()));
        let platform = Platform::builder(ISSUER)
            .with_ephemeral(ephemeral.clone())
            .with_clock(clock.clone())
            .with_store(store.clone())
            .with_master_key(MasterKey::new([7; 32]))
            .with_plans(vec![fixture::plan("small")])
            .build()
            .unwrap();
        let dev = DevProvider::new(platform.clone()).unwrap();
        let auth = Auth::new(platform, vec![Arc::new(dev)], AuthConfig::default()).await.unwrap();
        let secret = || ClientCredential::Secret(SECRET.to_owned().into());
        let keys = serde_json::from_value(key.public()).unwrap();
        let auth = auth.with_clients(vec![
            registered("grafana", secret()),
            RegisteredClient { trusted: true, ..registered("console", secret()) },
            RegisteredClient { workspace: Some(id("dev")), ..registered("argo", secret()) },
            RegisteredClient { algorithm: SignatureAlgorithm::Rs256, ..registered("old", secret()) },
            registered("signs", ClientCredential::Keys(keys)),
        ]);
        let mut workspace = fixture::workspace("dev");
        workspace.status.api_endpoint = Some("https://dev.example".to_owned());
        store.commit(Changeset::new().insert(fixture::organization("acme")).insert(workspace)).await.unwrap();
        let groups = ["people", "admins"].map(|name| {
            let mut group = fixture::group(name);
            group.parent_id = (name == "admins").then(|| id("people"));
            group
        });
        let [people, admins] = groups;
        store.commit(Changeset::new().insert(people).insert(admins)).await.unwrap();
        Self { auth, clock, store, ephemeral, key }
    }

    /// Signs a user in with a browser.
    pub(crate) async fn browser(&self, email: &str) -> CookiePrincipal {
        let login = LoginRequest { return_to: "/".to_owned(), login_hint: None, reauthenticate: false };
        let started = self.auth.sign_in().start("dev", login).await.unwrap();
        let authorization = query(&started.authorization_url);
        let field = |name: &str| authorization(name).unwrap();
        let request = PendingApproval {
            redirect_uri: field("redirect_uri"),
            state: field("state"),
            nonce: field("nonce"),
            code_challenge: field("code_challenge"),
        };
        let dev = DevProvider::new(self.auth.platform().clone()).unwrap();
        let response = dev.approve(request, Email::parse(email).unwrap(), None).await.unwrap();
        let response = query(&response);
        let callback = LoginCallback {
            state: response("state").unwrap(),
            code: response("code").unwrap().into(),
            issuer: None,
        };
        let finished =
            self.auth.sign_in().finish("dev", callback, &started.binding, &origin()).await.unwrap();
        self.auth.sessions().authenticate_cookie(&finished.session.unwrap().cookie).await.unwrap()
    }

    /// Signs in a user who is in the group `admins` of the workspace.
    pub(crate) async fn admin(&self, email: &str) -> CookiePrincipal {
        let browser = self.browser(email).await;
        let user_id = browser.session.user_id;
        let member = fixture::member(id("acme"), user_id, OrganizationRole::Member);
        self.store.commit(Changeset::new().insert(member).insert(Self::membership(&browser))).await.unwrap();
        browser
    }

    fn membership(browser: &CookiePrincipal) -> Membership {
        Membership {
            organization_id: id("acme"),
            workspace_id: id("dev"),
            group_id: id("admins"),
            user_id: browser.session.user_id,
            added_by: id("owner"),
            created_at: FIXTURE_TIME,
        }
    }

    /// Adds a user to the group `admins`.
    pub(crate) async fn add_to_group(&self, browser: &CookiePrincipal) {
        self.store.commit(Changeset::new().insert(Self::membership(browser))).await.unwrap();
    }

    /// Removes a user from the group `admins`.
    pub(crate) async fn remove_from_group(&self, browser: &CookiePrincipal) {
        let key = RecordKey::Membership(id("acme"), id("dev"), id("admins"), browser.session.user_id);
        self.store.commit(Changeset::new().delete(key)).await.unwrap();
    }

    /// Returns an authorization request of a client; `overrides` add or replace parameters, and an empty value removes
    /// one.
    pub(crate) fn request(client: &str, overrides: &[(&str, &str)]) -> Parameters {
        let redirect_uri = if client.starts_with("ws_") || client == "hexabase" { LOOPBACK } else { GRAFANA };
        let defaults = [
            ("client_id", client),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", "openid email profile groups offline_access"),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let defaults = defaults
            .into_iter()
            .filter(|(name, _)| overrides.iter().all(|(overridden, _)| overridden != name));
        parameters(&defaults.chain(overrides.iter().copied()).collect::<Vec<_>>())
    }

    /// Completes an authorization request, with the user's consent if required; returns the redirect location.
    pub(crate) async fn authorize(&self, request: &Parameters, browser: &CookiePrincipal) -> String {
        match self.auth.issuer().authorize(request, Some(browser)).await.unwrap() {
            Authorization::Redirect(location) => location,
            Authorization::Consent(Consent { handle, .. }) => {
                match self.auth.issuer().submit_consent(&handle, true, browser).await.unwrap() {
                    Authorization::Redirect(location) => location,
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn code(&self, client: &str, browser: &CookiePrincipal) -> String {
        let response = query(&self.authorize(&Self::request(client, &[]), browser).await);
        response("code")
            .unwrap_or_else(|| panic!("{:?} {:?}", response("error"), response("error_description")))
    }

    pub(crate) async fn token(
        &self,
        authorization: Option<&str>,
        pairs: &[(&str, &str)],
    ) -> Result<TokenResponse, OAuthError> {
        self.auth.issuer().token(authorization, &parameters(pairs), &origin()).await
    }

    /// Exchanges an authorization code as its client does.
    pub(crate) async fn redeem(&self, client: &str, code: &str) -> Result<TokenResponse, OAuthError> {
        let native = client.starts_with("ws_") || client == "hexabase";
        let header = (!native).then(|| basic(client, SECRET));
        let defaults = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", if native { LOOPBACK } else { GRAFANA }),
        ];
        self.token(header.as_deref(), &defaults).await
    }

    pub(crate) async fn tokens(&self, client: &str, browser: &CookiePrincipal) -> TokenResponse {
        let code = self.code(client, browser).await;
        self.redeem(client, &code).await.unwrap()
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Result<TokenResponse, OAuthError> {
        let header = (!client.starts_with("ws_")).then(|| basic(client, SECRET));
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client)];
        self.token(header.as_deref(), &pairs).await
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}
