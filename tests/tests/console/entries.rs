//! Entries of pages: no link and no form that a caller sees leads to a refusal or to nothing.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use hexabase_tests::{PathParams, Response, TestApp, TestUser};
use serde_json::{Value, json};

use super::{Browser, location, value_of};

/// Forms that end the access of the caller, which the crawl needs.
const ENDING: [&str; 3] = ["/console/sign-out", "/console/me/sessions", "/console/me"];

/// Texts to search for: results are entries, too.
const SEARCHES: [&str; 6] = ["a", "e", "billing", "invite", "logs", "settings"];
/// Maximum number of different queries of a path that are followed: times are in some of them.
const MAX_QUERIES: usize = 8;

/// Form of a page: its address and its fields.
type Form = (String, BTreeMap<String, String>);

/// Links and forms that a caller finds from the start page on.
#[derive(Debug, Default)]
struct Entries {
    links: BTreeSet<String>,
    /// Forms by address and button, each with the page that contains it.
    forms: BTreeMap<Form, String>,
    refused: Vec<String>,
}

/// Returns the values of an attribute in a part of a page.
fn attributes<'a>(part: &'a str, name: &str) -> impl Iterator<Item = String> + 'a {
    let start = format!("{name}=\"");
    let values: Vec<_> = part
        .split(start.as_str())
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .collect();
    values.into_iter()
}

fn forms_of(page: &str) -> Vec<Form> {
    let of_form = |form: &str| {
        let form = form.split("</form>").next().unwrap();
        let action = attributes(form.split('>').next().unwrap(), "action").next()?;
        let fields = form.split("<input").skip(1).filter_map(|input| {
            let input = input.split('>').next().unwrap();
            let is_hidden = input.contains("type=\"hidden\"");
            let name = attributes(input, "name").next().filter(|_| is_hidden)?;
            Some((name, attributes(input, "value").next().unwrap_or_default()))
        });
        form.split('>').next().unwrap().contains("method=\"post\"").then(|| (action, fields.collect()))
    };
    page.split("<form").skip(1).filter_map(of_form).collect()
}

/// Follows all links from the start page on.
async fn crawl(browser: &Browser<'_>) -> Entries {
    let mut entries = Entries::default();
    let mut queries: BTreeMap<String, usize> = BTreeMap::new();
    let mut open = vec![("/console/orgs".to_owned(), "the start".to_owned())];
    open.extend(SEARCHES.map(|text| (format!("/console/search?q={text}"), "the search".to_owned())));
    while let Some((path, from)) = open.pop() {
        let path = path.split('#').next().unwrap().to_owned();
        if !path.starts_with("/console") || path.contains("/assets/") || !entries.links.insert(path.clone()) {
            continue;
        }
        let count = queries.entry(path.split('?').next().unwrap().to_owned()).or_default();
        *count += 1;
        if *count > MAX_QUERIES {
            continue;
        }
        let page = browser.get(&path).await;
        if page.status == StatusCode::SEE_OTHER {
            open.push((location(&page), path));
            continue;
        }
        if page.status != StatusCode::OK {
            entries.refused.push(format!("{} of {path} from {from}", page.status));
            continue;
        }
        for (action, fields) in forms_of(&page.text) {
            let mut key = fields.clone();
            for per_page in ["csrf", "idempotency_key", "version"] {
                key.remove(per_page);
            }
            entries.forms.entry((action, key)).or_insert_with(|| path.clone());
        }
        open.extend(attributes(&page.text, "href").map(|href| (href, path.clone())));
    }
    entries
}

/// Sends the forms without what a user would enter: a rejection of the entries needs the permission.
async fn refused_forms(browser: &Browser<'_>, entries: &Entries) -> Vec<String> {
    let mut refused = Vec::new();
    let token = value_of(&browser.get("/console/invitations").await, "csrf");
    for ((action, fields), page) in &entries.forms {
        let shown = browser.get(page).await;
        let is_leaving = fields.get("intent").is_some_and(|intent| intent == "remove");
        if ENDING.contains(&action.as_str()) || is_leaving || shown.status != StatusCode::OK {
            continue;
        }
        let mut sent: Vec<(&str, &str)> = vec![("csrf", &token)];
        sent.extend(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let response = browser.post(action, &sent).await;
        if [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&response.status) {
            refused.push(format!("{} of the form {action} {fields:?} of {page}", response.status));
        }
    }
    refused
}

/// Organization of ann with a workspace that the viewer sees through a group, and the invited user, who sees nothing of it.
async fn organization(app: &TestApp) -> (TestUser, PathParams) {
    let ann = app.sign_in("ann").await;
    let params = app.create_full_organization(&ann, "acme").await;
    let (org, ws, prj) = (params.id("org"), params.id("ws"), params.id("prj"));
    let viewer = app.add_member(&ann, org, "viewer", "member").await;
    app.add_member(&ann, org, "billing", "billing").await;
    app.add_member(&ann, org, "tester", "member").await;
    let workspace = format!("/api/v1/organizations/{org}/workspaces/{ws}");
    let group = ann.client.create(&format!("{workspace}/groups"), &json!({ "name": "viewers" })).await;
    let assignment = json!({ "group_id": group, "role": "hexabase:project-viewer" });
    ann.client.create(&format!("{workspace}/projects/{prj}/role-assignments"), &assignment).await;
    let member = format!("{workspace}/groups/{group}/members/{}", viewer.id);
    ann.client.send_ok(Method::PUT, &member, &Value::Null).await;
    // A group without any role: its members see the workspace, and no logs.
    let group = ann.client.create(&format!("{workspace}/groups"), &json!({ "name": "testers" })).await;
    let tester = app.sign_in("tester").await;
    let member = format!("{workspace}/groups/{group}/members/{}", tester.id);
    ann.client.send_ok(Method::PUT, &member, &Value::Null).await;
    (ann, params)
}

#[tokio::test]
async fn no_entry_of_any_role_leads_to_a_refusal() {
    let app = TestApp::with_console().await;
    let (ann, params) = organization(&app).await;
    let invitation = json!({ "email": "invited@example.com", "role": "member" });
    let org = params.id("org");
    ann.client.create(&format!("/api/v1/organizations/{org}/invitations"), &invitation).await;
    let mut counts = BTreeMap::new();
    for name in ["invited", "tester", "viewer", "billing"] {
        let browser = Browser::sign_in(&app, name).await;
        let entries = crawl(&browser).await;
        assert_eq!(entries.refused, Vec::<String>::new(), "{name}");
        assert_eq!(refused_forms(&browser, &entries).await, Vec::<String>::new(), "{name}");
        counts.insert(name, (entries.links.len(), entries.forms.len()));
    }
    let links = |name| counts[name].0;
    assert!(links("invited") > 8 && links("tester") > 20, "{counts:?}");
    assert!(links("viewer") >= links("tester") && links("billing") > links("invited"), "{counts:?}");
}

/// Page of a refusal for a user.
async fn refusal(app: &TestApp, user: &str, path: &str) -> Response {
    let page = Browser::sign_in(app, user).await.get(path).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}: {}", page.text);
    page
}

#[tokio::test]
async fn a_refusal_names_the_permission_the_roles_and_members_who_grant_them() {
    let app = TestApp::with_console().await;
    let (ann, params) = organization(&app).await;
    let org = params.id("org");
    app.add_member(&ann, org, "adam", "admin").await;
    let settings = refusal(&app, "viewer", &format!("/console/orgs/{org}/settings")).await;
    for part in ["organization.update", "owner", "admin", "ann@example.com", "adam@example.com"] {
        assert!(settings.text.contains(part), "{part}: {}", settings.text);
    }
    assert!(settings.text.contains("Members"), "the page has the navigation of the organization");
    // Only owners can grant what only owners may do.
    let deletion = refusal(&app, "viewer", &format!("/console/orgs/{org}/delete")).await;
    assert!(deletion.text.contains("organization.delete") && deletion.text.contains("ann@example.com"));
    assert!(!deletion.text.contains("adam@example.com"), "{}", deletion.text);
    // Groups of the workspace can have the permission, too.
    let rule = format!("/console/orgs/{org}/workspaces/{}/alert-rules/new", params.id("ws"));
    let rule = refusal(&app, "tester", &rule).await;
    for part in ["alert_rule.create", "Project administrator", "ann@example.com"] {
        assert!(rule.text.contains(part), "{part}: {}", rule.text);
    }
}
