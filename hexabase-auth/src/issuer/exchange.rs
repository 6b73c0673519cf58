//! Exchanging one token for another (RFC 8693): an API token, or what another system has signed for its program, for one
//! that a tenant cluster accepts.

use std::fmt;

use async_trait::async_trait;
use hexabase_core::ErrorKind;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::UserId;
use hexabase_core::model::UserKind;
use hexabase_core::platform::Caller;

use super::client::Purpose;
use super::id_token::{About, Occasion};
use super::parameters::Parameters;
use super::refusal::OAuthError;
use super::response::TokenResponse;
use crate::auth::Auth;

/// The grant's name.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What is exchanged: a token that the API takes.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What it is exchanged for; also what others have signed.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// What others have signed, by its form.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Who knows programs that run elsewhere.
#[async_trait]
pub trait WorkloadIdentities: fmt::Debug + Send + Sync + 'static {
    /// The service account that a token of another system stands for.
    ///
    /// # Errors
    /// - `Unauthenticated` when it stands for none.
    /// - `Unavailable` when that cannot be found out.
    async fn service_account(&self, token: &str) -> Result<UserId>;
}

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
        let subject = self.subject(parameters).await?;
        let caller = Caller::new(subject);
        let access = self.platform.workspaces().cluster_access(&caller, organization, workspace).await;
        let access = access.map_err(|error| match error.kind() {
            ErrorKind::NotFound => target(),
            _ => error.into(),
        })?;
        // Machines vouch for machines: nobody becomes a person by it.
        if caller.principal.credential == Credential::Workload && access.user.kind != UserKind::ServiceAccount
        {
            return Err(target());
        }
        let now = self.platform.clock().now();
        let occasion = Occasion {
            audience: &client.id,
            at: now,
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
    /// Whoever the token stands for that is to be exchanged.
    async fn subject(&self, parameters: &Parameters) -> Result<Principal, OAuthError> {
        let token = parameters.need("subject_token")?;
        let subject = match (parameters.need("subject_token_type")?, &self.workloads) {
            (ACCESS_TOKEN, _) => self.authenticate(token).await,
            (ID_TOKEN | JWT, Some(workloads)) => {
                let account = workloads.service_account(token).await;
                account.map(|user_id| Principal { user_id, credential: Credential::Workload })
            }
            (ID_TOKEN | JWT, None) => Err(Error::unauthenticated("nobody else's tokens are trusted here")),
            _ => {
                let message = format!("subject_token_type must be {ACCESS_TOKEN}, {ID_TOKEN} or {JWT}");
                return Err(OAuthError::invalid_request(message));
            }
        };
        subject.map_err(|error| match error.kind() {
            ErrorKind::Unauthenticated => {
                OAuthError::invalid_request("the subject_token is not valid, or not any more")
            }
            _ => error.into(),
        })
    }
}
