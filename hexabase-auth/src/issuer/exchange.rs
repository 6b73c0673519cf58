//! Token exchange (RFC 8693): an API token, or the token of a trusted issuer for one of its programs, for a cluster
//! token.

use std::fmt;

use async_trait::async_trait;
use hexabase_core::ErrorKind;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::clock::until;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::UserId;
use hexabase_core::model::UserKind;
use hexabase_core::platform::Caller;

use super::OidcIssuer;
use super::client::Purpose;
use super::error::OAuthError;
use super::id_token::{NewIdToken, UserClaims};
use super::parameters::Parameters;
use super::response::TokenResponse;

/// `grant_type` of the token exchange.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Type of the subject tokens that the API accepts.
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Type of the issued tokens, and of workload tokens.
const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
/// Type of workload tokens, by their format.
const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Verifier of workload tokens, which other issuers sign for programs such as CI jobs.
#[async_trait]
pub trait WorkloadIdentities: fmt::Debug + Send + Sync + 'static {
    /// Returns the service account that a workload token authenticates.
    ///
    /// # Errors
    /// - `Unauthenticated` if the token authenticates no service account.
    /// - `Unavailable` if the token cannot be checked.
    async fn service_account(&self, token: &str) -> Result<UserId>;
}

impl OidcIssuer<'_> {
    /// Exchanges a subject token for a cluster token of the workspace that `audience` names. The subject token
    /// authenticates its owner, so client authentication is optional.
    pub(super) async fn exchange_token(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
    ) -> Result<TokenResponse, OAuthError> {
        if authorization.is_some() || parameters.get("client_id").is_some() {
            self.authenticate_client(authorization, parameters).await?;
        }
        if parameters.get("actor_token").is_some() {
            return Err(OAuthError::invalid_request("delegation is not supported; omit actor_token"));
        }
        if parameters.get("requested_token_type").is_some_and(|requested| requested != ID_TOKEN_TYPE) {
            return Err(OAuthError::invalid_request(format!("requested_token_type must be {ID_TOKEN_TYPE}")));
        }
        let audience = parameters.require("audience")?;
        let invalid_target = || {
            OAuthError::new(
                "invalid_target",
                "audience must be the id of a workspace that the subject can access",
            )
        };
        let client = self.find_client(audience).ok_or_else(invalid_target)?;
        let is_workspace = client.is_workspace();
        let Purpose::Workspace(workspace) = client.purpose else {
            return Err(invalid_target());
        };
        if !is_workspace {
            return Err(invalid_target());
        }
        let subject = self.authenticate_subject(parameters).await?;
        let caller = Caller::new(subject);
        let access = self.workspace_access(&caller, workspace).await;
        let access = access.map_err(|error| match error.kind() {
            ErrorKind::NotFound => invalid_target(),
            _ => error.into(),
        })?;
        // A workload token authenticates service accounts only, never a person.
        if caller.principal.credential == Credential::Workload && access.user.kind != UserKind::ServiceAccount
        {
            return Err(invalid_target());
        }
        let new_token = NewIdToken {
            audience: &client.id,
            issued_at: access.as_of,
            algorithm: client.algorithm,
            auth_time: access.as_of,
            nonce: None,
            access_token: None,
        };
        let (token, expires_at) = self.issue_id_token(&UserClaims::from_access(&access), &new_token).await?;
        Ok(TokenResponse {
            access_token: token,
            token_type: "N_A",
            expires_in: until(self.0.platform.clock().now(), expires_at).as_secs(),
            refresh_token: None,
            id_token: None,
            scope: None,
            issued_token_type: Some(ID_TOKEN_TYPE),
        })
    }

    /// Authenticates the owner of the subject token.
    async fn authenticate_subject(&self, parameters: &Parameters) -> Result<Principal, OAuthError> {
        let token = parameters.require("subject_token")?;
        let subject = match (parameters.require("subject_token_type")?, &self.0.workloads) {
            (ACCESS_TOKEN_TYPE, _) => self.0.authenticate_bearer(token).await,
            (ID_TOKEN_TYPE | JWT_TYPE, Some(workloads)) => {
                let account = workloads.service_account(token).await;
                account.map(|user_id| Principal { user_id, credential: Credential::Workload })
            }
            (ID_TOKEN_TYPE | JWT_TYPE, None) => {
                Err(Error::unauthenticated("tokens of other issuers are not accepted"))
            }
            _ => {
                let message =
                    format!("subject_token_type must be {ACCESS_TOKEN_TYPE}, {ID_TOKEN_TYPE} or {JWT_TYPE}");
                return Err(OAuthError::invalid_request(message));
            }
        };
        subject.map_err(|error| match error.kind() {
            ErrorKind::Unauthenticated => {
                OAuthError::invalid_request("subject_token is invalid or has expired")
            }
            _ => error.into(),
        })
    }
}
