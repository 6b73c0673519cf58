//! With whom the tenant may talk: nobody, but for what is opened here.
//!
//! Policies add up, so each opens as little as it can. Pods are recognised by what the syncer writes
//! (`vcluster.loft.sh/managed-by`), never by labels that a tenant chooses; and what selects the control plane
//! excludes whatever was synced.

use serde_json::{Value, json};

use super::Tenant;
use crate::labels;
use crate::object::{Kind, Object};

/// The ranges that are not the public internet: private networks, carrier-grade NAT, loopback and, with it,
/// clouds' metadata services.
const NOT_PUBLIC_V4: [&str; 6] =
    ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
const NOT_PUBLIC_V6: [&str; 3] = ["::1/128", "fc00::/7", "fe80::/10"];

fn ports(ports: &[(u16, &str)]) -> Value {
    ports.iter().map(|(port, protocol)| json!({ "port": port, "protocol": protocol })).collect()
}

const DNS: [(u16, &str); 2] = [(53, "UDP"), (53, "TCP")];
const TENANT_DNS: [(u16, &str); 2] = [(1053, "UDP"), (1053, "TCP")];
const API: [(u16, &str); 1] = [(8443, "TCP")];

pub(super) fn objects(tenant: &Tenant<'_>) -> Vec<Object> {
    vec![default_deny(tenant), workloads(tenant), control_plane(tenant), tenant_dns(tenant)]
}

fn policy(tenant: &Tenant<'_>, name: &str, selector: &Value, ingress: &Value, egress: &Value) -> Object {
    let types = json!(["Ingress", "Egress"]);
    let spec = json!({ "podSelector": selector, "policyTypes": types, "ingress": ingress, "egress": egress });
    tenant.object(Kind::NETWORK_POLICY, name, json!({ "spec": spec }))
}

fn default_deny(tenant: &Tenant<'_>) -> Object {
    let spec = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] });
    tenant.object(Kind::NETWORK_POLICY, "default-deny", json!({ "spec": spec }))
}

fn synced(tenant: &Tenant<'_>) -> Value {
    json!({ "matchLabels": { labels::SYNCED_BY: tenant.name() } })
}

fn own_control_plane(tenant: &Tenant<'_>) -> Value {
    json!({
        "matchLabels": tenant.selector(),
        "matchExpressions": [{ "key": labels::SYNCED_BY, "operator": "DoesNotExist" }],
    })
}

fn host_dns() -> Value {
    json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } },
        "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } },
    })
}

/// The tenant's pods talk to each other, to their control plane and to the internet.
fn workloads(tenant: &Tenant<'_>) -> Object {
    let (pods, control_plane) = (synced(tenant), own_control_plane(tenant));
    let ingress =
        json!([{ "from": [{ "podSelector": pods }] }, { "from": [{ "podSelector": control_plane }] }]);
    let egress = json!([
        { "to": [{ "podSelector": pods }] },
        { "to": [{ "podSelector": control_plane }], "ports": ports(&API) },
        { "to": [
            { "ipBlock": { "cidr": "0.0.0.0/0", "except": NOT_PUBLIC_V4 } },
            { "ipBlock": { "cidr": "::/0", "except": NOT_PUBLIC_V6 } },
        ] },
    ]);
    policy(tenant, &format!("vc-work-{}", tenant.name()), &pods, &ingress, &egress)
}

/// The control plane answers on its API port, and reaches the host's API server, the host's DNS, the
/// tenant's pods, and whoever issues the tokens it checks.
fn control_plane(tenant: &Tenant<'_>) -> Object {
    let ingress = json!([{ "ports": ports(&API) }]);
    let egress = json!([
        { "to": [host_dns()], "ports": ports(&DNS) },
        { "ports": ports(&[(443, "TCP"), (6443, "TCP"), (8443, "TCP")]) },
        { "to": [{ "podSelector": synced(tenant) }] },
    ]);
    policy(tenant, &format!("vc-cp-{}", tenant.name()), &own_control_plane(tenant), &ingress, &egress)
}

/// The tenant's own DNS server, which runs among its pods, asks the host's for names outside the cluster.
fn tenant_dns(tenant: &Tenant<'_>) -> Object {
    let selector = json!({ "matchLabels": {
        "k8s-app": "vcluster-kube-dns",
        labels::SYNCED_BY: tenant.name(),
        "vcluster.loft.sh/namespace": "kube-system",
    } });
    let from = json!([{ "podSelector": synced(tenant) }, { "podSelector": own_control_plane(tenant) }]);
    let ingress = json!([{ "from": from, "ports": ports(&TENANT_DNS) }]);
    let egress = json!([{ "to": [host_dns()], "ports": ports(&DNS) }]);
    policy(tenant, &format!("vc-kube-dns-{}", tenant.name()), &selector, &ingress, &egress)
}
