//! Conformance suite for [`BillingProvider`].

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::billing::{
    Billable, BillingKey, BillingProvider, DesiredSubscription, Invoice, InvoiceStatus, NewCustomer,
    UsageEvent,
};
use crate::clock::until;
use crate::error::ErrorKind;
use crate::fixture::{self, id};
use crate::model::{
    AddOns, CustomerId, Hour, Interval, Meter, Money, PerMeter, Plan, Price, SubscriptionState, UnitPrice,
    UsagePrice,
};
use crate::name::{DisplayName, Email};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any calendar month.
const MONTH: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// A provider under test that sells [`plans`], with control over its clock.
#[async_trait]
pub trait BillingHarness: fmt::Debug + Send + Sync {
    /// The provider.
    fn provider(&self) -> &dyn BillingProvider;

    /// The id of a valid payment method, as a browser would receive it from the provider.
    fn working_card(&self) -> &'static str;

    /// The id of a payment method that can be attached but whose charges are declined.
    fn declined_card(&self) -> &'static str;

    /// Advances the time for a customer, including all actions of the provider in that period.
    async fn advance_time(&self, customer: &CustomerId, time: Duration);
}

/// Defines one test per case for a [`BillingHarness`]. See the [module](crate::conformance) for the value of the
/// expression.
#[macro_export]
macro_rules! billing_provider_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            billing_provider,
            $make,
            [
                an_organization_has_one_customer,
                the_first_payment_method_is_the_default,
                an_unknown_payment_method_is_rejected,
                payment_methods_can_be_chosen_and_detached,
                subscribing_without_a_working_payment_method_fails,
                subscribing_charges_once,
                an_upgrade_is_charged_at_once_and_a_downgrade_is_credited_later,
                a_change_with_a_failed_payment_is_not_applied,
                changing_to_a_yearly_interval_starts_a_new_period,
                additional_workspaces_are_charged,
                dedicated_nodes_are_charged,
                a_preview_equals_the_charge_and_changes_nothing,
                canceling_at_period_end_ends_the_subscription_with_the_period,
                canceling_immediately_ends_the_subscription,
                a_pending_cancellation_can_be_reverted,
                a_failed_renewal_is_paid_with_the_next_working_card,
                a_trial_charges_nothing_until_it_ends,
                renewals_keep_the_day_of_the_month,
                reporting_an_hour_again_replaces_the_earlier_report,
                usage_above_the_included_amount_is_charged_at_period_end,
                the_final_invoice_includes_the_remaining_usage,
                an_immediate_cancellation_charges_the_reported_usage_once,
                records_of_other_customers_are_not_found,
                webhooks_have_a_fixed_endpoint_and_require_a_signature,
            ]
        );
    };
}

/// The plans that the provider under test sells: `small` for 10.00 a month or 100.00 a year; `large` for 40.00 a month
/// with one workspace and two nodes included, 5.00 for each additional workspace and 7.00 for each additional node;
/// `tried` with a free trial of 7 days; `metered` for 30.00 a month with 100 core hours included, 0.04 for each
/// further one, and 0.12 per thousand GiB hours of storage.
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
    let mut usage = PerMeter::from_fn(|_| None);
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

fn desired(plan: &str, interval: Interval, workspaces: u32) -> DesiredSubscription {
    let plans = plans();
    let plan = plans.iter().find(|known| known.id.as_str() == plan).unwrap();
    DesiredSubscription::of(plan, interval, Billable { workspaces, nodes: 0 })
}

fn monthly(plan: &str) -> DesiredSubscription {
    desired(plan, Interval::Month, 1)
}

fn key(text: &str) -> BillingKey {
    BillingKey(text.to_owned())
}

fn new_customer(name: &str) -> NewCustomer {
    NewCustomer {
        organization_id: id(name),
        name: DisplayName::parse(name).unwrap(),
        email: Some(Email::parse(&format!("{name}@example.com")).unwrap()),
    }
}

/// Creates a customer with a valid card.
async fn customer(harness: &dyn BillingHarness) -> CustomerId {
    let customer = harness.provider().ensure_customer(&new_customer("acme"), &key("acme")).await.unwrap();
    attach(harness, &customer, harness.working_card(), "first card").await;
    customer
}

async fn attach(harness: &dyn BillingHarness, customer: &CustomerId, card: &str, name: &str) -> String {
    harness.provider().attach_payment_method(customer, card, &key(name)).await.unwrap().id
}

async fn invoices(harness: &dyn BillingHarness, customer: &CustomerId) -> Vec<Invoice> {
    harness.provider().list_invoices(customer, 100, None).await.unwrap()
}

/// The paid amounts, in the order of the charges.
async fn charges(harness: &dyn BillingHarness, customer: &CustomerId) -> Vec<i64> {
    let paid = invoices(harness, customer)
        .await
        .into_iter()
        .rev()
        .filter(|invoice| invoice.status == InvoiceStatus::Paid);
    paid.map(|invoice| invoice.amount_due.amount).filter(|amount| *amount != 0).collect()
}

/// Repeated calls return the same customer, with the same or another idempotency key.
pub async fn an_organization_has_one_customer(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = provider.ensure_customer(&new_customer("acme"), &key("acme")).await.unwrap();
    for again in ["acme", "another key"] {
        assert_eq!(provider.ensure_customer(&new_customer("acme"), &key(again)).await.unwrap(), acme);
    }
    assert_ne!(provider.ensure_customer(&new_customer("other"), &key("other")).await.unwrap(), acme);
    assert!(provider.list_payment_methods(&acme).await.unwrap().is_empty());
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), None);
    assert_eq!(provider.upcoming_invoice(&acme).await.unwrap(), None);
    assert!(invoices(harness, &acme).await.is_empty());
}

/// The first payment method becomes the default, and each has a title for users.
pub async fn the_first_payment_method_is_the_default(harness: &dyn BillingHarness) {
    let acme = harness.provider().ensure_customer(&new_customer("acme"), &key("acme")).await.unwrap();
    let first = attach(harness, &acme, harness.working_card(), "first card").await;
    assert_eq!(
        attach(harness, &acme, harness.working_card(), "first card").await,
        first,
        "one key, one card"
    );
    let second = attach(harness, &acme, harness.declined_card(), "second card").await;
    let methods = harness.provider().list_payment_methods(&acme).await.unwrap();
    let seen: Vec<_> = methods.iter().map(|method| (method.id.as_str(), method.is_default)).collect();
    assert_eq!(seen, [(first.as_str(), true), (second.as_str(), false)]);
    assert!(methods[0].title.contains("4242"), "{}", methods[0].title);
}

/// An unknown payment method is rejected as `Invalid`.
pub async fn an_unknown_payment_method_is_rejected(harness: &dyn BillingHarness) {
    let acme = customer(harness).await;
    let made_up = harness.provider().attach_payment_method(&acme, "pm_made_up", &key("card")).await;
    assert_eq!(made_up.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(harness.provider().list_payment_methods(&acme).await.unwrap().len(), 1);
}

/// At most one payment method is the default.
pub async fn payment_methods_can_be_chosen_and_detached(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let second = attach(harness, &acme, harness.working_card(), "second card").await;
    provider.choose_payment_method(&acme, &second, &key("choose")).await.unwrap();
    let methods = provider.list_payment_methods(&acme).await.unwrap();
    assert_eq!(methods.iter().map(|method| method.is_default).collect::<Vec<_>>(), [true, false]);
    assert_eq!(methods[0].id, second);
    provider.detach_payment_method(&acme, &methods[1].id, &key("detach")).await.unwrap();
    assert_eq!(provider.list_payment_methods(&acme).await.unwrap(), methods[..1]);
    let gone = provider.choose_payment_method(&acme, &methods[1].id, &key("again")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

/// Without a payment method, or with one whose charges are declined, no subscription becomes live.
pub async fn subscribing_without_a_working_payment_method_fails(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = provider.ensure_customer(&new_customer("acme"), &key("acme")).await.unwrap();
    let without_method =
        provider.subscribe(&acme, &monthly("small"), &key("without method")).await.unwrap_err();
    assert_eq!((without_method.kind(), without_method.code()), (ErrorKind::Conflict, "no_payment_method"));
    attach(harness, &acme, harness.declined_card(), "card").await;
    let refused = provider.subscribe(&acme, &monthly("small"), &key("refused")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Conflict, "payment_failed"));
    let found = provider.find_subscription(&acme).await.unwrap();
    assert!(found.is_none_or(|subscription| !subscription.state.is_live()));
    assert!(charges(harness, &acme).await.is_empty());
}

/// Subscribing again, with the same or another idempotency key, returns the existing subscription.
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

/// Both are prorated for the rest of the period.
pub async fn an_upgrade_is_charged_at_once_and_a_downgrade_is_credited_later(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let small = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    let large = provider.subscribe(&acme, &monthly("large"), &key("large")).await.unwrap();
    assert_eq!(large.id, small.id, "the customer must keep one subscription");
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

/// The subscription stays unchanged, and nothing is charged later either.
pub async fn a_change_with_a_failed_payment_is_not_applied(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let small = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    let bad = attach(harness, &acme, harness.declined_card(), "bad card").await;
    provider.choose_payment_method(&acme, &bad, &key("choose")).await.unwrap();
    let refused = provider.subscribe(&acme, &monthly("large"), &key("large")).await.unwrap_err();
    assert_eq!(refused.code(), "payment_failed");
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), Some(small));
    provider.cancel(&acme, true, &key("end")).await.unwrap();
    provider.subscribe(&acme, &monthly("large"), &key("large again")).await.unwrap_err();
    let ending = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert!(ending.cancel_at_period_end, "the pending cancellation must remain");
    provider.subscribe(&acme, &monthly("small"), &key("go on")).await.unwrap();
    assert_eq!(charges(harness, &acme).await, [1_000]);
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    assert_eq!(upcoming.total.amount, 1_000);
}

/// The rest of the month is credited.
pub async fn changing_to_a_yearly_interval_starts_a_new_period(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let month = provider.subscribe(&acme, &monthly("small"), &key("month")).await.unwrap();
    let yearly = desired("small", Interval::Year, 1);
    let year = provider.subscribe(&acme, &yearly, &key("year")).await.unwrap();
    assert!(yearly.is_met_by(&year), "{year:?}");
    assert_eq!(year.id, month.id);
    let ends = year.current_period_end.duration_since(month.current_period_end);
    assert!((333..=336).contains(&(ends.as_hours() / 24)), "{ends:?}");
    let paid = charges(harness, &acme).await;
    assert!(paid.len() == 2 && (9_000..=9_010).contains(&paid[1]), "{paid:?}");
}

/// Workspaces above the included number are charged, and the plan is not charged again.
pub async fn additional_workspaces_are_charged(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &desired("large", Interval::Month, 3), &key("three")).await.unwrap();
    assert_eq!(charges(harness, &acme).await, [5_000]);
    let four = desired("large", Interval::Month, 4);
    let more = provider.subscribe(&acme, &four, &key("four")).await.unwrap();
    assert_eq!(more.add_ons.workspaces, Some(3));
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    let whole: i64 =
        upcoming.lines.iter().filter(|line| !line.proration).map(|line| line.amount.amount).sum();
    assert_eq!(whole, 5_500);
    let none = provider.subscribe(&acme, &desired("large", Interval::Month, 0), &key("none")).await.unwrap();
    assert_eq!(none.add_ons.workspaces, Some(0));
}

/// Nodes above the included number are charged.
pub async fn dedicated_nodes_are_charged(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let with = |nodes| DesiredSubscription {
        add_ons: AddOns { nodes: Some(nodes), workspaces: Some(0) },
        ..monthly("large")
    };
    let five = provider.subscribe(&acme, &with(5), &key("five")).await.unwrap();
    assert_eq!(five.add_ons, with(5).add_ons);
    assert_eq!(charges(harness, &acme).await, [4_000 + 5 * 700]);
    let none = provider.subscribe(&acme, &with(0), &key("none")).await.unwrap();
    assert_eq!(none.add_ons.nodes, Some(0));
    let small = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    assert_eq!(small.add_ons, AddOns::default(), "a plan without a node price must have no item for nodes");
}

/// The amounts are equal up to one minor unit.
pub async fn a_preview_equals_the_charge_and_changes_nothing(harness: &dyn BillingHarness) {
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
    assert!((preview.amount_due.amount - charged).abs() <= 1, "previewed {preview:?}, charged {charged}");
}

/// The subscription stays active until the end of the period; nothing is charged afterwards.
pub async fn canceling_at_period_end_ends_the_subscription_with_the_period(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.cancel(&acme, true, &key("nothing yet")).await.unwrap();
    provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    provider.cancel(&acme, true, &key("end")).await.unwrap();
    let ending = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert!(ending.cancel_at_period_end && ending.state == SubscriptionState::Active, "{ending:?}");
    assert_eq!(provider.upcoming_invoice(&acme).await.unwrap(), None);
    harness.advance_time(&acme, MONTH).await;
    let over = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert_eq!(over.state, SubscriptionState::Canceled);
    assert_eq!(charges(harness, &acme).await, [1_000]);
}

/// The customer can subscribe again afterwards.
pub async fn canceling_immediately_ends_the_subscription(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    let first = provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    for again in ["end", "end again"] {
        provider.cancel(&acme, false, &key(again)).await.unwrap();
        let over = provider.find_subscription(&acme).await.unwrap().unwrap();
        assert_eq!(over.state, SubscriptionState::Canceled);
    }
    let second = provider.subscribe(&acme, &monthly("small"), &key("subscribe again")).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(provider.find_subscription(&acme).await.unwrap(), Some(second));
    assert_eq!(charges(harness, &acme).await, [1_000, 1_000]);
}

/// Subscribing to the same plan again reverts the cancellation at no cost.
pub async fn a_pending_cancellation_can_be_reverted(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    provider.cancel(&acme, true, &key("end")).await.unwrap();
    let back = provider.subscribe(&acme, &monthly("small"), &key("back")).await.unwrap();
    assert!(monthly("small").is_met_by(&back), "{back:?}");
    assert_eq!(charges(harness, &acme).await, [1_000]);
}

/// A failed renewal leaves the subscription unpaid until a valid card becomes the default; then it is charged.
pub async fn a_failed_renewal_is_paid_with_the_next_working_card(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    harness.advance_time(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [1_000, 1_000], "the subscription must renew automatically");
    let bad = attach(harness, &acme, harness.declined_card(), "bad card").await;
    provider.choose_payment_method(&acme, &bad, &key("choose")).await.unwrap();
    harness.advance_time(&acme, MONTH).await;
    let owing = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert!(owing.state.is_payment_missing(), "{owing:?}");
    assert!(invoices(harness, &acme).await.iter().any(|invoice| invoice.status == InvoiceStatus::Open));
    let good = attach(harness, &acme, harness.working_card(), "good card").await;
    provider.choose_payment_method(&acme, &good, &key("rescue")).await.unwrap();
    let paid = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert_eq!(paid.state, SubscriptionState::Active);
    assert_eq!(charges(harness, &acme).await, [1_000, 1_000, 1_000]);
}

/// A trial starts without a payment method.
pub async fn a_trial_charges_nothing_until_it_ends(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = provider.ensure_customer(&new_customer("acme"), &key("acme")).await.unwrap();
    let tried = provider.subscribe(&acme, &monthly("tried"), &key("tried")).await.unwrap();
    assert_eq!(tried.state, SubscriptionState::Trialing);
    assert!(tried.trial_end.is_some());
    assert!(charges(harness, &acme).await.is_empty());
    attach(harness, &acme, harness.working_card(), "card").await;
    harness.advance_time(&acme, 8 * DAY).await;
    let active = provider.find_subscription(&acme).await.unwrap().unwrap();
    assert_eq!(active.state, SubscriptionState::Active);
    assert_eq!(charges(harness, &acme).await, [2_000]);
}

/// A subscription that starts on the 31st renews on the 31st again after a shorter month.
pub async fn renewals_keep_the_day_of_the_month(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("small"), &key("now")).await.unwrap();
    let now = invoices(harness, &acme).await.remove(0).created_at.to_zoned(TimeZone::UTC);
    provider.cancel(&acme, false, &key("end")).await.unwrap();
    let year = if (now.month(), now.day()) < (1, 31) { now.year() } else { now.year() + 1 };
    let start = now.with().year(year).month(1).day(31).build().unwrap();
    harness.advance_time(&acme, until(now.timestamp(), start.timestamp())).await;
    let mut end =
        provider.subscribe(&acme, &monthly("small"), &key("31st")).await.unwrap().current_period_end;
    let (mut reached, mut months) = (start.timestamp(), Vec::new());
    for _ in 0..4 {
        let date = end.to_zoned(TimeZone::UTC);
        assert_eq!(date.day(), date.days_in_month(), "{date}");
        months.push(date.month());
        harness.advance_time(&acme, until(reached, end)).await;
        reached = end;
        end = provider.find_subscription(&acme).await.unwrap().unwrap().current_period_end;
    }
    assert_eq!(months, [2, 3, 4, 5]);
}

/// Reports the usage of one hour, as this revision of the report.
async fn report_usage_of(
    harness: &dyn BillingHarness,
    customer: &CustomerId,
    hour: Hour,
    revision: i64,
    (meter, amount): (Meter, u64),
) {
    let event = UsageEvent {
        identifier: format!("{}/{meter}/{hour}/{revision}/{amount}", customer.0),
        meter,
        hour,
        at: hour.start() + SignedDuration::from_secs(3_000 + revision),
        amount,
    };
    harness.provider().report_usage(customer, &event).await.unwrap();
}

/// The first hour that is completely inside the subscription's first period.
async fn first_hour(harness: &dyn BillingHarness, customer: &CustomerId) -> Hour {
    let begun = invoices(harness, customer).await.remove(0).created_at;
    Hour::of(begun).after(1)
}

/// The last revision counts, also if an identical report is repeated.
pub async fn reporting_an_hour_again_replaces_the_earlier_report(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("metered"), &key("metered")).await.unwrap();
    let hour = first_hour(harness, &acme).await;
    harness.advance_time(&acme, 3 * HOUR).await;
    for (hour, revision, cpu) in
        [(hour, 0, 7_000), (hour, 0, 7_000), (hour.after(1), 0, 500), (hour, 1, 9_000), (hour, 2, 8_000)]
    {
        report_usage_of(harness, &acme, hour, revision, (Meter::Cpu, cpu)).await;
    }
    report_usage_of(harness, &acme, hour, 0, (Meter::Storage, 3)).await;
    let reported = |meter, from, until| provider.reported_usage(&acme, meter, from, until);
    assert_eq!(reported(Meter::Cpu, hour, hour.after(1)).await.unwrap(), 8_000);
    assert_eq!(reported(Meter::Cpu, hour, hour.after(2)).await.unwrap(), 8_500);
    assert_eq!(reported(Meter::Cpu, hour.after(2), hour.after(9)).await.unwrap(), 0);
    assert_eq!(reported(Meter::Storage, hour, hour.after(2)).await.unwrap(), 3);
    report_usage_of(harness, &acme, hour, 3, (Meter::Cpu, 0)).await;
    assert_eq!(reported(Meter::Cpu, hour, hour.after(2)).await.unwrap(), 500);
    let other = provider.ensure_customer(&new_customer("other"), &key("other")).await.unwrap();
    assert_eq!(provider.reported_usage(&other, Meter::Cpu, hour, hour.after(2)).await.unwrap(), 0);
}

/// The upcoming invoice shows it before.
pub async fn usage_above_the_included_amount_is_charged_at_period_end(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("metered"), &key("metered")).await.unwrap();
    let hour = first_hour(harness, &acme).await;
    harness.advance_time(&acme, 3 * HOUR).await;
    report_usage_of(harness, &acme, hour, 0, (Meter::Cpu, 60_000)).await;
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    assert_eq!(upcoming.total.amount, 3_000, "usage within the included amount must be free: {upcoming:?}");
    report_usage_of(harness, &acme, hour.after(1), 0, (Meter::Cpu, 90_130)).await;
    report_usage_of(harness, &acme, hour.after(1), 0, (Meter::Storage, 5_000_000)).await;
    let upcoming = provider.upcoming_invoice(&acme).await.unwrap().unwrap();
    // 50.13 core hours at 0.04 each, and 5,000 GiB hours at 0.12 per thousand.
    assert_eq!(upcoming.total.amount, 3_000 + 201 + 60, "{upcoming:?}");
    let cpu: u64 =
        upcoming.lines.iter().filter(|it| it.meter == Some(Meter::Cpu)).map(|it| it.quantity).sum();
    assert_eq!(cpu, 150_130);
    harness.advance_time(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [3_000, 3_261]);
    harness.advance_time(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [3_000, 3_261, 3_000], "a new period must start without usage");
}

/// After a cancellation, usage up to the end of the period is still charged.
pub async fn the_final_invoice_includes_the_remaining_usage(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("metered"), &key("metered")).await.unwrap();
    let hour = first_hour(harness, &acme).await;
    provider.cancel(&acme, true, &key("end")).await.unwrap();
    harness.advance_time(&acme, 3 * HOUR).await;
    report_usage_of(harness, &acme, hour, 0, (Meter::Cpu, 125_000)).await;
    harness.advance_time(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [3_000, 100]);
}

/// The usage of the ended subscription is not charged again by the next one.
pub async fn an_immediate_cancellation_charges_the_reported_usage_once(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("metered"), &key("metered")).await.unwrap();
    let hour = first_hour(harness, &acme).await;
    harness.advance_time(&acme, 3 * HOUR).await;
    report_usage_of(harness, &acme, hour, 0, (Meter::Cpu, 125_000)).await;
    for again in ["now", "now again"] {
        provider.cancel(&acme, false, &key(again)).await.unwrap();
        assert_eq!(charges(harness, &acme).await, [3_000, 100]);
    }
    let lines = &invoices(harness, &acme).await[0].lines;
    let quantity: u64 = lines.iter().filter(|it| it.meter == Some(Meter::Cpu)).map(|it| it.quantity).sum();
    assert_eq!(quantity, 125_000, "{lines:?}");
    harness.advance_time(&acme, HOUR).await;
    provider.subscribe(&acme, &monthly("metered"), &key("again")).await.unwrap();
    harness.advance_time(&acme, MONTH).await;
    assert_eq!(charges(harness, &acme).await, [3_000, 100, 3_000, 3_000]);
}

/// Subscriptions, cards and invoices of another customer are not accessible.
pub async fn records_of_other_customers_are_not_found(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let acme = customer(harness).await;
    provider.subscribe(&acme, &monthly("small"), &key("small")).await.unwrap();
    let invoice = invoices(harness, &acme).await.remove(0);
    assert_eq!(provider.find_invoice(&acme, &invoice.id).await.unwrap().unwrap().id, invoice.id);
    let card = provider.list_payment_methods(&acme).await.unwrap().remove(0).id;

    let other = provider.ensure_customer(&new_customer("other"), &key("other")).await.unwrap();
    assert_eq!(provider.find_invoice(&other, &invoice.id).await.unwrap(), None);
    assert_eq!(provider.find_invoice(&other, "in_made_up").await.unwrap(), None);
    let chosen = provider.choose_payment_method(&other, &card, &key("choose foreign")).await.unwrap_err();
    assert_eq!(chosen.kind(), ErrorKind::NotFound);
    let detached = provider.detach_payment_method(&other, &card, &key("detach foreign")).await.unwrap_err();
    assert_eq!(detached.kind(), ErrorKind::NotFound);
    let unknown = CustomerId("cus_made_up".to_owned());
    assert_eq!(provider.list_payment_methods(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(provider.find_subscription(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(provider.list_payment_methods(&acme).await.unwrap().len(), 1);
}

/// The endpoint is the same at every time, and a webhook without a signature is rejected.
pub async fn webhooks_have_a_fixed_endpoint_and_require_a_signature(harness: &dyn BillingHarness) {
    let provider = harness.provider();
    let endpoint = provider.webhook_endpoint();
    let acme = customer(harness).await;
    harness.advance_time(&acme, HOUR).await;
    assert_eq!(provider.webhook_endpoint(), endpoint);
    let body = br#"{"id":"evt_1","type":"invoice.paid","data":{"object":{}}}"#;
    for signature in ["", "t=1,v1=00"] {
        let unsigned = provider.verify_webhook(body, signature, fixture::FIXTURE_TIME).unwrap_err();
        assert_eq!(unsigned.kind(), ErrorKind::Unauthenticated, "{signature}");
    }
}
