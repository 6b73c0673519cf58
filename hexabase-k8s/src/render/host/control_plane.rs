//! The control plane itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::error::Result;
use hexabase_core::model::ControlPlaneStore;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{CONTROL_PLANE, Tenant};
use crate::object::{Kind, Object};
use crate::render::vcluster_config::{self, AUTHENTICATION_DIRECTORY, VclusterConfig};

/// Where control planes run that may not be root.
const ROOTLESS_USER: u32 = 12_345;

/// The configuration, and whose tokens the API server accepts.
pub(super) fn configuration(tenant: &Tenant<'_>, config: &VclusterConfig) -> Vec<Object> {
    let secret = json!({ "type": "Opaque", "data": { "config.yaml": STANDARD.encode(&config.yaml) } });
    let mut secret = tenant.object(Kind::SECRET, &format!("vc-config-{}", tenant.name()), secret);
    // vCluster notes its store here, and refuses to start with another one; only if the annotation is there.
    let store = tenant.settings.store.as_deref().unwrap_or(match tenant.cluster.control_plane.store {
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

/// The StatefulSet.
pub(super) fn stateful_set(tenant: &Tenant<'_>, config: &VclusterConfig) -> Result<Object> {
    let digest = Sha256::digest(&config.yaml).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut spec = json!({
        "replicas": tenant.cluster.control_plane.replicas,
        "serviceName": format!("{}-headless", tenant.name()),
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "selector": { "matchLabels": tenant.selector(CONTROL_PLANE) },
        "template": {
            // Nothing but a new configuration restarts the control plane.
            "metadata": {
                "labels": tenant.selector(CONTROL_PLANE),
                "annotations": { "vClusterConfigHash": digest },
            },
            "spec": pod(tenant, config)?,
        },
    });
    if !tenant.has_etcd() {
        spec["volumeClaimTemplates"] = json!([volume_claim(tenant)]);
    }
    Ok(tenant.object(Kind::STATEFUL_SET, tenant.name(), json!({ "spec": spec })))
}

/// The volume on which objects are kept.
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
    if let Some(class) = &tenant.settings.storage_class {
        claim["spec"]["storageClassName"] = json!(class);
    }
    claim
}

/// Lets nodes be emptied only as fast as the others of several take over.
pub(super) fn disruption_budget(tenant: &Tenant<'_>, app: &str) -> Option<Object> {
    let several = tenant.cluster.control_plane.replicas > 1;
    let name = tenant.name_of(app);
    let spec = json!({ "maxUnavailable": 1, "selector": tenant.own_pods(app) });
    several.then(|| tenant.object(Kind::POD_DISRUPTION_BUDGET, &name, json!({ "spec": spec })))
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
    if tenant.has_etcd()
        && let Some(volumes) = volumes.as_array_mut()
    {
        // The objects are elsewhere; what is here can be made anew.
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
    placed(&mut pod, tenant, config, CONTROL_PLANE);
    Ok(pod)
}

/// Says where a pod runs and whose its files are: as the configuration has it, with several of a kind apart from each other.
pub(super) fn placed(pod: &mut Value, tenant: &Tenant<'_>, config: &VclusterConfig, app: &str) {
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
    if tenant.cluster.control_plane.replicas > 1 {
        let apart = |key: &str| {
            json!({
                "maxSkew": 1,
                "topologyKey": key,
                // Together is better than not at all.
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": tenant.own_pods(app),
            })
        };
        pod["topologySpreadConstraints"] =
            json!([apart("topology.kubernetes.io/zone"), apart("kubernetes.io/hostname")]);
    }
}

/// As whom a container runs.
pub(super) fn security(tenant: &Tenant<'_>) -> Value {
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
