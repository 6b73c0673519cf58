use jiff::{SignedDuration, Timestamp};

use super::BillingConfig;
use crate::backoff;
use crate::clock::after;
use crate::error::Error;
use crate::id::WorkspaceId;
use crate::lifecycle::ReconcileIntervals;
use crate::model::{
    BillingAccount, BillingStanding, BillingSuspension, CustomerId, OrderRejection, OrderRejectionReason,
    Organization, Subscription, Workspace,
};
use crate::name::PlanId;
use crate::plans::PlanCatalog;

/// Records from which a billing reconcile decides.
#[derive(Debug, Clone, Copy)]
pub struct BillingInput<'a> {
    /// Billing account.
    pub account: &'a BillingAccount,
    /// Organization.
    pub organization: &'a Organization,
    /// All workspaces of the organization.
    pub workspaces: &'a [Workspace],
    /// Catalog of plans.
    pub plans: &'a PlanCatalog,
}

/// State of the provider as read in one reconcile.
#[derive(Debug, Default)]
pub struct ProviderSnapshot {
    /// Customer at the provider; `None` if the provider has none.
    pub customer_id: Option<CustomerId>,
    /// Outcome of the account's order.
    pub order: OrderOutcome,
    /// Subscription at the provider; the outer `None` means that it could not be read.
    pub subscription: Option<Option<Subscription>>,
    /// Failure that a later reconcile may not have; `None` if there was none.
    pub error: Option<Error>,
}

/// Outcome of an order.
#[derive(Debug, Default)]
pub enum OrderOutcome {
    /// There is no order, or it has not been executed yet.
    #[default]
    Open,
    /// The order was executed.
    Fulfilled,
    /// The order cannot be executed.
    Rejected(Error),
}

/// Result of [`decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingDecision {
    /// Billing account with its new state.
    pub account: BillingAccount,
    /// Plan of the organization.
    pub plan_id: PlanId,
    /// Workspaces whose suspension changes, with the new reason; `None` resumes a workspace.
    pub suspensions: Vec<(WorkspaceId, Option<BillingSuspension>)>,
    /// Mails to the organization.
    pub notices: Vec<Notice>,
}

/// Billing notice, sent to an organization by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A payment failed.
    PaymentFailed {
        /// End of the grace period, at which the workspaces are suspended.
        until: Timestamp,
    },
    /// The payment is still missing near the end of the grace period.
    GraceEnds {
        /// End of the grace period, at which the workspaces are suspended.
        until: Timestamp,
    },
    /// The workspaces are suspended.
    Suspended,
    /// The payment arrived, and the workspaces resume.
    Restored,
    /// The subscription has ended.
    Ended,
}

/// Decides the new state of a billing account. A snapshot without a subscription changes no standing: an outage of the
/// provider or of the platform suspends no workspace. `random` spreads the reconciles.
#[must_use]
pub fn decide(
    input: BillingInput<'_>,
    snapshot: &ProviderSnapshot,
    config: &BillingConfig,
    intervals: &ReconcileIntervals,
    now: Timestamp,
    random: u64,
) -> BillingDecision {
    let mut decision = BillingDecision {
        account: input.account.clone(),
        plan_id: input.organization.plan_id.clone(),
        suspensions: Vec::new(),
        notices: Vec::new(),
    };
    decision.account.customer_id.clone_from(&snapshot.customer_id);
    match &snapshot.order {
        // Kept until its effect can be read: repeating an order is harmless.
        OrderOutcome::Fulfilled if snapshot.subscription.is_none() => {}
        outcome => decide_order(&mut decision.account, outcome, now),
    }
    if let Some(subscription) = &snapshot.subscription {
        decide_subscription(&mut decision, input, subscription.as_ref(), config, now);
        decision.suspensions = changed_suspensions(input, &decision, config);
        decision.account.reconciled_at = Some(now);
    }
    let account = &mut decision.account;
    account.failures = if snapshot.error.is_some() { account.failures.saturating_add(1) } else { 0 };
    account.reconcile_at = next_reconcile_at(account, config, intervals, now, random);
    decision
}

fn decide_order(account: &mut BillingAccount, outcome: &OrderOutcome, now: Timestamp) {
    if matches!(outcome, OrderOutcome::Open) {
        return;
    }
    let order = account.order.take();
    account.rejection = match (outcome, order) {
        (OrderOutcome::Rejected(error), Some(order)) => Some(OrderRejection {
            order_id: order.id,
            reason: error.code().parse().unwrap_or(OrderRejectionReason::OrderRejected),
            message: error.message().to_owned(),
            at: now,
        }),
        _ => None,
    };
}

fn decide_subscription(
    decision: &mut BillingDecision,
    input: BillingInput<'_>,
    subscription: Option<&Subscription>,
    config: &BillingConfig,
    now: Timestamp,
) {
    let had_plan = input.account.subscription.as_ref().is_some_and(|before| before.state.grants_plan());
    let live = subscription.filter(|subscription| subscription.state.is_live());
    // A subscription that was never paid cannot end.
    if had_plan && live.is_none() {
        decision.notices.push(Notice::Ended);
    }
    let granting = subscription.filter(|subscription| subscription.state.grants_plan());
    match granting.map(|subscription| &subscription.plan_id) {
        // A plan that is no longer in the catalog leaves the organization's plan unchanged.
        Some(plan) if input.plans.find(plan).is_some() => decision.plan_id = plan.clone(),
        Some(_) => {}
        None if input.account.subscription.is_some() => {
            decision.plan_id = input.plans.default_plan().id.clone();
        }
        None => {}
    }
    let is_payment_missing = live.is_some_and(|subscription| subscription.state.is_payment_missing());
    let (standing, notice) = next_standing(input.account.standing, is_payment_missing, config, now);
    decision.account.standing = standing;
    // A subscription that ended leaves nothing to pay, but that is no payment: no notice of restoration.
    decision.notices.extend(notice.filter(|_| live.is_some()));
    decision.account.subscription = subscription.cloned();
}

/// Derives the next standing of an organization, and the notice about the transition.
fn next_standing(
    before: BillingStanding,
    is_payment_missing: bool,
    config: &BillingConfig,
    now: Timestamp,
) -> (BillingStanding, Option<Notice>) {
    match (before, is_payment_missing) {
        (BillingStanding::Good, false) => (BillingStanding::Good, None),
        (BillingStanding::Grace { .. }, false) => (BillingStanding::Good, None),
        (BillingStanding::Suspended { .. }, false) => (BillingStanding::Good, Some(Notice::Restored)),
        (BillingStanding::Good, true) => {
            let until = after(now, config.grace);
            (
                BillingStanding::Grace { since: now, until, reminded: false },
                Some(Notice::PaymentFailed { until }),
            )
        }
        (BillingStanding::Grace { until, .. }, true) if until <= now => {
            (BillingStanding::Suspended { since: now }, Some(Notice::Suspended))
        }
        (BillingStanding::Grace { since, until, reminded: false }, true)
            if reminder_time(until, config) <= now =>
        {
            (BillingStanding::Grace { since, until, reminded: true }, Some(Notice::GraceEnds { until }))
        }
        (standing, true) => (standing, None),
    }
}

fn reminder_time(until: Timestamp, config: &BillingConfig) -> Timestamp {
    let before = SignedDuration::try_from(config.reminder).unwrap_or(SignedDuration::MAX);
    until.saturating_sub(before).unwrap_or(Timestamp::MIN)
}

/// Workspaces whose suspension changes, with the new reason.
fn changed_suspensions(
    input: BillingInput<'_>,
    decision: &BillingDecision,
    config: &BillingConfig,
) -> Vec<(WorkspaceId, Option<BillingSuspension>)> {
    let overdue = matches!(decision.account.standing, BillingStanding::Suspended { .. });
    let plan = input.plans.find(&decision.plan_id);
    let mut covered = 0;
    let mut alive: Vec<&Workspace> =
        input.workspaces.iter().filter(|workspace| workspace.deletion_requested_at.is_none()).collect();
    // A smaller plan covers the oldest workspaces first.
    alive.sort_by_key(|workspace| workspace.id);
    let suspension = |workspace: &Workspace| {
        if overdue {
            return Some(BillingSuspension::Overdue);
        }
        let plan = plan.filter(|_| config.required)?;
        let workspace_plan = input.plans.find(&workspace.plan_id)?;
        if covers(plan.display_order, workspace_plan.display_order) && covered < plan.limits.workspaces {
            covered += 1;
            return None;
        }
        Some(BillingSuspension::NotPaidFor)
    };
    let suspensions: Vec<Option<BillingSuspension>> = alive.iter().copied().map(suspension).collect();
    let changes = alive
        .iter()
        .zip(suspensions)
        .filter(|(workspace, suspension)| workspace.suspension_reason != *suspension);
    changes.map(|(workspace, suspension)| (workspace.id, suspension)).collect()
}

/// `true` if an organization on one plan may have workspaces on another: on the same or a smaller one, by display
/// order.
pub(crate) const fn covers(organization: u32, workspace: u32) -> bool {
    workspace <= organization
}

fn next_reconcile_at(
    account: &BillingAccount,
    config: &BillingConfig,
    intervals: &ReconcileIntervals,
    now: Timestamp,
    random: u64,
) -> Option<Timestamp> {
    if account.failures > 0 {
        return Some(after(
            now,
            backoff::delay(account.failures, intervals.first_retry, intervals.longest_retry, random),
        ));
    }
    if account.order.is_some() {
        return Some(now);
    }
    account.customer_id.as_ref()?;
    let resync = after(now, backoff::delay(1, config.resync, config.resync, random));
    Some(match account.standing {
        BillingStanding::Grace { until, reminded: false, .. } => {
            resync.min(reminder_time(until, config).max(now))
        }
        BillingStanding::Grace { until, .. } => resync.min(until.max(now)),
        BillingStanding::Good | BillingStanding::Suspended { .. } => resync,
    })
}
