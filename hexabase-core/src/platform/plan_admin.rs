use jiff::Timestamp;

use super::commit::require_version;
use super::{Caller, PlatformInner};
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, TypedId as _, UserId};
use crate::model::{AuditEvent, AuditFilter, Plan, PlanUse, StoredPlans};
use crate::page::{Page, PageRequest};
use crate::plans::{PlanCatalog, check_replacement, validate};
use crate::version::Version;

/// Plans of the installation, for operators. The calling code authorizes these operations: no organization role permits
/// them.
#[derive(Debug, Clone, Copy)]
pub struct PlanAdmin<'a>(pub(super) &'a PlatformInner);

/// Plans as shown to operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSet {
    /// All plans in display order, with the numbers of their users.
    pub plans: Vec<(Plan, PlanUse)>,
    /// Operator who made the last change; `None` for a change on the command line, and if there was no change.
    pub updated_by: Option<UserId>,
    /// Time of the last change; `None` if there was no change.
    pub updated_at: Option<Timestamp>,
    /// Version, incremented by every change.
    pub version: Version,
}

impl PlanAdmin<'_> {
    /// Returns all plans, retired ones included.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self) -> Result<PlanSet> {
        let (catalog, stored) = self.0.read_plans().await?;
        let uses = self.0.store.count_plan_uses().await?;
        let with_use = |plan: &Plan| (plan.clone(), uses.get(&plan.id).cloned().unwrap_or_default());
        Ok(PlanSet {
            plans: catalog.iter().map(with_use).collect(),
            updated_by: stored.updated_by,
            updated_at: (stored.version != Version::FIRST).then_some(stored.updated_at),
            version: stored.version,
        })
    }

    /// Replaces the plans. All processes use the new plans within seconds; workspaces are changed by their next regular
    /// reconcile. `caller` is `None` for a change on the command line. Does nothing if the plans are the current ones.
    ///
    /// # Errors
    /// - `Invalid` with every invalid field.
    /// - `Conflict` with code `plan_in_use` or `plan_not_retired` as [`check_replacement`], `precondition_failed` if the
    ///   version differs from `expected`, and `plans_of_newer_release` if the current plans have contents that would be
    ///   lost, because this release does not know them.
    pub async fn replace(
        &self,
        caller: Option<&Caller>,
        plans: &[Plan],
        expected: Option<Version>,
    ) -> Result<PlanSet> {
        validate(plans)?;
        self.0
            .transact(|| async {
                let (current, stored) = self.0.read_plans().await?;
                // Stored plans that this release cannot use have a later version than the current ones.
                require_version(expected, stored.version)?;
                require_known(&stored.unknown)?;
                let after = PlanCatalog::new(plans.to_vec())?;
                if stored.version == current.version() && after.iter().eq(current.iter()) {
                    return Ok((Changeset::new(), ()));
                }
                let unused = check_replacement(&current, plans, &self.0.store.count_plan_uses().await?)?;
                let now = self.0.now();
                let changed = StoredPlans {
                    plans: after.iter().cloned().collect(),
                    configured: self.0.plan_cache.configured().to_vec(),
                    updated_by: caller.map(|caller| caller.principal.user_id),
                    updated_at: now,
                    version: stored.version,
                    unknown: Vec::new(),
                };
                let (before, after): (Vec<&Plan>, Vec<&Plan>) =
                    (current.iter().collect(), after.iter().collect());
                let (log, action, resource) = (installation(), "plans.replace", "plans");
                let entry = match caller {
                    Some(caller) => self.0.audit(caller, log, action, resource, before, after),
                    None => self.0.audit_platform(log, action, resource, before, after),
                };
                let changeset = Changeset::new().plans(changed, now).audit(entry);
                Ok((unused.into_iter().fold(changeset, Changeset::precondition), ()))
            })
            .await?;
        self.list().await
    }

    /// Lists the changes of the plans, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn history(&self, page: &PageRequest) -> Result<Page<AuditEvent>> {
        let filter = AuditFilter { resource: Some("plans".to_owned()), ..AuditFilter::default() };
        self.0.store.list_audit_events(installation(), &filter, page).await
    }
}

fn require_known(unknown: &[String]) -> Result<()> {
    if unknown.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the plans have contents of a newer release ({}), which this one would remove; change them with the newer release",
        unknown.join(", ")
    );
    Err(Error::conflict("plans_of_newer_release", message))
}

/// Returns the id under which the audit log has changes of the installation. No organization has it.
fn installation() -> OrganizationId {
    OrganizationId::least()
}
