//! Every operation with every kind of caller. The operations come from the router, and the permissions of each caller
//! from the permission table. Only the bodies of requests are maintained by hand.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod callers;

use axum::http::{Method, StatusCode};
use hexabase_core::access::Action;
use hexabase_tests::operations::{self, operations};
use hexabase_tests::request_bodies::{self, request_body};
use hexabase_tests::{Client, Operation, PathParams, Response, TestApp, TestUser};
use serde_json::{Value, json};

use callers::{Caller, Expected};

/// Platform with two organizations that have one object of each kind, and one caller of each kind in the first one.
struct Setup {
    app: TestApp,
    acme: PathParams,
    rival: TestUser,
    rivals: PathParams,
    callers: Vec<Caller>,
}

impl Setup {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let ann = app.sign_in("ann").await;
        let acme = app.create_full_organization(&ann, "acme").await;
        let rival = app.sign_in("rival").await;
        let rivals = app.create_full_organization(&rival, "rivals").await;
        let callers = callers::all(&app, &acme, &ann).await;
        Self { app, acme, rival, rivals, callers }
    }

    fn ann(&self) -> &Client {
        &self.callers.iter().find(|caller| caller.name == "creator").unwrap().client
    }

    /// Newest audit events of both organizations, in which every change is visible.
    async fn audit_state(&self) -> (Value, Value) {
        let log = |params: &PathParams| {
            format!("{}?limit=1", params.path("/api/v1/organizations/{org}/audit-events"))
        };
        let ours = self.ann().get(&log(&self.acme)).await["items"].take();
        (ours, self.rival.client.get(&log(&self.rivals)).await["items"].take())
    }
}

async fn send(client: &Client, operation: &Operation, params: &PathParams) -> Response {
    let path = format!("{}{}", params.path(&operation.path), operation.query());
    client.send(operation.method.clone(), &path, &request_body(operation, params)).await
}

/// Status for a caller with permission if the state of the platform makes success impossible.
fn expected_error(operation: &Operation) -> Option<StatusCode> {
    // There is no active subscription, and the invoice has no PDF.
    if operation.path.ends_with("/invoices/upcoming") || operation.path.ends_with("/invoices/{inv}/pdf") {
        return Some(StatusCode::NOT_FOUND);
    }
    match (operation.method.as_str(), operation.path.rsplit("/{ws}").next()?) {
        // No task has failed, and the workspace is not suspended.
        ("POST", "/tasks/{tsk}/retry" | "/resume") => Some(StatusCode::CONFLICT),
        _ => None,
    }
}

/// `true` if the next caller can repeat the operation on the same platform.
fn is_repeatable(operation: &Operation) -> bool {
    let deletes = operation.path.ends_with("/payment-methods/{pm}");
    operation.method == Method::GET || (operation.path.contains("/billing/") && !deletes)
}

fn assert_status(operation: &Operation, caller: &str, response: &Response, expected: StatusCode) {
    assert_eq!(response.status, expected, "{operation} as {caller}: {}", response.text);
}

#[test]
fn the_document_describes_exactly_the_routes_of_the_router() {
    let (described, mounted) = (operations::described_paths(), operations::mounted_paths());
    assert_eq!(described, mounted, "left: the OpenAPI document; right: the router");
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let app = TestApp::new().await;
    for path in ["/", "/api", "/api/v1", "/api/v1/nothing", "//example.com/", "/api/v1/organizations//"] {
        let response = app.anonymous().send(Method::GET, path, &Value::Null).await;
        assert_ne!(response.headers.get("location").map(|to| to.as_bytes().starts_with(b"//")), Some(true));
        let not_found = matches!(response.status, StatusCode::NOT_FOUND | StatusCode::PERMANENT_REDIRECT);
        assert!(not_found, "{path}: {}", response.status);
    }
}

#[tokio::test]
async fn a_path_accepts_exactly_the_described_methods() {
    let app = TestApp::new().await;
    for (path, methods) in operations::methods_by_path() {
        let concrete = path.replace(['{', '}'], "");
        let response = app.anonymous().send(Method::TRACE, &concrete, &Value::Null).await;
        assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED, "TRACE {path}");
        let allow = response.headers["allow"].to_str().unwrap();
        let mut allowed: Vec<&str> =
            allow.split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
        allowed.sort_unstable();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[tokio::test]
async fn operations_need_credentials_unless_they_are_public() {
    let setup = Setup::new().await;
    let before = setup.audit_state().await;
    let anonymous = setup.app.anonymous();
    let forged = anonymous.clone().with_bearer("hxb_forged");
    for operation in operations().iter().filter(|operation| !operation.public) {
        for (caller, client) in
            [("an anonymous caller", &anonymous), ("a caller with a forged token", &forged)]
        {
            let response = send(client, operation, &setup.acme).await;
            assert_status(operation, caller, &response, StatusCode::UNAUTHORIZED);
        }
    }
    assert_eq!(setup.audit_state().await, before);
}

#[tokio::test]
async fn a_caller_without_permission_is_rejected_as_the_table_says_and_changes_nothing() {
    let setup = Setup::new().await;
    let before = setup.audit_state().await;
    let mut rejected = 0;
    for operation in operations() {
        let Some(action) = operation.action else { continue };
        for caller in &setup.callers {
            let Expected::Rejected(status) = caller.expected(action) else { continue };
            let response = send(&caller.client, &operation, &setup.acme).await;
            assert_status(&operation, caller.name, &response, status);
            rejected += 1;
        }
    }
    assert!(rejected > 300, "only {rejected} calls were rejected");
    assert_eq!(setup.audit_state().await, before);
}

/// Defines one test for each quarter of the operations, so that they run in parallel: every operation needs a new
/// platform.
macro_rules! quarters {
    ($($name:ident: $quarter:literal),+ $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            assert_allowed($quarter).await;
        }
    )+};
}

quarters! {
    a_caller_with_permission_succeeds_first_quarter: 0,
    a_caller_with_permission_succeeds_second_quarter: 1,
    a_caller_with_permission_succeeds_third_quarter: 2,
    a_caller_with_permission_succeeds_fourth_quarter: 3,
}

async fn assert_allowed(quarter: usize) {
    let mut setup = Setup::new().await;
    for operation in operations().into_iter().skip(quarter).step_by(4) {
        let Some(action) = operation.action else { continue };
        for index in 0..setup.callers.len() {
            let caller = &setup.callers[index];
            if caller.expected(action) != Expected::Allowed {
                continue;
            }
            let response = send(&caller.client, &operation, &setup.acme).await;
            match expected_error(&operation) {
                Some(status) => assert_status(&operation, caller.name, &response, status),
                None => {
                    let (status, text) = (response.status, &response.text);
                    assert!(status.is_success(), "{operation} as {}: {status} {text}", caller.name);
                }
            }
            if !is_repeatable(&operation) {
                setup = Setup::new().await;
            }
        }
    }
}

#[tokio::test]
async fn the_dry_run_of_an_alert_rule_needs_the_right_to_create_it_and_changes_nothing() {
    let setup = Setup::new().await;
    let before = setup.audit_state().await;
    let is_creation = |operation: &Operation| {
        operation.method == Method::POST && operation.path.ends_with("/workspaces/{ws}/alert-rules")
    };
    let creation = operations().into_iter().find(is_creation).unwrap();
    let path = format!("{}?dry_run=true", setup.acme.path(&creation.path));
    let body = request_body(&creation, &setup.acme);
    for caller in &setup.callers {
        let response = caller.client.send(Method::POST, &path, &body).await;
        let expected = match caller.expected(creation.action.unwrap()) {
            Expected::Allowed => StatusCode::OK,
            Expected::Rejected(status) => status,
        };
        assert_status(&creation, caller.name, &response, expected);
    }
    assert_eq!(setup.rival.client.send(Method::POST, &path, &body).await.status, StatusCode::NOT_FOUND);
    assert_eq!(setup.audit_state().await, before);
}

#[tokio::test]
async fn the_owner_of_another_tenant_reaches_no_object_through_their_own_organization() {
    let setup = Setup::new().await;
    let before = setup.audit_state().await;
    let mut attempts = 0;
    for operation in operations().iter().filter(|operation| operation.action.is_some()) {
        let names = operation.parameters();
        for first_foreign in 1..names.len() {
            // The caller's own organization, and from some parameter on the ids of another tenant.
            let mut mixed = setup.rivals.clone();
            for name in names.iter().skip(first_foreign) {
                let foreign = setup.acme.0.iter().filter(|(key, _)| key.split('-').next() == Some(name));
                mixed.0.extend(foreign.map(|(key, id)| (*key, id.clone())));
            }
            let response = send(&setup.rival.client, operation, &mixed).await;
            let caller = format!("a rival with {} and the following of another tenant", names[first_foreign]);
            assert_status(operation, &caller, &response, StatusCode::NOT_FOUND);
            attempts += 1;
        }
    }
    assert!(attempts > 70, "only {attempts} combinations were tried");
    assert_eq!(setup.audit_state().await, before);
}

#[tokio::test]
async fn operator_endpoints_reject_all_other_callers() {
    let setup = Setup::new().await;
    let calls = operations().into_iter().filter(|operation| operation.path.starts_with("/api/v1/admin/"));
    let mut params = setup.acme.clone();
    params.0.insert("id", "msg_00000000000000000000000001".to_owned());
    let mut rejected = 0;
    for operation in calls {
        for caller in &setup.callers {
            let response = send(&caller.client, &operation, &params).await;
            assert_status(&operation, caller.name, &response, StatusCode::FORBIDDEN);
            rejected += 1;
        }
    }
    assert!(rejected > 50, "only {rejected} calls were rejected");
}

#[tokio::test]
async fn sessions_and_tokens_are_accessible_to_their_user_only() {
    let setup = Setup::new().await;
    let sessions = setup.ann().get("/auth/sessions").await;
    let session = sessions["items"][0]["id"].as_str().unwrap().to_owned();
    let token = setup.ann().create("/api/v1/me/tokens", &request_bodies::token_request()).await;
    for path in [format!("/auth/sessions/{session}"), format!("/api/v1/me/tokens/{token}")] {
        let response = setup.rival.client.send(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}: {}", response.text);
    }
    assert!(!setup.rival.client.get("/api/v1/me/tokens").await.to_string().contains(&token));
    assert!(!setup.rival.client.get("/auth/sessions").await.to_string().contains(&session));
}

#[tokio::test]
async fn abilities_agree_with_the_permission_table_for_every_caller() {
    let setup = Setup::new().await;
    let path = setup.acme.path("/api/v1/organizations/{org}/abilities?workspace={ws}&project={prj}");
    let mut compared = 0;
    for caller in &setup.callers {
        let response = caller.client.send(Method::GET, &path, &Value::Null).await;
        let visible = [Action::OrganizationRead, Action::WorkspaceRead].map(|action| caller.expected(action));
        match visible {
            [Expected::Rejected(status), _] => {
                assert_eq!(response.status, status, "{}: {}", caller.name, response.text);
            }
            [_, Expected::Rejected(StatusCode::NOT_FOUND)] => {
                assert_eq!(response.status, StatusCode::NOT_FOUND, "{}: {}", caller.name, response.text);
            }
            _ => {
                for action in Action::ALL {
                    let ability = &response.body[action.permission().name];
                    let is_permitted = caller.expected_in_project(*action) == Expected::Allowed;
                    let reason = ability["reason"].as_str().unwrap_or_default();
                    assert_eq!(ability["allowed"] == true, reason.is_empty(), "{}: {ability}", caller.name);
                    let lacks_permission = ["insufficient_role", "insufficient_scope"].contains(&reason);
                    assert_eq!(!lacks_permission, is_permitted, "{action:?} of {}: {ability}", caller.name);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 250, "only {compared} abilities were compared");
    let abilities = setup.ann().get(&path).await;
    assert_eq!(abilities["workspace.suspend"], json!({ "allowed": true }));
    let running = json!({
        "allowed": false,
        "reason": "workspace_running",
        "message": "the workspace is running",
    });
    assert_eq!(abilities["workspace.resume"], running);
    let incomplete = setup.acme.path("/api/v1/organizations/{org}/abilities?project={prj}");
    let response = setup.ann().send(Method::GET, &incomplete, &Value::Null).await;
    assert_eq!(response.body["errors"][0]["field"], "workspace", "{}", response.text);
}
