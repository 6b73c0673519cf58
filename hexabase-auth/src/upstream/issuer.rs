//! An issuer of tokens elsewhere: where its endpoints are and which keys it signs with, as it says itself.

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

use super::http::{Http, NoAnswer};

/// For how long what an issuer says is taken as it is.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// For how long it is still good when the issuer does not answer.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often, at most, an issuer is asked.
const COOLDOWN: Duration = Duration::from_secs(30);
/// By how much clocks may differ, in seconds.
pub(super) const SKEW: i64 = 60;

/// What signs tokens: nothing that whoever verifies them could sign with as well, and never `none`.
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

/// What an issuer says of itself beyond OpenID Connect Discovery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Beyond {
    /// Whether it says who sends a code (RFC 9207 section 3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Beyond {}

pub(super) type Metadata = ProviderMetadata<
    Beyond,
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

/// What an issuer says of itself, as far as somebody needs to know.
pub(super) trait Statement: Clone + Send + Sync + 'static {
    /// Asks the issuer.
    fn ask(
        issuer: IssuerUrl,
        http: &Http,
    ) -> impl Future<Output = Result<Self, DiscoveryError<NoAnswer>>> + Send;

    /// The keys that it signs with.
    fn keys(&self) -> &CoreJsonWebKeySet;
}

impl Statement for Metadata {
    async fn ask(issuer: IssuerUrl, http: &Http) -> Result<Self, DiscoveryError<NoAnswer>> {
        Self::discover_async(issuer, http).await
    }

    fn keys(&self) -> &CoreJsonWebKeySet {
        self.jwks()
    }
}

/// What an issuer said, and when.
struct Heard<S> {
    said: S,
    at: Timestamp,
}

/// An issuer elsewhere. What it says of itself is kept: an issuer that does not answer for a while keeps nobody from
/// signing in whom it could still send, and one that is made up keys of is not asked all the time.
pub(super) struct RemoteIssuer<S>(Arc<Inner<S>>);

struct Inner<S> {
    url: IssuerUrl,
    http: Http,
    clock: Arc<dyn Clock>,
    heard: Mutex<Option<Arc<Heard<S>>>>,
    asked_at: Mutex<Timestamp>,
    asking: tokio::sync::Mutex<()>,
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

impl<S: Statement> RemoteIssuer<S> {
    /// The issuer at a URL, which need not answer yet.
    pub(super) fn new(url: &str, http: Http, clock: Arc<dyn Clock>) -> Result<Self> {
        let unusable = |error: url::ParseError| {
            Error::invalid("issuer", "must be the URL of an issuer").caused_by(error)
        };
        Ok(Self(Arc::new(Inner {
            url: IssuerUrl::new(url.to_owned()).map_err(unusable)?,
            http,
            clock,
            heard: Mutex::new(None),
            asked_at: Mutex::new(Timestamp::MIN),
            asking: tokio::sync::Mutex::new(()),
        })))
    }

    /// Its URL, as in the `iss` of its tokens.
    pub(super) fn url(&self) -> &str {
        self.0.url.as_str()
    }

    /// What it says of itself. What is a little old is given all the same, and asked for again meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when it was never heard of, or not for a day.
    pub(super) async fn statement(&self) -> Result<S> {
        let age = |heard: &Heard<S>| until(heard.at, self.0.clock.now());
        match self.heard().filter(|heard| age(heard) < USABLE) {
            Some(heard) if age(&heard) < FRESH => Ok(heard.said.clone()),
            Some(heard) => {
                if self.may_ask() {
                    let issuer = self.clone();
                    tokio::spawn(async move { issuer.ask().await });
                }
                Ok(heard.said.clone())
            }
            None => {
                // Whoever comes while somebody asks hears what they hear.
                let _asking = self.0.asking.lock().await;
                if let Some(heard) = self.heard().filter(|heard| age(heard) < USABLE) {
                    return Ok(heard.said.clone());
                }
                if !self.may_ask() {
                    return Err(self.silent());
                }
                self.ask().await.map(|heard| heard.said.clone()).ok_or_else(|| self.silent())
            }
        }
    }

    /// Whether a token is one of its own, for this client, with this nonce if one was sent, now; and what it says. Keys
    /// that are not known are asked for, but not all the time.
    ///
    /// # Errors
    /// - `Unauthenticated` when it is not.
    /// - `Unavailable` when the issuer was never heard of.
    pub(super) async fn verify(
        &self,
        token: &CoreIdToken,
        client: &ClientId,
        nonce: Option<&Nonce>,
    ) -> Result<CoreIdTokenClaims> {
        let verified = |said: &S| {
            let verifier = self.verifier(said, client);
            let claims = match nonce {
                Some(nonce) => token.claims(&verifier, nonce),
                None => token.claims(&verifier, |_: Option<&Nonce>| Ok(())),
            };
            claims.cloned()
        };
        let mut outcome = verified(&self.statement().await?);
        let unknown_key = matches!(
            outcome,
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        );
        if unknown_key && self.may_ask() {
            let _asking = self.0.asking.lock().await;
            if let Some(heard) = self.ask().await {
                outcome = verified(&heard.said);
            }
        }
        outcome.map_err(|error| {
            Error::unauthenticated("the provider's word for who this is cannot be trusted").caused_by(error)
        })
    }

    fn verifier(&self, said: &S, client: &ClientId) -> CoreIdTokenVerifier<'static> {
        let keys = said.keys().clone();
        let now = self.0.clock.now().as_second();
        let not_later = move |issued: chrono::DateTime<chrono::Utc>| match issued.timestamp() <= now + SKEW {
            true => Ok(()),
            false => Err("it was issued later than now".to_owned()),
        };
        // Public as to verifying: with no secret at hand nothing is taken that a secret has signed.
        CoreIdTokenVerifier::new_public_client(client.clone(), self.0.url.clone(), keys)
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || chrono::DateTime::from_timestamp(now - SKEW, 0).unwrap_or_default())
            .set_issue_time_verifier_fn(not_later)
    }

    fn heard(&self) -> Option<Arc<Heard<S>>> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn silent(&self) -> Error {
        Error::unavailable("the sign-in provider does not answer; try again in a minute")
            .with("issuer", self.url())
    }

    /// Whether it is time to ask again; of several who want to one is told so.
    fn may_ask(&self) -> bool {
        let now = self.0.clock.now();
        let mut asked_at = self.0.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = until(*asked_at, now) >= COOLDOWN;
        if may {
            *asked_at = now;
        }
        may
    }

    async fn ask(&self) -> Option<Arc<Heard<S>>> {
        match S::ask(self.0.url.clone(), &self.0.http).await {
            Ok(said) => {
                let heard = Arc::new(Heard { said, at: self.0.clock.now() });
                *self.0.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard.clone());
                Some(heard)
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, issuer = self.url(), "a sign-in provider does not say how it is reached");
                None
            }
        }
    }
}
