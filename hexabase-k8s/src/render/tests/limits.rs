//! Quotas and limit ranges on the host.

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
