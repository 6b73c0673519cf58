use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures_util::try_join;
use serde::{Deserialize, Serialize};

use super::commit::require_version;
use super::{Authorization, Caller, Idempotent, OrganizationCreation, PlatformInner};
use crate::access::{Action, Decision, EffectiveRoles, Level, Principal, authorize};
use crate::changeset::{Changeset, RecordKey};
use crate::error::{Error, Result};
use crate::id::{EventId, OrganizationId, WorkspaceId};
use crate::model::{
    AuditEvent, AuditFilter, BillingAccount, Event, EventKind, Member, Money, Organization,
    OrganizationCounts, OrganizationRole, Plan, Scope, Task, TaskKind, User, UserKind, Workspace,
};
use crate::name::{DisplayName, Slug};
use crate::page::{Page, PageRequest};
use crate::search::WorkspaceFilter;
use crate::version::Version;
use crate::{lifecycle, limits};

/// Organizations.
#[derive(Debug, Clone, Copy)]
pub struct Organizations<'a>(pub(super) &'a PlatformInner);

/// Command to create an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOrganization {
    /// Name, unique in the installation.
    pub name: Slug,
    /// Display name.
    pub display_name: DisplayName,
}

/// Organization with its resource counts, plan and cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The organization.
    pub organization: Organization,
    /// Numbers of members, workspaces and other resources; of invitations, the open ones.
    pub counts: OrganizationCounts,
    /// Number of expired invitations, which do not count toward the limit of the plan.
    pub expired_invitations: u32,
    /// Plan with the limits for these numbers.
    pub plan: Plan,
    /// Cost of the current month so far; `None` if the caller may not read billing, or there is no paid subscription.
    pub cost: Option<Money>,
}

/// Permission to watch the live events of an organization, as of the time at which it was checked. It does not notice
/// later changes; check again after a few seconds.
#[derive(Debug, Clone)]
pub struct EventAccess {
    organization_id: OrganizationId,
    principal: Principal,
    role: OrganizationRole,
    /// `true` for the checked workspaces that the user is a member of.
    workspaces: BTreeMap<WorkspaceId, bool>,
}

impl Organizations<'_> {
    /// Creates an organization with the caller as its owner.
    ///
    /// # Errors
    /// - `AlreadyExists` if the name is taken, `Invalid` if it is reserved for the installation, and `Conflict` with code
    ///   `organization_name_reserved` if tokens may carry it for a deleted organization.
    /// - `Forbidden` for service accounts, for tokens without the scope, and if only platform administrators create
    ///   organizations.
    /// - `QuotaExceeded` if the caller has created the maximum number of organizations.
    pub async fn create(
        &self,
        caller: &Caller,
        command: &CreateOrganization,
    ) -> Result<Idempotent<Organization>> {
        limits::check_organization_name(&command.name)?;
        let name_lease = Mutex::new(None);
        let created = self
            .0
            .run_idempotent(caller, Authorization::Caller, || async {
                let creator = self.require_creator(caller).await?;
                let lease = self.0.take_organization_name(&command.name).await?;
                let is_name_free = lease.precondition();
                *name_lease.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
                let plans = self.0.plans().await?;
                let now = self.0.now();
                let organization = Organization {
                    id: self.0.id(now),
                    name: command.name.clone(),
                    display_name: command.display_name.clone(),
                    personal: false,
                    plan_id: plans.default_plan().id.clone(),
                    deletion_requested_at: None,
                    suspension: None,
                    created_by: caller.principal.user_id,
                    created_at: now,
                    updated_at: now,
                    version: Version::FIRST,
                };
                let owner =
                    Member::new(organization.id, caller.principal.user_id, OrganizationRole::Owner, now);
                let id = organization.id;
                let entry = self.0.audit(caller, id, "organization.create", id, (), &organization);
                // The new version of the user lets only one of two concurrent creations pass the limit.
                let changeset =
                    creator.into_iter().fold(Changeset::new(), |changeset, user| changeset.user(user, now));
                let changeset = changeset.precondition(is_name_free).insert(organization.clone());
                let changeset = changeset.precondition(plans.precondition());
                Ok((changeset.insert(owner).audit(entry), organization))
            })
            .await;
        if let Some(lease) = name_lease.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.0.release_organization_name(&lease).await;
        }
        created
    }

    /// Checks that the caller may create another organization. Returns the caller's user if the commit must check that
    /// the user has created no other organization meanwhile.
    async fn require_creator(&self, caller: &Caller) -> Result<Option<User>> {
        if !caller.principal.credential.covers(Scope::OrganizationsWrite) {
            return Err(Error::forbidden("the token's scopes do not cover this"));
        }
        let config = &self.0.config;
        let user = self.0.store.find_user(caller.principal.user_id).await?;
        let Some(user) = user.filter(|user| user.kind == UserKind::Person) else {
            return Err(Error::forbidden(
                "service accounts belong to one organization and cannot create others",
            ));
        };
        if config.is_platform_admin(&user) {
            return Ok(None);
        }
        if config.organization_creation == OrganizationCreation::PlatformAdmins {
            let message =
                "only platform administrators create organizations in this installation; ask one of them";
            return Err(Error::forbidden(message));
        }
        let Some(limit) = config.max_owned_organizations else { return Ok(None) };
        limits::check_owned_organizations(self.0.store.count_created_organizations(user.id).await?, limit)?;
        Ok(Some(user))
    }

    /// Lists the organizations of the caller, oldest first, each with the caller's membership.
    ///
    /// # Errors
    /// `Forbidden` for tokens without the scope.
    pub async fn list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<(Organization, Member)>> {
        if !caller.principal.credential.covers(Scope::OrganizationsRead) {
            return Err(Error::forbidden("the token's scopes do not cover this"));
        }
        self.0.store.list_organizations(caller.principal.user_id, page).await
    }

    /// Returns an organization.
    ///
    /// # Errors
    /// `NotFound` if it does not exist or the caller is not a member.
    pub async fn get(&self, caller: &Caller, id: OrganizationId) -> Result<Organization> {
        self.0.permit(caller, id, Action::OrganizationRead).await?;
        self.0.reads(caller).organization(id).await
    }

    /// Changes the display name; `None` leaves it.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Conflict` with code `precondition_failed` if the version differs from `expected`.
    pub async fn update(
        &self,
        caller: &Caller,
        id: OrganizationId,
        display_name: Option<DisplayName>,
        expected: Option<Version>,
    ) -> Result<Organization> {
        self.0
            .transact(|| async {
                self.0.permit(caller, id, Action::OrganizationUpdate).await?;
                let before = self.0.organization(id).await?;
                require_version(expected, before.version)?;
                let mut after = before.clone();
                if let Some(display_name) = display_name.clone() {
                    after.display_name = display_name;
                }
                if after == before {
                    return Ok((Changeset::new(), after));
                }
                let now = self.0.now();
                let entry = self.0.audit(caller, id, "organization.update", id, &before, &after);
                let changeset = Changeset::new().organization(after.clone(), now).audit(entry);
                Ok((changeset, Organization { version: after.version.next(), updated_at: now, ..after }))
            })
            .await
    }

    /// Deletes an organization. If it has workspaces, `cascade` is required: the workspaces are deleted first, and the
    /// organization with the last of them. Returns `true` if the organization is already deleted, `false` while
    /// workspaces are being deleted.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Conflict` with code `organization_not_empty`, `subscription_active` or `precondition_failed`.
    pub async fn delete(
        &self,
        caller: &Caller,
        id: OrganizationId,
        cascade: bool,
        expected: Option<Version>,
    ) -> Result<bool> {
        self.0
            .transact(|| async {
                self.0.permit(caller, id, Action::OrganizationDelete).await?;
                let organization = self.0.organization(id).await?;
                require_version(expected, organization.version)?;
                let workspaces = self.0.all_workspaces(id).await?;
                require_no_subscription(self.0.store.find_billing_account(id).await?.as_ref())?;
                let entry = self.0.audit(caller, id, "organization.delete", id, &organization, ());
                let now = self.0.now();
                if workspaces.is_empty() {
                    let changeset = Changeset::new().organization(organization.clone(), now).audit(entry);
                    return Ok((self.0.delete_organization(&organization, changeset).await?, true));
                }
                if !cascade {
                    let message = format!(
                        "the organization still has {} workspaces; delete them first, or request cascade",
                        workspaces.len()
                    );
                    return Err(Error::conflict("organization_not_empty", message));
                }
                let mut deleting = organization;
                deleting.deletion_requested_at.get_or_insert(now);
                let mut changeset = Changeset::new().organization(deleting, now).audit(entry);
                for workspace in workspaces.into_iter().filter(|ws| ws.deletion_requested_at.is_none()) {
                    changeset = self.0.remove_workspace(caller, workspace, changeset).await?.0;
                }
                Ok((changeset, false))
            })
            .await
    }

    /// Returns an organization with its resource counts, plan and cost.
    ///
    /// # Errors
    /// `NotFound` if it does not exist or the caller is not a member.
    pub async fn overview(&self, caller: &Caller, id: OrganizationId) -> Result<Overview> {
        let role = self.0.permit(caller, id, Action::OverviewRead).await?;
        let reads = self.0.reads(caller);
        let (organization, plans, cost, (counts, expired)) = try_join!(
            reads.organization(id),
            self.0.plans(),
            self.0.month_to_date(caller, id, role),
            self.0.count_with_open_invitations(caller, id),
        )?;
        let expired_invitations = u32::try_from(expired.len()).unwrap_or(u32::MAX);
        let plan = plans.get(&organization.plan_id)?.clone();
        Ok(Overview { organization, counts, expired_invitations, plan, cost })
    }

    /// Lists the audit log, newest first.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Invalid` with code `search_timeout` if the store takes too long to find the entries.
    /// - `RateLimited` with code `too_many_searches` while the organization has two searches in progress.
    pub async fn audit_events(
        &self,
        caller: &Caller,
        id: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        self.0.permit(caller, id, Action::AuditRead).await?;
        let _search = self.0.searches.begin(id)?;
        self.0.store.list_audit_events(id, filter, page).await
    }

    /// Returns the id of the newest live event: the start position for a client that needs future events only.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn newest_event(&self, caller: &Caller, id: OrganizationId) -> Result<Option<EventId>> {
        self.0.permit(caller, id, Action::EventsRead).await?;
        self.0.store.newest_event(id).await
    }

    /// Authorizes a caller to watch live events, again and again while an event stream is open. Takes nothing from the
    /// rate limit of the organization, because the request that opened the stream was counted.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn event_access(&self, caller: &Caller, id: OrganizationId) -> Result<EventAccess> {
        let role = self.0.permit_again(caller, id, Action::EventsRead).await?;
        let principal = caller.principal.clone();
        Ok(EventAccess { organization_id: id, principal, role, workspaces: BTreeMap::new() })
    }

    /// Returns `true` if the caller may read the objects that an event is about. Reads the groups of the user once per
    /// workspace and keeps the result in `access`.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn is_visible(&self, access: &mut EventAccess, event: &Event) -> Result<bool> {
        if event.organization_id != access.organization_id {
            return Ok(false);
        }
        let action = event_action(event);
        let mut roles = EffectiveRoles { organization: Some(access.role), ..EffectiveRoles::default() };
        if authorize(&access.principal, &roles, action) == Decision::Allowed {
            return Ok(true);
        }
        let Some(workspace) = event.workspace_id else { return Ok(false) };
        roles.in_workspace = match access.workspaces.get(&workspace) {
            Some(is_member) => *is_member,
            None => {
                let user = access.principal.user_id;
                let groups = self.0.store.list_groups_of(access.organization_id, workspace, user).await?;
                access.workspaces.insert(workspace, !groups.is_empty());
                !groups.is_empty()
            }
        };
        Ok(authorize(&access.principal, &roles, action) == Decision::Allowed)
    }
}

/// Returns the action that a caller needs to receive an event: that of reading the objects. An event of the whole
/// organization about objects in its workspaces names none of them, and is visible to every member.
fn event_action(event: &Event) -> Action {
    let action = event.kind.parse().ok().map(EventKind::action);
    match (action, event.workspace_id) {
        (None, Some(_)) => Action::WorkspaceRead,
        (Some(action), Some(_)) => action,
        (Some(action), None) if action.permission().level == Level::Organization => action,
        (_, None) => Action::EventsRead,
    }
}

/// Checks that an organization has neither a subscription nor an order for one.
///
/// # Errors
/// `Conflict` with code `subscription_active`.
pub(super) fn require_no_subscription(account: Option<&BillingAccount>) -> Result<()> {
    if !account.is_some_and(|account| account.live_subscription().is_some() || account.order.is_some()) {
        return Ok(());
    }
    let message = "the organization has a subscription, which would still be charged; cancel it first with DELETE \
                   billing/subscription?now=true";
    Err(Error::conflict("subscription_active", message))
}

impl PlatformInner {
    pub(crate) async fn all_workspaces(&self, id: OrganizationId) -> Result<Vec<Workspace>> {
        let mut all = Vec::new();
        let mut page = PageRequest::largest();
        loop {
            let found = self.store.list_workspaces(id, None, &WorkspaceFilter::default(), &page).await?;
            all.extend(found.items);
            match found.next {
                Some(next) => page = PageRequest::new(PageRequest::MAX_LIMIT, Some(next)),
                None => return Ok(all),
            }
        }
    }

    pub(crate) async fn organization(&self, id: OrganizationId) -> Result<Organization> {
        self.store.find_organization(id).await?.ok_or_else(|| Error::not_found("organization"))
    }

    /// Adds the deletion of an organization, with the users of its service accounts, to a changeset, and reserves its
    /// name.
    pub(crate) async fn delete_organization(
        &self,
        organization: &Organization,
        changeset: Changeset,
    ) -> Result<Changeset> {
        let id = organization.id;
        let changeset = changeset.precondition(self.reserve_organization_name(organization).await?);
        let mut changeset = changeset.delete(RecordKey::Organization(id));
        let mut page = PageRequest::largest();
        loop {
            let accounts = self.store.list_service_accounts(id, &page).await?;
            for (account, _) in accounts.items {
                changeset = changeset.delete(RecordKey::User(account.id));
            }
            match accounts.next {
                Some(next) => page = PageRequest::new(PageRequest::MAX_LIMIT, Some(next)),
                None => return Ok(changeset),
            }
        }
    }

    /// Adds the deletion request of a workspace, with its task, to a changeset. Ends all other open tasks.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn remove_workspace(
        &self,
        caller: &Caller,
        mut workspace: Workspace,
        changeset: Changeset,
    ) -> Result<(Changeset, Task, Workspace)> {
        let now = self.now();
        let (organization_id, id) = (workspace.organization_id, workspace.id);
        let entry = self.audit(caller, organization_id, "workspace.delete", id, &workspace, ());
        workspace.deletion_requested_at = Some(now);
        lifecycle::bump_generation(&mut workspace, now);
        let (changeset, task) = self.add_task(caller, &workspace, TaskKind::Delete, now, changeset).await?;
        let changeset = changeset
            .insert(self.phase_event(&workspace))
            .workspace(workspace.clone(), now)
            .audit(entry)
            .message(self.reconcile_message(organization_id, id));
        workspace.version = workspace.version.next();
        workspace.updated_at = now;
        Ok((changeset, task, workspace))
    }
}
