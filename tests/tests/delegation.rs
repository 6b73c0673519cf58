//! Delegation through the API: no caller grants more than it has, and no replay bypasses authorization.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use axum::http::{Method, StatusCode};
use hexabase_tests::{Client, TestApp, TestUser};
use serde_json::{Value, json};

/// Organization of `ann` with a workspace.
struct Acme {
    app: TestApp,
    ann: TestUser,
    org: String,
    workspace: String,
}

impl Acme {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let ann = app.sign_in("ann").await;
        let org = format!("/api/v1/organizations/{}", app.create_organization(&ann, "acme").await);
        let workspaces = format!("{org}/workspaces");
        let id = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
        let workspace = format!("{workspaces}/{id}");
        Self { app, ann, org, workspace }
    }

    /// Client with a token of `ann` that has these scopes.
    async fn token(&self, scopes: &[&str]) -> Client {
        let request = json!({ "name": "automation", "scopes": scopes });
        let created = self.ann.client.send_ok(Method::POST, "/api/v1/me/tokens", &request).await;
        self.app.anonymous().with_bearer(created["secret"].as_str().unwrap())
    }

    async fn group(&self, name: &str) -> String {
        let groups = self.ann.client.get(&format!("{}/groups", self.workspace)).await;
        let found = groups["items"].as_array().unwrap().iter().find(|group| group["name"] == name).unwrap();
        found["id"].as_str().unwrap().to_owned()
    }
}

async fn assert_forbidden(client: &Client, method: Method, path: &str, body: &Value) {
    let response = client.send(method.clone(), path, body).await;
    assert_eq!(response.status, StatusCode::FORBIDDEN, "{method} {path} {body}: {}", response.text);
}

#[tokio::test]
async fn a_token_grants_no_role_or_scope_beyond_its_own_scopes() {
    let acme = Acme::new().await;
    let bob = acme.app.sign_in("bob").await;
    acme.app.add_member(&acme.ann, acme.org.rsplit('/').next().unwrap(), "carol", "member").await;
    let narrow = acme.token(&["organizations:read", "organizations:write"]).await;
    let accounts = format!("{}/service-accounts", acme.org);
    for (method, path, body) in [
        (Method::POST, accounts.clone(), json!({ "name": "robot", "role": "admin" })),
        (Method::POST, accounts.clone(), json!({ "name": "robot", "role": "member" })),
        (Method::POST, format!("{}/invitations", acme.org), json!({ "email": bob.email, "role": "admin" })),
    ] {
        assert_forbidden(&narrow, method, &path, &body).await;
    }

    let robot = acme.ann.client.create(&accounts, &json!({ "name": "robot", "role": "admin" })).await;
    let tokens = format!("{accounts}/{robot}/tokens");
    assert_forbidden(&narrow, Method::POST, &tokens, &json!({ "name": "all", "scopes": ["all"] })).await;
    let within = json!({ "name": "narrow", "scopes": ["organizations:read"] });
    narrow.send_ok(Method::POST, &tokens, &within).await;

    // With a session or an unrestricted token the same requests succeed.
    let wide = acme.token(&["all"]).await;
    wide.create(&accounts, &json!({ "name": "other", "role": "admin" })).await;
    wide.send_ok(Method::POST, &tokens, &json!({ "name": "all", "scopes": ["all"] })).await;
    let members = acme.token(&["organizations:write", "workspaces:read"]).await;
    members
        .create(&format!("{}/invitations", acme.org), &json!({ "email": bob.email, "role": "member" }))
        .await;
}

#[tokio::test]
async fn a_token_promotes_no_member_beyond_its_own_scopes() {
    let acme = Acme::new().await;
    let org = acme.org.rsplit('/').next().unwrap();
    let carol = acme.app.add_member(&acme.ann, org, "carol", "member").await;
    let path = format!("{}/members/{}", acme.org, carol.id);
    let narrow = acme.token(&["organizations:write", "workspaces:read"]).await;
    assert_forbidden(&narrow, Method::PUT, &path, &json!({ "role": "admin" })).await;
    acme.ann.client.send_ok(Method::PUT, &path, &json!({ "role": "admin" })).await;
    // A smaller role is no grant.
    narrow.send_ok(Method::PUT, &path, &json!({ "role": "member" })).await;
}

#[tokio::test]
async fn an_admin_grants_no_billing_role() {
    let acme = Acme::new().await;
    let org = acme.org.rsplit('/').next().unwrap();
    let admin = acme.app.add_member(&acme.ann, org, "admin", "admin").await;
    let carol = acme.app.add_member(&acme.ann, org, "carol", "member").await;
    let accounts = format!("{}/service-accounts", acme.org);
    let member = format!("{}/members/{}", acme.org, carol.id);
    assert_forbidden(&admin.client, Method::PUT, &member, &json!({ "role": "billing" })).await;
    let account = json!({ "name": "books", "role": "billing" });
    assert_forbidden(&admin.client, Method::POST, &accounts, &account).await;
    // Nor a token of an account that has the role.
    let books = acme.ann.client.create(&accounts, &account).await;
    let token = json!({ "name": "books", "scopes": ["billing:read"] });
    assert_forbidden(&admin.client, Method::POST, &format!("{accounts}/{books}/tokens"), &token).await;
    acme.ann.client.send_ok(Method::POST, &format!("{accounts}/{books}/tokens"), &token).await;
}

#[tokio::test]
async fn a_token_grants_no_right_in_a_workspace_beyond_its_own_scopes() {
    let acme = Acme::new().await;
    let org = acme.org.rsplit('/').next().unwrap();
    let carol = acme.app.add_member(&acme.ann, org, "carol", "member").await;
    let narrow = acme.token(&["access:read", "access:write"]).await;
    let w = &acme.workspace;
    let admins = acme.group("WSAdmins").await;
    let own = acme.ann.client.create(&format!("{w}/groups"), &json!({ "name": "own" })).await;
    for (method, path, body) in [
        (Method::PUT, format!("{w}/members/{}", carol.id), Value::Null),
        (Method::PUT, format!("{w}/groups/{admins}/members/{}", carol.id), Value::Null),
        (Method::PUT, format!("{w}/groups/{own}/members/{}", carol.id), Value::Null),
        (Method::PATCH, format!("{w}/groups/{own}"), json!({ "parent_id": admins })),
        (
            Method::POST,
            format!("{w}/role-assignments"),
            json!({ "group_id": own, "role": "hexabase:workspace-admin" }),
        ),
    ] {
        assert_forbidden(&narrow, method, &path, &body).await;
    }
    let member = ["access:write", "workspaces:read", "clusters:access", "projects:read"];
    let member = acme.token(&member).await;
    member.send_ok(Method::PUT, &format!("{w}/members/{}", carol.id), &Value::Null).await;
    let path = format!("{w}/groups/{admins}/members/{}", carol.id);
    assert_forbidden(&member, Method::PUT, &path, &Value::Null).await;
}

#[tokio::test]
async fn tokens_of_a_service_account_are_listed_and_deleted_in_its_organization_only() {
    let acme = Acme::new().await;
    let accounts = format!("{}/service-accounts", acme.org);
    let create = async |name: &str| {
        acme.ann.client.create(&accounts, &json!({ "name": name, "role": "member" })).await
    };
    let (robot, other) = (create("robot").await, create("other").await);
    let body = json!({ "name": "ci", "scopes": ["organizations:read"] });
    let created = acme.ann.client.send_ok(Method::POST, &format!("{accounts}/{robot}/tokens"), &body).await;
    let own = acme.ann.client.create("/api/v1/me/tokens", &body).await;
    let client = acme.app.anonymous().with_bearer(created["secret"].as_str().unwrap());
    client.get(&acme.org).await;

    assert_eq!(acme.ann.client.get(&format!("{accounts}/{robot}")).await["name"], "robot");
    let listed = acme.ann.client.get(&format!("{accounts}/{robot}/tokens")).await;
    assert_eq!(listed["items"][0]["id"], created["id"]);
    assert!(listed["items"][0].get("secret").is_none());
    let token = created["id"].as_str().unwrap();
    for path in [
        format!("{accounts}/{other}/tokens/{token}"),
        format!("{accounts}/{robot}/tokens/{own}"),
        format!("{accounts}/{}/tokens/{own}", acme.ann.id),
    ] {
        let response = acme.ann.client.send(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}: {}", response.text);
    }
    let path = format!("{accounts}/{robot}/tokens/{token}");
    acme.ann.client.send_ok(Method::DELETE, &path, &Value::Null).await;
    let rejected = client.send(Method::GET, &acme.org, &Value::Null).await;
    assert_eq!(rejected.status, StatusCode::UNAUTHORIZED, "{}", rejected.text);
    let log =
        acme.ann.client.get(&format!("{}/audit-events?action=service_account.delete_token", acme.org)).await;
    assert_eq!(log["items"][0]["before"]["name"], "ci");
}

#[tokio::test]
async fn a_replay_is_for_the_same_credential_and_contains_no_secret() {
    let acme = Acme::new().await;
    let accounts = format!("{}/service-accounts", acme.org);
    let robot = acme.ann.client.create(&accounts, &json!({ "name": "robot", "role": "member" })).await;
    let (tokens, body) = (format!("{accounts}/{robot}/tokens"), json!({ "name": "ci", "scopes": ["all"] }));
    let session = acme.ann.client.clone().with_header("idempotency-key", "token-1");
    let first = session.send_ok(Method::POST, &tokens, &body).await;
    assert!(first["secret"].is_string());

    let replay = session.send(Method::POST, &tokens, &body).await;
    assert_eq!(replay.headers["idempotency-replayed"], "true");
    assert_eq!((&replay.body["id"], &replay.body["secret"]), (&first["id"], &Value::Null));

    let narrow = acme.token(&["projects:read"]).await.with_header("idempotency-key", "token-1");
    assert_forbidden(&narrow, Method::POST, &tokens, &body).await;
    let other = acme.token(&["all"]).await.with_header("idempotency-key", "token-1");
    let mismatch = other.send(Method::POST, &tokens, &body).await;
    assert_eq!(mismatch.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(mismatch.body["code"], "idempotency_mismatch");

    let own = acme.ann.client.clone().with_header("idempotency-key", "own-token");
    let own_token = own.send_ok(Method::POST, "/api/v1/me/tokens", &body).await;
    let replay = own.send_ok(Method::POST, "/api/v1/me/tokens", &body).await;
    assert_eq!((&replay["id"], &replay["secret"]), (&own_token["id"], &Value::Null));
}

#[tokio::test]
async fn a_replay_needs_the_permission_again() {
    let acme = Acme::new().await;
    let org = acme.org.rsplit('/').next().unwrap();
    let admin = acme.app.add_member(&acme.ann, org, "admin", "admin").await;
    let keyed = admin.client.clone().with_header("idempotency-key", "workspace-2");
    let (path, body) = (format!("{}/workspaces", acme.org), json!({ "name": "blog", "plan_id": "starter" }));
    keyed.send_ok(Method::POST, &path, &body).await;
    assert_eq!(keyed.send(Method::POST, &path, &body).await.headers["idempotency-replayed"], "true");
    let member = format!("{}/members/{}", acme.org, admin.id);
    acme.ann.client.send_ok(Method::PUT, &member, &json!({ "role": "member" })).await;
    assert_forbidden(&keyed, Method::POST, &path, &body).await;
    acme.ann.client.send_ok(Method::DELETE, &member, &Value::Null).await;
    let response = keyed.send(Method::POST, &path, &body).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND, "{}", response.text);
}
