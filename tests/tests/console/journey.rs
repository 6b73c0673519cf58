//! Main journey without scripts: organization, members, workspace, connection, suspension and deletion.

use axum::http::StatusCode;
use hexabase_tests::TestApp;

use super::{Browser, location, value_of};

#[tokio::test]
async fn an_organization_with_its_members_is_managed_with_forms() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let created = ann.submit("/console/orgs/new", &[("name", "ａｃｍｅ"), ("display_name", "Acme")]).await;
    let org = location(&created);
    assert!(ann.follow(&created).await.text.contains("The organization Acme is created."));

    let invite = format!("{org}/members/invite");
    let rejected = ann.submit(&invite, &[("emails", "nonsense"), ("role", "member")]).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY);
    let sent =
        ann.submit(&invite, &[("emails", "bob@example.com, eve@example.com"), ("role", "member")]).await;
    assert!(ann.follow(&sent).await.text.contains("2 invitations are sent."));
    // One address that is invited already does not keep the other from being invited.
    let partly =
        ann.submit(&invite, &[("emails", "bob@example.com zoe@example.com"), ("role", "member")]).await;
    assert_eq!(partly.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(partly.text.contains("1 invitation is sent."), "{}", partly.text);
    assert!(partly.text.contains(">bob@example.com</textarea>"), "{}", partly.text);

    let bob = Browser::sign_in(&app, "bob").await;
    let received = bob.get("/console/invitations").await;
    let invitation = value_of(&received, "invitation_id");
    let joined = bob.submit("/console/invitations", &[("invitation_id", &invitation)]).await;
    assert_eq!(location(&joined), org);
    assert_eq!(bob.get(&format!("{org}/settings")).await.status, StatusCode::FORBIDDEN);

    let members = ann.get(&format!("{org}/members")).await;
    let bob_id = app.sign_in("bob").await.id;
    let member = format!("{org}/members/{bob_id}");
    assert!(members.text.contains(&format!("href=\"{member}\"")), "{}", members.text);
    let promoted = ann.submit(&member, &[("intent", "role"), ("role", "admin")]).await;
    let shown = ann.follow(&promoted).await;
    assert!(shown.text.contains("is changed.") && shown.text.contains("Undo"), "{}", shown.text);
    assert_eq!(bob.get(&format!("{org}/settings")).await.status, StatusCode::OK);

    let first = ann.get(&format!("{org}/members?q=&role=&limit=1")).await;
    let next = link_with(&first.text, "cursor=");
    let second = ann.get(&next).await;
    assert_eq!(second.status, StatusCode::OK, "{next}: {}", second.text);
    let has_bob = |page: &str| page.contains(&format!("href=\"{member}\""));
    assert_ne!(has_bob(&first.text), has_bob(&second.text), "{}", second.text);

    let withdraw = value_of_link(&ann.get(&format!("{org}/members")).await.text, "/members/invitations/");
    let withdrawn = ann.post(&withdraw, &[("csrf", &token(&ann, &org).await), ("intent", "withdraw")]).await;
    assert_eq!(withdrawn.status, StatusCode::SEE_OTHER, "{}", withdrawn.text);

    let removed = ann.submit(&member, &[("intent", "remove")]).await;
    assert_eq!(location(&removed), format!("{org}/members"));
    assert_eq!(bob.get(&org).await.status, StatusCode::NOT_FOUND);

    let mistyped = ann.submit(&format!("{org}/delete"), &[("confirm_name", "acmes")]).await;
    assert_eq!(mistyped.status, StatusCode::UNPROCESSABLE_ENTITY);
    let deleted = ann.submit(&format!("{org}/delete"), &[("confirm_name", "acme")]).await;
    assert_eq!(location(&deleted), "/console/orgs");
    assert_eq!(ann.get(&org).await.status, StatusCode::NOT_FOUND);
}

async fn token(browser: &Browser<'_>, page: &str) -> String {
    value_of(&browser.get(page).await, "csrf")
}

/// Returns the first link whose address contains a text.
fn link_with(page: &str, part: &str) -> String {
    let mut links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    links.find(|link| link.contains(part)).unwrap().replace("&amp;", "&")
}

/// Returns the target of the first form whose address contains a text.
fn value_of_link(page: &str, part: &str) -> String {
    let mut actions = page.split("action=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    actions.find(|action| action.contains(part)).unwrap().to_owned()
}

#[tokio::test]
async fn a_workspace_is_created_connected_suspended_resumed_and_deleted_with_forms() {
    let app = TestApp::with_console().await;
    let ann = Browser::sign_in(&app, "ann").await;
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let workspaces = format!("/console/orgs/{org}/workspaces");
    let rejected = ann.submit(&format!("{workspaces}/new"), &[("name", "shop"), ("plan_id", "none")]).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", rejected.text);
    let fields = [("name", "shop"), ("plan_id", "team"), ("display_name", ""), ("region", "")];
    let created = ann.submit(&format!("{workspaces}/new"), &fields).await;
    assert_eq!(created.status, StatusCode::SEE_OTHER, "{}", created.text);
    let workspace = location(&created);
    let page = ann.get(&workspace).await;
    for part in ["http-equiv=\"refresh\"", "data-live=\"workspace:", "<progress", "data-events="] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let api = workspace.replace("/console/orgs/", "/api/v1/organizations/");
    app.wait_until_ready(&user.client, &api).await;
    let ready = ann.get(&workspace).await;
    assert!(!ready.text.contains("http-equiv=\"refresh\""), "nothing is in progress: {}", ready.text);

    for (tab, part) in [("exec", "command: hexabase"), ("kubelogin", "oidc-login")] {
        let page = ann.get(&format!("{workspace}/connect?with={tab}")).await;
        assert!(page.text.contains(part), "{part}: {}", page.text);
        assert!(!page.text.contains("token: ey"), "no token without a request");
    }
    let offer = ann.get(&format!("{workspace}/connect?with=token")).await;
    assert!(!offer.text.contains("apiVersion: v1"), "{}", offer.text);
    let connect = format!("{workspace}/connect");
    let issued = ann.post(&connect, &[("csrf", &token(&ann, &connect).await)]).await;
    assert!(issued.text.contains("apiVersion: v1"), "{}", issued.text);
    assert_eq!(issued.headers["cache-control"], "no-store");

    let suspended = ann.submit(&format!("{workspace}/suspend"), &[]).await;
    assert!(ann.follow(&suspended).await.text.contains("Undo"));
    assert_eq!(user.client.get(&api).await["phase"], "suspending");
    let resumed = ann.submit(&format!("{workspace}/resume"), &[]).await;
    assert_eq!(resumed.status, StatusCode::SEE_OTHER, "{}", resumed.text);
    app.wait_until_ready(&user.client, &api).await;

    let settings = format!("{workspace}/settings");
    let version = value_of(&ann.get(&settings).await, "version");
    let fields = [("display_name", "Shop"), ("version", version.as_str())];
    let renamed = ann.submit(&settings, &fields).await;
    assert_eq!(renamed.status, StatusCode::SEE_OTHER, "{}", renamed.text);
    assert_eq!(user.client.get(&api).await["display_name"], "Shop");
    let activity = ann.get(&format!("{workspace}/activity")).await;
    assert!(activity.text.contains("workspace.update"), "{}", activity.text);

    let mistyped = ann.submit(&format!("{workspace}/delete"), &[("confirm_name", "")]).await;
    assert_eq!(mistyped.status, StatusCode::UNPROCESSABLE_ENTITY);
    let deleted = ann.submit(&format!("{workspace}/delete"), &[("confirm_name", "shop")]).await;
    assert_eq!(location(&deleted), workspaces);
    app.run_worker().await;
}
