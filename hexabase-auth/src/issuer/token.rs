//! The token endpoint (RFC 6749 section 3.2).

use hexabase_core::model::{Origin, Session};
use subtle::ConstantTimeEq as _;

use super::client::{Client, Purpose};
use super::grant::Granted;
use super::id_token::Occasion;
use super::parameters::Parameters;
use super::refusal::OAuthError;
use super::response::TokenResponse;
use crate::access_token::{Audience, Issued};
use crate::auth::Auth;
use crate::digest::hash;
use crate::sessions::refresh_token;

impl Auth {
    /// Gives tokens for a grant. `authorization` is the header of that name.
    ///
    /// # Errors
    /// Whatever RFC 6749 section 5.2 and its extensions name.
    pub async fn token(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        parameters.require_single()?;
        match parameters.need("grant_type")? {
            "authorization_code" => self.redeem_code(authorization, parameters, origin).await,
            "refresh_token" => self.redeem_refresh(authorization, parameters, origin).await,
            super::device::GRANT => self.redeem_device_code(authorization, parameters, origin).await,
            super::exchange::GRANT => self.exchange_token(authorization, parameters).await,
            _ => Err(OAuthError::new("unsupported_grant_type", "this grant_type is not supported")),
        }
    }

    async fn redeem_code(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.authenticate_client(authorization, parameters).await?;
        let text = parameters.need("code")?;
        let verifier = parameters.need("code_verifier")?;
        let redirect_uri = parameters.need("redirect_uri")?;
        let refusal = || OAuthError::invalid_grant("the code is not valid, or not any more");
        let code = self.take_code(text, origin).await?.ok_or_else(refusal)?;
        if code.client_id != client.id || code.redirect_uri != redirect_uri {
            return Err(refusal());
        }
        if !fits(verifier, &code.code_challenge) {
            return Err(OAuthError::invalid_grant("code_verifier is not what the challenge was made of"));
        }
        let granted = self.begin_grant(&client, &code.person, &code.scope, origin).await?;
        self.remember_code(text, granted.session.id).await?;
        self.tokens_for(&client, granted, code.scope, code.nonce).await
    }

    async fn redeem_refresh(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let client = self.authenticate_client(authorization, parameters).await?;
        let shown = parameters.need("refresh_token")?;
        let refusal = |error: hexabase_core::error::Error| match error.kind() {
            hexabase_core::ErrorKind::Unauthenticated => {
                OAuthError::invalid_grant("the refresh token is not valid, or not any more")
            }
            _ => error.into(),
        };
        let renewal = self.renewal(shown, Some(&client.id), origin).await.map_err(refusal)?;
        let session = renewal.session.clone();
        let granted = session.grant.as_ref().map(|grant| grant.scope.clone()).unwrap_or_default();
        // Less may be asked for, and never more (RFC 6749 section 6).
        let scope = match parameters.get("scope") {
            None => granted,
            Some(asked) if session.grant.as_ref().is_some_and(|grant| grant.covers(asked)) => {
                asked.to_owned()
            }
            Some(_) => {
                return Err(OAuthError::new("invalid_scope", "this is more than was granted"));
            }
        };
        let granted = Granted { session, refresh: Some(renewal.next.clone()) };
        let tokens = self.tokens_for(&client, granted, scope, None).await?;
        self.spend(renewal, origin).await.map_err(refusal)?;
        Ok(tokens)
    }

    /// The tokens of a client's session, with what is so at this moment.
    pub(super) async fn tokens_for(
        &self,
        client: &Client,
        granted: Granted,
        scope: String,
        nonce: Option<String>,
    ) -> Result<TokenResponse, OAuthError> {
        let Granted { session, refresh } = granted;
        let access = self.access_of(client, session.user_id, session.id).await?;
        let about = self.about(client, (session.user_id, access.as_ref()), &scope).await?;
        let access_token = self.access_token(client, &session, &scope).await?;
        let auth_time = session.grant.as_ref().map_or(session.created_at, |grant| grant.auth_time);
        let occasion = Occasion {
            audience: &client.id,
            at: self.platform.clock().now(),
            algorithm: client.algorithm,
            auth_time,
            nonce,
            access_token: Some(&access_token),
        };
        let (id_token, _) = self.id_token(&about, &occasion).await?;
        let refresh_token = refresh.map(|verifier| refresh_token(&session, &verifier));
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in: self.config.access_token.as_secs(),
            refresh_token,
            id_token: Some(id_token),
            scope: Some(scope),
            issued_token_type: None,
        })
    }

    async fn access_token(
        &self,
        client: &Client,
        session: &Session,
        scope: &str,
    ) -> Result<String, OAuthError> {
        let audience = match client.purpose {
            Purpose::Api => Audience::Api,
            Purpose::Workspace(..) | Purpose::Identity => Audience::Userinfo,
        };
        let issued = Issued {
            audience,
            user: session.user_id,
            session: session.id,
            for_client: Some((&client.id, scope)),
        };
        Ok(self.issue_access_token(&issued).await?)
    }
}

/// Whether a challenge was made of a verifier (RFC 7636 section 4.6).
fn fits(verifier: &str, challenge: &str) -> bool {
    let is_unreserved = |byte: u8| super::authorize::is_base64url(byte) || byte == b'.' || byte == b'~';
    let is_one = (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved);
    is_one && hash(verifier).as_bytes().ct_eq(challenge.as_bytes()).into()
}
