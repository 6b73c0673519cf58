//! Token exchange (RFC 8693): an API token, or the token of a trusted issuer for one of its programs, for a cluster
//! token; the latter also for a token for the API, if the operator allows it.

use std::fmt;

use async_trait::async_trait;
use hexabase_core::ErrorKind;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::clock::until;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::UserId;
use hexabase_core::model::{Origin, Scope, Scopes, UserKind};
use hexabase_core::platform::{Caller, Workload};

use super::OidcIssuer;
use super::client::Purpose;
use super::error::OAuthError;
use super::id_token::{NewIdToken, UserClaims};
use super::parameters::Parameters;
use super::response::TokenResponse;

/// `grant_type` of the token exchange.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Type of the tokens that the API accepts.
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Type of cluster tokens, and of workload tokens.
const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
/// Type of workload tokens, by their format.
const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Verifier of workload tokens, which other issuers sign for programs such as CI jobs.
#[async_trait]
pub trait WorkloadIdentities: fmt::Debug + Send + Sync + 'static {
    /// Returns the workload that a token authenticates.
    ///
    /// # Errors
    /// - `Unauthenticated` if the token authenticates no workload.
    /// - `Unavailable` if the token cannot be checked.
    async fn identify(&self, token: &str) -> Result<WorkloadIdentity>;
}

/// Workload that a token authenticates, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadIdentity {
    /// Service account as which the workload acts.
    pub service_account: UserId,
    /// The workload, for the audit log.
    pub workload: Workload,
    /// Scopes in the API; empty for access to clusters only.
    pub api_scopes: Scopes,
}

/// Returns the scopes of a token for the API: all that the trust grants, or those of them that are requested.
fn granted_scopes(granted: &Scopes, requested: Option<&str>) -> Result<Scopes, OAuthError> {
    if granted.is_empty() {
        let message =
            "the operator trusts this workload in clusters only; api_scopes of the trust allow the API";
        return Err(OAuthError::new("invalid_target", message));
    }
    let Some(requested) = requested else { return Ok(granted.clone()) };
    let parsed: Option<Vec<Scope>> = requested.split_whitespace().map(|scope| scope.parse().ok()).collect();
    let covered =
        parsed.filter(|scopes| !scopes.is_empty() && scopes.iter().all(|scope| granted.covers(*scope)));
    let covered = covered.ok_or_else(|| {
        OAuthError::new(
            "invalid_scope",
            "scope must be a part of the scopes that the operator grants to this workload",
        )
    });
    Ok(covered?.into_iter().collect())
}

impl OidcIssuer<'_> {
    /// Exchanges a subject token for a cluster token of the workspace that `audience` names, or for a token for the API if
    /// `audience` is the issuer. The subject token authenticates its owner, so client authentication is optional.
    pub(super) async fn exchange_token(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        if authorization.is_some() || parameters.get("client_id").is_some() {
            self.authenticate_client(authorization, parameters).await?;
        }
        if parameters.get("actor_token").is_some() {
            return Err(OAuthError::invalid_request("delegation is not supported; omit actor_token"));
        }
        let audience = parameters.require("audience")?;
        let is_for_api = audience == self.0.platform.config().issuer.url;
        let issued_type = if is_for_api { ACCESS_TOKEN_TYPE } else { ID_TOKEN_TYPE };
        if parameters.get("requested_token_type").is_some_and(|requested| requested != issued_type) {
            return Err(OAuthError::invalid_request(format!("requested_token_type must be {issued_type}")));
        }
        if is_for_api {
            return self.exchange_for_api(parameters, origin).await;
        }
        let invalid_target = || {
            OAuthError::new(
                "invalid_target",
                "audience must be the id of a workspace that the subject can access, or the URL of this server",
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
        let is_workload = matches!(caller.principal.credential, Credential::Workload { .. });
        if is_workload && access.user.kind != UserKind::ServiceAccount {
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
        let subject = match parameters.require("subject_token_type")? {
            ACCESS_TOKEN_TYPE => self.0.authenticate_bearer(token).await,
            ID_TOKEN_TYPE | JWT_TYPE => self.identify_workload(token).await.map(|identity| Principal {
                user_id: identity.service_account,
                // The token authenticates the request that carries it, and nothing after it.
                credential: Credential::Workload {
                    scopes: Scopes::from_iter([Scope::ClusterAccess]),
                    expires_at: self.0.platform.clock().now(),
                },
            }),
            _ => {
                let message =
                    format!("subject_token_type must be {ACCESS_TOKEN_TYPE}, {ID_TOKEN_TYPE} or {JWT_TYPE}");
                return Err(OAuthError::invalid_request(message));
            }
        };
        subject.map_err(rejected_subject)
    }

    async fn identify_workload(&self, token: &str) -> Result<WorkloadIdentity> {
        match &self.0.workloads {
            Some(workloads) => workloads.identify(token).await,
            None => Err(Error::unauthenticated("tokens of other issuers are not accepted")),
        }
    }

    /// Exchanges the token of a trusted issuer for a token for the API, within the scopes that the operator grants. A token
    /// of this server is not accepted: exchanges would extend its lifetime without end.
    async fn exchange_for_api(
        &self,
        parameters: &Parameters,
        origin: &Origin,
    ) -> Result<TokenResponse, OAuthError> {
        let token = parameters.require("subject_token")?;
        if !matches!(parameters.require("subject_token_type")?, ID_TOKEN_TYPE | JWT_TYPE) {
            let message = format!("subject_token_type must be {ID_TOKEN_TYPE} or {JWT_TYPE} for the API");
            return Err(OAuthError::invalid_request(message));
        }
        let WorkloadIdentity { service_account, workload, api_scopes } =
            self.identify_workload(token).await.map_err(rejected_subject)?;
        let scopes = granted_scopes(&api_scopes, parameters.get("scope"))?;
        let expires_at = self.0.workload_token_expiry();
        let credential = Credential::Workload { scopes: scopes.clone(), expires_at };
        let principal = Principal { user_id: service_account, credential };
        let caller = Caller { origin: origin.clone(), ..Caller::new(principal) };
        let recorded = self.0.platform.service_accounts().record_workload_token(&caller, &workload).await;
        recorded.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                OAuthError::new("invalid_target", "the service account of the trust does not exist")
            }
            _ => error.into(),
        })?;
        let scope: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
        Ok(TokenResponse {
            access_token: self.0.issue_workload_token(service_account, &scopes, expires_at).await?,
            token_type: "Bearer",
            expires_in: until(self.0.platform.clock().now(), expires_at).as_secs(),
            refresh_token: None,
            id_token: None,
            scope: Some(scope.join(" ")),
            issued_token_type: Some(ACCESS_TOKEN_TYPE),
        })
    }
}

/// Returns the error for a subject token that authenticates no one.
fn rejected_subject(error: Error) -> OAuthError {
    match error.kind() {
        ErrorKind::Unauthenticated => OAuthError::invalid_request("subject_token is invalid or has expired"),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_gets_no_scope_that_its_trust_lacks() {
        let trust: Scopes = [Scope::WorkspacesWrite, Scope::ProjectsRead].into_iter().collect();
        let granted = |requested| granted_scopes(&trust, requested).map_err(|error| error.error);
        assert_eq!(granted(None), Ok(trust.clone()));
        let narrower = granted(Some("workspaces:read  projects:read")).unwrap();
        assert_eq!(narrower, [Scope::WorkspacesRead, Scope::ProjectsRead].into_iter().collect());
        for requested in ["all", "projects:write", "workspaces:read billing:read", "workspaces:admin", " "] {
            assert_eq!(granted(Some(requested)), Err("invalid_scope"), "{requested:?}");
        }
        let none = granted_scopes(&Scopes::default(), Some("workspaces:read"));
        assert_eq!(none.unwrap_err().error, "invalid_target");
        assert!(granted_scopes(&Scopes::all(), Some("billing:write")).is_ok());
    }
}
