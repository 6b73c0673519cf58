//! Token endpoint (RFC 6749 section 3.2).

use hexabase_core::model::{Origin, Session};
use subtle::ConstantTimeEq as _;

use super::OidcIssuer;
use super::client::{Client, Purpose};
use super::error::OAuthError;
use super::grant::{AuthorizationCode, ClientSession};
use super::id_token::NewIdToken;
use super::parameters::Parameters;
use super::response::TokenResponse;
use crate::access_token::{Audience, NewAccessToken};
use crate::digest::hash;
use crate::sessions::refresh_token;

impl OidcIssuer<'_> {
    /// Issues tokens for a grant. `authorization` is the header of that name.
    ///
    /// # Errors
    /// Errors of RFC 6749 section 5.2 and its extensions.
    pub async fn token(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        parameters.reject_duplicates()?;
        match parameters.require("grant_type")? {
            "authorization_code" => self.redeem_code(authorization, parameters, origin).await,
            "refresh_token" => self.redeem_refresh(authorization, parameters, origin).await,
            super::device::GRANT_TYPE => self.redeem_device_code(authorization, parameters, origin).await,
            super::exchange::GRANT_TYPE => self.exchange_token(authorization, parameters, origin).await,
            _ => Err(OAuthError::new("unsupported_grant_type", "grant_type is not supported")),
        }
    }

    async fn redeem_code(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.authenticate_client(authorization, parameters).await?;
        let value = parameters.require("code")?;
        let verifier = parameters.require("code_verifier")?;
        let redirect_uri = parameters.require("redirect_uri")?;
        let verify = |code: &AuthorizationCode| {
            if code.client_id != client.id || code.redirect_uri != redirect_uri {
                return Err(OAuthError::invalid_grant("the authorization code is invalid or has expired"));
            }
            match matches_challenge(verifier, &code.code_challenge) {
                true => Ok(()),
                false => Err(OAuthError::invalid_grant("code_verifier does not match code_challenge")),
            }
        };
        let claimed = self.claim_code(value, verify, origin).await?;
        let client_session = self.begin_code_session(&client, value, &claimed, origin).await?;
        self.issue_tokens(&client, client_session, claimed.code.scope, claimed.code.nonce).await
    }

    async fn redeem_refresh(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.authenticate_client(authorization, parameters).await?;
        let presented = parameters.require("refresh_token")?;
        let refresh_error = |error: hexabase_core::error::Error| match error.kind() {
            hexabase_core::ErrorKind::Unauthenticated => {
                OAuthError::invalid_grant("the refresh token is invalid or has expired")
            }
            _ => error.into(),
        };
        let pending = self
            .0
            .sessions()
            .check_refresh_token(presented, Some(&client.id), origin)
            .await
            .map_err(refresh_error)?;
        let session = pending.session.clone();
        let granted_scope = session.grant.as_ref().map(|grant| grant.scope.clone()).unwrap_or_default();
        // A request can reduce the scope, never extend it (RFC 6749 section 6).
        let scope = match parameters.get("scope") {
            None => granted_scope,
            Some(requested) if session.grant.as_ref().is_some_and(|grant| grant.covers(requested)) => {
                requested.to_owned()
            }
            Some(_) => {
                return Err(OAuthError::new("invalid_scope", "scope exceeds the granted scope"));
            }
        };
        let auth_time = session.grant.as_ref().map_or(session.created_at, |grant| grant.auth_time);
        let client_session =
            ClientSession { session, refresh: Some(pending.next.clone()), auth_time, code_id: None };
        let tokens = self.issue_tokens(&client, client_session, scope, None).await?;
        self.0.sessions().complete_refresh(pending, origin).await.map_err(refresh_error)?;
        Ok(tokens)
    }

    /// Issues the tokens of a client's session, with the user's access as of now.
    pub(super) async fn issue_tokens(
        &self,
        client: &Client,
        client_session: ClientSession,
        scope: String,
        nonce: Option<String>,
    ) -> Result<TokenResponse, OAuthError> {
        let ClientSession { session, refresh, auth_time, code_id } = client_session;
        // Taken before the groups are read, so that a name is not in use for longer than the lifetime from then on.
        let issued_at = self.0.platform.clock().now();
        let access = self.cluster_access_of(client, session.user_id, session.id).await?;
        let user_claims = self.user_claims(client, (session.user_id, access.as_ref()), &scope).await?;
        let access_token = self.issue_access_token_for(client, &session, &scope, code_id.as_deref()).await?;
        let new_token = NewIdToken {
            audience: &client.id,
            issued_at,
            algorithm: client.algorithm,
            auth_time,
            nonce,
            access_token: Some(&access_token),
        };
        let (id_token, _) = self.issue_id_token(&user_claims, &new_token).await?;
        let refresh_token = refresh.map(|verifier| refresh_token(&session, &verifier));
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in: self.0.config.access_token_lifetime.as_secs(),
            refresh_token,
            id_token: Some(id_token),
            scope: Some(scope),
            issued_token_type: None,
        })
    }

    async fn issue_access_token_for(
        &self,
        client: &Client,
        session: &Session,
        scope: &str,
        code_id: Option<&str>,
    ) -> Result<String, OAuthError> {
        let audience = match client.purpose {
            Purpose::Api => Audience::Api,
            Purpose::Workspace(..) | Purpose::Identity => Audience::Userinfo,
        };
        let new_token = NewAccessToken {
            audience,
            user: session.user_id,
            session: session.id,
            for_client: Some((&client.id, scope)),
            code_id,
        };
        Ok(self.0.issue_access_token(&new_token).await?)
    }
}

/// `true` if the code challenge was derived from the code verifier (RFC 7636 section 4.6).
fn matches_challenge(verifier: &str, challenge: &str) -> bool {
    let is_unreserved = |byte: u8| super::authorize::is_base64url(byte) || byte == b'.' || byte == b'~';
    let is_well_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved);
    is_well_formed && hash(verifier).as_bytes().ct_eq(challenge.as_bytes()).into()
}
