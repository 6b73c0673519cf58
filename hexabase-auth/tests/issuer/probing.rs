//! Workspace ids that exist cannot be told from others by users without access.

use hexabase_auth::CookiePrincipal;
use hexabase_auth::issuer::Authorization;
use hexabase_core::error::ErrorKind;

use crate::test_env::{LOOPBACK, TestEnv, VERIFIER, dev, origin, parameters};

/// Workspace id that does not exist.
const UNKNOWN: &str = "ws_01h455vb4pex5vsknk084sn02q";

/// Responses of all endpoints to requests that name a workspace, and the length of the state that they leave.
async fn observe(workspace: &str, eve: &CookiePrincipal, env: &TestEnv) -> Vec<String> {
    let before = env.ephemeral.stored_bytes();
    let mut observed = Vec::new();
    let Authorization::SignIn(sign_in) =
        env.auth.issuer().authorize(&TestEnv::request(workspace, &[]), None).await.unwrap()
    else {
        panic!("an anonymous caller signs in first")
    };
    observed.push(format!("{} {}", sign_in.return_to.len(), sign_in.reauthenticate));
    for prompt in ["", "none", "consent"] {
        let request = TestEnv::request(workspace, &[("prompt", prompt)]);
        observed.push(env.authorize(&request, eve).await);
    }
    let foreign = TestEnv::request(workspace, &[("redirect_uri", "https://evil.example/")]);
    observed.push(env.auth.issuer().authorize(&foreign, None).await.unwrap_err().to_string());

    let form = parameters(&[("client_id", workspace), ("scope", "openid")]);
    let device = env.auth.issuer().authorize_device(None, &form, &origin()).await.unwrap();
    let unknown_code = env.auth.issuer().device_request("BCDF-GHJK", eve).await.unwrap_err();
    for error in [
        env.auth.issuer().device_request(&device.user_code, eve).await.unwrap_err(),
        env.auth.issuer().submit_device_consent(&device.user_code, true, eve).await.unwrap_err(),
        env.auth.issuer().submit_device_consent(&device.user_code, false, eve).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, unknown_code.message()));
    }
    let token = env.auth.sessions().derive(eve.session.id, &origin()).await.unwrap().access_token;
    let exchange = |subject: &str| {
        parameters(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", workspace),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", subject),
        ])
    };
    let code = [
        ("grant_type", "authorization_code"),
        ("client_id", workspace),
        ("code", "junk"),
        ("code_verifier", VERIFIER),
        ("redirect_uri", LOOPBACK),
    ];
    let poll = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", workspace),
        ("device_code", &device.device_code),
    ];
    let requests = [exchange("junk"), exchange(&token), parameters(&code), parameters(&poll)];
    for request in requests {
        observed.push(env.auth.issuer().token(None, &request, &origin()).await.unwrap_err().to_string());
    }
    let logout = parameters(&[("client_id", workspace), ("post_logout_redirect_uri", LOOPBACK)]);
    observed.push(format!("{:?}", env.auth.issuer().logout_request(&logout).await.unwrap().destination()));
    observed.push((env.ephemeral.stored_bytes() - before).to_string());
    observed
}

#[tokio::test]
async fn unknown_and_invisible_workspaces_are_indistinguishable() {
    let env = TestEnv::new().await;
    let eve = env.browser("eve@example.com").await;
    let unknown = observe(UNKNOWN, &eve, &env).await;
    assert_eq!(observe(&dev(), &eve, &env).await, unknown);
    assert!(unknown.iter().any(|response| response.contains("error=access_denied")), "{unknown:?}");
}

#[tokio::test]
async fn the_device_page_shows_the_workspace_to_its_members_only() {
    let env = TestEnv::new().await;
    let (ann, eve) = (env.admin("ann@example.com").await, env.browser("eve@example.com").await);
    let form = parameters(&[("client_id", &dev()), ("scope", "openid")]);
    let device = env.auth.issuer().authorize_device(None, &form, &origin()).await.unwrap();
    let request = env.auth.issuer().device_request(&device.user_code, &ann).await.unwrap();
    assert_eq!(request.workspace.as_deref(), Some("dev"));
    let error = env.auth.issuer().device_request(&device.user_code, &eve).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
