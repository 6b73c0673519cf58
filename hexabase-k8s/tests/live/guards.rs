//! What the policies on the host refuse, and the roles would allow.

use hexabase_core::desired::{self, Issuer, TenantCluster};
use hexabase_core::fixture::{self, id};
use hexabase_core::model::{
    Assignment, ControlPlaneStore, Group, Isolation, Plan, PresetRole, Project, RoleRef, WorkspaceState,
};
use hexabase_core::name::ImageSource;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use hexabase_k8s::render::{host_objects, kyverno_policies, tenant_objects};
use hexabase_k8s::{Exposure, HostSettings, Kind};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::host::{act_as, admin, apply, as_hexabase, send};
use crate::occupy::make_namespace;

/// Waits until something is refused with these words: an API server takes a moment to hear of a policy. Dry runs do no
/// harm until then.
pub(crate) async fn refused(client: &kube::Client, method: &str, path: &str, body: &Value, words: &str) {
    let path = format!("{path}?fieldManager=test&dryRun=All");
    let mut last = String::new();
    for _ in 0..100 {
        let (code, answer) = send(client, method, &path, body).await;
        last = format!("{code}: {}", answer["message"].as_str().unwrap_or_default());
        if code == 403 && last.contains(words) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{method} {path} is not refused with \"{words}\": {last}");
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn hexabase_keeps_to_the_namespaces_of_tenants() {
    let hexabase = as_hexabase().await;
    let own = format!("bystander-{}", std::process::id());
    make_namespace(admin().await, &own).await;
    let neighbour = format!("{own}-2");
    let namespace = |name: &str, labels: Value| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    let adopted = namespace(&own, json!({ "hexabase.ai/workspace-id": "ws-x" }));
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": "way-in" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "hexabase-tenant" },
        "subjects": [],
    });
    let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{own}/rolebindings/way-in");
    let attempts = [
        ("PATCH", bindings, binding),
        ("PATCH", format!("/api/v1/namespaces/{own}"), adopted),
        ("PATCH", format!("/api/v1/namespaces/{neighbour}"), namespace(&neighbour, json!({}))),
        ("DELETE", format!("/api/v1/namespaces/{own}"), Value::Null),
    ];
    for (method, path, body) in attempts {
        refused(&hexabase, method, &path, &body, "of workspaces").await;
    }
    for labels in [json!({}), json!({ "pod-security.kubernetes.io/enforce": "privileged" })] {
        let mut open = namespace(&neighbour, labels);
        open["metadata"]["labels"]["hexabase.ai/workspace-id"] = json!("ws-x");
        let path = format!("/api/v1/namespaces/{neighbour}");
        refused(&hexabase, "PATCH", &path, &open, "may reach their nodes").await;
    }
    let namespaces: Api<Namespace> = Api::all(admin().await);
    namespaces.delete(&own, &DeleteParams::default()).await.unwrap();
}

/// Where images may come from.
const SOURCES: [&str; 3] = ["docker.io/library", "registry.example:5000/team", "ghcr.io/acme/tool"];

/// A tenant's cluster with something of everything in it.
fn tenant(name: &str, isolation: Isolation) -> TenantCluster {
    let workspace = fixture::workspace(name);
    let project = Project {
        workspace_id: workspace.id,
        quota: Quota::new().with(Resource::Cpu, Quantity::units(2)),
        ..fixture::project("web")
    };
    let group = Group { workspace_id: workspace.id, ..fixture::group("ops") };
    let given = Assignment {
        id: id("given"),
        organization_id: workspace.organization_id,
        workspace_id: workspace.id,
        project_id: Some(project.id),
        group_id: group.id,
        role: RoleRef::Preset(PresetRole::ProjectEditor),
        created_by: id("owner"),
        created_at: fixture::THEN,
    };
    let state = WorkspaceState {
        workspace,
        groups: vec![group],
        projects: vec![project],
        roles: Vec::new(),
        assignments: vec![given],
    };
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    let image_sources = SOURCES.iter().map(|source| ImageSource::parse(source).unwrap()).collect();
    let plan = Plan { isolation, image_sources, ..fixture::plan("small") };
    desired::workspace(&state, &plan, &issuer)
}

/// Fails where the cluster lacks a definition that is to be tried.
async fn require_known(path: &str, what: &str) {
    let (code, _) = send(&admin().await, "GET", path, &Value::Null).await;
    assert_eq!(code, 200, "the cluster does not know {what}: apply its CustomResourceDefinition first");
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn every_object_is_accepted_strictly_and_without_a_warning() {
    let namespaces: Api<Namespace> = Api::all(admin().await);
    let ingress = Exposure::Ingress { class: "passthrough".to_owned() };
    let gateway = Exposure::Gateway { namespace: "edge".to_owned(), name: "tenants".to_owned() };
    let what = "the Gateway API's TLSRoute of v1 (its release 1.5 or newer, standard channel)";
    require_known("/apis/gateway.networking.k8s.io/v1/tlsroutes", what).await;
    for (isolation, exposure) in [(Isolation::Baseline, ingress), (Isolation::Restricted, gateway)] {
        let mut cluster = tenant(isolation.as_str(), isolation);
        // One of them survives the loss of a node.
        if isolation == Isolation::Restricted {
            cluster.control_plane.store = ControlPlaneStore::Etcd;
            cluster.control_plane.replicas = 3;
        }
        let endpoint = "https://{name}.tenants.example".to_owned();
        let settings = HostSettings { exposure, endpoint, ..HostSettings::default() };
        let mut objects = host_objects(&cluster, &settings).unwrap();
        objects.extend(tenant_objects(&cluster));
        let (first, then): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.kind == Kind::NAMESPACE);
        for (how, objects) in [("", &first), ("&dryRun=All", &then)] {
            for object in objects {
                let mut warnings = apply(object, how).await;
                // Said on purpose: whoever may do more is told what would not be allowed elsewhere.
                warnings.retain(|text| isolation == Isolation::Restricted || !text.contains("PodSecurity"));
                assert!(warnings.is_empty(), "{}: {warnings:?}", object.name);
            }
        }
        for namespace in first {
            namespaces.delete(&namespace.name, &DeleteParams::default()).await.unwrap();
            while namespaces.get_opt(&namespace.name).await.unwrap().is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn kyverno_is_given_what_its_definitions_accept() {
    let what = "Kyverno's ValidatingPolicy of v1 (its release 1.17 or newer)";
    require_known("/apis/policies.kyverno.io/v1/validatingpolicies", what).await;
    for policy in kyverno_policies() {
        let warnings = apply(&policy, "&dryRun=All").await;
        assert!(warnings.is_empty(), "{}: {warnings:?}", policy.name);
    }
}

/// A tenant's namespace with everything but a control plane in it: its name.
pub(crate) async fn furnished(called: &str, settings: &HostSettings) -> String {
    let cluster = tenant(called, Isolation::Baseline);
    let mut objects = host_objects(&cluster, settings).unwrap();
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
async fn a_tenants_control_plane_writes_nothing_that_harms_the_host() {
    drop(as_hexabase().await);
    let name = furnished("guarded", &HostSettings::default()).await;
    let control_plane = act_as(&format!("system:serviceaccount:{name}:vc-{name}")).await;
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
    let tolerating = |toleration: Value| pod(json!({ "tolerations": [toleration] }));
    let attempts = [
        (tolerating(json!({ "operator": "Exists" })), "tolerates every node"),
        (tolerating(json!({ "operator": "Exists", "effect": "NoSchedule" })), "tolerates every node"),
        (
            tolerating(json!({ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists" })),
            "not for tenants",
        ),
        (
            tolerating(json!({ "key": "hexabase.ai/node-class", "operator": "Exists" })),
            "set aside for workspaces",
        ),
        (
            pod(json!({
                "tolerations": [{ "key": "hexabase.ai/workspace-id", "operator": "Exists" }],
                "nodeSelector": { "hexabase.ai/workspace-id": "somebody-elses" },
            })),
            "set aside for workspaces",
        ),
        (pod(json!({ "nodeName": "node-1" })), "scheduler chooses"),
        (pod(json!({ "priorityClassName": "system-node-critical" })), "priorities of the system"),
        (pod(json!({ "hostNetwork": true })), "violates PodSecurity"),
        (pod(json!({ "hostPID": true })), "violates PodSecurity"),
        (pod(json!({ "volumes": [{ "name": "v", "hostPath": { "path": "/" } }] })), "violates PodSecurity"),
        (service(json!({ "externalIPs": ["192.0.2.1"] })), "CVE-2020-8554"),
        (service(json!({ "type": "LoadBalancer" })), "exceeded quota"),
        (service(json!({ "type": "NodePort" })), "ports of the nodes"),
    ];
    for (body, words) in attempts {
        let plural = if body["kind"] == "Pod" { "pods" } else { "services" };
        let path = format!("/api/v1/namespaces/{name}/{plural}/a");
        refused(&control_plane, "PATCH", &path, &body, words).await;
    }

    // Whoever could ask the host about tokens would let the host's own into the tenant.
    let review = "/apis/authentication.k8s.io/v1/tokenreviews";
    let question =
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": "x" } });
    refused(&control_plane, "POST", review, &question, "cannot create resource").await;
    for path in ["/api/v1/nodes", "/api/v1/namespaces", "/api/v1/namespaces/kube-system/secrets"] {
        refused(&control_plane, "GET", path, &Value::Null, "cannot list resource").await;
    }

    let ordinary = tolerating(json!({ "key": "dedicated", "operator": "Exists" }));
    let namespaces: Api<Namespace> = Api::all(admin().await);
    let labels = namespaces.get(&name).await.unwrap().metadata.labels.unwrap();
    let at_home = pod(json!({
        "tolerations": [{ "key": "hexabase.ai/node-class", "operator": "Exists", "effect": "NoSchedule" }],
        "nodeSelector": { "hexabase.ai/workspace-id": labels["hexabase.ai/workspace-id"] },
    }));
    for (plural, body) in [("pods", ordinary), ("pods", at_home), ("services", service(json!({})))] {
        let path = format!("/api/v1/namespaces/{name}/{plural}/a?fieldManager=test&dryRun=All");
        let (code, answer) = send(&control_plane, "PATCH", &path, &body).await;
        assert!([200, 201].contains(&code), "{answer}");
    }
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn policies_name_nothing_that_kubernetes_does_not_know() {
    drop(as_hexabase().await);
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(admin().await);
    for name in
        ["hexabase-scope", "hexabase-tenants", "hexabase-tenants-ingresses", "hexabase-tenants-services"]
    {
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
async fn images_come_from_where_the_plan_says() {
    drop(as_hexabase().await);
    let name = furnished("sourced", &HostSettings::default()).await;
    let control_plane = act_as(&format!("system:serviceaccount:{name}:vc-{name}")).await;
    let pod = |lists: Value| {
        let mut body =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": lists });
        if body["spec"]["containers"].is_null() {
            body["spec"]["containers"] = json!([{ "name": "a", "image": "nginx" }]);
        }
        body
    };
    let running = |image: &str| pod(json!({ "containers": [{ "name": "a", "image": image }] }));
    let path = format!("/api/v1/namespaces/{name}/pods/a");
    let elsewhere = [
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
    for image in elsewhere {
        for list in lists {
            let body = pod(json!({ list: [{ "name": "b", "image": image }] }));
            refused(&control_plane, "PATCH", &path, &body, "images may only come from docker.io/library, ")
                .await;
        }
    }
    let volume =
        pod(json!({ "volumes": [{ "name": "v", "image": { "reference": "quay.io/library/nginx" } }] }));
    refused(&control_plane, "PATCH", &path, &volume, "images may only come from").await;

    let digest = format!("ghcr.io/acme/tool@sha256:{}", "0".repeat(64));
    for image in [
        "nginx",
        "nginx:1.27",
        "docker.io/library/nginx",
        "registry.example:5000/team/a/b:1",
        "ghcr.io/acme/tool:1",
        &digest,
        // The tenant's own name server.
        "docker.io/coredns/coredns:1.14.2",
    ] {
        let tried = format!("{path}?fieldManager=test&dryRun=All");
        let (code, answer) = send(&control_plane, "PATCH", &tried, &running(image)).await;
        assert!([200, 201].contains(&code), "{image}: {answer}");
    }

    let (code, answer) =
        send(&control_plane, "PATCH", &format!("{path}?fieldManager=test"), &running("nginx")).await;
    assert_eq!(code, 201, "{answer}");
    let debugged = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "a" },
        "spec": { "ephemeralContainers": [{ "name": "debug", "image": "quay.io/busybox" }] },
    });
    // What ran before its source was given up goes on, and can be changed but for its image.
    let narrowed = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "annotations": { "hexabase.ai/image-sources": "ghcr.io/acme" } },
    });
    let (code, answer) = send(
        &admin().await,
        "PATCH",
        &format!("/api/v1/namespaces/{name}?fieldManager=operator&force=true"),
        &narrowed,
    )
    .await;
    assert_eq!(code, 200, "{answer}");
    refused(&control_plane, "PATCH", &path, &running("nginx:1.27"), "images may only come from ghcr.io/acme")
        .await;
    let mut labelled = running("nginx");
    labelled["metadata"]["labels"] = json!({ "a": "b" });
    let (code, answer) = send(&control_plane, "PATCH", &format!("{path}?fieldManager=test"), &labelled).await;
    assert_eq!(code, 200, "{answer}");
    let path = format!("{path}/ephemeralcontainers");
    refused(&control_plane, "PATCH", &path, &debugged, "images may only come from").await;
    let namespaces: Api<Namespace> = Api::all(admin().await);
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
}
