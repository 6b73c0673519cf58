//! Control plane of the tenant: its configuration, volume, disruption budget and StatefulSet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::error::Result;
use hexabase_core::model::ControlPlaneStore;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{CONTROL_PLANE, Tenant};
use crate::object::{Kind, Object};
use crate::render::vcluster_config::{self, AUTHENTICATION_DIRECTORY, VclusterConfig};

/// User and group id of control planes that run without root.
const ROOTLESS_USER: u32 = 12_345;

/// Returns the Secret with the configuration, and the ConfigMap with the OIDC trust of the API server.
pub(super) fn configuration(tenant: &Tenant<'_>, vcluster_config: &VclusterConfig) -> Vec<Object> {
    let secret =
        json!({ "type": "Opaque", "data": { "config.yaml": STANDARD.encode(&vcluster_config.yaml) } });
    let mut secret = tenant.object(Kind::SECRET, &format!("vc-config-{}", tenant.name()), secret);
    // If the annotation exists, vCluster compares its store with it, and refuses to start with another one.
    let store = tenant.config.store.as_deref().unwrap_or(match tenant.cluster.control_plane.store {
        ControlPlaneStore::Sqlite => "embedded-database",
        ControlPlaneStore::Etcd => "deployed-etcd",
    });
    secret.body["metadata"]["annotations"] = json!({ "vcluster.loft.sh/store": store });
    let trust = tenant.cluster.oidc.as_ref().map(|oidc| {
        let files = vcluster_config::files(oidc, &tenant.cluster.kubernetes_version);
        let data = json!({ "data": files });
        tenant.object(Kind::CONFIG_MAP, &format!("{}-authentication", tenant.name()), data)
    });
    [secret].into_iter().chain(trust).collect()
}

/// Returns the StatefulSet of the control plane.
pub(super) fn stateful_set(tenant: &Tenant<'_>, vcluster_config: &VclusterConfig) -> Result<Object> {
    let digest =
        Sha256::digest(&vcluster_config.yaml).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut spec = json!({
        "replicas": tenant.cluster.control_plane.replicas,
        "serviceName": format!("{}-headless", tenant.name()),
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "selector": { "matchLabels": tenant.selector(CONTROL_PLANE) },
        "template": {
            // Only a new configuration restarts the control plane.
            "metadata": {
                "labels": tenant.selector(CONTROL_PLANE),
                "annotations": { "vClusterConfigHash": digest },
            },
            "spec": pod(tenant, vcluster_config)?,
        },
    });
    if !tenant.has_etcd() {
        spec["volumeClaimTemplates"] = json!([volume_claim(tenant)]);
    }
    Ok(tenant.object(Kind::STATEFUL_SET, tenant.name(), json!({ "spec": spec })))
}

/// Returns the claim of the volume on which the store keeps its objects.
pub(super) fn volume_claim(tenant: &Tenant<'_>) -> Value {
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data" },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": tenant.cluster.control_plane.storage.to_string() } },
        },
    });
    if let Some(class) = &tenant.config.storage_class {
        claim["spec"]["storageClassName"] = json!(class);
    }
    claim
}

/// Returns the disruption budget of several replicas, which are evicted one at a time. `None` for a single replica.
pub(super) fn disruption_budget(tenant: &Tenant<'_>, app: &str) -> Option<Object> {
    let several = tenant.cluster.control_plane.replicas > 1;
    let name = tenant.name_of(app);
    let spec = json!({ "maxUnavailable": 1, "selector": tenant.own_pods(app) });
    several.then(|| tenant.object(Kind::POD_DISRUPTION_BUDGET, &name, json!({ "spec": spec })))
}

fn pod(tenant: &Tenant<'_>, vcluster_config: &VclusterConfig) -> Result<Value> {
    let mut volumes = json!([
        { "name": "helm-cache", "emptyDir": {} },
        { "name": "binaries", "emptyDir": {} },
        { "name": "tmp", "emptyDir": {} },
        { "name": "certs", "emptyDir": {} },
        { "name": "vcluster-config", "secret": { "secretName": format!("vc-config-{}", tenant.name()) } },
    ]);
    if tenant.cluster.oidc.is_some()
        && let Some(volumes) = volumes.as_array_mut()
    {
        let name = format!("{}-authentication", tenant.name());
        volumes.push(json!({ "name": "authentication", "configMap": { "name": name } }));
    }
    if tenant.has_etcd()
        && let Some(volumes) = volumes.as_array_mut()
    {
        // The objects are in the etcd; the data on this volume can be recreated.
        volumes.push(json!({ "name": "data", "emptyDir": {} }));
    }
    let mut pod = json!({
        "terminationGracePeriodSeconds": 15,
        "serviceAccountName": format!("vc-{}", tenant.name()),
        "enableServiceLinks": true,
        "volumes": volumes,
        "initContainers": [kubernetes(tenant)?],
        "containers": [syncer(tenant)?],
    });
    set_scheduling(&mut pod, tenant, vcluster_config, CONTROL_PLANE);
    Ok(pod)
}

/// Sets the scheduling fields of a pod from the configuration, spreads several replicas over zones and nodes, and sets
/// the owner of its files.
pub(super) fn set_scheduling(
    pod: &mut Value,
    tenant: &Tenant<'_>,
    vcluster_config: &VclusterConfig,
    app: &str,
) {
    if tenant.rootless() {
        pod["securityContext"] = json!({ "fsGroup": ROOTLESS_USER });
    }
    // The chart of vCluster copies these fields as well.
    let scheduling = &vcluster_config.values["controlPlane"]["statefulSet"]["scheduling"];
    for field in ["nodeSelector", "tolerations", "priorityClassName"] {
        if let Some(value) = scheduling.get(field) {
            pod[field] = value.clone();
        }
    }
    if tenant.cluster.control_plane.replicas > 1 {
        let spread_over = |key: &str| {
            json!({
                "maxSkew": 1,
                "topologyKey": key,
                // Scheduling on the same node is better than no scheduling.
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": tenant.own_pods(app),
            })
        };
        pod["topologySpreadConstraints"] =
            json!([spread_over("topology.kubernetes.io/zone"), spread_over("kubernetes.io/hostname")]);
    }
}

/// Returns the security context of a container.
pub(super) fn security_context(tenant: &Tenant<'_>) -> Value {
    if tenant.rootless() {
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "runAsGroup": ROOTLESS_USER,
            "runAsNonRoot": true,
            "runAsUser": ROOTLESS_USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        })
    } else {
        json!({ "allowPrivilegeEscalation": false, "runAsGroup": 0, "runAsUser": 0 })
    }
}

/// Returns the init container that provides the binaries of the tenant's Kubernetes version.
fn kubernetes(tenant: &Tenant<'_>) -> Result<Value> {
    Ok(json!({
        "name": "kubernetes",
        "image": tenant.config.kubernetes(&tenant.cluster.kubernetes_version)?.to_string(),
        "command": ["cp"],
        "args": ["-r", "/kubernetes/.", "/binaries/"],
        "volumeMounts": [{ "name": "binaries", "mountPath": "/binaries" }],
        "resources": {
            "limits": { "cpu": "100m", "memory": "256Mi" },
            "requests": { "cpu": "40m", "memory": "64Mi" },
        },
        "securityContext": security_context(tenant),
    }))
}

fn probe(path: &str, period: u8, failures: u16) -> Value {
    json!({
        "httpGet": { "path": path, "port": 8443, "scheme": "HTTPS" },
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    })
}

/// Returns the vCluster container: the tenant's API server, controller manager and store, and the syncer.
fn syncer(tenant: &Tenant<'_>) -> Result<Value> {
    let field_variable = |name: &str, field: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": field } } });
    let mut mounts = json!([
        { "name": "data", "mountPath": "/data" },
        { "name": "binaries", "mountPath": "/binaries" },
        { "name": "certs", "mountPath": "/pki" },
        { "name": "helm-cache", "mountPath": "/.cache/helm" },
        { "name": "vcluster-config", "mountPath": "/var/lib/vcluster" },
        { "name": "tmp", "mountPath": "/tmp" },
    ]);
    if tenant.cluster.oidc.is_some()
        && let Some(mounts) = mounts.as_array_mut()
    {
        // Mounted as a directory, so that changes arrive without a restart.
        mounts.push(
            json!({ "name": "authentication", "mountPath": AUTHENTICATION_DIRECTORY, "readOnly": true }),
        );
    }
    let mut liveness = probe("/healthz", 2, 60);
    liveness["initialDelaySeconds"] = json!(60);
    let control_plane = &tenant.cluster.control_plane;
    Ok(json!({
        "name": "syncer",
        "image": tenant.config.vcluster()?.to_string(),
        "env": [
            { "name": "VCLUSTER_NAME", "value": tenant.name() },
            { "name": "LOFT_LOG_ENCODING", "value": "json" },
            field_variable("POD_NAME", "metadata.name"),
            field_variable("POD_IP", "status.podIP"),
            field_variable("NODE_NAME", "spec.nodeName"),
            field_variable("NODE_IP", "status.hostIP"),
        ],
        "volumeMounts": mounts,
        "securityContext": security_context(tenant),
        // The CPU limit is the maximum of the LimitRange: a throttled control plane would be slow for all of its users.
        "resources": {
            "limits": { "ephemeral-storage": "10Gi", "memory": control_plane.memory_limit.to_string() },
            "requests": {
                "cpu": control_plane.cpu.to_string(),
                "ephemeral-storage": "1Gi",
                "memory": control_plane.memory.to_string(),
            },
        },
        // Probed every second, so that readiness is noticed without delay; fails after half an hour.
        "startupProbe": probe("/readyz", 1, 1_800),
        "readinessProbe": probe("/readyz", 2, 60),
        "livenessProbe": liveness,
    }))
}
