use hexabase_core::container_limits::ContainerLimits;
use hexabase_core::desired::{self, Issuer, TenantCluster};
use hexabase_core::fixture;
use hexabase_core::model::{Plan, Project, WorkspaceState};
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use hexabase_k8s::render::{host_objects, tenant_objects};
use hexabase_k8s::{HostConfig, Kind, Object};
use serde_json::{Value, json};

use crate::{TestCase, eventually};

const JSON: &str = "application/json";

fn cluster(name: &str, plan: &Plan, projects: Vec<Project>) -> TenantCluster {
    let state = WorkspaceState {
        workspace: fixture::workspace(name),
        groups: Vec::new(),
        projects,
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    desired::tenant_cluster(&state, plan, &issuer)
}

/// Name of a resource in the requests of containers.
const fn container_key(resource: Resource) -> &'static str {
    match resource {
        Resource::EphemeralStorage => "ephemeral-storage",
        other => other.as_str(),
    }
}

fn requests(amounts: impl Iterator<Item = (Resource, Quantity)>) -> Value {
    let requests: serde_json::Map<_, _> =
        amounts.map(|(resource, amount)| (container_key(resource).to_owned(), json!(amount))).collect();
    json!({ "requests": requests })
}

/// Creates a pod with one container. Returns the code and the body of the response.
async fn create_pod(
    case: &TestCase,
    namespace: &str,
    name: &str,
    resources: &Value,
    params: &str,
) -> (u16, Value) {
    let spec =
        json!({ "containers": [{ "name": "c", "image": "registry.invalid/none", "resources": resources }] });
    create_pod_of(case, namespace, name, &spec, params).await
}

async fn create_pod_of(
    case: &TestCase,
    namespace: &str,
    name: &str,
    spec: &Value,
    params: &str,
) -> (u16, Value) {
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
    case.send("POST", &format!("/api/v1/namespaces/{namespace}/pods{params}"), JSON, pod).await
}

async fn assert_rejected(case: &TestCase, namespace: &str, resources: &Value, message: &str) {
    let (code, response) = create_pod(case, namespace, "rejected", resources, "?dryRun=All").await;
    let text = response["message"].as_str().unwrap_or_default();
    assert!(code == 403 && text.contains(message), "{namespace} {resources}: {code} {response}");
}

/// Creates the namespaces, quotas and limit ranges among rendered objects.
async fn create_limits(case: &TestCase, objects: &[Object]) {
    for object in objects {
        if ![Kind::NAMESPACE, Kind::RESOURCE_QUOTA, Kind::LIMIT_RANGE].contains(&object.kind) {
            continue;
        }
        let path = match object.kind {
            Kind::NAMESPACE => "/api/v1/namespaces".to_owned(),
            kind => format!("/api/v1/namespaces/{}/{}", object.namespace, kind.plural),
        };
        let (code, response) = case.send("POST", &path, JSON, object.body.clone()).await;
        assert_eq!(code, 201, "{response}");
    }
}

/// Waits until pods can be created in a namespace: it has its ServiceAccount, and its quota is counted.
async fn wait_until_counted(case: &TestCase, namespace: &str, quota: &str) {
    let path = |plural: &str, name: &str| format!("/api/v1/namespaces/{namespace}/{plural}/{name}");
    eventually("the quota is counted", || async {
        let (code, quota) = case.send("GET", &path("resourcequotas", quota), JSON, Value::Null).await;
        let hard = &quota["spec"]["hard"];
        let used = quota["status"]["used"].as_object();
        let all = hard
            .as_object()
            .into_iter()
            .flatten()
            .all(|(key, _)| used.is_some_and(|used| used.contains_key(key)));
        let account = case.send("GET", &path("serviceaccounts", "default"), JSON, Value::Null).await.0;
        code == 200 && all && quota["status"]["hard"] == *hard && account == 200
    })
    .await;
}

async fn delete_namespace(case: &TestCase, name: &str) {
    let (code, response) =
        case.send("DELETE", &format!("/api/v1/namespaces/{name}"), JSON, Value::Null).await;
    assert_eq!(code, 200, "{response}");
}

/// Amounts of a small, an uneven and a large quota.
const fn amounts(resource: Resource) -> [&'static str; 3] {
    match resource {
        Resource::Cpu => ["20m", "1500m", "64"],
        Resource::Memory => ["48Mi", "1500M", "256Gi"],
        Resource::EphemeralStorage => ["100Mi", "10G", "640Gi"],
        Resource::Storage => ["1Gi", "10G", "2Ti"],
        Resource::Pods => ["2", "7", "1000"],
        _ => ["1", "7", "3000"],
    }
}

/// Returns every set of one to three resources that the quota of a project may name.
fn sets_of_resources() -> Vec<Vec<Resource>> {
    let all: Vec<Resource> =
        Resource::ALL.into_iter().filter(|resource| *resource != Resource::LoadBalancers).collect();
    let bits = |set: u32| (0_u32..9).filter(move |bit| set & (1 << bit) != 0);
    let sets = (1_u32..1 << all.len()).filter(|set| set.count_ones() <= 3);
    sets.map(|set| bits(set).map(|bit| all[bit as usize]).collect()).collect()
}

/// Returns a quota for every set of up to three resources with amounts of every size, and of mixed sizes.
fn quotas() -> Vec<Quota> {
    let amount = |resource, size: usize| amounts(resource)[size % 3].parse::<Quantity>().unwrap();
    let quota = |set: &[Resource], variant: usize| -> Quota {
        let size = |index: usize| if variant < 3 { variant } else { variant + index };
        set.iter().enumerate().map(|(index, resource)| (*resource, amount(*resource, size(index)))).collect()
    };
    let sets = sets_of_resources();
    let several = |set: &[Resource], variant| variant < 3 || set.len() > 1;
    sets.iter()
        .flat_map(|set| (0..6).filter(|variant| several(set, *variant)).map(|variant| quota(set, variant)))
        .collect()
}

/// Checks the pods that fit a quota, and some that do not, in a namespace without pods.
async fn check_quota(case: &TestCase, namespace: &str, quota: &Quota) {
    let limited: Vec<(Resource, Quantity)> =
        quota.iter().filter(|(resource, _)| ContainerLimits::RESOURCES.contains(resource)).collect();
    let whole = requests(limited.iter().copied());
    let (code, response) = create_pod(case, namespace, "whole", &whole, "?dryRun=All").await;
    assert_eq!(code, 201, "the whole quota {quota:?}: {response}");

    let (code, plain) = create_pod(case, namespace, "plain", &json!({}), "").await;
    assert_eq!(code, 201, "a plain pod, {quota:?}: {plain}");
    let resources = &plain["spec"]["containers"][0]["resources"];
    let amount = |field: &str, resource: Resource| -> Quantity {
        resources[field][container_key(resource)].as_str().unwrap().parse().unwrap()
    };
    for (resource, total) in &limited {
        assert_eq!(amount("limits", *resource), *total, "{quota:?}: {resource}");
        let above = json!({ "limits": { container_key(*resource): total.plus(Quantity::units(1)) } });
        assert_rejected(case, namespace, &above, "maximum").await;
        let none = json!({ "limits": { container_key(*resource): "0" } });
        assert_rejected(case, namespace, &none, "minimum").await;
    }
    let remainder: Vec<(Resource, Quantity)> = limited
        .iter()
        .map(|(resource, total)| (*resource, total.minus(amount("requests", *resource))))
        .collect();
    let fits = |(resource, rest): &(Resource, Quantity)| {
        ContainerLimits::min_request(*resource).is_some_and(|min| *rest >= min)
    };
    if remainder.iter().all(fits) {
        let rest = requests(remainder.into_iter());
        let (code, response) = create_pod(case, namespace, "remainder", &rest, "").await;
        assert_eq!(code, 201, "the remainder {rest} of {quota:?}: {response}");
    }
    if !limited.is_empty() {
        assert_rejected(case, namespace, &json!({}), "exceeded quota").await;
    }
}

pub(crate) async fn pods_that_fit_the_quota_of_a_project_are_admitted(case: &TestCase) {
    let plan = hexabase_billing::plans::built_in().swap_remove(0);
    let quotas = quotas();
    let name = |number: usize| format!("quota-{}-{number}", std::process::id());
    let project = |(number, quota): (usize, &Quota)| Project {
        quota: quota.clone(),
        ..fixture::project(&name(number))
    };
    let projects = quotas.iter().enumerate().map(project).collect();
    create_limits(case, &tenant_objects(&cluster("quotas", &plan, projects), &HostConfig::default())).await;
    for (number, quota) in quotas.iter().enumerate() {
        wait_until_counted(case, &name(number), "hexabase-project").await;
        check_quota(case, &name(number), quota).await;
        delete_namespace(case, &name(number)).await;
    }
}

/// Number of pods after which a plan is not filled further, since the sandbox counts all pods for each new one.
const MAX_CREATED_PODS: u64 = 100;

/// Pods that run in the namespace of a tenant besides its workloads: control plane, etcd and name server.
fn own_pods(objects: &[Object]) -> Vec<Value> {
    let sets = objects.iter().filter(|object| object.kind == Kind::STATEFUL_SET);
    let pods = sets.map(|set| {
        let mut spec = set.body["spec"]["template"]["spec"].clone();
        // The ServiceAccounts of the tenant are not created here.
        spec.as_object_mut().unwrap().remove("serviceAccountName");
        spec
    });
    let name_server = json!({ "containers": [{
        "name": "coredns",
        "image": "registry.invalid/none",
        "resources": {
            "limits": { "cpu": "1000m", "memory": "170Mi" },
            "requests": { "cpu": "20m", "memory": "64Mi" },
        },
    }] });
    pods.chain([name_server]).collect()
}

pub(crate) async fn pods_that_fit_the_plan_are_admitted_on_the_host(case: &TestCase) {
    for plan in hexabase_billing::plans::built_in() {
        let tenant = cluster(&format!("{}-{}", plan.id, std::process::id()), &plan, Vec::new());
        let namespace = tenant.target.name.clone();
        let objects = host_objects(&tenant, &HostConfig::default()).unwrap();
        create_limits(case, &objects).await;
        wait_until_counted(case, &namespace, &format!("vc-{namespace}")).await;
        for (number, spec) in own_pods(&objects).iter().enumerate() {
            // Volumes of claims are not part of the template.
            let mut spec = spec.clone();
            for container in spec["containers"].as_array_mut().unwrap() {
                container.as_object_mut().unwrap().remove("volumeMounts");
            }
            let (code, response) = create_pod_of(case, &namespace, &format!("own-{number}"), &spec, "").await;
            assert_eq!(code, 201, "{}: {response}", plan.id);
        }

        // The syncer creates pods as the tenant wrote them.
        let compute = |resource| Some((resource, plan.quota.get(resource)?));
        let whole = requests(ContainerLimits::RESOURCES.into_iter().filter_map(compute));
        for resources in [
            json!({ "requests": { "cpu": "2" } }),
            json!({ "requests": { "memory": "1Gi" } }),
            json!({ "requests": { "memory": "16Mi" }, "limits": { "memory": "64Mi" } }),
            whole,
        ] {
            let (code, response) = create_pod(case, &namespace, "synced", &resources, "?dryRun=All").await;
            assert_eq!(code, 201, "{}: {resources}: {response}", plan.id);
        }
        let too_large = json!({ "requests": { "memory": "16Mi" }, "limits": { "memory": "300Gi" } });
        assert_rejected(case, &namespace, &too_large, "maximum memory").await;
        assert_rejected(case, &namespace, &json!({ "limits": { "memory": "0" } }), "minimum memory").await;

        let pods = plan.quota.get(Resource::Pods).unwrap().whole_units();
        for number in 0..pods.min(MAX_CREATED_PODS) {
            let (code, response) =
                create_pod(case, &namespace, &format!("plain-{number}"), &json!({}), "").await;
            assert_eq!(code, 201, "{}: pod {number} of {pods}: {response}", plan.id);
        }
        if pods <= MAX_CREATED_PODS {
            assert_rejected(case, &namespace, &json!({}), "count/pods").await;
        }
        delete_namespace(case, &namespace).await;
    }
}

pub(crate) async fn contradictory_requests_and_limits_are_rejected(case: &TestCase) {
    let range = |limit: Value| json!({ "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "l" }, "spec": { "limits": [limit] } });
    let ranges = format!("/api/v1/namespaces/{}/limitranges", case.namespace);
    let inverted =
        json!({ "type": "Container", "defaultRequest": { "cpu": "2" }, "default": { "cpu": "1" } });
    assert_eq!(case.send("POST", &ranges, JSON, range(inverted)).await.0, 422);
    let of_host = json!({ "type": "Container", "default": { "cpu": "1" }, "max": { "memory": "1Gi" } });
    let (code, created) = case.send("POST", &ranges, JSON, range(of_host)).await;
    assert_eq!(code, 201, "{created}");
    let limit = &created["spec"]["limits"][0];
    assert_eq!(limit["default"], json!({ "cpu": "1", "memory": "1Gi" }), "the maximum is the default limit");
    assert_eq!(limit["defaultRequest"], limit["default"]);
    eventually("the service account exists", || async {
        case.send("GET", &case.path("serviceaccounts", "default"), JSON, Value::Null).await.0 == 200
    })
    .await;
    let above_default = json!({ "requests": { "cpu": "2" } });
    let create_above = || create_pod(case, &case.namespace, "a", &above_default, "?dryRun=All");
    eventually("the limit range applies", || async { create_above().await.0 == 422 }).await;
    let (_, response) = create_above().await;
    let text = response["message"].as_str().unwrap_or_default();
    assert!(text.contains("must be less than or equal to cpu limit of 1"), "{response}");
    let (code, pod) =
        create_pod(case, &case.namespace, "a", &json!({ "limits": { "cpu": "500m" } }), "?dryRun=All").await;
    assert_eq!(code, 201, "{pod}");
    let resources = &pod["spec"]["containers"][0]["resources"];
    assert_eq!(resources["requests"], json!({ "cpu": "500m", "memory": "1Gi" }), "the limit is the request");
}
