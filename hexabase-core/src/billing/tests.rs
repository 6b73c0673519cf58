use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::conformance::billing_provider::{BillingHarness, plans};
use crate::fixture::{self, THEN, id};
use crate::lifecycle::Pace;
use crate::model::{
    BillingAccount, Currency, Extras, Hold, Order, Organization, Standing, SubscriptionState, Wish, Workspace,
};
use crate::plans::PlanCatalog;

mod memory {
    use super::*;

    #[derive(Debug)]
    struct Desk {
        billing: MemoryBilling,
        clock: Arc<ManualClock>,
    }

    #[async_trait]
    impl BillingHarness for Desk {
        fn provider(&self) -> &dyn BillingProvider {
            &self.billing
        }

        fn good_card(&self) -> &'static str {
            "pm_card_visa"
        }

        fn refused_card(&self) -> &'static str {
            "pm_card_chargeCustomerFail"
        }

        async fn pass(&self, _: &CustomerId, time: Duration) {
            self.clock.advance(time);
        }
    }

    crate::billing_provider_conformance!(async {
        let clock = Arc::new(ManualClock::new(THEN));
        let billing = MemoryBilling::new(clock.clone(), PlanCatalog::new(plans()).unwrap());
        (Desk { billing, clock }, ())
    });
}

const DAY: i64 = 86_400;

fn day(number: i64) -> Timestamp {
    THEN + SignedDuration::from_secs(number * DAY)
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
        extras: Extras::default(),
        state,
        current_period_end: day(30),
        cancel_at_period_end: false,
        trial_end: None,
        awaits_confirmation: false,
    }
}

/// An organization on the plan `small` that has paid for it.
struct Scene {
    account: BillingAccount,
    organization: Organization,
    workspaces: Vec<Workspace>,
    terms: Terms,
}

impl Scene {
    fn paid() -> Self {
        let account = BillingAccount {
            customer_id: Some(CustomerId("cus_acme".to_owned())),
            subscription: Some(subscription("small", SubscriptionState::Active)),
            ..BillingAccount::new(id("acme"), THEN)
        };
        let on = |name: &str, plan: &str| Workspace { plan_id: plan_id(plan), ..fixture::workspace(name) };
        Self {
            account,
            organization: Organization { plan_id: plan_id("small"), ..fixture::organization("acme") },
            workspaces: vec![on("one", "free"), on("two", "small")],
            terms: Terms { required: true, ..Terms::default() },
        }
    }

    fn settle(&self, sight: &Sight, now: Timestamp) -> Settlement {
        let plans = catalog();
        let books = Books {
            account: &self.account,
            organization: &self.organization,
            workspaces: &self.workspaces,
            plans: &plans,
        };
        settle(books, sight, &self.terms, &Pace::default(), now, 0)
    }

    /// Looks, and goes on with what follows.
    fn see(&mut self, state: SubscriptionState, now: Timestamp) -> Settlement {
        let settlement = self.settle(&self.sight(Some(subscription("small", state))), now);
        self.account = settlement.account.clone();
        self.organization.plan_id = settlement.plan_id.clone();
        for (workspace, hold) in &settlement.holds {
            self.workspaces.iter_mut().find(|known| known.id == *workspace).unwrap().held = *hold;
        }
        settlement
    }

    fn sight(&self, subscription: Option<Subscription>) -> Sight {
        Sight {
            customer_id: self.account.customer_id.clone(),
            subscription: Some(subscription),
            ..Sight::default()
        }
    }
}

#[test]
fn a_missed_payment_is_told_reminded_of_and_puts_workspaces_to_sleep_after_the_grace() {
    let mut scene = Scene::paid();
    let told = scene.see(SubscriptionState::PastDue, THEN);
    assert_eq!(told.notices, [Notice::PaymentFailed { until: day(14) }]);
    assert!(told.holds.is_empty());
    assert!(scene.see(SubscriptionState::PastDue, day(10)).notices.is_empty());
    let reminded = scene.see(SubscriptionState::Unpaid, day(11));
    assert_eq!(reminded.notices, [Notice::GraceEnds { until: day(14) }]);
    assert!(reminded.account.look_at <= Some(day(14)), "somebody looks when the grace is over");
    assert!(scene.see(SubscriptionState::Unpaid, day(13)).notices.is_empty());
    let asleep = scene.see(SubscriptionState::Unpaid, day(14));
    assert_eq!(asleep.notices, [Notice::Suspended]);
    assert!(asleep.holds.iter().all(|(_, hold)| *hold == Some(Hold::Overdue)) && asleep.holds.len() == 2);
    assert_eq!(asleep.plan_id, plan_id("small"), "nothing is taken away");
    assert!(scene.see(SubscriptionState::Unpaid, day(60)).notices.is_empty());
    let awake = scene.see(SubscriptionState::Active, day(61));
    assert_eq!(awake.notices, [Notice::Restored]);
    assert!(awake.holds.iter().all(|(_, hold)| hold.is_none()) && awake.holds.len() == 2);
    assert_eq!(awake.account.standing, Standing::Good);
}

#[test]
fn a_subscription_that_stripe_gives_up_ends_and_nobody_is_thanked_for_paying() {
    let mut scene = Scene::paid();
    scene.see(SubscriptionState::PastDue, THEN);
    scene.see(SubscriptionState::Unpaid, day(14));
    let over = scene.see(SubscriptionState::Canceled, day(30));
    assert_eq!(over.notices, [Notice::Ended]);
    assert_eq!(over.holds, [(id("one"), None), (id("two"), Some(Hold::NotPaidFor))]);
}

#[test]
fn nobody_is_put_to_sleep_while_the_provider_cannot_be_asked() {
    let mut scene = Scene::paid();
    scene.see(SubscriptionState::PastDue, THEN);
    let away = Sight {
        customer_id: scene.account.customer_id.clone(),
        error: Some(Error::unavailable("away")),
        ..Sight::default()
    };
    let settlement = scene.settle(&away, day(20));
    assert!(settlement.holds.is_empty() && settlement.notices.is_empty());
    assert_eq!(settlement.account.standing, scene.account.standing);
    assert_eq!(settlement.account.failures, 1);
    assert!(settlement.account.look_at.is_some_and(|at| at < day(21)), "it is tried again soon");
}

#[test]
fn what_the_free_plan_does_not_cover_sleeps_once_a_subscription_is_over() {
    let mut scene = Scene::paid();
    let over = scene.see(SubscriptionState::Canceled, day(30));
    assert_eq!(over.notices, [Notice::Ended]);
    assert_eq!(over.plan_id, plan_id("free"));
    assert_eq!(over.holds, [(id("two"), Some(Hold::NotPaidFor))]);
    let back = scene.see(SubscriptionState::Active, day(31));
    assert_eq!((back.plan_id, back.holds), (plan_id("small"), vec![(id("two"), None)]));
}

#[test]
fn the_oldest_workspaces_are_those_that_a_smaller_plan_still_pays_for() {
    let mut scene = Scene::paid();
    let mut plan = fixture::plan("free");
    plan.limits.workspaces = 2;
    let three =
        ["a", "b", "c"].map(|name| Workspace { plan_id: plan_id("free"), ..fixture::workspace(name) });
    let mut ids: Vec<_> = three.iter().map(|workspace| workspace.id).collect();
    ids.sort_unstable();
    scene.workspaces = three.to_vec();
    let plans = PlanCatalog::new(vec![plan, fixture::plan("small")]).unwrap();
    let books = Books {
        account: &scene.account,
        organization: &scene.organization,
        workspaces: &scene.workspaces,
        plans: &plans,
    };
    let over = scene.sight(Some(subscription("small", SubscriptionState::Canceled)));
    let settlement = settle(books, &over, &scene.terms, &Pace::default(), THEN, 0);
    assert_eq!(settlement.holds, [(ids[2], Some(Hold::NotPaidFor))]);
}

#[test]
fn an_order_is_done_or_refused_or_waits() {
    let mut scene = Scene::paid();
    let wish = Wish::Cancel { at_period_end: true };
    let order = Order { id: id("order"), wish, asked_by: id("owner"), asked_at: THEN };
    scene.account.order = Some(order.clone());
    let waits = Sight { error: Some(Error::unavailable("away")), ..scene.sight(None) };
    assert_eq!(scene.settle(&waits, THEN).account.order, Some(order));
    let unseen = Sight { order: Outcome::Done, subscription: None, ..scene.sight(None) };
    assert!(scene.settle(&unseen, THEN).account.order.is_some(), "nobody knows what came of it");
    let done = Sight { order: Outcome::Done, ..scene.sight(None) };
    assert_eq!(scene.settle(&done, THEN).account.order, None);
    let refused = Sight { order: Outcome::Refused(payment_failed("no")), ..scene.sight(None) };
    let account = scene.settle(&refused, THEN).account;
    assert_eq!(account.order, None);
    assert_eq!(account.refusal.unwrap().reason, RefusalReason::PaymentFailed);
}

#[test]
fn an_incomplete_subscription_gives_no_plan_yet() {
    let mut scene = Scene::paid();
    scene.account.subscription = None;
    scene.organization.plan_id = plan_id("free");
    let settlement = scene.see(SubscriptionState::Incomplete, THEN);
    assert_eq!(settlement.plan_id, plan_id("free"));
    assert!(settlement.notices.is_empty());
    let expired = scene.see(SubscriptionState::IncompleteExpired, day(1));
    assert!(expired.notices.is_empty() && expired.holds.is_empty(), "what was never paid for cannot end");
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
            prop_assert_eq!(money.of(-amount).share(part, whole).amount, -share.amount);
            // Both shares together are the whole but for one unit of rounding.
            prop_assert!((share.amount + money.share(rest, whole).amount - amount).abs() <= 1);
        }
    }
}
