//! Tests of sessions, sign-in and tokens through the public interface.

mod conformance;
mod keys;
mod login;
mod reauthentication;
mod revocation_loss;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::authenticator::Authenticator as _;
use hexabase_core::clock::ManualClock;
use hexabase_core::conformance::identity_provider::{Approval, SignInHarness};
use hexabase_core::ephemeral::MemoryEphemeral;
use hexabase_core::fixture;
use hexabase_core::identity::{ExternalIdentity, IdentityProvider};
use hexabase_core::model::{Origin, Scopes, SecurityEventKind};
use hexabase_core::name::{DisplayName, Email, ProviderName};
use hexabase_core::page::PageRequest;
use hexabase_core::platform::{Caller, CreateToken, PlatformBuilder};
use hexabase_core::seal::MasterKey;
use hexabase_core::store::MemoryStore;
use hexabase_core::{ErrorKind, Platform};
use proptest::prelude::*;

use crate::sessions::TokenPair;
use crate::{Auth, AuthConfig, DevProvider, LoginCallback, LoginRequest, PendingApproval, login_id};

#[derive(Debug)]
struct TestEnv {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    auth: Auth,
}

fn builder(clock: &Arc<ManualClock>, store: &Arc<MemoryStore>) -> PlatformBuilder {
    Platform::builder("https://hexabase.example")
        .with_clock(clock.clone())
        .with_store(store.clone())
        .with_master_key(MasterKey::new([7; 32]))
        .with_plans(vec![fixture::plan("small")])
}

fn platform(clock: &Arc<ManualClock>, store: &Arc<MemoryStore>) -> Platform {
    builder(clock, store).build().unwrap()
}

async fn new_auth(platform: Platform) -> Auth {
    let dev = DevProvider::new(platform.clone()).unwrap();
    Auth::new(platform, vec![Arc::new(dev)], AuthConfig::default()).await.unwrap()
}

async fn test_env() -> TestEnv {
    let (clock, store) = (Arc::new(ManualClock::default()), Arc::new(MemoryStore::new()));
    let auth = new_auth(platform(&clock, &store)).await;
    TestEnv { clock, store, auth }
}

fn origin() -> Origin {
    Origin { address: Some("192.0.2.1".to_owned()), device: "curl/8".to_owned(), request_id: "r".to_owned() }
}

impl TestEnv {
    async fn sign_in(&self, email: &str) -> TokenPair {
        let identity = DevProvider::identity(&Email::parse(email).unwrap(), None);
        self.auth
            .sign_in()
            .with_identity(&ProviderName::parse("dev").unwrap(), &identity, &origin())
            .await
            .unwrap()
    }

    async fn is_valid(&self, token: &str) -> bool {
        match self.auth.authenticate_bearer(token).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
                false
            }
        }
    }

    async fn security_events(&self, pair: &TokenPair) -> Vec<SecurityEventKind> {
        let page = PageRequest::largest();
        let security_events = self.auth.platform.users().security_events(pair.user_id, &page).await.unwrap();
        security_events.items.into_iter().map(|event| event.kind).collect()
    }
}

fn caller(pair: &TokenPair) -> Caller {
    Caller::new(Principal { user_id: pair.user_id, credential: Credential::Session(pair.session_id) })
}

#[tokio::test]
async fn an_access_token_authenticates_its_user_until_it_expires() {
    let env = test_env().await;
    let pair = env.sign_in("ann@example.com").await;
    let principal = env.auth.authenticate_bearer(&pair.access_token).await.unwrap();
    assert_eq!(
        (principal.user_id, principal.credential),
        (pair.user_id, Credential::Session(pair.session_id))
    );
    env.clock.advance(Duration::from_secs(15 * 60 - 1));
    assert!(env.is_valid(&pair.access_token).await);
    env.clock.advance(Duration::from_secs(1));
    assert!(!env.is_valid(&pair.access_token).await);
}

#[tokio::test]
async fn reuse_of_a_rotated_refresh_token_ends_the_token_family() {
    let env = test_env().await;
    let first = env.sign_in("ann@example.com").await;
    let second = env.auth.sessions().refresh(&first.refresh_token, &origin()).await.unwrap();
    let third = env.auth.sessions().refresh(&second.refresh_token, &origin()).await.unwrap();
    assert!(env.is_valid(&third.access_token).await);

    assert!(env.auth.sessions().refresh(&first.refresh_token, &origin()).await.is_err());
    for token in [&first.access_token, &second.access_token, &third.access_token] {
        assert!(!env.is_valid(token).await, "the whole token family ends immediately");
    }
    assert!(env.auth.sessions().refresh(&third.refresh_token, &origin()).await.is_err());
    assert!(env.auth.sessions().refresh(&second.refresh_token, &origin()).await.is_err());
    let reuse_events = env
        .security_events(&third)
        .await
        .into_iter()
        .filter(|kind| *kind == SecurityEventKind::RefreshReused);
    assert_eq!(reuse_events.count(), 1, "a token family ends exactly once");
}

#[tokio::test]
async fn refreshes_of_a_session_are_rate_limited_without_loss_of_the_token() {
    let env = test_env().await;
    let (mut pair, other) = (env.sign_in("ann@example.com").await, env.sign_in("ann@example.com").await);
    for _ in 0..AuthConfig::default().refreshes_per_minute {
        pair = env.auth.sessions().refresh(&pair.refresh_token, &origin()).await.unwrap();
    }
    let error = env.auth.sessions().refresh(&pair.refresh_token, &origin()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    assert!(
        env.auth.sessions().refresh(&other.refresh_token, &origin()).await.is_ok(),
        "other sessions are not affected"
    );
    env.clock.advance(Duration::from_secs(60));
    assert!(env.auth.sessions().refresh(&pair.refresh_token, &origin()).await.is_ok());
}

#[tokio::test]
async fn concurrent_refreshes_return_the_same_refresh_token() {
    let env = test_env().await;
    let first = env.sign_in("ann@example.com").await;
    let one = env.auth.sessions().refresh(&first.refresh_token, &origin()).await.unwrap();
    env.clock.advance(Duration::from_secs(29));
    let other = env.auth.sessions().refresh(&first.refresh_token, &origin()).await.unwrap();
    assert_eq!(one.refresh_token, other.refresh_token);
    assert!(env.is_valid(&one.access_token).await && env.is_valid(&other.access_token).await);
    env.clock.advance(Duration::from_secs(1));
    assert!(env.auth.sessions().refresh(&first.refresh_token, &origin()).await.is_err());
    assert!(
        env.auth.sessions().refresh(&one.refresh_token, &origin()).await.is_err(),
        "reuse after 30 seconds ends the token family"
    );
}

#[tokio::test]
async fn a_forged_refresh_token_does_not_end_the_session() {
    let env = test_env().await;
    let pair = env.sign_in("ann@example.com").await;
    let stranger = env.sign_in("bob@example.com").await;
    // Bob knows Ann's session id and combines it with his own verifier.
    let forged = format!("{}{}", &pair.refresh_token[..30], &stranger.refresh_token[30..]);
    for bad in ["", "hxr_", "nonsense", &forged] {
        let error = env.auth.sessions().refresh(bad, &origin()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    assert!(env.is_valid(&pair.access_token).await);
    assert!(env.auth.sessions().refresh(&pair.refresh_token, &origin()).await.is_ok());
}

#[tokio::test]
async fn the_other_sessions_end_and_the_one_that_a_session_was_derived_from_continues() {
    let env = test_env().await;
    let (own, other) = (env.sign_in("ann@example.com").await, env.sign_in("ann@example.com").await);
    let stranger = env.sign_in("bob@example.com").await;
    let sessions = env.auth.sessions();
    let derived = sessions.derive(own.session_id, &origin()).await.unwrap();
    let of_other = sessions.derive(other.session_id, &origin()).await.unwrap();
    sessions.revoke_others(derived.user_id, derived.session_id, &origin()).await.unwrap();
    for (pair, alive) in
        [(&own, true), (&derived, true), (&stranger, true), (&other, false), (&of_other, false)]
    {
        assert_eq!(env.is_valid(&pair.access_token).await, alive, "{pair:?}");
    }
    sessions.revoke_others(own.user_id, own.session_id, &origin()).await.unwrap();
    assert!(env.is_valid(&own.access_token).await && !env.is_valid(&derived.access_token).await);
}

#[tokio::test]
async fn a_revocation_is_immediate_and_survives_a_restart() {
    let env = test_env().await;
    let (active, ended) = (env.sign_in("ann@example.com").await, env.sign_in("ann@example.com").await);
    assert_eq!(env.auth.sessions().list(active.user_id).await.unwrap().len(), 2);
    env.auth.sessions().revoke(ended.user_id, ended.session_id, &origin()).await.unwrap();
    assert!(!env.is_valid(&ended.access_token).await && env.is_valid(&active.access_token).await);
    assert!(env.auth.sessions().refresh(&ended.refresh_token, &origin()).await.is_err());
    assert_eq!(env.auth.sessions().list(active.user_id).await.unwrap().len(), 1);

    // A new process knows only the content of the store.
    let restarted = TestEnv { auth: new_auth(platform(&env.clock, &env.store)).await, ..env };
    assert!(!restarted.is_valid(&ended.access_token).await, "a revoked session stays revoked");
    assert!(restarted.is_valid(&active.access_token).await, "keys are shared through the store");
}

#[tokio::test]
async fn users_can_revoke_their_own_sessions_only() {
    let env = test_env().await;
    let (ann, bob) = (env.sign_in("ann@example.com").await, env.sign_in("bob@example.com").await);
    let error = env.auth.sessions().revoke(bob.user_id, ann.session_id, &origin()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let second = env.sign_in("ann@example.com").await;
    env.auth.sessions().revoke_all(ann.user_id, &origin()).await.unwrap();
    assert!(!env.is_valid(&ann.access_token).await && !env.is_valid(&second.access_token).await);
    assert!(env.is_valid(&bob.access_token).await);
}

#[tokio::test]
async fn an_api_token_works_until_it_expires_and_only_its_owner_can_delete_it() {
    let env = test_env().await;
    let (ann, bob) = (env.sign_in("ann@example.com").await, env.sign_in("bob@example.com").await);
    let expires_at = Some(hexabase_core::clock::after(fixture::FIXTURE_TIME, Duration::from_secs(3_600)));
    let command = CreateToken { name: DisplayName::parse("ci").unwrap(), scopes: Scopes::all(), expires_at };
    let created = env.auth.api_tokens().create(&caller(&ann), &command).await.unwrap().value;
    let secret = created.secret.clone().unwrap();
    assert!(secret.starts_with("hxb_") && !format!("{created:?}").contains(&secret));
    let principal = env.auth.authenticate_bearer(&secret).await.unwrap();
    assert_eq!(
        (principal.user_id, principal.credential),
        (ann.user_id, Credential::Token(created.token.id, Scopes::all()))
    );
    let listed = env.auth.api_tokens().list(&caller(&ann), &PageRequest::default()).await.unwrap().items;
    assert!(listed[0].used_at.is_some());

    let as_token = Caller::new(env.auth.authenticate_bearer(&secret).await.unwrap());
    let error = env.auth.api_tokens().create(&as_token, &command).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "an API token cannot create API tokens");
    let error = env.auth.api_tokens().delete(&caller(&bob), created.token.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let mut forged = secret.clone();
    forged.replace_range(forged.len() - 3.., "AAA");
    assert!(!env.is_valid(&forged).await);
    env.clock.advance(Duration::from_secs(3_600));
    assert!(!env.is_valid(&secret).await);
}

#[tokio::test]
async fn a_deleted_api_token_is_rejected() {
    let env = test_env().await;
    let ann = env.sign_in("ann@example.com").await;
    let command =
        CreateToken { name: DisplayName::parse("ci").unwrap(), scopes: Scopes::all(), expires_at: None };
    let created = env.auth.api_tokens().create(&caller(&ann), &command).await.unwrap().value;
    env.auth.api_tokens().delete(&caller(&ann), created.token.id).await.unwrap();
    assert!(!env.is_valid(&created.secret.unwrap()).await);
}

#[tokio::test]
async fn tokens_of_other_types_and_issuers_are_rejected() {
    let env = test_env().await;
    let pair = env.sign_in("ann@example.com").await;
    let parts: Vec<&str> = pair.access_token.split('.').collect();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let kid = env.auth.keys().jwks().await["keys"][0]["kid"].as_str().unwrap().to_owned();
    let header = |alg: &str, typ: &str, kid: &str| {
        encode(&format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{kid}"}}"#))
    };
    let forged_tokens = [
        format!("{}.{}.", header("none", "at+jwt", &kid), parts[1]),
        format!("{}.{}.{}", header("HS256", "at+jwt", &kid), parts[1], parts[2]),
        format!("{}.{}.{}", header("ES256", "JWT", &kid), parts[1], parts[2]),
        format!("{}.{}.{}", header("ES256", "at+jwt", "unknown"), parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], encode("{}"), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.{}.", parts[0], parts[1], parts[2]),
        "x".repeat(100_000),
    ];
    for token in forged_tokens {
        assert!(!env.is_valid(&token).await, "{:.60}", token);
    }
    // Token of another installation, with another key and issuer.
    let other =
        Platform::builder("https://other.example").with_plans(vec![fixture::plan("small")]).build().unwrap();
    let other = TestEnv { auth: new_auth(other).await, clock: env.clock.clone(), store: env.store.clone() };
    assert!(!env.is_valid(&other.sign_in("ann@example.com").await.access_token).await);
}

#[tokio::test]
async fn a_cluster_token_is_valid_for_one_workspace_only() {
    let env = test_env().await;
    let pair = env.sign_in("ann@example.com").await;
    let user = env.auth.platform.users().profile(pair.user_id).await.unwrap().user;
    let access = hexabase_core::platform::ClusterAccess {
        workspace: fixture::workspace("dev"),
        user,
        groups: vec!["WSAdmins".to_owned(), "WorkspaceMembers".to_owned()],
        as_of: env.auth.platform.clock().now(),
    };
    let token = env.auth.issuer().cluster_token(&access).await.unwrap();
    let (subject, groups) =
        env.auth.issuer().verify_cluster_token(&token.token, fixture::id("dev")).await.unwrap();
    assert_eq!((subject, groups), (pair.user_id, access.groups.clone()));
    assert!(env.auth.issuer().verify_cluster_token(&token.token, fixture::id("other")).await.is_err());
    assert!(!env.is_valid(&token.token).await);
    assert!(env.auth.issuer().verify_cluster_token(&pair.access_token, fixture::id("dev")).await.is_err());
    env.clock.advance(hexabase_core::platform::CLUSTER_TOKEN_LIFETIME);
    assert!(env.auth.issuer().verify_cluster_token(&token.token, fixture::id("dev")).await.is_err());

    let too_many = (0..2_000).map(|number| format!("group-{number:060}")).collect();
    let error = env
        .auth
        .issuer()
        .cluster_token(&hexabase_core::platform::ClusterAccess { groups: too_many, ..access })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
}

#[derive(Debug)]
struct DevHarness(DevProvider);

#[async_trait]
impl SignInHarness for DevHarness {
    fn provider(&self) -> &dyn IdentityProvider {
        &self.0
    }

    async fn approve(&self, url: &str, email: &Email) -> Approval {
        let query = url.split_once('?').unwrap().1;
        let field = |name: &str| {
            let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            found.unwrap().replace("%3A", ":").replace("%2F", "/")
        };
        let request = PendingApproval {
            redirect_uri: field("redirect_uri"),
            state: field("state"),
            nonce: field("nonce"),
            code_challenge: field("code_challenge"),
        };
        let location = self.0.approve(request, email.clone(), None).await.unwrap();
        let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        Approval { code, issuer: None }
    }
}

mod development_provider {
    use super::{Arc, DevHarness, DevProvider, ManualClock, MemoryStore, platform};

    hexabase_core::identity_provider_conformance!(async {
        let platform = platform(&Arc::new(ManualClock::default()), &Arc::new(MemoryStore::new()));
        (DevHarness(DevProvider::new(platform).unwrap()), ())
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_text_is_rejected_as_a_token(text in ".{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let env = test_env().await;
            assert!(!env.is_valid(&text).await);
            assert!(!env.is_valid(&format!("hxb_{text}")).await);
            assert!(env.auth.sessions().refresh(&text, &origin()).await.is_err());
            assert!(env.auth.sessions().authenticate_cookie(&text).await.is_err());
        });
    }
}

#[tokio::test]
async fn require_alive_fails_when_the_session_or_token_has_ended() {
    let env = test_env().await;
    let pair = env.sign_in("ann@example.com").await;
    let (session, scopes) = (caller(&pair), Scopes::all());
    let command = CreateToken { name: DisplayName::parse("ci").unwrap(), scopes, expires_at: None };
    let created = env.auth.api_tokens().create(&session, &command).await.unwrap().value;
    let token = env.auth.authenticate_bearer(&created.secret.unwrap()).await.unwrap();
    for principal in [&session.principal, &token] {
        env.auth.require_alive(principal).await.unwrap();
    }
    env.auth.api_tokens().delete(&session, created.token.id).await.unwrap();
    env.auth.sessions().revoke(pair.user_id, pair.session_id, &origin()).await.unwrap();
    for principal in [&session.principal, &token] {
        let error = env.auth.require_alive(principal).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
}

#[tokio::test]
async fn revocations_survive_the_loss_of_the_ephemeral_store() {
    let env = test_env().await;
    let (ann, bob) = (env.sign_in("ann@example.com").await, env.sign_in("bob@example.com").await);
    env.auth.sessions().revoke(ann.user_id, ann.session_id, &origin()).await.unwrap();
    let ephemeral = env.auth.platform.ephemeral();
    for forgotten in [format!("revoked/{}", ann.session_id), "revoked/complete".to_owned()] {
        assert!(ephemeral.take(&forgotten).await.unwrap().is_some(), "{forgotten}");
    }
    let error = env.auth.authenticate_bearer(&ann.access_token).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    env.auth.authenticate_bearer(&bob.access_token).await.unwrap();
}

#[tokio::test]
async fn a_session_beyond_the_maximum_ends_the_oldest() {
    let platform = platform(&Arc::new(ManualClock::default()), &Arc::new(MemoryStore::new()));
    let config = AuthConfig { sessions_per_user: 3, ..AuthConfig::default() };
    let auth = Auth::new(platform, Vec::new(), config).await.unwrap();
    let dev = ProviderName::parse("dev").unwrap();
    let sign_in = async |email: &str| {
        let identity = DevProvider::identity(&Email::parse(email).unwrap(), None);
        auth.sign_in().with_identity(&dev, &identity, &origin()).await.unwrap()
    };
    let bob = sign_in("bob@example.com").await;
    let first = sign_in("ann@example.com").await;
    for _ in 0..2 {
        sign_in("ann@example.com").await;
    }
    auth.authenticate_bearer(&first.access_token).await.unwrap();
    let fourth = sign_in("ann@example.com").await;
    assert!(auth.authenticate_bearer(&first.access_token).await.is_err());
    assert_eq!(auth.sessions().list(fourth.user_id).await.unwrap().len(), 3);
    auth.authenticate_bearer(&bob.access_token).await.unwrap();
    // Derived sessions take the place of others, but never of the one that they are derived from.
    let mut parent = bob.session_id;
    for _ in 0..2 {
        parent = auth.sessions().derive(parent, &origin()).await.unwrap().session_id;
    }
    sign_in("bob@example.com").await;
    let error = auth.sessions().derive(parent, &origin()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "the oldest session ended with its derived ones");
    let own = sign_in("bob@example.com").await;
    for _ in 0..4 {
        auth.sessions().derive(own.session_id, &origin()).await.unwrap();
    }
    auth.authenticate_bearer(&own.access_token).await.unwrap();
    assert_eq!(auth.sessions().list(own.user_id).await.unwrap().len(), 3);
}
