//! Sign-ins that require the user to authenticate again, with providers that do or do not comply.

use std::sync::Mutex;

use hexabase_core::error::Result;
use hexabase_core::mock::MockIdentityProvider;
use hexabase_core::secret::ExposeSecret as _;
use jiff::{SignedDuration, Timestamp};

use super::login::{callback, login_to};
use super::*;
use crate::CookiePrincipal;

/// Provider that states an arbitrary time of the authentication.
fn stating_provider(auth_time: Arc<Mutex<Option<Timestamp>>>) -> MockIdentityProvider {
    let mut provider = MockIdentityProvider::new();
    provider.expect_name().return_const(ProviderName::parse("states").unwrap());
    provider
        .expect_authorization_url()
        .returning(|request| Ok(format!("https://states.example/?state={}", request.state)));
    provider.expect_exchange().withf(|exchange| exchange.code.expose_secret() == "code").returning(
        move |_| {
            let identity = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
            Ok(ExternalIdentity { auth_time: *auth_time.lock().unwrap(), ..identity })
        },
    );
    provider
}

struct States {
    auth: Auth,
    auth_time: Arc<Mutex<Option<Timestamp>>>,
    clock: Arc<ManualClock>,
}

impl States {
    async fn new() -> Self {
        let (clock, store) = (Arc::new(ManualClock::default()), Arc::new(MemoryStore::new()));
        let auth_time = Arc::default();
        let provider = Arc::new(stating_provider(Arc::clone(&auth_time)));
        let auth = Auth::new(platform(&clock, &store), vec![provider], AuthConfig::default()).await.unwrap();
        Self { auth, auth_time, clock }
    }

    fn now(&self) -> Timestamp {
        self.auth.platform.clock().now()
    }

    /// Signs in ten seconds after the start, with a provider that states this time.
    async fn sign_in(&self, reauthenticate: bool, stated: Option<Timestamp>) -> Result<CookiePrincipal> {
        *self.auth_time.lock().unwrap() = stated;
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

#[tokio::test]
async fn an_authentication_is_recent_for_ten_minutes() {
    let env = States::new().await;
    let recent = async |session: &hexabase_core::model::Session| {
        let credential = Credential::Session(session.id);
        let principal = Principal { user_id: session.user_id, credential };
        let required = env.auth.sessions().require_recent_authentication(&principal).await;
        required.map_err(|error| error.code())
    };
    let required = Err("reauthentication_required");
    let ann = env.sign_in(false, Some(env.now() + SignedDuration::from_secs(10))).await.unwrap();
    assert_eq!(recent(&ann.session).await, Ok(()));
    env.clock.advance(Duration::from_secs(10 * 60));
    assert_eq!(recent(&ann.session).await, Ok(()));
    env.clock.advance(Duration::from_secs(1));
    assert_eq!(recent(&ann.session).await, required);
    // The provider may have asked for nothing.
    let unknown = env.sign_in(false, None).await.unwrap();
    assert_eq!(recent(&unknown.session).await, required);

    let of = |credential| Principal { user_id: ann.session.user_id, credential };
    let sessions = env.auth.sessions();
    assert!(sessions.has_recent_authentication(&of(Credential::EXTERNAL)).await.unwrap());
    let token = Credential::Token(fixture::id("token"), Scopes::all());
    assert!(!sessions.has_recent_authentication(&of(token)).await.unwrap());
}
