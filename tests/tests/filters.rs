//! Filters of lists, and the search in an organization.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use axum::http::{Method, StatusCode};
use hexabase_tests::{Client, PathParams, TestApp, TestUser, plans};
use serde_json::{Value, json};

struct Setup {
    ann: TestUser,
    acme: PathParams,
    app: TestApp,
}

impl Setup {
    async fn new() -> Self {
        let mut plans = plans();
        for plan in &mut plans {
            plan.limits.workspaces = 10;
        }
        let app = TestApp::with(|builder| builder.with_plans(plans)).await;
        let ann = app.sign_in("ann").await;
        let acme = app.create_full_organization(&ann, "acme").await;
        Self { ann, acme, app }
    }

    fn path(&self, path: &str) -> String {
        self.acme.path(&format!("/api/v1/organizations/{{org}}{path}"))
    }

    async fn names(&self, path: &str, name: &str) -> Vec<String> {
        let list = self.ann.client.get(&self.path(path)).await;
        let name = |item: &Value| item.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        list["items"].as_array().unwrap().iter().map(name).collect()
    }

    async fn assert_invalid(&self, client: &Client, path: &str, field: &str) {
        let response = client.send(Method::GET, &self.path(path), &Value::Null).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", response.text);
        assert_eq!(response.body["errors"][0]["field"], field, "{path}: {}", response.text);
    }
}

#[tokio::test]
async fn lists_are_filtered_by_text_and_properties() {
    let setup = Setup::new().await;
    let client = &setup.ann.client;
    for (name, display_name) in [("alpha", "Grüner Laden"), ("beta-50", "50%_a"), ("gamma", "Gamma")] {
        let request = json!({ "name": name, "display_name": display_name, "plan_id": "team" });
        client.create(&setup.path("/workspaces"), &request).await;
    }
    for (query, expected) in [
        ("q=GR%C3%9CNER", vec!["alpha"]),
        ("q=50%25_", vec!["beta-50"]),
        ("q=a%25a", vec![]),
        ("q=amm&phase=pending&plan=team", vec!["gamma"]),
        ("q=amm&phase=ready", vec![]),
        ("phase=deleting", vec![]),
        ("plan=starter&q=gamma", vec![]),
    ] {
        assert_eq!(setup.names(&format!("/workspaces?{query}"), "/name").await, expected, "{query}");
    }
    assert_eq!(setup.names("/members?q=ANN%40example", "/user/email").await, ["ann@example.com"]);
    assert_eq!(setup.names("/members?role=owner&q=ann", "/user/email").await, ["ann@example.com"]);
    assert_eq!(setup.names("/members?role=billing", "/user/email").await, Vec::<String>::new());
    let groups = format!("/workspaces/{}/groups", setup.acme.id("ws"));
    assert_eq!(setup.names(&format!("{groups}?q=wsadm"), "/name").await, ["WSAdmins"]);
    let projects = format!("/workspaces/{}/projects", setup.acme.id("ws"));
    assert_eq!(setup.names(&format!("{projects}?q=absent"), "/name").await, Vec::<String>::new());

    for list in ["/workspaces", "/members", &groups, &projects] {
        for q in ["", "%20", "a%00b", "a%0Ab", &"a".repeat(101)] {
            setup.assert_invalid(client, &format!("{list}?q={q}"), "q").await;
        }
    }
    setup.assert_invalid(client, "/workspaces?phase=Ready", "phase").await;
    setup.assert_invalid(client, "/workspaces?plan=No+Plan", "plan").await;
    setup.assert_invalid(client, "/members?role=root", "role").await;
    setup.assert_invalid(client, &format!("{groups}?view=tree&q=a"), "q").await;
}

#[tokio::test]
async fn a_cursor_belongs_to_the_filter_of_its_list() {
    let setup = Setup::new().await;
    let client = &setup.ann.client;
    for name in ["one", "two", "three"] {
        let request = json!({ "name": name, "plan_id": "team" });
        client.create(&setup.path("/workspaces"), &request).await;
    }
    let first = client.get(&setup.path("/workspaces?q=e&plan=team&limit=1")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = client.get(&setup.path(&format!("/workspaces?plan=team&limit=9&cursor={cursor}&q=e"))).await;
    assert_ne!(next["items"][0]["id"], first["items"][0]["id"]);
    for filter in ["", "q=e", "q=E&plan=team", "q=o&plan=team", "q=e&plan=team&phase=pending"] {
        setup.assert_invalid(client, &format!("/workspaces?{filter}&cursor={cursor}"), "cursor").await;
    }
}

#[tokio::test]
async fn a_search_finds_what_the_caller_may_list() {
    let setup = Setup::new().await;
    let client = &setup.ann.client;
    let workspace = format!("/workspaces/{}", setup.acme.id("ws"));
    client.create(&setup.path(&format!("{workspace}/projects")), &json!({ "name": "find-shop" })).await;
    client.create(&setup.path(&format!("{workspace}/groups")), &json!({ "name": "Find-Ops" })).await;
    let request = json!({ "name": "find-ws", "plan_id": "team" });
    client.create(&setup.path("/workspaces"), &request).await;
    let bob = setup.app.add_member(&setup.ann, setup.acme.id("org"), "find-bob", "member").await;
    let search = setup.path("/search?q=FIND");
    let kinds = ["workspaces", "projects", "groups", "members"];
    let count = |found: &Value| kinds.map(|kind| found[kind].as_array().unwrap().len());
    let found = client.get(&search).await;
    assert_eq!(count(&found), [1, 1, 1, 1], "{found}");
    assert_eq!(found["projects"][0]["workspace_id"], setup.acme.id("ws"));
    assert_eq!((&found["groups"][0]["name"], &found["truncated"]), (&json!("Find-Ops"), &json!(false)));
    let found = bob.client.get(&search).await;
    assert_eq!(count(&found), [0, 0, 0, 1], "bob is in no group: {found}");
    let rival = setup.app.sign_in("rival").await;
    let response = rival.client.send(Method::GET, &search, &Value::Null).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    for query in ["?q=", "?q=a%00", ""] {
        setup.assert_invalid(client, &format!("/search{query}"), "q").await;
    }
}
