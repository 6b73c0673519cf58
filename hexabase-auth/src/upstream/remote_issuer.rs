//! Remote issuer: an issuer of tokens with the endpoints and keys that it publishes itself.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hexabase_core::clock::{Clock, until};
use hexabase_core::error::{Error, Result};
use jiff::Timestamp;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreIdToken,
    CoreIdTokenClaims, CoreIdTokenVerifier, CoreJsonWebKey, CoreJsonWebKeySet,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm as Algorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, ClaimsVerificationError, ClientId, DiscoveryError, IssuerUrl, Nonce,
    ProviderMetadata, SignatureVerificationError,
};
use serde::{Deserialize, Serialize};

use super::http::{HttpClient, RequestError};

/// Age up to which metadata is used without fetching it again.
const METADATA_TTL: Duration = Duration::from_secs(10 * 60);
/// Age up to which metadata is used if the issuer does not respond.
const METADATA_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Minimum interval between two fetches from an issuer.
const FETCH_COOLDOWN: Duration = Duration::from_secs(30);
/// Tolerated clock difference, in seconds.
pub(super) const CLOCK_SKEW_SECONDS: i64 = 60;

/// Accepted signature algorithms: none with a symmetric key, with which the verifier could sign as well, and never
/// `none`.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];

/// Provider metadata in addition to OpenID Connect Discovery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rfc9207Metadata {
    /// `true` if the issuer sends `iss` in authorization responses (RFC 9207 section 3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Rfc9207Metadata {}

pub(super) type OidcMetadata = ProviderMetadata<
    Rfc9207Metadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Metadata of an issuer, in the extent that its user needs.
pub(super) trait IssuerMetadata: Clone + Send + Sync + 'static {
    /// Fetches the metadata from the issuer.
    fn fetch(
        issuer: IssuerUrl,
        http: &HttpClient,
    ) -> impl Future<Output = Result<Self, DiscoveryError<RequestError>>> + Send;

    /// Returns the keys that the issuer signs with.
    fn keys(&self) -> &CoreJsonWebKeySet;
}

impl IssuerMetadata for OidcMetadata {
    async fn fetch(issuer: IssuerUrl, http: &HttpClient) -> Result<Self, DiscoveryError<RequestError>> {
        Self::discover_async(issuer, http).await
    }

    fn keys(&self) -> &CoreJsonWebKeySet {
        self.jwks()
    }
}

/// Metadata of an issuer, and the time at which it was fetched.
struct CachedMetadata<S> {
    metadata: S,
    fetched_at: Timestamp,
}

/// Remote issuer with cached metadata. An issuer that does not respond for a while prevents no sign-in that it can
/// still complete, and made-up key ids do not cause a fetch each.
pub(super) struct RemoteIssuer<S>(Arc<Inner<S>>);

struct Inner<S> {
    url: IssuerUrl,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    cached: Mutex<Option<Arc<CachedMetadata<S>>>>,
    last_fetch: Mutex<Timestamp>,
    fetch_lock: tokio::sync::Mutex<()>,
}

impl<S> Clone for RemoteIssuer<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for RemoteIssuer<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RemoteIssuer({})", self.0.url.as_str())
    }
}

impl<S: IssuerMetadata> RemoteIssuer<S> {
    /// Creates the issuer with this URL; it need not respond yet.
    pub(super) fn new(url: &str, http: HttpClient, clock: Arc<dyn Clock>) -> Result<Self> {
        let invalid_url = |error: url::ParseError| {
            Error::invalid("issuer", "must be the URL of an issuer").caused_by(error)
        };
        Ok(Self(Arc::new(Inner {
            url: IssuerUrl::new(url.to_owned()).map_err(invalid_url)?,
            http,
            clock,
            cached: Mutex::new(None),
            last_fetch: Mutex::new(Timestamp::MIN),
            fetch_lock: tokio::sync::Mutex::new(()),
        })))
    }

    /// Returns the URL, as in the `iss` of its tokens.
    pub(super) fn url(&self) -> &str {
        self.0.url.as_str()
    }

    /// Returns the metadata. Metadata that is due for a fetch is returned all the same, and fetched in the background.
    ///
    /// # Errors
    /// `Unavailable` if it was never fetched, or not for a day.
    pub(super) async fn metadata(&self) -> Result<S> {
        let age = |cached: &CachedMetadata<S>| until(cached.fetched_at, self.0.clock.now());
        match self.cached().filter(|cached| age(cached) < METADATA_MAX_AGE) {
            Some(cached) if age(&cached) < METADATA_TTL => Ok(cached.metadata.clone()),
            Some(cached) => {
                if self.claim_fetch() {
                    let issuer = self.clone();
                    tokio::spawn(async move { issuer.fetch().await });
                }
                Ok(cached.metadata.clone())
            }
            None => {
                // Concurrent callers wait for one fetch and share its result.
                let _guard = self.0.fetch_lock.lock().await;
                if let Some(cached) = self.cached().filter(|cached| age(cached) < METADATA_MAX_AGE) {
                    return Ok(cached.metadata.clone());
                }
                if !self.claim_fetch() {
                    return Err(self.unavailable());
                }
                self.fetch().await.map(|cached| cached.metadata.clone()).ok_or_else(|| self.unavailable())
            }
        }
    }

    /// Verifies that the issuer issued the token for this client, with this nonce if one was sent, and that it is
    /// valid now; returns its claims. Unknown keys cause a fetch, at most one per [`FETCH_COOLDOWN`].
    ///
    /// # Errors
    /// - `Unauthenticated` if the token is not valid.
    /// - `Unavailable` if the metadata was never fetched, or not for a day.
    pub(super) async fn verify(
        &self,
        token: &CoreIdToken,
        client: &ClientId,
        nonce: Option<&Nonce>,
    ) -> Result<CoreIdTokenClaims> {
        let verified = |metadata: &S| {
            let verifier = self.verifier(metadata, client);
            let claims = match nonce {
                Some(nonce) => token.claims(&verifier, nonce),
                None => token.claims(&verifier, |_: Option<&Nonce>| Ok(())),
            };
            claims.cloned()
        };
        let mut result = verified(&self.metadata().await?);
        let unknown_key = matches!(
            result,
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        );
        if unknown_key && self.claim_fetch() {
            let _guard = self.0.fetch_lock.lock().await;
            if let Some(cached) = self.fetch().await {
                result = verified(&cached.metadata);
            }
        }
        result.map_err(|error| {
            Error::unauthenticated("the token of the provider is not valid").caused_by(error)
        })
    }

    fn verifier(&self, metadata: &S, client: &ClientId) -> CoreIdTokenVerifier<'static> {
        let keys = metadata.keys().clone();
        let now = self.0.clock.now().as_second();
        let not_in_future = move |issued: chrono::DateTime<chrono::Utc>| match issued.timestamp()
            <= now + CLOCK_SKEW_SECONDS
        {
            true => Ok(()),
            false => Err("the token was issued in the future".to_owned()),
        };
        // A public client has no secret, so that no token is accepted that was signed with one.
        CoreIdTokenVerifier::new_public_client(client.clone(), self.0.url.clone(), keys)
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || {
                chrono::DateTime::from_timestamp(now - CLOCK_SKEW_SECONDS, 0).unwrap_or_default()
            })
            .set_issue_time_verifier_fn(not_in_future)
    }

    fn cached(&self) -> Option<Arc<CachedMetadata<S>>> {
        self.0.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn unavailable(&self) -> Error {
        Error::unavailable("the sign-in provider does not respond; try again in a minute")
            .with("issuer", self.url())
    }

    /// `true` if it is time to fetch again; of several concurrent callers one receives `true`.
    fn claim_fetch(&self) -> bool {
        let now = self.0.clock.now();
        let mut last_fetch = self.0.last_fetch.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = until(*last_fetch, now) >= FETCH_COOLDOWN;
        if is_due {
            *last_fetch = now;
        }
        is_due
    }

    async fn fetch(&self) -> Option<Arc<CachedMetadata<S>>> {
        match S::fetch(self.0.url.clone(), &self.0.http).await {
            Ok(metadata) => {
                let cached = Arc::new(CachedMetadata { metadata, fetched_at: self.0.clock.now() });
                *self.0.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached.clone());
                Some(cached)
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, issuer = self.url(), "fetching the metadata of an issuer failed; retrying later");
                None
            }
        }
    }
}
