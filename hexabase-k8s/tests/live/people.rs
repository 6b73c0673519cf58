//! What people may do in a real tenant cluster, by the groups in their tokens: the checks of the multi-tenancy benchmarks
//! (<https://github.com/kubernetes-retired/multi-tenancy/tree/master/benchmarks>) that an API server decides.

use std::time::Duration;

use hexabase_core::desired::{self, Issuer, TenantCluster};
use hexabase_core::fixture::{self, id};
use hexabase_core::model::{
    Assignment, Group, Isolation, Plan, PresetRole, Project, RoleRef, WorkspaceState,
};
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState};
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use hexabase_k8s::{HostSettings, ServiceConnector, TenantConnector as _};
use kube::Client;
use serde_json::{Value, json};

use crate::OnHost;
use crate::guards::refused;
use crate::host::{impersonating, send};

/// The names of groups, and what each may do.
const GROUPS: [(&str, PresetRole, Option<&str>); 4] = [
    ("admins", PresetRole::WorkspaceAdmin, None),
    ("leads", PresetRole::ProjectAdmin, Some("web")),
    ("editors", PresetRole::ProjectEditor, Some("web")),
    ("viewers", PresetRole::ProjectViewer, Some("web")),
];

/// Two projects, and a group for every role.
fn workspace() -> TenantCluster {
    let workspace = fixture::workspace("one");
    let project = |name: &str| Project {
        workspace_id: workspace.id,
        quota: Quota::new().with(Resource::Cpu, Quantity::units(2)),
        ..fixture::project(name)
    };
    let projects = vec![project("web"), project("other")];
    let group = |name: &str| Group { workspace_id: workspace.id, ..fixture::group(name) };
    let assigned = |(name, role, place): &(&str, PresetRole, Option<&str>)| Assignment {
        id: id(&format!("assigned-{name}")),
        organization_id: workspace.organization_id,
        workspace_id: workspace.id,
        project_id: place.map(|_| projects[0].id),
        group_id: group(name).id,
        role: RoleRef::Preset(*role),
        created_by: id("owner"),
        created_at: fixture::THEN,
    };
    let state = WorkspaceState {
        groups: GROUPS.iter().map(|(name, ..)| group(name)).collect(),
        assignments: GROUPS.iter().map(assigned).collect(),
        projects: projects.clone(),
        roles: Vec::new(),
        workspace: workspace.clone(),
    };
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    desired::workspace(&state, &Plan { isolation: Isolation::Restricted, ..fixture::plan("small") }, &issuer)
}

/// Brings a real tenant cluster up, and answers its administrator.
pub(crate) async fn bring_up(host: &OnHost, cluster: &TenantCluster) -> Client {
    for _ in 0..600 {
        let observed = host.provisioner.observe(&cluster.target).await;
        let ready = observed.is_ok_and(|observed| observed.control_plane == ControlPlaneState::Ready);
        if host.provisioner.apply(cluster).await.is_ok_and(|applied| applied.tenant) && ready {
            let access = host.provisioner.admin_access(&cluster.target).await.unwrap();
            return ServiceConnector::new(&HostSettings::default())
                .connect(&cluster.target, &access.kubeconfig)
                .await
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the tenant does not come up");
}

/// Waits for something that takes controllers a while.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("not for two minutes: {what}");
}

fn object(api: &str, kind: &str, name: &str, content: &Value) -> Value {
    let mut body = json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name } });
    for (key, value) in content.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// A pod that the strictest standard lets in, and one thing about it changed.
fn pod(change: impl FnOnce(&mut Value)) -> Value {
    let mut spec = json!({
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "a", "image": "a",
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        }],
    });
    change(&mut spec);
    object("v1", "Pod", "a", &json!({ "spec": spec }))
}

const WEB: &str = "/api/v1/namespaces/web";
const OTHER: &str = "/api/v1/namespaces/other";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

fn binding(kind: &str, role: &str) -> Value {
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role });
    let subject = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory" });
    let content = json!({ "roleRef": role, "subjects": [subject] });
    object("rbac.authorization.k8s.io/v1", kind, "a", &content)
}

async fn allowed(client: &Client, method: &str, path: &str, body: &Value) {
    let asked =
        if method == "GET" { path.to_owned() } else { format!("{path}?fieldManager=test&dryRun=All") };
    let (code, answer) = send(client, method, &asked, body).await;
    assert!([200, 201].contains(&code), "{method} {path}: {answer}");
}

/// Pods that reach for their node.
async fn escapes_are_refused(client: &Client) {
    let inside = |key: &str, value: Value| {
        let key = key.to_owned();
        pod(move |spec| spec["containers"][0]["securityContext"][key] = value)
    };
    let attempts = [
        pod(|spec| spec["containers"][0]["securityContext"] = json!({ "privileged": true })),
        inside("allowPrivilegeEscalation", json!(true)),
        inside("capabilities", json!({ "drop": ["ALL"], "add": ["NET_ADMIN"] })),
        inside("runAsUser", json!(0)),
        pod(|spec| spec["securityContext"]["runAsNonRoot"] = json!(false)),
        pod(|spec| spec["hostNetwork"] = json!(true)),
        pod(|spec| spec["hostPID"] = json!(true)),
        pod(|spec| spec["hostIPC"] = json!(true)),
        pod(|spec| spec["containers"][0]["ports"] = json!([{ "containerPort": 80, "hostPort": 80 }])),
        pod(|spec| spec["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/" } }])),
    ];
    for attempt in attempts {
        refused(client, "PATCH", &format!("{WEB}/pods/a"), &attempt, "violates PodSecurity").await;
    }
}

/// What belongs to others, to the cluster, or to Hexabase.
async fn what_is_not_theirs_is_refused(client: &Client) {
    let lists = [
        "/api/v1/nodes",
        "/api/v1/secrets",
        "/api/v1/persistentvolumes",
        "/api/v1/namespaces/kube-system/secrets",
        &format!("{OTHER}/pods"),
        &format!("{OTHER}/secrets"),
    ];
    for path in lists {
        refused(client, "GET", path, &Value::Null, "cannot list resource").await;
    }
    let claim = json!({ "spec": { "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/" } } });
    let writes = [
        (
            format!("{WEB}/resourcequotas/hexabase-project"),
            object(
                "v1",
                "ResourceQuota",
                "hexabase-project",
                &json!({ "spec": { "hard": { "cpu": "99" } } }),
            ),
        ),
        (
            format!("{WEB}/limitranges/hexabase-project"),
            object("v1", "LimitRange", "hexabase-project", &json!({ "spec": { "limits": [] } })),
        ),
        (
            WEB.to_owned(),
            object(
                "v1",
                "Namespace",
                "web",
                &json!({ "metadata": { "name": "web", "labels": { "pod-security.kubernetes.io/enforce": "privileged" } } }),
            ),
        ),
        ("/api/v1/persistentvolumes/a".to_owned(), object("v1", "PersistentVolume", "a", &claim)),
        (
            format!("{RBAC}/clusterroles/hexabase:project-editor"),
            object(
                "rbac.authorization.k8s.io/v1",
                "ClusterRole",
                "hexabase:project-editor",
                &json!({ "rules": [] }),
            ),
        ),
        (format!("{RBAC}/clusterrolebindings/a"), binding("ClusterRoleBinding", "cluster-admin")),
        (format!("{RBAC}/namespaces/web/rolebindings/a"), binding("RoleBinding", "cluster-admin")),
        (
            format!("{RBAC}/namespaces/other/rolebindings/a"),
            binding("RoleBinding", "hexabase:project-viewer"),
        ),
    ];
    for (path, body) in writes {
        refused(client, "PATCH", &path, &body, "").await;
    }
    for path in [WEB.to_owned(), format!("{RBAC}/clusterroles/hexabase:project-editor")] {
        refused(client, "DELETE", &path, &Value::Null, "").await;
    }
    let guard = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/hexabase-guard";
    refused(client, "DELETE", guard, &Value::Null, "cannot delete resource").await;
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn people_may_do_what_their_groups_say_and_nothing_else() {
    let host = OnHost::start().await;
    let cluster = workspace();
    let admin = bring_up(&host, &cluster).await;
    let somebody = |groups: &[&str]| impersonating(admin.clone(), "hexabase:ann", groups);
    let group = |name: &str| format!("hexabase:{name}");

    let outsider = somebody(&[]);
    refused(&outsider, "GET", &format!("{WEB}/pods"), &Value::Null, "cannot list resource").await;
    // A name that looks like one of the system's is only a name behind its prefix.
    let pretender = somebody(&["hexabase:system:masters", "hexabase:cluster-admin"]);
    refused(&pretender, "GET", "/api/v1/secrets", &Value::Null, "cannot list resource").await;

    let settings = object("v1", "ConfigMap", "a", &json!({ "data": { "a": "b" } }));
    let viewer = somebody(&[&group("viewers")]);
    allowed(&viewer, "GET", &format!("{WEB}/pods"), &Value::Null).await;
    refused(&viewer, "GET", &format!("{WEB}/secrets"), &Value::Null, "cannot list resource").await;
    refused(&viewer, "PATCH", &format!("{WEB}/configmaps/a"), &settings, "cannot patch resource").await;
    what_is_not_theirs_is_refused(&viewer).await;

    let editor = somebody(&[&group("editors")]);
    allowed(&editor, "PATCH", &format!("{WEB}/configmaps/a"), &settings).await;
    allowed(&editor, "PATCH", &format!("{WEB}/pods/a"), &pod(|_| {})).await;
    allowed(&editor, "GET", &format!("{WEB}/secrets"), &Value::Null).await;
    let bindings = format!("{RBAC}/namespaces/web/rolebindings/a");
    let viewing = binding("RoleBinding", "hexabase:project-viewer");
    refused(&editor, "PATCH", &bindings, &viewing, "cannot patch resource").await;
    escapes_are_refused(&editor).await;
    what_is_not_theirs_is_refused(&editor).await;

    let lead = somebody(&[&group("leads")]);
    allowed(&lead, "PATCH", &bindings, &viewing).await;
    let policy = json!({ "spec": { "podSelector": {} } });
    let policy = object("networking.k8s.io/v1", "NetworkPolicy", "a", &policy);
    allowed(&lead, "PATCH", "/apis/networking.k8s.io/v1/namespaces/web/networkpolicies/a", &policy).await;
    escapes_are_refused(&lead).await;
    what_is_not_theirs_is_refused(&lead).await;

    let manager = somebody(&[&group("admins")]);
    for path in [format!("{WEB}/secrets"), format!("{OTHER}/secrets")] {
        allowed(&manager, "GET", &path, &Value::Null).await;
    }
    escapes_are_refused(&manager).await;
    for method in ["PATCH", "DELETE"] {
        let quota = object("v1", "ResourceQuota", "hexabase-project", &json!({ "spec": { "hard": {} } }));
        let path = format!("{WEB}/resourcequotas/hexabase-project");
        refused(&manager, method, &path, &quota, "").await;
    }
    refused(
        &manager,
        "PATCH",
        &format!("{RBAC}/clusterrolebindings/a"),
        &binding("ClusterRoleBinding", "cluster-admin"),
        "",
    )
    .await;

    host.provisioner.delete(&cluster.target).await.unwrap();
}
