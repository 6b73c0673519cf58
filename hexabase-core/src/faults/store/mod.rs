mod organizations;
mod work;
mod workspaces;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::FaultPlan;
use crate::changeset::{Changeset, IdempotencyRecord};
use crate::error::Result;
use crate::id::{OrganizationId, SessionId, TokenId, UserId};
use crate::model::{
    ApiToken, Group, Identity, OrganizationSummary, PlanUse, Project, RegisteredHost, SecurityEvent, Session,
    SigningKey, StoredPlans, User,
};
use crate::name::{Email, HostClusterName, PlanId, ProviderName};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::secret::VerifierHash;
use crate::store::{
    Commit, CredentialStore, HostStore, PlanStore, SealedKind, SealedStore, SealedValue, SearchStore,
    TenantStore, UserStore,
};

/// A store with fault injection for every commit and for the workers' outbox and lease operations. Other reads pass
/// without faults.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn TenantStore>,
    plan: FaultPlan,
}

impl FaultyStore {
    /// Wraps this store under a fault plan.
    #[must_use]
    pub fn new(inner: Arc<dyn TenantStore>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

#[async_trait]
impl Commit for FaultyStore {
    async fn commit(&self, changeset: Changeset) -> Result<()> {
        self.plan.pass(self.inner.commit(changeset)).await
    }

    async fn find_idempotency(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>> {
        self.inner.find_idempotency(user, key, now).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[async_trait]
impl UserStore for FaultyStore {
    async fn find_user(&self, id: UserId) -> Result<Option<User>> {
        self.inner.find_user(id).await
    }

    async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        self.inner.find_users(ids).await
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>> {
        self.inner.find_user_by_email(email).await
    }

    async fn find_identity(&self, provider: &ProviderName, subject: &str) -> Result<Option<Identity>> {
        self.inner.find_identity(provider, subject).await
    }

    async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>> {
        self.inner.list_identities(user).await
    }
}

#[async_trait]
impl CredentialStore for FaultyStore {
    async fn find_session(&self, id: SessionId) -> Result<Option<Session>> {
        self.inner.find_session(id).await
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        self.inner.list_sessions(user, now).await
    }

    async fn list_revoked_sessions(&self, since: Timestamp) -> Result<Vec<SessionId>> {
        self.inner.list_revoked_sessions(since).await
    }

    async fn refresh_spent_at(&self, session: SessionId, hash: &VerifierHash) -> Result<Option<Timestamp>> {
        self.inner.refresh_spent_at(session, hash).await
    }

    async fn find_api_token(&self, id: TokenId) -> Result<Option<ApiToken>> {
        self.inner.find_api_token(id).await
    }

    async fn list_api_tokens(&self, user: UserId, page: &PageRequest) -> Result<Page<ApiToken>> {
        self.inner.list_api_tokens(user, page).await
    }

    async fn touch_api_token(&self, id: TokenId, used_at: Timestamp) -> Result<()> {
        self.inner.touch_api_token(id, used_at).await
    }

    async fn list_security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>> {
        self.inner.list_security_events(user, page).await
    }

    async fn list_signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.inner.list_signing_keys().await
    }
}

#[async_trait]
impl HostStore for FaultyStore {
    async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>> {
        self.inner.find_host(name).await
    }

    async fn list_hosts(&self) -> Result<Vec<RegisteredHost>> {
        self.inner.list_hosts().await
    }
}

#[async_trait]
impl PlanStore for FaultyStore {
    async fn read_plans(&self) -> Result<StoredPlans> {
        self.inner.read_plans().await
    }

    async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>> {
        self.inner.count_plan_uses().await
    }
}

#[async_trait]
impl SearchStore for FaultyStore {
    async fn search_organizations(
        &self,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<OrganizationSummary>> {
        self.inner.search_organizations(text, page).await
    }

    async fn search_groups(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Group>> {
        self.inner.search_groups(organization, member, text, limit).await
    }

    async fn search_projects(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Project>> {
        self.inner.search_projects(organization, member, text, limit).await
    }
}

#[async_trait]
impl SealedStore for FaultyStore {
    async fn list_sealed(
        &self,
        kind: SealedKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<SealedValue>> {
        self.plan.pass(self.inner.list_sealed(kind, after, limit)).await
    }

    async fn replace_sealed(&self, kind: SealedKind, listed: &SealedValue, new: Vec<u8>) -> Result<bool> {
        self.plan.pass(self.inner.replace_sealed(kind, listed, new)).await
    }
}
