//! Versions of the values that forms change, where the version of the whole object says less: each change inside of an
//! organization or a workspace increments its version, and reconciles do so in the background. None of them concerns the
//! user of a form.

use hexabase_core::error::{Error, Result};
use hexabase_core::model::{BillingAccount, Organization, Workspace};
use hexabase_core::name::PlanId;
use hexabase_core::version::Version;
use sha2::{Digest as _, Sha256};

/// Returns the version of the settings of an organization.
pub(super) fn organization_version(organization: &Organization) -> Version {
    version_of(organization.display_name.as_str())
}

/// Returns the version of the settings of a workspace.
pub(super) fn workspace_version(workspace: &Workspace) -> Version {
    let Workspace { display_name, plan_id, kubernetes_version, .. } = workspace;
    let display_name = display_name.as_ref().map(|name| name.as_str());
    version_of(&format!("{display_name:?} {plan_id} {kubernetes_version}"))
}

/// Returns the version of the plan and the subscription of an organization.
pub(super) fn plan_version(plan: &PlanId, account: &BillingAccount) -> Version {
    let subscription = account.live_subscription().map(|subscription| {
        (&subscription.plan_id, subscription.interval.as_str(), subscription.cancel_at_period_end)
    });
    version_of(&format!("{plan} {subscription:?}"))
}

/// Returns the version of the budget.
pub(super) fn budget_version(account: &BillingAccount) -> Version {
    version_of(&format!("{:?}", account.budget.map(|budget| budget.to_string())))
}

fn version_of(text: &str) -> Version {
    let digest = Sha256::digest(text);
    Version::new(digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

/// Checks that the values that the user saw are unchanged; `None` if the form states no version.
///
/// # Errors
/// `Conflict` with code `precondition_failed`.
pub(super) fn require_seen(seen: Option<Version>, now: Version) -> Result<()> {
    match seen {
        Some(seen) if seen != now => {
            let message = "the values were changed in the meantime; compare both and decide";
            Err(Error::conflict("precondition_failed", message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::{self, FIXTURE_TIME, id};
    use hexabase_core::model::{Currency, Money};
    use hexabase_core::name::DisplayName;

    use super::*;

    #[test]
    fn a_reconcile_changes_no_version_and_a_change_of_the_user_does() {
        let before = BillingAccount::new(id("acme"), FIXTURE_TIME);
        let reconciled = BillingAccount { version: before.version.next(), failures: 1, ..before.clone() };
        let plan = PlanId::parse("team").unwrap();
        assert_eq!(plan_version(&plan, &before), plan_version(&plan, &reconciled));
        assert_ne!(plan_version(&plan, &before), plan_version(&PlanId::parse("large").unwrap(), &before));
        let budget = Some(Money { amount: 1, currency: Currency::parse("usd").unwrap() });
        let changed = BillingAccount { budget, ..before.clone() };
        assert_eq!(budget_version(&before), budget_version(&reconciled));
        assert_ne!(budget_version(&before), budget_version(&changed));
        assert!(require_seen(Some(budget_version(&before)), budget_version(&changed)).is_err());
        assert!(require_seen(None, budget_version(&changed)).is_ok());
    }

    #[test]
    fn a_change_inside_of_an_organization_or_a_workspace_is_none_of_its_settings() {
        let before = fixture::organization("acme");
        let used = Organization { version: before.version.next(), ..before.clone() };
        let renamed = Organization { display_name: DisplayName::parse("Other").unwrap(), ..before.clone() };
        assert_eq!(organization_version(&before), organization_version(&used));
        assert_ne!(organization_version(&before), organization_version(&renamed));

        let before = fixture::workspace("shop");
        let used = Workspace { version: before.version.next(), ..before.clone() };
        let moved = Workspace { plan_id: PlanId::parse("large").unwrap(), ..before.clone() };
        assert_eq!(workspace_version(&before), workspace_version(&used));
        assert_ne!(workspace_version(&before), workspace_version(&moved));
    }
}
