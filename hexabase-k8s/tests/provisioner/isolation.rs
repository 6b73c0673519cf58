//! Isolation self-check: passes on a host with its setup, and each check fails once its barrier is removed.

use std::collections::BTreeSet;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::ErrorKind;
use hexabase_core::fixture;
use hexabase_core::model::{ConditionStatus, Isolation, IsolationResult};
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_k8s::render::host_setup;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostConfig, Kind, Object, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};

use super::host_setup::{eventually, get, host_config, restricted_host, sandbox_with};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

struct Setup {
    sandbox: Sandbox,
    provisioner: VClusterProvisioner,
    cluster: TenantCluster,
}

/// Ready tenant on a host with this setup, on which Hexabase has only the permissions of the setup.
async fn tenant_on(access: &[Object], isolation: Isolation) -> Setup {
    tenant_with(access, isolation, host_config()).await
}

/// Same tenant with another configuration of its host.
async fn tenant_with(access: &[Object], isolation: Isolation, config: HostConfig) -> Setup {
    let sandbox = sandbox_with(access).await;
    let client = Client::new(restricted_host(&sandbox), "default");
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), config);
    let setup = Setup {
        sandbox,
        provisioner,
        cluster: TenantCluster { isolation, ..fixture::tenant_cluster("shop") },
    };
    setup.apply(&setup.cluster).await;
    setup.apply(&TenantCluster { isolation, ..fixture::tenant_cluster("other") }).await;
    setup
}

async fn tenant() -> Setup {
    tenant_on(&host_setup(&HostConfig::default()), Isolation::Baseline).await
}

impl Setup {
    async fn apply(&self, cluster: &TenantCluster) {
        eventually("cluster applied", || async {
            self.provisioner.apply(cluster).await.map(|applied| applied.tenant)
        })
        .await
        .unwrap();
    }

    async fn check(&self) -> Vec<IsolationResult> {
        self.provisioner.check_isolation(&self.cluster).await.unwrap()
    }

    fn namespace(&self) -> &str {
        &self.cluster.target.name
    }

    /// Sends a request as the administrator of the host.
    async fn host(&self, method: &str, path: &str, body: &Value) {
        self.send(&self.sandbox.host_client(), method, path, body).await;
    }

    /// Sends a request as the administrator of the tenant.
    async fn tenant(&self, method: &str, path: &str, body: &Value) {
        let api = self.sandbox.tenant(self.namespace()).unwrap();
        self.send(&Client::new(api, "default"), method, path, body).await;
    }

    async fn send(&self, client: &Client, method: &str, path: &str, body: &Value) {
        let (method, media_type) = match method {
            "PATCH" if body.is_array() => ("PATCH", "application/json-patch+json"),
            "PATCH" => ("PATCH", "application/merge-patch+json"),
            method => (method, "application/json"),
        };
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
        let response = client.send(request.body(kube::client::Body::from(bytes)).unwrap()).await.unwrap();
        assert!(response.status().is_success(), "{method} {path}: {}", response.status());
    }
}

fn with_status(results: &[IsolationResult], status: ConditionStatus) -> BTreeSet<&str> {
    let matching = results.iter().filter(|result| result.status == status);
    matching.map(|result| result.kind.as_str()).collect()
}

#[tokio::test]
async fn a_tenant_on_a_host_with_its_setup_passes_all_checks() {
    for isolation in [Isolation::Baseline, Isolation::Restricted] {
        let results = tenant_on(&host_setup(&HostConfig::default()), isolation).await.check().await;
        for result in &results {
            assert_eq!(result.status, ConditionStatus::True, "{result:#?}");
            assert_eq!(result.remedy, "", "{result:#?}");
        }
        assert!(results.len() > 35, "{}", results.len());
        let has_root_check = results.iter().any(|result| result.kind == "RootRejected");
        assert_eq!(has_root_check, isolation == Isolation::Restricted);
    }
}

#[tokio::test]
async fn a_tenant_with_another_label_domain_becomes_ready_and_passes_all_checks() {
    let mut config = host_config();
    config.set("label_domain", "k8s.acme.example").unwrap();
    let setup = tenant_with(&host_setup(&config), Isolation::Baseline, config).await;
    let observed = setup.provisioner.observe(&setup.cluster.target).await.unwrap();
    assert_eq!(observed.control_plane, ControlPlaneState::Ready);
    assert_eq!(setup.provisioner.plan(&setup.cluster).await.unwrap(), []);
    let results = setup.check().await;
    assert_eq!(with_status(&results, ConditionStatus::True).len(), results.len(), "{results:#?}");
    assert_eq!(results.len(), tenant().await.check().await.len());
    let tenant = Client::new(setup.sandbox.tenant(setup.namespace()).unwrap(), "default");
    let host = setup.sandbox.host_client();
    for (client, list) in [
        (&host, "/api/v1/namespaces".to_owned()),
        (&host, format!("/api/v1/namespaces/{}/secrets", setup.namespace())),
        (&host, format!("/apis/apps/v1/namespaces/{}/statefulsets", setup.namespace())),
        (&host, format!("{ADMISSION}/validatingadmissionpolicies")),
        (&tenant, format!("{RBAC}/clusterroles")),
        (&tenant, format!("{ADMISSION}/validatingadmissionpolicies")),
    ] {
        let listed = get(client, &list).await.to_string();
        assert!(listed.contains("k8s.acme.example/"), "{list}");
        assert!(!listed.contains("hexabase.ai"), "{list}");
    }
}

/// Removes a barrier of a tenant.
enum Removal {
    /// Request to the host.
    Host(&'static str, String, Value),
    /// Request to the tenant.
    Tenant(&'static str, String, Value),
}

fn binding(name: &str, role: &str, subjects: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": subjects,
    })
}

/// Removals of barriers, with the checks that must fail after each.
fn removals(namespace: &str) -> Vec<(Vec<Removal>, &'static [&'static str])> {
    let policy = |name: &str| {
        Removal::Host("DELETE", format!("{ADMISSION}/validatingadmissionpolicybindings/{name}"), Value::Null)
    };
    let in_namespace = |group: &str, plural: &str| format!("{group}/namespaces/{namespace}/{plural}");
    let extended = |name: &'static str, rule: Value| {
        let patch = json!([{ "op": "add", "path": "/rules/-", "value": rule }]);
        Removal::Tenant("PATCH", format!("{RBAC}/clusterroles/{name}"), patch)
    };
    let token = json!({ "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"] });
    let exec = json!({ "apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"] });
    let everything =
        json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated" }]);
    let syncer =
        json!([{ "kind": "ServiceAccount", "name": format!("vc-{namespace}"), "namespace": namespace }]);
    let open = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": "open" },
        "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": [{}] },
    });
    let quota = || {
        Removal::Host(
            "DELETE",
            in_namespace("/api/v1", &format!("resourcequotas/vc-{namespace}")),
            Value::Null,
        )
    };
    let range = || {
        Removal::Host("DELETE", in_namespace("/api/v1", &format!("limitranges/vc-{namespace}")), Value::Null)
    };
    let single: Vec<(Removal, &'static [&'static str])> = vec![
        (
            policy("hexabase-tenants"),
            &[
                "ServerVolumesRejected",
                "ControlPlaneVolumeRejected",
                "SchedulerBypassRejected",
                "SystemPriorityRejected",
                "ForeignNodesRejected",
            ],
        ),
        (
            policy("hexabase-tenants-metadata"),
            &["HostControllersProtected", "ForeignLabelsRejected", "UntranslatedObjectsRejected"],
        ),
        (policy("hexabase-tenants-services"), &["ExternalNamesRejected", "ExternalAddressesRejected"]),
        (policy("hexabase-tenants-claims"), &["ForeignVolumesRejected"]),
        (policy("hexabase-tenants-secrets"), &["HostTokensRejected"]),
        (policy("hexabase-tenants-resources"), &["ExtendedResourcesRejected"]),
        (policy("hexabase-tenants-stateful-sets"), &["ControlPlaneChangesRejected"]),
        (range(), &["LimitsBeyondPlanRejected"]),
        (policy("hexabase-tenants-ingresses"), &["ForeignHostsRejected", "RegexPathsRejected"]),
        (
            Removal::Host(
                "PATCH",
                format!("/api/v1/namespaces/{namespace}"),
                json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "privileged" } } }),
            ),
            &[
                "PrivilegedPodsRejected",
                "HostNamespacesRejected",
                "HostPortsRejected",
                "CapabilitiesRejected",
                "RootRejected",
                "PrivilegeEscalationRejected",
            ],
        ),
        (
            Removal::Host(
                "POST",
                format!("{RBAC}/clusterrolebindings"),
                binding("wrong", "cluster-admin", &syncer),
            ),
            &["EndpointsRejected", "OtherNamespacesUnreachable", "ClusterUnreachable", "EscalationDenied"],
        ),
        (
            Removal::Host(
                "DELETE",
                in_namespace("/apis/networking.k8s.io/v1", "networkpolicies/default-deny"),
                Value::Null,
            ),
            &["TrafficDeniedByDefault"],
        ),
        (
            Removal::Host("POST", in_namespace("/apis/networking.k8s.io/v1", "networkpolicies"), open),
            &["MetadataUnreachable"],
        ),
        (
            Removal::Host(
                "PATCH",
                "/api/v1/namespaces/hexabase-system".to_owned(),
                json!({ "metadata": { "annotations": { "hexabase.ai/host-setup": null } } }),
            ),
            &["HostSetupApplied"],
        ),
        (extended("hexabase:workspace-admin", token.clone()), &["WorkspaceAdminLimited"]),
        (extended("hexabase:project-admin", token.clone()), &["ProjectAdminLimited"]),
        (extended("hexabase:project-editor", token), &["ProjectEditorLimited"]),
        (extended("hexabase:workspace-viewer", exec.clone()), &["WorkspaceViewerLimited"]),
        (extended("hexabase:project-viewer", exec), &["ProjectViewerLimited"]),
        (
            Removal::Tenant(
                "DELETE",
                format!("{ADMISSION}/validatingadmissionpolicybindings/hexabase-managed-objects"),
                Value::Null,
            ),
            &["ManagedObjectsProtected"],
        ),
        (
            Removal::Tenant(
                "POST",
                format!("{RBAC}/clusterrolebindings"),
                binding("wrong", "cluster-admin", &everything),
            ),
            &["UnassignedUsersDenied"],
        ),
    ];
    let several: [(Vec<Removal>, &'static [&'static str]); 2] = [
        (vec![quota(), range()], &["RequestsBeyondPlanRejected"]),
        // The quota rejects ports of nodes, too.
        (vec![quota(), policy("hexabase-tenants-services")], &["NodePortsRejected"]),
    ];
    single.into_iter().map(|(removal, failing)| (vec![removal], failing)).chain(several).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_check_fails_without_its_barrier() {
    let mut can_fail = BTreeSet::from([
        // Covered by the tests below.
        "ActsAsControlPlane",
        "HarmlessObjectsAdmitted",
    ]);
    let mut all = BTreeSet::new();
    let count = removals("").len();
    for index in 0..count {
        let setup = tenant_on(&host_setup(&HostConfig::default()), Isolation::Restricted).await;
        let (removals, failing) = removals(setup.namespace()).swap_remove(index);
        for removal in &removals {
            match removal {
                Removal::Host(method, path, body) => setup.host(method, path, body).await,
                Removal::Tenant(method, path, body) => setup.tenant(method, path, body).await,
            }
        }
        let results = setup.check().await;
        for result in results {
            if failing.contains(&result.kind.as_str()) {
                assert_eq!(result.status, ConditionStatus::False, "{result:#?}");
                assert_ne!(result.remedy, "", "{result:#?}");
            }
            all.insert(result.kind);
        }
        can_fail.extend(failing);
    }
    let cannot_fail: Vec<_> = all
        .iter()
        .filter(|kind| !can_fail.contains(kind.as_str()))
        // The API server rejects the pod of this check in two ways: Pod Security comes first.
        .filter(|kind| *kind != "HostPathsRejected")
        .collect();
    assert!(cannot_fail.is_empty(), "{cannot_fail:?}");
}

#[tokio::test]
async fn a_host_without_admission_policies_proves_nothing() {
    let mut access = host_setup(&HostConfig::default());
    access.retain(|object| object.kind != Kind::ADMISSION_POLICY_BINDING);
    let results = tenant_on(&access, Isolation::Baseline).await.check().await;
    let failed = with_status(&results, ConditionStatus::False);
    for kind in
        ["ServerVolumesRejected", "ForeignVolumesRejected", "ForeignLabelsRejected", "HostTokensRejected"]
    {
        assert!(failed.contains(kind), "{kind}: {results:#?}");
    }
}

#[tokio::test]
async fn rejections_of_attempts_as_another_user_prove_nothing() {
    let mut access = host_setup(&HostConfig::default());
    for role in access.iter_mut().filter(|object| object.kind == Kind::CLUSTER_ROLE) {
        let rules = role.body["rules"].as_array_mut().unwrap();
        for rule in &mut *rules {
            rule["verbs"].as_array_mut().unwrap().retain(|verb| verb != "impersonate");
        }
    }
    let results = tenant_on(&access, Isolation::Baseline).await.check().await;
    let failed = with_status(&results, ConditionStatus::False);
    assert_eq!(failed, BTreeSet::from(["ActsAsControlPlane", "HarmlessObjectsAdmitted"]));
    let attempted =
        ["PrivilegedPodsRejected", "ForeignVolumesRejected", "EndpointsRejected", "ClusterUnreachable"];
    for kind in attempted {
        let result = results.iter().find(|result| result.kind == kind).unwrap();
        assert_eq!(result.status, ConditionStatus::Unknown, "{result:#?}");
        assert_eq!(result.reason, "RejectedForAnotherReason");
    }
}

#[tokio::test]
async fn rejections_of_everything_prove_nothing() {
    let setup = tenant().await;
    let role = format!("{RBAC}/namespaces/{0}/roles/vc-{0}", setup.namespace());
    setup.host("PATCH", &role, &json!({ "rules": [] })).await;
    let results = setup.check().await;
    for kind in ["PrivilegedPodsRejected", "ForeignVolumesRejected", "ForeignLabelsRejected"] {
        let result = results.iter().find(|result| result.kind == kind).unwrap();
        assert_eq!(result.status, ConditionStatus::Unknown, "{result:#?}");
    }
    let denied = results.iter().find(|result| result.kind == "EndpointsRejected").unwrap();
    assert_eq!((denied.status, denied.reason.as_str()), (ConditionStatus::Unknown, "ControlFailed"));
}

#[tokio::test]
async fn a_full_quota_neither_passes_nor_fails_other_checks() {
    let setup = tenant().await;
    let quota = format!("/api/v1/namespaces/{0}/resourcequotas/vc-{0}", setup.namespace());
    setup
        .host("PATCH", &quota, &json!({ "spec": { "hard": { "count/pods": "0", "count/secrets": "0" } } }))
        .await;
    let results = setup.check().await;
    assert_eq!(with_status(&results, ConditionStatus::False), BTreeSet::new());
    let statuses = with_status(&results, ConditionStatus::Unknown);
    assert_eq!(statuses, BTreeSet::new(), "{results:#?}");
}

#[tokio::test]
async fn checks_of_a_tenant_that_does_not_run_are_unknown() {
    let setup = tenant().await;
    let secret = format!("/api/v1/namespaces/{0}/secrets/vc-{0}", setup.namespace());
    setup.host("DELETE", &secret, &Value::Null).await;
    let unknown = setup.check().await;
    let unknown = with_status(&unknown, ConditionStatus::Unknown);
    let inside = ["ManagedObjectsProtected", "UnassignedUsersDenied", "ProjectViewerLimited"];
    assert!(inside.iter().all(|kind| unknown.contains(kind)), "{unknown:?}");
    assert_eq!(unknown.len(), 7, "{unknown:?}");
}

#[tokio::test]
async fn a_self_check_changes_nothing_and_leaves_foreign_namespaces_alone() {
    let setup = tenant().await;
    let objects = async || {
        let mut all = Vec::new();
        for plural in ["pods", "services", "persistentvolumeclaims", "configmaps", "secrets"] {
            let path = format!("/api/v1/namespaces/{}/{plural}", setup.namespace());
            let list = get(&setup.sandbox.host_client(), &path).await;
            all.push(list["items"].clone());
        }
        all
    };
    let before = objects().await;
    setup.check().await;
    assert_eq!(objects().await, before);
    let unknown = fixture::tenant_cluster("unknown");
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": unknown.target.name } });
    setup.host("POST", "/api/v1/namespaces", &namespace).await;
    let error = setup.provisioner.check_isolation(&unknown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
