//! Requests that RBAC allows and the admission policies of the host reject.

use hexabase_core::desired::{self, Issuer, TenantCluster};
use hexabase_core::fixture::{self, id};
use hexabase_core::model::{
    Assignment, ControlPlaneStore, Group, Isolation, Plan, PresetRole, Project, RoleRef, WorkspaceState,
};
use hexabase_core::name::ImageSource;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use hexabase_k8s::render::{host_objects, kyverno_policies, tenant_objects};
use hexabase_k8s::{Exposure, HostConfig, Kind};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::host::{admin, apply, hexabase_client, impersonate, send};
use crate::host_capacity::create_namespace;

/// Waits until a request is rejected with this message: an API server enforces a new policy only after a moment. The
/// requests are dry runs.
pub(crate) async fn assert_rejected(
    client: &kube::Client,
    method: &str,
    path: &str,
    body: &Value,
    message: &str,
) {
    let path = format!("{path}?fieldManager=test&dryRun=All");
    let mut last = String::new();
    for _ in 0..100 {
        let (code, response) = send(client, method, &path, body).await;
        last = format!("{code}: {}", response["message"].as_str().unwrap_or_default());
        if code == 403 && last.contains(message) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{method} {path} is not rejected with \"{message}\": {last}");
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn hexabase_can_change_only_namespaces_of_workspaces() {
    let hexabase = hexabase_client().await;
    let unmanaged = format!("unmanaged-{}", std::process::id());
    create_namespace(admin().await, &unmanaged).await;
    let missing = format!("{unmanaged}-2");
    let namespace = |name: &str, labels: Value| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    let labelled = namespace(&unmanaged, json!({ "hexabase.ai/workspace-id": "ws-x" }));
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": "hexabase-test" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "hexabase-tenant" },
        "subjects": [],
    });
    let bindings =
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{unmanaged}/rolebindings/hexabase-test");
    let attempts = [
        ("PATCH", bindings, binding),
        ("PATCH", format!("/api/v1/namespaces/{unmanaged}"), labelled),
        ("PATCH", format!("/api/v1/namespaces/{missing}"), namespace(&missing, json!({}))),
        ("DELETE", format!("/api/v1/namespaces/{unmanaged}"), Value::Null),
    ];
    for (method, path, body) in attempts {
        assert_rejected(&hexabase, method, &path, &body, "of workspaces").await;
    }
    for labels in [json!({}), json!({ "pod-security.kubernetes.io/enforce": "privileged" })] {
        let mut unprotected = namespace(&missing, labels);
        unprotected["metadata"]["labels"]["hexabase.ai/workspace-id"] = json!("ws-x");
        let path = format!("/api/v1/namespaces/{missing}");
        assert_rejected(&hexabase, "PATCH", &path, &unprotected, "may reach their nodes").await;
    }
    let namespaces: Api<Namespace> = Api::all(admin().await);
    namespaces.delete(&unmanaged, &DeleteParams::default()).await.unwrap();
}

/// Allowed image sources.
const SOURCES: [&str; 3] = ["docker.io/library", "registry.example:5000/team", "ghcr.io/acme/tool"];

/// Desired state of a tenant with an object of every kind.
fn tenant(name: &str, isolation: Isolation) -> TenantCluster {
    let workspace = fixture::workspace(name);
    let project = Project {
        workspace_id: workspace.id,
        quota: Quota::new().with(Resource::Cpu, Quantity::units(2)),
        ..fixture::project("web")
    };
    let group = Group { workspace_id: workspace.id, ..fixture::group("ops") };
    let assignment = Assignment {
        id: id("assignment"),
        organization_id: workspace.organization_id,
        workspace_id: workspace.id,
        project_id: Some(project.id),
        group_id: group.id,
        role: RoleRef::Preset(PresetRole::ProjectEditor),
        created_by: id("owner"),
        created_at: fixture::FIXTURE_TIME,
    };
    let state = WorkspaceState {
        workspace,
        groups: vec![group],
        projects: vec![project],
        roles: Vec::new(),
        assignments: vec![assignment],
    };
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    let image_sources = SOURCES.iter().map(|source| ImageSource::parse(source).unwrap()).collect();
    let plan = Plan { isolation, image_sources, ..fixture::plan("small") };
    desired::tenant_cluster(&state, &plan, &issuer)
}

/// Fails if the cluster does not serve a resource that the test needs.
async fn require_resource(path: &str, description: &str) {
    let (code, _) = send(&admin().await, "GET", path, &Value::Null).await;
    assert_eq!(
        code, 200,
        "the cluster does not serve {description}: apply its CustomResourceDefinition first"
    );
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn every_object_passes_strict_validation_without_warnings() {
    let namespaces: Api<Namespace> = Api::all(admin().await);
    let ingress = Exposure::Ingress { class: "passthrough".to_owned() };
    let gateway = Exposure::Gateway { namespace: "edge".to_owned(), name: "tenants".to_owned() };
    let description = "the Gateway API's TLSRoute of v1 (its release 1.5 or newer, standard channel)";
    require_resource("/apis/gateway.networking.k8s.io/v1/tlsroutes", description).await;
    for (isolation, exposure) in [(Isolation::Baseline, ingress), (Isolation::Restricted, gateway)] {
        let mut cluster = tenant(isolation.as_str(), isolation);
        // The control plane of one of them is highly available.
        if isolation == Isolation::Restricted {
            cluster.control_plane.store = ControlPlaneStore::Etcd;
            cluster.control_plane.replicas = 3;
        }
        let endpoint = "https://{name}.tenants.example".to_owned();
        let config = HostConfig { exposure, endpoint, ..HostConfig::default() };
        let mut objects = host_objects(&cluster, &config).unwrap();
        objects.extend(tenant_objects(&cluster, &config));
        let (namespaces_to_apply, other_objects): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.kind == Kind::NAMESPACE);
        for (params, objects) in [("", &namespaces_to_apply), ("&dryRun=All", &other_objects)] {
            for object in objects {
                let mut warnings = apply(object, params).await;
                // Namespaces with `baseline` isolation warn of `restricted` violations on purpose.
                warnings.retain(|text| isolation == Isolation::Restricted || !text.contains("PodSecurity"));
                assert!(warnings.is_empty(), "{}: {warnings:?}", object.name);
            }
        }
        for namespace in namespaces_to_apply {
            namespaces.delete(&namespace.name, &DeleteParams::default()).await.unwrap();
            while namespaces.get_opt(&namespace.name).await.unwrap().is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn kyverno_policies_pass_strict_validation_without_warnings() {
    let description = "Kyverno's ValidatingPolicy of v1 (its release 1.17 or newer)";
    require_resource("/apis/policies.kyverno.io/v1/validatingpolicies", description).await;
    for policy in kyverno_policies(&HostConfig::default().labels) {
        let warnings = apply(&policy, "&dryRun=All").await;
        assert!(warnings.is_empty(), "{}: {warnings:?}", policy.name);
    }
}

/// Creates the namespace of a tenant with all objects except the control plane. Returns its name.
pub(crate) async fn create_tenant_namespace(workspace: &str, config: &HostConfig) -> String {
    let cluster = tenant(workspace, Isolation::Baseline);
    let mut objects = host_objects(&cluster, config).unwrap();
    objects.retain(|object| object.kind != Kind::STATEFUL_SET);
    for object in &objects {
        apply(object, "").await;
    }
    let name = cluster.target.name;
    let accounts: Api<ServiceAccount> = Api::namespaced(admin().await, &name);
    while accounts.get_opt("default").await.unwrap().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    name
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_control_plane_cannot_create_objects_that_harm_the_host() {
    drop(hexabase_client().await);
    let name = create_tenant_namespace("policies", &HostConfig::default()).await;
    let control_plane = impersonate(&format!("system:serviceaccount:{name}:vc-{name}")).await;
    let pod = |spec: Value| {
        let mut body =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": spec });
        body["spec"]["containers"] = json!([{ "name": "a", "image": "a" }]);
        body
    };
    let service = |mut spec: Value| {
        spec["ports"] = json!([{ "port": 80 }]);
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "a" }, "spec": spec })
    };
    let claim = |mut spec: Value| {
        spec["accessModes"] = json!(["ReadWriteOnce"]);
        spec["resources"] = json!({ "requests": { "storage": "1Gi" } });
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "a" }, "spec": spec })
    };
    let pod_tolerating = |toleration: Value| pod(json!({ "tolerations": [toleration] }));
    let with_annotation = |mut body: Value| {
        body["metadata"]["annotations"] = json!({ "metallb.io/loadBalancerIPs": "192.0.2.1" });
        body
    };
    let attempts = [
        (pod_tolerating(json!({ "operator": "Exists" })), "tolerates every node"),
        (pod_tolerating(json!({ "operator": "Exists", "effect": "NoSchedule" })), "tolerates every node"),
        (
            pod_tolerating(json!({ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists" })),
            "not for tenants",
        ),
        (
            pod_tolerating(json!({ "key": "hexabase.ai/node-class", "operator": "Exists" })),
            "set aside for workspaces",
        ),
        (
            pod(json!({
                "tolerations": [{ "key": "hexabase.ai/dedicated", "operator": "Exists" }],
                "nodeSelector": { "hexabase.ai/workspace-id": "another-workspace" },
            })),
            "set aside for workspaces",
        ),
        (
            pod_tolerating(json!({ "key": "hexabase.ai/workspace-id", "value": "another-workspace" })),
            "of the taints of hexabase.ai",
        ),
        (pod(json!({ "nodeName": "node-1" })), "scheduler chooses"),
        (pod(json!({ "priorityClassName": "system-node-critical" })), "priorities of the system"),
        (pod(json!({ "hostNetwork": true })), "violates PodSecurity"),
        (pod(json!({ "hostPID": true })), "violates PodSecurity"),
        (pod(json!({ "volumes": [{ "name": "v", "hostPath": { "path": "/" } }] })), "violates PodSecurity"),
        (service(json!({ "externalIPs": ["192.0.2.1"] })), "CVE-2020-8554"),
        (service(json!({ "type": "LoadBalancer" })), "exceeded quota"),
        (service(json!({ "type": "NodePort" })), "ports of the nodes"),
        (service(json!({ "type": "ExternalName", "externalName": "metadata.internal" })), "ExternalName"),
        (with_annotation(service(json!({}))), "metallb.io/loadBalancerIPs"),
        (with_annotation(pod(json!({}))), "metallb.io/loadBalancerIPs"),
        (
            pod(json!({ "volumes": [{ "name": "v", "nfs": { "server": "10.0.0.5", "path": "/" } }] })),
            "volumes must be of the types",
        ),
        (
            claim(
                json!({ "dataSource": { "kind": "PersistentVolumeClaim", "name": format!("data-{name}-0") } }),
            ),
            "data sources of a claim",
        ),
        (claim(json!({ "volumeName": "pvc-1" })), "spec.volumeName"),
    ];
    for (body, message) in attempts {
        let plural = match body["kind"].as_str() {
            Some("Pod") => "pods",
            Some("Service") => "services",
            _ => "persistentvolumeclaims",
        };
        let path = format!("/api/v1/namespaces/{name}/{plural}/a");
        assert_rejected(&control_plane, "PATCH", &path, &body, message).await;
    }

    // With token reviews on the host, tokens of the host would be valid in the tenant.
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let review =
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": "x" } });
    assert_rejected(&control_plane, "POST", reviews, &review, "cannot create resource").await;
    for path in ["/api/v1/nodes", "/api/v1/namespaces", "/api/v1/namespaces/kube-system/secrets"] {
        assert_rejected(&control_plane, "GET", path, &Value::Null, "cannot list resource").await;
    }

    let pod_with_toleration = pod_tolerating(json!({ "key": "dedicated", "operator": "Exists" }));
    let namespaces: Api<Namespace> = Api::all(admin().await);
    let labels = namespaces.get(&name).await.unwrap().metadata.labels.unwrap();
    let pod_on_own_nodes = pod(json!({
        "tolerations": [{ "key": "hexabase.ai/node-class", "operator": "Exists", "effect": "NoSchedule" }],
        "nodeSelector": { "hexabase.ai/workspace-id": labels["hexabase.ai/workspace-id"] },
    }));
    for (plural, body) in
        [("pods", pod_with_toleration), ("pods", pod_on_own_nodes), ("services", service(json!({})))]
    {
        let path = format!("/api/v1/namespaces/{name}/{plural}/a?fieldManager=test&dryRun=All");
        let (code, response) = send(&control_plane, "PATCH", &path, &body).await;
        assert!([200, 201].contains(&code), "{response}");
    }
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_control_plane_can_only_restart_its_stateful_sets() {
    drop(hexabase_client().await);
    let config = HostConfig::default();
    let name = create_tenant_namespace("restarts", &config).await;
    let objects = host_objects(&tenant("restarts", Isolation::Baseline), &config).unwrap();
    let mut set = objects.into_iter().find(|object| object.kind == Kind::STATEFUL_SET).unwrap();
    set.body["spec"]["replicas"] = json!(0);
    apply(&set, "").await;
    let control_plane = impersonate(&format!("system:serviceaccount:{name}:vc-{name}")).await;
    let path = format!("/apis/apps/v1/namespaces/{name}/statefulsets/{name}");
    let template = |template: Value| json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": name }, "spec": { "template": template } });
    let host_pods = template(json!({ "spec": { "nodeName": "node-1" } }));
    let forced = format!("{path}?force=true");
    for (body, message) in [
        (host_pods, "change nothing of its StatefulSets"),
        (template(json!({ "metadata": { "labels": { "a": "b" } } })), "change nothing of its StatefulSets"),
        (template(json!({ "metadata": { "annotations": { "a": "b" } } })), "no annotation of its pods"),
    ] {
        assert_rejected(&control_plane, "PATCH", &path, &body, message).await;
    }
    let rotation = json!({ "vcluster.loft.sh/cert-rotation-at": "2026-01-02T03:04:05Z" });
    let restart = template(json!({ "metadata": { "annotations": rotation } }));
    let (code, response) =
        send(&control_plane, "PATCH", &format!("{forced}&fieldManager=test"), &restart).await;
    assert_eq!(code, 200, "{response}");
    // vCluster needs no other right on workloads of the host.
    for (method, path) in [
        ("POST", format!("/apis/apps/v1/namespaces/{name}/deployments")),
        ("POST", format!("/apis/batch/v1/namespaces/{name}/jobs")),
        ("PUT", path.clone()),
        ("PUT", format!("{path}/scale")),
    ] {
        let (code, response) = send(&control_plane, method, &path, &set.body).await;
        assert_eq!(code, 403, "{method} {path}: {response}");
    }
    let namespaces: Api<Namespace> = Api::all(admin().await);
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn policy_expressions_pass_type_checking() {
    drop(hexabase_client().await);
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(admin().await);
    for name in [
        "hexabase-scope",
        "hexabase-tenants",
        "hexabase-tenants-claims",
        "hexabase-tenants-ingresses",
        "hexabase-tenants-metadata",
        "hexabase-tenants-pod-status",
        "hexabase-tenants-resources",
        "hexabase-tenants-secrets",
        "hexabase-tenants-services",
        "hexabase-tenants-sizes",
        "hexabase-tenants-stateful-sets",
    ] {
        let checked = loop {
            let policy = policies.get(name).await.unwrap();
            let status = policy.status.unwrap_or_default();
            if status.observed_generation == policy.metadata.generation {
                break status.type_checking.unwrap_or_default();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        assert_eq!(checked.expression_warnings, None, "{name}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn images_come_only_from_the_sources_of_the_plan() {
    drop(hexabase_client().await);
    let name = create_tenant_namespace("images", &HostConfig::default()).await;
    let control_plane = impersonate(&format!("system:serviceaccount:{name}:vc-{name}")).await;
    let pod = |lists: Value| {
        let mut body =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": lists });
        if body["spec"]["containers"].is_null() {
            body["spec"]["containers"] = json!([{ "name": "a", "image": "nginx" }]);
        }
        body
    };
    let pod_with_image = |image: &str| pod(json!({ "containers": [{ "name": "a", "image": image }] }));
    let path = format!("/api/v1/namespaces/{name}/pods/a");
    let foreign_images = [
        "quay.io/library/nginx",
        "evil/nginx",
        "localhost/library/nginx",
        "registry.example/team/a",
        "registry.example:443/team/a",
        "registry.example:5000/teamwork/a",
        "ghcr.io/acme/tools:1",
        "ghcr.io/acme",
        "docker.io/coredns/coredns-and-more",
    ];
    let lists = ["initContainers", "containers"];
    for image in foreign_images {
        for list in lists {
            let body = pod(json!({ list: [{ "name": "b", "image": image }] }));
            assert_rejected(
                &control_plane,
                "PATCH",
                &path,
                &body,
                "images may only come from docker.io/library, ",
            )
            .await;
        }
    }
    let volume =
        pod(json!({ "volumes": [{ "name": "v", "image": { "reference": "quay.io/library/nginx" } }] }));
    assert_rejected(&control_plane, "PATCH", &path, &volume, "images may only come from").await;

    let digest = format!("ghcr.io/acme/tool@sha256:{}", "0".repeat(64));
    for image in [
        "nginx",
        "nginx:1.27",
        "docker.io/library/nginx",
        "registry.example:5000/team/a/b:1",
        "ghcr.io/acme/tool:1",
        &digest,
        // CoreDNS of the tenant, which every plan allows.
        "docker.io/coredns/coredns:1.14.2",
    ] {
        let dry_run_path = format!("{path}?fieldManager=test&dryRun=All");
        let (code, response) = send(&control_plane, "PATCH", &dry_run_path, &pod_with_image(image)).await;
        assert!([200, 201].contains(&code), "{image}: {response}");
    }

    let (code, response) =
        send(&control_plane, "PATCH", &format!("{path}?fieldManager=test"), &pod_with_image("nginx")).await;
    assert_eq!(code, 201, "{response}");
    let ephemeral_container = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "a" },
        "spec": { "ephemeralContainers": [{ "name": "debug", "image": "quay.io/busybox" }] },
    });
    // A pod whose image source is no longer allowed keeps running, and all fields except its image can be changed.
    let narrowed_sources = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "annotations": { "hexabase.ai/image-sources": "ghcr.io/acme" } },
    });
    let (code, response) = send(
        &admin().await,
        "PATCH",
        &format!("/api/v1/namespaces/{name}?fieldManager=operator&force=true"),
        &narrowed_sources,
    )
    .await;
    assert_eq!(code, 200, "{response}");
    assert_rejected(
        &control_plane,
        "PATCH",
        &path,
        &pod_with_image("nginx:1.27"),
        "images may only come from ghcr.io/acme",
    )
    .await;
    let mut labelled = pod_with_image("nginx");
    labelled["metadata"]["labels"] = json!({ "a": "b" });
    let (code, response) =
        send(&control_plane, "PATCH", &format!("{path}?fieldManager=test"), &labelled).await;
    assert_eq!(code, 200, "{response}");
    let path = format!("{path}/ephemeralcontainers");
    assert_rejected(&control_plane, "PATCH", &path, &ephemeral_container, "images may only come from").await;
    let namespaces: Api<Namespace> = Api::all(admin().await);
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn tenants_request_resources_of_the_plan_and_store_small_objects() {
    drop(hexabase_client().await);
    let name = create_tenant_namespace("sizes", &HostConfig::default()).await;
    let control_plane = impersonate(&format!("system:serviceaccount:{name}:vc-{name}")).await;
    let object = |api: &str, kind: &str, field: &str, content: Value| {
        let mut body =
            json!({ "apiVersion": api, "kind": kind, "metadata": { "name": "a", "namespace": name } });
        body[field] = content;
        body
    };
    let pod = |resources: Value| {
        let containers = json!([{ "name": "a", "image": "nginx", "resources": resources }]);
        object("v1", "Pod", "spec", json!({ "containers": containers }))
    };
    let config_map = |size: usize| object("v1", "ConfigMap", "data", json!({ "a": "a".repeat(size) }));
    let event = |size: usize| {
        let mut event = object("v1", "Event", "message", json!("a".repeat(size)));
        event["involvedObject"] = json!({ "namespace": name });
        event
    };
    let path = |plural: &str| format!("/api/v1/namespaces/{name}/{plural}");
    for (plural, body, message) in [
        ("pods", pod(json!({ "limits": { "nvidia.com/gpu": "1" } })), "only resources of the plan: cpu, "),
        ("configmaps", config_map(256 << 10), "must not exceed 256 KiB"),
        ("events", event(8 << 10), "events 8 KiB"),
    ] {
        assert_rejected(&control_plane, "POST", &path(plural), &body, message).await;
    }
    for (plural, body) in [
        ("pods", pod(json!({ "requests": { "cpu": "2" } }))),
        ("configmaps", config_map(250 << 10)),
        ("events", event(1 << 10)),
    ] {
        let path = format!("{}?fieldManager=test&dryRun=All", path(plural));
        let (code, response) = send(&control_plane, "POST", &path, &body).await;
        assert_eq!(code, 201, "{plural}: {response}");
    }
    let namespaces: Api<Namespace> = Api::all(admin().await);
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
}
