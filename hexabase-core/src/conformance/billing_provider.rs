//! What every [`BillingProvider`] must do.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;

use crate::billing::{Billable, BillingKey, BillingProvider, Invoice, NewCustomer, UsageEvent, Wanted};
use crate::error::ErrorKind;
use crate::fixture::{self, id};
use crate::model::{
    CustomerId, Extras, Hour, Interval, Meter, Money, PerMeter, Plan, Price, SubscriptionState, UnitPrice,
    UsagePrice,
};
use crate::name::{DisplayName, Email};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any month.
const MONTH: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// A provider under test that sells [`plans`], and a way to let time pass for it.
#[async_trait]
pub trait BillingHarness: fmt::Debug + Send + Sync {
    /// The provider.
    fn provider(&self) -> &dyn BillingProvider;

    /// The name of a way to pay that works, as a browser would have got it from the provider.
    fn good_card(&self) -> &'static str;

    /// The name of a way to pay that can be attached, and that the bank refuses whenever it is used.
    fn refused_card(&self) -> &'static str;

    /// Lets time pass for a customer, with whatever the provider does meanwhile.
    async fn pass(&self, customer: &CustomerId, time: Duration);
}

/// Makes one test per case for a [`BillingHarness`]. See the [module](crate::conformance) for what the expression
/// answers.
#[macro_export]
macro_rules! billing_provider_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            billing_provider,
            $make,
            [
                an_organization_is_one_customer,
                the_first_way_to_pay_is_the_default,
                a_made_up_way_to_pay_is_refused,
                ways_to_pay_are_chosen_and_given_up,
                whoever_cannot_pay_is_not_subscribed,
                subscribing_charges_once,
                a_larger_plan_is_charged_at_once_and_a_smaller_one_later,
                a_change_that_cannot_be_paid_does_not_happen,
                going_over_to_years_begins_a_new_period,
                further_workspaces_are_charged,
                nodes_of_ones_own_are_charged,
                a_preview_is_what_is_charged_and_changes_nothing,
                a_subscription_ends_when_it_is_paid_up,
                a_subscription_ends_at_once,
                an_end_can_be_taken_back,
                whoever_does_not_pay_owes_until_they_choose_another_card,
                a_trial_charges_nothing_until_it_is_over,
                telling_of_an_hour_again_takes_the_place_of_what_was_told,
                usage_beyond_what_is_included_is_charged_when_the_period_ends,
                the_last_invoice_has_what_was_used_until_then,
                what_is_of_others_is_not_there,
            ]
        );
    };
}

/// The plans that the provider under test sells: `small` for 10.00 a month and 100.00 a year, `large` for 40.00 a month
/// with one workspace and two nodes included, 5.00 for each further workspace and 7.00 for each further node, `tried`,
/// which is free for 7 days, and `metered` for 30.00 a month with 100 core hours included and 0.04 for each further one,
/// and 0.12 for a thousand GiB hours of storage.
#[must_use]
pub fn plans() -> Vec<Plan> {
    let usd = |amount| Money { amount, currency: crate::model::Currency::parse("usd").unwrap() };
    let price = |monthly, yearly| Price {
        monthly: usd(monthly),
        yearly: Some(usd(yearly)),
        workspace: None,
        node: None,
        usage: PerMeter::default(),
        trial_days: 0,
    };
    let plan = |name: &str, order, price| Plan {
        name: name.to_owned(),
        display_order: order,
        price,
        ..fixture::plan(name)
    };
    let workspace = UnitPrice { included: 1, monthly: usd(500), yearly: Some(usd(5_000)) };
    let node = UnitPrice { included: 2, monthly: usd(700), yearly: Some(usd(7_000)) };
    let mut usage = PerMeter::of(|_| None);
    usage[Meter::Cpu] = Some(UsagePrice { included: 100, per_thousand: usd(4_000) });
    usage[Meter::Storage] = Some(UsagePrice { included: 0, per_thousand: usd(12) });
    vec![
        plan("free", 1, None),
        plan("small", 2, Some(price(1_000, 10_000))),
        plan("tried", 3, Some(Price { trial_days: 7, ..price(2_000, 20_000) })),
        plan(
            "large",
            4,
            Some(Price { workspace: Some(workspace), node: Some(node), ..price(4_000, 40_000) }),
        ),
        plan("metered", 5, Some(Price { usage, ..price(3_000, 30_000) })),
    ]
}

fn wanted(plan: &str, interval: Interval, workspaces: u32) -> Wanted {
    let plans = plans();
    let plan = plans.iter().find(|known| known.id.as_str() == plan).unwrap();
    Wanted::of(plan, interval, Billable { workspaces, nodes: 0 })
}

fn monthly(plan: &str) -> Wanted {
    wanted(plan, Interval::Month, 1)
}

fn key(text: &str) -> BillingKey {
    BillingKey(text.to_owned())
}

fn newcomer(name: &str) -> NewCustomer {
    NewCustomer {
        organization_id: id(name),
        name: DisplayName::parse(name).unwrap(),
        email: Some(Email::parse(&format!("{name}@example.com")).unwrap()),
    }
}

/// A customer with a card that works.
async fn customer(harness: &dyn BillingHarness) -> CustomerId {
    let customer = harness.provider().ensure_customer(&newcomer("acme"), &key("acme")).await.unwrap();
    attach(harness, &customer, harness.good_card(), "first card").await;
    customer
}

async fn attach(harness: &dyn BillingHarness, customer: &CustomerId, card: &str, name: &str) -> String {
    harness.provider().attach_payment_method(customer, card, &key(name)).await.unwrap().id
}

async fn invoices(harness: &dyn BillingHarness, customer: &CustomerId) -> Vec<Invoice> {
    harness.provider().list_invoices(customer, 100, None).await.unwrap()
}

/// What was paid, in the order in which it was charged.
async fn charges(harness: &dyn BillingHarness, customer: &CustomerId) -> Vec<i64> {
    let paid = invoices(harness, customer).await.into_iter().rev().filter(|invoice| invoice.status == "paid");
    paid.map(|invoice| invoice.amount_due.amount).filter(|amount| *amount != 0).collect()
}

/// However often it is asked for.
pub async fn an_organization_is_one_customer(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = provider.ensure_customer(&newcomer("acme"), &key("acme")).await.unwrap();
    for again in ["acme", "another key"] {
        assert_eq!(provider.ensure_customer(&newcomer("acme"), &key(again)).await.unwrap(), acme);
    }
    assert_ne!(provider.ensure_customer(&newcomer("other"), &key("other")).await.unwrap(), acme);
    assert!(provider.list_payment_methods(&acme).await.unwrap().is_empty());
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), None);
    assert_eq!(provider.upcoming_invoice(&acme).await.unwrap(), None);
    assert!(invoices(harness, &acme).await.is_empty());
}

/// And it can be shown to people.
pub async fn the_first_way_to_pay_is_the_default(harness: &dyn BillingHarness) {
    let acme = harness.provider().ensure_customer(&newcomer("acme"), &key("acme")).await.unwrap();
    let first = attach(harness, &acme, harness.good_card(), "first card").await;
    assert_eq!(attach(harness, &acme, harness.good_card(), "first card").await, first, "one key, one card");
    let second = attach(harness, &acme, harness.refused_card(), "second card").await;
    let methods = harness.provider().list_payment_methods(&acme).await.unwrap();
    let seen: Vec<_> = methods.iter().map(|method| (method.id.as_str(), method.is_default)).collect();
    assert_eq!(seen, [(first.as_str(), true), (second.as_str(), false)]);
    assert!(methods[0].title.contains("4242"), "{}", methods[0].title);
}

/// It is the caller's mistake, and says so.
pub async fn a_made_up_way_to_pay_is_refused(harness: &dyn BillingHarness) {
    let acme = customer(harness).await;
    let made_up = harness.provider().attach_payment_method(&acme, "pm_made_up", &key("card")).await;
    assert_eq!(made_up.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(harness.provider().list_payment_methods(&acme).await.unwrap().len(), 1);
}

/// There is one default at a time.
pub async fn ways_to_pay_are_chosen_and_given_up(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let second = attach(harness, &acme, harness.good_card(), "second card").await;
    provider.choose_payment_method(&acme, &second, &key("choose")).await.unwrap();
    let methods = provider.list_payment_methods(&acme).await.unwrap();
    assert_eq!(methods.iter().map(|method| method.is_default).collect::<Vec<_>>(), [true, false]);
    assert_eq!(methods[0].id, second);
    provider.detach_payment_method(&acme, &methods[1].id, &key("detach")).await.unwrap();
    assert_eq!(provider.list_payment_methods(&acme).await.unwrap(), methods[..1]);
    let gone = provider.choose_payment_method(&acme, &methods[1].id, &key("again")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

/// Without a way to pay, or with one that the bank refuses, nothing is begun.
pub async fn whoever_cannot_pay_is_not_subscribed(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = provider.ensure_customer(&newcomer("acme"), &key("acme")).await.unwrap();
    let poor = provider.subscribe(&acme, &monthly("small"), &key("poor")).await.unwrap_err();
    assert_eq!((poor.kind(), poor.code()), (ErrorKind::Conflict, "no_payment_method"));
    attach(harness, &acme, harness.refused_card(), "card").await;
    let refused = provider.subscribe(&acme, &monthly("small"), &key("refused")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Conflict, "payment_failed"));
    let found = provider.find_subscription(&acme).await.unwrap();
    assert!(found.is_none_or(|subscription| !subscription.state.is_live()));
    assert!(charges(harness, &acme).await.is_empty());
}

/// With the same key, and with another one: the subscription is there already.
pub async fn subscribing_charges_once(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let first = provider.subscribe(&acme, &monthly("small"), &key("order")).await.unwrap();
    assert!(monthly("small").is_met_by(&first), "{first:?}");
    assert_eq!(first.state, SubscriptionState::Active);
    for again in ["order", "another order"] {
        assert_eq!(provider.subscribe(&acme, &monthly("small"), &key(again)).await.unwrap(), first);
    }
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), Some(first));
    assert_eq!(charges(harness, &acme).await, [1_000]);
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    assert_eq!((upcoming.total.amount, upcoming.lines.len()), (1_000, 1));
}

/// In both cases for the rest of the period.
pub async fn a_larger_plan_is_charged_at_once_and_a_smaller_one_later(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let small = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    let large = provider.subscribe(&acme, &monthly("large"), &key("large")).await.unwrap();
    assert_eq!(large.id, small.id, "one subscription, whatever it is for");
    assert_eq!(large.plan_id.as_str(), "large");
    let paid = charges(harness, &acme).await;
    assert!(paid.len() == 2 && (2_990..=3_000).contains(&paid[1]), "{paid:?}");

    let back = provider.subscribe(&acme, &monthly("small"), &key("back")).await.unwrap();
    assert_eq!(back.plan_id.as_str(), "small");
    assert_eq!(charges(harness, &acme).await, paid);
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    assert!((-2_000..=-1_980).contains(&upcoming.total.amount), "{upcoming:?}");
    assert!(upcoming.lines.iter().any(|line| line.proration && line.amount.amount < 0));
    assert_eq!(upcoming.amount_due.amount, 0);
}

/// The subscription stays what it was, and nothing is charged later either.
pub async fn a_change_that_cannot_be_paid_does_not_happen(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let small = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    let bad = attach(harness, &acme, harness.refused_card(), "bad card").await;
    provider.choose_payment_method(&acme, &bad, &key("choose")).await.unwrap();
    let refused = provider.subscribe(&acme, &monthly("large"), &key("large")).await.unwrap_err();
    assert_eq!(refused.code(), "payment_failed");
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), Some(small));
    provider.cancel(&acme, true, &key("end")).await.unwrap();
    provider.subscribe(&acme, &monthly("large"), &key("large again")).await.unwrap_err();
    let ending = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert!(ending.cancel_at_period_end, "what was to end still ends");
    provider.subscribe(&acme, &monthly("small"), &key("go on")).await.unwrap();
    assert_eq!(charges(harness, &acme).await, [1_000]);
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    assert_eq!(upcoming.total.amount, 1_000);
}

/// What is left of the month is taken off.
pub async fn going_over_to_years_begins_a_new_period(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let month = provider.subscribe(&acme, &monthly("small"), &key("month")).await.unwrap();
    let yearly = wanted("small", Interval::Year, 1);
    let year = provider.subscribe(&acme, &yearly, &key("year")).await.unwrap();
    assert!(yearly.is_met_by(&year), "{year:?}");
    assert_eq!(year.id, month.id);
    let ends = year.current_period_end.duration_since(month.current_period_end);
    assert!((333..=336).contains(&(ends.as_hours() / 24)), "{ends:?}");
    let paid = charges(harness, &acme).await;
    assert!(paid.len() == 2 && (9_000..=9_010).contains(&paid[1]), "{paid:?}");
}

/// Beyond those that the plan includes, and nobody pays the plan twice for it.
pub async fn further_workspaces_are_charged(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &wanted("large", Interval::Month, 3), &key("three")).await.unwrap();
    assert_eq!(charges(harness, &acme).await, [5_000]);
    let four = wanted("large", Interval::Month, 4);
    let more = provider.subscribe(&acme, &four, &key("four")).await.unwrap();
    assert_eq!(more.extras.workspaces, Some(3));
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    let whole: i64 =
        upcoming.lines.iter().filter(|line| !line.proration).map(|line| line.amount.amount).sum();
    assert_eq!(whole, 5_500);
    let none = provider.subscribe(&acme, &wanted("large", Interval::Month, 0), &key("none")).await.unwrap();
    assert_eq!(none.extras.workspaces, Some(0));
}

/// And nobody pays for those that the plan includes.
pub async fn nodes_of_ones_own_are_charged(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let with =
        |nodes| Wanted { extras: Extras { nodes: Some(nodes), workspaces: Some(0) }, ..monthly("large") };
    let five = provider.subscribe(&acme, &with(5), &key("five")).await.unwrap();
    assert_eq!(five.extras, with(5).extras);
    assert_eq!(charges(harness, &acme).await, [4_000 + 5 * 700]);
    let none = provider.subscribe(&acme, &with(0), &key("none")).await.unwrap();
    assert_eq!(none.extras.nodes, Some(0));
    let small = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    assert_eq!(small.extras, Extras::default(), "a plan that does not charge for them has no item for them");
}

/// To the cent.
pub async fn a_preview_is_what_is_charged_and_changes_nothing(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let first = provider.preview(&acme, &monthly("small")).await.unwrap();
    assert_eq!((first.total.amount, first.id.as_str()), (1_000, ""));
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), None);
    let small = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    let preview = provider.preview(&acme, &monthly("large")).await.unwrap();
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), Some(small));
    provider.subscribe(&acme, &monthly("large"), &key("large")).await.unwrap();
    let charged = charges(harness, &acme).await[1];
    assert!((preview.amount_due.amount - charged).abs() <= 1, "{preview:?} and then {charged}");
}

/// Until then it goes on, and afterwards nothing is charged.
pub async fn a_subscription_ends_when_it_is_paid_up(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.cancel(&acme, true, &key("nothing yet")).await.unwrap();
    provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    provider.cancel(&acme, true, &key("end")).await.unwrap();
    let ending = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert!(ending.cancel_at_period_end && ending.state == SubscriptionState::Active, "{ending:?}");
    assert_eq!(provider.upcoming_invoice(&acme).await.unwrap(), None);
    harness.pass(&acme, MONTH).await;
    let over = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert_eq!(over.state, SubscriptionState::Canceled);
    assert_eq!(charges(harness, &acme).await, [1_000]);
}

/// And can be begun anew.
pub async fn a_subscription_ends_at_once(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let first = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    for again in ["end", "end again"] {
        provider.cancel(&acme, false, &key(again)).await.unwrap();
        let over = provider.find_subscription(&acme).await.unwrap().unwrap();
        assert_eq!(over.state, SubscriptionState::Canceled);
    }
    let second = provider.subscribe(&acme, &monthly("small"), &key("anew")).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), Some(second));
    assert_eq!(charges(harness, &acme).await, [1_000, 1_000]);
}

/// By asking for the plan again; that costs nothing.
pub async fn an_end_can_be_taken_back(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    provider.cancel(&acme, true, &key("end")).await.unwrap();
    let back = provider.subscribe(&acme, &monthly("small"), &key("back")).await.unwrap();
    assert!(monthly("small").is_met_by(&back), "{back:?}");
    assert_eq!(charges(harness, &acme).await, [1_000]);
}

/// A renewal that fails is owed, and is paid with the next card that works.
pub async fn whoever_does_not_pay_owes_until_they_choose_another_card(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    harness.pass(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [1_000, 1_000], "it renews by itself");
    let bad = attach(harness, &acme, harness.refused_card(), "bad card").await;
    provider.choose_payment_method(&acme, &bad, &key("choose")).await.unwrap();
    harness.pass(&acme, MONTH).await;
    let owing = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert!(owing.state.owes(), "{owing:?}");
    assert!(invoices(harness, &acme).await.iter().any(|invoice| invoice.status == "open"));
    let good = attach(harness, &acme, harness.good_card(), "good card").await;
    provider.choose_payment_method(&acme, &good, &key("rescue")).await.unwrap();
    let paid = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert_eq!(paid.state, SubscriptionState::Active);
    assert_eq!(charges(harness, &acme).await, [1_000, 1_000, 1_000]);
}

/// It needs no way to pay to begin.
pub async fn a_trial_charges_nothing_until_it_is_over(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = provider.ensure_customer(&newcomer("acme"), &key("acme")).await.unwrap();
    let tried = provider.subscribe(&acme, &monthly("tried"), &key("tried")).await.unwrap();
    assert_eq!(tried.state, SubscriptionState::Trialing);
    assert!(tried.trial_end.is_some());
    assert!(charges(harness, &acme).await.is_empty());
    attach(harness, &acme, harness.good_card(), "card").await;
    harness.pass(&acme, 8 * DAY).await;
    let active = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert_eq!(active.state, SubscriptionState::Active);
    assert_eq!(charges(harness, &acme).await, [2_000]);
}

/// Tells that so much was used in an hour, for the so-manieth time.
async fn use_up(
    harness: &dyn BillingHarness,
    customer: &CustomerId,
    hour: Hour,
    round: i64,
    (meter, amount): (Meter, u64),
) {
    let event = UsageEvent {
        identifier: format!("{}/{meter}/{hour}/{round}/{amount}", customer.0),
        meter,
        hour,
        at: hour.start() + SignedDuration::from_secs(3_000 + round),
        amount,
    };
    harness.provider().report_usage(customer, &event).await.unwrap();
}

/// The first hour that lies wholly in the subscription's first period.
async fn first_hour(harness: &dyn BillingHarness, customer: &CustomerId) -> Hour {
    let begun = invoices(harness, customer).await.remove(0).created_at;
    Hour::of(begun).after(1)
}

/// However often it is told, and whatever was told before.
pub async fn telling_of_an_hour_again_takes_the_place_of_what_was_told(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("metered"), &key("metered")).await.unwrap();
    let hour = first_hour(harness, &acme).await;
    harness.pass(&acme, 3 * HOUR).await;
    for (hour, round, cpu) in
        [(hour, 0, 7_000), (hour, 0, 7_000), (hour.after(1), 0, 500), (hour, 1, 9_000), (hour, 2, 8_000)]
    {
        use_up(harness, &acme, hour, round, (Meter::Cpu, cpu)).await;
    }
    use_up(harness, &acme, hour, 0, (Meter::Storage, 3)).await;
    let told = |meter, from, until| provider.reported_usage(&acme, meter, from, until);
    assert_eq!(told(Meter::Cpu, hour, hour.after(1)).await.unwrap(), 8_000);
    assert_eq!(told(Meter::Cpu, hour, hour.after(2)).await.unwrap(), 8_500);
    assert_eq!(told(Meter::Cpu, hour.after(2), hour.after(9)).await.unwrap(), 0);
    assert_eq!(told(Meter::Storage, hour, hour.after(2)).await.unwrap(), 3);
    use_up(harness, &acme, hour, 3, (Meter::Cpu, 0)).await;
    assert_eq!(told(Meter::Cpu, hour, hour.after(2)).await.unwrap(), 500);
    let other = provider.ensure_customer(&newcomer("other"), &key("other")).await.unwrap();
    assert_eq!(provider.reported_usage(&other, Meter::Cpu, hour, hour.after(2)).await.unwrap(), 0);
}

/// And is foreseen until then.
pub async fn usage_beyond_what_is_included_is_charged_when_the_period_ends(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("metered"), &key("metered")).await.unwrap();
    let hour = first_hour(harness, &acme).await;
    harness.pass(&acme, 3 * HOUR).await;
    use_up(harness, &acme, hour, 0, (Meter::Cpu, 60_000)).await;
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    assert_eq!(upcoming.total.amount, 3_000, "included: {upcoming:?}");
    use_up(harness, &acme, hour.after(1), 0, (Meter::Cpu, 90_130)).await;
    use_up(harness, &acme, hour.after(1), 0, (Meter::Storage, 5_000_000)).await;
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    // 50.13 core hours at 4 cents, and 5,000 GiB hours at 12 cents for a thousand.
    assert_eq!(upcoming.total.amount, 3_000 + 201 + 60, "{upcoming:?}");
    let cpu: u64 =
        upcoming.lines.iter().filter(|it| it.meter == Some(Meter::Cpu)).map(|it| it.quantity).sum();
    assert_eq!(cpu, 150_130);
    harness.pass(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [3_000, 3_261]);
    harness.pass(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [3_000, 3_261, 3_000], "a new period begins with nothing");
}

/// Whoever leaves pays for it.
pub async fn the_last_invoice_has_what_was_used_until_then(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("metered"), &key("metered")).await.unwrap();
    let hour = first_hour(harness, &acme).await;
    provider.cancel(&acme, true, &key("end")).await.unwrap();
    harness.pass(&acme, 3 * HOUR).await;
    use_up(harness, &acme, hour, 0, (Meter::Cpu, 125_000)).await;
    harness.pass(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [3_000, 100]);
}

/// Neither are their cards nor their invoices.
pub async fn what_is_of_others_is_not_there(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    let invoice = invoices(harness, &acme).await.remove(0);
    assert_eq!(provider.find_invoice(&acme, &invoice.id).await.unwrap().unwrap().id, invoice.id);
    let card = provider.list_payment_methods(&acme).await.unwrap().remove(0).id;

    let other = provider.ensure_customer(&newcomer("other"), &key("other")).await.unwrap();
    assert_eq!(provider.find_invoice(&other, &invoice.id).await.unwrap(), None);
    assert_eq!(provider.find_invoice(&other, "in_made_up").await.unwrap(), None);
    let chosen = provider.choose_payment_method(&other, &card, &key("steal")).await.unwrap_err();
    assert_eq!(chosen.kind(), ErrorKind::NotFound);
    let detached = provider.detach_payment_method(&other, &card, &key("break")).await.unwrap_err();
    assert_eq!(detached.kind(), ErrorKind::NotFound);
    let nobody = CustomerId("cus_made_up".to_owned());
    assert_eq!(provider.list_payment_methods(&nobody).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(provider.find_subscription(&nobody).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(provider.list_payment_methods(&acme).await.unwrap().len(), 1);
}
