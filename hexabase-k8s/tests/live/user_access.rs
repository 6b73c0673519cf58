//! Permissions of users in a real tenant cluster by the groups in their tokens: the checks of the multi-tenancy
//! benchmarks (<https://github.com/kubernetes-retired/multi-tenancy/tree/master/benchmarks>) that an API server
//! decides.

use std::time::Duration;

use hexabase_core::desired::{self, Issuer, TenantCluster};
use hexabase_core::fixture::{self, id};
use hexabase_core::model::{
    Assignment, Group, Isolation, Plan, PresetRole, Project, RoleRef, WorkspaceState,
};
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState};
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use hexabase_k8s::{HostConfig, ServiceConnector, TenantConnector as _};
use kube::Client;
use serde_json::{Value, json};

use crate::HostHarness;
use crate::admission_policies::assert_rejected;
use crate::host::{impersonate_with_groups, send};

/// Names of groups, with the role of each and the project of project roles.
const GROUPS: [(&str, PresetRole, Option<&str>); 4] = [
    ("admins", PresetRole::WorkspaceAdmin, None),
    ("leads", PresetRole::ProjectAdmin, Some("web")),
    ("editors", PresetRole::ProjectEditor, Some("web")),
    ("viewers", PresetRole::ProjectViewer, Some("web")),
];

/// Desired state with two projects, and a group for every role.
fn workspace() -> TenantCluster {
    let workspace = fixture::workspace("one");
    let project = |name: &str| Project {
        workspace_id: workspace.id,
        quota: Quota::new().with(Resource::Cpu, Quantity::units(2)),
        ..fixture::project(name)
    };
    let projects = vec![project("web"), project("other")];
    let group = |name: &str| Group { workspace_id: workspace.id, ..fixture::group(name) };
    let assignment = |(name, role, project): &(&str, PresetRole, Option<&str>)| Assignment {
        id: id(&format!("assigned-{name}")),
        organization_id: workspace.organization_id,
        workspace_id: workspace.id,
        project_id: project.map(|_| projects[0].id),
        group_id: group(name).id,
        role: RoleRef::Preset(*role),
        created_by: id("owner"),
        created_at: fixture::FIXTURE_TIME,
    };
    let state = WorkspaceState {
        groups: GROUPS.iter().map(|(name, ..)| group(name)).collect(),
        assignments: GROUPS.iter().map(assignment).collect(),
        projects: projects.clone(),
        roles: Vec::new(),
        workspace: workspace.clone(),
    };
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    desired::tenant_cluster(
        &state,
        &Plan { isolation: Isolation::Restricted, ..fixture::plan("small") },
        &issuer,
    )
}

/// Reconciles a tenant until it is ready. Returns a client of its administrator.
pub(crate) async fn start_tenant(host: &HostHarness, cluster: &TenantCluster) -> Client {
    for _ in 0..600 {
        let observed = host.provisioner.observe(&cluster.target).await;
        let ready = observed.is_ok_and(|observed| observed.control_plane == ControlPlaneState::Ready);
        if host.provisioner.apply(cluster).await.is_ok_and(|applied| applied.tenant) && ready {
            let access = host.provisioner.admin_access(&cluster.target).await.unwrap();
            return ServiceConnector::new(&HostConfig::default())
                .connect(&cluster.target, &access.kubeconfig)
                .await
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the tenant is not ready in time");
}

/// Waits for a condition, for at least two minutes.
pub(crate) async fn eventually(description: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("timed out waiting until {description}");
}

fn object(api: &str, kind: &str, name: &str, content: &Value) -> Value {
    let mut body = json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name } });
    for (key, value) in content.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// Pod that the `restricted` Pod Security Standard allows, with one change.
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

async fn assert_allowed(client: &Client, method: &str, path: &str, body: &Value) {
    let url = if method == "GET" { path.to_owned() } else { format!("{path}?fieldManager=test&dryRun=All") };
    let (code, response) = send(client, method, &url, body).await;
    assert!([200, 201].contains(&code), "{method} {path}: {response}");
}

/// Checks that pods with access to their node are rejected.
async fn assert_pod_escapes_are_rejected(client: &Client) {
    let with_container_setting = |key: &str, value: Value| {
        let key = key.to_owned();
        pod(move |spec| spec["containers"][0]["securityContext"][key] = value)
    };
    let attempts = [
        pod(|spec| spec["containers"][0]["securityContext"] = json!({ "privileged": true })),
        with_container_setting("allowPrivilegeEscalation", json!(true)),
        with_container_setting("capabilities", json!({ "drop": ["ALL"], "add": ["NET_ADMIN"] })),
        with_container_setting("runAsUser", json!(0)),
        pod(|spec| spec["securityContext"]["runAsNonRoot"] = json!(false)),
        pod(|spec| spec["hostNetwork"] = json!(true)),
        pod(|spec| spec["hostPID"] = json!(true)),
        pod(|spec| spec["hostIPC"] = json!(true)),
        pod(|spec| spec["containers"][0]["ports"] = json!([{ "containerPort": 80, "hostPort": 80 }])),
        pod(|spec| spec["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/" } }])),
    ];
    for attempt in attempts {
        assert_rejected(client, "PATCH", &format!("{WEB}/pods/a"), &attempt, "violates PodSecurity").await;
    }
}

/// Checks that objects of other projects, of the cluster and of Hexabase are protected.
async fn assert_foreign_objects_are_rejected(client: &Client) {
    let lists = [
        "/api/v1/nodes",
        "/api/v1/secrets",
        "/api/v1/persistentvolumes",
        "/api/v1/namespaces/kube-system/secrets",
        &format!("{OTHER}/pods"),
        &format!("{OTHER}/secrets"),
    ];
    for path in lists {
        assert_rejected(client, "GET", path, &Value::Null, "cannot list resource").await;
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
        assert_rejected(client, "PATCH", &path, &body, "").await;
    }
    for path in [WEB.to_owned(), format!("{RBAC}/clusterroles/hexabase:project-editor")] {
        assert_rejected(client, "DELETE", &path, &Value::Null, "").await;
    }
    let admission_policy =
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/hexabase-managed-objects";
    assert_rejected(client, "DELETE", admission_policy, &Value::Null, "cannot delete resource").await;
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn users_have_exactly_the_permissions_of_their_groups() {
    let host = HostHarness::start().await;
    let cluster = workspace();
    let admin = start_tenant(&host, &cluster).await;
    let user_in = |groups: &[&str]| impersonate_with_groups(admin.clone(), "hexabase:ann", groups);
    let group = |name: &str| format!("hexabase:{name}");

    let non_member = user_in(&[]);
    assert_rejected(&non_member, "GET", &format!("{WEB}/pods"), &Value::Null, "cannot list resource").await;
    // Behind the prefix, the name of a system group has no effect.
    let impostor = user_in(&["hexabase:system:masters", "hexabase:cluster-admin"]);
    assert_rejected(&impostor, "GET", "/api/v1/secrets", &Value::Null, "cannot list resource").await;

    let config_map = object("v1", "ConfigMap", "a", &json!({ "data": { "a": "b" } }));
    let viewer = user_in(&[&group("viewers")]);
    assert_allowed(&viewer, "GET", &format!("{WEB}/pods"), &Value::Null).await;
    assert_rejected(&viewer, "GET", &format!("{WEB}/secrets"), &Value::Null, "cannot list resource").await;
    assert_rejected(&viewer, "PATCH", &format!("{WEB}/configmaps/a"), &config_map, "cannot patch resource")
        .await;
    assert_foreign_objects_are_rejected(&viewer).await;

    let editor = user_in(&[&group("editors")]);
    assert_allowed(&editor, "PATCH", &format!("{WEB}/configmaps/a"), &config_map).await;
    assert_allowed(&editor, "PATCH", &format!("{WEB}/pods/a"), &pod(|_| {})).await;
    assert_allowed(&editor, "GET", &format!("{WEB}/secrets"), &Value::Null).await;
    let bindings = format!("{RBAC}/namespaces/web/rolebindings/a");
    let viewer_binding = binding("RoleBinding", "hexabase:project-viewer");
    assert_rejected(&editor, "PATCH", &bindings, &viewer_binding, "cannot patch resource").await;
    assert_pod_escapes_are_rejected(&editor).await;
    assert_foreign_objects_are_rejected(&editor).await;

    let lead = user_in(&[&group("leads")]);
    assert_allowed(&lead, "PATCH", &bindings, &viewer_binding).await;
    let policy = json!({ "spec": { "podSelector": {} } });
    let policy = object("networking.k8s.io/v1", "NetworkPolicy", "a", &policy);
    assert_allowed(&lead, "PATCH", "/apis/networking.k8s.io/v1/namespaces/web/networkpolicies/a", &policy)
        .await;
    assert_pod_escapes_are_rejected(&lead).await;
    assert_foreign_objects_are_rejected(&lead).await;

    let manager = user_in(&[&group("admins")]);
    for path in [format!("{WEB}/secrets"), format!("{OTHER}/secrets")] {
        assert_allowed(&manager, "GET", &path, &Value::Null).await;
    }
    assert_pod_escapes_are_rejected(&manager).await;
    for method in ["PATCH", "DELETE"] {
        let quota = object("v1", "ResourceQuota", "hexabase-project", &json!({ "spec": { "hard": {} } }));
        let path = format!("{WEB}/resourcequotas/hexabase-project");
        assert_rejected(&manager, method, &path, &quota, "").await;
    }
    assert_rejected(
        &manager,
        "PATCH",
        &format!("{RBAC}/clusterrolebindings/a"),
        &binding("ClusterRoleBinding", "cluster-admin"),
        "",
    )
    .await;

    host.provisioner.delete(&cluster.target).await.unwrap();
}
