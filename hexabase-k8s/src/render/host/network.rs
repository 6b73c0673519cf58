//! NetworkPolicies of the tenant: all traffic is denied except what is allowed here.
//!
//! Projects are isolated: their pods reach each other, and are reached from the namespaces that belong to no project,
//! where the administrators of a workspace run ingress controllers and monitoring. The policies are on the host, and
//! policies of tenants are not synced: NetworkPolicies are additive, so a tenant's policy could allow what these deny.
//!
//! For the same reason each policy allows as little as possible. Pods are selected by the label that the syncer writes
//! (`vcluster.loft.sh/managed-by`), never by labels that a tenant can choose; and selectors of the control plane
//! exclude all synced pods.

use std::net::IpAddr;

use hexabase_core::desired::TenantProject;
use hexabase_core::id::TypedId as _;
use hexabase_core::quota::Resource;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::ranges::{addresses_of_no_known_pod, addresses_of_no_pod, public_addresses};
use super::{CONTROL_PLANE, ETCD, Tenant, etcd};
use crate::config::{Exposure, HostConfig, MetricsServer};
use crate::labels;
use crate::object::{Kind, Object, fields};
use crate::peers::{ApiServerAddresses, IssuerPeer};

fn ports(ports: &[(u16, &str)]) -> Value {
    ports.iter().map(|(port, protocol)| json!({ "port": port, "protocol": protocol })).collect()
}

const DNS: [(u16, &str); 2] = [(53, "UDP"), (53, "TCP")];
const TENANT_DNS: [(u16, &str); 2] = [(1053, "UDP"), (1053, "TCP")];
const API: [(u16, &str); 1] = [(8443, "TCP")];
/// Ports of issuers and webhooks.
const WEB: [(u16, &str); 3] = [(443, "TCP"), (6443, "TCP"), (8443, "TCP")];
/// Ports of the pods of metrics servers, of current and earlier releases.
const METRICS: [(u16, &str); 3] = [(443, "TCP"), (4443, "TCP"), (10250, "TCP")];
const ETCD_CLIENTS: [(u16, &str); 1] = [(etcd::CLIENT_PORT, "TCP")];
const ETCD_PEERS: [(u16, &str); 1] = [(etcd::PEER_PORT, "TCP")];

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
    objects.extend(published_policy(tenant));
    let own = tenant.own_labels();
    objects.extend(tenant.cluster.projects.iter().map(|project| project_policy(tenant, &own, project)));
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

fn synced_pods(tenant: &Tenant<'_>) -> Value {
    json!({ "matchLabels": { labels::SYNCED_BY: tenant.name() } })
}

fn host_dns() -> Value {
    json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } },
        "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } },
    })
}

/// Selector of the pods in namespaces that belong to no project.
fn pods_outside_projects(tenant: &Tenant<'_>) -> Value {
    let mut pods = synced_pods(tenant);
    let namespaces: Vec<&str> =
        tenant.cluster.projects.iter().map(|project| project.namespace.as_str()).collect();
    if !namespaces.is_empty() {
        let outside_projects =
            json!({ "key": labels::SYNCED_FROM, "operator": "NotIn", "values": namespaces });
        pods["matchExpressions"] = json!([outside_projects]);
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

/// Policy for all pods of the tenant: they reach their API server, their DNS server and the internet.
fn workloads(tenant: &Tenant<'_>) -> Object {
    let control_plane = tenant.own_pods(CONTROL_PLANE);
    let ingress = json!([{ "from": [{ "podSelector": control_plane }, { "podSelector": pods_outside_projects(tenant) }] }]);
    let egress = json!([
        { "to": [{ "podSelector": control_plane }], "ports": ports(&API) },
        { "to": [{ "podSelector": dns_server(tenant) }], "ports": ports(&TENANT_DNS) },
        { "to": public_addresses(tenant.config) },
    ]);
    policy(tenant, &format!("vc-work-{}", tenant.name()), &synced_pods(tenant), &ingress, &egress)
}

/// Policy for pods outside projects: they reach all pods of the tenant.
fn common(tenant: &Tenant<'_>) -> Object {
    let egress = json!([{ "to": [{ "podSelector": synced_pods(tenant) }] }]);
    policy(
        tenant,
        &format!("vc-common-{}", tenant.name()),
        &pods_outside_projects(tenant),
        &json!([]),
        &egress,
    )
}

/// Policy for the pods of a project: they reach each other. There is one per project, so it has as few fields as
/// possible.
fn project_policy(tenant: &Tenant<'_>, own: &Value, project: &TenantProject) -> Object {
    let text = |text: &str| Value::String(text.to_owned());
    // `policyTypes` is not needed: the default-deny policy already restricts both directions.
    // The label of the tenant's namespace is sufficient: only the tenant's synced pods have it in this host namespace.
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

/// Policy for the control plane: it reaches the host's API server, the host's DNS, its own replicas, the tenant's pods,
/// the host's metrics server if it is configured, and the issuer of the tokens that it verifies. Of other private
/// addresses it reaches none, and so no control plane of another tenant.
fn control_plane(tenant: &Tenant<'_>) -> Object {
    let own = tenant.own_pods(CONTROL_PLANE);
    let mut egress = vec![
        json!({ "to": [host_dns()], "ports": ports(&DNS) }),
        json!({ "to": [{ "podSelector": own }], "ports": ports(&API) }),
        json!({ "to": [{ "podSelector": synced_pods(tenant) }] }),
    ];
    egress.extend(host_api_server(tenant.config));
    egress.extend(tenant.config.metrics_server.as_ref().map(metrics_server));
    egress.push(issuer(tenant));
    if tenant.has_etcd() {
        let etcd = tenant.own_pods(ETCD);
        egress.push(json!({ "to": [{ "podSelector": etcd }], "ports": ports(&ETCD_CLIENTS) }));
    }
    let (ingress, egress) = (json!([clients(tenant, &own)]), Value::Array(egress));
    policy(tenant, &format!("vc-cp-{}", tenant.name()), &own, &ingress, &egress)
}

/// Rule for the clients of the tenant's API server: its own pods, pods of the host that belong to no tenant, such as
/// those of Hexabase and of Ingress controllers, and addresses outside the host's pods. With a load balancer, everyone
/// is a client.
fn clients(tenant: &Tenant<'_>, own: &Value) -> Value {
    let of_no_tenant = json!({ "matchExpressions": [{ "key": tenant.config.labels.workspace(), "operator": "DoesNotExist" }] });
    if tenant.config.exposure == Exposure::LoadBalancer {
        return json!({ "ports": ports(&API) });
    }
    let mut from = vec![
        json!({ "podSelector": own }),
        json!({ "podSelector": synced_pods(tenant) }),
        json!({ "namespaceSelector": of_no_tenant }),
    ];
    from.extend(match tenant.config.pod_ranges.is_empty() {
        true => addresses_of_no_known_pod(tenant.config),
        false => addresses_of_no_pod(tenant.config),
    });
    json!({ "from": from, "ports": ports(&API) })
}

/// Rules for the host's API server. While its addresses are unknown, all addresses are allowed at its usual ports,
/// except those of pods, and not at the port of tenant API servers.
fn host_api_server(config: &HostConfig) -> Vec<Value> {
    if config.api_server.is_empty() {
        return vec![
            json!({ "to": addresses_of_no_known_pod(config), "ports": ports(&[(443, "TCP"), (6443, "TCP")]) }),
        ];
    }
    let rule = |addresses: &ApiServerAddresses| {
        let blocks = addresses.ranges.iter().map(|range| json!({ "ipBlock": { "cidr": range } }));
        let open: Vec<(u16, &str)> = addresses.ports.iter().map(|port| (*port, "TCP")).collect();
        json!({ "to": blocks.collect::<Vec<_>>(), "ports": ports(&open) })
    };
    config.api_server.iter().map(rule).collect()
}

/// Rule for the host's metrics server, whose pods have a label with its name: its own manifest and its Helm chart have
/// different ones.
fn metrics_server(server: &MetricsServer) -> Value {
    let pods = |label: &str| {
        json!({
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": server.namespace } },
            "podSelector": { "matchLabels": { label: server.service } },
        })
    };
    json!({ "to": [pods("k8s-app"), pods("app.kubernetes.io/name")], "ports": ports(&METRICS) })
}

/// Rule for the issuer, and for webhooks outside the tenant: public addresses, and the peers at which an issuer
/// without a public address is reached.
fn issuer(tenant: &Tenant<'_>) -> Value {
    let oidc = tenant.cluster.oidc.as_ref();
    let url = oidc.and_then(|oidc| oidc.issuer_url.parse::<http::Uri>().ok());
    let port =
        url.as_ref().and_then(http::Uri::port_u16).filter(|port| !WEB.iter().any(|(web, _)| web == port));
    let open: Vec<(u16, &str)> = WEB.into_iter().chain(port.map(|port| (port, "TCP"))).collect();
    let host = url.as_ref().and_then(http::Uri::host).map(|host| host.trim_matches(['[', ']']));
    let literal =
        host.and_then(|host| host.parse::<IpAddr>().ok()).map(|address| IpNet::from(address).to_string());
    let literal = literal.map(|range| json!({ "ipBlock": { "cidr": range } }));
    let peers = tenant.config.issuer_peers.iter().map(IssuerPeer::rendered).chain(literal);
    let to: Vec<Value> = public_addresses(tenant.config).into_iter().chain(peers).collect();
    json!({ "to": to, "ports": ports(&open) })
}

/// Policy for published workloads: they are reached by the host's Ingress controller and, if the tenant may have load
/// balancers, from all addresses that do not belong to pods of the host. Load balancers hide the client address, so
/// nodes are allowed as well.
fn published_policy(tenant: &Tenant<'_>) -> Option<Object> {
    let controller = tenant.config.ingress.as_ref().map(|ingress| {
        json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": ingress.namespace } } })
    });
    let balanced = tenant.cluster.quota.get(Resource::LoadBalancers).is_some_and(|count| !count.is_zero());
    let outside = if balanced { addresses_of_no_pod(tenant.config) } else { Vec::new() };
    let from: Vec<Value> = controller.into_iter().chain(outside).collect();
    let name = format!("vc-published-{}", tenant.name());
    let ingress = json!([{ "from": from }]);
    (!from.is_empty()).then(|| policy(tenant, &name, &synced_pods(tenant), &ingress, &json!([])))
}

/// Policy for the members of the etcd: they use the host's DNS, and accept requests of each other and of the control
/// plane.
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

/// Policy for the tenant's DNS server, which runs among its pods: it forwards names outside the cluster to the host's
/// DNS.
fn tenant_dns(tenant: &Tenant<'_>) -> Object {
    let from =
        json!([{ "podSelector": synced_pods(tenant) }, { "podSelector": tenant.own_pods(CONTROL_PLANE) }]);
    let ingress = json!([{ "from": from, "ports": ports(&TENANT_DNS) }]);
    let egress = json!([{ "to": [host_dns()], "ports": ports(&DNS) }]);
    policy(tenant, &format!("vc-kube-dns-{}", tenant.name()), &dns_server(tenant), &ingress, &egress)
}
