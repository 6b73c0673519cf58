use serde::{Deserialize, Serialize};

use super::commit::require_version;
use super::invitations::require_alive;
use super::{Caller, Done, Parts};
use crate::access::Action;
use crate::changeset::{Changeset, Key, Write};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId};
use crate::model::{ApiToken, Member, OrganizationRole, Scopes, ServiceAccount, User, UserKind};
use crate::name::{DisplayName, Slug};
use crate::page::{Page, PageRequest};
use crate::secret::{BearerToken, ExposeSecret as _, Verifier};
use crate::version::Version;
use jiff::Timestamp;

/// What API tokens begin with, so that secret scanners recognise them.
pub const TOKEN_PREFIX: &str = "hxb";

/// How many service accounts an organization may have.
const MAX_ACCOUNTS: u32 = 100;
/// How many tokens one account may have.
const MAX_TOKENS: usize = 50;

/// Service accounts of organizations.
#[derive(Debug, Clone, Copy)]
pub struct ServiceAccounts<'a>(pub(super) &'a Parts);

/// What a new service account is like.
#[derive(Debug, Clone)]
pub struct CreateServiceAccount {
    /// Its name, unique in the organization.
    pub name: Slug,
    /// What it may do in the organization; never owner.
    pub role: OrganizationRole,
}

/// What a new API token is like.
#[derive(Debug, Clone)]
pub struct CreateToken {
    /// What people call it.
    pub name: DisplayName,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// A new API token with its secret, which is shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewToken {
    /// The token.
    pub token: ApiToken,
    /// What its owner sends as `Authorization: Bearer`.
    pub secret: String,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("NewToken").field("token", &self.token).finish_non_exhaustive()
    }
}

impl CreateToken {
    /// The token that this asks for.
    ///
    /// # Errors
    /// `Invalid` without scopes, or for an expiry that has passed.
    pub fn make(
        &self,
        parts: &Parts,
        owner: UserId,
        organization: Option<OrganizationId>,
    ) -> Result<NewToken> {
        let now = parts.now();
        if self.scopes.is_empty() {
            return Err(Error::invalid("scopes", "must name at least one scope"));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid("expires_at", "must be in the future"));
        }
        let verifier = Verifier::generate(&*parts.ids);
        let token = ApiToken {
            id: parts.id(now),
            user_id: owner,
            organization_id: organization,
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            hash: verifier.hash(),
            created_at: now,
            expires_at: self.expires_at.map(crate::clock::whole_microseconds),
            used_at: None,
        };
        let secret = BearerToken::new(TOKEN_PREFIX, &[&token.id], &verifier).expose_secret().to_owned();
        Ok(NewToken { token, secret })
    }
}

impl ServiceAccounts<'_> {
    /// Makes a service account.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `AlreadyExists` when the name is taken.
    /// - `Invalid` for the role of an owner.
    /// - `QuotaExceeded` when there are too many.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: &CreateServiceAccount,
    ) -> Result<Done<ServiceAccount>> {
        self.0
            .once(caller, || async {
                self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
                if command.role == OrganizationRole::Owner {
                    return Err(Error::invalid("role", "must be admin, billing or member: only people own"));
                }
                let root = self.0.organization(organization).await?;
                require_alive(&root)?;
                if self.0.store.count_organization(organization).await?.service_accounts >= MAX_ACCOUNTS {
                    return Err(Error::quota_exceeded(format!(
                        "an organization has at most {MAX_ACCOUNTS} service accounts"
                    )));
                }
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

    /// The service accounts of an organization.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<ServiceAccount>> {
        self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
        self.0.store.list_service_accounts(organization, page).await
    }

    /// Removes a service account with its tokens and its places in groups.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Conflict` with code `precondition_failed` when `expected` is not its version any more.
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
                let account = self.find(organization, id).await?;
                require_version(expected, account.version)?;
                let resource = format!("{organization}/{id}");
                let entry =
                    self.0.audit(caller, organization, "service_account.delete", resource, &account, ());
                let changeset = Changeset::new()
                    .organization(root, self.0.now())
                    .write(Write::LeaveGroups(organization, id))
                    .delete(Key::Member(organization, id))
                    .delete(Key::ServiceAccount(organization, id))
                    .delete(Key::User(id))
                    .audit(entry);
                Ok((changeset, ()))
            })
            .await
    }

    /// Makes a token for a service account.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Invalid` without scopes, or for an expiry that has passed.
    /// - `QuotaExceeded` when it has too many.
    pub async fn create_token(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: UserId,
        command: &CreateToken,
    ) -> Result<Done<NewToken>> {
        self.0
            .once(caller, || async {
                self.0.permit(caller, organization, Action::ServiceAccountsManage).await?;
                let root = self.0.organization(organization).await?;
                self.find(organization, id).await?;
                self.0.require_room_for_token(id).await?;
                let made = command.make(self.0, id, Some(organization))?;
                let resource = format!("{organization}/{id}/{}", made.token.id);
                let shown = serde_json::json!({ "name": made.token.name, "scopes": made.token.scopes });
                let entry =
                    self.0.audit(caller, organization, "service_account.create_token", resource, (), shown);
                let changeset =
                    Changeset::new().organization(root, self.0.now()).insert(made.token.clone()).audit(entry);
                Ok((changeset, made))
            })
            .await
    }

    async fn find(&self, organization: OrganizationId, id: UserId) -> Result<ServiceAccount> {
        let found = self.0.store.find_service_account(organization, id).await?;
        found.ok_or_else(|| Error::not_found("service account"))
    }
}

impl Parts {
    /// Refuses when a user has as many tokens as anyone may have.
    ///
    /// # Errors
    /// `QuotaExceeded` then.
    pub async fn require_room_for_token(&self, owner: UserId) -> Result<()> {
        let there = self.store.list_api_tokens(owner, &PageRequest::largest()).await?.items.len();
        if there < MAX_TOKENS {
            return Ok(());
        }
        Err(Error::quota_exceeded(format!("one may have at most {MAX_TOKENS} tokens; remove one first")))
    }
}
