//! Workload identity: a program, such as a CI job, authenticates with the token that a trusted issuer signed for it,
//! and needs no secret of Hexabase.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::clock::Clock;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::id::UserId;
use hexabase_core::model::Scopes;
use hexabase_core::platform::Workload;
use serde_json::{Map, Value};

use super::http::HttpClient;
use super::remote_issuer::RemoteIssuer;
use super::signed_token::TokenUse;
use crate::issuer::{WorkloadIdentities, WorkloadIdentity};

/// Maximum length of a workload token, in bytes.
const MAX_WORKLOAD_TOKEN_LENGTH: usize = 16 * 1024;

/// Trust in some tokens of an issuer, which authenticate a service account.
#[derive(Debug, Clone)]
pub struct WorkloadTrust {
    /// Name of the trust in this installation.
    pub name: String,
    /// Issuer of the tokens, exactly as in them.
    pub issuer: String,
    /// Required audience of the tokens (`aud`).
    pub audience: String,
    /// Required claims, each with its allowed values.
    pub claims: BTreeMap<String, Vec<String>>,
    /// Service account that the tokens authenticate.
    pub service_account: UserId,
    /// Scopes of the workloads in the API of this server, as the service account; empty for access to clusters only.
    pub api_scopes: Scopes,
    /// Certificates of the private authority that signed the issuer's certificate, in PEM; `None` if that certificate
    /// is publicly trusted.
    pub certificate_authority: Option<String>,
}

/// Trusted issuers of workload tokens, such as [GitHub
/// Actions](https://docs.github.com/en/actions/reference/security/oidc) and
/// [GitLab](https://docs.gitlab.com/ci/secrets/id_token_authentication/), with the service accounts that their tokens
/// authenticate. Keys are cached like those of identity providers.
pub struct TrustedIssuers {
    trusts: Vec<(WorkloadTrust, RemoteIssuer)>,
}

impl fmt::Debug for TrustedIssuers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.trusts.iter().map(|(trust, _)| &trust.name);
        out.debug_tuple("TrustedIssuers").field(&names.collect::<Vec<_>>()).finish()
    }
}

impl TrustedIssuers {
    /// Creates the trusted issuers. Nothing is requested from them yet, so that a server starts while they are
    /// unavailable.
    ///
    /// # Errors
    /// `Invalid` if a trust requires no claim, which would admit every token of the issuer; if an issuer is not a URL;
    /// or if certificates cannot be parsed.
    pub fn new(trusts: Vec<WorkloadTrust>, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut all: Vec<(WorkloadTrust, RemoteIssuer)> = Vec::with_capacity(trusts.len());
        for trust in trusts {
            let mut check = Check::default();
            let has_claims = trust.claims.values().any(|values| !values.is_empty());
            check.require(has_claims, "claims", "must require at least one claim");
            check.done()?;
            let is_same = |other: &WorkloadTrust| {
                other.issuer == trust.issuer && other.certificate_authority == trust.certificate_authority
            };
            let issuer = match all.iter().find(|(other, _)| is_same(other)) {
                Some((_, known)) => known.clone(),
                None => {
                    let http = HttpClient::new(trust.certificate_authority.as_deref())?;
                    RemoteIssuer::new(&trust.issuer, http, clock.clone())?
                }
            };
            all.push((trust, issuer));
        }
        Ok(Self { trusts: all })
    }
}

impl WorkloadTrust {
    /// `true` if a token with these claims is trusted, once its signature is verified.
    fn matches(&self, claims: &Map<String, Value>) -> bool {
        let has_allowed_value = |name: &String, allowed: &Vec<String>| match claims.get(name) {
            Some(Value::String(text)) => allowed.contains(text),
            Some(Value::Bool(value)) => allowed.contains(&value.to_string()),
            Some(Value::Number(value)) => allowed.contains(&value.to_string()),
            _ => false,
        };
        claims.get("iss").and_then(Value::as_str) == Some(&self.issuer)
            && self.claims.iter().all(|(name, allowed)| has_allowed_value(name, allowed))
    }
}

#[async_trait]
impl WorkloadIdentities for TrustedIssuers {
    async fn identify(&self, token: &str) -> Result<WorkloadIdentity> {
        let untrusted = || Error::unauthenticated("no trust matches the workload token");
        let claims = unverified_claims(token).ok_or_else(untrusted)?;
        let found = self.trusts.iter().find(|(trust, _)| trust.matches(&claims));
        let (trust, issuer) = found.ok_or_else(untrusted)?;
        issuer.verify(token, (trust.audience.as_str(), &[]), TokenUse::Workload).await?;
        let subject = claims.get("sub").and_then(Value::as_str);
        tracing::info!(trust = %trust.name, subject, account = %trust.service_account, "workload identity token accepted");
        Ok(WorkloadIdentity {
            service_account: trust.service_account,
            workload: Workload { trust: trust.name.clone(), subject: subject.map(str::to_owned) },
            api_scopes: trust.api_scopes.clone(),
        })
    }
}

/// Returns the unverified claims of a token.
fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1).filter(|_| token.len() <= MAX_WORKLOAD_TOKEN_LENGTH)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
