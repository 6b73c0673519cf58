//! Logout on request of clients.

use hexabase_auth::issuer::Logout;
use hexabase_core::error::ErrorKind;

use crate::test_env::{TestEnv, origin, parameters};

const HOME: &str = "https://grafana.example/";

#[tokio::test]
async fn a_valid_hint_signs_the_user_out_and_redirects() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let hint = env.tokens("grafana", &ann).await.id_token.unwrap();
    // The hint may have expired.
    env.clock.advance(std::time::Duration::from_secs(3_600));
    let request =
        parameters(&[("id_token_hint", &hint), ("post_logout_redirect_uri", HOME), ("state", "bye")]);
    let outcome = env.auth.log_out(&request, Some(&ann), false, &origin()).await.unwrap();
    let Logout::Completed(Some(location)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(location, format!("{HOME}?state=bye"));
    let alive = env.auth.sessions(ann.session.user_id).await.unwrap();
    assert!(alive.iter().all(|session| session.id != ann.session.id));
    let again = env.auth.log_out(&request, None, false, &origin()).await.unwrap();
    assert!(matches!(again, Logout::Completed(Some(_))), "a logout without a session succeeds");
}

#[tokio::test]
async fn a_logout_without_a_matching_hint_requires_confirmation() {
    let env = TestEnv::new().await;
    let (ann, bob) = (env.browser("ann@example.com").await, env.browser("bob@example.com").await);
    let of_bob = env.tokens("grafana", &bob).await.id_token.unwrap();
    for request in
        [parameters(&[]), parameters(&[("client_id", "grafana")]), parameters(&[("id_token_hint", &of_bob)])]
    {
        let outcome = env.auth.log_out(&request, Some(&ann), false, &origin()).await.unwrap();
        assert!(matches!(outcome, Logout::ConfirmationRequired), "{request:?}");
    }
    assert_eq!(env.auth.sessions(ann.session.user_id).await.unwrap().len(), 1);
    let outcome = env.auth.log_out(&parameters(&[]), Some(&ann), true, &origin()).await.unwrap();
    assert!(matches!(outcome, Logout::Completed(None)));
    assert!(env.auth.sessions(ann.session.user_id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_logout_redirects_to_registered_uris_only() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let hint = env.tokens("grafana", &ann).await.id_token.unwrap();
    for request in [
        parameters(&[("id_token_hint", &hint), ("post_logout_redirect_uri", "https://evil.example/")]),
        parameters(&[("post_logout_redirect_uri", HOME)]),
        parameters(&[("client_id", "unknown"), ("post_logout_redirect_uri", HOME)]),
        parameters(&[("id_token_hint", &hint), ("client_id", "console"), ("post_logout_redirect_uri", HOME)]),
        parameters(&[("id_token_hint", "junk")]),
    ] {
        let error = env.auth.log_out(&request, Some(&ann), false, &origin()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{request:?}");
    }
    let alive = env.auth.sessions(ann.session.user_id).await.unwrap();
    assert!(alive.iter().any(|session| session.id == ann.session.id), "the session is still active");
}
