//! Records that the calls of one request read once.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_lock::OnceCell;

use super::{Caller, PlatformInner, Profile};
use crate::access::AccessFacts;
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use crate::model::{
    BillingAccount, Hour, Invitation, Member, Organization, OrganizationCounts, ServiceAccount, User,
    Workspace, WorkspaceState, WorkspaceUsage,
};
use crate::page::{Page, PageRequest};

/// Reads that the calls of one request share. Nearly every call needs the membership of the caller, and many need the
/// organization or the workspace as a whole: with shared reads, the first call reads such a record, and later and
/// concurrent calls reuse it. By default nothing is shared, and every call reads again.
///
/// For callers that exist for one request that changes nothing, such as `GET` of a page: what it shows is as of the
/// first read. A command must not share reads, because it decides on the newest records; nor may a response that
/// outlives its request, which is authorized again while it is sent.
#[derive(Clone, Default)]
pub struct SharedReads(Option<Arc<Records>>);

/// Membership of a user with a workspace, as the store finds them together.
type FoundWorkspace = Option<(Member, Option<Workspace>)>;

#[derive(Default)]
struct Records {
    users: Cells<UserId, Option<User>>,
    organizations: Cells<OrganizationId, Option<Organization>>,
    members: Cells<(OrganizationId, UserId), Option<Member>>,
    workspaces: Cells<(OrganizationId, UserId, WorkspaceId), FoundWorkspace>,
    groups: Cells<(OrganizationId, UserId, WorkspaceId), Vec<GroupId>>,
    states: Cells<(OrganizationId, WorkspaceId), Option<Arc<WorkspaceState>>>,
    counts: Cells<OrganizationId, OrganizationCounts>,
    invitations: Cells<OrganizationId, Page<Invitation>>,
    accounts: Cells<OrganizationId, Option<BillingAccount>>,
    service_accounts: Cells<(OrganizationId, UserId), Option<ServiceAccount>>,
    of_organization: Cells<OrganizationId, Vec<Workspace>>,
    usage: Cells<(OrganizationId, Hour, Hour), Vec<WorkspaceUsage>>,
}

/// Values by key, each of which is read once. A read that fails is repeated.
struct Cells<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for Cells<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Cells<K, V> {
    fn cell(&self, key: K) -> Arc<OnceCell<V>> {
        self.lock().entry(key).or_default().clone()
    }

    fn insert(&self, key: K, value: V) {
        self.lock().insert(key, Arc::new(OnceCell::from(value)));
    }

    fn remove(&self, key: K) {
        self.lock().remove(&key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedReads {
    /// Creates the shared reads of a request of a user, who was read with the first organizations already.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        let records = Records::default();
        let user = profile.user.id;
        records.users.insert(user, Some(profile.user.clone()));
        for (organization, member) in &profile.organizations {
            records.organizations.insert(organization.id, Some(organization.clone()));
            records.members.insert((organization.id, user), Some(member.clone()));
        }
        Self(Some(Arc::new(records)))
    }

    /// Returns these reads, or new ones that the parts of one call share.
    pub(super) fn or_new(&self) -> Self {
        Self(Some(self.0.clone().unwrap_or_default()))
    }

    async fn read_once<K: Hash + Eq + Send, V: Clone + Send + Sync>(
        &self,
        cells: impl FnOnce(&Records) -> &Cells<K, V> + Send,
        key: K,
        read: impl Future<Output = Result<V>> + Send,
    ) -> Result<V> {
        match self.0.as_deref().map(|records| cells(records).cell(key)) {
            Some(cell) => cell.get_or_try_init(|| read).await.cloned(),
            None => read.await,
        }
    }
}

impl fmt::Debug for SharedReads {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SharedReads({})", if self.0.is_some() { "per request" } else { "none" })
    }
}

/// Reads for a call: those that the calls of its request share, or else the store.
pub(super) struct Reads<'a> {
    platform: &'a PlatformInner,
    shared: &'a SharedReads,
    user: UserId,
}

impl PlatformInner {
    /// Returns the reads for a call.
    pub(super) fn reads<'a>(&'a self, caller: &'a Caller) -> Reads<'a> {
        Reads { platform: self, shared: &caller.reads, user: caller.principal.user_id }
    }
}

impl Reads<'_> {
    /// Finds a user.
    pub(super) async fn user(&self, id: UserId) -> Result<Option<User>> {
        self.shared.read_once(|records| &records.users, id, self.platform.store.find_user(id)).await
    }

    /// Returns an organization.
    pub(super) async fn organization(&self, id: OrganizationId) -> Result<Organization> {
        let read = self.platform.store.find_organization(id);
        let found = self.shared.read_once(|records| &records.organizations, id, read).await?;
        found.ok_or_else(|| Error::not_found("organization"))
    }

    /// Finds the membership of the caller in an organization.
    pub(super) async fn own_membership(&self, organization: OrganizationId) -> Result<Option<Member>> {
        self.membership(organization, self.user).await
    }

    /// Finds the membership of a user in an organization.
    pub(super) async fn membership(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Member>> {
        let read = self.platform.store.find_member(organization, user);
        self.shared.read_once(|records| &records.members, (organization, user), read).await
    }

    /// Finds the membership of the caller together with a workspace.
    pub(super) async fn workspace(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<FoundWorkspace> {
        let read = self.platform.store.find_workspace_for(organization, self.user, id);
        self.shared.read_once(|records| &records.workspaces, (organization, self.user, id), read).await
    }

    /// Lists the groups of a workspace that the caller is a direct member of.
    pub(super) async fn own_groups(&self, workspace: &Workspace) -> Result<Vec<GroupId>> {
        self.groups(workspace, self.user).await
    }

    /// Lists the groups of a workspace that a user is a direct member of.
    pub(super) async fn groups(&self, workspace: &Workspace, user: UserId) -> Result<Vec<GroupId>> {
        let (organization, id) = (workspace.organization_id, workspace.id);
        let read = self.platform.store.list_groups_of(organization, id, user);
        self.shared.read_once(|records| &records.groups, (organization, user, id), read).await
    }

    /// Returns a workspace with all objects that belong to it.
    pub(super) async fn state(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Arc<WorkspaceState>> {
        let read = async { Ok(self.platform.store.load_workspace(organization, id).await?.map(Arc::new)) };
        let found = self.shared.read_once(|records| &records.states, (organization, id), read).await?;
        found.ok_or_else(|| Error::not_found("workspace"))
    }

    /// Returns the access facts of a workspace at its access version, or at a newer one.
    pub(super) async fn facts(&self, workspace: &Workspace) -> Result<Arc<AccessFacts>> {
        if let Some(facts) = self.platform.cached_facts(workspace) {
            return Ok(facts);
        }
        let state = self.state(workspace.organization_id, workspace.id).await?;
        Ok(self.platform.cache_facts(Arc::unwrap_or_clone(state)))
    }

    /// Counts the objects of an organization, with its expired invitations.
    pub(super) async fn counts(&self, id: OrganizationId) -> Result<OrganizationCounts> {
        let read = self.platform.store.count_organization(id);
        self.shared.read_once(|records| &records.counts, id, read).await
    }

    /// Lists the oldest 200 invitations of an organization.
    pub(super) async fn invitations(&self, id: OrganizationId) -> Result<Page<Invitation>> {
        let first = PageRequest::largest();
        let read = self.platform.store.list_invitations(id, &first);
        self.shared.read_once(|records| &records.invitations, id, read).await
    }

    /// Finds a service account.
    pub(super) async fn service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>> {
        let read = self.platform.store.find_service_account(organization, id);
        self.shared.read_once(|records| &records.service_accounts, (organization, id), read).await
    }

    /// Lists all workspaces of an organization.
    pub(super) async fn workspaces(&self, id: OrganizationId) -> Result<Vec<Workspace>> {
        let read = self.platform.all_workspaces(id);
        self.shared.read_once(|records| &records.of_organization, id, read).await
    }

    /// Returns the usage of the workspaces of an organization in a period.
    pub(super) async fn usage(
        &self,
        id: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<WorkspaceUsage>> {
        let read = self.platform.store.sum_usage_by_workspace(id, None, from, until);
        self.shared.read_once(|records| &records.usage, (id, from, until), read).await
    }

    /// Finds the billing account of an organization.
    pub(super) async fn billing_account(&self, id: OrganizationId) -> Result<Option<BillingAccount>> {
        let read = self.platform.store.find_billing_account(id);
        self.shared.read_once(|records| &records.accounts, id, read).await
    }

    /// Lets later calls of the request read a billing account that this call has changed.
    pub(super) fn forget_billing_account(&self, id: OrganizationId) {
        if let Some(records) = &self.shared.0 {
            records.accounts.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::fixture::id;

    /// Source whose reads are suspended, as those of a remote one are.
    #[derive(Default)]
    struct Source(AtomicU32);

    impl Source {
        async fn read(&self, is_available: bool) -> Result<Option<User>> {
            tokio::task::yield_now().await;
            self.0.fetch_add(1, Ordering::Relaxed);
            if is_available { Ok(None) } else { Err(Error::unavailable("no response")) }
        }

        fn reads(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    async fn read(shared: &SharedReads, source: &Source, is_available: bool) -> Result<Option<User>> {
        shared.read_once(|records| &records.users, id("ann"), source.read(is_available)).await
    }

    #[tokio::test]
    async fn concurrent_calls_of_a_request_read_once() {
        let (source, shared) = (Source::default(), SharedReads::default().or_new());
        let clones: Vec<SharedReads> = (0..10).map(|_| shared.clone()).collect();
        let calls = clones.iter().map(|clone| read(clone, &source, true));
        futures_util::future::try_join_all(calls).await.unwrap();
        assert_eq!(source.reads(), 1);
        read(&SharedReads::default().or_new(), &source, true).await.unwrap();
        assert_eq!(source.reads(), 2, "another request reads again");
    }

    #[tokio::test]
    async fn a_failed_or_cancelled_read_is_repeated() {
        let (source, shared) = (Source::default(), SharedReads::default().or_new());
        assert!(read(&shared, &source, false).await.is_err());
        assert!(futures_util::poll!(Box::pin(read(&shared, &source, true))).is_pending());
        read(&shared, &source, true).await.unwrap();
        read(&shared, &source, true).await.unwrap();
        assert_eq!(source.reads(), 2);
    }

    #[tokio::test]
    async fn without_a_request_every_call_reads() {
        let source = Source::default();
        for _ in 0..3 {
            read(&SharedReads::default(), &source, true).await.unwrap();
        }
        assert_eq!(source.reads(), 3);
    }
}
