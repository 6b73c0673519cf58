//! What clients do with tokens that they have: ask who somebody is, ask whether a token is good, and give it back.

use hexabase_core::error::Result;
use hexabase_core::model::{Origin, SecurityEventKind, Session};
use hexabase_core::secret::BearerToken;
use serde_json::{Value, json};

use super::client::Client;
use super::parameters::Parameters;
use super::refusal::OAuthError;
use crate::auth::Auth;
use crate::sessions::REFRESH_PREFIX;

/// A token of a client's session.
struct Known {
    session: Session,
    kind: &'static str,
    scope: String,
    expires_at: i64,
    issued_at: i64,
}

impl Auth {
    /// Who somebody is whose access token a client shows (OpenID Connect Core 1.0 section 5.3). What is said is so at
    /// this moment.
    ///
    /// # Errors
    /// `invalid_token` for whatever is not a valid access token that was given to a client.
    pub async fn userinfo(&self, access_token: &str) -> Result<Value, OAuthError> {
        let now = self.platform.clock().now();
        let verified = self.access_tokens.verify(&self.keys, access_token, now).await;
        let claims = verified.map_err(|_| OAuthError::invalid_token())?;
        let for_client = claims.for_client.as_ref().ok_or_else(OAuthError::invalid_token)?;
        self.require_not_revoked(claims.session_id).await.map_err(|error| match error.kind() {
            hexabase_core::ErrorKind::Unauthenticated => OAuthError::invalid_token(),
            _ => error.into(),
        })?;
        let client = self.find_client(&for_client.client_id).await?.ok_or_else(OAuthError::invalid_token)?;
        let access = self.access_of(&client, claims.user_id, claims.session_id).await;
        let access = access.map_err(|error| match OAuthError::from(error) {
            // Whoever was let out of the workspace since is nobody to its clients.
            gone if gone.error == "invalid_grant" => OAuthError::invalid_token(),
            error => error,
        })?;
        let about = self.about(&client, (claims.user_id, access.as_ref()), &for_client.scope).await?;
        serde_json::to_value(about).map_err(|_| OAuthError::new("server_error", "something went wrong here"))
    }

    /// Whether a token of the client's own is good (RFC 7662). Of others' tokens it learns nothing.
    ///
    /// # Errors
    /// `invalid_client`, also for a client that cannot prove who it is.
    pub async fn introspect(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
    ) -> Result<Value, OAuthError> {
        parameters.require_single()?;
        let client = self.authenticate_client(authorization, parameters).await?;
        if client.is_public() {
            return Err(OAuthError::invalid_client());
        }
        let Some(known) = self.known(&client, parameters.need("token")?).await? else {
            return Ok(json!({ "active": false }));
        };
        Ok(json!({
            "active": true,
            "scope": known.scope,
            "client_id": client.id,
            "token_type": known.kind,
            "exp": known.expires_at,
            "iat": known.issued_at,
            "sub": known.session.user_id,
            "iss": self.platform.settings().issuer.url,
        }))
    }

    /// Gives a token back, with the whole session that it is of (RFC 7009). One that is not good any more is given back
    /// already.
    ///
    /// # Errors
    /// `invalid_client`.
    pub async fn revoke_token(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<(), OAuthError> {
        parameters.require_single()?;
        let client = self.authenticate_client(authorization, parameters).await?;
        if let Some(known) = self.known(&client, parameters.need("token")?).await? {
            self.end_session(known.session.id, SecurityEventKind::SessionRevoked, origin).await?;
        }
        Ok(())
    }

    /// What a token of a client's is, if it is good at this moment.
    async fn known(&self, client: &Client, token: &str) -> Result<Option<Known>, OAuthError> {
        let store = self.platform.store();
        let now = self.platform.clock().now();
        let is_own = |session: &Session| {
            session.is_alive(now) && session.grant.as_ref().is_some_and(|grant| grant.client_id == client.id)
        };
        if let Some((id, verifier)) = BearerToken::split(REFRESH_PREFIX, token) {
            let session = store.find_session(id).await?.filter(is_own);
            let session = session.filter(|one| one.refresh_hash.is_some_and(|hash| hash.matches(&verifier)));
            return Ok(session.map(|session| Known {
                kind: "refresh_token",
                scope: session.grant.as_ref().map(|grant| grant.scope.clone()).unwrap_or_default(),
                expires_at: session.expires_at.as_second(),
                issued_at: session.used_at.as_second(),
                session,
            }));
        }
        let Ok(claims) = self.access_tokens.verify(&self.keys, token, now).await else { return Ok(None) };
        let Some(for_client) = claims.for_client.filter(|of| of.client_id == client.id) else {
            return Ok(None);
        };
        let session = store.find_session(claims.session_id).await?.filter(is_own);
        Ok(session.map(|session| Known {
            session,
            kind: "Bearer",
            scope: for_client.scope.clone(),
            expires_at: claims.expires_at,
            issued_at: claims.expires_at
                - i64::try_from(self.config.access_token.as_secs()).unwrap_or_default(),
        }))
    }
}
