//! Audit log: filters, pages, hostile values and the file.

use axum::http::{Method, StatusCode};
use hexabase_tests::TestApp;
use serde_json::json;

use super::Browser;

#[tokio::test]
async fn the_audit_log_is_filtered_paged_and_downloaded() {
    let app = TestApp::with_console().await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let bob = app.add_member(&user, &org, "bob", "admin").await;
    let api = format!("/api/v1/organizations/{org}");
    let hostile = "<script>alert(1)</script>";
    user.client.send_ok(Method::PATCH, &api, &json!({ "display_name": hostile })).await;
    let path = format!("{api}/workspaces");
    let ws = bob.client.create(&path, &json!({ "name": "shop", "plan_id": "team" })).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let audit = format!("/console/orgs/{org}/audit");

    let all = ann.get(&audit).await;
    assert_eq!(all.status, StatusCode::OK, "{}", all.text);
    assert!(!all.text.contains("<script>alert"), "{}", all.text);
    for part in [
        "workspace.create",
        "organization.update",
        ">acme</span></del>",
        ">&lt;script&gt;alert(1)&lt;/script&gt;</span></ins>",
        &format!("href=\"/console/orgs/{org}/workspaces/{ws}\""),
        "bob@example.com",
        "data-exact",
    ] {
        assert!(all.text.contains(part), "{part}: {}", all.text);
    }
    for (query, has_workspace, has_update) in [
        (format!("actor={}", bob.id), true, false),
        ("action=workspace.create".to_owned(), true, false),
        (format!("resource={ws}"), true, false),
        ("since=2020-01-01T00%3A00&until=2100-01-01T00%3A00".to_owned(), true, true),
        ("actor=&action=&resource=&since=&until=".to_owned(), true, true),
    ] {
        let page = ann.get(&format!("{audit}?{query}")).await;
        let has = |action: &str| page.text.contains(&format!("<code>{action}</code>"));
        let found = (has("workspace.create"), has("organization.update"));
        assert_eq!(found, (has_workspace, has_update), "{query}: {}", page.text);
    }
    let none = ann.get(&format!("{audit}?until=2020-01-01T00%3A00")).await;
    assert!(none.text.contains("Nothing matches the filters"), "{}", none.text);
    assert!(none.text.contains("value=\"2020-01-01T00:00:00\""), "filters are kept: {}", none.text);
    let invalid = ann.get(&format!("{audit}?actor=bob&since=yesterday")).await;
    assert_eq!(invalid.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", invalid.text);
    assert!(invalid.text.contains("href=\"#actor\"") && invalid.text.contains("href=\"#since\""));

    let first = ann.get(&format!("{audit}?actor=&limit=2")).await;
    let next = first.text.split("href=\"").find(|rest| rest.contains("cursor=")).unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let second = ann.get(&next).await;
    assert_eq!(second.status, StatusCode::OK, "{next}: {}", second.text);
    assert_eq!(first.text.matches("<details>").count(), 2);

    let file = ann.get(&format!("{audit}.csv?action=organization.update")).await;
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"audit.csv\"");
    assert_eq!(file.headers["cache-control"], "no-store");
    let lines: Vec<&str> = file.text.lines().collect();
    assert_eq!(lines.len(), 2, "{}", file.text);
    assert!(lines[0].starts_with("at,action,resource,") && lines[1].contains(&user.id), "{}", file.text);

    // Pages of objects lead to their entries, for users who may read them.
    let link = format!("href=\"{audit}?resource={ws}\"");
    let workspace = format!("/console/orgs/{org}/workspaces/{ws}");
    assert!(ann.get(&workspace).await.text.contains(&link));
    let billing = app.add_member(&user, &org, "books", "billing").await;
    let books = Browser::sign_in(&app, "books").await;
    let page = books.get(&workspace).await;
    assert!(page.status == StatusCode::OK && !page.text.contains("/audit"), "{} {}", billing.id, page.text);
}

#[tokio::test]
async fn entries_that_name_former_members_and_the_platform_are_shown() {
    let app = TestApp::with_console().await;
    let user = app.sign_in("ann").await;
    let params = app.create_full_organization(&user, "acme").await;
    let org = params.id("org");
    let ann = Browser::sign_in(&app, "ann").await;
    let removed = app.add_member(&user, org, "carol", "admin").await;
    removed
        .client
        .send_ok(Method::PATCH, &format!("/api/v1/organizations/{org}"), &json!({ "display_name": "x" }))
        .await;
    let member = format!("/api/v1/organizations/{org}/members/{}", removed.id);
    user.client.send_ok(Method::DELETE, &member, &json!(null)).await;
    let page = ann.get(&format!("/console/orgs/{org}/audit?actor={}&limit=100", removed.id)).await;
    assert!(page.text.contains(&format!("<code>{}</code>", removed.id)), "{}", page.text);
    assert!(page.text.contains(&format!("value=\"{}\" selected", removed.id)), "{}", page.text);
    // Each link of the page leads to a page.
    let page = ann.get(&format!("/console/orgs/{org}/audit?limit=100")).await;
    let prefix = format!("/console/orgs/{org}/");
    let mut links: Vec<&str> =
        page.text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    links.retain(|link| link.starts_with(&prefix));
    links.sort_unstable();
    links.dedup();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        let target = ann.get(&link.replace("&amp;", "&")).await;
        assert_eq!(target.status, StatusCode::OK, "{link}: {}", target.text);
    }
}
