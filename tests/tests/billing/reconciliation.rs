use hexabase_core::changeset::Changeset;
use hexabase_core::clock::Clock as _;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{BillingAccount, CustomerId, Hold, Organization, Standing, Workspace};
use hexabase_core::name::PlanId;
use serde_json::json;

use crate::desk::{DAY, Desk};

/// Two workspaces, paid for, and no webhook comes any more.
async fn paying() -> (Desk, OrganizationId, [String; 2]) {
    let mut desk = Desk::open().await;
    desk.card("pm_card_visa").await;
    desk.subscribe("team").await;
    let workspaces = [desk.workspace("one", "team").await, desk.workspace("two", "team").await];
    desk.hear().await;
    let id = desk.organization().rsplit('/').next().unwrap().parse().unwrap();
    (desk, id, workspaces)
}

/// A day later, somebody has come by.
async fn come_by(desk: &Desk) {
    desk.pass(DAY / 2);
    desk.work().await;
    desk.work().await;
}

async fn account(desk: &Desk, id: OrganizationId) -> BillingAccount {
    desk.platform().store().find_billing_account(id).await.unwrap().unwrap()
}

async fn organization(desk: &Desk, id: OrganizationId) -> Organization {
    desk.platform().store().find_organization(id).await.unwrap().unwrap()
}

async fn spoil(desk: &Desk, changeset: Changeset) {
    desk.platform().store().commit(changeset).await.unwrap();
}

fn subscription(desk: &Desk) -> String {
    format!("/v1/subscriptions/{}", desk.live_subscriptions()[0]["id"].as_str().unwrap())
}

fn item(desk: &Desk, place: usize) -> String {
    desk.live_subscriptions()[0]["items"]["data"][place]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_payment_that_failed_unheard() {
    let (desk, ..) = paying().await;
    desk.card("pm_card_chargeCustomerFail").await;
    desk.work().await;
    desk.pass(32 * DAY);
    come_by(&desk).await;
    assert_eq!(desk.get("subscription").await["standing"]["state"], "grace");
}

#[tokio::test]
async fn a_payment_that_came_unheard() {
    let (desk, id, _) = paying().await;
    let now = desk.clock.now();
    let standing = Standing::Grace { since: now, until: now, reminded: true };
    let wrong = BillingAccount { standing, ..account(&desk, id).await };
    spoil(&desk, Changeset::new().billing_account(wrong, now)).await;
    come_by(&desk).await;
    assert_eq!(desk.get("subscription").await["standing"]["state"], "good");
}

#[tokio::test]
async fn a_subscription_that_somebody_ended_at_stripe() {
    let (desk, _, [first, _]) = paying().await;
    desk.stripe.act("DELETE", &subscription(&desk), "");
    come_by(&desk).await;
    assert_eq!(desk.get("subscription").await["plan_id"], "starter");
    assert_eq!(desk.client().get(&first).await["reason"], "PlanNotPaidFor");
}

#[tokio::test]
async fn a_plan_that_somebody_changed_at_stripe() {
    let (desk, ..) = paying().await;
    let keys = "lookup_keys[]=hexabase_business_plan_month";
    let price = desk.stripe.act("GET", "/v1/prices", keys)["data"][0]["id"].clone();
    let form = format!("items[0][id]={}&items[0][price]={}", item(&desk, 0), price.as_str().unwrap());
    desk.stripe.act("POST", &subscription(&desk), &form);
    come_by(&desk).await;
    assert_eq!(desk.get("subscription").await["plan_id"], "business");
}

#[tokio::test]
async fn a_number_of_workspaces_that_somebody_changed_at_stripe() {
    let (desk, ..) = paying().await;
    let form = format!("items[0][id]={}&items[0][quantity]=7", item(&desk, 1));
    desk.stripe.act("POST", &subscription(&desk), &form);
    come_by(&desk).await;
    assert_eq!(desk.live_subscriptions()[0]["items"]["data"][1]["quantity"], 0);
}

#[tokio::test]
async fn an_end_that_somebody_asked_for_at_stripe() {
    let (desk, ..) = paying().await;
    desk.stripe.act("POST", &subscription(&desk), "cancel_at_period_end=true");
    come_by(&desk).await;
    assert_eq!(desk.get("subscription").await["subscription"]["cancel_at_period_end"], true);
}

#[tokio::test]
async fn a_subscription_that_our_record_has_lost() {
    let (desk, id, _) = paying().await;
    let wrong = BillingAccount { subscription: None, ..account(&desk, id).await };
    spoil(&desk, Changeset::new().billing_account(wrong, desk.clock.now())).await;
    come_by(&desk).await;
    assert_eq!(desk.get("subscription").await["subscription"]["state"], "active");
}

#[tokio::test]
async fn a_plan_that_our_record_has_wrong() {
    let (desk, id, _) = paying().await;
    let plan_id = PlanId::parse("starter").unwrap();
    let wrong = Organization { plan_id, ..organization(&desk, id).await };
    spoil(&desk, Changeset::new().organization(wrong, desk.clock.now())).await;
    come_by(&desk).await;
    assert_eq!(desk.get("subscription").await["plan_id"], "team");
}

#[tokio::test]
async fn a_workspace_that_sleeps_although_it_is_paid_for() {
    let (desk, id, [first, _]) = paying().await;
    let workspace = first.rsplit('/').next().unwrap().parse().unwrap();
    let found = desk.platform().store().load_workspace(id, workspace).await.unwrap().unwrap().workspace;
    let wrong = Workspace { held: Some(Hold::Overdue), ..found };
    spoil(&desk, Changeset::new().workspace(wrong, desk.clock.now())).await;
    come_by(&desk).await;
    assert_eq!(desk.client().get(&first).await["phase"], "ready");
    let found = desk.platform().store().load_workspace(id, workspace).await.unwrap().unwrap().workspace;
    assert_eq!(found.held, None);
}

#[tokio::test]
async fn a_customer_that_somebody_removed_at_stripe() {
    let (desk, ..) = paying().await;
    let before = desk.customer();
    desk.stripe.act("DELETE", &format!("/v1/customers/{before}"), "");
    come_by(&desk).await;
    assert_eq!(desk.get("subscription").await["plan_id"], "starter");
    // They begin anew.
    desk.card("pm_card_visa").await;
    desk.subscribe("team").await;
    assert_ne!(desk.customer(), before);
    assert_eq!(desk.get("subscription").await["plan_id"], json!("team"));
}

#[tokio::test]
async fn a_customer_that_our_record_has_lost() {
    let (desk, id, _) = paying().await;
    let before: CustomerId = account(&desk, id).await.customer_id.unwrap();
    let wrong = BillingAccount { customer_id: None, ..account(&desk, id).await };
    spoil(&desk, Changeset::new().billing_account(wrong, desk.clock.now())).await;
    desk.subscribe("business").await;
    assert_eq!(account(&desk, id).await.customer_id, Some(before), "nobody is made a customer twice");
    assert_eq!(desk.live_subscriptions().len(), 1);
}
