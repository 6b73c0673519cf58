//! A body for every operation that takes one.

use serde_json::{Value, json};

use crate::{Operation, Place, hosts};

/// What a token should be like.
#[must_use]
pub fn wanted_token() -> Value {
    json!({ "name": "automation", "scopes": ["workspaces:read"] })
}

/// A body that an operation takes; `Null` for none. The names of new things are in no [`Place`] yet.
#[must_use]
pub fn body_of(operation: &Operation, place: &Place) -> Value {
    if !operation.has_body {
        return Value::Null;
    }
    let end = operation.path.rsplit("/{ws}").next().unwrap();
    let rules = json!([{ "api_groups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    match (operation.method.as_str(), end) {
        ("POST", "/groups") => json!({ "name": "new" }),
        ("PATCH", "/groups/{grp}") => json!({ "name": "renamed" }),
        ("POST", "/node-pools") => json!({ "name": "new", "class": "big", "nodes": 1 }),
        ("POST", "/projects") => json!({ "name": "new" }),
        ("PATCH", "/projects/{prj}") => json!({ "display_name": "Renamed" }),
        ("PUT", "/projects/{prj}/quota") => json!({ "cpu": "1" }),
        ("POST", "/projects/{prj}/roles") => json!({ "name": "new", "rules": rules }),
        ("PATCH", "/projects/{prj}/roles/{rol}") => json!({ "name": "renamed" }),
        ("POST", "/role-assignments") => {
            json!({ "group_id": place.id("grp"), "role": "hexabase:workspace-viewer" })
        }
        ("POST", "/projects/{prj}/role-assignments") => {
            json!({ "group_id": place.id("grp"), "role": "hexabase:project-viewer" })
        }
        ("POST", "/access-reviews") => {
            json!({ "user_id": place.id("user"), "verb": "get", "resource": "pods" })
        }
        ("PATCH", "") => json!({ "display_name": "Renamed" }),
        _ => in_organization(operation),
    }
}

fn in_organization(operation: &Operation) -> Value {
    let end = operation.path.rsplit("/{org}").next().unwrap();
    match (operation.method.as_str(), end) {
        ("PATCH", "") => json!({ "display_name": "Renamed" }),
        ("PUT", "/members/{user}") => json!({ "role": "billing" }),
        ("POST", "/invitations") => json!({ "email": "new@example.com", "role": "member" }),
        ("POST", "/service-accounts") => json!({ "name": "new", "role": "member" }),
        ("POST", "/service-accounts/{id}/tokens") => wanted_token(),
        ("PUT", "/billing/budget") => json!({ "amount": 20_000, "currency": "usd" }),
        ("PUT", "/billing/subscription") => json!({ "plan_id": "team" }),
        ("POST", "/billing/checkout" | "/billing/portal") => json!({ "return_to": "/" }),
        ("POST", "/billing/payment-methods") => json!({ "payment_method": "pm_card_visa" }),
        ("POST", "/webhooks/stripe") => json!({ "id": "evt_forged", "type": "invoice.paid" }),
        ("POST", "/workspaces") => json!({ "name": "new", "plan_id": "team" }),
        ("POST", "/api/v1/admin/clusters") => json!({ "name": "fra-1", "kubeconfig": hosts::KUBECONFIG }),
        ("PATCH", "/api/v1/admin/clusters/{cluster}") => json!({ "cordoned": true }),
        ("POST", "/api/v1/organizations") => json!({ "name": "new", "display_name": "New" }),
        ("POST", "/api/v1/me/tokens") => wanted_token(),
        ("POST", "/api/v1/invitations/accept") => json!({ "token": "hxi_forged" }),
        ("POST", "/auth/token") => json!({}),
        ("POST", "/auth/link/{provider}") => json!({ "return_to": "/" }),
        ("POST", "/auth/refresh") => json!({ "refresh_token": "hxr_forged" }),
        ("POST", "/auth/dev/login") => json!({ "email": "somebody@example.com" }),
        ("POST", "/auth/dev/authorize") => Value::Null,
        _ => panic!("{operation} takes a body, and none is known for it"),
    }
}
