//! What there is to sessions, sign-in and tokens, told from outside.

mod forgetful;
mod keys;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::clock::ManualClock;
use hexabase_core::conformance::identity_provider::{Approval, SignInHarness};
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
use crate::{Auth, AuthConfig, DevProvider, LoginAnswer, LoginRequest, PendingApproval};

struct World {
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

async fn auth_of(platform: Platform) -> Auth {
    let dev = DevProvider::new(platform.clone()).unwrap();
    Auth::new(platform, vec![Arc::new(dev)], AuthConfig::default()).await.unwrap()
}

async fn world() -> World {
    let (clock, store) = (Arc::new(ManualClock::default()), Arc::new(MemoryStore::new()));
    let auth = auth_of(platform(&clock, &store)).await;
    World { clock, store, auth }
}

fn origin() -> Origin {
    Origin { address: Some("192.0.2.1".to_owned()), device: "curl/8".to_owned(), request_id: "r".to_owned() }
}

impl World {
    async fn sign_in(&self, email: &str) -> TokenPair {
        let who = DevProvider::identity(&Email::parse(email).unwrap(), None);
        self.auth.sign_in(&ProviderName::parse("dev").unwrap(), &who, &origin()).await.unwrap()
    }

    async fn is_valid(&self, token: &str) -> bool {
        match self.auth.authenticate(token).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
                false
            }
        }
    }

    async fn events(&self, pair: &TokenPair) -> Vec<SecurityEventKind> {
        let page = PageRequest::largest();
        let events = self.auth.platform.users().security_events(pair.user_id, &page).await.unwrap();
        events.items.into_iter().map(|event| event.kind).collect()
    }
}

fn caller(pair: &TokenPair) -> Caller {
    Caller::new(Principal { user_id: pair.user_id, credential: Credential::Session(pair.session_id) })
}

#[tokio::test]
async fn an_access_token_stands_for_its_user_until_it_expires() {
    let world = world().await;
    let pair = world.sign_in("ann@example.com").await;
    let principal = world.auth.authenticate(&pair.access_token).await.unwrap();
    assert_eq!(
        (principal.user_id, principal.credential),
        (pair.user_id, Credential::Session(pair.session_id))
    );
    world.clock.advance(Duration::from_secs(15 * 60 - 1));
    assert!(world.is_valid(&pair.access_token).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(!world.is_valid(&pair.access_token).await);
}

#[tokio::test]
async fn refreshing_rotates_and_an_old_token_ends_the_family() {
    let world = world().await;
    let first = world.sign_in("ann@example.com").await;
    let second = world.auth.refresh(&first.refresh_token, &origin()).await.unwrap();
    let third = world.auth.refresh(&second.refresh_token, &origin()).await.unwrap();
    assert!(world.is_valid(&third.access_token).await);

    assert!(world.auth.refresh(&first.refresh_token, &origin()).await.is_err());
    for token in [&first.access_token, &second.access_token, &third.access_token] {
        assert!(!world.is_valid(token).await, "the whole family is over, at once");
    }
    assert!(world.auth.refresh(&third.refresh_token, &origin()).await.is_err());
    assert!(world.auth.refresh(&second.refresh_token, &origin()).await.is_err());
    let alarms =
        world.events(&third).await.into_iter().filter(|kind| *kind == SecurityEventKind::RefreshReused);
    assert_eq!(alarms.count(), 1, "a family ends exactly once");
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_are_answered_alike() {
    let world = world().await;
    let first = world.sign_in("ann@example.com").await;
    let one = world.auth.refresh(&first.refresh_token, &origin()).await.unwrap();
    world.clock.advance(Duration::from_secs(29));
    let other = world.auth.refresh(&first.refresh_token, &origin()).await.unwrap();
    assert_eq!(one.refresh_token, other.refresh_token);
    assert!(world.is_valid(&one.access_token).await && world.is_valid(&other.access_token).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(world.auth.refresh(&first.refresh_token, &origin()).await.is_err());
    assert!(
        world.auth.refresh(&one.refresh_token, &origin()).await.is_err(),
        "half a minute later it is theft"
    );
}

#[tokio::test]
async fn a_made_up_refresh_token_harms_nobody() {
    let world = world().await;
    let pair = world.sign_in("ann@example.com").await;
    let stranger = world.sign_in("bob@example.com").await;
    // Bob knows Ann's session id, and puts his own secret behind it.
    let forged = format!("{}{}", &pair.refresh_token[..30], &stranger.refresh_token[30..]);
    for bad in ["", "hxr_", "nonsense", &forged] {
        let error = world.auth.refresh(bad, &origin()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    assert!(world.is_valid(&pair.access_token).await);
    assert!(world.auth.refresh(&pair.refresh_token, &origin()).await.is_ok());
}

#[tokio::test]
async fn ending_a_session_takes_effect_at_once_and_survives_a_restart() {
    let world = world().await;
    let (kept, ended) = (world.sign_in("ann@example.com").await, world.sign_in("ann@example.com").await);
    assert_eq!(world.auth.sessions(kept.user_id).await.unwrap().len(), 2);
    world.auth.revoke(ended.user_id, ended.session_id, &origin()).await.unwrap();
    assert!(!world.is_valid(&ended.access_token).await && world.is_valid(&kept.access_token).await);
    assert!(world.auth.refresh(&ended.refresh_token, &origin()).await.is_err());
    assert_eq!(world.auth.sessions(kept.user_id).await.unwrap().len(), 1);

    // A new process remembers nothing but what is in the store.
    let restarted = World { auth: auth_of(platform(&world.clock, &world.store)).await, ..world };
    assert!(!restarted.is_valid(&ended.access_token).await, "no ended session comes back to life");
    assert!(restarted.is_valid(&kept.access_token).await, "keys are shared through the store");
}

#[tokio::test]
async fn a_stranger_cannot_end_sessions_and_all_of_ones_own_end_together() {
    let world = world().await;
    let (ann, bob) = (world.sign_in("ann@example.com").await, world.sign_in("bob@example.com").await);
    let error = world.auth.revoke(bob.user_id, ann.session_id, &origin()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let second = world.sign_in("ann@example.com").await;
    world.auth.revoke_all(ann.user_id, &origin()).await.unwrap();
    assert!(!world.is_valid(&ann.access_token).await && !world.is_valid(&second.access_token).await);
    assert!(world.is_valid(&bob.access_token).await);
}

#[tokio::test]
async fn an_api_token_works_within_its_life_and_only_for_its_owner() {
    let world = world().await;
    let (ann, bob) = (world.sign_in("ann@example.com").await, world.sign_in("bob@example.com").await);
    let expires_at = Some(hexabase_core::clock::after(fixture::THEN, Duration::from_secs(3_600)));
    let command = CreateToken { name: DisplayName::parse("ci").unwrap(), scopes: Scopes::all(), expires_at };
    let made = world.auth.create_token(&caller(&ann), &command).await.unwrap().value;
    assert!(made.secret.starts_with("hxb_") && !format!("{made:?}").contains(&made.secret));
    let principal = world.auth.authenticate(&made.secret).await.unwrap();
    assert_eq!(
        (principal.user_id, principal.credential),
        (ann.user_id, Credential::Token(made.token.id, Scopes::all()))
    );
    let listed = world.auth.tokens(&caller(&ann), &PageRequest::default()).await.unwrap().items;
    assert!(listed[0].used_at.is_some());

    let as_token = Caller::new(world.auth.authenticate(&made.secret).await.unwrap());
    let error = world.auth.create_token(&as_token, &command).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "a token cannot make tokens");
    let error = world.auth.delete_token(&caller(&bob), made.token.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let mut forged = made.secret.clone();
    forged.replace_range(forged.len() - 3.., "AAA");
    assert!(!world.is_valid(&forged).await);
    world.clock.advance(Duration::from_secs(3_600));
    assert!(!world.is_valid(&made.secret).await);
}

#[tokio::test]
async fn a_removed_api_token_stops_working() {
    let world = world().await;
    let ann = world.sign_in("ann@example.com").await;
    let command =
        CreateToken { name: DisplayName::parse("ci").unwrap(), scopes: Scopes::all(), expires_at: None };
    let made = world.auth.create_token(&caller(&ann), &command).await.unwrap().value;
    world.auth.delete_token(&caller(&ann), made.token.id).await.unwrap();
    assert!(!world.is_valid(&made.secret).await);
}

async fn approved(world: &World, url: &str, email: &str) -> (String, String) {
    let query: Vec<(String, String)> = url
        .split_once('?')
        .unwrap()
        .1
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.replace("%3A", ":").replace("%2F", "/")))
        .collect();
    let field = |name: &str| query.iter().find(|(field, _)| field == name).unwrap().1.clone();
    let request = PendingApproval {
        redirect_uri: field("redirect_uri"),
        state: field("state"),
        nonce: field("nonce"),
        code_challenge: field("code_challenge"),
    };
    let dev = DevProvider::new(world.auth.platform.clone()).unwrap();
    let location = dev.approve(request, Email::parse(email).unwrap(), None).await.unwrap();
    let part = |name: &str| {
        location.split(&format!("{name}=")).nth(1).unwrap().split('&').next().unwrap().to_owned()
    };
    (part("code"), part("state"))
}

fn login_to(place: &str) -> LoginRequest {
    LoginRequest { return_to: place.to_owned(), login_hint: None, reauthenticate: false }
}

fn answer(state: String, code: String) -> LoginAnswer {
    LoginAnswer { state, code: code.into(), issuer: None }
}

#[tokio::test]
async fn a_browser_signs_in_and_gets_a_cookie_and_a_csrf_token() {
    let world = world().await;
    let started = world.auth.start_login("dev", login_to("/console?tab=1")).await.unwrap();
    let (code, state) = approved(&world, &started.authorization_url, "ann@example.com").await;
    let finished =
        world.auth.finish_login("dev", answer(state, code), &started.binding, &origin()).await.unwrap();
    assert_eq!(finished.return_to, "/console?tab=1");
    let begun = finished.session.unwrap();
    let known = world.auth.authenticate_cookie(&begun.cookie).await.unwrap();
    assert_eq!(known.csrf_token, begun.csrf_token);
    assert!(!world.is_valid(&begun.cookie).await, "a cookie is no bearer token");

    let Credential::Session(session) = known.principal.credential else { panic!("a cookie is a session") };
    let pair = world.auth.tokens_for_browser(session, &origin()).await.unwrap();
    assert!(world.is_valid(&pair.access_token).await);
    world.auth.revoke(known.principal.user_id, session, &origin()).await.unwrap();
    assert!(world.auth.authenticate_cookie(&begun.cookie).await.is_err());
    assert!(world.is_valid(&pair.access_token).await, "it is a session of its own");
}

#[tokio::test]
async fn a_sign_in_belongs_to_one_browser_one_provider_and_one_use() {
    let world = world().await;
    let started = world.auth.start_login("dev", login_to("/")).await.unwrap();
    let (code, state) = approved(&world, &started.authorization_url, "ann@example.com").await;
    let finish = |state: String, code: String, binding: String| {
        let auth = &world.auth;
        async move { auth.finish_login("dev", answer(state, code), &binding, &origin()).await }
    };
    let stolen = finish(state.clone(), code.clone(), "another browser".to_owned()).await.unwrap_err();
    assert_eq!(stolen.kind(), ErrorKind::Unauthenticated);
    let again = finish(state, code, started.binding).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Unauthenticated, "a state is used up by the first attempt");
    let unknown = finish("made up".to_owned(), String::new(), String::new()).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Unauthenticated);
    assert_eq!(
        world.auth.start_login("nobody", login_to("/")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_sign_in_that_takes_too_long_is_over() {
    let world = world().await;
    let started = world.auth.start_login("dev", login_to("/")).await.unwrap();
    let (code, state) = approved(&world, &started.authorization_url, "ann@example.com").await;
    world.clock.advance(Duration::from_secs(601));
    assert!(world.auth.finish_login("dev", answer(state, code), &started.binding, &origin()).await.is_err());
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_after_signing_in() {
    let world = world().await;
    for elsewhere in
        ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "/a\nb", "/ä"]
    {
        let error = world.auth.start_login("dev", login_to(elsewhere)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{elsewhere}");
    }
}

#[tokio::test]
async fn one_person_signs_in_in_several_ways_only_by_a_verified_address() {
    let world = world().await;
    let google = ProviderName::parse("google").unwrap();
    let ann = world.sign_in("ann@example.com").await;
    let who = |subject: &str, email: Option<&str>| ExternalIdentity {
        subject: subject.to_owned(),
        verified_email: email.map(|email| Email::parse(email).unwrap()),
        name: None,
    };
    let same = world.auth.sign_in(&google, &who("g1", Some("ann@example.com")), &origin()).await.unwrap();
    assert_eq!(same.user_id, ann.user_id);
    let unverified = world.auth.sign_in(&google, &who("g2", None), &origin()).await.unwrap();
    assert_ne!(unverified.user_id, ann.user_id);
    let again = world.auth.sign_in(&google, &who("g2", None), &origin()).await.unwrap();
    assert_eq!(again.user_id, unverified.user_id, "a second person without an address is nobody's problem");
    assert!(world.events(&ann).await.contains(&SecurityEventKind::IdentityLinked));
    let profile = world.auth.platform.users().profile(ann.user_id).await.unwrap();
    assert_eq!(profile.organizations.len(), 1);
    assert!(profile.organizations[0].0.personal);
}

#[tokio::test]
async fn whoever_is_signed_in_can_link_another_account_and_nobody_can_link_theirs_to_somebody_else() {
    let world = world().await;
    let (ann, bob) = (world.sign_in("ann@example.com").await, world.sign_in("bob@example.com").await);
    let link = async |pair: &TokenPair, email: &str| {
        let started = world.auth.start_link(&caller(pair), "dev", login_to("/settings")).await.unwrap();
        let (code, state) = approved(&world, &started.authorization_url, email).await;
        world.auth.finish_login("dev", answer(state, code), &started.binding, &origin()).await
    };
    for _ in 0..2 {
        let linked = link(&ann, "ann@work.example").await.unwrap();
        assert!(linked.session.is_none() && linked.return_to == "/settings");
    }
    assert_eq!(world.sign_in("ann@work.example").await.user_id, ann.user_id);
    let linked = world.events(&ann).await;
    let linked = linked.iter().filter(|kind| **kind == SecurityEventKind::IdentityLinked).count();
    assert_eq!(linked, 1, "the second time it was hers already");
    let taken = link(&bob, "ann@work.example").await.unwrap_err();
    assert_eq!(taken.code(), "identity_taken");

    // Another browser cannot finish what this one began, and nobody can who is signed out by then.
    let started = world.auth.start_link(&caller(&bob), "dev", login_to("/")).await.unwrap();
    let (code, state) = approved(&world, &started.authorization_url, "bob@work.example").await;
    assert!(world.auth.finish_login("dev", answer(state, code), "another", &origin()).await.is_err());
    let started = world.auth.start_link(&caller(&bob), "dev", login_to("/")).await.unwrap();
    let (code, state) = approved(&world, &started.authorization_url, "bob@work.example").await;
    world.auth.revoke_all(bob.user_id, &origin()).await.unwrap();
    let late = world.auth.finish_login("dev", answer(state, code), &started.binding, &origin()).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert_ne!(world.sign_in("bob@work.example").await.user_id, bob.user_id);

    let automation = Credential::Token(hexabase_core::fixture::id("token"), Scopes::all());
    let automation = Caller::new(Principal { user_id: ann.user_id, credential: automation });
    let refused = world.auth.start_link(&automation, "dev", login_to("/")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn tokens_of_another_kind_or_hand_are_refused() {
    let world = world().await;
    let pair = world.sign_in("ann@example.com").await;
    let parts: Vec<&str> = pair.access_token.split('.').collect();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let kid = world.auth.jwks().await["keys"][0]["kid"].as_str().unwrap().to_owned();
    let header = |alg: &str, typ: &str, kid: &str| {
        encode(&format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{kid}"}}"#))
    };
    let hostile = [
        format!("{}.{}.", header("none", "at+jwt", &kid), parts[1]),
        format!("{}.{}.{}", header("HS256", "at+jwt", &kid), parts[1], parts[2]),
        format!("{}.{}.{}", header("ES256", "JWT", &kid), parts[1], parts[2]),
        format!("{}.{}.{}", header("ES256", "at+jwt", "unknown"), parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], encode("{}"), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.{}.", parts[0], parts[1], parts[2]),
        "x".repeat(100_000),
    ];
    for token in hostile {
        assert!(!world.is_valid(&token).await, "{:.60}", token);
    }
    // Another installation's token, with another key and issuer.
    let other =
        Platform::builder("https://other.example").with_plans(vec![fixture::plan("small")]).build().unwrap();
    let other = World { auth: auth_of(other).await, clock: world.clock.clone(), store: world.store.clone() };
    assert!(!world.is_valid(&other.sign_in("ann@example.com").await.access_token).await);
}

#[tokio::test]
async fn a_cluster_token_is_for_one_workspace_and_no_access_token() {
    let world = world().await;
    let pair = world.sign_in("ann@example.com").await;
    let user = world.auth.platform.users().profile(pair.user_id).await.unwrap().user;
    let access = hexabase_core::platform::ClusterAccess {
        workspace: fixture::workspace("dev"),
        user,
        groups: vec!["WSAdmins".to_owned(), "WorkspaceMembers".to_owned()],
    };
    let token = world.auth.cluster_token(&access).await.unwrap();
    let (subject, groups) = world.auth.verify_cluster_token(&token.token, fixture::id("dev")).await.unwrap();
    assert_eq!((subject, groups), (pair.user_id, access.groups.clone()));
    assert!(world.auth.verify_cluster_token(&token.token, fixture::id("other")).await.is_err());
    assert!(!world.is_valid(&token.token).await);
    assert!(world.auth.verify_cluster_token(&pair.access_token, fixture::id("dev")).await.is_err());
    world.clock.advance(hexabase_core::platform::CLUSTER_TOKEN_LIFETIME);
    assert!(world.auth.verify_cluster_token(&token.token, fixture::id("dev")).await.is_err());

    let many = (0..2_000).map(|number| format!("group-{number:060}")).collect();
    let error = world
        .auth
        .cluster_token(&hexabase_core::platform::ClusterAccess { groups: many, ..access })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
}

#[derive(Debug)]
struct Development(DevProvider);

#[async_trait]
impl SignInHarness for Development {
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
    use super::{Arc, DevProvider, Development, ManualClock, MemoryStore, platform};

    hexabase_core::identity_provider_conformance!(async {
        let platform = platform(&Arc::new(ManualClock::default()), &Arc::new(MemoryStore::new()));
        (Development(DevProvider::new(platform).unwrap()), ())
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_taken_for_a_token(text in ".{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            assert!(!world.is_valid(&text).await);
            assert!(!world.is_valid(&format!("hxb_{text}")).await);
            assert!(world.auth.refresh(&text, &origin()).await.is_err());
            assert!(world.auth.authenticate_cookie(&text).await.is_err());
        });
    }
}

#[tokio::test]
async fn what_goes_on_is_over_when_its_session_or_token_is() {
    let world = world().await;
    let pair = world.sign_in("ann@example.com").await;
    let (session, scopes) = (caller(&pair), Scopes::all());
    let command = CreateToken { name: DisplayName::parse("ci").unwrap(), scopes, expires_at: None };
    let made = world.auth.create_token(&session, &command).await.unwrap().value;
    let token = world.auth.authenticate(&made.secret).await.unwrap();
    for principal in [&session.principal, &token] {
        world.auth.require_alive(principal).await.unwrap();
    }
    world.auth.delete_token(&session, made.token.id).await.unwrap();
    world.auth.revoke(pair.user_id, pair.session_id, &origin()).await.unwrap();
    for principal in [&session.principal, &token] {
        let error = world.auth.require_alive(principal).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
}

#[tokio::test]
async fn what_was_revoked_stays_so_when_whoever_remembered_it_was_started_anew() {
    let world = world().await;
    let (ann, bob) = (world.sign_in("ann@example.com").await, world.sign_in("bob@example.com").await);
    world.auth.revoke(ann.user_id, ann.session_id, &origin()).await.unwrap();
    let ephemeral = world.auth.platform.ephemeral();
    for forgotten in [format!("revoked/{}", ann.session_id), "revoked/complete".to_owned()] {
        assert!(ephemeral.take(&forgotten).await.unwrap().is_some(), "{forgotten}");
    }
    let error = world.auth.authenticate(&ann.access_token).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    world.auth.authenticate(&bob.access_token).await.unwrap();
}

#[tokio::test]
async fn whoever_has_too_many_sessions_loses_the_oldest() {
    let platform = platform(&Arc::new(ManualClock::default()), &Arc::new(MemoryStore::new()));
    let config = AuthConfig { sessions_per_user: 3, ..AuthConfig::default() };
    let auth = Auth::new(platform, Vec::new(), config).await.unwrap();
    let dev = ProviderName::parse("dev").unwrap();
    let sign_in = async |email: &str| {
        let who = DevProvider::identity(&Email::parse(email).unwrap(), None);
        auth.sign_in(&dev, &who, &origin()).await.unwrap()
    };
    let bob = sign_in("bob@example.com").await;
    let first = sign_in("ann@example.com").await;
    for _ in 0..2 {
        sign_in("ann@example.com").await;
    }
    auth.authenticate(&first.access_token).await.unwrap();
    let fourth = sign_in("ann@example.com").await;
    assert!(auth.authenticate(&first.access_token).await.is_err());
    assert_eq!(auth.sessions(fourth.user_id).await.unwrap().len(), 3);
    auth.authenticate(&bob.access_token).await.unwrap();
}
