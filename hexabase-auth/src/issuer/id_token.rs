//! ID tokens (OpenID Connect Core 1.0 section 2): what a client, or a tenant's API server, learns of somebody.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::clock::after;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::model::{Member, Organization, SignatureAlgorithm, User};
use hexabase_core::platform::{CLUSTER_TOKEN_LIFETIME, ClusterAccess, Profile};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::refusal::OAuthError;
use super::{EMAIL, GROUPS, PROFILE};
use crate::auth::Auth;
use crate::digest::sha256;
use crate::jwt;
use crate::keys::TokenType;
use crate::refusal::refused;

/// The longest token that Kubernetes clients and proxies carry without trouble.
const LONGEST: usize = 16 * 1024;

/// What is said about somebody, in an ID token or to whoever asks for it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct About<'a> {
    pub(crate) sub: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<OrganizationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) groups: Option<Cow<'a, [String]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Cow<'a, str>>,
}

impl<'a> About<'a> {
    /// What a tenant's API server is told: all there is, since nobody asks it for a scope.
    pub(crate) fn of_access(access: &'a ClusterAccess) -> Self {
        Self {
            org: Some(access.workspace.organization_id),
            groups: Some(Cow::Borrowed(&access.groups)),
            ..Self::of_user(&access.user)
        }
    }

    /// What others are told: organizations are to them what groups are to a workspace.
    fn of_profile(profile: &'a Profile) -> Self {
        let role = |(organization, member): &(Organization, Member)| {
            format!("{}:{}", organization.name, member.role)
        };
        Self {
            groups: Some(profile.organizations.iter().map(role).collect()),
            ..Self::of_user(&profile.user)
        }
    }

    fn of_user(user: &'a User) -> Self {
        Self {
            sub: user.id,
            org: None,
            groups: None,
            email: user.email.as_ref().map(|email| email.as_str().into()),
            // Addresses that nobody has verified are not kept.
            email_verified: user.email.as_ref().map(|_| true),
            name: Some(user.name.as_str().into()),
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

    /// The same, of which nothing belongs to others.
    fn into_owned(self) -> About<'static> {
        About {
            sub: self.sub,
            org: self.org,
            groups: self.groups.map(|groups| Cow::Owned(groups.into_owned())),
            email: self.email.map(|email| Cow::Owned(email.into_owned())),
            email_verified: self.email_verified,
            name: self.name.map(|name| Cow::Owned(name.into_owned())),
        }
    }
}

/// What a token is made for.
pub(crate) struct Occasion<'a> {
    /// The client: `aud`.
    pub(crate) audience: &'a str,
    /// When it is made.
    pub(crate) at: Timestamp,
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
    about: &'a About<'a>,
    iat: i64,
    exp: i64,
    auth_time: i64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
}

/// What an ID token of ours says to ourselves.
#[derive(Debug, Deserialize)]
struct Shown {
    iss: String,
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
        about: &About<'_>,
        occasion: &Occasion<'_>,
    ) -> Result<(String, Timestamp)> {
        let now = occasion.at;
        let expires_at = after(now, CLUSTER_TOKEN_LIFETIME);
        let id = self.token_ids.next();
        let claims = Claims {
            iss: &self.platform.settings().issuer.url,
            aud: occasion.audience,
            about,
            iat: now.as_second(),
            exp: expires_at.as_second(),
            auth_time: occasion.auth_time.as_second(),
            jti: id.as_str(),
            nonce: occasion.nonce.as_deref(),
            at_hash: occasion.access_token.map(half_hash),
        };
        let key = self.keys.signing(occasion.algorithm, now).await?;
        let token = jwt::sign(&key, TokenType::Id, &claims)?;
        if token.len() > LONGEST {
            let groups = about.groups.as_ref().map_or(0, |groups| groups.len());
            return Err(Error::quota_exceeded(format!(
                "you are in {groups} groups, more than a token can carry"
            )));
        }
        Ok((token, expires_at))
    }

    /// What a client may learn of somebody at this moment.
    pub(super) async fn about<'a>(
        &self,
        client: &Client,
        (user, access): (UserId, Option<&'a ClusterAccess>),
        scope: &str,
    ) -> Result<About<'a>> {
        match access {
            Some(access) if client.is_a_workspace() => Ok(About::of_access(access)),
            Some(access) => Ok(About::of_access(access).within(scope)),
            None if has(scope, GROUPS) => {
                let profile = self.platform.users().profile(user).await?;
                Ok(About::of_profile(&profile).within(scope).into_owned())
            }
            None => {
                let user = self.platform.store().find_user(user).await?;
                let user = user.ok_or_else(|| Error::not_found("user"))?;
                Ok(About::of_user(&user).within(scope).into_owned())
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
        let (_, shown) = jwt::verified::<Shown>(&self.keys, TokenType::Id, token).await?;
        let is_audience = audience.is_none_or(|audience| audience == shown.aud);
        if shown.iss != self.platform.settings().issuer.url || !is_audience {
            return Err(refused());
        }
        Ok(shown)
    }
}

/// Whether a scope has another one in it.
pub(super) fn has(scope: &str, one: &str) -> bool {
    scope.split(' ').any(|part| part == one)
}

/// The left half of a hash (OpenID Connect Core 1.0 section 3.1.3.6).
fn half_hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&sha256(text)[..16])
}
