//! How much the tenant may take from the host.

use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use serde_json::{Value, json};

use super::Tenant;
use crate::object::{Kind, Object};
use crate::overrides::amount;
use crate::render::quantities::hard;
use crate::render::vcluster_config::VclusterConfig;

/// What the tenant's own machinery needs on top of the workloads: the control plane, CoreDNS, and the
/// objects that both bring along.
fn overhead(tenant: &Tenant<'_>, config: &VclusterConfig) -> Quota {
    let control_plane = &tenant.cluster.control_plane;
    let name_servers = NameServers::of(config);
    // The control plane's init container requests less than the control plane itself.
    Quota::new()
        .with(Resource::Cpu, control_plane.cpu.plus(name_servers.request("cpu")))
        .with(Resource::Memory, control_plane.memory.plus(name_servers.request("memory")))
        .with(Resource::Storage, control_plane.storage)
        // The control plane requests 1Gi of scratch space; CoreDNS gets the LimitRange's 1Gi.
        .with(
            Resource::EphemeralStorage,
            Quantity::gibibytes(1).plus(name_servers.each(Quantity::gibibytes(1))),
        )
        .with(Resource::Pods, Quantity::units(1).plus(name_servers.each(Quantity::units(1))))
        // The API server's two Services, kube-dns and the node's.
        .with(Resource::Services, Quantity::units(4))
        .with(Resource::PersistentVolumeClaims, Quantity::units(1))
        // The configuration, the kubeconfig and the certificates.
        .with(Resource::Secrets, Quantity::units(4))
        // The host's certificate authority, CoreDNS, and one certificate authority per namespace with pods.
        .with(Resource::ConfigMaps, Quantity::units(10))
}

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
        let replicas = self.0["replicas"].as_u64().unwrap_or(1);
        (0..replicas).fold(NOTHING, |sum, _| sum.plus(one))
    }
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
    limits.insert("services.nodeports".to_owned(), json!("0"));
    limits.entry("services.loadbalancers").or_insert_with(|| json!("0"));
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
