//! Quotas and limit ranges on the host.

use hexabase_billing::plans::built_in;
use hexabase_core::container_limits::ContainerLimits;
use hexabase_core::name::ExtendedResource;

use super::*;

/// Returns the hard limits of a tenant on its host.
fn hard(cluster: &TenantCluster, host_config: &HostConfig) -> Quantities {
    let host = host_objects(cluster, host_config).unwrap();
    let quota = host.iter().find(|object| object.kind == Kind::RESOURCE_QUOTA).unwrap();
    serde_json::from_value(quota.body["spec"]["hard"].clone()).unwrap()
}

/// Quantities by the keys of a quota.
type Quantities = std::collections::BTreeMap<String, Quantity>;

#[test]
fn kinds_that_the_plan_does_not_name_are_limited_by_the_numbers_of_services_and_pods() {
    let count = |host_config: &HostConfig, kind: &str| hard(&large(), host_config)[&format!("count/{kind}")];
    let without_ingress = host_config();
    for (kind, expected) in [
        // 200 Services of the plan and 4 of the control plane; 502 pods are up to 6 slices for each.
        ("endpoints", 408),
        ("endpointslices.discovery.k8s.io", 4_896),
        ("ingresses.networking.k8s.io", 0),
        ("leases.coordination.k8s.io", 8),
    ] {
        assert_eq!(count(&without_ingress, kind), Quantity::units(expected), "{kind}");
    }
    let mut publishing = host_config();
    publishing.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    publishing.set("tenant_exposure", "ingress/passthrough").unwrap();
    let ingresses = count(&publishing, "ingresses.networking.k8s.io");
    assert_eq!(ingresses, Quantity::units(205), "one per Service, and that of the API server");
}

#[test]
fn workloads_get_only_the_extended_resources_of_the_plan() {
    let annotation = "hexabase.ai/extended-resources";
    let mut cluster = small();
    let host = host_objects(&cluster, &host_config()).unwrap();
    assert!(host[0].body["metadata"]["annotations"].get(annotation).is_none());
    for (name, amount) in [("nvidia.com/gpu", "2"), ("hugepages-2Mi", "1Gi")] {
        let name = ExtendedResource::parse(name).unwrap();
        cluster.extended_resources.insert(name, amount.parse().unwrap());
    }
    let host = host_objects(&cluster, &host_config()).unwrap();
    assert_eq!(host[0].body["metadata"]["annotations"][annotation], "hugepages-2Mi,nvidia.com/gpu");
    let hard = hard(&cluster, &host_config());
    assert_eq!(hard["requests.nvidia.com/gpu"], Quantity::units(2));
    assert_eq!(hard["requests.hugepages-2Mi"], Quantity::gibibytes(1));
}

#[test]
fn containers_of_the_control_plane_fit_the_limit_range_of_a_small_plan() {
    let mut cluster = three_replicas();
    cluster.quota = Quota::new()
        .with(Resource::Cpu, Quantity::milli(500))
        .with(Resource::Memory, Quantity::mebibytes(256))
        .with(Resource::EphemeralStorage, Quantity::gibibytes(1))
        .with(Resource::Pods, Quantity::units(2));
    let host = host_objects(&cluster, &host_config()).unwrap();
    let range = host.iter().find(|object| object.kind == Kind::LIMIT_RANGE).unwrap();
    let limit = &range.body["spec"]["limits"][0];
    // The largest limits of the control plane, and its CPU request or the CPU limit of CoreDNS.
    let max = json!({ "cpu": "1", "ephemeral-storage": "10Gi", "memory": "8Gi" });
    assert_eq!((&limit["max"], &limit["default"]), (&max, &max));
    let request = json!({ "cpu": "50m", "ephemeral-storage": "512Mi", "memory": "128Mi" });
    assert_eq!(limit["defaultRequest"], request);
}

/// Desired state of a workspace on a plan, with as many projects as the plan allows.
fn full(plan: &Plan) -> TenantCluster {
    let projects = (0..plan.limits.projects).map(|number| fixture::project(&format!("project-{number}")));
    let state = WorkspaceState {
        workspace: fixture::workspace("dev"),
        groups: Vec::new(),
        projects: projects.collect(),
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let issuer = Issuer { url: "https://id.example.com".to_owned(), certificate_authority: None };
    desired::tenant_cluster(&state, plan, &issuer)
}

/// Adds the usage of `count` pods with one container with these requests, and the default ones where some are missing.
fn add_pods(usage: &mut Quantities, count: u64, requests: &Value, defaults: &Value) {
    for resource in ["cpu", "ephemeral-storage", "memory"] {
        let request = [requests, defaults].into_iter().find_map(|amounts| amounts[resource].as_str());
        let request: Quantity = request.unwrap().parse().unwrap();
        let total = (0..count).fold(Quantity::ZERO, |sum, _| sum.plus(request));
        add(usage, &format!("requests.{resource}"), total);
    }
    add(usage, "count/pods", Quantity::units(count));
}

fn add(usage: &mut Quantities, key: &str, amount: Quantity) {
    let entry = usage.entry(key.to_owned()).or_insert(Quantity::ZERO);
    *entry = entry.plus(amount);
}

/// Returns the usage of everything that the plan promises, and of what runs and is stored besides it.
fn promised(plan: &Plan, host: &[Object], config: &Value) -> Quantities {
    let mut usage = Quantities::new();
    let range = host.iter().find(|object| object.kind == Kind::LIMIT_RANGE).unwrap();
    let defaults = &range.body["spec"]["limits"][0]["defaultRequest"];
    for set in host.iter().filter(|object| object.kind == Kind::STATEFUL_SET) {
        let spec = &set.body["spec"];
        let replicas = spec["replicas"].as_u64().unwrap();
        let containers = spec["template"]["spec"]["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1);
        add_pods(&mut usage, replicas, &containers[0]["resources"]["requests"], defaults);
        for claim in spec["volumeClaimTemplates"].as_array().into_iter().flatten() {
            let size = claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap().parse().unwrap();
            (0..replicas).for_each(|_| add(&mut usage, "requests.storage", size));
            add(&mut usage, "count/persistentvolumeclaims", Quantity::units(replicas));
        }
    }
    let name_server = &config["controlPlane"]["coredns"]["deployment"];
    let name_servers = name_server["replicas"].as_u64().unwrap();
    add_pods(&mut usage, name_servers, &name_server["resources"]["requests"], defaults);

    let amount = |resource| plan.quota.get(resource).unwrap();
    let pods = amount(Resource::Pods).whole_units();
    add_pods(&mut usage, pods, &json!({}), defaults);
    for (resource, key) in [
        (Resource::Storage, "requests.storage"),
        (Resource::Services, "count/services"),
        (Resource::PersistentVolumeClaims, "count/persistentvolumeclaims"),
        (Resource::Secrets, "count/secrets"),
        (Resource::ConfigMaps, "count/configmaps"),
    ] {
        add(&mut usage, key, amount(resource));
    }
    let rendered = |kind| host.iter().filter(|object| object.kind == kind).count() as u64;
    let projects = u64::from(plan.limits.projects);
    for (key, count) in [
        // Those of the name server and the node.
        ("count/services", rendered(Kind::SERVICE) + 2),
        // Kubeconfig, certificates, and one token for each synced pod.
        ("count/secrets", rendered(Kind::SECRET) + 2 + pods + name_servers),
        // Configuration of the name server; certificate authority in the host's namespace and in each of the tenant.
        ("count/configmaps", rendered(Kind::CONFIG_MAP) + 1 + 1 + 2 + projects),
    ] {
        add(&mut usage, key, Quantity::units(count));
    }
    usage
}

#[test]
fn everything_that_a_built_in_plan_promises_fits_the_quota_of_the_host() {
    let with_three_members = |plan: &Plan| {
        let mut plan = plan.clone();
        (plan.control_plane.store, plan.control_plane.replicas) = (ControlPlaneStore::Etcd, 3);
        plan
    };
    for plan in built_in().iter().flat_map(|plan| [plan.clone(), with_three_members(plan)]) {
        let cluster = full(&plan);
        let host = host_objects(&cluster, &host_config()).unwrap();
        let config = vcluster_config::render(&cluster, &host_config()).unwrap().values;
        let (hard, usage) = (hard(&cluster, &host_config()), promised(&plan, &host, &config));
        for (key, used) in &usage {
            assert!(*used <= hard[key], "{}: {key}: {used} does not fit {}", plan.id, hard[key]);
        }
        assert_eq!(usage["count/pods"], hard["count/pods"], "{}: no further pod fits", plan.id);
    }
}

#[test]
fn the_promised_pods_fit_projects_with_slices_of_the_plan() {
    for plan in built_in() {
        let pods = plan.quota.get(Resource::Pods).unwrap().whole_units();
        for resource in ContainerLimits::RESOURCES {
            let total = plan.quota.get(resource).unwrap();
            for slices in [1, 2, 4] {
                let amount = total.share(slices, Quantity::milli(1));
                // Projects need no limit of pods.
                let slice = Quota::new().with(resource, amount);
                let request =
                    ContainerLimits::of_part(&slice, &plan.quota, resource).unwrap().default_request;
                let of_slice = (0..pods / slices).fold(Quantity::ZERO, |sum, _| sum.plus(request));
                assert!(of_slice <= amount, "{}: {resource}: {of_slice} does not fit {amount}", plan.id);
            }
        }
    }
}
