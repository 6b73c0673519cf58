use jiff::{SignedDuration, Timestamp};

use super::Terms;
use crate::backoff;
use crate::clock::after;
use crate::error::Error;
use crate::id::WorkspaceId;
use crate::lifecycle::Pace;
use crate::model::{
    BillingAccount, CustomerId, Hold, Organization, Refusal, RefusalReason, Standing, Subscription, Workspace,
};
use crate::name::PlanId;
use crate::plans::PlanCatalog;

/// What is known of an organization when its account is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Books<'a> {
    /// The account.
    pub account: &'a BillingAccount,
    /// The organization.
    pub organization: &'a Organization,
    /// All of its workspaces.
    pub workspaces: &'a [Workspace],
    /// The plans.
    pub plans: &'a PlanCatalog,
}

/// What one look at the provider brought.
#[derive(Debug, Default)]
pub struct Sight {
    /// What the provider calls the organization; none if it knows none.
    pub customer_id: Option<CustomerId>,
    /// What became of the order.
    pub order: Outcome,
    /// The subscription, if the provider could be asked.
    pub subscription: Option<Option<Subscription>>,
    /// What went wrong, if something did that may go better later.
    pub error: Option<Error>,
}

/// What became of an order.
#[derive(Debug, Default)]
pub enum Outcome {
    /// There was none, or it is still to be carried out.
    #[default]
    Open,
    /// It was carried out.
    Done,
    /// It cannot be carried out.
    Refused(Error),
}

/// What follows from a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The account as it is now.
    pub account: BillingAccount,
    /// The plan that the organization is on.
    pub plan_id: PlanId,
    /// The workspaces for which something changes, with why they are to sleep, if they are.
    pub holds: Vec<(WorkspaceId, Option<Hold>)>,
    /// What to tell the organization.
    pub notices: Vec<Notice>,
}

/// Something that an organization is told by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A payment failed.
    PaymentFailed {
        /// When its workspaces are put to sleep unless it is paid.
        until: Timestamp,
    },
    /// It is still not paid.
    GraceEnds {
        /// When its workspaces are put to sleep unless it is paid.
        until: Timestamp,
    },
    /// Its workspaces are put to sleep.
    Suspended,
    /// It is paid, and its workspaces wake.
    Restored,
    /// Its subscription is over.
    Ended,
}

/// What follows from what was seen. What could not be asked changes nothing: nobody is put to sleep because the
/// provider, or we, were away. `random` spreads the looks.
#[must_use]
pub fn settle(
    books: Books<'_>,
    sight: &Sight,
    terms: &Terms,
    pace: &Pace,
    now: Timestamp,
    random: u64,
) -> Settlement {
    let mut settlement = Settlement {
        account: books.account.clone(),
        plan_id: books.organization.plan_id.clone(),
        holds: Vec::new(),
        notices: Vec::new(),
    };
    settlement.account.customer_id.clone_from(&sight.customer_id);
    match &sight.order {
        // Until it is known what came of it, it may as well not have been carried out: doing it again is harmless.
        Outcome::Done if sight.subscription.is_none() => {}
        outcome => settle_order(&mut settlement.account, outcome, now),
    }
    if let Some(seen) = &sight.subscription {
        settle_subscription(&mut settlement, books, seen.as_ref(), terms, now);
        settlement.holds = changed_holds(books, &settlement, terms);
        settlement.account.looked_at = Some(now);
    }
    let account = &mut settlement.account;
    account.failures = if sight.error.is_some() { account.failures.saturating_add(1) } else { 0 };
    account.look_at = next_look(account, terms, pace, now, random);
    settlement
}

fn settle_order(account: &mut BillingAccount, outcome: &Outcome, now: Timestamp) {
    if matches!(outcome, Outcome::Open) {
        return;
    }
    let order = account.order.take();
    account.refusal = match (outcome, order) {
        (Outcome::Refused(error), Some(order)) => Some(Refusal {
            order_id: order.id,
            reason: error.code().parse().unwrap_or(RefusalReason::OrderRefused),
            message: error.message().to_owned(),
            at: now,
        }),
        _ => None,
    };
}

fn settle_subscription(
    settlement: &mut Settlement,
    books: Books<'_>,
    seen: Option<&Subscription>,
    terms: &Terms,
    now: Timestamp,
) {
    let gave = books.account.subscription.as_ref().is_some_and(|before| before.state.gives_plan());
    let live = seen.filter(|subscription| subscription.state.is_live());
    // What was never paid for cannot end.
    if gave && live.is_none() {
        settlement.notices.push(Notice::Ended);
    }
    let giving = seen.filter(|subscription| subscription.state.gives_plan());
    match giving.map(|subscription| &subscription.plan_id) {
        // A plan that an operator has removed since stays what it was.
        Some(plan) if books.plans.find(plan).is_some() => settlement.plan_id = plan.clone(),
        Some(_) => {}
        None if books.account.subscription.is_some() => {
            settlement.plan_id = books.plans.first().id.clone();
        }
        None => {}
    }
    let owes = live.is_some_and(|subscription| subscription.state.owes());
    let (standing, notice) = stand(books.account.standing, owes, terms, now);
    settlement.account.standing = standing;
    // Whoever owes nothing any more because it is all over has not paid.
    settlement.notices.extend(notice.filter(|_| live.is_some()));
    settlement.account.subscription = seen.cloned();
}

/// How an organization stands that owes something or nothing, and what to tell it.
fn stand(before: Standing, owes: bool, terms: &Terms, now: Timestamp) -> (Standing, Option<Notice>) {
    match (before, owes) {
        (Standing::Good, false) => (Standing::Good, None),
        (Standing::Grace { .. }, false) => (Standing::Good, None),
        (Standing::Suspended { .. }, false) => (Standing::Good, Some(Notice::Restored)),
        (Standing::Good, true) => {
            let until = after(now, terms.grace);
            (Standing::Grace { since: now, until, reminded: false }, Some(Notice::PaymentFailed { until }))
        }
        (Standing::Grace { until, .. }, true) if until <= now => {
            (Standing::Suspended { since: now }, Some(Notice::Suspended))
        }
        (Standing::Grace { since, until, reminded: false }, true) if reminder(until, terms) <= now => {
            (Standing::Grace { since, until, reminded: true }, Some(Notice::GraceEnds { until }))
        }
        (standing, true) => (standing, None),
    }
}

fn reminder(until: Timestamp, terms: &Terms) -> Timestamp {
    let before = SignedDuration::try_from(terms.reminder).unwrap_or(SignedDuration::MAX);
    until.saturating_sub(before).unwrap_or(Timestamp::MIN)
}

/// Which workspaces sleep that did not, and which do not any more.
fn changed_holds(
    books: Books<'_>,
    settlement: &Settlement,
    terms: &Terms,
) -> Vec<(WorkspaceId, Option<Hold>)> {
    let overdue = matches!(settlement.account.standing, Standing::Suspended { .. });
    let plan = books.plans.find(&settlement.plan_id);
    let mut covered = 0;
    let mut alive: Vec<&Workspace> =
        books.workspaces.iter().filter(|workspace| workspace.deletion_requested_at.is_none()).collect();
    // The oldest ones are those that a smaller plan still pays for.
    alive.sort_by_key(|workspace| workspace.id);
    let hold = |workspace: &Workspace| {
        if overdue {
            return Some(Hold::Overdue);
        }
        let plan = plan.filter(|_| terms.required)?;
        let wanted = books.plans.find(&workspace.plan_id)?;
        if covers(plan.display_order, wanted.display_order) && covered < plan.limits.workspaces {
            covered += 1;
            return None;
        }
        Some(Hold::NotPaidFor)
    };
    let holds: Vec<Option<Hold>> = alive.iter().copied().map(hold).collect();
    let changes = alive.iter().zip(holds).filter(|(workspace, hold)| workspace.held != *hold);
    changes.map(|(workspace, hold)| (workspace.id, hold)).collect()
}

/// Whether an organization on one plan may have workspaces of another: of its own and of smaller ones.
pub(crate) const fn covers(organization: u32, workspace: u32) -> bool {
    workspace <= organization
}

fn next_look(
    account: &BillingAccount,
    terms: &Terms,
    pace: &Pace,
    now: Timestamp,
    random: u64,
) -> Option<Timestamp> {
    if account.failures > 0 {
        return Some(after(
            now,
            backoff::delay(account.failures, pace.first_retry, pace.longest_retry, random),
        ));
    }
    if account.order.is_some() {
        return Some(now);
    }
    account.customer_id.as_ref()?;
    let resync = after(now, backoff::delay(1, terms.resync, terms.resync, random));
    Some(match account.standing {
        Standing::Grace { until, reminded: false, .. } => resync.min(reminder(until, terms).max(now)),
        Standing::Grace { until, .. } => resync.min(until.max(now)),
        Standing::Good | Standing::Suspended { .. } => resync,
    })
}
