//! Device authorization grant.

use std::time::Duration;

use hexabase_auth::issuer::{DeviceAuthorization, OAuthError, TokenResponse};
use hexabase_core::error::ErrorKind;

use crate::test_env::{TestEnv, claims, dev, origin, parameters};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn start_device(env: &TestEnv, client: &str) -> DeviceAuthorization {
    let form = parameters(&[("client_id", client), ("scope", "openid offline_access")]);
    env.auth.issuer().authorize_device(None, &form, &origin()).await.unwrap()
}

async fn poll(
    env: &TestEnv,
    client: &str,
    device: &DeviceAuthorization,
) -> Result<TokenResponse, OAuthError> {
    env.clock.advance(Duration::from_secs(5));
    poll_now(env, client, device).await
}

async fn poll_now(
    env: &TestEnv,
    client: &str,
    device: &DeviceAuthorization,
) -> Result<TokenResponse, OAuthError> {
    let pairs = [("grant_type", GRANT_TYPE), ("client_id", client), ("device_code", &device.device_code)];
    env.token(None, &pairs).await
}

#[tokio::test]
async fn a_device_gets_tokens_once_after_the_consent() {
    let env = TestEnv::new().await;
    let device = start_device(&env, "hexabase").await;
    assert_eq!((device.expires_in, device.interval), (600, 5));
    assert!(
        device.verification_uri_complete.ends_with(&format!("/oauth2/device?user_code={}", device.user_code))
    );
    assert_eq!(poll(&env, "hexabase", &device).await.unwrap_err().error, "authorization_pending");
    let ann = env.browser("ann@example.com").await;
    let typed = device.user_code.to_lowercase().replace('-', " ");
    let request = env.auth.issuer().device_request(&typed, &ann).await.unwrap();
    assert_eq!(request.address.as_deref(), Some("192.0.2.1"));
    assert_eq!(request.user_code, device.user_code, "the page shows the code as the device does");
    env.auth.issuer().submit_device_consent(&typed, true, &ann).await.unwrap();
    assert!(
        env.auth.issuer().submit_device_consent(&typed, false, &ann).await.is_err(),
        "the authorization is already approved"
    );
    let tokens = poll(&env, "hexabase", &device).await.unwrap();
    assert_eq!(claims(tokens.id_token.as_ref().unwrap())["sub"], ann.session.user_id.to_string());
    assert!(env.auth.authenticate_bearer(&tokens.access_token).await.is_ok());
    assert_eq!(poll(&env, "hexabase", &device).await.unwrap_err().error, "expired_token");
}

#[tokio::test]
async fn a_device_that_polls_too_often_is_slowed_down() {
    let env = TestEnv::new().await;
    let device = start_device(&env, "hexabase").await;
    assert_eq!(poll_now(&env, "hexabase", &device).await.unwrap_err().error, "authorization_pending");
    assert_eq!(poll_now(&env, "hexabase", &device).await.unwrap_err().error, "slow_down");
    assert_eq!(poll(&env, "hexabase", &device).await.unwrap_err().error, "authorization_pending");
}

#[tokio::test]
async fn denial_and_expiry_are_reported_to_the_device() {
    let env = TestEnv::new().await;
    let ann = env.browser("ann@example.com").await;
    let device = start_device(&env, "hexabase").await;
    env.auth.issuer().submit_device_consent(&device.user_code, false, &ann).await.unwrap();
    assert_eq!(poll(&env, "hexabase", &device).await.unwrap_err().error, "access_denied");
    let expired = start_device(&env, "hexabase").await;
    env.clock.advance(Duration::from_secs(601));
    assert_eq!(poll(&env, "hexabase", &expired).await.unwrap_err().error, "expired_token");
    let error = env.auth.issuer().device_request(&expired.user_code, &ann).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_device_code_is_bound_to_its_client() {
    let env = TestEnv::new().await;
    let ann = env.admin("ann@example.com").await;
    let device = start_device(&env, &dev()).await;
    env.auth.issuer().submit_device_consent(&device.user_code, true, &ann).await.unwrap();
    assert_eq!(poll(&env, "hexabase", &device).await.unwrap_err().error, "invalid_grant");
    assert!(poll(&env, &dev(), &device).await.is_ok());
}

#[tokio::test]
async fn a_user_without_access_cannot_approve_a_device_for_a_workspace() {
    let env = TestEnv::new().await;
    let eve = env.browser("eve@example.com").await;
    let device = start_device(&env, &dev()).await;
    for approved in [true, false] {
        let error =
            env.auth.issuer().submit_device_consent(&device.user_code, approved, &eve).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(poll(&env, &dev(), &device).await.unwrap_err().error, "authorization_pending");
}

#[tokio::test]
async fn attempts_to_guess_user_codes_are_rate_limited() {
    let env = TestEnv::new().await;
    let eve = env.browser("eve@example.com").await;
    let device = start_device(&env, "hexabase").await;
    for _ in 0..10 {
        let error = env.auth.issuer().device_request("BCDF-GHJK", &eve).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let error = env.auth.issuer().device_request(&device.user_code, &eve).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
}

#[tokio::test]
async fn device_authorizations_of_all_callers_are_rate_limited() {
    let env = TestEnv::new().await;
    for _ in 0..3_000 {
        start_device(&env, "hexabase").await;
    }
    let before = env.ephemeral.stored_bytes();
    let form = parameters(&[("client_id", "hexabase"), ("scope", "openid")]);
    let error = env.auth.issuer().authorize_device(None, &form, &origin()).await.unwrap_err();
    assert_eq!(error.error, "temporarily_unavailable");
    assert_eq!(env.ephemeral.stored_bytes(), before);
}

#[tokio::test]
async fn a_session_of_a_client_has_the_time_of_the_authentication_if_that_is_known() {
    let env = TestEnv::new().await;
    let mut ann = env.browser("ann@example.com").await;
    assert!(ann.session.authenticated_at.is_some());
    for is_known in [true, false] {
        if !is_known {
            // The provider may have asked for nothing at the sign-in.
            ann.session.authenticated_at = None;
        }
        let of_code = env.tokens("hexabase", &ann).await;
        let device = start_device(&env, "hexabase").await;
        env.auth.issuer().submit_device_consent(&device.user_code, true, &ann).await.unwrap();
        let of_device = poll(&env, "hexabase", &device).await.unwrap();
        for tokens in [of_code, of_device] {
            let caller = env.auth.authenticate_bearer(&tokens.access_token).await.unwrap();
            let is_recent = env.auth.sessions().has_recent_authentication(&caller).await.unwrap();
            assert_eq!(is_recent, is_known);
        }
    }
}
