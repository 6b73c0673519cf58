//! Every route for every kind of caller. Routes come from the router, and what each caller may do is computed from the
//! table of rights: nothing here is a list that somebody has to remember to extend, but for the bodies of requests.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod callers;

use axum::http::{Method, StatusCode};
use hexabase_tests::bodies::{self, body_of};
use hexabase_tests::operations::{self, operations};
use hexabase_tests::{Answer, Client, Operation, Person, Place, World};
use serde_json::Value;

use callers::{Caller, Expected};

/// A world with two organizations that have one of everything, and everybody in the first.
struct Stage {
    world: World,
    acme: Place,
    rival: Person,
    rivals: Place,
    callers: Vec<Caller>,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let ann = world.person("ann").await;
        let acme = world.place(&ann, "acme").await;
        let rival = world.person("rival").await;
        let rivals = world.place(&rival, "rivals").await;
        let callers = callers::all(&world, &acme, &ann).await;
        Self { world, acme, rival, rivals, callers }
    }

    fn ann(&self) -> &Client {
        &self.callers.iter().find(|caller| caller.name == "creator").unwrap().client
    }

    /// What every change would show in: the newest entries of the logs of both organizations.
    async fn traces(&self) -> (Value, Value) {
        let log =
            |place: &Place| format!("{}?limit=1", place.path("/api/v1/organizations/{org}/audit-events"));
        let ours = self.ann().get(&log(&self.acme)).await["items"].take();
        (ours, self.rival.client.get(&log(&self.rivals)).await["items"].take())
    }
}

async fn send(client: &Client, operation: &Operation, place: &Place) -> Answer {
    let path = format!("{}{}", place.path(&operation.path), query_of(operation));
    client.send(operation.method.clone(), &path, &body_of(operation, place)).await
}

/// What makes an operation possible that is dangerous otherwise.
fn query_of(operation: &Operation) -> &'static str {
    match (operation.method.as_str(), operation.path.as_str()) {
        ("DELETE", "/api/v1/organizations/{org}") => "?cascade=true",
        _ => "",
    }
}

/// The answer to whoever is allowed, where the world on stage does not lend itself to it.
fn refusal_of(operation: &Operation) -> Option<StatusCode> {
    // Nothing is paid any more, and nobody printed the invoice.
    if operation.path.ends_with("/invoices/upcoming") || operation.path.ends_with("/invoices/{inv}/pdf") {
        return Some(StatusCode::NOT_FOUND);
    }
    match (operation.method.as_str(), operation.path.rsplit("/{ws}").next()?) {
        // No task on stage has failed, and nothing is asleep.
        ("POST", "/tasks/{tsk}/retry" | "/resume") => Some(StatusCode::CONFLICT),
        _ => None,
    }
}

/// Whether an operation leaves the stage as the next caller needs it.
fn can_be_done_again(operation: &Operation) -> bool {
    let gives_up = operation.path.ends_with("/payment-methods/{pm}");
    operation.method == Method::GET || (operation.path.contains("/billing/") && !gives_up)
}

fn assert_status(operation: &Operation, who: &str, answer: &Answer, expected: StatusCode) {
    assert_eq!(answer.status, expected, "{operation} as {who}: {}", answer.text);
}

#[test]
fn the_document_describes_exactly_what_the_router_answers() {
    let (described, mounted) = (operations::described_paths(), operations::mounted_paths());
    assert_eq!(described, mounted, "left: the OpenAPI document; right: the router");
}

#[tokio::test]
async fn there_is_nothing_elsewhere() {
    let world = World::new().await;
    for path in ["/", "/api", "/api/v1", "/api/v1/nothing", "//example.com/", "/api/v1/organizations//"] {
        let answer = world.anonymous().send(Method::GET, path, &Value::Null).await;
        assert_ne!(answer.headers.get("location").map(|to| to.as_bytes().starts_with(b"//")), Some(true));
        let gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::PERMANENT_REDIRECT);
        assert!(gone, "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_path_answers_exactly_the_methods_that_are_described() {
    let world = World::new().await;
    for (path, methods) in operations::methods_by_path() {
        let concrete = path.replace(['{', '}'], "");
        let answer = world.anonymous().send(Method::TRACE, &concrete, &Value::Null).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "TRACE {path}");
        let allow = answer.headers["allow"].to_str().unwrap();
        let mut allowed: Vec<&str> =
            allow.split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
        allowed.sort_unstable();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[tokio::test]
async fn everything_but_what_is_public_wants_credentials() {
    let stage = Stage::new().await;
    let before = stage.traces().await;
    let nobody = stage.world.anonymous();
    let forger = nobody.clone().with_bearer("hxb_forged");
    for operation in operations().iter().filter(|operation| !operation.public) {
        for (who, client) in [("nobody", &nobody), ("a forger", &forger)] {
            let answer = send(client, operation, &stage.acme).await;
            assert_status(operation, who, &answer, StatusCode::UNAUTHORIZED);
        }
    }
    assert_eq!(stage.traces().await, before);
}

#[tokio::test]
async fn whoever_is_not_allowed_is_told_what_the_table_says_and_changes_nothing() {
    let stage = Stage::new().await;
    let before = stage.traces().await;
    let mut refused = 0;
    for operation in operations() {
        let Some(action) = operation.action else { continue };
        for caller in &stage.callers {
            let Expected::Refused(status) = caller.expected(action) else { continue };
            let answer = send(&caller.client, &operation, &stage.acme).await;
            assert_status(&operation, caller.name, &answer, status);
            refused += 1;
        }
    }
    assert!(refused > 300, "only {refused} calls were refused");
    assert_eq!(stage.traces().await, before);
}

/// Every operation has a world to itself, so the cores share them: a quarter each.
macro_rules! quarters {
    ($($name:ident: $quarter:literal),+ $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            get_done($quarter).await;
        }
    )+};
}

quarters! {
    whoever_is_allowed_gets_it_done_first_quarter: 0,
    whoever_is_allowed_gets_it_done_second_quarter: 1,
    whoever_is_allowed_gets_it_done_third_quarter: 2,
    whoever_is_allowed_gets_it_done_fourth_quarter: 3,
}

async fn get_done(quarter: usize) {
    let mut stage = Stage::new().await;
    for operation in operations().into_iter().skip(quarter).step_by(4) {
        let Some(action) = operation.action else { continue };
        for index in 0..stage.callers.len() {
            let caller = &stage.callers[index];
            if caller.expected(action) != Expected::Allowed {
                continue;
            }
            let answer = send(&caller.client, &operation, &stage.acme).await;
            match refusal_of(&operation) {
                Some(status) => assert_status(&operation, caller.name, &answer, status),
                None => {
                    let (status, text) = (answer.status, &answer.text);
                    assert!(status.is_success(), "{operation} as {}: {status} {text}", caller.name);
                }
            }
            if !can_be_done_again(&operation) {
                stage = Stage::new().await;
            }
        }
    }
}

#[tokio::test]
async fn the_owner_of_another_tenant_reaches_nothing_through_their_own_ids() {
    let stage = Stage::new().await;
    let before = stage.traces().await;
    let mut tried = 0;
    for operation in operations().iter().filter(|operation| operation.action.is_some()) {
        let names = operation.parameters();
        for cut in 1..names.len() {
            // Their own organization, and from some parameter on somebody else's ids.
            let mut mixed = stage.rivals.clone();
            for name in names.iter().skip(cut) {
                let of_others = stage.acme.0.iter().filter(|(key, _)| key.split('-').next() == Some(name));
                mixed.0.extend(of_others.map(|(key, id)| (*key, id.clone())));
            }
            let answer = send(&stage.rival.client, operation, &mixed).await;
            let who = format!("a rival with the {} of others", names[cut]);
            assert_status(operation, &who, &answer, StatusCode::NOT_FOUND);
            tried += 1;
        }
    }
    assert!(tried > 70, "only {tried} mixtures were tried");
    assert_eq!(stage.traces().await, before);
}

#[tokio::test]
async fn what_is_for_operators_is_for_nobody_else() {
    let stage = Stage::new().await;
    let calls = operations().into_iter().filter(|operation| operation.path.starts_with("/api/v1/admin/"));
    let mut place = stage.acme.clone();
    place.0.insert("id", "msg_00000000000000000000000001".to_owned());
    let mut refused = 0;
    for operation in calls {
        for caller in &stage.callers {
            let answer = send(&caller.client, &operation, &place).await;
            assert_status(&operation, caller.name, &answer, StatusCode::FORBIDDEN);
            refused += 1;
        }
    }
    assert!(refused > 50, "only {refused} calls were refused");
}

#[tokio::test]
async fn what_is_ones_own_is_nobody_elses() {
    let stage = Stage::new().await;
    let sessions = stage.ann().get("/auth/sessions").await;
    let session = sessions["items"][0]["id"].as_str().unwrap().to_owned();
    let token = stage.ann().make("/api/v1/me/tokens", &bodies::wanted_token()).await;
    for path in [format!("/auth/sessions/{session}"), format!("/api/v1/me/tokens/{token}")] {
        let answer = stage.rival.client.send(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.text);
    }
    assert!(!stage.rival.client.get("/api/v1/me/tokens").await.to_string().contains(&token));
    assert!(!stage.rival.client.get("/auth/sessions").await.to_string().contains(&session));
}
