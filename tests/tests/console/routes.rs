//! Every route of the console with every kind of caller. Routes and required actions come from the console's own table.

use axum::http::{Method, StatusCode};
use hexabase_console::routes;
use hexabase_console::urls::{Access, Route};
use hexabase_core::access::{Action, Level, WorkspaceRight};
use hexabase_core::model::OrganizationRole;
use hexabase_tests::{PathParams, Response, TestApp};

use super::{Browser, location, value_of};

/// Expected result of a request.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// The page, or the effect of the form.
    Success,
    Status(StatusCode),
    SignIn,
}

/// Member of the organization with a role, and no group of the workspace.
struct Caller<'a> {
    name: &'static str,
    browser: Browser<'a>,
    role: Option<OrganizationRole>,
    is_workspace_admin: bool,
    is_operator: bool,
}

impl Caller<'_> {
    /// Result by the permission table, computed independently of the console.
    fn expected(&self, route: &Route) -> Expected {
        let action = match route.access {
            Access::Action(action) => action,
            Access::Operator if !self.is_operator => return Expected::Status(StatusCode::FORBIDDEN),
            Access::Operator | Access::Session | Access::Public => return Expected::Success,
        };
        let Some(role) = self.role else { return Expected::Status(StatusCode::NOT_FOUND) };
        let permission = action.permission();
        let sees = role != OrganizationRole::Member || self.is_workspace_admin;
        if permission.level == Level::Workspace && !sees {
            return Expected::Status(StatusCode::NOT_FOUND);
        }
        let by_group = permission.workspace_right != WorkspaceRight::None && self.is_workspace_admin;
        match permission.roles.contains(&role) || by_group {
            true => Expected::Success,
            false => Expected::Status(StatusCode::FORBIDDEN),
        }
    }
}

/// `true` for routes of pages that exist; some forms need more than a valid token.
fn is_page(route: &Route) -> bool {
    route.method == Method::GET
}

async fn open(browser: &Browser<'_>, route: &Route, params: &PathParams, token: &str) -> Response {
    let path = params.path(route.path);
    match is_page(route) {
        true => browser.get(&path).await,
        false => browser.post(&path, &[("csrf", token)]).await,
    }
}

fn assert_expected(route: &Route, caller: &str, response: &Response, expected: &Expected) {
    let context =
        format!("{} {} as {caller}: {} {}", route.method, route.path, response.status, response.text);
    match expected {
        Expected::Status(status) => assert_eq!(response.status, *status, "{context}"),
        Expected::SignIn => {
            assert_eq!(response.status, StatusCode::SEE_OTHER, "{context}");
            assert!(location(response).starts_with("/console/sign-in?"), "{context}");
        }
        // A form without its fields is rejected for its fields, which needs the permission.
        Expected::Success => {
            let accepted = [StatusCode::OK, StatusCode::SEE_OTHER, StatusCode::NO_CONTENT];
            let incomplete = [StatusCode::UNPROCESSABLE_ENTITY, StatusCode::NOT_FOUND, StatusCode::CONFLICT];
            let is_fine = accepted.contains(&response.status)
                || (!is_page(route) && incomplete.contains(&response.status));
            assert!(is_fine, "{context}");
        }
    }
    let is_file = route.path.ends_with(".csv") && response.status == StatusCode::OK;
    let kind: &[u8] = if is_file { b"text/csv" } else { b"text/html" };
    let is_expected =
        response.headers.get("content-type").is_none_or(|sent| sent.as_bytes().starts_with(kind));
    assert!(is_expected, "{context}");
}

#[tokio::test]
async fn every_route_requires_its_access() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let params = app.create_full_organization(&ann, "acme").await;
    let org = params.id("org").to_owned();
    let mut callers = vec![
        Caller {
            name: "creator",
            browser: Browser::sign_in(&app, "ann").await,
            role: Some(OrganizationRole::Owner),
            is_workspace_admin: true,
            is_operator: false,
        },
        Caller {
            name: "outsider",
            browser: Browser::sign_in(&app, "outsider").await,
            role: None,
            is_workspace_admin: false,
            is_operator: false,
        },
        Caller {
            name: "operator",
            browser: Browser::sign_in(&app, "operator").await,
            role: None,
            is_workspace_admin: false,
            is_operator: true,
        },
    ];
    for (name, role) in [
        ("owner", OrganizationRole::Owner),
        ("admin", OrganizationRole::Admin),
        ("billing", OrganizationRole::Billing),
        ("member", OrganizationRole::Member),
    ] {
        app.add_member(&ann, &org, name, role.as_str()).await;
        let browser = Browser::sign_in(&app, name).await;
        let role = Some(role);
        callers.push(Caller { name, browser, role, is_workspace_admin: false, is_operator: false });
    }
    let rival = app.sign_in("rival").await;
    app.create_full_organization(&rival, "rivals").await;
    let browser = Browser::sign_in(&app, "rival").await;
    callers.push(Caller {
        name: "owner of another tenant",
        browser,
        role: None,
        is_workspace_admin: false,
        is_operator: false,
    });

    let anonymous = Browser::new(&app);
    let (mut rejected, mut accepted) = (0, 0);
    // Forms of the creator change the platform, so rejections come first.
    let table = routes();
    for route in &table {
        let public = route.access == Access::Public;
        if !public {
            let response = open(&anonymous, route, &params, "").await;
            assert_expected(route, "anonymous", &response, &Expected::SignIn);
        }
    }
    for caller in callers.iter().rev() {
        let token = value_of(&caller.browser.get("/console/invitations").await, "csrf");
        for route in table.iter().filter(|route| is_page(route) || route.access != Access::Public) {
            let expected = caller.expected(route);
            // Each form with the permission runs in a test of its own.
            if expected == Expected::Success && !is_page(route) {
                continue;
            }
            let response = open(&caller.browser, route, &params, &token).await;
            let is_redirect = matches!(route.path, "/console" | "/console/sign-in");
            if !(is_redirect && response.status == StatusCode::SEE_OTHER) {
                assert_expected(route, caller.name, &response, &expected);
            }
            match expected {
                Expected::Success => accepted += 1,
                _ => rejected += 1,
            }
        }
    }
    assert!(rejected > 70 && accepted > 60, "{rejected} rejected and {accepted} accepted requests");
}

#[tokio::test]
async fn pages_have_the_headers_of_pages() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    for path in ["/console/orgs", "/console/nothing", "/console/orgs/org_nothing", "/auth/dev/authorize?x"] {
        let page = ann.get(path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "require-trusted-types-for 'script'",
            "trusted-types hexabase",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.headers["referrer-policy"], "same-origin", "{path}");
        assert_eq!(page.headers["cross-origin-opener-policy"], "same-origin", "{path}");
        assert!(!page.text.contains("style=") && !page.text.contains("<style"), "{path}: {}", page.text);
    }
}

#[tokio::test]
async fn pages_are_compressed_and_files_are_cached() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let page = ann.get("/console/orgs").await;
    let start = page.text.find("/console/assets/").unwrap();
    let stylesheet = page.text[start..].split('"').next().unwrap().to_owned();
    let file = ann.get(&stylesheet).await;
    assert_eq!(file.headers["content-type"], "text/css; charset=utf-8");
    assert_eq!(file.headers["cache-control"], "public, max-age=31536000, immutable");
    let old = ann.get(&stylesheet.replace("/console/assets/", "/console/assets/0")).await;
    assert_eq!((old.status, &old.headers["cache-control"]), (StatusCode::OK, &"no-store".parse().unwrap()));
    assert_eq!(ann.get("/console/assets/0/nothing.css").await.status, StatusCode::NOT_FOUND);

    let request = axum::http::Request::get("/console/orgs").header("accept-encoding", "gzip, br");
    let compressed = ann.send(request, String::new()).await;
    assert_eq!(compressed.headers["content-encoding"], "gzip");
    assert_eq!(compressed.headers["vary"], "accept-encoding");
}

#[tokio::test]
async fn the_root_leads_to_the_console_and_from_there_to_the_organization() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    assert_eq!(location(&ann.get("/").await), "/console");
    let only = ann.get("/console").await;
    assert!(location(&only).starts_with("/console/orgs/org_"), "{}", location(&only));
    let user = app.sign_in("ann").await;
    app.create_organization(&user, "acme").await;
    assert_eq!(location(&ann.get("/console").await), "/console/orgs");
}

#[tokio::test]
async fn actions_of_all_levels_are_in_the_table() {
    let levels = |level| {
        routes().iter().filter(move |route| matches!(route.access, Access::Action(action) if action.permission().level == level)).count()
    };
    assert!(levels(Level::Organization) > 10 && levels(Level::Workspace) > 10);
    assert!(routes().iter().any(|route| route.access == Access::Action(Action::WorkspaceDelete)));
}
