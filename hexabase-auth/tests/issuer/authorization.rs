//! Authorization requests of clients.

use hexabase_auth::LoginRequest;
use hexabase_auth::issuer::Authorization;
use hexabase_core::error::ErrorKind;

use crate::test_env::{GRAFANA, ISSUER, TestEnv, dev, origin, parameters, query};

#[tokio::test]
async fn the_redirect_carries_code_state_and_issuer() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let location = env.authorize(&TestEnv::request("grafana", &[]), &ann).await;
    assert!(location.starts_with(&format!("{GRAFANA}?code=")), "{location}");
    let response = query(&location);
    assert_eq!((response("state").as_deref(), response("iss").as_deref()), (Some("the-state"), Some(ISSUER)));
}

#[tokio::test]
async fn no_response_is_sent_to_an_unregistered_redirect_uri() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    for overrides in [
        [("redirect_uri", "https://evil.example/login"), ("response_type", "code")],
        [("redirect_uri", "https://grafana.example/login/"), ("response_type", "junk")],
        [("redirect_uri", ""), ("prompt", "none")],
        [("client_id", "unknown"), ("prompt", "none")],
        [("client_id", ""), ("prompt", "none")],
    ] {
        let error = env
            .auth
            .issuer()
            .authorize(&TestEnv::request("grafana", &overrides), Some(&ann))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{overrides:?}");
    }
    let twice = [("redirect_uri", GRAFANA), ("redirect_uri", "https://evil.example")];
    assert!(env.auth.issuer().authorize(&TestEnv::request("grafana", &twice), Some(&ann)).await.is_err());
}

#[tokio::test]
async fn errors_of_a_request_are_returned_to_the_client() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    for (overrides, error) in [
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
        let location = env.authorize(&TestEnv::request("grafana", &overrides), &ann).await;
        let response = query(&location);
        assert!(location.starts_with(GRAFANA), "{location}");
        assert_eq!((response("error").as_deref(), response("code")), (Some(error), None), "{overrides:?}");
        assert_eq!(
            (response("state").as_deref(), response("iss").as_deref()),
            (Some("the-state"), Some(ISSUER))
        );
    }
}

#[tokio::test]
async fn a_request_continues_after_the_sign_in() {
    let env = TestEnv::new().await;
    let request = TestEnv::request("console", &[("login_hint", "ann@example.com")]);
    let Authorization::SignIn(sign_in) = env.auth.issuer().authorize(&request, None).await.unwrap() else {
        panic!()
    };
    assert_eq!((sign_in.login_hint.as_deref(), sign_in.reauthenticate), (Some("ann@example.com"), false));
    let handle = sign_in.return_to.strip_prefix("/oauth2/authorize?continue=").unwrap();
    let ann = env.browser("ann@example.com").await;
    let Authorization::Redirect(location) =
        env.auth.issuer().resume_authorization(handle, Some(&ann)).await.unwrap()
    else {
        panic!("a trusted client needs no consent")
    };
    assert!(query(&location)("code").is_some());
    let again = env.auth.issuer().resume_authorization(handle, Some(&ann)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound, "a request is completed once");
}

#[tokio::test]
async fn requests_of_anonymous_callers_store_nothing() {
    let env = TestEnv::new().await;
    let before = env.ephemeral.stored_bytes();
    let long = "x".repeat(1_000);
    for _ in 0..100 {
        let request = TestEnv::request("console", &[("state", &long), ("prompt", "login")]);
        let Authorization::SignIn(sign_in) = env.auth.issuer().authorize(&request, None).await.unwrap()
        else {
            panic!()
        };
        let handle = sign_in.return_to.rsplit('=').next().unwrap();
        let resumed = env.auth.issuer().resume_authorization(handle, None).await.unwrap();
        assert!(matches!(resumed, Authorization::SignIn(_)));
        // Random letters of the sealed request hardly repeat twenty times.
        assert!(!handle.contains(&long[..20]), "the request is sealed");
    }
    assert_eq!(env.ephemeral.stored_bytes(), before);
}

#[tokio::test]
async fn a_required_authentication_is_passed_on_without_a_session() {
    let env = TestEnv::new().await;
    for (name, value, expected) in [
        ("prompt", "login", true),
        ("max_age", "0", true),
        ("max_age", "600", true),
        ("prompt", "consent", false),
    ] {
        let request = TestEnv::request("console", &[(name, value)]);
        let Authorization::SignIn(sign_in) = env.auth.issuer().authorize(&request, None).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(sign_in.reauthenticate, expected, "{name}={value}");
        // The sign-in afterwards counts as the required authentication.
        let handle = sign_in.return_to.rsplit('=').next().unwrap();
        let ann = env.browser("ann@example.com").await;
        let resumed = env.auth.issuer().resume_authorization(handle, Some(&ann)).await.unwrap();
        assert!(!matches!(resumed, Authorization::SignIn(_)), "{name}={value}");
    }
}

#[tokio::test]
async fn a_changed_handle_is_rejected() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let Authorization::Consent(consent) =
        env.auth.issuer().authorize(&TestEnv::request("grafana", &[]), Some(&ann)).await.unwrap()
    else {
        panic!()
    };
    let changed = consent.handle.replacen(|letter: char| letter != 'A', "A", 1);
    for handle in [changed.as_str(), "", "junk", &consent.handle[1..]] {
        let resumed = env.auth.issuer().resume_authorization(handle, Some(&ann)).await.unwrap_err();
        assert_eq!(resumed.kind(), ErrorKind::NotFound, "{handle}");
        assert!(env.auth.issuer().submit_consent(handle, true, &ann).await.is_err(), "{handle}");
    }
}

#[tokio::test]
async fn a_request_fits_into_a_sign_in_or_is_rejected() {
    let env = TestEnv::new().await;
    for (length, fits) in [(1_300, true), (1_900, false), (100_000, false)] {
        let request = TestEnv::request("console", &[("state", &"\u{e9}".repeat(length / 2))]);
        match env.auth.issuer().authorize(&request, None).await.unwrap() {
            Authorization::SignIn(sign_in) => {
                let return_to = sign_in.return_to;
                let login = LoginRequest { return_to, login_hint: None, reauthenticate: false };
                let started = env.auth.sign_in().start("dev", login).await.unwrap();
                assert!(fits && started.binding.len() <= 4_000, "{length}");
            }
            Authorization::Redirect(location) => {
                assert!(!fits && query(&location)("error").as_deref() == Some("invalid_request"), "{length}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn authorizations_of_a_user_are_rate_limited() {
    let env = TestEnv::new().await;
    let (ann, bob) = (env.browser("ann@example.com").await, env.browser("bob@example.com").await);
    let request = TestEnv::request("console", &[]);
    for _ in 0..60 {
        assert!(query(&env.authorize(&request, &ann).await)("code").is_some());
    }
    let before = env.ephemeral.stored_bytes();
    let response = query(&env.authorize(&request, &ann).await);
    assert_eq!(response("error").as_deref(), Some("temporarily_unavailable"));
    let Authorization::Consent(consent) =
        env.auth.issuer().authorize(&TestEnv::request("grafana", &[]), Some(&ann)).await.unwrap()
    else {
        panic!()
    };
    let Authorization::Redirect(location) =
        env.auth.issuer().submit_consent(&consent.handle, false, &ann).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(query(&location)("error").as_deref(), Some("temporarily_unavailable"));
    assert_eq!(env.ephemeral.stored_bytes(), before);
    assert!(query(&env.authorize(&request, &bob).await)("code").is_some());
    env.clock.advance(std::time::Duration::from_secs(1));
    assert!(query(&env.authorize(&request, &ann).await)("code").is_some());
}

#[tokio::test]
async fn consent_is_requested_once_and_its_denial_returns_access_denied() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let request = TestEnv::request("grafana", &[]);
    let Authorization::Consent(consent) = env.auth.issuer().authorize(&request, Some(&ann)).await.unwrap()
    else {
        panic!()
    };
    assert_eq!((consent.client_name.as_str(), consent.workspace), ("grafana", None));
    let Authorization::Redirect(location) =
        env.auth.issuer().submit_consent(&consent.handle, false, &ann).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(query(&location)("error").as_deref(), Some("access_denied"));
    assert!(
        env.auth.issuer().submit_consent(&consent.handle, true, &ann).await.is_err(),
        "the request is already denied"
    );

    env.tokens("grafana", &ann).await;
    let silent = TestEnv::request("grafana", &[("prompt", "none")]);
    assert!(query(&env.authorize(&silent, &ann).await)("code").is_some());
    // Consent covers neither a larger scope nor other users.
    let bob = env.browser("bob@example.com").await;
    let response = query(&env.authorize(&silent, &bob).await);
    assert_eq!(response("error").as_deref(), Some("consent_required"));
    // Ending the client's session revokes the consent.
    let sessions = env.auth.sessions().list(ann.session.user_id).await.unwrap();
    for session in sessions.iter().filter(|session| session.grant.is_some()) {
        env.auth.sessions().revoke(session.user_id, session.id, &origin()).await.unwrap();
    }
    let response = query(&env.authorize(&silent, &ann).await);
    assert_eq!(response("error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn only_members_of_a_workspace_get_a_code_for_it() {
    let env = TestEnv::new().await;
    let stranger = env.browser("eve@example.com").await;
    for client in [dev().as_str(), "argo"] {
        let response = query(&env.authorize(&TestEnv::request(client, &[]), &stranger).await);
        assert_eq!(
            (response("error").as_deref(), response("code")),
            (Some("access_denied"), None),
            "{client}"
        );
    }
    let ann = env.admin("ann@example.com").await;
    assert!(!env.code(&dev(), &ann).await.is_empty());
}

#[tokio::test]
async fn a_program_on_the_machine_of_the_user_gets_no_code_without_consent() {
    let env = TestEnv::new().await;
    let ann = env.admin("ann@example.com").await;
    for client in [dev().as_str(), "hexabase"] {
        env.tokens(client, &ann).await;
        for port in ["http://127.0.0.1:8000/callback", "http://localhost:9999/"] {
            let silent = TestEnv::request(client, &[("redirect_uri", port), ("prompt", "none")]);
            let response = query(&env.authorize(&silent, &ann).await);
            assert_eq!(response("error").as_deref(), Some("consent_required"), "{client} {port}");
            let request = TestEnv::request(client, &[("redirect_uri", port)]);
            let outcome = env.auth.issuer().authorize(&request, Some(&ann)).await.unwrap();
            assert!(matches!(outcome, Authorization::Consent(_)), "{client} {port}");
        }
    }
}

#[tokio::test]
async fn a_workspace_client_redirects_to_loopback_uris_only() {
    let env = TestEnv::new().await;
    let ann = env.admin("ann@example.com").await;
    let loopback = TestEnv::request(&dev(), &[("redirect_uri", "http://localhost:18000")]);
    assert!(env.authorize(&loopback, &ann).await.starts_with("http://localhost:18000?code="));
    let registered_elsewhere = TestEnv::request(&dev(), &[("redirect_uri", GRAFANA)]);
    assert!(env.auth.issuer().authorize(&registered_elsewhere, Some(&ann)).await.is_err());
}

#[tokio::test]
async fn a_pending_request_expires() {
    let env = TestEnv::new().await;
    let Authorization::SignIn(sign_in) =
        env.auth.issuer().authorize(&TestEnv::request("console", &[]), None).await.unwrap()
    else {
        panic!()
    };
    env.clock.advance(std::time::Duration::from_secs(901));
    let handle = sign_in.return_to.rsplit('=').next().unwrap().to_owned();
    let ann = env.browser("ann@example.com").await;
    let late = env.auth.issuer().resume_authorization(&handle, Some(&ann)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn debug_output_of_parameters_contains_no_values() {
    let debug_output = format!("{:?}", parameters(&[("code", "s3cret"), ("client_secret", "s3cret")]));
    assert_eq!(debug_output, r#"["code", "client_secret"]"#);
}
