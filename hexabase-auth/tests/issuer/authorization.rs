//! Browsers that come from clients.

use hexabase_auth::issuer::Authorization;
use hexabase_core::error::ErrorKind;

use crate::world::{GRAFANA, ISSUER, LOOPBACK, World, dev, origin, parameters, query};

#[tokio::test]
async fn a_browser_goes_back_with_code_state_and_issuer() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let place = world.authorized(&World::request("grafana", &[]), &ann).await;
    assert!(place.starts_with(&format!("{GRAFANA}?code=")), "{place}");
    let back = query(&place);
    assert_eq!((back("state").as_deref(), back("iss").as_deref()), (Some("the-state"), Some(ISSUER)));
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_the_clients_own_not_even_with_an_error() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    for other in [
        [("redirect_uri", "https://evil.example/login"), ("response_type", "code")],
        [("redirect_uri", "https://grafana.example/login/"), ("response_type", "junk")],
        [("redirect_uri", ""), ("prompt", "none")],
        [("client_id", "nobody"), ("prompt", "none")],
        [("client_id", ""), ("prompt", "none")],
    ] {
        let error = world.auth.authorize(&World::request("grafana", &other), Some(&ann)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{other:?}");
    }
    let twice = [("redirect_uri", GRAFANA), ("redirect_uri", "https://evil.example")];
    assert!(world.auth.authorize(&World::request("grafana", &twice), Some(&ann)).await.is_err());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_goes_back_to_the_client() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    for (other, error) in [
        ([("response_type", "token"), ("x", "")], "unsupported_response_type"),
        ([("response_type", ""), ("x", "")], "invalid_request"),
        ([("code_challenge", ""), ("x", "")], "invalid_request"),
        ([("code_challenge", "short"), ("x", "")], "invalid_request"),
        ([("code_challenge_method", "plain"), ("x", "")], "invalid_request"),
        ([("code_challenge_method", ""), ("x", "")], "invalid_request"),
        ([("response_mode", "fragment"), ("x", "")], "invalid_request"),
        ([("scope", "email"), ("x", "")], "invalid_scope"),
        ([("prompt", "none login"), ("x", "")], "invalid_request"),
        ([("max_age", "-1"), ("x", "")], "invalid_request"),
        ([("request", "e30.e30."), ("x", "")], "request_not_supported"),
        ([("request_uri", "https://evil.example"), ("x", "")], "request_uri_not_supported"),
        ([("id_token_hint", "junk"), ("x", "")], "invalid_request"),
    ] {
        let place = world.authorized(&World::request("grafana", &other), &ann).await;
        let back = query(&place);
        assert!(place.starts_with(GRAFANA), "{place}");
        assert_eq!((back("error").as_deref(), back("code")), (Some(error), None), "{other:?}");
        assert_eq!((back("state").as_deref(), back("iss").as_deref()), (Some("the-state"), Some(ISSUER)));
    }
}

#[tokio::test]
async fn whoever_is_not_signed_in_signs_in_and_comes_back_to_the_request() {
    let world = World::new().await;
    let request = World::request("console", &[("login_hint", "ann@example.com")]);
    let Authorization::SignIn(first) = world.auth.authorize(&request, None).await.unwrap() else { panic!() };
    assert_eq!((first.login_hint.as_deref(), first.reauthenticate), (Some("ann@example.com"), false));
    let handle = first.return_to.strip_prefix("/oauth2/authorize?continue=").unwrap();
    let ann = world.browser("ann@example.com").await;
    let Authorization::Redirect(place) = world.auth.resume_authorization(handle, Some(&ann)).await.unwrap()
    else {
        panic!("a trusted client is not asked about")
    };
    assert!(query(&place)("code").is_some());
    let again = world.auth.resume_authorization(handle, Some(&ann)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound, "a request is answered once");
}

#[tokio::test]
async fn somebody_agrees_once_and_whoever_does_not_goes_back_without_a_code() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let request = World::request("grafana", &[]);
    let Authorization::Consent(asked) = world.auth.authorize(&request, Some(&ann)).await.unwrap() else {
        panic!()
    };
    assert_eq!((asked.client_name.as_str(), asked.workspace), ("grafana", None));
    let Authorization::Redirect(place) =
        world.auth.answer_authorization(&asked.handle, false, &ann).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(query(&place)("error").as_deref(), Some("access_denied"));
    assert!(world.auth.answer_authorization(&asked.handle, true, &ann).await.is_err(), "it was answered");

    world.tokens("grafana", &ann).await;
    let quietly = World::request("grafana", &[("prompt", "none")]);
    assert!(query(&world.authorized(&quietly, &ann).await)("code").is_some());
    // More than was agreed to is asked about, and other people are.
    let less = world.browser("bob@example.com").await;
    let back = query(&world.authorized(&quietly, &less).await);
    assert_eq!(back("error").as_deref(), Some("consent_required"));
    // Whoever ends the client's session takes back what they agreed to.
    let sessions = world.auth.sessions(ann.session.user_id).await.unwrap();
    for session in sessions.iter().filter(|session| session.grant.is_some()) {
        world.auth.revoke(session.user_id, session.id, &origin()).await.unwrap();
    }
    let back = query(&world.authorized(&quietly, &ann).await);
    assert_eq!(back("error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn whoever_is_in_no_group_of_a_workspace_gets_no_code_for_it() {
    let world = World::new().await;
    let stranger = world.browser("eve@example.com").await;
    for client in [dev().as_str(), "argo"] {
        let back = query(&world.authorized(&World::request(client, &[]), &stranger).await);
        assert_eq!((back("error").as_deref(), back("code")), (Some("access_denied"), None), "{client}");
    }
    let ann = world.admin("ann@example.com").await;
    assert!(!world.code(&dev(), &ann).await.is_empty());
}

#[tokio::test]
async fn a_workspace_sends_browsers_to_their_own_machine_only() {
    let world = World::new().await;
    let ann = world.admin("ann@example.com").await;
    let fine = World::request(&dev(), &[("redirect_uri", "http://localhost:18000")]);
    assert!(world.authorized(&fine, &ann).await.starts_with("http://localhost:18000?code="));
    let elsewhere = World::request(&dev(), &[("redirect_uri", GRAFANA)]);
    assert!(world.auth.authorize(&elsewhere, Some(&ann)).await.is_err());
    let unknown = World::request("ws_01h455vb4pex5vsknk084sn02q", &[("redirect_uri", LOOPBACK)]);
    assert!(world.auth.authorize(&unknown, Some(&ann)).await.is_err());
}

#[tokio::test]
async fn a_request_that_waits_too_long_is_forgotten() {
    let world = World::new().await;
    let Authorization::SignIn(first) =
        world.auth.authorize(&World::request("console", &[]), None).await.unwrap()
    else {
        panic!()
    };
    world.clock.advance(std::time::Duration::from_secs(901));
    let handle = first.return_to.rsplit('=').next().unwrap().to_owned();
    let ann = world.browser("ann@example.com").await;
    let late = world.auth.resume_authorization(&handle, Some(&ann)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn parameters_show_no_values_when_they_are_logged() {
    let shown = format!("{:?}", parameters(&[("code", "s3cret"), ("client_secret", "s3cret")]));
    assert_eq!(shown, r#"["code", "client_secret"]"#);
}
