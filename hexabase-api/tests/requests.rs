//! Requests: JSON and HTML forms have the same fields and the same parser, and handlers declare none of their own.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use hexabase_api::requests::{ListQuery, ListView, ResourceAmounts, from_filter_form, from_form};
use hexabase_api::{access, admin, alerts, billing, organizations, projects, sign_in, workspaces};
use hexabase_core::error::{Error, ErrorKind};
use serde_json::json;

fn fields(error: &Error) -> Vec<&str> {
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.violations().iter().map(|violation| violation.field.as_str()).collect()
}

/// Asserts that JSON and a form are parsed to equal commands.
macro_rules! assert_same {
    ($request:ty, $json:expr, $form:expr) => {
        let from_json: $request = serde_json::from_value($json).unwrap();
        let from_form: $request = from_form($form.as_bytes()).unwrap();
        assert_eq!(from_form.parse().unwrap(), from_json.parse().unwrap(), "{}", $form);
    };
}

/// Asserts that a form is rejected because of these fields.
macro_rules! assert_rejected {
    ($request:ty, $form:expr, $fields:expr) => {
        let rejected = from_form::<$request>($form.as_bytes()).and_then(|it| it.parse().map(drop));
        assert_eq!(fields(&rejected.unwrap_err()), $fields, "{}", $form);
    };
}

const GROUP: &str = "grp_01h455vb4pex5vsknk084sn02q";
const USER: &str = "usr_01h455vb4pex5vsknk084sn02q";

#[test]
fn a_form_is_parsed_to_the_same_command_as_json() {
    use access::requests::{AccessReviewBody, GroupPatch, NewAssignment, NewGroup};
    use billing::requests::{Budget, PlanChoice};
    use organizations::requests::{
        MemberRoleUpdate, NewInvitation, NewOrganization, NewServiceAccount, OrganizationPatch,
    };
    use projects::requests::{NewProject, ProjectPatch};
    use sign_in::requests::{DevIdentity, NewApiToken, UserPatch};
    use workspaces::requests::{NewNodePool, NewWorkspace, WorkspacePatch};

    let name = json!({ "name": "acme", "display_name": "Acme" });
    assert_same!(NewOrganization, name, "csrf=x&name=acme&display_name=Acme");
    assert_same!(OrganizationPatch, json!({}), "display_name=");
    assert_same!(UserPatch, json!({ "name": "Ann" }), "name=Ann");
    assert_same!(NewInvitation, json!({ "email": "b@x.org", "role": "admin" }), "email=b%40x.org&role=admin");
    assert_same!(MemberRoleUpdate, json!({ "role": "billing" }), "role=billing");
    assert_same!(NewServiceAccount, json!({ "name": "ci" }), "name=ci&role=");
    let workspace = json!({ "name": "dev", "plan_id": "s", "kubernetes_version": "1.36" });
    assert_same!(NewWorkspace, workspace, "name=dev&plan_id=s&kubernetes_version=1.36&region=&display_name=");
    let nullable = json!({ "display_name": null, "plan_id": "s" });
    assert_same!(WorkspacePatch, nullable, "display_name=&plan_id=s&kubernetes_version=");
    let pool = json!({ "name": "gpu", "class": "a100", "nodes": 2 });
    assert_same!(NewNodePool, pool, "name=gpu&class=a100&nodes=2");
    assert_same!(NewGroup, json!({ "name": "12", "parent_id": GROUP }), format!("name=12&parent_id={GROUP}"));
    assert_same!(GroupPatch, json!({ "parent_id": null }), "parent_id=");
    let assignment = json!({ "group_id": GROUP, "role": "hexabase:workspace-viewer" });
    assert_same!(NewAssignment, assignment, format!("group_id={GROUP}&role=hexabase%3Aworkspace-viewer"));
    let review = json!({ "user_id": USER, "verb": "get", "resource": "pods", "api_group": "" });
    let form = format!("user_id={USER}&verb=get&resource=pods&api_group=&project_id=");
    assert_same!(AccessReviewBody, review, form);
    let project = json!({ "name": "shop", "quota": { "cpu": "500m" } });
    assert_same!(NewProject, project, "name=shop&quota.cpu=500m&quota.memory=&parent_id=");
    assert_same!(ProjectPatch, json!({ "display_name": null }), "display_name=");
    let choice = json!({ "plan_id": "team", "interval": "year" });
    assert_same!(PlanChoice, choice, "plan_id=team&interval=year&coupon=");
    assert_same!(Budget, json!({ "amount": 5, "currency": "usd" }), "amount=5&currency=usd");
    let rule = json!({
        "name": "high", "metric": "memory", "comparison": "above", "threshold": 0.5, "for": "5m",
        "severity": "warning", "notify": ["a@x.org"],
    });
    let form = "name=high&metric=memory&comparison=above&threshold=0.5&percent_of_quota=&for=5m&severity=warning\
                &notify=a%40x.org&project=";
    assert_same!(alerts::requests::NewAlertRule, rule, form);
    assert_same!(alerts::requests::AlertRulePatch, json!({ "notify": [] }), "name=&metric=&notify=");
    let token = json!({ "name": "ci", "scopes": ["workspaces:read", "clusters:access"] });
    let form = "name=ci&scopes=workspaces%3Aread&scopes=clusters%3Aaccess&expires_at=";
    assert_same!(NewApiToken, token, form);
    assert_same!(DevIdentity, json!({ "email": "a@x.org" }), "email=a%40x.org&name=");
    let patch: admin::requests::ClusterPatch = from_form(b"cordoned=on&region=").unwrap();
    let command = patch.parse().unwrap();
    assert_eq!((command.cordoned, command.region), (Some(true), Some(None)));
}

#[test]
fn an_invalid_field_has_the_name_of_the_form_field() {
    use access::requests::{AccessReviewBody, GroupPatch, NewGroup};
    use billing::requests::PlanChoice;
    use organizations::requests::{Acceptance, NewInvitation, NewOrganization};
    use projects::requests::{NewProject, parse_quota};
    use sign_in::requests::NewApiToken;
    use workspaces::requests::{NewNodePool, NewWorkspace};

    assert_rejected!(NewOrganization, "name=&display_name=", ["name", "display_name"]);
    assert_rejected!(NewInvitation, "email=x&role=king", ["email", "role"]);
    let workspace = "name=A&plan_id=B+C&region=%21&kubernetes_version=x";
    assert_rejected!(NewWorkspace, workspace, ["name", "plan_id", "region", "kubernetes_version"]);
    assert_rejected!(NewNodePool, "name=a&class=b&nodes=many", ["nodes"]);
    assert_rejected!(NewNodePool, "name=a&nodes=1", ["class"]);
    assert_rejected!(NewGroup, "name=a&color=red", ["color"]);
    assert_rejected!(NewGroup, "name=a&name=b", ["name"]);
    assert_rejected!(GroupPatch, "name=system%3Aa&parent_id=x", ["name", "parent_id"]);
    assert_rejected!(AccessReviewBody, "user_id=x&verb=&resource=", ["user_id", "verb", "resource"]);
    assert_rejected!(NewProject, "name=a&quota.cpu=x&quota.gold=1", ["quota.cpu", "quota.gold"]);
    assert_rejected!(PlanChoice, "plan_id=&interval=day", ["plan_id", "interval"]);
    assert_rejected!(NewApiToken, "name=&scopes=workspaces%3Aread&scopes=x", ["name", "scopes[1]"]);
    assert_rejected!(Acceptance, "token=&invitation_id=", ["token"]);
    let quota: ResourceAmounts = from_form(b"cpu=x&memory=").unwrap();
    assert_eq!(fields(&parse_quota(&quota).unwrap_err()), ["cpu"]);
}

#[test]
fn the_empty_fields_of_a_filter_are_absent() {
    let query: workspaces::requests::WorkspaceQuery =
        from_filter_form("q=&phase=ready&plan=&limit=5").unwrap();
    assert_eq!(query.page().limit, Some(5));
    let filter = query.parse().unwrap();
    assert_eq!((filter.text, filter.phase.unwrap().as_str(), filter.plan_id), (None, "ready", None));
    let query: ListQuery = from_filter_form("view=tree&q=a").unwrap();
    assert_eq!(query.view, ListView::Tree);
    assert_eq!(fields(&query.parse().unwrap_err()), ["q"]);
    let unknown = from_filter_form::<ListQuery>("color=red").unwrap_err();
    assert_eq!(fields(&unknown), ["color"]);
}

/// Adds the files below a directory that declare types with `Deserialize`.
fn declaring(directory: &Path, found: &mut BTreeSet<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declaring(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let derives = text.lines().any(|line| line.contains("derive(") && line.contains("Deserialize"));
        if derives && !path.ends_with("requests.rs") {
            found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn requests_are_declared_in_the_modules_for_requests_only() {
    let mut found = BTreeSet::new();
    declaring(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    // Messages of Alertmanager, claims of client assertions, messages of OAuth 2.0, path parameters, shared requests, amounts, and a file name.
    let known = [
        "alerts/webhook.rs",
        "layers/rate_limit.rs",
        "oidc/schemas.rs",
        "path_params.rs",
        "requests/mod.rs",
        "schema.rs",
        "system/docs.rs",
    ];
    assert_eq!(found, known.map(str::to_owned).into());
}

#[test]
fn gitops_tools_have_a_namespace_and_a_preset_role() {
    use hexabase_core::model::{GitOpsTool, PresetRole};
    use workspaces::requests::WorkspacePatch;

    let parse = |gitops: serde_json::Value| {
        serde_json::from_value::<WorkspacePatch>(json!({ "gitops": gitops })).unwrap().parse()
    };
    let tools = json!({ "argocd": { "namespace": "argocd" }, "flux": { "namespace": "f", "role": "hexabase:workspace-viewer" } });
    let gitops = parse(tools).unwrap().gitops.unwrap();
    assert_eq!(gitops[&GitOpsTool::ArgoCd].role, PresetRole::ProjectAdmin, "not an administrator by default");
    assert_eq!(gitops[&GitOpsTool::Flux].role, PresetRole::WorkspaceViewer);
    assert!(parse(json!(null)).unwrap().gitops.unwrap().is_empty());
    assert!(serde_json::from_value::<WorkspacePatch>(json!({})).unwrap().parse().unwrap().gitops.is_none());
    for (namespace, role, field) in [
        ("kube-system", "hexabase:project-admin", "gitops.argocd.namespace"),
        ("ws-x", "hexabase:project-admin", "gitops.argocd.namespace"),
        ("a/b", "hexabase:project-admin", "gitops.argocd.namespace"),
        ("argocd", "cluster-admin", "gitops.argocd.role"),
        ("argocd", "rol_01h455vb4pex5vsknk084sn02q", "gitops.argocd.role"),
    ] {
        let error = parse(json!({ "argocd": { "namespace": namespace, "role": role } })).unwrap_err();
        assert_eq!(fields(&error), [field], "{namespace} {role}");
    }
    assert!(serde_json::from_value::<WorkspacePatch>(json!({ "gitops": { "jenkins": {} } })).is_err());
}
