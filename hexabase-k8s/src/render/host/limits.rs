//! ResourceQuota and LimitRange of the tenant on its host.

use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use serde_json::{Value, json};

use super::{Tenant, etcd};
use crate::config::Exposure;
use crate::object::{Kind, Object};
use crate::overrides::parse_quantity;
use crate::render::quantities::hard;
use crate::render::vcluster_config::VclusterConfig;

/// Returns the overhead of the tenant on top of its workloads: control plane, CoreDNS, and the objects that both
/// create.
fn overhead(tenant: &Tenant<'_>, vcluster_config: &VclusterConfig) -> Quota {
    let control_plane = &tenant.cluster.control_plane;
    let coredns = CoreDns::of(vcluster_config);
    let replicas = u32::from(control_plane.replicas);
    let members = if tenant.has_etcd() { replicas } else { 0 };
    let etcd_share = |amount: &str| amount.parse().map_or(ZERO, |one| times(members, one));
    let one = Quantity::units(1);
    let scratch = Quantity::gibibytes(1);
    let sum = |control_plane: Quantity, etcd: Quantity, coredns: Quantity| {
        times(replicas, control_plane).plus(etcd).plus(coredns)
    };
    // The init container of the control plane requests less than the control plane itself.
    Quota::new()
        .with(Resource::Cpu, sum(control_plane.cpu, etcd_share(etcd::CPU_REQUEST), coredns.request("cpu")))
        .with(
            Resource::Memory,
            sum(control_plane.memory, etcd_share(etcd::MEMORY_REQUEST), coredns.request("memory")),
        )
        .with(Resource::Storage, times(replicas, control_plane.storage))
        // The control plane requests 1Gi of ephemeral storage; CoreDNS gets 1Gi from the LimitRange.
        .with(
            Resource::EphemeralStorage,
            sum(scratch, etcd_share(etcd::EPHEMERAL_STORAGE_REQUEST), coredns.per_replica(scratch)),
        )
        .with(Resource::Pods, sum(one, times(members, one), coredns.per_replica(one)))
        // Two Services of the API server, those of kube-dns and the node, and two of the etcd.
        .with(Resource::Services, Quantity::units(if tenant.has_etcd() { 6 } else { 4 }))
        .with(Resource::PersistentVolumeClaims, times(replicas, one))
        // Configuration, kubeconfig, and certificates.
        .with(Resource::Secrets, Quantity::units(4))
        // Certificate authority of the host, CoreDNS, and one certificate authority per namespace with pods.
        .with(Resource::ConfigMaps, Quantity::units(10))
}

/// Average number of ports per load balancer. Each takes a node port, which Kubernetes counts as well.
const NODE_PORTS_PER_LOAD_BALANCER: u32 = 8;
const ZERO: Quantity = Quantity::units(0);

/// CoreDNS of the tenant, as configured.
struct CoreDns<'a>(&'a Value);

impl<'a> CoreDns<'a> {
    fn of(vcluster_config: &'a VclusterConfig) -> Self {
        Self(&vcluster_config.values["controlPlane"]["coredns"]["deployment"])
    }

    /// Returns the request of all replicas for a resource.
    fn request(&self, resource: &str) -> Quantity {
        parse_quantity(&self.0["resources"]["requests"][resource]).map_or(ZERO, |one| self.per_replica(one))
    }

    /// Multiplies a quantity by the number of replicas.
    fn per_replica(&self, one: Quantity) -> Quantity {
        times(self.0["replicas"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1), one)
    }
}

fn times(count: u32, one: Quantity) -> Quantity {
    (0..count).fold(ZERO, |sum, _| sum.plus(one))
}

pub(super) fn objects(tenant: &Tenant<'_>, vcluster_config: &VclusterConfig) -> Vec<Object> {
    let name = format!("vc-{}", tenant.name());
    let plan = &tenant.cluster.quota;
    let extra = overhead(tenant, vcluster_config);
    // The overhead only increases limits of the plan; resources without a limit stay unlimited.
    let with_overhead = |(resource, amount): (Resource, Quantity)| {
        (resource, extra.get(resource).map_or(amount, |extra| amount.plus(extra)))
    };
    let mut limits = hard(&plan.iter().map(with_overhead).collect());
    let balancers = plan.get(Resource::LoadBalancers).unwrap_or(ZERO);
    let of_tenant = times(NODE_PORTS_PER_LOAD_BALANCER, balancers);
    let own = if tenant.config.exposure == Exposure::LoadBalancer { Quantity::units(1) } else { ZERO };
    limits.insert("services.loadbalancers".to_owned(), json!(balancers.plus(own).to_string()));
    limits.insert("services.nodeports".to_owned(), json!(of_tenant.plus(own).to_string()));
    // Each Ingress refers to a Service, so the limit of Services applies to them, too.
    if let Some(services) = plan.get(Resource::Services).filter(|_| tenant.config.ingress.is_some()) {
        limits.insert("count/ingresses.networking.k8s.io".to_owned(), json!(services.to_string()));
    }
    let range = json!({ "limits": [{
        "type": "Container",
        "default": { "cpu": "1", "ephemeral-storage": "8Gi", "memory": "512Mi" },
        "defaultRequest": { "cpu": "50m", "ephemeral-storage": "1Gi", "memory": "128Mi" },
    }] });
    vec![
        tenant.object(Kind::RESOURCE_QUOTA, &name, json!({ "spec": { "hard": limits } })),
        tenant.object(Kind::LIMIT_RANGE, &name, json!({ "spec": range })),
    ]
}
