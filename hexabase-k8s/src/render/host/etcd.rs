//! The etcd of a control plane that keeps its objects there: as many members as the control plane has replicas, each with a
//! volume of its own.
//!
//! vCluster makes the certificates by which its members and the API server know each other, for the names that these
//! objects have, and looks for the etcd by the Service's.

use hexabase_core::error::Result;
use serde_json::{Value, json};

use super::control_plane::{disruption_budget, placed, security, volume_claim};
use super::{ETCD, Tenant};
use crate::object::{Kind, Object};
use crate::render::vcluster_config::VclusterConfig;

/// Where members answer the API server, each other, and whoever asks how they are.
pub(super) const CLIENTS: u16 = 2379;
pub(super) const PEERS: u16 = 2380;
const HEALTH: u16 = 2381;

/// Where vCluster's certificates are in a member.
const PKI: &str = "/run/config/pki";
/// Where a member keeps its objects.
const DATA: &str = "/var/lib/etcd";

/// What each member requests.
pub(super) const CPU: &str = "50m";
pub(super) const MEMORY: &str = "256Mi";
pub(super) const EPHEMERAL_STORAGE: &str = "256Mi";

pub(super) fn objects(tenant: &Tenant<'_>, config: &VclusterConfig) -> Result<Vec<Object>> {
    let set = stateful_set(tenant, config)?;
    Ok(services(tenant).into_iter().chain(disruption_budget(tenant, ETCD)).chain([set]).collect())
}

fn headless(tenant: &Tenant<'_>) -> String {
    format!("{}-headless", tenant.name_of(ETCD))
}

/// An object of the etcd, by whose labels vCluster's CLI puts it to sleep with the control plane.
fn object(tenant: &Tenant<'_>, kind: Kind, name: &str, content: Value) -> Object {
    let mut object = tenant.object(kind, name, content);
    object.body["metadata"]["labels"]["app"] = json!(ETCD);
    object
}

/// One Service by which the API server finds members that are well, and one by which members find each other while they
/// are not yet.
fn services(tenant: &Tenant<'_>) -> [Object; 2] {
    let port =
        |name: &str, port: u16| json!({ "name": name, "port": port, "protocol": "TCP", "targetPort": port });
    let ports = [port("etcd", CLIENTS), port("peer", PEERS)];
    let spec = json!({ "type": "ClusterIP", "ports": ports, "selector": tenant.selector(ETCD) });
    let mut among_members = spec.clone();
    among_members["clusterIP"] = json!("None");
    among_members["publishNotReadyAddresses"] = json!(true);
    [
        object(tenant, Kind::SERVICE, &tenant.name_of(ETCD), json!({ "spec": spec })),
        object(tenant, Kind::SERVICE, &headless(tenant), json!({ "spec": among_members })),
    ]
}

fn stateful_set(tenant: &Tenant<'_>, config: &VclusterConfig) -> Result<Object> {
    let mut pod = json!({
        // It has no business with the host's API server.
        "automountServiceAccountToken": false,
        "serviceAccountName": format!("vc-workload-{}", tenant.name()),
        "terminationGracePeriodSeconds": 15,
        "enableServiceLinks": false,
        "volumes": [{ "name": "certs", "secret": { "secretName": format!("{}-certs", tenant.name()) } }],
        "containers": [member(tenant)?],
    });
    placed(&mut pod, tenant, config, ETCD);
    let spec = json!({
        "replicas": tenant.cluster.control_plane.replicas,
        "serviceName": headless(tenant),
        // None is well before most are there.
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "selector": { "matchLabels": tenant.selector(ETCD) },
        "template": { "metadata": { "labels": tenant.selector(ETCD) }, "spec": pod },
        "volumeClaimTemplates": [volume_claim(tenant)],
    });
    Ok(object(tenant, Kind::STATEFUL_SET, &tenant.name_of(ETCD), json!({ "spec": spec })))
}

fn member(tenant: &Tenant<'_>) -> Result<Value> {
    let itself = json!({ "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } });
    let mut liveness = probe("/livez", 10, 8);
    liveness["initialDelaySeconds"] = json!(10);
    Ok(json!({
        "name": "etcd",
        "image": tenant.settings.etcd()?.to_string(),
        "command": command(tenant),
        "env": [itself],
        "volumeMounts": [
            { "name": "data", "mountPath": DATA },
            { "name": "certs", "mountPath": PKI, "readOnly": true },
        ],
        "securityContext": security(tenant),
        "resources": {
            "limits": {
                "ephemeral-storage": "1Gi",
                "memory": tenant.cluster.control_plane.memory_limit.to_string(),
            },
            "requests": { "cpu": CPU, "ephemeral-storage": EPHEMERAL_STORAGE, "memory": MEMORY },
        },
        "startupProbe": probe("/readyz", 1, 1_800),
        "readinessProbe": probe("/readyz", 5, 3),
        "livenessProbe": liveness,
    }))
}

fn probe(path: &str, period: u8, failures: u16) -> Value {
    json!({
        "httpGet": { "path": path, "port": HEALTH, "scheme": "HTTP" },
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    })
}

/// How etcd is started (<https://etcd.io/docs/v3.6/op-guide/configuration/>). Which members there are is said once and for
/// all: a cluster of another size would be another cluster.
fn command(tenant: &Tenant<'_>) -> Vec<String> {
    let among_members = format!("{}.{}", headless(tenant), tenant.name());
    let peer = |member: &str| format!("https://{member}.{among_members}:{PEERS}");
    let members =
        (0..tenant.cluster.control_plane.replicas).map(|number| format!("{}-{number}", tenant.name_of(ETCD)));
    let members: Vec<String> = members.map(|member| format!("{member}={}", peer(&member))).collect();
    let arguments = [
        ("name", "$(NAME)".to_owned()),
        ("data-dir", DATA.to_owned()),
        ("listen-client-urls", format!("https://0.0.0.0:{CLIENTS}")),
        ("advertise-client-urls", format!("https://$(NAME).{among_members}:{CLIENTS}")),
        ("client-cert-auth", "true".to_owned()),
        ("trusted-ca-file", format!("{PKI}/etcd-ca.crt")),
        ("cert-file", format!("{PKI}/etcd-server.crt")),
        ("key-file", format!("{PKI}/etcd-server.key")),
        ("listen-peer-urls", format!("https://0.0.0.0:{PEERS}")),
        ("initial-advertise-peer-urls", peer("$(NAME)")),
        ("peer-client-cert-auth", "true".to_owned()),
        ("peer-trusted-ca-file", format!("{PKI}/etcd-ca.crt")),
        ("peer-cert-file", format!("{PKI}/etcd-peer.crt")),
        ("peer-key-file", format!("{PKI}/etcd-peer.key")),
        ("listen-metrics-urls", format!("http://0.0.0.0:{HEALTH}")),
        ("initial-cluster", members.join(",")),
        ("initial-cluster-token", tenant.name().to_owned()),
    ];
    let given = arguments.into_iter().map(|(name, value)| format!("--{name}={value}"));
    ["etcd".to_owned()].into_iter().chain(given).collect()
}
