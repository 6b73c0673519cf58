use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::conformance::billing_provider::{BillingHarness, plans};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::lifecycle::ReconcileIntervals;
use crate::model::{
    AddOns, BillingAccount, BillingStanding, BillingSuspension, Currency, Order, Organization,
    SubscriptionChange, SubscriptionState, Workspace,
};
use crate::plans::PlanCatalog;

mod memory {
    use super::*;

    #[derive(Debug)]
    struct MemoryHarness {
        billing: MemoryBilling,
        clock: Arc<ManualClock>,
    }

    #[async_trait]
    impl BillingHarness for MemoryHarness {
        fn provider(&self) -> &dyn BillingProvider {
            &self.billing
        }

        fn working_card(&self) -> &'static str {
            "pm_card_visa"
        }

        fn declined_card(&self) -> &'static str {
            "pm_card_chargeCustomerFail"
        }

        async fn advance_time(&self, _: &CustomerId, time: Duration) {
            self.clock.advance(time);
        }
    }

    crate::billing_provider_conformance!(async {
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let billing = MemoryBilling::new(clock.clone(), PlanCatalog::new(plans()).unwrap());
        (MemoryHarness { billing, clock }, ())
    });
}

const DAY: i64 = 86_400;

fn day(number: i64) -> Timestamp {
    FIXTURE_TIME + SignedDuration::from_secs(number * DAY)
}

fn catalog() -> PlanCatalog {
    PlanCatalog::new(plans()).unwrap()
}

fn plan_id(name: &str) -> PlanId {
    PlanId::parse(name).unwrap()
}

fn subscription(plan: &str, state: SubscriptionState) -> Subscription {
    Subscription {
        id: "sub_1".to_owned(),
        plan_id: plan_id(plan),
        interval: Interval::Month,
        add_ons: AddOns::default(),
        state,
        current_period_end: day(30),
        cancel_at_period_end: false,
        trial_end: None,
        awaits_confirmation: false,
    }
}

/// Organization on the plan `small` with a paid subscription.
struct Scene {
    account: BillingAccount,
    organization: Organization,
    workspaces: Vec<Workspace>,
    config: BillingConfig,
}

impl Scene {
    fn paid() -> Self {
        let account = BillingAccount {
            customer_id: Some(CustomerId("cus_acme".to_owned())),
            subscription: Some(subscription("small", SubscriptionState::Active)),
            ..BillingAccount::new(id("acme"), FIXTURE_TIME)
        };
        let on = |name: &str, plan: &str| Workspace { plan_id: plan_id(plan), ..fixture::workspace(name) };
        Self {
            account,
            organization: Organization { plan_id: plan_id("small"), ..fixture::organization("acme") },
            workspaces: vec![on("one", "free"), on("two", "small")],
            config: BillingConfig { required: true, ..BillingConfig::default() },
        }
    }

    fn decide(&self, snapshot: &ProviderSnapshot, now: Timestamp) -> BillingDecision {
        let plans = catalog();
        let input = BillingInput {
            account: &self.account,
            organization: &self.organization,
            workspaces: &self.workspaces,
            plans: &plans,
        };
        decide(input, snapshot, &self.config, &ReconcileIntervals::default(), now, 0)
    }

    /// Decides from a subscription in this state, and applies the decision.
    fn reconcile(&mut self, state: SubscriptionState, now: Timestamp) -> BillingDecision {
        let decision = self.decide(&self.snapshot(Some(subscription("small", state))), now);
        self.account = decision.account.clone();
        self.organization.plan_id = decision.plan_id.clone();
        for (workspace, suspension) in &decision.suspensions {
            self.workspaces.iter_mut().find(|known| known.id == *workspace).unwrap().suspension_reason =
                *suspension;
        }
        decision
    }

    fn snapshot(&self, subscription: Option<Subscription>) -> ProviderSnapshot {
        ProviderSnapshot {
            customer_id: self.account.customer_id.clone(),
            subscription: Some(subscription),
            ..ProviderSnapshot::default()
        }
    }
}

#[test]
fn a_missed_payment_is_notified_then_reminded_and_suspends_workspaces_after_the_grace_period() {
    let mut scene = Scene::paid();
    let notified = scene.reconcile(SubscriptionState::PastDue, FIXTURE_TIME);
    assert_eq!(notified.notices, [Notice::PaymentFailed { until: day(14) }]);
    assert!(notified.suspensions.is_empty());
    assert!(scene.reconcile(SubscriptionState::PastDue, day(10)).notices.is_empty());
    let reminded = scene.reconcile(SubscriptionState::Unpaid, day(11));
    assert_eq!(reminded.notices, [Notice::GraceEnds { until: day(14) }]);
    assert!(
        reminded.account.reconcile_at <= Some(day(14)),
        "reconciled again at the end of the grace period"
    );
    assert!(scene.reconcile(SubscriptionState::Unpaid, day(13)).notices.is_empty());
    let suspended = scene.reconcile(SubscriptionState::Unpaid, day(14));
    assert_eq!(suspended.notices, [Notice::Suspended]);
    assert!(
        suspended.suspensions.iter().all(|(_, suspension)| *suspension == Some(BillingSuspension::Overdue))
            && suspended.suspensions.len() == 2
    );
    assert_eq!(suspended.plan_id, plan_id("small"), "the plan is kept");
    assert!(scene.reconcile(SubscriptionState::Unpaid, day(60)).notices.is_empty());
    let resumed = scene.reconcile(SubscriptionState::Active, day(61));
    assert_eq!(resumed.notices, [Notice::Restored]);
    assert!(
        resumed.suspensions.iter().all(|(_, suspension)| suspension.is_none())
            && resumed.suspensions.len() == 2
    );
    assert_eq!(resumed.account.standing, BillingStanding::Good);
}

#[test]
fn an_unpaid_subscription_that_is_canceled_sends_no_notice_of_payment() {
    let mut scene = Scene::paid();
    scene.reconcile(SubscriptionState::PastDue, FIXTURE_TIME);
    scene.reconcile(SubscriptionState::Unpaid, day(14));
    let over = scene.reconcile(SubscriptionState::Canceled, day(30));
    assert_eq!(over.notices, [Notice::Ended]);
    assert_eq!(over.suspensions, [(id("one"), None), (id("two"), Some(BillingSuspension::NotPaidFor))]);
}

#[test]
fn an_outage_of_the_provider_suspends_no_workspace() {
    let mut scene = Scene::paid();
    scene.reconcile(SubscriptionState::PastDue, FIXTURE_TIME);
    let away = ProviderSnapshot {
        customer_id: scene.account.customer_id.clone(),
        error: Some(Error::unavailable("away")),
        ..ProviderSnapshot::default()
    };
    let decision = scene.decide(&away, day(20));
    assert!(decision.suspensions.is_empty() && decision.notices.is_empty());
    assert_eq!(decision.account.standing, scene.account.standing);
    assert_eq!(decision.account.failures, 1);
    assert!(decision.account.reconcile_at.is_some_and(|at| at < day(21)), "retried soon");
}

#[test]
fn workspaces_that_the_free_plan_does_not_cover_are_suspended_after_the_subscription_ends() {
    let mut scene = Scene::paid();
    let over = scene.reconcile(SubscriptionState::Canceled, day(30));
    assert_eq!(over.notices, [Notice::Ended]);
    assert_eq!(over.plan_id, plan_id("free"));
    assert_eq!(over.suspensions, [(id("two"), Some(BillingSuspension::NotPaidFor))]);
    let back = scene.reconcile(SubscriptionState::Active, day(31));
    assert_eq!((back.plan_id, back.suspensions), (plan_id("small"), vec![(id("two"), None)]));
}

#[test]
fn a_smaller_plan_covers_the_oldest_workspaces() {
    let mut scene = Scene::paid();
    let mut plan = fixture::plan("free");
    plan.limits.workspaces = 2;
    let three =
        ["a", "b", "c"].map(|name| Workspace { plan_id: plan_id("free"), ..fixture::workspace(name) });
    let mut ids: Vec<_> = three.iter().map(|workspace| workspace.id).collect();
    ids.sort_unstable();
    scene.workspaces = three.to_vec();
    let plans = PlanCatalog::new(vec![plan, fixture::plan("small")]).unwrap();
    let input = BillingInput {
        account: &scene.account,
        organization: &scene.organization,
        workspaces: &scene.workspaces,
        plans: &plans,
    };
    let over = scene.snapshot(Some(subscription("small", SubscriptionState::Canceled)));
    let decision = decide(input, &over, &scene.config, &ReconcileIntervals::default(), FIXTURE_TIME, 0);
    assert_eq!(decision.suspensions, [(ids[2], Some(BillingSuspension::NotPaidFor))]);
}

#[test]
fn an_order_is_done_rejected_or_pending() {
    let mut scene = Scene::paid();
    let change = SubscriptionChange::Cancel { at_period_end: true };
    let order = Order { id: id("order"), change, requested_by: id("owner"), requested_at: FIXTURE_TIME };
    scene.account.order = Some(order.clone());
    let outage = ProviderSnapshot { error: Some(Error::unavailable("away")), ..scene.snapshot(None) };
    assert_eq!(scene.decide(&outage, FIXTURE_TIME).account.order, Some(order));
    let unseen =
        ProviderSnapshot { order: OrderOutcome::Fulfilled, subscription: None, ..scene.snapshot(None) };
    assert!(scene.decide(&unseen, FIXTURE_TIME).account.order.is_some(), "its effect has not been read");
    let done = ProviderSnapshot { order: OrderOutcome::Fulfilled, ..scene.snapshot(None) };
    assert_eq!(scene.decide(&done, FIXTURE_TIME).account.order, None);
    let rejected =
        ProviderSnapshot { order: OrderOutcome::Rejected(payment_failed("no")), ..scene.snapshot(None) };
    let account = scene.decide(&rejected, FIXTURE_TIME).account;
    assert_eq!(account.order, None);
    assert_eq!(account.rejection.unwrap().reason, OrderRejectionReason::PaymentFailed);
}

#[test]
fn an_incomplete_subscription_grants_no_plan() {
    let mut scene = Scene::paid();
    scene.account.subscription = None;
    scene.organization.plan_id = plan_id("free");
    let decision = scene.reconcile(SubscriptionState::Incomplete, FIXTURE_TIME);
    assert_eq!(decision.plan_id, plan_id("free"));
    assert!(decision.notices.is_empty());
    let expired = scene.reconcile(SubscriptionState::IncompleteExpired, day(1));
    assert!(
        expired.notices.is_empty() && expired.suspensions.is_empty(),
        "a subscription that was never paid cannot end"
    );
}

proptest! {
    #[test]
    fn a_share_of_money_is_never_off_by_more_than_half_a_unit(
        amount in -1_000_000_000_i64..1_000_000_000, part in 0_u64..40_000_000, rest in 0_u64..40_000_000,
    ) {
        for code in ["usd", "jpy", "bhd"] {
            let whole = part + rest;
            prop_assume!(whole > 0);
            let money = Money { amount, currency: Currency::parse(code).unwrap() };
            let share = money.share(part, whole);
            let exact = i128::from(amount) * i128::from(part);
            let off = (i128::from(share.amount) * i128::from(whole) - exact).abs() * 2;
            prop_assert!(off <= i128::from(whole));
            prop_assert_eq!(share.currency, money.currency);
            prop_assert_eq!(money.with_amount(-amount).share(part, whole).amount, -share.amount);
            // Both shares add up to the whole, except for one unit of rounding.
            prop_assert!((share.amount + money.share(rest, whole).amount - amount).abs() <= 1);
        }
    }
}
