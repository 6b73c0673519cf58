use serde::{Deserialize, Serialize};

use super::commit::require_version;
use super::{Caller, Done, Parts};
use crate::access::Action;
use crate::changeset::{Changeset, Key};
use crate::error::{Error, Result};
use crate::id::{EventId, OrganizationId};
use crate::lifecycle;
use crate::model::{
    AuditEvent, AuditFilter, Event, Member, Money, Organization, OrganizationCounts, OrganizationRole, Plan,
    Scope, Task, TaskKind, Workspace,
};
use crate::name::{DisplayName, Slug};
use crate::page::{Page, PageRequest};
use crate::version::Version;

/// Organizations.
#[derive(Debug, Clone, Copy)]
pub struct Organizations<'a>(pub(super) &'a Parts);

/// What a new organization is like.
#[derive(Debug, Clone)]
pub struct CreateOrganization {
    /// Its name, unique in the installation.
    pub name: Slug,
    /// The name to show.
    pub display_name: DisplayName,
}

/// How much there is in an organization, against what its plan allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The organization.
    pub organization: Organization,
    /// What there is.
    pub counts: OrganizationCounts,
    /// The plan.
    pub plan: Plan,
    /// What this month costs so far; none for those who may not see it, and while nothing is paid.
    pub cost: Option<Money>,
}

impl Organizations<'_> {
    /// Makes an organization; the caller becomes its owner.
    ///
    /// # Errors
    /// - `AlreadyExists` when the name is taken.
    /// - `Forbidden` for service accounts, and for tokens without the scope.
    pub async fn create(&self, caller: &Caller, command: &CreateOrganization) -> Result<Done<Organization>> {
        self.require_person(caller).await?;
        self.0
            .once(caller, || async {
                let now = self.0.now();
                let organization = Organization {
                    id: self.0.id(now),
                    name: command.name.clone(),
                    display_name: command.display_name.clone(),
                    personal: false,
                    plan_id: self.0.plans.first().id.clone(),
                    deletion_requested_at: None,
                    created_by: caller.principal.user_id,
                    created_at: now,
                    updated_at: now,
                    version: Version::FIRST,
                };
                let owner =
                    Member::new(organization.id, caller.principal.user_id, OrganizationRole::Owner, now);
                let id = organization.id;
                let entry = self.0.audit(caller, id, "organization.create", id, (), &organization);
                let changeset = Changeset::new().insert(organization.clone()).insert(owner).audit(entry);
                Ok((changeset, organization))
            })
            .await
    }

    async fn require_person(&self, caller: &Caller) -> Result<()> {
        if !caller.principal.credential.covers(Scope::OrganizationsWrite) {
            return Err(Error::forbidden("the token's scopes do not cover this"));
        }
        let user = self.0.store.find_user(caller.principal.user_id).await?;
        if user.is_none_or(|user| user.kind != crate::model::UserKind::Person) {
            return Err(Error::forbidden(
                "service accounts belong to one organization and cannot make others",
            ));
        }
        Ok(())
    }

    /// The organizations that the caller belongs to, oldest first.
    ///
    /// # Errors
    /// `Forbidden` for tokens without the scope.
    pub async fn list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<(Organization, Member)>> {
        if !caller.principal.credential.covers(Scope::OrganizationsRead) {
            return Err(Error::forbidden("the token's scopes do not cover this"));
        }
        self.0.store.list_organizations(caller.principal.user_id, page).await
    }

    /// An organization.
    ///
    /// # Errors
    /// `NotFound` when there is none, or the caller does not belong to it.
    pub async fn get(&self, caller: &Caller, id: OrganizationId) -> Result<Organization> {
        self.0.permit(caller, id, Action::OrganizationRead).await?;
        self.0.organization(id).await
    }

    /// Changes the name that is shown.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Conflict` with code `precondition_failed` when `expected` is not its version any more.
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

    /// Removes an organization. With workspaces in it, it is refused unless `cascade` is asked for; then
    /// the workspaces are removed first, and the organization goes with the last one. Says whether it is
    /// gone already.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
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
                let account = self.0.store.find_billing_account(id).await?;
                if account.is_some_and(|it| it.live_subscription().is_some() || it.order.is_some()) {
                    let message = "it has a subscription, which would go on being charged; end that first, with \
                                   DELETE billing/subscription?now=true";
                    return Err(Error::conflict("subscription_active", message));
                }
                let entry = self.0.audit(caller, id, "organization.delete", id, &organization, ());
                let now = self.0.now();
                if workspaces.is_empty() {
                    let changeset = Changeset::new().organization(organization, now).audit(entry);
                    return Ok((self.0.forget_organization(id, changeset).await?, true));
                }
                if !cascade {
                    let message = format!(
                        "it still has {} workspaces; delete them first, or ask for cascade",
                        workspaces.len()
                    );
                    return Err(Error::conflict("organization_not_empty", message));
                }
                let mut dying = organization;
                dying.deletion_requested_at.get_or_insert(now);
                let mut changeset = Changeset::new().organization(dying, now).audit(entry);
                for workspace in workspaces.into_iter().filter(|ws| ws.deletion_requested_at.is_none()) {
                    changeset = self.0.remove_workspace(caller, workspace, changeset).0;
                }
                Ok((changeset, false))
            })
            .await
    }

    /// How much there is in an organization, against what its plan allows.
    ///
    /// # Errors
    /// `NotFound` when there is none, or the caller does not belong to it.
    pub async fn overview(&self, caller: &Caller, id: OrganizationId) -> Result<Overview> {
        let role = self.0.permit(caller, id, Action::OverviewRead).await?;
        let organization = self.0.organization(id).await?;
        let cost = self.0.month_to_date(caller, id, role).await?;
        let counts = self.0.store.count_organization(id).await?;
        let plan = self.0.plans.of(&organization.plan_id)?.clone();
        Ok(Overview { organization, counts, plan, cost })
    }

    /// The audit log, newest first.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn audit_events(
        &self,
        caller: &Caller,
        id: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        self.0.permit(caller, id, Action::AuditRead).await?;
        self.0.store.list_audit_events(id, filter, page).await
    }

    /// What moved after `after`, oldest first: in the organization, and in the workspaces that the caller
    /// may see. The second value is where to go on from, also when nothing of it was the caller's to see.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn events(
        &self,
        caller: &Caller,
        id: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<(Vec<Event>, Option<EventId>)> {
        let role = self.0.permit(caller, id, Action::EventsRead).await?;
        let mut events = self.0.store.list_events(id, after, limit).await?;
        let last = events.last().map(|event| event.id).or(after);
        if role == OrganizationRole::Member {
            let mut visible = std::collections::BTreeMap::new();
            for workspace in events.iter().filter_map(|event| event.workspace_id) {
                if let std::collections::btree_map::Entry::Vacant(unknown) = visible.entry(workspace) {
                    let groups = self.0.store.list_groups_of(id, workspace, caller.principal.user_id).await?;
                    unknown.insert(!groups.is_empty());
                }
            }
            events.retain(|event| event.workspace_id.is_none_or(|ws| visible.get(&ws) == Some(&true)));
        }
        Ok((events, last))
    }

    /// The newest event there is: where to begin for whoever wants only what is to come.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn newest_event(&self, caller: &Caller, id: OrganizationId) -> Result<Option<EventId>> {
        self.0.permit(caller, id, Action::EventsRead).await?;
        self.0.store.newest_event(id).await
    }
}

impl Parts {
    pub(crate) async fn all_workspaces(&self, id: OrganizationId) -> Result<Vec<Workspace>> {
        let mut all = Vec::new();
        let mut page = PageRequest::largest();
        loop {
            let found = self.store.list_workspaces(id, None, &page).await?;
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

    /// Adds to a changeset that an organization goes, with the users that are its service accounts.
    pub(crate) async fn forget_organization(
        &self,
        id: OrganizationId,
        changeset: Changeset,
    ) -> Result<Changeset> {
        let mut changeset = changeset.delete(Key::Organization(id));
        let mut page = PageRequest::largest();
        loop {
            let accounts = self.store.list_service_accounts(id, &page).await?;
            for account in accounts.items {
                changeset = changeset.delete(Key::User(account.id));
            }
            match accounts.next {
                Some(next) => page = PageRequest::new(PageRequest::MAX_LIMIT, Some(next)),
                None => return Ok(changeset),
            }
        }
    }

    /// Adds to a changeset that a workspace is to be removed, with the task that shows it.
    pub(super) fn remove_workspace(
        &self,
        caller: &Caller,
        mut workspace: Workspace,
        changeset: Changeset,
    ) -> (Changeset, Task, Workspace) {
        let now = self.now();
        let (organization_id, id) = (workspace.organization_id, workspace.id);
        let entry = self.audit(caller, organization_id, "workspace.delete", id, &workspace, ());
        workspace.deletion_requested_at = Some(now);
        lifecycle::ask(&mut workspace, now);
        let by = caller.principal.user_id;
        let task = lifecycle::new_task(self.id(now), &workspace, TaskKind::Delete, by, now);
        let changeset = changeset
            .insert(self.phase_event(&workspace))
            .insert(task.clone())
            .workspace(workspace.clone(), now)
            .audit(entry)
            .message(self.look(organization_id, id));
        workspace.version = workspace.version.next();
        workspace.updated_at = now;
        (changeset, task, workspace)
    }
}
