use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::lifecycle;
use crate::model::{AuditEvent, Organization, OrganizationRole, OrganizationSummary, OrganizationSuspension};
use crate::notifier::{Notification, PlainName};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;

/// Maximum length of the reason of a suspension, in characters.
const MAX_REASON_LENGTH: usize = 500;

/// All organizations of the installation, for operators. The calling code authorizes these operations: no organization
/// role permits them.
#[derive(Debug, Clone, Copy)]
pub struct OrganizationAdmin<'a>(pub(super) &'a PlatformInner);

impl OrganizationAdmin<'_> {
    /// Lists the organizations whose id, name or display name contains a text, or all organizations, oldest first.
    ///
    /// # Errors
    /// `Invalid` with code `search_timeout` if the store takes too long to find the organizations.
    pub async fn list(
        &self,
        text: Option<&SearchText>,
        page: &PageRequest,
    ) -> Result<Page<OrganizationSummary>> {
        self.0.store.search_organizations(text.cloned(), page).await
    }

    /// Returns an organization.
    ///
    /// # Errors
    /// `NotFound` if it does not exist, and those of [`Self::list`].
    pub async fn get(&self, id: OrganizationId) -> Result<OrganizationSummary> {
        let text = SearchText::parse(&id.to_string())?;
        let mut request = PageRequest::largest();
        // Tenants can give their organizations the id of another one as a display name.
        loop {
            let page = self.list(Some(&text), &request).await?;
            if let Some(found) = page.items.into_iter().find(|summary| summary.organization.id == id) {
                return Ok(found);
            }
            if page.next.is_none() {
                return Err(Error::not_found("organization"));
            }
            request = PageRequest::new(PageRequest::MAX_LIMIT, page.next);
        }
    }

    /// Suspends an organization: its workspaces are suspended, and no new ones are created. A payment does not end the
    /// suspension. Nothing is deleted. The owners are notified once. `caller` is `None` on the command line.
    ///
    /// # Errors
    /// - `NotFound` if the organization does not exist.
    /// - `Invalid` for a reason that is empty, too long, or has control characters.
    /// - `Conflict` with code `organization_suspended` if it is suspended.
    pub async fn suspend(
        &self,
        caller: Option<&Caller>,
        id: OrganizationId,
        reason: Option<&str>,
    ) -> Result<Idempotent<Organization>> {
        if let Some(reason) = reason {
            let is_valid = (1..=MAX_REASON_LENGTH).contains(&reason.chars().count())
                && !reason.trim().is_empty()
                && !reason.chars().any(char::is_control);
            if !is_valid {
                let message =
                    format!("must be 1 to {MAX_REASON_LENGTH} characters without control characters");
                return Err(Error::invalid("reason", message));
            }
        }
        let suspension = OrganizationSuspension { since: self.0.now(), reason: reason.map(str::to_owned) };
        self.change(caller, id, Some(suspension)).await
    }

    /// Ends the suspension of an organization. Workspaces resume unless they are suspended for another reason. The owners
    /// are notified once.
    ///
    /// # Errors
    /// - `NotFound` if the organization does not exist.
    /// - `Conflict` with code `organization_not_suspended`.
    pub async fn resume(
        &self,
        caller: Option<&Caller>,
        id: OrganizationId,
    ) -> Result<Idempotent<Organization>> {
        self.change(caller, id, None).await
    }

    async fn change(
        &self,
        caller: Option<&Caller>,
        id: OrganizationId,
        suspension: Option<OrganizationSuspension>,
    ) -> Result<Idempotent<Organization>> {
        let attempt = || async {
            let organization = self.0.organization(id).await?;
            self.set_suspension(caller, organization, suspension.clone()).await
        };
        match caller {
            Some(caller) => self.0.run_idempotent(caller, Authorization::Caller, attempt).await,
            None => Ok(Idempotent { value: self.0.transact(attempt).await?, replayed: false }),
        }
    }

    async fn set_suspension(
        &self,
        caller: Option<&Caller>,
        mut organization: Organization,
        suspension: Option<OrganizationSuspension>,
    ) -> Result<(Changeset, Organization)> {
        let (id, suspended) = (organization.id, suspension.is_some());
        if organization.suspension.is_some() == suspended {
            return Err(match suspended {
                true => Error::conflict("organization_suspended", "the organization is suspended"),
                false => Error::conflict("organization_not_suspended", "the organization is not suspended"),
            });
        }
        let action = if suspended { "organization.suspend" } else { "organization.resume" };
        // The organization reads this entry, so it has neither the address nor the device of the operator.
        let platform = self.0.audit_platform(id, action, id, &organization.suspension, &suspension);
        let entry = match caller {
            Some(caller) => AuditEvent { actor: caller.principal.actor(), ..platform },
            None => platform,
        };
        let now = self.0.now();
        organization.suspension = suspension;
        let mut changeset = Changeset::new().organization(organization.clone(), now).audit(entry);
        for to in self.0.addresses_of(id, &[OrganizationRole::Owner]).await? {
            changeset = changeset.message(self.0.notification(id, to, notification(&organization))?);
        }
        for mut workspace in self.0.all_workspaces(id).await? {
            if workspace.deletion_requested_at.is_some() {
                continue;
            }
            workspace.organization_suspended = suspended;
            lifecycle::bump_generation(&mut workspace, now);
            changeset = changeset
                .insert(self.0.phase_event(&workspace))
                .message(self.0.reconcile_message(id, workspace.id))
                .workspace(workspace, now);
        }
        organization.version = organization.version.next();
        organization.updated_at = now;
        Ok((changeset, organization))
    }
}

/// Returns the notification of the suspension of an organization, or of its end.
fn notification(organization: &Organization) -> Notification {
    let name = PlainName::of(organization);
    match &organization.suspension {
        Some(suspension) => {
            Notification::OrganizationSuspended { organization: name, reason: suspension.reason.clone() }
        }
        None => Notification::OrganizationResumed { organization: name },
    }
}
