//! Remote issuer: an issuer of tokens with the endpoints and keys that it publishes itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hexabase_core::clock::{Clock, until};
use hexabase_core::error::{Error, Result};
use jiff::Timestamp;
use url::Url;

use super::http::HttpClient;
use super::metadata::{IssuerMetadata, MetadataError};
use super::signed_token::{Claims, Expected, TokenError, TokenUse, verify_claims, verify_signature};

/// Age up to which metadata is used without fetching it again.
const METADATA_TTL: Duration = Duration::from_secs(10 * 60);
/// Age up to which metadata is used if the issuer does not respond.
const METADATA_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Minimum interval between two fetches from an issuer.
const FETCH_COOLDOWN: Duration = Duration::from_secs(30);

/// Metadata of an issuer, and the time at which it was fetched.
struct CachedMetadata {
    metadata: IssuerMetadata,
    fetched_at: Timestamp,
}

/// Remote issuer with cached metadata. An issuer that does not respond for a while prevents no sign-in that it can
/// still complete, and made-up key ids do not cause a fetch each.
#[derive(Clone)]
pub(super) struct RemoteIssuer(Arc<Inner>);

struct Inner {
    url: String,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    cached: Mutex<Option<Arc<CachedMetadata>>>,
    last_fetch: Mutex<Timestamp>,
    /// Reason for which the last fetch failed; `None` if it succeeded.
    failure: Mutex<Option<Arc<MetadataError>>>,
    fetch_lock: tokio::sync::Mutex<()>,
}

impl fmt::Debug for RemoteIssuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RemoteIssuer({})", self.0.url)
    }
}

impl RemoteIssuer {
    /// Creates the issuer with this URL; it need not respond yet.
    pub(super) fn new(url: &str, http: HttpClient, clock: Arc<dyn Clock>) -> Result<Self> {
        let invalid_url = |error: url::ParseError| {
            Error::invalid("issuer", "must be the URL of an issuer").caused_by(error)
        };
        Ok(Self(Arc::new(Inner {
            url: Url::parse(url).map(|_| url.to_owned()).map_err(invalid_url)?,
            http,
            clock,
            cached: Mutex::new(None),
            last_fetch: Mutex::new(Timestamp::MIN),
            failure: Mutex::new(None),
            fetch_lock: tokio::sync::Mutex::new(()),
        })))
    }

    /// Returns the URL, as in the `iss` of its tokens.
    pub(super) fn url(&self) -> &str {
        &self.0.url
    }

    /// Returns the metadata. Metadata that is due for a fetch is returned all the same, and fetched in the background.
    ///
    /// # Errors
    /// `Unavailable` if it was never fetched, or not for a day.
    pub(super) async fn metadata(&self) -> Result<IssuerMetadata> {
        let age = |cached: &CachedMetadata| until(cached.fetched_at, self.0.clock.now());
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

    /// Verifies that the issuer issued the token for this use and audience, and perhaps for other trusted ones, and that
    /// it is valid now; returns its claims. A key that does not verify the token causes a fetch, at most one per [`FETCH_COOLDOWN`].
    ///
    /// # Errors
    /// - `Unauthenticated` if the token is not valid.
    /// - `Unavailable` if the metadata was never fetched, or not for a day.
    pub(super) async fn verify(
        &self,
        token: &str,
        (audience, trusted_audiences): (&str, &[String]),
        token_use: TokenUse<'_>,
    ) -> Result<Claims> {
        let mut result = verify_signature(token, &self.metadata().await?.keys);
        // A key may also be replaced by one with the same id, or without one.
        let keys_may_be_outdated = matches!(
            result,
            Err(TokenError::UnknownKey | TokenError::AmbiguousKey | TokenError::WrongSignature)
        );
        if keys_may_be_outdated && self.claim_fetch() {
            let _guard = self.0.fetch_lock.lock().await;
            if let Some(cached) = self.fetch().await {
                result = verify_signature(token, &cached.metadata.keys);
            }
        }
        let now = self.0.clock.now().as_second();
        let expected = Expected { issuer: self.url(), audience, trusted_audiences, token_use, now };
        let verified = result.and_then(|claims| verify_claims(&claims, &expected).map(|()| claims));
        verified.map_err(|error| {
            Error::unauthenticated("the token of the provider is not valid").caused_by(error)
        })
    }

    fn cached(&self) -> Option<Arc<CachedMetadata>> {
        self.0.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the error of a caller that needs the metadata. Its cause is that of the last fetch, so that the log has
    /// the cause for callers during the cooldown too.
    fn unavailable(&self) -> Error {
        let error = Error::unavailable("the sign-in provider does not respond; try again in a minute")
            .with("issuer", self.url());
        match self.failure().clone() {
            Some(failure) => error.caused_by(failure),
            None => error,
        }
    }

    fn failure(&self) -> MutexGuard<'_, Option<Arc<MetadataError>>> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner)
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

    async fn fetch(&self) -> Option<Arc<CachedMetadata>> {
        match IssuerMetadata::fetch(self.url(), &self.0.http).await {
            Ok(metadata) => {
                let cached = Arc::new(CachedMetadata { metadata, fetched_at: self.0.clock.now() });
                *self.0.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached.clone());
                *self.failure() = None;
                Some(cached)
            }
            Err(error) => {
                *self.failure() = Some(Arc::new(error));
                tracing::warn!(error = ?self.unavailable(), "fetching the metadata of an issuer failed; retrying later");
                None
            }
        }
    }
}
