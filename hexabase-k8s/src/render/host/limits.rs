//! How much the tenant may take from the host.

use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use serde_json::{Value, json};

use super::{Tenant, etcd};
use crate::object::{Kind, Object};
use crate::overrides::amount;
use crate::render::quantities::hard;
use crate::render::vcluster_config::VclusterConfig;
use crate::settings::Exposure;

/// What the tenant's own machinery needs on top of the workloads: the control plane, CoreDNS, and the
/// objects that both bring along.
fn overhead(tenant: &Tenant<'_>, config: &VclusterConfig) -> Quota {
    let control_plane = &tenant.cluster.control_plane;
    let name_servers = NameServers::of(config);
    let replicas = u32::from(control_plane.replicas);
    let members = if tenant.has_etcd() { replicas } else { 0 };
    let of_etcd = |amount: &str| amount.parse().map_or(NOTHING, |one| times(members, one));
    let one = Quantity::units(1);
    let scratch = Quantity::gibibytes(1);
    let sum = |control_plane: Quantity, etcd: Quantity, name_servers: Quantity| {
        times(replicas, control_plane).plus(etcd).plus(name_servers)
    };
    // The control plane's init container requests less than the control plane itself.
    Quota::new()
        .with(Resource::Cpu, sum(control_plane.cpu, of_etcd(etcd::CPU), name_servers.request("cpu")))
        .with(
            Resource::Memory,
            sum(control_plane.memory, of_etcd(etcd::MEMORY), name_servers.request("memory")),
        )
        .with(Resource::Storage, times(replicas, control_plane.storage))
        // The control plane requests 1Gi of scratch space; CoreDNS gets the LimitRange's 1Gi.
        .with(
            Resource::EphemeralStorage,
            sum(scratch, of_etcd(etcd::EPHEMERAL_STORAGE), name_servers.each(scratch)),
        )
        .with(Resource::Pods, sum(one, times(members, one), name_servers.each(one)))
        // The API server's two Services, kube-dns and the node's, and those of the etcd.
        .with(Resource::Services, Quantity::units(if tenant.has_etcd() { 6 } else { 4 }))
        .with(Resource::PersistentVolumeClaims, times(replicas, one))
        // The configuration, the kubeconfig and the certificates.
        .with(Resource::Secrets, Quantity::units(4))
        // The host's certificate authority, CoreDNS, and one certificate authority per namespace with pods.
        .with(Resource::ConfigMaps, Quantity::units(10))
}

/// How many ports a load balancer may have on average: each takes one of the nodes', which Kubernetes counts.
const PORTS: u32 = 8;
const NOTHING: Quantity = Quantity::units(0);

/// The tenant's CoreDNS, as the configuration has it.
struct NameServers<'a>(&'a Value);

impl<'a> NameServers<'a> {
    fn of(config: &'a VclusterConfig) -> Self {
        Self(&config.values["controlPlane"]["coredns"]["deployment"])
    }

    /// What all of them request of something.
    fn request(&self, resource: &str) -> Quantity {
        amount(&self.0["resources"]["requests"][resource]).map_or(NOTHING, |one| self.each(one))
    }

    /// So much for each of them.
    fn each(&self, one: Quantity) -> Quantity {
        times(self.0["replicas"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1), one)
    }
}

fn times(count: u32, one: Quantity) -> Quantity {
    (0..count).fold(NOTHING, |sum, _| sum.plus(one))
}

pub(super) fn objects(tenant: &Tenant<'_>, config: &VclusterConfig) -> Vec<Object> {
    let name = format!("vc-{}", tenant.name());
    let plan = &tenant.cluster.quota;
    let extra = overhead(tenant, config);
    // Only what the plan limits is limited: the overhead by itself is no limit.
    let with_overhead = |(resource, amount): (Resource, Quantity)| {
        (resource, extra.get(resource).map_or(amount, |extra| amount.plus(extra)))
    };
    let mut limits = hard(&plan.iter().map(with_overhead).collect());
    let balancers = plan.get(Resource::LoadBalancers).unwrap_or(NOTHING);
    let of_tenant = times(PORTS, balancers);
    let own = if tenant.settings.exposure == Exposure::LoadBalancer { Quantity::units(1) } else { NOTHING };
    limits.insert("services.loadbalancers".to_owned(), json!(balancers.plus(own).to_string()));
    limits.insert("services.nodeports".to_owned(), json!(of_tenant.plus(own).to_string()));
    // Each leads to a Service.
    if let Some(services) = plan.get(Resource::Services).filter(|_| tenant.settings.ingress.is_some()) {
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
