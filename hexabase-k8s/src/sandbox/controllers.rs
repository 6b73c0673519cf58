//! Controllers that simulate running pods, starting control planes and the deletion of namespaces.

use std::sync::{Arc, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::late_resources::LateResources;
use super::service_account_tokens::{issue_token, revoke_tokens};
use super::state::{Change, ChangeKind, Name, name_of};
use super::{Inner, Sandbox, Tenant};

/// Delay before a StatefulSet creates a rejected pod again.
const POD_RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Sleeps for `time`. Returns at once for zero, where a timer would still wait for its resolution.
pub(super) async fn sleep_unless_zero(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Runs the controllers of the host: those of every cluster, and the simulation of vCluster.
pub(super) fn run_host(sandbox: &Sandbox, changes: mpsc::UnboundedReceiver<Change>) {
    let inner = Arc::downgrade(&sandbox.0);
    let cluster = sandbox.0.host.clone();
    let termination = sandbox.0.options.termination;
    tokio::spawn(run(Arc::downgrade(&cluster), changes, termination, Some(inner)));
}

/// Runs the controllers of a tenant cluster.
fn run_tenant(cluster: &Arc<Cluster>, changes: mpsc::UnboundedReceiver<Change>, termination: Duration) {
    tokio::spawn(run(Arc::downgrade(cluster), changes, termination, None));
}

async fn run(
    cluster: Weak<Cluster>,
    mut changes: mpsc::UnboundedReceiver<Change>,
    termination: Duration,
    host: Option<Weak<Inner>>,
) {
    while let Some(change) = changes.recv().await {
        let Some(cluster) = cluster.upgrade() else { return };
        handle_change(&cluster, &change, termination);
        if let Some(sandbox) = host.as_ref().and_then(Weak::upgrade) {
            handle_host_change(&Sandbox(sandbox), &change);
        }
    }
}

/// Runs the controllers that every cluster has on a change.
fn handle_change(cluster: &Arc<Cluster>, change: &Change, termination: Duration) {
    let body = &*change.object.body;
    let name = name_of(body);
    match (change.resource.1.as_str(), change.kind) {
        ("namespaces", ChangeKind::Deleted) => {}
        ("namespaces", _) if body["metadata"]["deletionTimestamp"].is_string() => {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                sleep_unless_zero(termination).await;
                delete_namespace_contents(&cluster, &name.1);
            });
        }
        ("namespaces", ChangeKind::Added) => {
            cluster.create_as_controller(
                "",
                "serviceaccounts",
                &name.1,
                json!({ "metadata": { "name": "default" } }),
            );
            let ca = json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": { "ca.crt": "sandbox" } });
            cluster.create_as_controller("", "configmaps", &name.1, ca);
        }
        ("secrets", ChangeKind::Added | ChangeKind::Modified) => issue_token(cluster, body),
        ("serviceaccounts", ChangeKind::Deleted) => revoke_tokens(cluster, &name),
        _ => {}
    }
    if change.kind == ChangeKind::Deleted {
        let mut state = cluster.lock();
        state.collect_garbage(body);
        // This object may have been the last one in a terminating namespace.
        drop(state);
        finalize_namespace(cluster, &name.0);
    }
}

/// Deletes all objects in a terminating namespace.
fn delete_namespace_contents(cluster: &Cluster, namespace: &str) {
    let mut state = cluster.lock();
    for resource in state.resources() {
        let Some(kind) = state.kinds.of_resource(&resource.0, &resource.1).cloned() else { continue };
        if kind.namespaced {
            let names: Vec<Name> = state.scan(&resource, namespace).map(|(name, _)| name.clone()).collect();
            for name in names {
                state.begin_deletion(&kind, &name, false);
            }
        }
    }
    drop(state);
    finalize_namespace(cluster, namespace);
}

/// Removes the finalizer of a terminating namespace once it is empty.
fn finalize_namespace(cluster: &Cluster, namespace: &str) {
    let mut state = cluster.lock();
    let Some(body) = state.get("", "namespaces", "", namespace).cloned() else { return };
    let has_objects = |resource: &super::state::Resource| {
        state.kinds.of_resource(&resource.0, &resource.1).is_some_and(|kind| kind.namespaced)
            && state.scan(resource, namespace).next().is_some()
    };
    if body["metadata"]["deletionTimestamp"].is_null() || state.resources().iter().any(has_objects) {
        return;
    }
    let Some(kind) = state.kinds.of_resource("", "namespaces").cloned() else { return };
    let mut body = body;
    body["spec"]["finalizers"] = json!([]);
    let managers = state.managers_of(&kind, &body);
    state.store(&kind, body, managers);
    state.begin_deletion(&kind, &(String::new(), namespace.to_owned()), false);
}

/// Runs the additional controllers of the host on a change: pods of StatefulSets, and control planes of tenants.
fn handle_host_change(sandbox: &Sandbox, change: &Change) {
    let body = &*change.object.body;
    match (change.resource.1.as_str(), change.kind) {
        ("statefulsets", ChangeKind::Added | ChangeKind::Modified) => {
            reconcile_stateful_set(sandbox, &name_of(body))
        }
        ("statefulsets", ChangeKind::Deleted) => remove_pods(sandbox, &name_of(body)),
        ("pods", ChangeKind::Deleted) => {
            let (namespace, pod) = name_of(body);
            let owner = pod.rsplit_once('-').map_or("", |(owner, _)| owner);
            reconcile_stateful_set(sandbox, &(namespace, owner.to_owned()));
        }
        ("namespaces", ChangeKind::Deleted) => drop(sandbox.tenants().remove(&name_of(body).1)),
        _ => {}
    }
}

pub(super) fn pods_of(sandbox: &Sandbox, (namespace, name): &Name) -> Vec<Value> {
    let state = sandbox.0.host.lock();
    let prefix = format!("{name}-");
    let pods = state.all("", "pods", namespace);
    let own = pods.filter(|pod| {
        let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
        pod.strip_prefix(&prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    });
    own.cloned().collect()
}

fn remove_pods(sandbox: &Sandbox, name: &Name) {
    for pod in pods_of(sandbox, name) {
        let mut state = sandbox.0.host.lock();
        if let Some(kind) = state.kinds.of_resource("", "pods").cloned() {
            state.begin_deletion(&kind, &name_of(&pod), false);
        }
    }
}

/// Creates, replaces or deletes the pods of a StatefulSet as its spec demands.
fn reconcile_stateful_set(sandbox: &Sandbox, name: &Name) {
    // The current state: the set may have changed since the event.
    let set = sandbox.0.host.lock().get("apps", "statefulsets", &name.0, &name.1).cloned();
    let Some(set) = set.filter(|set| set["metadata"]["deletionTimestamp"].is_null()) else { return };
    let desired = usize::try_from(replicas(&set)).unwrap_or(usize::MAX);
    let (pods, host) = (pods_of(sandbox, name), &sandbox.0.host);
    let current = pods.len();
    if desired == 0 && current > 0 {
        stop_tenant(sandbox, &set);
        remove_pods(sandbox, name);
    }
    if desired == 0 {
        host.set_status("apps", "statefulsets", name, status(&set));
    } else if current < desired {
        create_missing_pods(sandbox, &set, name);
    } else if pods.iter().any(|pod| is_outdated(pod, &set)) {
        let mut rolling = status(&set);
        rolling["currentRevision"] = pods[0]["metadata"]["labels"][REVISION_LABEL].clone();
        host.set_status("apps", "statefulsets", name, rolling);
        replace_pods(sandbox, name);
    } else {
        host.update_status("apps", "statefulsets", name, |set| {
            let mut status = set["status"].clone();
            status["observedGeneration"] = set["metadata"]["generation"].clone();
            status
        });
    }
}

/// Number of pods that a StatefulSet demands.
fn replicas(set: &Value) -> u64 {
    set["spec"]["replicas"].as_u64().unwrap_or(1)
}

/// Deletes outdated pods after the termination time. Their deletion triggers the creation of new ones.
fn replace_pods(sandbox: &Sandbox, name: &Name) {
    let delay = sandbox.0.options.termination;
    let (sandbox, name) = (Arc::downgrade(&sandbox.0), name.clone());
    tokio::spawn(async move {
        sleep_unless_zero(delay).await;
        let Some(sandbox) = sandbox.upgrade().map(Sandbox) else { return };
        let set = sandbox.0.host.lock().get("apps", "statefulsets", &name.0, &name.1).cloned();
        let Some(set) = set else { return };
        if pods_of(&sandbox, &name).iter().any(|pod| is_outdated(pod, &set)) {
            stop_tenant(&sandbox, &set);
            sandbox.0.host.set_status(
                "apps",
                "statefulsets",
                &name,
                status_without_ready_pods(&set, replicas(&set)),
            );
            remove_pods(&sandbox, &name);
        }
    });
}

/// Label of a pod with the revision of its StatefulSet's pod template.
const REVISION_LABEL: &str = "controller-revision-hash";

fn is_outdated(pod: &Value, set: &Value) -> bool {
    pod["metadata"]["labels"][REVISION_LABEL] != revision(set)
}

/// Revision of a StatefulSet's pod template: a hash of it.
fn revision(set: &Value) -> String {
    let digest = Sha256::digest(set["spec"]["template"].to_string());
    digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

/// Status of a StatefulSet all of whose pods are ready.
fn status(set: &Value) -> Value {
    let replicas = replicas(set);
    json!({
        "observedGeneration": set["metadata"]["generation"],
        "replicas": replicas,
        "readyReplicas": replicas,
        "currentReplicas": replicas,
        "updatedReplicas": replicas,
        "availableReplicas": replicas,
        "currentRevision": revision(set),
        "updateRevision": revision(set),
    })
}

fn status_without_ready_pods(set: &Value, current: u64) -> Value {
    let mut status = status(set);
    status["replicas"] = json!(current);
    status["readyReplicas"] = json!(0);
    status["availableReplicas"] = json!(0);
    status
}

/// Creates missing pods until one is rejected.
fn create_missing_pods(sandbox: &Sandbox, set: &Value, name: &Name) {
    let host = &sandbox.0.host;
    let existing: Vec<Name> = pods_of(sandbox, name).iter().map(name_of).collect();
    let mut created = true;
    for number in 0..replicas(set) {
        let pod = format!("{}-{number}", name.1);
        if !existing.contains(&(name.0.clone(), pod.clone())) && created {
            create_claims(host, set, name, &pod);
            created = create_pod(host, set, name, &pod);
        }
    }
    let current = u64::try_from(pods_of(sandbox, name).len()).unwrap_or(u64::MAX);
    host.set_status("apps", "statefulsets", name, status_without_ready_pods(set, current));
    let delay = if created { sandbox.0.options.startup } else { POD_RETRY_INTERVAL };
    let late = LateResources::of(&sandbox.0.options);
    let (sandbox, name) = (Arc::downgrade(&sandbox.0), name.clone());
    tokio::spawn(async move {
        if created {
            late.wait(&sandbox, &name).await;
        }
        sleep_unless_zero(delay).await;
        let Some(sandbox) = sandbox.upgrade().map(Sandbox) else { return };
        if !created {
            return reconcile_stateful_set(&sandbox, &name);
        }
        let set = sandbox.0.host.lock().get("apps", "statefulsets", &name.0, &name.1).cloned();
        if let Some(set) = set {
            mark_ready(&sandbox, &set, &name);
        }
    });
}

/// Creates the volume claims of a pod.
fn create_claims(host: &Cluster, set: &Value, name: &Name, pod: &str) {
    for claim in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let claim_name = claim["metadata"]["name"].as_str().unwrap_or_default();
        let claim_name = format!("{claim_name}-{pod}");
        let body = json!({ "metadata": { "name": claim_name }, "spec": claim["spec"] });
        host.create_as_controller("", "persistentvolumeclaims", &name.0, body);
    }
}

/// Creates a pod of a StatefulSet. Returns `false` if admission rejects it.
fn create_pod(host: &Cluster, set: &Value, name: &Name, pod: &str) -> bool {
    let owner = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": name.1,
        "uid": set["metadata"]["uid"],
        "controller": true,
    });
    let mut metadata = set["spec"]["template"]["metadata"].clone();
    metadata["name"] = json!(pod);
    metadata["labels"][REVISION_LABEL] = json!(revision(set));
    metadata["ownerReferences"] = json!([owner]);
    let body = json!({ "metadata": metadata, "spec": set["spec"]["template"]["spec"] });
    match host.try_create_as_controller("", "pods", &name.0, body) {
        Ok(_) => true,
        Err(error) => {
            emit_failed_create(host, name, pod, &error.message);
            false
        }
    }
}

/// Records the event with which the StatefulSet controller reports a pod that it cannot create. There is one per
/// StatefulSet.
fn emit_failed_create(host: &Cluster, (namespace, name): &Name, pod: &str, message: &str) {
    let event = json!({
        "metadata": { "name": format!("{name}.no-pod") },
        "involvedObject": { "apiVersion": "apps/v1", "kind": "StatefulSet", "namespace": namespace, "name": name },
        "type": "Warning",
        "reason": "FailedCreate",
        "message": format!("create Pod {pod} in StatefulSet {name} failed error: {message}"),
    });
    host.create_as_controller("", "events", namespace, event);
}

/// Marks the pods as running, and starts the tenant if they are its control plane.
fn mark_ready(sandbox: &Sandbox, set: &Value, name: &Name) {
    let pods = pods_of(sandbox, name);
    let outdated = pods.is_empty() || pods.iter().any(|pod| is_outdated(pod, set));
    if replicas(set) == 0 || outdated {
        return;
    }
    let host = &sandbox.0.host;
    if is_control_plane(set) {
        start_tenant(sandbox, name);
        create_kubeconfig_secret(sandbox, name);
    }
    let running = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
    for pod in &pods {
        host.set_status("", "pods", &name_of(pod), running.clone());
    }
    host.set_status("apps", "statefulsets", name, status(set));
}

fn is_control_plane(set: &Value) -> bool {
    set["metadata"]["labels"]["app"] == "vcluster"
}

fn start_tenant(sandbox: &Sandbox, (namespace, _): &Name) {
    let mut tenants = sandbox.tenants();
    if let Some(tenant) = tenants.get_mut(namespace) {
        tenant.running = true;
        return;
    }
    let (cluster, changes) = Cluster::new(namespace);
    let cluster = Arc::new(cluster);
    run_tenant(&cluster, changes, sandbox.0.options.termination);
    tenants.insert(namespace.clone(), Tenant { cluster, running: true });
}

/// Stops the API server of a tenant whose control plane has no pods.
fn stop_tenant(sandbox: &Sandbox, set: &Value) {
    let (namespace, _) = name_of(set);
    if is_control_plane(set)
        && let Some(tenant) = sandbox.tenants().get_mut(&namespace)
    {
        tenant.running = false;
    }
}

/// Creates the Secret with the operator's kubeconfig, as vCluster does once its API server runs.
fn create_kubeconfig_secret(sandbox: &Sandbox, (namespace, name): &Name) {
    let host = &sandbox.0.host;
    let owner = host.lock().get("", "services", namespace, name).cloned();
    let server = sandbox.endpoint().replace("{name}", name);
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "sandbox", "cluster": { "server": server } }],
        "users": [{ "name": "sandbox", "user": {} }],
        "contexts": [{ "name": "sandbox", "context": { "cluster": "sandbox", "user": "sandbox" } }],
        "current-context": "sandbox",
    });
    let mut metadata =
        json!({ "name": format!("vc-{name}"), "labels": { "app": "vcluster", "vcluster-name": name } });
    if let Some(owner) = owner {
        let uid = &owner["metadata"]["uid"];
        metadata["ownerReferences"] =
            json!([{ "apiVersion": "v1", "kind": "Service", "name": name, "uid": uid }]);
    }
    let mut data = json!({ "config": STANDARD.encode(kubeconfig.to_string()) });
    if let Some(ca) = &sandbox.0.options.certificate_authority {
        data["certificate-authority"] = json!(STANDARD.encode(ca));
    }
    host.create_as_controller(
        "",
        "secrets",
        namespace,
        json!({ "metadata": metadata, "type": "Opaque", "data": data }),
    );
}
