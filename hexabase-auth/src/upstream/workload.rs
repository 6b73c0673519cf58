//! Programs that other systems vouch for: a job in a CI system shows the token that its system has signed for it, and
//! needs no secret of ours.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::clock::Clock;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::id::UserId;
use openidconnect::core::{CoreIdToken, CoreJsonWebKeySet};
use openidconnect::{ClientId, DiscoveryError, HttpRequest, IssuerUrl, JsonWebKeySetUrl};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::http::{Http, NoAnswer};
use super::issuer::{RemoteIssuer, SKEW, Statement};
use crate::issuer::WorkloadIdentities;

/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// Whom to take for a service account.
#[derive(Debug, Clone)]
pub struct WorkloadTrust {
    /// What this installation calls it.
    pub name: String,
    /// Who signs the tokens, exactly as in them.
    pub issuer: String,
    /// For whom they must be made (`aud`).
    pub audience: String,
    /// What they must say: each claim one of these values.
    pub claims: BTreeMap<String, Vec<String>>,
    /// Whom they then stand for.
    pub service_account: UserId,
    /// Who has signed what the issuer shows, in PEM, if that is nobody whom everybody trusts.
    pub certificate_authority: Option<String>,
}

/// Issuers of tokens for programs, such as
/// [GitHub Actions](https://docs.github.com/en/actions/reference/security/oidc) and
/// [GitLab](https://docs.gitlab.com/ci/secrets/id_token_authentication/), and what their tokens are good for. Keys are
/// kept as those of sign-in providers are.
pub struct TrustedIssuers {
    trusts: Vec<(WorkloadTrust, RemoteIssuer<Published>)>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for TrustedIssuers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.trusts.iter().map(|(trust, _)| &trust.name);
        out.debug_tuple("TrustedIssuers").field(&names.collect::<Vec<_>>()).finish()
    }
}

/// What an issuer says that people do not sign in with: where its keys are, and little else.
#[derive(Debug, Clone)]
pub(super) struct Published(CoreJsonWebKeySet);

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: JsonWebKeySetUrl,
}

impl Statement for Published {
    async fn ask(issuer: IssuerUrl, http: &Http) -> Result<Self, DiscoveryError<NoAnswer>> {
        let place = format!("{}/.well-known/openid-configuration", issuer.as_str().trim_end_matches('/'));
        let mut request = HttpRequest::new(Vec::new());
        *request.uri_mut() =
            place.parse().map_err(|_| DiscoveryError::Other("the issuer is no URL".to_owned()))?;
        let answer = http.send(request).await.map_err(DiscoveryError::Request)?;
        let said: Discovery = serde_json::from_slice(answer.body())
            .map_err(|error| DiscoveryError::Other(format!("its discovery document is none: {error}")))?;
        if said.issuer != issuer.as_str() {
            let message = format!("it says that it is {}", said.issuer);
            return Err(DiscoveryError::Validation(message));
        }
        CoreJsonWebKeySet::fetch_async(&said.jwks_uri, http).await.map(Self)
    }

    fn keys(&self) -> &CoreJsonWebKeySet {
        &self.0
    }
}

impl TrustedIssuers {
    /// Trusts these. No issuer is asked for anything yet, so that a server starts without them.
    ///
    /// # Errors
    /// `Invalid` for a trust that names no claim, which would let in everybody whom the issuer knows, for issuers that
    /// are no URLs, and for certificates that are none.
    pub fn new(trusts: Vec<WorkloadTrust>, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut all: Vec<(WorkloadTrust, RemoteIssuer<Published>)> = Vec::with_capacity(trusts.len());
        for trust in trusts {
            let mut check = Check::default();
            let says_something = trust.claims.values().any(|values| !values.is_empty());
            check.require(says_something, "claims", "must say who is trusted");
            check.done()?;
            let is_same = |other: &WorkloadTrust| {
                other.issuer == trust.issuer && other.certificate_authority == trust.certificate_authority
            };
            let issuer = match all.iter().find(|(other, _)| is_same(other)) {
                Some((_, known)) => known.clone(),
                None => {
                    let http = Http::new(trust.certificate_authority.as_deref())?;
                    RemoteIssuer::new(&trust.issuer, http, clock.clone())?
                }
            };
            all.push((trust, issuer));
        }
        Ok(Self { trusts: all, clock })
    }
}

impl WorkloadTrust {
    /// Whether a token that says this is one of those that are trusted, once it is known to be its issuer's.
    fn admits(&self, said: &Map<String, Value>) -> bool {
        let is = |name: &String, allowed: &Vec<String>| match said.get(name) {
            Some(Value::String(text)) => allowed.contains(text),
            Some(Value::Bool(value)) => allowed.contains(&value.to_string()),
            Some(Value::Number(value)) => allowed.contains(&value.to_string()),
            _ => false,
        };
        said.get("iss").and_then(Value::as_str) == Some(&self.issuer)
            && self.claims.iter().all(|(name, allowed)| is(name, allowed))
    }
}

#[async_trait]
impl WorkloadIdentities for TrustedIssuers {
    async fn service_account(&self, token: &str) -> Result<UserId> {
        let refused = || Error::unauthenticated("nobody is trusted who has a token like this");
        let said = claims(token).ok_or_else(refused)?;
        let found = self.trusts.iter().find(|(trust, _)| trust.admits(&said));
        let (trust, issuer) = found.ok_or_else(refused)?;
        let signed: CoreIdToken = token.parse().map_err(|_| refused())?;
        issuer.verify(&signed, &ClientId::new(trust.audience.clone()), None).await?;
        let now = self.clock.now().as_second();
        if said.get("nbf").is_some_and(|begin| begin.as_i64().is_none_or(|begin| begin > now + SKEW)) {
            return Err(refused());
        }
        let subject = said.get("sub").and_then(Value::as_str);
        tracing::info!(trust = %trust.name, subject, account = %trust.service_account, "a program was vouched for");
        Ok(trust.service_account)
    }
}

/// What a token says, which nobody has verified yet.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1).filter(|_| token.len() <= LONGEST)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
