//! Exchanging one token for another (RFC 8693): a service account's API token for one that a tenant cluster accepts.

use super::client::Purpose;
use super::id_token::{About, Occasion};
use super::parameters::Parameters;
use super::refusal::OAuthError;
use super::token::TokenResponse;
use crate::auth::Auth;

/// The grant's name.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What is exchanged: a token that the API takes.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What it is exchanged for.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

impl Auth {
    /// Exchanges a token of ours for one for a workspace, which `audience` names. Whoever has the token is taken for
    /// its owner, so that no client need prove itself besides.
    pub(super) async fn exchange_token(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
    ) -> Result<TokenResponse, OAuthError> {
        if authorization.is_some() || parameters.get("client_id").is_some() {
            self.authenticate_client(authorization, parameters).await?;
        }
        if parameters.get("actor_token").is_some() {
            return Err(OAuthError::invalid_request("nobody acts for others here: leave actor_token out"));
        }
        if parameters.need("subject_token_type")? != ACCESS_TOKEN {
            return Err(OAuthError::invalid_request(format!("subject_token_type must be {ACCESS_TOKEN}")));
        }
        if parameters.get("requested_token_type").is_some_and(|wanted| wanted != ID_TOKEN) {
            return Err(OAuthError::invalid_request(format!("requested_token_type must be {ID_TOKEN}")));
        }
        let audience = parameters.need("audience")?;
        let target =
            || OAuthError::new("invalid_target", "the audience must be the id of a workspace of yours");
        let client = self.find_client(audience).await?.ok_or_else(target)?;
        let is_a_workspace = client.is_a_workspace();
        let Purpose::Workspace(organization, workspace) = client.purpose else { return Err(target()) };
        if !is_a_workspace {
            return Err(target());
        }
        let subject =
            self.authenticate(parameters.need("subject_token")?).await.map_err(|error| {
                match error.kind() {
                    hexabase_core::ErrorKind::Unauthenticated => {
                        OAuthError::invalid_request("the subject_token is not valid, or not any more")
                    }
                    _ => error.into(),
                }
            })?;
        let caller = hexabase_core::platform::Caller::new(subject);
        let access = self.platform.workspaces().cluster_access(&caller, organization, workspace).await;
        let access = access.map_err(|error| match error.kind() {
            hexabase_core::ErrorKind::NotFound => target(),
            _ => error.into(),
        })?;
        let now = self.platform.clock().now();
        let occasion = Occasion {
            audience: client.id,
            algorithm: client.algorithm,
            auth_time: now,
            nonce: None,
            access_token: None,
        };
        let (token, expires_at) = self.id_token(&About::of_access(&access), &occasion).await?;
        Ok(TokenResponse {
            access_token: token,
            token_type: "N_A",
            expires_in: u64::try_from(expires_at.duration_since(now).as_secs()).unwrap_or_default(),
            refresh_token: None,
            id_token: None,
            scope: None,
            issued_token_type: Some(ID_TOKEN),
        })
    }
}
