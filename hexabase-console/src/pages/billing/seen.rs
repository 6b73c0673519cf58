//! Versions of the parts of a billing account that forms change. Reconciles change the version of the account in the
//! background, without a change that concerns the user of a form.

use hexabase_core::error::{Error, Result};
use hexabase_core::model::BillingAccount;
use hexabase_core::name::PlanId;
use hexabase_core::version::Version;
use sha2::{Digest as _, Sha256};

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

/// Checks that the part of the account that the user saw is unchanged; `None` if the form states no version.
///
/// # Errors
/// `Conflict` with code `precondition_failed`.
pub(super) fn require_seen(seen: Option<Version>, now: Version) -> Result<()> {
    match seen {
        Some(seen) if seen != now => {
            let message = "the plan or the budget was changed in the meantime; compare both and decide";
            Err(Error::conflict("precondition_failed", message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::{FIXTURE_TIME, id};
    use hexabase_core::model::{Currency, Money};

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
}
