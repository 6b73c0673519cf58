//! Authentication by a proxy in front of the API, such as OAuth2 Proxy, Authelia or Pomerium.
//!
//! The proxy authenticates the user and adds headers with the user to each request. Any client can write the same
//! headers, so they count only in requests that come from the proxy.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName};
use hexabase_core::Platform;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::authenticator::{Authentication, Authenticator, CsrfProtection, RequestCredentials};
use hexabase_core::clock::until;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::UserId;
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::name::{DisplayName, Email, ProviderName};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use ipnet::IpNet;
use jiff::Timestamp;
use quick_cache::sync::Cache;
use subtle::ConstantTimeEq as _;

/// Time for which a user counts as signed in after a request through the proxy. An event stream ends after it, unless the
/// user sends other requests; the client then connects again, through the proxy.
const ALIVE: Duration = Duration::from_secs(900);
/// Maximum number of users whose last request a process remembers.
const REMEMBERED_USERS: usize = 100_000;
/// Maximum length of the subject, in bytes.
const MAX_SUBJECT_BYTES: usize = 255;

/// Headers of a trusted proxy.
#[derive(Debug, Clone)]
pub struct TrustedProxyConfig {
    /// Networks of the proxies: the peers of the connections, not addresses in `X-Forwarded-For`. Nothing else may be
    /// able to connect from them.
    pub peers: Vec<IpNet>,
    /// Header with a secret that only the proxy and this server know, and the secret. Recommended where the network does
    /// not authenticate its members.
    pub secret: Option<(HeaderName, SecretString)>,
    /// Header with the stable and unique id of the user.
    pub subject: HeaderName,
    /// Header with the e-mail address of the user, which the proxy has verified; `None` if it does not.
    pub email: Option<HeaderName>,
    /// Header with the display name of the user.
    pub name: Option<HeaderName>,
    /// Name under which the identities are stored. The same name at another proxy would be the same users.
    pub provider: ProviderName,
}

impl TrustedProxyConfig {
    /// Headers of OAuth2 Proxy with `--pass-user-headers` (`X-Forwarded-User`, `X-Forwarded-Email`), from proxies in these
    /// networks, without a secret. The proxy must remove these headers from the requests of its clients.
    #[must_use]
    pub fn oauth2_proxy(peers: Vec<IpNet>, provider: ProviderName) -> Self {
        Self {
            peers,
            secret: None,
            subject: HeaderName::from_static("x-forwarded-user"),
            email: Some(HeaderName::from_static("x-forwarded-email")),
            name: None,
            provider,
        }
    }
}

/// [`Authenticator`] for requests through a trusted proxy. The first request of a user creates the user.
///
/// Headers of the proxy in a request from elsewhere are `Unauthenticated`: ignoring them would hide a misconfiguration.
#[derive(Debug)]
pub struct TrustedProxy {
    platform: Platform,
    config: TrustedProxyConfig,
    /// Times of the last requests of users.
    last_requests: Cache<UserId, Timestamp>,
}

impl TrustedProxy {
    /// Creates an authenticator of the users of this platform.
    #[must_use]
    pub fn new(platform: Platform, config: TrustedProxyConfig) -> Self {
        Self { platform, config, last_requests: Cache::new(REMEMBERED_USERS) }
    }
}

#[async_trait]
impl Authenticator for TrustedProxy {
    async fn authenticate<'a>(&self, request: &RequestCredentials<'a>) -> Result<Option<Authentication>> {
        let Some(identity) = identity(&self.config, request.headers, request.peer)? else { return Ok(None) };
        let user = self.platform.users().sign_in(&self.config.provider, &identity, request.origin).await?;
        self.last_requests.insert(user.id, self.platform.clock().now());
        let principal = Principal { user_id: user.id, credential: Credential::EXTERNAL };
        // The proxy recognizes browsers by a cookie of its own.
        Ok(Some(Authentication { principal, csrf: CsrfProtection::SameOrigin }))
    }

    async fn require_alive(&self, principal: &Principal) -> Result<()> {
        let now = self.platform.clock().now();
        let last_request = self.last_requests.get(&principal.user_id);
        match last_request.filter(|at| until(*at, now) < ALIVE) {
            Some(_) if principal.credential == Credential::EXTERNAL => Ok(()),
            _ => Err(Error::unauthenticated("the sign-in at the proxy may have ended; connect again")),
        }
    }
}

/// Returns the identity in the headers of the proxy; `None` if there are none.
fn identity(
    config: &TrustedProxyConfig,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
) -> Result<Option<ExternalIdentity>> {
    let own = [Some(&config.subject), config.email.as_ref(), config.name.as_ref()];
    if !own.into_iter().flatten().any(|name| headers.contains_key(name)) {
        return Ok(None);
    }
    let is_trusted = peer.is_some_and(|peer| config.peers.iter().any(|network| network.contains(&peer)));
    let knows_secret = config.secret.as_ref().is_none_or(|(name, secret)| {
        let sent = headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
        headers.get_all(name).iter().count() == 1 && secret.expose_secret().as_bytes().ct_eq(sent).into()
    });
    if !is_trusted || !knows_secret {
        return Err(Error::unauthenticated("the headers of the proxy are accepted from the proxy only"));
    }
    let subject = single(headers, &config.subject)?
        .filter(|subject| subject.len() <= MAX_SUBJECT_BYTES)
        .ok_or_else(|| unusable(&config.subject))?;
    let read = |name: &Option<HeaderName>| name.as_ref().map_or(Ok(None), |name| single(headers, name));
    let email = read(&config.email)?.map(Email::parse).transpose();
    let name = read(&config.name)?.map(DisplayName::parse).transpose();
    Ok(Some(ExternalIdentity {
        subject: subject.to_owned(),
        verified_email: email
            .map_err(|_| Error::unauthenticated("the proxy sent an invalid e-mail address"))?,
        name: name.map_err(|_| Error::unauthenticated("the proxy sent an invalid name"))?,
        auth_time: None,
    }))
}

/// Returns the value of a header; `None` if it is absent or empty.
///
/// # Errors
/// `Unauthenticated` if there are several values: a client may have added one, which the proxy did not remove.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.to_str().map_err(|_| unusable(name))).transpose()?;
    if values.next().is_some() {
        return Err(unusable(name));
    }
    Ok(first.map(str::trim).filter(|value| !value.is_empty()))
}

fn unusable(name: &HeaderName) -> Error {
    Error::unauthenticated(format!("the proxy must send the header {name} once, with a value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hexabase_core::ErrorKind;
    use hexabase_core::clock::ManualClock;
    use hexabase_core::fixture::{self, FIXTURE_TIME};
    use hexabase_core::model::{Origin, Scopes};
    use std::sync::Arc;

    const PROXY: &str = "10.0.0.7";
    const USER: (&str, &str) = ("x-forwarded-user", "ann-1");
    const EMAIL: (&str, &str) = ("x-forwarded-email", "ann@example.com");
    const SECRET: (&str, &str) = ("x-proxy-secret", "s3cret");

    fn config() -> TrustedProxyConfig {
        let provider = ProviderName::parse("proxy").unwrap();
        TrustedProxyConfig {
            secret: Some((SECRET.0.parse().unwrap(), SECRET.1.into())),
            ..TrustedProxyConfig::oauth2_proxy(vec!["10.0.0.0/24".parse().unwrap()], provider)
        }
    }

    fn headers(headers: &[(&str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), axum::http::HeaderValue::from_str(value).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(parse) {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn forged_and_ambiguous_headers_are_rejected() {
        let parse = |sent: &[(&str, &str)], peer: Option<&str>| {
            identity(&config(), &headers(sent), peer.map(|peer| peer.parse().unwrap()))
        };
        let accepted = parse(&[USER, EMAIL, SECRET], Some(PROXY)).unwrap().unwrap();
        assert_eq!(accepted.subject, "ann-1");
        assert_eq!(accepted.verified_email, Some(Email::parse("ann@example.com").unwrap()));
        assert!(parse(&[SECRET], Some("203.0.113.9")).unwrap().is_none(), "there are no credentials");
        for (sent, peer) in [
            (vec![USER, EMAIL, SECRET], Some("203.0.113.9")),
            (vec![USER, EMAIL, SECRET], None),
            (vec![USER, EMAIL, SECRET, ("x-forwarded-for", PROXY)], Some("203.0.113.9")),
            (vec![USER, EMAIL], Some(PROXY)),
            (vec![USER, EMAIL, (SECRET.0, "guess")], Some(PROXY)),
            (vec![USER, EMAIL, (SECRET.0, "guess"), SECRET], Some(PROXY)),
            (vec![USER, (USER.0, "eve"), SECRET], Some(PROXY)),
            (vec![(USER.0, "eve"), USER, SECRET], Some(PROXY)),
            (vec![USER, EMAIL, (EMAIL.0, "operator@example.com"), SECRET], Some(PROXY)),
            (vec![EMAIL, SECRET], Some(PROXY)),
            (vec![(USER.0, " "), EMAIL, SECRET], Some(PROXY)),
            (vec![USER, (EMAIL.0, "no address"), SECRET], Some(PROXY)),
        ] {
            let error = parse(&sent, peer).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{sent:?} from {peer:?}");
            assert!(!format!("{error:?}").contains(SECRET.1));
        }
        assert!(!format!("{:?}", config()).contains(SECRET.1));
    }

    #[tokio::test]
    async fn a_user_is_the_same_in_every_request_and_alive_for_a_while() {
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let platform = Platform::builder("https://hexabase.example")
            .with_plans(vec![fixture::plan("small")])
            .with_clock(clock.clone())
            .build()
            .unwrap();
        let proxy = TrustedProxy::new(platform, config());
        let authenticate = async |sent: &[(&str, &str)]| {
            let (headers, peer) = (headers(sent), Some(PROXY.parse().unwrap()));
            proxy
                .authenticate(&RequestCredentials { headers: &headers, peer, origin: &Origin::default() })
                .await
                .unwrap()
                .unwrap()
                .principal
        };
        let ann = authenticate(&[USER, EMAIL, SECRET]).await;
        assert_eq!(authenticate(&[USER, EMAIL, SECRET]).await, ann);
        let bob = authenticate(&[(USER.0, "bob-1"), SECRET]).await;
        assert_ne!(bob.user_id, ann.user_id);

        proxy.require_alive(&ann).await.unwrap();
        clock.advance(ALIVE);
        assert_eq!(proxy.require_alive(&ann).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
        authenticate(&[USER, EMAIL, SECRET]).await;
        proxy.require_alive(&ann).await.unwrap();
        let credential = Credential::Workload { scopes: Scopes::all(), expires_at: Timestamp::MAX };
        let session = Principal { credential, ..ann };
        assert!(proxy.require_alive(&session).await.is_err(), "other credentials are not of the proxy");
    }
}
