//! Request bodies for all operations that take one.

use serde_json::{Value, json};

use crate::{Operation, PathParams, hosts};

/// Request for an API token with one scope.
#[must_use]
pub fn token_request() -> Value {
    json!({ "name": "automation", "scopes": ["workspaces:read"] })
}

/// Returns a valid body for an operation, or `Null` if it takes none. No object in an organization of [`PathParams`]
/// has the names of the new objects.
#[must_use]
pub fn request_body(operation: &Operation, params: &PathParams) -> Value {
    if !operation.has_body {
        return Value::Null;
    }
    let end = operation.path.rsplit("/{ws}").next().unwrap();
    let rules = json!([{ "api_groups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    match (operation.method.as_str(), end) {
        ("POST", "/groups") => json!({ "name": "new" }),
        ("PATCH", "/groups/{grp}") => json!({ "name": "renamed" }),
        ("POST", "/node-pools") => json!({ "name": "new", "class": "big", "nodes": 1 }),
        ("POST", "/alert-rules") => json!({
            "name": "new", "project": params.id("prj"), "metric": "memory", "comparison": "below",
            "percent_of_quota": 10, "for": "0", "severity": "info",
        }),
        ("POST", "/alerts/{id}/silence") => json!({ "minutes": 30, "comment": "maintenance" }),
        ("PATCH", "/alert-rules/{id}") => json!({ "threshold": 2, "for": "1h" }),
        ("POST", "/projects") => json!({ "name": "new" }),
        ("PATCH", "/projects/{prj}") => json!({ "display_name": "Renamed" }),
        ("PUT", "/projects/{prj}/quota") => json!({ "cpu": "1" }),
        ("POST", "/projects/{prj}/roles") => json!({ "name": "new", "rules": rules }),
        ("PATCH", "/projects/{prj}/roles/{rol}") => json!({ "name": "renamed" }),
        ("POST", "/role-assignments") => {
            json!({ "group_id": params.id("grp"), "role": "hexabase:workspace-viewer" })
        }
        ("POST", "/projects/{prj}/role-assignments") => {
            json!({ "group_id": params.id("grp"), "role": "hexabase:project-viewer" })
        }
        ("POST", "/access-reviews") => {
            json!({ "user_id": params.id("user"), "verb": "get", "resource": "pods" })
        }
        ("PATCH", "") => json!({ "display_name": "Renamed" }),
        _ => in_organization(operation),
    }
}

fn in_organization(operation: &Operation) -> Value {
    let end = operation.path.rsplit("/{org}").next().unwrap();
    match (operation.method.as_str(), end) {
        ("PATCH", "") => json!({ "display_name": "Renamed" }),
        ("PUT", "/members/{user}") => json!({ "role": "admin" }),
        ("POST", "/invitations") => json!({ "email": "new@example.com", "role": "member" }),
        ("POST", "/service-accounts") => json!({ "name": "new", "role": "member" }),
        ("POST", "/service-accounts/{id}/tokens") => token_request(),
        ("PATCH", "/inventories/{inventory}") => json!({ "add": ["grp_01h455vb4pex5vsknk084sn02q"] }),
        ("PUT", "/billing/budget") => json!({ "amount": 20_000, "currency": "usd" }),
        ("PUT", "/billing/subscription") => json!({ "plan_id": "team" }),
        ("POST", "/billing/checkout" | "/billing/portal") => json!({ "return_to": "/" }),
        ("POST", "/billing/payment-methods") => json!({ "payment_method": "pm_card_visa" }),
        ("POST", "/webhooks/alertmanager") => json!({ "version": "4", "alerts": [] }),
        ("POST", "/webhooks/stripe") => json!({ "id": "evt_forged", "type": "invoice.paid" }),
        ("POST", "/workspaces") => json!({ "name": "new", "plan_id": "team" }),
        ("POST", "/api/v1/admin/clusters") => {
            json!({ "name": "fra-1", "kubeconfig": hosts::MEMORY_KUBECONFIG })
        }
        ("PUT", "/api/v1/admin/plans") => json!({ "plans": [] }),
        ("POST", "/suspend") if operation.path.starts_with("/api/v1/admin/") => json!({ "reason": "abuse" }),
        ("PATCH", "/api/v1/admin/clusters/{cluster}") => json!({ "cordoned": true }),
        ("POST", "/api/v1/organizations") => json!({ "name": "new", "display_name": "New" }),
        ("POST", "/api/v1/me/tokens") => token_request(),
        ("POST", "/api/v1/invitations/accept") => json!({ "token": "hxi_forged" }),
        ("POST", "/auth/token") => json!({}),
        ("PATCH", "/auth/me") => json!({ "name": "Renamed" }),
        ("POST", "/auth/link/{provider}") => json!({ "return_to": "/" }),
        ("POST", "/auth/refresh") => json!({ "refresh_token": "hxr_forged" }),
        ("POST", "/auth/dev/login") => json!({ "email": "new-user@example.com" }),
        ("POST", "/auth/dev/authorize") => Value::Null,
        _ => panic!("{operation} takes a body, but has no example body here"),
    }
}
