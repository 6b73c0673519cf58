//! Etcd of a control plane with the store etcd: it has as many members as the control plane has replicas, each with
//! its own volume.
//!
//! vCluster creates the certificates with which the members and the API server authenticate each other, for the names
//! of these objects, and connects to the etcd by the name of its Service.

use hexabase_core::error::Result;
use serde_json::{Value, json};

use super::control_plane::{disruption_budget, security_context, set_scheduling, volume_claim};
use super::{ETCD, Tenant};
use crate::object::{Kind, Object};
use crate::render::vcluster_config::VclusterConfig;

/// Port of the members for the API server.
pub(super) const CLIENT_PORT: u16 = 2379;
/// Port of the members for each other.
pub(super) const PEER_PORT: u16 = 2380;
/// Port of the members for probes and metrics.
const HEALTH_PORT: u16 = 2381;

/// Directory of vCluster's certificates in a member.
const CERTIFICATES_PATH: &str = "/run/config/pki";
/// Directory of a member's objects.
const DATA_PATH: &str = "/var/lib/etcd";

/// CPU request of each member.
pub(super) const CPU_REQUEST: &str = "50m";
/// Memory request of each member.
pub(super) const MEMORY_REQUEST: &str = "256Mi";
/// Ephemeral storage request of each member.
pub(super) const EPHEMERAL_STORAGE_REQUEST: &str = "256Mi";

/// Returns the objects that the members need before they start.
pub(super) fn objects(tenant: &Tenant<'_>) -> impl Iterator<Item = Object> {
    services(tenant).into_iter().chain(disruption_budget(tenant, ETCD))
}

fn headless(tenant: &Tenant<'_>) -> String {
    format!("{}-headless", tenant.name_of(ETCD))
}

/// Returns an object of the etcd with the label by which vCluster's CLI suspends it together with the control plane.
fn object(tenant: &Tenant<'_>, kind: Kind, name: &str, content: Value) -> Object {
    let mut object = tenant.object(kind, name, content);
    object.body["metadata"]["labels"]["app"] = json!(ETCD);
    object
}

/// Returns a Service by which the API server reaches ready members, and one by which members find each other before
/// they are ready.
fn services(tenant: &Tenant<'_>) -> [Object; 2] {
    let port =
        |name: &str, port: u16| json!({ "name": name, "port": port, "protocol": "TCP", "targetPort": port });
    let ports = [port("etcd", CLIENT_PORT), port("peer", PEER_PORT)];
    let spec = json!({ "type": "ClusterIP", "ports": ports, "selector": tenant.selector(ETCD) });
    let mut headless_spec = spec.clone();
    headless_spec["clusterIP"] = json!("None");
    headless_spec["publishNotReadyAddresses"] = json!(true);
    [
        object(tenant, Kind::SERVICE, &tenant.name_of(ETCD), json!({ "spec": spec })),
        object(tenant, Kind::SERVICE, &headless(tenant), json!({ "spec": headless_spec })),
    ]
}

/// Returns the StatefulSet of the members.
pub(super) fn stateful_set(tenant: &Tenant<'_>, vcluster_config: &VclusterConfig) -> Result<Object> {
    let mut pod = json!({
        // The etcd does not use the host's API server.
        "automountServiceAccountToken": false,
        "serviceAccountName": format!("vc-workload-{}", tenant.name()),
        "terminationGracePeriodSeconds": 15,
        "enableServiceLinks": false,
        "volumes": [{ "name": "certs", "secret": { "secretName": format!("{}-certs", tenant.name()) } }],
        "containers": [member(tenant)?],
    });
    set_scheduling(&mut pod, tenant, vcluster_config, ETCD);
    let spec = json!({
        "replicas": tenant.cluster.control_plane.replicas,
        "serviceName": headless(tenant),
        // No member becomes ready before a majority has started.
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "selector": { "matchLabels": tenant.selector(ETCD) },
        "template": { "metadata": { "labels": tenant.selector(ETCD) }, "spec": pod },
        "volumeClaimTemplates": [volume_claim(tenant)],
    });
    Ok(object(tenant, Kind::STATEFUL_SET, &tenant.name_of(ETCD), json!({ "spec": spec })))
}

fn member(tenant: &Tenant<'_>) -> Result<Value> {
    let pod_name = json!({ "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } });
    let mut liveness = probe("/livez", 10, 8);
    liveness["initialDelaySeconds"] = json!(10);
    Ok(json!({
        "name": "etcd",
        "image": tenant.config.etcd()?.to_string(),
        "command": command(tenant),
        "env": [pod_name],
        "volumeMounts": [
            { "name": "data", "mountPath": DATA_PATH },
            { "name": "certs", "mountPath": CERTIFICATES_PATH, "readOnly": true },
        ],
        "securityContext": security_context(tenant),
        "resources": {
            "limits": {
                "ephemeral-storage": "1Gi",
                "memory": tenant.cluster.control_plane.memory_limit.to_string(),
            },
            "requests": { "cpu": CPU_REQUEST, "ephemeral-storage": EPHEMERAL_STORAGE_REQUEST, "memory": MEMORY_REQUEST },
        },
        "startupProbe": probe("/readyz", 1, 1_800),
        "readinessProbe": probe("/readyz", 5, 3),
        "livenessProbe": liveness,
    }))
}

fn probe(path: &str, period: u8, failures: u16) -> Value {
    json!({
        "httpGet": { "path": path, "port": HEALTH_PORT, "scheme": "HTTP" },
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    })
}

/// Returns the command of a member (<https://etcd.io/docs/v3.6/op-guide/configuration/>). The member list is fixed: a
/// list of another size would form another cluster.
fn command(tenant: &Tenant<'_>) -> Vec<String> {
    let peer_domain = format!("{}.{}", headless(tenant), tenant.name());
    let peer = |member: &str| format!("https://{member}.{peer_domain}:{PEER_PORT}");
    let members =
        (0..tenant.cluster.control_plane.replicas).map(|number| format!("{}-{number}", tenant.name_of(ETCD)));
    let members: Vec<String> = members.map(|member| format!("{member}={}", peer(&member))).collect();
    let arguments = [
        ("name", "$(NAME)".to_owned()),
        ("data-dir", DATA_PATH.to_owned()),
        ("listen-client-urls", format!("https://0.0.0.0:{CLIENT_PORT}")),
        ("advertise-client-urls", format!("https://$(NAME).{peer_domain}:{CLIENT_PORT}")),
        ("client-cert-auth", "true".to_owned()),
        ("trusted-ca-file", format!("{CERTIFICATES_PATH}/etcd-ca.crt")),
        ("cert-file", format!("{CERTIFICATES_PATH}/etcd-server.crt")),
        ("key-file", format!("{CERTIFICATES_PATH}/etcd-server.key")),
        ("listen-peer-urls", format!("https://0.0.0.0:{PEER_PORT}")),
        ("initial-advertise-peer-urls", peer("$(NAME)")),
        ("peer-client-cert-auth", "true".to_owned()),
        ("peer-trusted-ca-file", format!("{CERTIFICATES_PATH}/etcd-ca.crt")),
        ("peer-cert-file", format!("{CERTIFICATES_PATH}/etcd-peer.crt")),
        ("peer-key-file", format!("{CERTIFICATES_PATH}/etcd-peer.key")),
        ("listen-metrics-urls", format!("http://0.0.0.0:{HEALTH_PORT}")),
        ("initial-cluster", members.join(",")),
        ("initial-cluster-token", tenant.name().to_owned()),
    ];
    let flags = arguments.into_iter().map(|(name, value)| format!("--{name}={value}"));
    ["etcd".to_owned()].into_iter().chain(flags).collect()
}
