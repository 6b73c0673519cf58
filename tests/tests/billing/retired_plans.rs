//! Plans that are no longer sold.

use axum::http::{Method, StatusCode};
use hexabase_core::model::Plan;
use hexabase_core::name::PlanId;
use serde_json::{Value, json};

use crate::harness::{DAY, Harness};

/// Retires the plan `team`, and adds a more expensive one with lower limits.
fn retire_team(plans: &mut Vec<Plan>) {
    let index = plans.iter().position(|plan| plan.id.as_str() == "team").unwrap();
    let mut new = plans[index].clone();
    new.id = PlanId::parse("team-2").unwrap();
    new.limits.workspaces = 1;
    new.price.as_mut().unwrap().monthly.amount = 9_900;
    plans[index].retired = true;
    plans.push(new);
}

fn plan_ids(plans: &Value) -> Vec<&str> {
    plans["items"].as_array().unwrap().iter().map(|plan| plan["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn organizations_on_a_retired_plan_keep_it_with_its_price_and_limits() {
    let mut harness = Harness::new().await;
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    harness.create_workspace("one", "team").await;
    harness.change_plans(retire_team).await;
    assert_eq!(plan_ids(&harness.client().get("/api/v1/plans").await), ["starter", "team-2", "business"]);

    // New workspaces, the renewal and a withdrawn cancellation work as before.
    let two = harness.create_workspace("two", "team").await;
    assert_eq!(harness.client().get(&two).await["phase"], "ready");
    harness.advance(31 * DAY);
    harness.run_worker().await;
    assert_eq!(harness.charges(), [4_900, 4_900]);
    harness.send_ok(Method::DELETE, "subscription", Value::Null).await;
    let back = harness.subscribe("team").await;
    assert_eq!(
        (&back["plan_id"], &back["subscription"]["cancel_at_period_end"]),
        (&json!("team"), &json!(false))
    );
    assert_eq!(harness.charges(), [4_900, 4_900]);

    // An organization that leaves the plan cannot return to it.
    let too_small = harness.send(Method::PUT, "subscription", json!({ "plan_id": "team-2" })).await;
    assert_eq!(too_small.body["code"], "quota_exceeded", "{}", too_small.text);
    harness.subscribe("business").await;
    let again = harness.send(Method::PUT, "subscription", json!({ "plan_id": "team" })).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.text);
    assert!(again.body["errors"][0]["message"].as_str().unwrap().contains("is retired"));
    let path = format!("{}/workspaces", harness.organization_path());
    let three =
        harness.client().send(Method::POST, &path, &json!({ "name": "three", "plan_id": "team" })).await;
    assert_eq!(
        (three.status, &three.body["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("plan_id"))
    );
    // Workspaces on the plan stay on it.
    assert_eq!(harness.client().get(&two).await["plan_id"], "team");
    let renamed = harness.client().send(Method::PATCH, &two, &json!({ "display_name": "Two" })).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.text);
}
