use hexabase_core::changeset::Changeset;
use hexabase_core::clock::Clock as _;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{
    BillingAccount, BillingStanding, BillingSuspension, CustomerId, Organization, Workspace,
};
use hexabase_core::name::PlanId;
use serde_json::json;

use crate::harness::{DAY, Harness};

/// Creates two paid workspaces. Webhooks are not delivered after that.
async fn paid_workspaces() -> (Harness, OrganizationId, [String; 2]) {
    let mut harness = Harness::new().await;
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    let workspaces =
        [harness.create_workspace("one", "team").await, harness.create_workspace("two", "team").await];
    harness.deliver_webhooks().await;
    let id = harness.organization_path().rsplit('/').next().unwrap().parse().unwrap();
    (harness, id, workspaces)
}

/// Advances the time by half a day, so that the worker runs a periodic billing reconcile.
async fn run_periodic_reconcile(harness: &Harness) {
    harness.advance(DAY / 2);
    harness.run_worker().await;
    harness.run_worker().await;
}

async fn account(harness: &Harness, id: OrganizationId) -> BillingAccount {
    harness.platform().store().find_billing_account(id).await.unwrap().unwrap()
}

async fn organization(harness: &Harness, id: OrganizationId) -> Organization {
    harness.platform().store().find_organization(id).await.unwrap().unwrap()
}

async fn commit_directly(harness: &Harness, changeset: Changeset) {
    harness.platform().store().commit(changeset).await.unwrap();
}

fn subscription(harness: &Harness) -> String {
    format!("/v1/subscriptions/{}", harness.live_subscriptions()[0]["id"].as_str().unwrap())
}

fn item_id(harness: &Harness, index: usize) -> String {
    harness.live_subscriptions()[0]["items"]["data"][index]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_failed_payment_without_webhook_is_detected() {
    let (harness, ..) = paid_workspaces().await;
    harness.add_card("pm_card_chargeCustomerFail").await;
    harness.run_worker().await;
    harness.advance(32 * DAY);
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.get("subscription").await["standing"]["state"], "grace");
}

#[tokio::test]
async fn a_payment_without_webhook_is_detected() {
    let (harness, id, _) = paid_workspaces().await;
    let now = harness.clock.now();
    let standing = BillingStanding::Grace { since: now, until: now, reminded: true };
    let wrong = BillingAccount { standing, ..account(&harness, id).await };
    commit_directly(&harness, Changeset::new().billing_account(wrong, now)).await;
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.get("subscription").await["standing"]["state"], "good");
}

#[tokio::test]
async fn a_subscription_canceled_at_stripe_is_detected() {
    let (harness, _, [first, _]) = paid_workspaces().await;
    harness.stripe.call("DELETE", &subscription(&harness), "");
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.get("subscription").await["plan_id"], "starter");
    assert_eq!(harness.client().get(&first).await["reason"], "PlanNotPaidFor");
}

#[tokio::test]
async fn a_plan_changed_at_stripe_is_detected() {
    let (harness, ..) = paid_workspaces().await;
    let keys = "lookup_keys[]=hexabase_business_plan_month";
    let price = harness.stripe.call("GET", "/v1/prices", keys)["data"][0]["id"].clone();
    let form = format!("items[0][id]={}&items[0][price]={}", item_id(&harness, 0), price.as_str().unwrap());
    harness.stripe.call("POST", &subscription(&harness), &form);
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.get("subscription").await["plan_id"], "business");
}

#[tokio::test]
async fn a_number_of_workspaces_changed_at_stripe_is_corrected() {
    let (harness, ..) = paid_workspaces().await;
    let form = format!("items[0][id]={}&items[0][quantity]=7", item_id(&harness, 1));
    harness.stripe.call("POST", &subscription(&harness), &form);
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.live_subscriptions()[0]["items"]["data"][1]["quantity"], 0);
}

#[tokio::test]
async fn a_cancellation_scheduled_at_stripe_is_detected() {
    let (harness, ..) = paid_workspaces().await;
    harness.stripe.call("POST", &subscription(&harness), "cancel_at_period_end=true");
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.get("subscription").await["subscription"]["cancel_at_period_end"], true);
}

#[tokio::test]
async fn a_lost_subscription_record_is_restored() {
    let (harness, id, _) = paid_workspaces().await;
    let wrong = BillingAccount { subscription: None, ..account(&harness, id).await };
    commit_directly(&harness, Changeset::new().billing_account(wrong, harness.clock.now())).await;
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.get("subscription").await["subscription"]["state"], "active");
}

#[tokio::test]
async fn a_wrong_plan_is_corrected() {
    let (harness, id, _) = paid_workspaces().await;
    let plan_id = PlanId::parse("starter").unwrap();
    let wrong = Organization { plan_id, ..organization(&harness, id).await };
    commit_directly(&harness, Changeset::new().organization(wrong, harness.clock.now())).await;
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.get("subscription").await["plan_id"], "team");
}

#[tokio::test]
async fn a_workspace_that_is_suspended_by_mistake_is_resumed() {
    let (harness, id, [first, _]) = paid_workspaces().await;
    let workspace = first.rsplit('/').next().unwrap().parse().unwrap();
    let found = harness.platform().store().load_workspace(id, workspace).await.unwrap().unwrap().workspace;
    let wrong = Workspace { suspension_reason: Some(BillingSuspension::Overdue), ..found };
    commit_directly(&harness, Changeset::new().workspace(wrong, harness.clock.now())).await;
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.client().get(&first).await["phase"], "ready");
    let found = harness.platform().store().load_workspace(id, workspace).await.unwrap().unwrap().workspace;
    assert_eq!(found.suspension_reason, None);
}

#[tokio::test]
async fn a_customer_deleted_at_stripe_is_detected() {
    let (harness, ..) = paid_workspaces().await;
    let before = harness.customer();
    harness.stripe.call("DELETE", &format!("/v1/customers/{before}"), "");
    run_periodic_reconcile(&harness).await;
    assert_eq!(harness.get("subscription").await["plan_id"], "starter");
    // The organization subscribes again.
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    assert_ne!(harness.customer(), before);
    assert_eq!(harness.get("subscription").await["plan_id"], json!("team"));
}

#[tokio::test]
async fn a_lost_customer_id_is_found_again() {
    let (harness, id, _) = paid_workspaces().await;
    let before: CustomerId = account(&harness, id).await.customer_id.unwrap();
    let wrong = BillingAccount { customer_id: None, ..account(&harness, id).await };
    commit_directly(&harness, Changeset::new().billing_account(wrong, harness.clock.now())).await;
    harness.subscribe("business").await;
    assert_eq!(account(&harness, id).await.customer_id, Some(before), "the existing customer is used again");
    assert_eq!(harness.live_subscriptions().len(), 1);
}
