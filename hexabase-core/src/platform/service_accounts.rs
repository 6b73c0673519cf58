use futures_util::try_join;
use serde::{Deserialize, Serialize};

use super::commit::require_version;
use super::invitations::require_not_deleting;
use super::{Authorization, Caller, Idempotent, Platform, PlatformInner};
use crate::access::{Action, Credential, check_role_grant, check_scope_grant};
use crate::changeset::{Changeset, RecordKey, Write};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, TokenId, UserId};
use crate::limits;
use crate::model::{ApiToken, Member, OrganizationRole, Scopes, ServiceAccount, User, UserKind};
use crate::name::{DisplayName, Slug};
use crate::page::{Page, PageRequest};
use crate::secret::{BearerToken, ExposeSecret as _, Verifier};
use crate::version::Version;
use jiff::Timestamp;

/// Prefix of API tokens, by which secret scanners recognize them.
pub const API_TOKEN_PREFIX: &str = "hxb";

/// Maximum number of API tokens of a user or service account.
const MAX_TOKENS_PER_USER: usize = 50;

/// Service accounts of organizations.
#[derive(Debug, Clone, Copy)]
pub struct ServiceAccounts<'a>(pub(super) &'a PlatformInner);

/// Command to create a service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateServiceAccount {
    /// Name, unique in the organization.
    pub name: Slug,
    /// Role in the organization; any except owner.
    pub role: OrganizationRole,
}

/// Command to create an API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateToken {
    /// Display name.
    pub name: DisplayName,
    /// Scopes, at least one.
    pub scopes: Scopes,
    /// Time of expiry; `None` for a token that does not expire.
    pub expires_at: Option<Timestamp>,
}

/// New API token with its secret, which is returned only once.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewToken {
    /// The token.
    pub token: ApiToken,
    /// Secret, sent as `Authorization: Bearer`; `None` in the replay of an idempotent request, as it is not stored.
    #[serde(skip)]
    pub secret: Option<String>,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("NewToken").field("token", &self.token).finish_non_exhaustive()
    }
}

impl ServiceAccounts<'_> {
    /// Creates a service account.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role; also `Forbidden` for a role that exceeds the caller's
    ///   own role or the scopes of its token.
    /// - `AlreadyExists` if the name is taken.
    /// - `Invalid` for the role of an owner.
    /// - `QuotaExceeded` if the organization has the maximum number of service accounts.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: &CreateServiceAccount,
    ) -> Result<Idempotent<ServiceAccount>> {
        let authorization = Authorization::Organization(organization, Action::ServiceAccountCreate);
        self.0
            .run_idempotent(caller, authorization, || async {
                let own_role = self.0.permit(caller, organization, Action::ServiceAccountCreate).await?;
                if command.role == OrganizationRole::Owner {
                    return Err(Error::invalid(
                        "role",
                        "must be admin, billing or member; service accounts cannot be owners",
                    ));
                }
                check_role_grant(&caller.principal, own_role, command.role)?;
                let root = self.0.organization(organization).await?;
                require_not_deleting(&root)?;
                limits::check_service_account_limit(&self.0.store.count_organization(organization).await?)?;
                let now = self.0.now();
                let user = User {
                    id: self.0.id(now),
                    kind: UserKind::ServiceAccount,
                    email: None,
                    name: DisplayName::parse(command.name.as_str())
                        .map_err(|e| Error::unexpected(e.to_string()))?,
                    created_at: now,
                    updated_at: now,
                    version: Version::FIRST,
                };
                let account = ServiceAccount {
                    organization_id: organization,
                    id: user.id,
                    name: command.name.clone(),
                    created_by: caller.principal.user_id,
                    created_at: now,
                    version: Version::FIRST,
                };
                let member = Member::new(organization, user.id, command.role, now);
                let resource = format!("{organization}/{}", account.id);
                let entry =
                    self.0.audit(caller, organization, "service_account.create", resource, (), &account);
                let changeset = Changeset::new()
                    .organization(root, now)
                    .insert(user)
                    .insert(member)
                    .insert(account.clone())
                    .audit(entry);
                Ok((changeset, account))
            })
            .await
    }

    /// Lists the service accounts of an organization with their roles.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<(ServiceAccount, OrganizationRole)>> {
        self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
        let Page { items, next } = self.0.store.list_service_accounts(organization, page).await?;
        let items = items.into_iter().map(|(account, member)| (account, member.role)).collect();
        Ok(Page { items, next })
    }

    /// Returns a service account with its membership of the organization.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role; `NotFound` for an unknown account.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<(ServiceAccount, Member)> {
        self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
        let member = self.0.store.find_member(organization, id);
        let (account, member) = try_join!(self.find(caller, organization, id), member)?;
        Ok((account, member.ok_or_else(|| Error::not_found("service account"))?))
    }

    /// Deletes a service account with its tokens and its memberships of groups.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Conflict` with code `precondition_failed` if the version differs from `expected`.
    pub async fn delete(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: UserId,
        expected: Option<Version>,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
                let root = self.0.organization(organization).await?;
                let account = self.find(caller, organization, id).await?;
                require_version(expected, account.version)?;
                let resource = format!("{organization}/{id}");
                let entry =
                    self.0.audit(caller, organization, "service_account.delete", resource, &account, ());
                let changeset = Changeset::new()
                    .organization(root, self.0.now())
                    // The deletion waits for commits that require the member; leaving sees what they added.
                    .delete(RecordKey::Member(organization, id))
                    .write(Write::LeaveGroups(organization, id))
                    .delete(RecordKey::ServiceAccount(organization, id))
                    .delete(RecordKey::User(id))
                    .audit(entry);
                Ok((changeset, ()))
            })
            .await
    }

    /// Creates an API token of a service account.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role; also `Forbidden` for an account whose role exceeds
    ///   the caller's, for scopes beyond those of the caller's token, and for a workload, whose own token is short-lived.
    /// - `Invalid` without scopes, or for an expiry in the past.
    /// - `QuotaExceeded` if the account has the maximum number of tokens.
    pub async fn create_token(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: UserId,
        command: &CreateToken,
    ) -> Result<Idempotent<NewToken>> {
        let authorization = Authorization::Organization(organization, Action::ServiceAccountsManage);
        self.0
            .run_idempotent(caller, authorization, || async {
                let own_role = self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
                let root = self.0.organization(organization).await?;
                self.find(caller, organization, id).await?;
                require_lasting_credential(caller)?;
                self.require_included_role(organization, id, own_role).await?;
                check_scope_grant(&caller.principal, &command.scopes)?;
                let new_token = self.0.generate_api_token(command, id, Some(organization)).await?;
                let resource = format!("{organization}/{id}/{}", new_token.token.id);
                let audit_value =
                    serde_json::json!({ "name": new_token.token.name, "scopes": new_token.token.scopes });
                let entry = self.0.audit(
                    caller,
                    organization,
                    "service_account.create_token",
                    resource,
                    (),
                    audit_value,
                );
                let changeset = Changeset::new()
                    .organization(root, self.0.now())
                    .insert(new_token.token.clone())
                    .audit(entry);
                Ok((changeset, new_token))
            })
            .await
    }

    /// Lists the API tokens of a service account, oldest first.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role; `NotFound` for an unknown account.
    pub async fn list_tokens(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: UserId,
        page: &PageRequest,
    ) -> Result<Page<ApiToken>> {
        self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
        self.find(caller, organization, id).await?;
        self.0.store.list_api_tokens(id, page).await
    }

    /// Deletes an API token of a service account. Requests with the token are rejected immediately.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role; `NotFound` for an unknown account, and for a token that
    /// is not one of the account.
    pub async fn delete_token(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: UserId,
        token: TokenId,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
                let root = self.0.organization(organization).await?;
                self.find(caller, organization, id).await?;
                let found = self.0.store.find_api_token(token).await?;
                let found =
                    found.filter(|token| token.user_id == id && token.organization_id == Some(organization));
                let found = found.ok_or_else(|| Error::not_found("token"))?;
                let resource = format!("{organization}/{id}/{token}");
                let audit_value = serde_json::json!({ "name": found.name, "scopes": found.scopes });
                let entry = self.0.audit(
                    caller,
                    organization,
                    "service_account.delete_token",
                    resource,
                    audit_value,
                    (),
                );
                let changeset = Changeset::new()
                    .organization(root, self.0.now())
                    .delete(RecordKey::ApiToken(token))
                    .audit(entry);
                Ok((changeset, ()))
            })
            .await
    }

    async fn find(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<ServiceAccount> {
        let found = self.0.reads(caller).service_account(organization, id).await?;
        found.ok_or_else(|| Error::not_found("service account"))
    }

    /// Checks that the caller's role includes the role of a service account, as whom a new token would act.
    async fn require_included_role(
        &self,
        organization: OrganizationId,
        id: UserId,
        own_role: OrganizationRole,
    ) -> Result<()> {
        let member = self.0.store.find_member(organization, id).await?;
        let role = member.ok_or_else(|| Error::not_found("service account"))?.role;
        if own_role.includes(role) {
            return Ok(());
        }
        let message = format!("your role {own_role} does not include the role {role} of the service account");
        Err(Error::forbidden(message))
    }
}

/// Rejects workloads: an API token of theirs would outlive the job, and the trust in it.
fn require_lasting_credential(caller: &Caller) -> Result<()> {
    match caller.principal.credential {
        Credential::Workload { .. } => {
            Err(Error::forbidden("a workload creates no API tokens; use a session or an API token"))
        }
        _ => Ok(()),
    }
}

impl Platform {
    /// Generates the API token that `command` asks for, without storing it: the caller commits it.
    ///
    /// # Errors
    /// - `Invalid` without scopes, or for an expiry in the past.
    /// - `QuotaExceeded` if `owner` already has the maximum number of tokens.
    pub async fn generate_api_token(
        &self,
        command: &CreateToken,
        owner: UserId,
        organization: Option<OrganizationId>,
    ) -> Result<NewToken> {
        self.inner().generate_api_token(command, owner, organization).await
    }
}

impl PlatformInner {
    pub(crate) async fn generate_api_token(
        &self,
        command: &CreateToken,
        owner: UserId,
        organization: Option<OrganizationId>,
    ) -> Result<NewToken> {
        let now = self.now();
        if command.scopes.is_empty() {
            return Err(Error::invalid("scopes", "must name at least one scope"));
        }
        if command.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid("expires_at", "must be in the future"));
        }
        let existing = self.store.list_api_tokens(owner, &PageRequest::largest()).await?.items.len();
        if existing >= MAX_TOKENS_PER_USER {
            let message = format!("a user has at most {MAX_TOKENS_PER_USER} tokens; delete one first");
            return Err(Error::quota_exceeded(message));
        }
        let verifier = Verifier::generate(&*self.ids);
        let token = ApiToken {
            id: self.id(now),
            user_id: owner,
            organization_id: organization,
            name: command.name.clone(),
            scopes: command.scopes.clone(),
            hash: verifier.hash(),
            created_at: now,
            expires_at: command.expires_at.map(crate::clock::truncate_to_microseconds),
            used_at: None,
        };
        let secret = BearerToken::new(API_TOKEN_PREFIX, &[&token.id], &verifier).expose_secret().to_owned();
        Ok(NewToken { token, secret: Some(secret) })
    }
}
