//! With whom the tenant may talk: nobody, but for what is opened here.
//!
//! Projects are walls: their pods talk among themselves, and are reached from the namespaces that belong to no project,
//! where whoever runs the workspace has its ingress controllers and its monitoring. The walls stand here because
//! tenants' own policies are not synced: one of theirs could open what these close, since policies only ever add.
//!
//! Policies add up, so each opens as little as it can. Pods are recognised by what the syncer writes
//! (`vcluster.loft.sh/managed-by`), never by labels that a tenant chooses; and what selects the control plane
//! excludes whatever was synced.

use hexabase_core::desired::TenantProject;
use hexabase_core::id::TypedId as _;
use hexabase_core::quota::Resource;
use serde_json::{Value, json};

use super::{CONTROL_PLANE, ETCD, Tenant, etcd};
use crate::labels;
use crate::object::{Kind, Object, fields};

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
const ETCD_CLIENTS: [(u16, &str); 1] = [(etcd::CLIENTS, "TCP")];
const ETCD_PEERS: [(u16, &str); 1] = [(etcd::PEERS, "TCP")];

pub(super) fn objects(tenant: &Tenant<'_>) -> Vec<Object> {
    let mut objects = vec![
        default_deny(tenant),
        workloads(tenant),
        common(tenant),
        control_plane(tenant),
        tenant_dns(tenant),
    ];
    if tenant.has_etcd() {
        objects.push(etcd(tenant));
    }
    objects.extend(published(tenant));
    let own = tenant.own_labels();
    objects.extend(tenant.cluster.projects.iter().map(|project| within(tenant, &own, project)));
    objects
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

fn host_dns() -> Value {
    json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } },
        "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } },
    })
}

/// The pods of the namespaces that belong to no project.
fn of_no_project(tenant: &Tenant<'_>) -> Value {
    let mut pods = synced(tenant);
    let namespaces: Vec<&str> =
        tenant.cluster.projects.iter().map(|project| project.namespace.as_str()).collect();
    if !namespaces.is_empty() {
        let elsewhere = json!({ "key": labels::SYNCED_FROM, "operator": "NotIn", "values": namespaces });
        pods["matchExpressions"] = json!([elsewhere]);
    }
    pods
}

fn dns_server(tenant: &Tenant<'_>) -> Value {
    json!({ "matchLabels": {
        "k8s-app": "vcluster-kube-dns",
        labels::SYNCED_BY: tenant.name(),
        labels::SYNCED_FROM: "kube-system",
    } })
}

/// What every pod of the tenant needs: its API server, its DNS server, and the internet.
fn workloads(tenant: &Tenant<'_>) -> Object {
    let control_plane = tenant.own_pods(CONTROL_PLANE);
    let ingress =
        json!([{ "from": [{ "podSelector": control_plane }, { "podSelector": of_no_project(tenant) }] }]);
    let egress = json!([
        { "to": [{ "podSelector": control_plane }], "ports": ports(&API) },
        { "to": [{ "podSelector": dns_server(tenant) }], "ports": ports(&TENANT_DNS) },
        { "to": [
            { "ipBlock": { "cidr": "0.0.0.0/0", "except": NOT_PUBLIC_V4 } },
            { "ipBlock": { "cidr": "::/0", "except": NOT_PUBLIC_V6 } },
        ] },
    ]);
    policy(tenant, &format!("vc-work-{}", tenant.name()), &synced(tenant), &ingress, &egress)
}

/// What belongs to no project reaches every pod of the tenant.
fn common(tenant: &Tenant<'_>) -> Object {
    let egress = json!([{ "to": [{ "podSelector": synced(tenant) }] }]);
    policy(tenant, &format!("vc-common-{}", tenant.name()), &of_no_project(tenant), &json!([]), &egress)
}

/// The pods of a project reach each other. There is one of these per project, so it is made with as little as will do.
fn within(tenant: &Tenant<'_>, own: &Value, project: &TenantProject) -> Object {
    let text = |text: &str| Value::String(text.to_owned());
    // Both directions are restricted already, by the policy that denies everything.
    // Pods of a namespace of the tenant are its synced ones, and of nobody else, in the tenant's namespace on the host.
    let pods = fields([("matchLabels", fields([(labels::SYNCED_FROM, text(project.namespace.as_str()))]))]);
    let peers = || Value::Array(vec![fields([("podSelector", pods.clone())])]);
    let (ingress, egress) = (fields([("from", peers())]), fields([("to", peers())]));
    let spec = fields([
        ("podSelector", pods.clone()),
        ("ingress", Value::Array(vec![ingress])),
        ("egress", Value::Array(vec![egress])),
    ]);
    let metadata = fields([
        ("name", Value::String(project.id.kubernetes_name())),
        ("namespace", text(tenant.name())),
        ("labels", own.clone()),
    ]);
    Object::of(Kind::NETWORK_POLICY, metadata, [("spec", spec)])
}

/// The control plane answers on its API port, and reaches the host's API server, the host's DNS, the
/// tenant's pods, and whoever issues the tokens it checks.
fn control_plane(tenant: &Tenant<'_>) -> Object {
    let ingress = json!([{ "ports": ports(&API) }]);
    let mut egress = vec![
        json!({ "to": [host_dns()], "ports": ports(&DNS) }),
        json!({ "ports": ports(&[(443, "TCP"), (6443, "TCP"), (8443, "TCP")]) }),
        json!({ "to": [{ "podSelector": synced(tenant) }] }),
    ];
    if tenant.has_etcd() {
        let etcd = tenant.own_pods(ETCD);
        egress.push(json!({ "to": [{ "podSelector": etcd }], "ports": ports(&ETCD_CLIENTS) }));
    }
    let egress = Value::Array(egress);
    policy(tenant, &format!("vc-cp-{}", tenant.name()), &tenant.own_pods(CONTROL_PLANE), &ingress, &egress)
}

/// What tenants publish is reached from elsewhere: by the controller of their Ingresses, and, where they may have load
/// balancers, by whoever is no pod of the host. A load balancer hides who it was, so nodes are let in as well.
fn published(tenant: &Tenant<'_>) -> Option<Object> {
    let controller = tenant.settings.ingress.as_ref().map(|ingress| {
        json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": ingress.namespace } } })
    });
    let balanced = tenant.cluster.quota.get(Resource::LoadBalancers).is_some_and(|count| !count.is_zero());
    let ranges = &tenant.settings.pod_ranges;
    let everywhere = ["0.0.0.0/0", "::/0"].map(|all| {
        let of_family = |range: &&String| range.contains(':') == all.contains(':');
        let except: Vec<&String> = ranges.iter().filter(of_family).collect();
        // A family of which there are pods, and it is known where: all others could be anybody's.
        (!except.is_empty()).then(|| json!({ "ipBlock": { "cidr": all, "except": except } }))
    });
    let from: Vec<Value> =
        controller.into_iter().chain(everywhere.into_iter().flatten().filter(|_| balanced)).collect();
    let name = format!("vc-published-{}", tenant.name());
    let ingress = json!([{ "from": from }]);
    (!from.is_empty()).then(|| policy(tenant, &name, &synced(tenant), &ingress, &json!([])))
}

/// The members of the etcd find each other by the host's DNS, and answer each other and the control plane.
fn etcd(tenant: &Tenant<'_>) -> Object {
    let members = tenant.own_pods(ETCD);
    let control_plane = tenant.own_pods(CONTROL_PLANE);
    let ingress = json!([
        { "from": [{ "podSelector": control_plane }], "ports": ports(&ETCD_CLIENTS) },
        { "from": [{ "podSelector": members }], "ports": ports(&ETCD_PEERS) },
    ]);
    let egress = json!([
        { "to": [host_dns()], "ports": ports(&DNS) },
        { "to": [{ "podSelector": members }], "ports": ports(&ETCD_PEERS) },
    ]);
    policy(tenant, &format!("vc-etcd-{}", tenant.name()), &members, &ingress, &egress)
}

/// The tenant's own DNS server, which runs among its pods, asks the host's for names outside the cluster.
fn tenant_dns(tenant: &Tenant<'_>) -> Object {
    let from = json!([{ "podSelector": synced(tenant) }, { "podSelector": tenant.own_pods(CONTROL_PLANE) }]);
    let ingress = json!([{ "from": from, "ports": ports(&TENANT_DNS) }]);
    let egress = json!([{ "to": [host_dns()], "ports": ports(&DNS) }]);
    policy(tenant, &format!("vc-kube-dns-{}", tenant.name()), &dns_server(tenant), &ingress, &egress)
}
