//! Sign-ins that require the user to authenticate again, with providers that do or do not comply.

use std::sync::Mutex;

use hexabase_core::error::Result;
use hexabase_core::identity::{AuthorizationRequest, CodeExchange};
use jiff::{SignedDuration, Timestamp};

use super::login::{callback, login_to};
use super::*;
use crate::CookiePrincipal;

/// Provider that states an arbitrary time of the authentication.
#[derive(Debug)]
struct StatingProvider {
    name: ProviderName,
    auth_time: Mutex<Option<Timestamp>>,
}

#[async_trait]
impl IdentityProvider for StatingProvider {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn title(&self) -> &'static str {
        "States"
    }

    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String> {
        Ok(format!("https://states.example/?state={}", request.state))
    }

    async fn exchange(&self, _: &CodeExchange) -> Result<ExternalIdentity> {
        let auth_time = *self.auth_time.lock().unwrap();
        let identity = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
        Ok(ExternalIdentity { auth_time, ..identity })
    }
}

struct States {
    auth: Auth,
    provider: Arc<StatingProvider>,
    clock: Arc<ManualClock>,
}

impl States {
    async fn new() -> Self {
        let (clock, store) = (Arc::new(ManualClock::default()), Arc::new(MemoryStore::new()));
        let name = ProviderName::parse("states").unwrap();
        let provider = Arc::new(StatingProvider { name, auth_time: Mutex::new(None) });
        let platform = platform(&clock, &store);
        let auth = Auth::new(platform, vec![provider.clone()], AuthConfig::default()).await.unwrap();
        Self { auth, provider, clock }
    }

    fn now(&self) -> Timestamp {
        self.auth.platform.clock().now()
    }

    /// Signs in ten seconds after the start, with a provider that states this time.
    async fn sign_in(&self, reauthenticate: bool, stated: Option<Timestamp>) -> Result<CookiePrincipal> {
        *self.provider.auth_time.lock().unwrap() = stated;
        let started =
            self.auth.sign_in().start("states", LoginRequest { reauthenticate, ..login_to("/") }).await?;
        self.clock.advance(Duration::from_secs(10));
        let state = started.authorization_url.rsplit('=').next().unwrap().to_owned();
        let callback = callback(state, "code".to_owned());
        let finished = self.auth.sign_in().finish("states", callback, &started.binding, &origin()).await?;
        self.auth.sessions().authenticate_cookie(&finished.session.unwrap().cookie).await
    }
}

#[tokio::test]
async fn a_session_has_the_time_of_the_authentication_that_the_provider_states() {
    let env = States::new().await;
    let hour_ago = env.now() - SignedDuration::from_hours(1);
    let ann = env.sign_in(false, Some(hour_ago)).await.unwrap();
    assert_eq!(ann.session.authenticated_at, Some(hour_ago));
    assert_eq!(ann.session.auth_time(), hour_ago);
    let unknown = env.sign_in(false, None).await.unwrap();
    assert_eq!(unknown.session.authenticated_at, None);
    assert_eq!(unknown.session.auth_time(), unknown.session.created_at);
}

#[tokio::test]
async fn a_sign_in_fails_if_the_provider_skips_a_required_authentication() {
    let env = States::new().await;
    let hour_ago = env.now() - SignedDuration::from_hours(1);
    let error = env.sign_in(true, Some(hour_ago)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.message().contains("authenticate again"), "{error}");
    let stated = env.now() + SignedDuration::from_secs(5);
    let ann = env.sign_in(true, Some(stated)).await.unwrap();
    assert_eq!(ann.session.authenticated_at, Some(stated));
    let trusted = env.sign_in(true, None).await.unwrap();
    assert_eq!(trusted.session.authenticated_at, Some(trusted.session.created_at));
}
