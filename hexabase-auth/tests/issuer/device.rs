//! Devices without a browser.

use std::time::Duration;

use hexabase_auth::issuer::{DeviceAuthorization, OAuthError, TokenResponse};
use hexabase_core::error::ErrorKind;

use crate::world::{World, claims, dev, origin, parameters};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn begin(world: &World, client: &str) -> DeviceAuthorization {
    let form = parameters(&[("client_id", client), ("scope", "openid offline_access")]);
    world.auth.authorize_device(None, &form, &origin()).await.unwrap()
}

async fn poll(
    world: &World,
    client: &str,
    device: &DeviceAuthorization,
) -> Result<TokenResponse, OAuthError> {
    world.clock.advance(Duration::from_secs(5));
    ask(world, client, device).await
}

async fn ask(world: &World, client: &str, device: &DeviceAuthorization) -> Result<TokenResponse, OAuthError> {
    let pairs = [("grant_type", GRANT), ("client_id", client), ("device_code", &device.device_code)];
    world.token(None, &pairs).await
}

#[tokio::test]
async fn a_device_waits_until_somebody_agrees_and_gets_tokens_once() {
    let world = World::new().await;
    let device = begin(&world, "hexabase").await;
    assert_eq!((device.expires_in, device.interval), (600, 5));
    assert!(
        device.verification_uri_complete.ends_with(&format!("/oauth2/device?user_code={}", device.user_code))
    );
    assert_eq!(poll(&world, "hexabase", &device).await.unwrap_err().error, "authorization_pending");
    let ann = world.browser("ann@example.com").await;
    let typed = device.user_code.to_lowercase().replace('-', " ");
    let asked = world.auth.device_request(&typed, ann.session.user_id).await.unwrap();
    assert_eq!(asked.address.as_deref(), Some("192.0.2.1"));
    world.auth.answer_device(&typed, true, &ann).await.unwrap();
    assert!(world.auth.answer_device(&typed, false, &ann).await.is_err(), "it is answered");
    let tokens = poll(&world, "hexabase", &device).await.unwrap();
    assert_eq!(claims(tokens.id_token.as_ref().unwrap())["sub"], ann.session.user_id.to_string());
    assert!(world.auth.authenticate(&tokens.access_token).await.is_ok());
    assert_eq!(poll(&world, "hexabase", &device).await.unwrap_err().error, "expired_token");
}

#[tokio::test]
async fn a_device_that_asks_too_often_is_slowed_down() {
    let world = World::new().await;
    let device = begin(&world, "hexabase").await;
    assert_eq!(ask(&world, "hexabase", &device).await.unwrap_err().error, "authorization_pending");
    assert_eq!(ask(&world, "hexabase", &device).await.unwrap_err().error, "slow_down");
    assert_eq!(poll(&world, "hexabase", &device).await.unwrap_err().error, "authorization_pending");
}

#[tokio::test]
async fn a_device_that_nobody_wants_learns_so() {
    let world = World::new().await;
    let ann = world.browser("ann@example.com").await;
    let device = begin(&world, "hexabase").await;
    world.auth.answer_device(&device.user_code, false, &ann).await.unwrap();
    assert_eq!(poll(&world, "hexabase", &device).await.unwrap_err().error, "access_denied");
    let late = begin(&world, "hexabase").await;
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(poll(&world, "hexabase", &late).await.unwrap_err().error, "expired_token");
    let gone = world.auth.device_request(&late.user_code, ann.session.user_id).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_code_is_its_devices_and_its_clients() {
    let world = World::new().await;
    let ann = world.admin("ann@example.com").await;
    let device = begin(&world, &dev()).await;
    world.auth.answer_device(&device.user_code, true, &ann).await.unwrap();
    assert_eq!(poll(&world, "hexabase", &device).await.unwrap_err().error, "invalid_grant");
    assert!(poll(&world, &dev(), &device).await.is_ok());
}

#[tokio::test]
async fn nobody_connects_a_device_to_a_workspace_that_is_not_theirs() {
    let world = World::new().await;
    let eve = world.browser("eve@example.com").await;
    let device = begin(&world, &dev()).await;
    assert!(world.auth.answer_device(&device.user_code, true, &eve).await.is_err());
    assert_eq!(poll(&world, &dev(), &device).await.unwrap_err().error, "authorization_pending");
}

#[tokio::test]
async fn nobody_guesses_codes() {
    let world = World::new().await;
    let eve = world.browser("eve@example.com").await;
    let device = begin(&world, "hexabase").await;
    for _ in 0..10 {
        let error = world.auth.device_request("BCDF-GHJK", eve.session.user_id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let error = world.auth.device_request(&device.user_code, eve.session.user_id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
}
