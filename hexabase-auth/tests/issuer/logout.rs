//! Signing out, as clients ask for it.

use hexabase_auth::issuer::Logout;
use hexabase_core::error::ErrorKind;

use crate::world::{World, origin, parameters};

const HOME: &str = "https://grafana.example/";

#[tokio::test]
async fn whoever_a_client_knows_is_signed_out_and_goes_back() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let hint = world.tokens("grafana", &ann).await.id_token.unwrap();
    // It may have expired meanwhile.
    world.clock.advance(std::time::Duration::from_secs(3_600));
    let request =
        parameters(&[("id_token_hint", &hint), ("post_logout_redirect_uri", HOME), ("state", "bye")]);
    let done = world.auth.log_out(&request, Some(&ann), false, &origin()).await.unwrap();
    let Logout::Done(Some(place)) = done else { panic!("{done:?}") };
    assert_eq!(place, format!("{HOME}?state=bye"));
    let alive = world.auth.sessions(ann.session.user_id).await.unwrap();
    assert!(alive.iter().all(|session| session.id != ann.session.id));
    let again = world.auth.log_out(&request, None, false, &origin()).await.unwrap();
    assert!(matches!(again, Logout::Done(Some(_))), "whoever is signed out is signed out");
}

#[tokio::test]
async fn nobody_is_signed_out_by_a_link_alone() {
    let world = World::new().await;
    let (ann, bob) = (world.browser("ann@example.com").await, world.browser("bob@example.com").await);
    let of_bob = world.tokens("grafana", &bob).await.id_token.unwrap();
    for request in
        [parameters(&[]), parameters(&[("client_id", "grafana")]), parameters(&[("id_token_hint", &of_bob)])]
    {
        let asked = world.auth.log_out(&request, Some(&ann), false, &origin()).await.unwrap();
        assert!(matches!(asked, Logout::Ask), "{request:?}");
    }
    assert_eq!(world.auth.sessions(ann.session.user_id).await.unwrap().len(), 1);
    let done = world.auth.log_out(&parameters(&[]), Some(&ann), true, &origin()).await.unwrap();
    assert!(matches!(done, Logout::Done(None)));
    assert!(world.auth.sessions(ann.session.user_id).await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_after_signing_out() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let hint = world.tokens("grafana", &ann).await.id_token.unwrap();
    for request in [
        parameters(&[("id_token_hint", &hint), ("post_logout_redirect_uri", "https://evil.example/")]),
        parameters(&[("post_logout_redirect_uri", HOME)]),
        parameters(&[("client_id", "nobody"), ("post_logout_redirect_uri", HOME)]),
        parameters(&[("id_token_hint", &hint), ("client_id", "console"), ("post_logout_redirect_uri", HOME)]),
        parameters(&[("id_token_hint", "junk")]),
    ] {
        let error = world.auth.log_out(&request, Some(&ann), false, &origin()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{request:?}");
    }
    let alive = world.auth.sessions(ann.session.user_id).await.unwrap();
    assert!(alive.iter().any(|session| session.id == ann.session.id), "and nothing has ended");
}
