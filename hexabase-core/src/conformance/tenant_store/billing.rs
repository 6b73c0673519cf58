use super::world::{acme, build, later};
use crate::ErrorKind;
use crate::changeset::{Changeset, Key};
use crate::fixture::{self, THEN, id};
use crate::model::{
    BillingAccount, Currency, CustomerId, Extras, Interval, Meter, Money, Month, Order, Refusal,
    RefusalReason, Standing, Subscription, SubscriptionState, UsageAlert, UsageBound, Warned, WebhookEvent,
    Wish,
};
use crate::name::PlanId;
use crate::store::TenantStore;
use jiff::Timestamp;

fn account() -> BillingAccount {
    let plan_id = PlanId::parse("small").unwrap();
    BillingAccount {
        customer_id: Some(CustomerId("cus_acme".to_owned())),
        order: Some(Order {
            id: id("order"),
            wish: Wish::Subscribe { plan_id: plan_id.clone(), interval: Interval::Year, coupon: None },
            asked_by: id("owner"),
            asked_at: THEN,
        }),
        refusal: Some(Refusal {
            order_id: id("earlier"),
            reason: RefusalReason::PaymentFailed,
            message: "the bank said no".to_owned(),
            at: THEN,
        }),
        subscription: Some(Subscription {
            id: "sub_1".to_owned(),
            plan_id,
            interval: Interval::Month,
            extras: Extras { workspaces: Some(2), nodes: None },
            state: SubscriptionState::PastDue,
            current_period_end: later(86_400),
            cancel_at_period_end: true,
            trial_end: Some(later(60)),
            awaits_confirmation: true,
        }),
        standing: Standing::Grace { since: THEN, until: later(99), reminded: true },
        budget: Some(Money { amount: 900, currency: Currency::parse("usd").unwrap() }),
        warned: Warned {
            month: Some(Month::of(THEN)),
            of: [UsageBound::Budget, UsageBound::Included(Meter::Cpu)]
                .map(|bound| UsageAlert { bound, percent: 80 })
                .into(),
        },
        look_at: Some(later(9)),
        looked_at: Some(THEN),
        failures: 3,
        ..BillingAccount::new(acme(), THEN)
    }
}

/// An account reads back as it was written, and is found by its organization and by the provider's name for it.
pub async fn an_account_is_found_by_organization_and_by_customer(store: &dyn TenantStore) {
    build(store).await;
    assert_eq!(store.find_billing_account(acme()).await.unwrap(), None);
    store.commit(Changeset::new().insert(account())).await.unwrap();
    assert_eq!(store.find_billing_account(acme()).await.unwrap(), Some(account()));
    let customer = |name: &str| CustomerId(name.to_owned());
    assert_eq!(store.find_customer(&customer("cus_acme")).await.unwrap(), Some(acme()));
    assert_eq!(store.find_customer(&customer("cus_other")).await.unwrap(), None);

    let renamed = BillingAccount { customer_id: Some(customer("cus_new")), ..account() };
    store.commit(Changeset::new().billing_account(renamed.clone(), THEN)).await.unwrap();
    assert_eq!(store.find_customer(&customer("cus_acme")).await.unwrap(), None);
    assert_eq!(store.find_customer(&customer("cus_new")).await.unwrap(), Some(acme()));
    let stale = store.commit(Changeset::new().billing_account(renamed, THEN)).await.unwrap_err();
    assert!(stale.is_version_conflict(), "{stale:?}");
}

/// Accounts that are due come most overdue first; those that are not, or wait for nothing, do not.
pub async fn due_accounts_come_most_overdue_first(store: &dyn TenantStore) {
    build(store).await;
    let mut changeset = Changeset::new().insert(BillingAccount { look_at: Some(later(2)), ..account() });
    for (name, look_at) in [("early", Some(later(1))), ("late", Some(later(3))), ("never", None)] {
        let account = BillingAccount { look_at, customer_id: None, ..account() };
        let account = BillingAccount { organization_id: id(name), ..account };
        changeset = changeset.insert(fixture::organization(name)).insert(account);
    }
    store.commit(changeset).await.unwrap();
    assert_eq!(store.list_due_accounts(later(2), 9).await.unwrap(), [id("early"), acme()]);
    assert_eq!(store.list_due_accounts(later(2), 1).await.unwrap(), [id("early")]);
    assert!(store.list_due_accounts(THEN, 9).await.unwrap().is_empty());
}

/// An account goes with its organization.
pub async fn an_account_goes_with_its_organization(store: &dyn TenantStore) {
    build(store).await;
    store.commit(Changeset::new().insert(account())).await.unwrap();
    store.commit(Changeset::new().delete(Key::Organization(acme()))).await.unwrap();
    assert_eq!(store.find_billing_account(acme()).await.unwrap(), None);
    assert!(store.list_due_accounts(later(99), 9).await.unwrap().is_empty());
}

fn told(id: &str, received_at: Timestamp) -> WebhookEvent {
    WebhookEvent {
        id: id.to_owned(),
        kind: "invoice.paid".to_owned(),
        customer_id: CustomerId("cus_acme".to_owned()),
        received_at,
        heard_at: None,
    }
}

/// What came first comes first, and what was heard does not come again.
pub async fn webhook_events_are_listed_until_they_are_heard(store: &dyn TenantStore) {
    let (early, late, later_still) =
        (told("evt_b", later(1)), told("evt_c", later(2)), told("evt_a", later(2)));
    for event in [&late, &early, &later_still] {
        store.commit(Changeset::new().insert(event.clone())).await.unwrap();
    }
    assert_eq!(store.list_webhook_events(2).await.unwrap(), [early.clone(), later_still.clone()]);
    let heard = WebhookEvent { heard_at: Some(later(3)), ..early };
    store.commit(Changeset::new().update(heard)).await.unwrap();
    assert_eq!(store.list_webhook_events(9).await.unwrap(), [later_still, late]);
}

/// What the provider told is kept once, and forgotten after a while.
pub async fn a_webhook_event_is_kept_once_until_it_is_pruned(store: &dyn TenantStore) {
    let event = told("evt_1", later(5));
    let told = || store.commit(Changeset::new().insert(event.clone()));
    told().await.unwrap();
    assert_eq!(told().await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    store.prune(later(9), later(5)).await.unwrap();
    assert_eq!(told().await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    store.prune(later(9), later(6)).await.unwrap();
    told().await.unwrap();
}
