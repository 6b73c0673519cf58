//! ID tokens (OpenID Connect Core 1.0 section 2): what a client, or a tenant's API server, learns of somebody.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::clock::after;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::model::{Member, Organization, SignatureAlgorithm, User};
use hexabase_core::platform::{ClusterAccess, Profile};
use jiff::Timestamp;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::refusal::OAuthError;
use super::{EMAIL, GROUPS, PROFILE};
use crate::auth::Auth;
use crate::jwt::sign;
use crate::refusal::refused;

/// How long a token for a tenant cluster is valid: a group that somebody left is out of their tokens after that.
pub const CLUSTER_TOKEN_LIFETIME: Duration = Duration::from_secs(600);
/// The longest token that Kubernetes clients and proxies carry without trouble.
const LONGEST: usize = 16 * 1024;
/// What ID tokens say they are.
const TYPE: &str = "JWT";

/// What is said about somebody, in an ID token or to whoever asks for it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct About {
    pub(crate) sub: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<OrganizationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

impl About {
    /// What a tenant's API server is told: all there is, since nobody asks it for a scope.
    pub(crate) fn of_access(access: &ClusterAccess) -> Self {
        Self {
            org: Some(access.workspace.organization_id),
            groups: Some(access.groups.clone()),
            ..Self::of_user(&access.user)
        }
    }

    /// What others are told: organizations are to them what groups are to a workspace.
    fn of_profile(profile: &Profile) -> Self {
        let role = |(organization, member): &(Organization, Member)| {
            format!("{}:{}", organization.name, member.role)
        };
        Self {
            groups: Some(profile.organizations.iter().map(role).collect()),
            ..Self::of_user(&profile.user)
        }
    }

    fn of_user(user: &User) -> Self {
        Self {
            sub: user.id,
            org: None,
            groups: None,
            email: user.email.as_ref().map(ToString::to_string),
            // Addresses that nobody has verified are not kept.
            email_verified: user.email.as_ref().map(|_| true),
            name: Some(user.name.to_string()),
        }
    }

    /// As much of it as was agreed to.
    fn within(self, scope: &str) -> Self {
        Self {
            groups: self.groups.filter(|_| has(scope, GROUPS)),
            email: self.email.filter(|_| has(scope, EMAIL)),
            email_verified: self.email_verified.filter(|_| has(scope, EMAIL)),
            name: self.name.filter(|_| has(scope, PROFILE)),
            ..self
        }
    }
}

/// What a token is made for.
pub(crate) struct Occasion<'a> {
    /// The client: `aud`.
    pub(crate) audience: String,
    /// How it is signed.
    pub(crate) algorithm: SignatureAlgorithm,
    /// When they proved who they are.
    pub(crate) auth_time: Timestamp,
    /// What the client wants repeated.
    pub(crate) nonce: Option<String>,
    /// What is given out with it, to be bound to it by `at_hash`.
    pub(crate) access_token: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(flatten)]
    about: &'a About,
    iat: i64,
    exp: i64,
    auth_time: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
}

/// What an ID token of ours says to ourselves.
#[derive(Debug, Deserialize)]
struct Shown {
    sub: UserId,
    aud: String,
    exp: i64,
    #[serde(default)]
    groups: Vec<String>,
}

/// An ID token that was shown to us as a hint.
#[derive(Debug, Clone)]
pub(super) struct Hint {
    pub(super) subject: UserId,
    pub(super) client_id: String,
}

impl Auth {
    /// Signs what there is to say about somebody.
    pub(crate) async fn id_token(
        &self,
        about: &About,
        occasion: &Occasion<'_>,
    ) -> Result<(String, Timestamp)> {
        let now = self.platform.clock().now();
        let expires_at = after(now, CLUSTER_TOKEN_LIFETIME);
        let claims = Claims {
            iss: &self.platform.settings().issuer.url,
            aud: &occasion.audience,
            about,
            iat: now.as_second(),
            exp: expires_at.as_second(),
            auth_time: occasion.auth_time.as_second(),
            jti: self.token_id(),
            nonce: occasion.nonce.as_deref(),
            at_hash: occasion.access_token.map(half_hash),
        };
        let token = sign(&*self.keys.signing(occasion.algorithm).await?, TYPE, &claims)?;
        if token.len() > LONGEST {
            let groups = about.groups.as_ref().map_or(0, Vec::len);
            return Err(Error::quota_exceeded(format!(
                "you are in {groups} groups, more than a token can carry"
            )));
        }
        Ok((token, expires_at))
    }

    /// What a client may learn of somebody at this moment.
    pub(super) async fn about(
        &self,
        client: &Client,
        (user, access): (UserId, Option<&ClusterAccess>),
        scope: &str,
    ) -> Result<About> {
        match access {
            Some(access) if client.is_a_workspace() => Ok(About::of_access(access)),
            Some(access) => Ok(About::of_access(access).within(scope)),
            None if has(scope, GROUPS) => {
                Ok(About::of_profile(&self.platform.users().profile(user).await?).within(scope))
            }
            None => {
                let user = self.platform.store().find_user(user).await?;
                Ok(About::of_user(&user.ok_or_else(|| Error::not_found("user"))?).within(scope))
            }
        }
    }

    /// Whom an ID token is about that was given out before; it may have expired since (OpenID Connect RP-Initiated
    /// Logout 1.0 section 4).
    pub(super) async fn hinted(&self, hint: &str) -> Result<Hint, OAuthError> {
        let shown = self.shown(hint, None).await.map_err(|error| match error.kind() {
            hexabase_core::ErrorKind::Unauthenticated => {
                OAuthError::invalid_request("id_token_hint is no ID token of this issuer")
            }
            _ => error.into(),
        })?;
        Ok(Hint { subject: shown.sub, client_id: shown.aud })
    }

    /// Whoever a token for a workspace stands for, as the tenant's API server would see it: the subject and the groups.
    pub(crate) async fn verified_id_token(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<(UserId, Vec<String>)> {
        let shown = self.shown(token, Some(audience)).await?;
        if self.platform.clock().now().as_second() >= shown.exp {
            return Err(refused());
        }
        Ok((shown.sub, shown.groups))
    }

    async fn shown(&self, token: &str, audience: Option<&str>) -> Result<Shown> {
        if token.len() > LONGEST {
            return Err(refused());
        }
        let header = decode_header(token).map_err(|_| refused())?;
        let kid = header.kid.filter(|_| header.typ.as_deref() == Some(TYPE)).ok_or_else(refused)?;
        let key = self.keys.find(&kid).await?.ok_or_else(refused)?;
        let mut validation = Validation::new(key.verified_by());
        validation.set_issuer(&[&self.platform.settings().issuer.url]);
        match audience {
            Some(audience) => validation.set_audience(&[audience]),
            None => validation.validate_aud = false,
        }
        // Time is ours to check: it is injected.
        validation.validate_exp = false;
        decode::<Shown>(token, &key.verifier, &validation).map(|data| data.claims).map_err(|_| refused())
    }
}

/// Whether a scope has another one in it.
pub(super) fn has(scope: &str, one: &str) -> bool {
    scope.split(' ').any(|part| part == one)
}

/// The left half of a hash (OpenID Connect Core 1.0 section 3.1.3.6).
fn half_hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16])
}
