//! Client tokens: userinfo, introspection and revocation of the tokens that clients hold.

use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::model::{Origin, SecurityEventKind, Session};
use hexabase_core::secret::BearerToken;
use serde_json::{Value, json};

use super::OidcIssuer;
use super::client::Client;
use super::error::OAuthError;
use super::parameters::Parameters;
use crate::sessions::REFRESH_TOKEN_PREFIX;

/// Active token of a client's session.
struct ActiveToken {
    session: Session,
    kind: &'static str,
    scope: String,
    expires_at: i64,
    issued_at: i64,
}

impl OidcIssuer<'_> {
    /// Returns the claims about the user of a client's access token (OpenID Connect Core 1.0 section 5.3), as of now.
    ///
    /// # Errors
    /// `invalid_token` if it is not a valid access token that was issued to a client.
    pub async fn userinfo(&self, access_token: &str) -> Result<Value, OAuthError> {
        let now = self.0.platform.clock().now();
        let verified = self.0.access_tokens.verify(&self.0.key_ring, access_token, now).await;
        let claims = verified.map_err(|_| OAuthError::invalid_token())?;
        let for_client = claims.for_client.as_ref().ok_or_else(OAuthError::invalid_token)?;
        self.require_token_not_revoked(&claims).await.map_err(|error| match error.kind() {
            ErrorKind::Unauthenticated => OAuthError::invalid_token(),
            _ => error.into(),
        })?;
        let client = self.find_client(&for_client.client_id).ok_or_else(OAuthError::invalid_token)?;
        let access = self.cluster_access_of(&client, claims.user_id, claims.session_id).await;
        let access = access.map_err(|error| match OAuthError::from(error) {
            // The user has lost access to the client's workspace since.
            denied if denied.error == "invalid_grant" => OAuthError::invalid_token(),
            error => error,
        })?;
        let user_claims =
            self.user_claims(&client, (claims.user_id, access.as_ref()), &for_client.scope).await?;
        serde_json::to_value(user_claims)
            .map_err(|_| OAuthError::new("server_error", "the server failed to process the request"))
    }

    /// Introspects a token of the client (RFC 7662). Tokens of other clients are reported as inactive.
    ///
    /// # Errors
    /// `invalid_client`, also for a client that has no credential.
    pub async fn introspect(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
    ) -> Result<Value, OAuthError> {
        parameters.reject_duplicates()?;
        let client = self.authenticate_client(authorization, parameters).await?;
        if client.is_public() {
            return Err(OAuthError::invalid_client());
        }
        let Some(active) = self.find_active_token(&client, parameters.require("token")?).await? else {
            return Ok(json!({ "active": false }));
        };
        Ok(json!({
            "active": true,
            "scope": active.scope,
            "client_id": client.id,
            "token_type": active.kind,
            "exp": active.expires_at,
            "iat": active.issued_at,
            "sub": active.session.user_id,
            "iss": self.0.platform.config().issuer.url,
        }))
    }

    /// Revokes a token with its whole session (RFC 7009). Succeeds if the token is invalid already.
    ///
    /// # Errors
    /// `invalid_client` if the client authentication fails.
    pub async fn revoke_token(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<(), OAuthError> {
        parameters.reject_duplicates()?;
        let client = self.authenticate_client(authorization, parameters).await?;
        if let Some(active) = self.find_active_token(&client, parameters.require("token")?).await? {
            self.0.sessions().end(active.session.id, SecurityEventKind::SessionRevoked, origin).await?;
        }
        Ok(())
    }

    /// Returns a token of the client, if it is active.
    async fn find_active_token(
        &self,
        client: &Client,
        token: &str,
    ) -> Result<Option<ActiveToken>, OAuthError> {
        let store = self.0.platform.store();
        let now = self.0.platform.clock().now();
        let is_own = |session: &Session| {
            session.is_alive(now) && session.grant.as_ref().is_some_and(|grant| grant.client_id == client.id)
        };
        if let Some((id, verifier)) = BearerToken::split(REFRESH_TOKEN_PREFIX, token) {
            let session = store.find_session(id).await?.filter(is_own);
            let session = session.filter(|one| one.refresh_hash.is_some_and(|hash| hash.matches(&verifier)));
            return Ok(session.map(|session| ActiveToken {
                kind: "refresh_token",
                scope: session.grant.as_ref().map(|grant| grant.scope.clone()).unwrap_or_default(),
                expires_at: session.expires_at.as_second(),
                issued_at: session.used_at.as_second(),
                session,
            }));
        }
        let Ok(claims) = self.0.access_tokens.verify(&self.0.key_ring, token, now).await else {
            return Ok(None);
        };
        match self.require_token_not_revoked(&claims).await {
            Err(error) if error.kind() == ErrorKind::Unauthenticated => return Ok(None),
            result => result?,
        }
        let Some(for_client) = claims.for_client.filter(|holder| holder.client_id == client.id) else {
            return Ok(None);
        };
        let session = store.find_session(claims.session_id).await?.filter(is_own);
        Ok(session.map(|session| ActiveToken {
            session,
            kind: "Bearer",
            scope: for_client.scope.clone(),
            expires_at: claims.expires_at,
            issued_at: claims.expires_at
                - i64::try_from(self.0.config.access_token_lifetime.as_secs()).unwrap_or_default(),
        }))
    }
}
