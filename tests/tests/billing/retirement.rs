//! Plans that are not sold any more.

use axum::http::{Method, StatusCode};
use hexabase_core::model::Plan;
use hexabase_core::name::PlanId;
use serde_json::{Value, json};

use crate::desk::{DAY, Desk};

/// The plan `team` retires, and there is a dearer one with less in it.
fn change(plans: &mut Vec<Plan>) {
    let place = plans.iter().position(|plan| plan.id.as_str() == "team").unwrap();
    let mut new = plans[place].clone();
    new.id = PlanId::parse("team-2").unwrap();
    new.limits.workspaces = 1;
    new.price.as_mut().unwrap().monthly.amount = 9_900;
    plans[place].retired = true;
    plans.push(new);
}

fn sold(plans: &Value) -> Vec<&str> {
    plans["items"].as_array().unwrap().iter().map(|plan| plan["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn whoever_is_on_a_plan_that_retires_keeps_it_with_its_price_and_its_limits() {
    let mut desk = Desk::open().await;
    desk.card("pm_card_visa").await;
    desk.subscribe("team").await;
    desk.workspace("one", "team").await;
    desk.sell(change).await;
    assert_eq!(sold(&desk.client().get("/api/v1/plans").await), ["starter", "team-2", "business"]);

    // More of it, another rhythm and back, and the next month: all as before.
    let two = desk.workspace("two", "team").await;
    assert_eq!(desk.client().get(&two).await["phase"], "ready");
    desk.pass(31 * DAY);
    desk.work().await;
    assert_eq!(desk.charges(), [4_900, 4_900]);
    desk.must(Method::DELETE, "subscription", Value::Null).await;
    let back = desk.subscribe("team").await;
    assert_eq!(
        (&back["plan_id"], &back["subscription"]["cancel_at_period_end"]),
        (&json!("team"), &json!(false))
    );
    assert_eq!(desk.charges(), [4_900, 4_900]);

    // Whoever leaves it does not come back.
    let too_small = desk.send(Method::PUT, "subscription", json!({ "plan_id": "team-2" })).await;
    assert_eq!(too_small.body["code"], "quota_exceeded", "{}", too_small.text);
    desk.subscribe("business").await;
    let again = desk.send(Method::PUT, "subscription", json!({ "plan_id": "team" })).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.text);
    assert!(again.body["errors"][0]["message"].as_str().unwrap().contains("not sold any more"));
    let path = format!("{}/workspaces", desk.organization());
    let three = desk.client().send(Method::POST, &path, &json!({ "name": "three", "plan_id": "team" })).await;
    assert_eq!(
        (three.status, &three.body["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("plan_id"))
    );
    // What is on it stays on it.
    assert_eq!(desk.client().get(&two).await["plan_id"], "team");
    let renamed = desk.client().send(Method::PATCH, &two, &json!({ "display_name": "Two" })).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.text);
}
