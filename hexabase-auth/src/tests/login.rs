//! Sign-in in the browser: state, return paths, linked accounts and derived sessions.

use hexabase_core::mock::MockIdentityProvider;

use super::*;

pub(super) async fn approve(env: &TestEnv, url: &str, email: &str) -> (String, String) {
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
    let dev = DevProvider::new(env.auth.platform.clone()).unwrap();
    let location = dev.approve(request, Email::parse(email).unwrap(), None).await.unwrap();
    let parameter = |name: &str| {
        location.split(&format!("{name}=")).nth(1).unwrap().split('&').next().unwrap().to_owned()
    };
    (parameter("code"), parameter("state"))
}

pub(super) fn login_to(return_to: &str) -> LoginRequest {
    LoginRequest { return_to: return_to.to_owned(), login_hint: None, reauthenticate: false }
}

pub(super) fn callback(state: String, code: String) -> LoginCallback {
    LoginCallback { state, code: code.into(), issuer: None }
}

#[tokio::test]
async fn a_browser_sign_in_returns_a_cookie_and_a_csrf_token() {
    let env = test_env().await;
    let started = env.auth.sign_in().start("dev", login_to("/console?tab=1")).await.unwrap();
    let (code, state) = approve(&env, &started.authorization_url, "ann@example.com").await;
    let finished =
        env.auth.sign_in().finish("dev", callback(state, code), &started.binding, &origin()).await.unwrap();
    assert_eq!(finished.return_to, "/console?tab=1");
    let browser_session = finished.session.unwrap();
    let authenticated = env.auth.sessions().authenticate_cookie(&browser_session.cookie).await.unwrap();
    assert_eq!(authenticated.csrf_token, browser_session.csrf_token);
    assert!(!env.is_valid(&browser_session.cookie).await, "a session cookie is not a bearer token");

    let Credential::Session(session) = authenticated.principal.credential else {
        panic!("a session cookie authenticates a session")
    };
    let pair = env.auth.sessions().derive(session, &origin()).await.unwrap();
    assert!(env.is_valid(&pair.access_token).await);
    env.auth.sessions().revoke(authenticated.principal.user_id, session, &origin()).await.unwrap();
    assert!(env.auth.sessions().authenticate_cookie(&browser_session.cookie).await.is_err());
    assert!(!env.is_valid(&pair.access_token).await, "the derived session ends with the browser session");
    assert!(env.auth.sessions().refresh(&pair.refresh_token, &origin()).await.is_err());
    let late = env.auth.sessions().derive(session, &origin()).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_derived_session_ends_with_the_one_it_was_derived_from() {
    let env = test_env().await;
    let (own, other) = (env.sign_in("ann@example.com").await, env.sign_in("ann@example.com").await);
    env.clock.advance(Duration::from_secs(600));
    let first = env.auth.sessions().derive(own.session_id, &origin()).await.unwrap();
    let second = env.auth.sessions().derive(first.session_id, &origin()).await.unwrap();
    let sessions = env.auth.sessions().list(own.user_id).await.unwrap();
    let expiry = |pair: &TokenPair| {
        sessions.iter().find(|session| session.id == pair.session_id).map(|session| session.expires_at)
    };
    assert_eq!(expiry(&second), expiry(&own), "it does not extend the session");
    // The end of a derived session ends those derived from it, not the one that it was derived from.
    let third = env.auth.sessions().derive(own.session_id, &origin()).await.unwrap();
    env.auth.sessions().revoke(third.user_id, third.session_id, &origin()).await.unwrap();
    assert!(env.is_valid(&own.access_token).await && !env.is_valid(&third.access_token).await);
    env.auth.sessions().revoke(own.user_id, own.session_id, &origin()).await.unwrap();
    for pair in [&own, &first, &second] {
        assert!(!env.is_valid(&pair.access_token).await);
        assert!(env.auth.sessions().refresh(&pair.refresh_token, &origin()).await.is_err());
    }
    assert!(env.is_valid(&other.access_token).await);
}

#[tokio::test]
async fn theft_of_a_refresh_token_ends_the_sessions_derived_from_its_session() {
    let env = test_env().await;
    let own = env.sign_in("ann@example.com").await;
    let derived = env.auth.sessions().derive(own.session_id, &origin()).await.unwrap();
    env.auth.sessions().refresh(&own.refresh_token, &origin()).await.unwrap();
    env.clock.advance(Duration::from_secs(31));
    assert!(env.auth.sessions().refresh(&own.refresh_token, &origin()).await.is_err());
    assert!(!env.is_valid(&derived.access_token).await);
}

#[tokio::test]
async fn a_code_with_a_foreign_state_is_not_sent_to_the_provider() {
    let (clock, store) = (Arc::new(ManualClock::default()), Arc::new(MemoryStore::new()));
    // A call of `exchange` fails the test.
    let mut provider = MockIdentityProvider::new();
    provider.expect_name().return_const(ProviderName::parse("strict").unwrap());
    provider
        .expect_authorization_url()
        .once()
        .returning(|request| Ok(format!("https://strict.example/?state={}", request.state)));
    let providers: Vec<Arc<dyn IdentityProvider>> = vec![Arc::new(provider)];
    let auth = Auth::new(platform(&clock, &store), providers, AuthConfig::default()).await.unwrap();
    let started = auth.sign_in().start("strict", login_to("/")).await.unwrap();
    let state = started.authorization_url.rsplit('=').next().unwrap();
    for (state, binding) in [(state, "another browser"), (state, ""), ("made up", started.binding.as_str())] {
        let callback = callback(state.to_owned(), "code".to_owned());
        let error = auth.sign_in().finish("strict", callback, binding, &origin()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    clock.advance(Duration::from_secs(24 * 60 * 60));
    let late = callback(state.to_owned(), "code".to_owned());
    let error = auth.sign_in().finish("strict", late, &started.binding, &origin()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_login_state_is_valid_once_and_in_one_browser() {
    let env = test_env().await;
    let started = env.auth.sign_in().start("dev", login_to("/")).await.unwrap();
    let (code, state) = approve(&env, &started.authorization_url, "ann@example.com").await;
    let finish = |state: String, code: String, binding: String| {
        let auth = &env.auth;
        async move { auth.sign_in().finish("dev", callback(state, code), &binding, &origin()).await }
    };
    let other = env.auth.sign_in().start("dev", login_to("/")).await.unwrap();
    for binding in ["", "another browser", other.binding.as_str(), &started.binding[1..]] {
        let wrong_browser = finish(state.clone(), code.clone(), binding.to_owned()).await.unwrap_err();
        assert_eq!(wrong_browser.kind(), ErrorKind::Unauthenticated);
    }
    let wrong_code = finish(state.clone(), "junk".to_owned(), started.binding.clone()).await.unwrap_err();
    assert_eq!(wrong_code.kind(), ErrorKind::Unauthenticated);
    finish(state.clone(), code, started.binding.clone()).await.expect("failed attempts have no effect");
    // A provider that accepts a code twice does not make the state valid again.
    let (code, _) = approve(&env, &started.authorization_url, "ann@example.com").await;
    let again = finish(state, code, started.binding).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Unauthenticated);
    let unknown = finish("made up".to_owned(), String::new(), String::new()).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Unauthenticated);
    assert_eq!(
        env.auth.sign_in().start("unknown", login_to("/")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn several_logins_run_in_one_browser_at_the_same_time() {
    let env = test_env().await;
    let first = env.auth.sign_in().start("dev", login_to("/first")).await.unwrap();
    let second = env.auth.sign_in().start("dev", login_to("/second")).await.unwrap();
    assert_ne!(first.id, second.id);
    let cookies = [(first.id.as_str(), first.binding.as_str())];
    assert!(env.auth.sign_in().surplus(cookies, &second).is_empty());
    for (started, return_to) in [(&first, "/first"), (&second, "/second")] {
        let (code, state) = approve(&env, &started.authorization_url, "ann@example.com").await;
        assert_eq!(login_id(&state), started.id);
        let finished =
            env.auth.sign_in().finish("dev", callback(state, code), &started.binding, &origin()).await;
        assert_eq!(finished.unwrap().return_to, return_to);
    }
    env.clock.advance(Duration::from_secs(601));
    let third = env.auth.sign_in().start("dev", login_to("/third")).await.unwrap();
    assert_eq!(env.auth.sign_in().surplus(cookies, &third), [first.id.as_str()]);
}

#[tokio::test]
async fn a_login_stores_nothing_until_the_provider_confirms_it() {
    let (clock, store) = (Arc::new(ManualClock::default()), Arc::new(MemoryStore::new()));
    let ephemeral = Arc::new(MemoryEphemeral::new(clock.clone()));
    let platform = builder(&clock, &store).with_ephemeral(ephemeral.clone()).build().unwrap();
    let auth = new_auth(platform).await;
    let before = ephemeral.stored_bytes();
    for _ in 0..100 {
        let started =
            auth.sign_in().start("dev", login_to(&format!("/{}", "x".repeat(2_000)))).await.unwrap();
        let state = started.authorization_url.split("state=").nth(1).unwrap().split('&').next().unwrap();
        let junk = callback(state.to_owned(), "junk".to_owned());
        assert!(auth.sign_in().finish("dev", junk, &started.binding, &origin()).await.is_err());
    }
    assert_eq!(ephemeral.stored_bytes(), before);
}

#[tokio::test]
async fn a_login_expires() {
    let env = test_env().await;
    let started = env.auth.sign_in().start("dev", login_to("/")).await.unwrap();
    let (code, state) = approve(&env, &started.authorization_url, "ann@example.com").await;
    env.clock.advance(Duration::from_secs(601));
    assert!(
        env.auth.sign_in().finish("dev", callback(state, code), &started.binding, &origin()).await.is_err()
    );
}

#[tokio::test]
async fn a_login_returns_to_a_path_of_this_server_only() {
    let env = test_env().await;
    // A quotation mark takes two bytes in the sealed sign-in, which must fit into a cookie.
    let long = format!("/{}", "\"".repeat(2_000));
    for other_host in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:x",
        "",
        "/a\nb",
        "/ä",
        &long,
    ] {
        let error = env.auth.sign_in().start("dev", login_to(other_host)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{other_host}");
    }
}

#[tokio::test]
async fn accounts_are_linked_by_verified_addresses_only() {
    let env = test_env().await;
    let google = ProviderName::parse("google").unwrap();
    let ann = env.sign_in("ann@example.com").await;
    let identity = |subject: &str, email: Option<&str>| ExternalIdentity {
        subject: subject.to_owned(),
        verified_email: email.map(|email| Email::parse(email).unwrap()),
        name: None,
        auth_time: None,
    };
    let linked_user = env
        .auth
        .sign_in()
        .with_identity(&google, &identity("g1", Some("ann@example.com")), &origin())
        .await
        .unwrap();
    assert_eq!(linked_user.user_id, ann.user_id);
    let unverified =
        env.auth.sign_in().with_identity(&google, &identity("g2", None), &origin()).await.unwrap();
    assert_ne!(unverified.user_id, ann.user_id);
    let again = env.auth.sign_in().with_identity(&google, &identity("g2", None), &origin()).await.unwrap();
    assert_eq!(again.user_id, unverified.user_id, "a user without an address can sign in again");
    assert!(env.security_events(&ann).await.contains(&SecurityEventKind::IdentityLinked));
    let profile = env.auth.platform.users().profile(ann.user_id).await.unwrap();
    assert_eq!(profile.organizations.len(), 1);
    assert!(profile.organizations[0].0.personal);
}

#[tokio::test]
async fn a_signed_in_user_can_link_an_account_that_no_other_user_has() {
    let env = test_env().await;
    let (ann, bob) = (env.sign_in("ann@example.com").await, env.sign_in("bob@example.com").await);
    let link = async |pair: &TokenPair, email: &str| {
        let started =
            env.auth.sign_in().start_link(&caller(pair), "dev", login_to("/settings")).await.unwrap();
        let (code, state) = approve(&env, &started.authorization_url, email).await;
        env.auth.sign_in().finish("dev", callback(state, code), &started.binding, &origin()).await
    };
    for _ in 0..2 {
        let linked = link(&ann, "ann@work.example").await.unwrap();
        assert!(linked.session.is_none() && linked.return_to == "/settings");
    }
    assert_eq!(env.sign_in("ann@work.example").await.user_id, ann.user_id);
    let linked = env.security_events(&ann).await;
    let linked = linked.iter().filter(|kind| **kind == SecurityEventKind::IdentityLinked).count();
    assert_eq!(linked, 1, "linking the same account again changes nothing");
    let taken = link(&bob, "ann@work.example").await.unwrap_err();
    assert_eq!(taken.code(), "identity_taken");

    // Neither another browser nor a user who has signed out in the meantime can finish the linking.
    let started = env.auth.sign_in().start_link(&caller(&bob), "dev", login_to("/")).await.unwrap();
    let (code, state) = approve(&env, &started.authorization_url, "bob@work.example").await;
    assert!(env.auth.sign_in().finish("dev", callback(state, code), "another", &origin()).await.is_err());
    let started = env.auth.sign_in().start_link(&caller(&bob), "dev", login_to("/")).await.unwrap();
    let (code, state) = approve(&env, &started.authorization_url, "bob@work.example").await;
    env.auth.sessions().revoke_all(bob.user_id, &origin()).await.unwrap();
    let late = env.auth.sign_in().finish("dev", callback(state, code), &started.binding, &origin()).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Unauthenticated);
    assert_ne!(env.sign_in("bob@work.example").await.user_id, bob.user_id);

    let automation = Credential::Token(hexabase_core::fixture::id("token"), Scopes::all());
    let automation = Caller::new(Principal { user_id: ann.user_id, credential: automation });
    let error = env.auth.sign_in().start_link(&automation, "dev", login_to("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn an_account_is_unlinked_unless_it_is_the_last_one() {
    let env = test_env().await;
    let (ann, bob) = (env.sign_in("ann@example.com").await, env.sign_in("bob@example.com").await);
    let sign_in = env.auth.sign_in();
    let accounts = async |pair: &TokenPair| -> Vec<(String, String)> {
        let linked = sign_in.linked_accounts(&caller(pair)).await.unwrap();
        linked.into_iter().map(|it| (it.provider.to_string(), it.subject)).collect()
    };
    let [(provider, subject)] = accounts(&ann).await.try_into().unwrap();
    let last = sign_in.unlink(&caller(&ann), &provider, &subject).await.unwrap_err();
    assert_eq!(last.code(), "last_identity");
    let foreign = sign_in.unlink(&caller(&bob), &provider, &subject).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);

    // An account at a provider that the server does not have any more is of no use.
    let removed = ProviderName::parse("removed").unwrap();
    let identity =
        ExternalIdentity { subject: "r1".to_owned(), verified_email: None, name: None, auth_time: None };
    env.auth.platform.users().link(ann.user_id, &removed, &identity, &origin()).await.unwrap();
    let last = sign_in.unlink(&caller(&ann), &provider, &subject).await.unwrap_err();
    assert_eq!(last.code(), "last_identity");
    sign_in.unlink(&caller(&ann), "removed", "r1").await.unwrap();
    assert_eq!(accounts(&ann).await.len(), 1);
    assert!(env.security_events(&ann).await.contains(&SecurityEventKind::IdentityUnlinked));

    let started = sign_in.start_link(&caller(&ann), "dev", login_to("/")).await.unwrap();
    let (code, state) = approve(&env, &started.authorization_url, "ann@work.example").await;
    sign_in.finish("dev", callback(state, code), &started.binding, &origin()).await.unwrap();
    sign_in.unlink(&caller(&ann), &provider, &subject).await.unwrap();
    assert!(env.is_valid(&ann.access_token).await, "sessions continue");
    let left = accounts(&ann).await;
    assert!(left.len() == 1 && left[0].1 != subject, "{left:?}");
    let automation = Credential::Token(hexabase_core::fixture::id("token"), Scopes::all());
    let automation = Caller::new(Principal { user_id: ann.user_id, credential: automation });
    assert_eq!(sign_in.linked_accounts(&automation).await.unwrap_err().kind(), ErrorKind::Forbidden);
}
