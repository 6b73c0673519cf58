//! The control plane itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::error::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Tenant;
use crate::object::{Kind, Object};
use crate::render::vcluster_config::{self, AUTHENTICATION_DIRECTORY, VclusterConfig};

/// Where control planes run that may not be root.
const ROOTLESS_USER: u32 = 12_345;

/// The configuration, and whose tokens the API server accepts.
pub(super) fn configuration(tenant: &Tenant<'_>, config: &VclusterConfig) -> Vec<Object> {
    let secret = json!({ "type": "Opaque", "data": { "config.yaml": STANDARD.encode(&config.yaml) } });
    let mut secret = tenant.object(Kind::SECRET, &format!("vc-config-{}", tenant.name()), secret);
    // vCluster notes its store here, and refuses to start with another one; only if the annotation is there.
    secret.body["metadata"]["annotations"] = json!({ "vcluster.loft.sh/store": tenant.settings.store });
    let trust = tenant.cluster.oidc.as_ref().map(|oidc| {
        let content = vcluster_config::authentication(oidc, &tenant.cluster.kubernetes_version);
        let data = json!({ "data": { "authentication.yaml": content } });
        tenant.object(Kind::CONFIG_MAP, &format!("{}-authentication", tenant.name()), data)
    });
    [secret].into_iter().chain(trust).collect()
}

/// The StatefulSet. It says nothing about replicas: whoever puts the cluster to sleep or wakes it does.
pub(super) fn stateful_set(tenant: &Tenant<'_>, config: &VclusterConfig) -> Result<Object> {
    let digest = Sha256::digest(&config.yaml).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut pod_labels = tenant.labels();
    // Ids of ours on pods would only be there to be counted on by mistake.
    if let Some(labels) = pod_labels.as_object_mut() {
        labels.retain(|label, _| label == "app" || label == crate::labels::RELEASE);
    }
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data" },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": tenant.cluster.control_plane.storage.to_string() } },
        },
    });
    if let Some(class) = &tenant.settings.storage_class {
        claim["spec"]["storageClassName"] = json!(class);
    }
    let spec = json!({
        "serviceName": format!("{}-headless", tenant.name()),
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "selector": { "matchLabels": tenant.selector() },
        "template": {
            // Nothing but a new configuration restarts the control plane.
            "metadata": { "labels": pod_labels, "annotations": { "vClusterConfigHash": digest } },
            "spec": pod(tenant, config)?,
        },
        "volumeClaimTemplates": [claim],
    });
    Ok(tenant.object(Kind::STATEFUL_SET, tenant.name(), json!({ "spec": spec })))
}

fn pod(tenant: &Tenant<'_>, config: &VclusterConfig) -> Result<Value> {
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
    let mut pod = json!({
        "terminationGracePeriodSeconds": 15,
        "serviceAccountName": format!("vc-{}", tenant.name()),
        "enableServiceLinks": true,
        "volumes": volumes,
        "initContainers": [kubernetes(tenant)?],
        "containers": [syncer(tenant)?],
    });
    if tenant.rootless() {
        pod["securityContext"] = json!({ "fsGroup": ROOTLESS_USER });
    }
    // What vCluster's chart would do with it.
    let scheduling = &config.values["controlPlane"]["statefulSet"]["scheduling"];
    for field in ["nodeSelector", "tolerations", "priorityClassName"] {
        if let Some(wanted) = scheduling.get(field) {
            pod[field] = wanted.clone();
        }
    }
    Ok(pod)
}

/// As whom a container runs.
fn security(tenant: &Tenant<'_>) -> Value {
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

/// Brings the programs of the tenant's Kubernetes version.
fn kubernetes(tenant: &Tenant<'_>) -> Result<Value> {
    Ok(json!({
        "name": "kubernetes",
        "image": tenant.settings.kubernetes(&tenant.cluster.kubernetes_version)?.to_string(),
        "command": ["cp"],
        "args": ["-r", "/kubernetes/.", "/binaries/"],
        "volumeMounts": [{ "name": "binaries", "mountPath": "/binaries" }],
        "resources": {
            "limits": { "cpu": "100m", "memory": "256Mi" },
            "requests": { "cpu": "40m", "memory": "64Mi" },
        },
        "securityContext": security(tenant),
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

/// vCluster: the tenant's API server, controller manager and store, and the syncer.
fn syncer(tenant: &Tenant<'_>) -> Result<Value> {
    let from = |name: &str, field: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": field } } });
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
        // As a directory, so that a change arrives without a restart.
        mounts.push(
            json!({ "name": "authentication", "mountPath": AUTHENTICATION_DIRECTORY, "readOnly": true }),
        );
    }
    let mut liveness = probe("/healthz", 2, 60);
    liveness["initialDelaySeconds"] = json!(60);
    let control_plane = &tenant.cluster.control_plane;
    Ok(json!({
        "name": "syncer",
        "image": tenant.settings.vcluster()?.to_string(),
        "env": [
            { "name": "VCLUSTER_NAME", "value": tenant.name() },
            { "name": "LOFT_LOG_ENCODING", "value": "json" },
            from("POD_NAME", "metadata.name"),
            from("POD_IP", "status.podIP"),
            from("NODE_NAME", "spec.nodeName"),
            from("NODE_IP", "status.hostIP"),
        ],
        "volumeMounts": mounts,
        "securityContext": security(tenant),
        // Without a limit on processor time: a control plane that is throttled is slow for everybody in it.
        "resources": {
            "limits": { "ephemeral-storage": "10Gi", "memory": control_plane.memory_limit.to_string() },
            "requests": {
                "cpu": control_plane.cpu.to_string(),
                "ephemeral-storage": "1Gi",
                "memory": control_plane.memory.to_string(),
            },
        },
        // Asked every second, so that a cluster counts as ready as soon as it is; given up after half an hour.
        "startupProbe": probe("/readyz", 1, 1_800),
        "readinessProbe": probe("/readyz", 2, 60),
        "livenessProbe": liveness,
    }))
}
