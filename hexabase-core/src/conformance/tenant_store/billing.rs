use super::setup::{acme, later, nothing, populate};
use crate::ErrorKind;
use crate::changeset::{Changeset, RecordKey};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::model::{
    AddOns, BillingAccount, BillingStanding, Currency, CustomerId, Interval, Meter, Money, Month, Order,
    OrderRejection, OrderRejectionReason, SentUsageAlerts, Subscription, SubscriptionChange,
    SubscriptionState, UsageAlert, UsageBound, WebhookEvent,
};
use crate::name::PlanId;
use crate::store::{PruneCutoffs, TenantStore};
use jiff::Timestamp;

pub(super) fn account() -> BillingAccount {
    let plan_id = PlanId::parse("small").unwrap();
    BillingAccount {
        customer_id: Some(CustomerId("cus_acme".to_owned())),
        order: Some(Order {
            id: id("order"),
            change: SubscriptionChange::Subscribe {
                plan_id: plan_id.clone(),
                interval: Interval::Year,
                coupon: None,
            },
            requested_by: id("owner"),
            requested_at: FIXTURE_TIME,
        }),
        rejection: Some(OrderRejection {
            order_id: id("earlier"),
            reason: OrderRejectionReason::PaymentFailed,
            message: "the card was declined".to_owned(),
            at: FIXTURE_TIME,
        }),
        subscription: Some(Subscription {
            id: "sub_1".to_owned(),
            plan_id,
            interval: Interval::Month,
            add_ons: AddOns { workspaces: Some(2), nodes: None },
            state: SubscriptionState::PastDue,
            current_period_end: later(86_400),
            cancel_at_period_end: true,
            trial_end: Some(later(60)),
            awaits_confirmation: true,
        }),
        standing: BillingStanding::Grace { since: FIXTURE_TIME, until: later(99), reminded: true },
        budget: Some(Money { amount: 900, currency: Currency::parse("usd").unwrap() }),
        sent_usage_alerts: SentUsageAlerts {
            month: Some(Month::of(FIXTURE_TIME)),
            alerts: [UsageBound::Budget, UsageBound::Included(Meter::Cpu)]
                .map(|bound| UsageAlert { bound, percent: 80 })
                .into(),
        },
        reconcile_at: Some(later(9)),
        reconciled_at: Some(FIXTURE_TIME),
        failures: 3,
        ..BillingAccount::new(acme(), FIXTURE_TIME)
    }
}

/// An account is read back as written, and is found by its organization and by its customer id.
pub async fn a_billing_account_is_found_by_organization_and_by_customer(store: &dyn TenantStore) {
    populate(store).await;
    assert_eq!(store.find_billing_account(acme()).await.unwrap(), None);
    store.commit(Changeset::new().insert(account())).await.unwrap();
    assert_eq!(store.find_billing_account(acme()).await.unwrap(), Some(account()));
    let customer = |name: &str| CustomerId(name.to_owned());
    assert_eq!(store.find_customer(&customer("cus_acme")).await.unwrap(), Some(acme()));
    assert_eq!(store.find_customer(&customer("cus_other")).await.unwrap(), None);

    let renamed = BillingAccount { customer_id: Some(customer("cus_new")), ..account() };
    store.commit(Changeset::new().billing_account(renamed.clone(), FIXTURE_TIME)).await.unwrap();
    assert_eq!(store.find_customer(&customer("cus_acme")).await.unwrap(), None);
    assert_eq!(store.find_customer(&customer("cus_new")).await.unwrap(), Some(acme()));
    let stale = store.commit(Changeset::new().billing_account(renamed, FIXTURE_TIME)).await.unwrap_err();
    assert!(stale.is_version_conflict(), "{stale:?}");
}

/// Due accounts are ordered by due time; accounts that are not yet due or have no due time are not included.
pub async fn due_accounts_are_listed_most_overdue_first(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new().insert(BillingAccount { reconcile_at: Some(later(2)), ..account() });
    for (name, reconcile_at) in [("early", Some(later(1))), ("late", Some(later(3))), ("never", None)] {
        let account = BillingAccount { reconcile_at, customer_id: None, ..account() };
        let account = BillingAccount { organization_id: id(name), ..account };
        changeset = changeset.insert(fixture::organization(name)).insert(account);
    }
    store.commit(changeset).await.unwrap();
    assert_eq!(store.list_due_accounts(later(2), 9).await.unwrap(), [id("early"), acme()]);
    assert_eq!(store.list_due_accounts(later(2), 1).await.unwrap(), [id("early")]);
    assert!(store.list_due_accounts(FIXTURE_TIME, 9).await.unwrap().is_empty());
}

/// An account is deleted with its organization.
pub async fn a_billing_account_is_deleted_with_its_organization(store: &dyn TenantStore) {
    populate(store).await;
    store.commit(Changeset::new().insert(account())).await.unwrap();
    store.commit(Changeset::new().delete(RecordKey::Organization(acme()))).await.unwrap();
    assert_eq!(store.find_billing_account(acme()).await.unwrap(), None);
    assert!(store.list_due_accounts(later(99), 9).await.unwrap().is_empty());
}

fn webhook_event(id: &str, received_at: Timestamp) -> WebhookEvent {
    WebhookEvent {
        id: id.to_owned(),
        kind: "invoice.paid".to_owned(),
        customer_id: CustomerId("cus_acme".to_owned()),
        received_at,
        processed_at: None,
    }
}

/// Events are ordered by the time of receipt, and processed events are not included.
pub async fn webhook_events_are_listed_until_they_are_processed(store: &dyn TenantStore) {
    let (early, late, later_still) = (
        webhook_event("evt_b", later(1)),
        webhook_event("evt_c", later(2)),
        webhook_event("evt_a", later(2)),
    );
    for event in [&late, &early, &later_still] {
        store.commit(Changeset::new().insert(event.clone())).await.unwrap();
    }
    assert_eq!(store.list_webhook_events(2).await.unwrap(), [early.clone(), later_still.clone()]);
    let processed = WebhookEvent { processed_at: Some(later(3)), ..early };
    store.commit(Changeset::new().update(processed)).await.unwrap();
    assert_eq!(store.list_webhook_events(9).await.unwrap(), [later_still, late]);
}

/// An event is stored only once, and deleted after the retention period.
pub async fn a_webhook_event_is_stored_once_until_it_is_pruned(store: &dyn TenantStore) {
    let event = webhook_event("evt_1", later(5));
    let insert = || store.commit(Changeset::new().insert(event.clone()));
    insert().await.unwrap();
    assert_eq!(insert().await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    store.prune(&PruneCutoffs { events: later(5), ..nothing() }, 9).await.unwrap();
    assert_eq!(insert().await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    store.prune(&PruneCutoffs { events: later(6), ..nothing() }, 9).await.unwrap();
    insert().await.unwrap();
}
