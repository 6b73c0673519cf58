//! Projects, groups, roles and explanations of permissions, with forms only.

use axum::http::{Method, StatusCode};
use hexabase_tests::TestApp;
use serde_json::{Value, json};

use super::{Browser, location, value_of};

/// Workspace of the user ann, as the address of its page.
async fn workspace(app: &TestApp) -> String {
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    let path = format!("/api/v1/organizations/{org}/workspaces");
    let ws = user.client.create(&path, &json!({ "name": "shop", "plan_id": "team" })).await;
    format!("/console/orgs/{org}/workspaces/{ws}")
}

/// Address in the API of the object of a page.
fn api(page: &str) -> String {
    page.replace("/console/orgs/", "/api/v1/organizations/")
}

async fn read(app: &TestApp, page: &str) -> Value {
    app.sign_in("ann").await.client.get(&api(page)).await
}

/// Returns the address behind the first link with a text.
fn link_to(page: &str, text: &str) -> String {
    let before = page.split_once(&format!("{text}</bdi></a>")).unwrap().0;
    before.rsplit_once("href=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn projects_are_nested_within_the_quota_of_their_parent() {
    let app = TestApp::with_console().await;
    let workspace = workspace(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let new = format!("{workspace}/projects/new");
    let empty = ann.get(&format!("{workspace}/projects")).await;
    assert!(empty.text.contains("No projects"), "{}", empty.text);

    let created = ann.submit(&new, &[("name", "web"), ("quota.cpu", "2"), ("quota.memory", "2Gi")]).await;
    assert_eq!(created.status, StatusCode::SEE_OTHER, "{}", created.text);
    let web = location(&created);
    let web_id = web.rsplit('/').next().unwrap().to_owned();
    assert_eq!(read(&app, &web).await["quota"], json!({ "cpu": "2", "memory": "2Gi" }));

    // The form of a sub-project names the rest, and more than the rest is rejected with the sum.
    let below = format!("{new}?parent_id={web_id}");
    assert!(ann.get(&below).await.text.contains("At most 2."));
    let child = |name, cpu| {
        [("name", name), ("parent_id", web_id.as_str()), ("quota.cpu", cpu), ("quota.memory", "1Gi")]
    };
    let too_much = ann.submit(&new, &child("api", "3")).await;
    assert_eq!(too_much.status, StatusCode::CONFLICT);
    assert!(
        too_much.text.contains("exceeds the limit of 2") && too_much.text.contains("value=\"3\""),
        "{}",
        too_much.text
    );
    let accepted = ann.submit(&new, &child("api", "1500m")).await;
    assert_eq!(accepted.status, StatusCode::SEE_OTHER, "{}", accepted.text);
    let child = location(&accepted);
    assert!(ann.get(&below).await.text.contains("At most 0.5."));
    let tree = ann.get(&format!("{workspace}/projects")).await;
    assert!(tree.text.contains("+ 1.5 for nested projects"), "{}", tree.text);

    let too_small = ann.submit(&format!("{web}/quota"), &[("cpu", "1"), ("memory", "2Gi")]).await;
    assert!(too_small.text.contains("too small for the existing sub-projects"), "{}", too_small.text);
    let changed = ann.submit(&format!("{web}/quota"), &[("cpu", "3"), ("memory", "2Gi")]).await;
    let shown = ann.follow(&changed).await;
    assert!(shown.text.contains("name=\"cpu\" value=\"2\""), "the message offers to undo: {}", shown.text);
    assert_eq!(read(&app, &web).await["quota"]["cpu"], "3");

    let renamed = ann.submit(&web, &[("display_name", "<Web> & more")]).await;
    assert!(ann.follow(&renamed).await.text.contains("&lt;Web&gt; &amp; more"));

    let blocked = ann.get(&format!("{web}/delete")).await;
    assert!(blocked.text.contains("Delete the sub-projects first"), "{}", blocked.text);
    let danger = ann.get(&format!("{child}/delete")).await;
    assert!(danger.text.contains("The namespace api with all workloads"), "{}", danger.text);
    for project in [&child, &web] {
        let deleted = ann.submit(&format!("{project}/delete"), &[]).await;
        assert_eq!(location(&deleted), format!("{workspace}/projects"));
    }
}

#[tokio::test]
async fn groups_are_created_moved_with_a_preview_and_deleted() {
    let app = TestApp::with_console().await;
    let workspace = workspace(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let groups = ann.get(&format!("{workspace}/groups")).await;
    let (admins, users) = (link_to(&groups.text, "WSAdmins"), link_to(&groups.text, "WSUsers"));
    let id = |page: &str| page.rsplit('/').next().unwrap().to_owned();

    let fields = [("name", "dev team"), ("parent_id", &id(&users))];
    let rejected = ann.submit(&format!("{workspace}/groups/new"), &fields).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(rejected.text.contains("value=\"dev team\""), "{}", rejected.text);
    let created =
        ann.submit(&format!("{workspace}/groups/new"), &[("name", "team"), ("parent_id", &id(&users))]).await;
    let team = location(&created);

    let unknown = ann
        .post(
            &format!("{team}/members"),
            &[("csrf", &csrf(&ann, &team).await), ("member", "bob@example.com")],
        )
        .await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unknown.text);
    let added = ann
        .post(
            &format!("{team}/members"),
            &[("csrf", &csrf(&ann, &team).await), ("member", "ann@example.com")],
        )
        .await;
    assert!(ann.follow(&added).await.text.contains("is now a member of team."));

    // The preview names what the members gain; nothing changes before the form is sent.
    let preview = ann.get(&format!("{team}/move?parent_id={}", id(&admins))).await;
    for part in ["Groups joined", "WSAdmins", "Roles gained", "Workspace administrator", "Groups left"] {
        assert!(preview.text.contains(part), "{part}: {}", preview.text);
    }
    assert_eq!(read(&app, &team).await["parent_id"], id(&users));
    let below_itself = ann.submit(&format!("{team}/move"), &[("parent_id", &id(&team))]).await;
    assert_eq!(below_itself.status, StatusCode::CONFLICT, "{}", below_itself.text);
    let moved = ann.submit(&format!("{team}/move"), &[("parent_id", &id(&admins))]).await;
    assert_eq!(location(&moved), team);
    let shown = ann.follow(&moved).await;
    assert!(shown.text.contains(&format!("name=\"parent_id\" value=\"{}\"", id(&users))), "{}", shown.text);
    assert_eq!(read(&app, &team).await["parent_id"], id(&admins));

    let renamed = ann.submit(&team, &[("name", "platform"), ("version", &version(&ann, &team).await)]).await;
    assert!(ann.follow(&renamed).await.text.contains("hexabase:platform"));

    let occupied = ann.submit(&format!("{team}/delete"), &[]).await;
    assert_eq!(occupied.status, StatusCode::CONFLICT, "{}", occupied.text);
    let own = app.sign_in("ann").await.id;
    let removed = ann.post(&format!("{team}/members/{own}"), &[("csrf", &csrf(&ann, &team).await)]).await;
    assert!(ann.follow(&removed).await.text.contains("Undo"));
    let deleted = ann.submit(&format!("{team}/delete"), &[]).await;
    assert_eq!(location(&deleted), format!("{workspace}/groups"), "{}", deleted.text);
}

async fn csrf(browser: &Browser<'_>, page: &str) -> String {
    value_of(&browser.get(page).await, "csrf")
}

async fn version(browser: &Browser<'_>, page: &str) -> String {
    value_of(&browser.get(page).await, "version")
}

#[tokio::test]
async fn custom_roles_are_edited_compared_assigned_and_explained() {
    let app = TestApp::with_console().await;
    let workspace = workspace(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let created = ann.submit(&format!("{workspace}/projects/new"), &[("name", "web")]).await;
    let project = location(&created);
    let new = format!("{project}/roles/new");
    let rule = |verbs| {
        [
            ("name", "deployer"),
            ("rules[0].verbs", verbs),
            ("rules[0].resources", "deployments"),
            ("rules[0].api_groups", "apps"),
            ("rules[0].resource_names", ""),
        ]
    };

    let wider = ann.submit(&new, &[&rule("get list")[..], &[("intent", "add")]].concat()).await;
    assert!(
        wider.text.contains("rules[1].verbs") && wider.text.contains("value=\"get list\""),
        "{}",
        wider.text
    );
    let refused = ann.submit(&new, &[&rule("escalate")[..], &[("intent", "review")]].concat()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("href=\"#rules[0].verbs\"")
            && refused.text.contains("id=\"rules[0].verbs-error\""),
        "{}",
        refused.text
    );
    let reviewed = ann.submit(&new, &[&rule("get list watch")[..], &[("intent", "review")]].concat()).await;
    assert!(
        reviewed.text.contains("read deployments of apps") && reviewed.text.contains("class=\"added\""),
        "{}",
        reviewed.text
    );
    let saved = ann.submit(&new, &[&rule("get list watch")[..], &[("intent", "save")]].concat()).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let role = location(&saved);
    let page = ann.get(&role).await;
    assert!(page.text.contains("kind: Role") && page.text.contains("[&quot;apps&quot;]"), "{}", page.text);

    // A comparison with an outdated version overwrites nothing.
    let old = value_of(&page, "version");
    let changed =
        ann.submit(&role, &[&rule("get")[..], &[("intent", "save"), ("version", &old)]].concat()).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.text);
    let outdated =
        ann.submit(&role, &[&rule("delete")[..], &[("intent", "save"), ("version", &old)]].concat()).await;
    assert_eq!(outdated.status, StatusCode::PRECONDITION_FAILED, "{}", outdated.text);

    let groups = ann.get(&format!("{workspace}/groups")).await;
    let users = link_to(&groups.text, "WSUsers");
    let (group_id, role_id) = (users.rsplit('/').next().unwrap(), role.rsplit('/').next().unwrap());
    let project_id = project.rsplit('/').next().unwrap();
    let why = format!("{workspace}/why?verb=get&resource=deployments&api_group=apps&project_id={project_id}");
    let bob = member_of_group(&app, &workspace, group_id).await;
    let asked = format!("{why}&user_id={bob}");
    let no = ann.get(&asked).await;
    assert!(
        no.text.contains("No: bob@example.com cannot get deployments") && no.text.contains("Project viewer"),
        "{}",
        no.text
    );
    let assigned =
        ann.submit(&format!("{project}/roles"), &[("group_id", group_id), ("role", role_id)]).await;
    assert!(ann.follow(&assigned).await.text.contains("The role deployer is assigned to WSUsers."));
    let yes = ann.get(&asked).await;
    assert!(
        yes.text.contains("Yes: bob@example.com can get deployments") && yes.text.contains("WSUsers"),
        "{}",
        yes.text
    );
    // Other users ask about themselves only.
    let bob = Browser::sign_in(&app, "bob").await;
    assert!(bob.get(&why).await.text.contains("Yes: bob@example.com can get deployments"));
    let own = app.sign_in("ann").await.id;
    assert_eq!(bob.get(&format!("{why}&user_id={own}")).await.status, StatusCode::FORBIDDEN);

    let in_use = ann.submit(&role, &[("intent", "delete")]).await;
    assert_eq!(in_use.status, StatusCode::CONFLICT, "{}", in_use.text);
    let page = ann.get(&format!("{project}/roles")).await;
    let assignment = page.text.split("action=\"").find(|rest| rest.contains("/assignments/")).unwrap();
    let assignment = assignment.split('"').next().unwrap().to_owned();
    let removed = ann.post(&assignment, &[("csrf", &value_of(&page, "csrf"))]).await;
    assert!(ann.follow(&removed).await.text.contains("Undo"));
    let deleted = ann.submit(&role, &[("intent", "delete")]).await;
    assert_eq!(location(&deleted), format!("{project}/roles"), "{}", deleted.text);
}

/// Adds the user bob to the organization and to a group, and returns the user's id.
async fn member_of_group(app: &TestApp, workspace: &str, group: &str) -> String {
    let ann = app.sign_in("ann").await;
    let org = workspace.split('/').nth(3).unwrap().to_owned();
    app.add_member(&ann, &org, "bob", "member").await;
    let id = app.sign_in("bob").await.id;
    let path = format!("{}/groups/{group}/members/{id}", api(workspace));
    ann.client.send_ok(axum::http::Method::PUT, &path, &json!(null)).await;
    id
}

#[tokio::test]
async fn pages_of_managed_objects_name_their_inventory() {
    let app = TestApp::with_console().await;
    let workspace = workspace(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let web = location(&ann.submit(&format!("{workspace}/projects/new"), &[("name", "web")]).await);
    let group = location(&ann.submit(&format!("{workspace}/groups/new"), &[("name", "developers")]).await);
    let parts: Vec<&str> = workspace.split('/').collect();
    let (org, ws) = (parts[3], parts[5]);
    let pages = [
        &workspace,
        &format!("{workspace}/settings"),
        &format!("/console/orgs/{org}/settings"),
        &web,
        &group,
    ];
    for page in pages {
        assert!(!ann.get(page).await.text.contains("Managed by documents"), "{page}");
    }
    let id = |page: &str| page.rsplit('/').next().unwrap().to_owned();
    let objects = json!({ "add": [org, ws, id(&web)] });
    let path = format!("/api/v1/organizations/{org}/inventories/platform");
    app.sign_in("ann").await.client.send_ok(Method::PATCH, &path, &objects).await;
    for page in &pages[..4] {
        let shown = ann.get(page).await.text;
        assert!(
            shown.contains("Managed by documents") && shown.contains("inventory platform"),
            "{page}: {shown}"
        );
    }
    assert!(!ann.get(&group).await.text.contains("Managed by documents"), "the group is not managed");
}

#[tokio::test]
async fn pages_show_changes_of_roles_and_projects_at_once() {
    let app = TestApp::with_console().await;
    let ann = app.sign_in("ann").await;
    let params = app.create_full_organization(&ann, "acme").await;
    let browser = Browser::sign_in(&app, "ann").await;
    let place = "orgs/{org}/workspaces/{ws}/projects/{prj}";
    let page = params.path(&format!("/console/{place}"));
    let api = api(&page);
    let shown = async |page: &str| browser.get(page).await.text;
    let roles = format!("{page}/roles");
    assert!(!shown(&roles).await.contains("reviewer"));
    let rules = json!([{ "api_groups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    let role =
        ann.client.create(&format!("{api}/roles"), &json!({ "name": "reviewer", "rules": rules })).await;
    assert!(shown(&roles).await.contains("reviewer"));
    ann.client.send_ok(Method::DELETE, &format!("{api}/roles/{role}"), &Value::Null).await;
    assert!(!shown(&roles).await.contains("reviewer"));
    assert!(!shown(&page).await.contains("Storefront"));
    ann.client.send_ok(Method::PATCH, &api, &json!({ "display_name": "Storefront" })).await;
    assert!(shown(&page).await.contains("Storefront"));
    ann.client.send_ok(Method::PUT, &format!("{api}/quota"), &json!({ "cpu": "1500m" })).await;
    assert!(shown(&page).await.contains("1500m") || shown(&page).await.contains("1.5"));
}
