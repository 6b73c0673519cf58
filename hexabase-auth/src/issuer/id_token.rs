//! ID tokens (OpenID Connect Core 1.0 section 2) for clients and tenant API servers.

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

use super::OidcIssuer;
use super::client::Client;
use super::error::OAuthError;
use super::{EMAIL, GROUPS, PROFILE};
use crate::digest::sha256;
use crate::error::invalid_credentials;
use crate::jwt;
use crate::keys::TokenType;

/// Maximum length of a token, in bytes, that Kubernetes clients and proxies handle without trouble.
const MAX_ID_TOKEN_LENGTH: usize = 16 * 1024;

/// Claims about a user, in an ID token or a userinfo response.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UserClaims<'a> {
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

impl<'a> UserClaims<'a> {
    /// Returns the claims for a tenant API server: all of them, since no scope is requested from it.
    pub(crate) fn from_access(access: &'a ClusterAccess) -> Self {
        Self {
            org: Some(access.workspace.organization_id),
            groups: Some(Cow::Borrowed(&access.groups)),
            ..Self::from_user(&access.user)
        }
    }

    /// Returns the claims for other clients, whose `groups` are the organizations of the user with the role in each.
    fn from_profile(profile: &'a Profile) -> Self {
        let role = |(organization, member): &(Organization, Member)| {
            format!("{}:{}", organization.name, member.role)
        };
        Self {
            groups: Some(profile.organizations.iter().map(role).collect()),
            ..Self::from_user(&profile.user)
        }
    }

    fn from_user(user: &'a User) -> Self {
        Self {
            sub: user.id,
            org: None,
            groups: None,
            email: user.email.as_ref().map(|email| email.as_str().into()),
            // Unverified addresses are not stored.
            email_verified: user.email.as_ref().map(|_| true),
            name: Some(user.name.as_str().into()),
        }
    }

    /// Removes the claims that the granted scope does not cover.
    fn restricted_to(self, scope: &str) -> Self {
        Self {
            groups: self.groups.filter(|_| scope_contains(scope, GROUPS)),
            email: self.email.filter(|_| scope_contains(scope, EMAIL)),
            email_verified: self.email_verified.filter(|_| scope_contains(scope, EMAIL)),
            name: self.name.filter(|_| scope_contains(scope, PROFILE)),
            ..self
        }
    }

    /// Converts borrowed values into owned ones.
    fn into_owned(self) -> UserClaims<'static> {
        UserClaims {
            sub: self.sub,
            org: self.org,
            groups: self.groups.map(|groups| Cow::Owned(groups.into_owned())),
            email: self.email.map(|email| Cow::Owned(email.into_owned())),
            email_verified: self.email_verified,
            name: self.name.map(|name| Cow::Owned(name.into_owned())),
        }
    }
}

/// Content of an ID token to issue, in addition to the claims about the user.
pub(crate) struct NewIdToken<'a> {
    /// Client id (`aud`).
    pub(crate) audience: &'a str,
    /// Time of issue (`iat`).
    pub(crate) issued_at: Timestamp,
    /// Signature algorithm.
    pub(crate) algorithm: SignatureAlgorithm,
    /// Time at which the user authenticated (`auth_time`).
    pub(crate) auth_time: Timestamp,
    /// `nonce` of the authorization request.
    pub(crate) nonce: Option<String>,
    /// Access token that is issued together with the ID token, which is bound to it by `at_hash`.
    pub(crate) access_token: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(flatten)]
    user_claims: &'a UserClaims<'a>,
    iat: i64,
    exp: i64,
    auth_time: i64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
}

/// Claims that this server reads from its own ID tokens.
#[derive(Debug, Deserialize)]
struct VerifiedClaims {
    iss: String,
    sub: UserId,
    aud: String,
    exp: i64,
    #[serde(default)]
    groups: Vec<String>,
}

/// Verified `id_token_hint`.
#[derive(Debug, Clone)]
pub(super) struct IdTokenHint {
    pub(super) subject: UserId,
    pub(super) client_id: String,
}

impl OidcIssuer<'_> {
    /// Issues an ID token.
    pub(crate) async fn issue_id_token(
        &self,
        user_claims: &UserClaims<'_>,
        new_token: &NewIdToken<'_>,
    ) -> Result<(String, Timestamp)> {
        let now = new_token.issued_at;
        let expires_at = after(now, CLUSTER_TOKEN_LIFETIME);
        let id = self.0.token_ids.next();
        let claims = Claims {
            iss: &self.0.platform.config().issuer.url,
            aud: new_token.audience,
            user_claims,
            iat: now.as_second(),
            exp: expires_at.as_second(),
            auth_time: new_token.auth_time.as_second(),
            jti: id.as_str(),
            nonce: new_token.nonce.as_deref(),
            at_hash: new_token.access_token.map(left_half_hash),
        };
        let key = self.0.key_ring.signing_key(new_token.algorithm, now).await?;
        let token = jwt::sign(&key, TokenType::Id, &claims)?;
        if token.len() > MAX_ID_TOKEN_LENGTH {
            let groups = user_claims.groups.as_ref().map_or(0, |groups| groups.len());
            return Err(Error::quota_exceeded(format!(
                "the user is in {groups} groups, more than a token can carry"
            )));
        }
        Ok((token, expires_at))
    }

    /// Returns the claims about a user that a client may receive, as of now.
    pub(super) async fn user_claims<'a>(
        &self,
        client: &Client,
        (user, access): (UserId, Option<&'a ClusterAccess>),
        scope: &str,
    ) -> Result<UserClaims<'a>> {
        match access {
            Some(access) if client.is_workspace() => Ok(UserClaims::from_access(access)),
            Some(access) => Ok(UserClaims::from_access(access).restricted_to(scope)),
            None if scope_contains(scope, GROUPS) => {
                let profile = self.0.platform.users().profile(user).await?;
                Ok(UserClaims::from_profile(&profile).restricted_to(scope).into_owned())
            }
            None => {
                let user = self.0.platform.store().find_user(user).await?;
                let user = user.ok_or_else(|| Error::not_found("user"))?;
                Ok(UserClaims::from_user(&user).restricted_to(scope).into_owned())
            }
        }
    }

    /// Verifies an ID token that was issued before and may have expired since (OpenID Connect RP-Initiated Logout 1.0
    /// section 4).
    pub(super) async fn verify_id_token_hint(&self, hint: &str) -> Result<IdTokenHint, OAuthError> {
        let verified = self.verify_claims(hint, None).await.map_err(|error| match error.kind() {
            hexabase_core::ErrorKind::Unauthenticated => {
                OAuthError::invalid_request("id_token_hint is not an ID token of this issuer")
            }
            _ => error.into(),
        })?;
        Ok(IdTokenHint { subject: verified.sub, client_id: verified.aud })
    }

    /// Verifies an ID token for an audience as a tenant API server does; returns the subject and the groups.
    pub(crate) async fn verify_id_token(&self, token: &str, audience: &str) -> Result<(UserId, Vec<String>)> {
        let verified = self.verify_claims(token, Some(audience)).await?;
        if self.0.platform.clock().now().as_second() >= verified.exp {
            return Err(invalid_credentials());
        }
        Ok((verified.sub, verified.groups))
    }

    /// Verifies signature, issuer and, if given, audience of an ID token; the expiry is not checked.
    async fn verify_claims(&self, token: &str, audience: Option<&str>) -> Result<VerifiedClaims> {
        if token.len() > MAX_ID_TOKEN_LENGTH {
            return Err(invalid_credentials());
        }
        let (_, verified) = jwt::verify::<VerifiedClaims>(&self.0.key_ring, TokenType::Id, token).await?;
        let is_audience = audience.is_none_or(|audience| audience == verified.aud);
        if verified.iss != self.0.platform.config().issuer.url || !is_audience {
            return Err(invalid_credentials());
        }
        Ok(verified)
    }
}

/// `true` if a scope contains another one.
pub(super) fn scope_contains(scope: &str, one: &str) -> bool {
    scope.split(' ').any(|part| part == one)
}

/// Returns the left half of a digest, in base64url (OpenID Connect Core 1.0 section 3.1.3.6).
fn left_half_hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&sha256(text)[..16])
}
