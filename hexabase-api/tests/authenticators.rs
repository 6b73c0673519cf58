//! Conformance suite of `Authenticator` with a trusted proxy, alone and after `Auth`.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName};
use hexabase_api::trusted_proxy::{TrustedProxy, TrustedProxyConfig};
use hexabase_auth::{Auth, AuthConfig, TokenPair};
use hexabase_core::Platform;
use hexabase_core::authenticator::{Authenticator, FirstOf};
use hexabase_core::clock::ManualClock;
use hexabase_core::conformance::authenticator::{AuthenticatorHarness, SentRequest};
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::model::Origin;
use hexabase_core::name::ProviderName;

const PROXY: &str = "10.0.0.7";
const SECRET: (&str, &str) = ("x-proxy-secret", "s3cret");

fn sent(peer: &str, headers: &[(&str, &str)]) -> SentRequest {
    let parse = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    SentRequest {
        headers: headers.iter().map(parse).collect::<HeaderMap>(),
        peer: Some(peer.parse().unwrap()),
    }
}

#[derive(Debug)]
struct Harness<A> {
    clock: Arc<ManualClock>,
    /// Own sign-in, if the authenticator accepts it.
    auth: Option<Arc<Auth>>,
    authenticator: A,
}

fn provider() -> ProviderName {
    ProviderName::parse("proxy").unwrap()
}

fn platform() -> (Arc<ManualClock>, Platform) {
    let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(vec![fixture::plan("small")])
        .with_clock(clock.clone())
        .build()
        .unwrap();
    (clock, platform)
}

fn proxy(platform: Platform) -> TrustedProxy {
    let config = TrustedProxyConfig {
        secret: Some((SECRET.0.parse().unwrap(), SECRET.1.into())),
        ..TrustedProxyConfig::oauth2_proxy(vec!["10.0.0.0/24".parse().unwrap()], provider())
    };
    TrustedProxy::new(platform, config)
}

fn trusted_proxy() -> Harness<TrustedProxy> {
    let (clock, platform) = platform();
    Harness { clock, auth: None, authenticator: proxy(platform) }
}

async fn first_of() -> Harness<FirstOf> {
    let (clock, platform) = platform();
    let auth = Arc::new(Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap());
    let authenticator = FirstOf(vec![auth.clone(), Arc::new(proxy(platform))]);
    Harness { clock, auth: Some(auth), authenticator }
}

/// Signs the user of the proxy in with a session.
async fn session(auth: &Auth, name: &str) -> TokenPair {
    let identity =
        ExternalIdentity { subject: name.into(), verified_email: None, name: None, auth_time: None };
    auth.sign_in().with_identity(&provider(), &identity, &Origin::default()).await.unwrap()
}

#[async_trait]
impl<A: Authenticator> AuthenticatorHarness for Harness<A> {
    fn authenticator(&self) -> &dyn Authenticator {
        &self.authenticator
    }

    async fn sign_in(&self, name: &str) -> Vec<SentRequest> {
        let mut requests = vec![sent(PROXY, &[("x-forwarded-user", name), SECRET])];
        if let Some(auth) = &self.auth {
            let token = format!("Bearer {}", session(auth, name).await.access_token);
            requests.push(sent("203.0.113.9", &[("authorization", &token)]));
        }
        requests
    }

    async fn invalid(&self) -> Vec<Vec<SentRequest>> {
        let user = ("x-forwarded-user", "eve-1");
        let mut types = vec![vec![
            sent("203.0.113.9", &[user, SECRET]),
            sent(PROXY, &[user]),
            sent(PROXY, &[user, (SECRET.0, "made-up")]),
        ]];
        if self.auth.is_some() {
            // Headers of the proxy do not replace an invalid token.
            let token = ("authorization", "Bearer made-up");
            types.push(vec![sent(PROXY, &[token]), sent(PROXY, &[token, user, SECRET])]);
        }
        types
    }

    async fn end(&self, name: &str) {
        // The sign-in at the proxy counts for 15 minutes after the last request.
        self.clock.advance(Duration::from_secs(900));
        if let Some(auth) = &self.auth {
            let user = session(auth, name).await.user_id;
            auth.sessions().revoke_all(user, &Origin::default()).await.unwrap();
        }
    }
}

mod a_trusted_proxy {
    hexabase_core::authenticator_conformance!(async { (super::trusted_proxy(), ()) });
}

mod a_trusted_proxy_after_auth {
    hexabase_core::authenticator_conformance!(async { (super::first_of().await, ()) });
}
