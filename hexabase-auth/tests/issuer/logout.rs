//! Logout on request of clients.

use hexabase_core::error::ErrorKind;

use crate::test_env::{TestEnv, parameters};

const HOME: &str = "https://grafana.example/";

#[tokio::test]
async fn a_logout_request_names_its_client_and_does_not_sign_out() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let hint = env.tokens("grafana", &ann).await.id_token.unwrap();
    // The hint may have expired.
    env.clock.advance(std::time::Duration::from_secs(3_600));
    let request =
        parameters(&[("id_token_hint", &hint), ("post_logout_redirect_uri", HOME), ("state", "bye")]);
    let request = env.auth.issuer().logout_request(&request).await.unwrap();
    assert_eq!(request.destination(), Some(format!("{HOME}?state=bye")));
    let equivalent: Vec<_> = request.parameters().collect();
    let expected = [("client_id", "grafana"), ("post_logout_redirect_uri", HOME), ("state", "bye")];
    assert_eq!(equivalent, expected);
    let equivalent = env.auth.issuer().logout_request(&parameters(&equivalent)).await.unwrap();
    assert_eq!(equivalent.destination(), request.destination());
    assert_eq!(env.auth.issuer().logout_request(&parameters(&[])).await.unwrap().destination(), None);
    let alive = env.auth.sessions().list(ann.session.user_id).await.unwrap();
    assert!(alive.iter().any(|session| session.id == ann.session.id), "the session is still active");
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
        let error = env.auth.issuer().logout_request(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{request:?}");
    }
}
