//! ResourceQuota and LimitRange of the tenant on its host.

use hexabase_core::container_limits::ContainerLimits;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use serde_json::{Map, Value, json};

use super::{Tenant, etcd};
use crate::config::Exposure;
use crate::object::{Kind, Object};
use crate::overrides::parse_quantity;
use crate::render::limit_range::{self, container_key};
use crate::render::quantities::hard;
use crate::render::vcluster_config::VclusterConfig;

/// Average number of ports per load balancer. Each takes a node port, which Kubernetes counts as well.
const NODE_PORTS_PER_LOAD_BALANCER: u32 = 8;
const ZERO: Quantity = Quantity::ZERO;

pub(super) fn objects(
    tenant: &Tenant<'_>,
    vcluster_config: &VclusterConfig,
    stateful_sets: &[Object],
) -> Vec<Object> {
    let name = format!("vc-{}", tenant.name());
    let coredns = CoreDns::of(vcluster_config);
    let limits = container_limits(&tenant.cluster.quota, &coredns, stateful_sets);
    let quota = json!({ "spec": { "hard": hard_limits(tenant, &coredns, &limits) } });
    let range = limit_range::spec(&limits).map(|spec| json!({ "spec": spec }));
    let range = range.map(|range| tenant.object(Kind::LIMIT_RANGE, &name, range));
    [tenant.object(Kind::RESOURCE_QUOTA, &name, quota)].into_iter().chain(range).collect()
}

/// Returns the requests and limits of containers: those of the plan, and at least those of the control plane, its etcd
/// and CoreDNS.
fn container_limits(
    plan: &Quota,
    coredns: &CoreDns<'_>,
    stateful_sets: &[Object],
) -> Vec<(Resource, ContainerLimits)> {
    let pods = stateful_sets.iter().map(|set| &set.body["spec"]["template"]["spec"]);
    let containers = pods.flat_map(|pod| [&pod["containers"], &pod["initContainers"]]);
    let own: Vec<&Value> = containers
        .flat_map(|list| list.as_array().into_iter().flatten())
        .map(|container| &container["resources"])
        .chain([&coredns.0["resources"]])
        .collect();
    let limits_of = |resource: Resource| {
        let limits = ContainerLimits::of(plan, resource)?;
        let amounts = own.iter().flat_map(|resources| [&resources["requests"], &resources["limits"]]);
        let largest = amounts.filter_map(|amounts| parse_quantity(&amounts[container_key(resource)])).max();
        Some((resource, ContainerLimits { max: limits.max.max(largest.unwrap_or(ZERO)), ..limits }))
    };
    ContainerLimits::RESOURCES.into_iter().filter_map(limits_of).collect()
}

/// Returns the limits of the ResourceQuota: those of the plan, and the overhead of the tenant.
fn hard_limits(
    tenant: &Tenant<'_>,
    coredns: &CoreDns<'_>,
    limits: &[(Resource, ContainerLimits)],
) -> Map<String, Value> {
    let plan = &tenant.cluster.quota;
    let extra = overhead(tenant, coredns, limits);
    // The overhead only increases limits of the plan; resources without a limit stay unlimited.
    let with_overhead = |(resource, amount): (Resource, Quantity)| {
        (resource, extra.get(resource).map_or(amount, |extra| amount.plus(extra)))
    };
    let total: Quota = plan.iter().map(with_overhead).collect();
    let mut hard = hard(&total);
    let extended = tenant.cluster.extended_resources.iter();
    hard.extend(extended.map(|(name, amount)| (format!("requests.{name}"), json!(amount))));
    hard.extend(derived_counts(tenant, &total));
    let balancers = plan.get(Resource::LoadBalancers).unwrap_or(ZERO);
    let of_tenant = times(NODE_PORTS_PER_LOAD_BALANCER, balancers);
    let own = if tenant.config.exposure == Exposure::LoadBalancer { Quantity::units(1) } else { ZERO };
    hard.insert("services.loadbalancers".to_owned(), json!(balancers.plus(own).to_string()));
    hard.insert("services.nodeports".to_owned(), json!(of_tenant.plus(own).to_string()));
    hard
}

/// Maximum number of leases of a control plane with several replicas, which elect a leader.
const LEASES: u64 = 8;
/// Number of endpoints in an EndpointSlice.
const ENDPOINTS_PER_SLICE: u64 = 100;

/// Returns limits on kinds that a plan does not name. The numbers of Ingresses, Endpoints and EndpointSlices follow from
/// those of Services and pods. Kubernetes deletes Endpoints a moment after their Service, so there may be twice as many.
/// Its quotas do not count events.
fn derived_counts(tenant: &Tenant<'_>, total: &Quota) -> Vec<(String, Value)> {
    let entry = |kind: &str, count: u64| (format!("count/{kind}"), json!(Quantity::units(count)));
    let mut counts = vec![entry("leases.coordination.k8s.io", LEASES)];
    let of_api_server = u64::from(matches!(tenant.config.exposure, Exposure::Ingress { .. }));
    let publishes = tenant.config.ingress.is_some();
    let count = |resource| total.get(resource).map(Quantity::whole_units);
    if let Some(services) = count(Resource::Services) {
        // Each Ingress refers to a Service.
        let of_tenant = if publishes { services } else { 0 };
        counts.push(entry("ingresses.networking.k8s.io", of_tenant.saturating_add(of_api_server)));
        let twice = services.saturating_mul(2);
        counts.push(entry("endpoints", twice));
        if let Some(pods) = count(Resource::Pods) {
            // A Service has slices for IPv4 and for IPv6.
            let slices = twice.saturating_mul(2).saturating_mul(1 + pods / ENDPOINTS_PER_SLICE);
            counts.push(entry("endpointslices.discovery.k8s.io", slices));
        }
    } else if !publishes {
        counts.push(entry("ingresses.networking.k8s.io", of_api_server));
    }
    counts
}

/// Number of ConfigMaps of a tenant without projects: the certificate authority and the authentication of the host, the
/// configuration of CoreDNS, and the certificate authority in `default` and `kube-system`. Each project adds one, and so
/// does the namespace for GitOps tools.
const CONFIG_MAPS: u64 = 5;

/// Returns the overhead of the tenant on top of its workloads: control plane, CoreDNS, and the objects that both
/// create.
fn overhead(tenant: &Tenant<'_>, coredns: &CoreDns<'_>, limits: &[(Resource, ContainerLimits)]) -> Quota {
    let control_plane = &tenant.cluster.control_plane;
    let replicas = u32::from(control_plane.replicas);
    let members = if tenant.has_etcd() { replicas } else { 0 };
    let etcd_share = |amount: &str| amount.parse().map_or(ZERO, |one| times(members, one));
    let one = Quantity::units(1);
    let scratch = Quantity::gibibytes(1);
    let sum = |control_plane: Quantity, etcd: Quantity, coredns: Quantity| {
        times(replicas, control_plane).plus(etcd).plus(coredns)
    };
    let coredns_request = |resource| {
        let default = limits.iter().find(|(limited, _)| *limited == resource);
        coredns.request(resource, default.map_or(ZERO, |(_, limits)| limits.default_request))
    };
    let synced_pods = tenant.cluster.quota.get(Resource::Pods).unwrap_or(ZERO).plus(coredns.per_replica(one));
    let projects = u64::try_from(tenant.cluster.projects.len()).unwrap_or(u64::MAX);
    let namespaces = projects.saturating_add(u64::from(!tenant.cluster.gitops.is_empty()));
    // The init container of the control plane requests no more than the control plane itself.
    Quota::new()
        .with(
            Resource::Cpu,
            sum(control_plane.cpu, etcd_share(etcd::CPU_REQUEST), coredns_request(Resource::Cpu)),
        )
        .with(
            Resource::Memory,
            sum(control_plane.memory, etcd_share(etcd::MEMORY_REQUEST), coredns_request(Resource::Memory)),
        )
        .with(Resource::Storage, times(replicas, control_plane.storage))
        .with(
            Resource::EphemeralStorage,
            sum(
                scratch,
                etcd_share(etcd::EPHEMERAL_STORAGE_REQUEST),
                coredns_request(Resource::EphemeralStorage),
            ),
        )
        .with(Resource::Pods, sum(one, times(members, one), coredns.per_replica(one)))
        // Two Services of the API server, those of kube-dns and the node, and two of the etcd.
        .with(Resource::Services, Quantity::units(if tenant.has_etcd() { 6 } else { 4 }))
        .with(Resource::PersistentVolumeClaims, times(replicas, one))
        // Configuration, kubeconfig, certificates, and the token for Prometheus; and for each pod one with its
        // ServiceAccount token.
        .with(
            Resource::Secrets,
            Quantity::units(if tenant.config.scraping.is_enabled() { 5 } else { 4 }).plus(synced_pods),
        )
        .with(Resource::ConfigMaps, Quantity::units(CONFIG_MAPS.saturating_add(namespaces)))
}

/// CoreDNS of the tenant, as configured.
struct CoreDns<'a>(&'a Value);

impl<'a> CoreDns<'a> {
    fn of(vcluster_config: &'a VclusterConfig) -> Self {
        Self(&vcluster_config.values["controlPlane"]["coredns"]["deployment"])
    }

    /// Returns the request of all replicas for a resource. Kubernetes sets a missing request to the limit, and without
    /// both to the default.
    fn request(&self, resource: Resource, default: Quantity) -> Quantity {
        let amount = |field: &str| parse_quantity(&self.0["resources"][field][container_key(resource)]);
        self.per_replica(amount("requests").or_else(|| amount("limits")).unwrap_or(default))
    }

    /// Multiplies a quantity by the number of replicas.
    fn per_replica(&self, one: Quantity) -> Quantity {
        times(self.0["replicas"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1), one)
    }
}

fn times(count: u32, one: Quantity) -> Quantity {
    (0..count).fold(ZERO, |sum, _| sum.plus(one))
}
