//! Search: objects, pages and actions that the user may see, and no others.

use axum::http::{Method, StatusCode};
use hexabase_tests::TestApp;
use serde_json::json;

use super::Browser;

const SEARCH: &str = "/console/search";

/// Part of a page below its header.
fn results(page: &str) -> &str {
    page.split_once("id=\"results\"").map_or("", |(_, results)| results)
}

#[tokio::test]
async fn objects_of_the_own_organizations_are_found_with_their_addresses() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let params = app.create_full_organization(&ann, "acme").await;
    let rival = app.sign_in("rival").await;
    app.create_full_organization(&rival, "rivals").await;
    let browser = Browser::sign_in(&app, "ann").await;
    let (org, ws) = (params.id("org"), params.id("ws"));
    for (text, expected) in [
        ("ACM", format!("/console/orgs/{org}\"")),
        ("shop", format!("/console/orgs/{org}/workspaces/{ws}\"")),
        ("web", format!("/console/orgs/{org}/workspaces/{ws}/projects/{}\"", params.id("prj"))),
        ("leaf", format!("/console/orgs/{org}/workspaces/{ws}/groups/{}\"", params.id("grp"))),
        ("member-of-ac", format!("/console/orgs/{org}/members/{}\"", params.id("user"))),
        ("invite", format!("/console/orgs/{org}/members/invite\"")),
    ] {
        let page = browser.get(&format!("{SEARCH}?q={text}")).await;
        assert_eq!(page.status, StatusCode::OK, "{text}: {}", page.text);
        assert!(results(&page.text).contains(&expected), "{text}: {}", page.text);
        let scoped = browser.get(&format!("{SEARCH}?q={text}&org={org}")).await;
        assert!(results(&scoped.text).contains(&expected), "{text}: {}", scoped.text);
    }
    let found = browser.get(&format!("{SEARCH}?q=shop")).await;
    assert_eq!(found.text.matches("/workspaces/ws_").count(), 1, "the rival's is not found: {}", found.text);
    let project = browser.get(&format!("{SEARCH}?q=web")).await;
    assert!(results(&project.text).contains("acme / shop"), "{}", project.text);
    let command = browser.get(&format!("{SEARCH}?q=we%27b&org={org}")).await;
    assert!(command.text.contains("/search?q=we%27b&#39;") || command.text.contains("/search?q=we%27b'"));
}

#[tokio::test]
async fn only_permitted_pages_and_actions_are_found() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    app.add_member(&ann, &org, "bob", "member").await;
    let destinations = async |name: &str, query: &str| {
        let browser = Browser::sign_in(&app, name).await;
        let page = browser.get(&format!("{SEARCH}?{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        results(&page.text).to_owned()
    };
    let scoped = format!("org={org}");
    let (own, of_member) = (destinations("ann", &scoped).await, destinations("bob", &scoped).await);
    for path in ["/workspaces/new", "/members/invite", "/settings"] {
        let href = format!("/console/orgs/{org}{path}\"");
        assert!(own.contains(&href) && !of_member.contains(&href), "{path}: {own} {of_member}");
    }
    assert!(of_member.contains(&format!("/console/orgs/{org}/members\"")), "{of_member}");
    assert!(destinations("operator", "q=queue").await.contains("/console/admin/queue"));
    assert!(!destinations("ann", "q=queue").await.contains("/console/admin"));
}

#[tokio::test]
async fn pages_of_the_workspace_are_found_from_its_pages() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let browser = Browser::sign_in(&app, "ann").await;
    let page = browser.get(&format!("/console/orgs/{org}/workspaces/{ws}")).await;
    let scope = format!("name=\"org\" value=\"{org}\"><input type=\"hidden\" name=\"ws\" value=\"{ws}\">");
    assert!(page.text.contains(&scope), "{}", page.text);
    let found = browser.get(&format!("{SEARCH}?q=connect&org={org}&ws={ws}")).await;
    let href = format!("/console/orgs/{org}/workspaces/{ws}/connect\"");
    assert!(results(&found.text).contains(&href), "{}", found.text);
    let unknown = "ws_01h455vb4pex5vsknk084sn02q";
    let other = browser.get(&format!("{SEARCH}?q=connect&org={org}&ws={unknown}")).await;
    assert_eq!(other.status, StatusCode::OK, "{}", other.text);
}

#[tokio::test]
async fn invalid_searches_say_what_is_wrong() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    for text in ["a".repeat(101), "a%00b".to_owned()] {
        let page = ann.get(&format!("{SEARCH}?q={text}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", page.text);
        assert!(page.text.contains("id=\"search-text-error\""), "{}", page.text);
    }
    let foreign = ann.get(&format!("{SEARCH}?q=a&org=org_01h455vb4pex5vsknk084sn02q")).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let nothing = ann.get(&format!("{SEARCH}?q=nothing+has+this+name")).await;
    assert!(nothing.text.contains("Nothing found"), "{}", nothing.text);
}

#[tokio::test]
async fn hostile_names_and_texts_are_text_in_both_languages() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let name = "<img src=x onerror=alert(1)>\"'";
    let body = json!({ "name": "markup", "display_name": name });
    let org = ann.client.create("/api/v1/organizations", &body).await;
    let workspace = json!({ "name": "markup", "display_name": name, "plan_id": "team" });
    ann.client.send_ok(Method::POST, &format!("/api/v1/organizations/{org}/workspaces"), &workspace).await;
    let browser = Browser::sign_in(&app, "ann").await;
    for language in ["en", "ja"] {
        let browser = Browser {
            cookies: format!("{}; hexabase_preferences={language}", browser.cookies),
            ..browser.clone()
        };
        for query in ["q=markup", "q=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E", "q=%22%3E%3Cscript%3E"] {
            let page = browser.get(&format!("{SEARCH}?{query}")).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.text.contains(&format!("<html lang=\"{language}\"")), "{}", page.text);
            assert!(!page.text.contains("<img") && !page.text.contains("<script>"), "{}", page.text);
        }
    }
}
