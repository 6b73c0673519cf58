//! Controllers, which pretend: that pods run, that control planes come up, that namespaces are cleaned out.

use std::sync::{Arc, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::state::{Change, ChangeKind, Name, name_of};
use super::{Inner, Sandbox, Tenant};

/// How long to wait before a pod that was refused is made again.
const RETRY: Duration = Duration::from_millis(200);

/// Lets time pass; none at all where none is asked for, and not the grain of a timer.
async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Runs the controllers of the host: those of every cluster, and the one that stands in for vCluster.
pub(super) fn run_host(sandbox: &Sandbox, changes: mpsc::UnboundedReceiver<Change>) {
    let inner = Arc::downgrade(&sandbox.0);
    let cluster = sandbox.0.host.clone();
    let termination = sandbox.0.options.termination;
    tokio::spawn(run(Arc::downgrade(&cluster), changes, termination, Some(inner)));
}

/// Runs the controllers of a tenant.
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
        react(&cluster, &change, termination);
        if let Some(sandbox) = host.as_ref().and_then(Weak::upgrade) {
            react_on_host(&Sandbox(sandbox), &change);
        }
    }
}

/// What every cluster's controllers do.
fn react(cluster: &Arc<Cluster>, change: &Change, termination: Duration) {
    let body = &*change.object.body;
    let name = name_of(body);
    match (change.resource.1.as_str(), change.kind) {
        ("namespaces", ChangeKind::Deleted) => {}
        ("namespaces", _) if body["metadata"]["deletionTimestamp"].is_string() => {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                pass(termination).await;
                empty_namespace(&cluster, &name.1);
            });
        }
        ("namespaces", ChangeKind::Added) => {
            cluster.make("", "serviceaccounts", &name.1, json!({ "metadata": { "name": "default" } }));
            let authority =
                json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": { "ca.crt": "sandbox" } });
            cluster.make("", "configmaps", &name.1, authority);
        }
        _ => {}
    }
    if change.kind == ChangeKind::Deleted {
        let mut state = cluster.lock();
        state.collect_garbage(body);
        // The last thing in a namespace that is going may just have gone.
        drop(state);
        finish_namespace(cluster, &name.0);
    }
}

/// Removes everything in a namespace that is going.
fn empty_namespace(cluster: &Cluster, namespace: &str) {
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
    finish_namespace(cluster, namespace);
}

/// Lets go of a namespace that is going and has nothing left in it.
fn finish_namespace(cluster: &Cluster, namespace: &str) {
    let mut state = cluster.lock();
    let Some(body) = state.get("", "namespaces", "", namespace).cloned() else { return };
    let is_used = |resource: &super::state::Resource| {
        state.kinds.of_resource(&resource.0, &resource.1).is_some_and(|kind| kind.namespaced)
            && state.scan(resource, namespace).next().is_some()
    };
    if body["metadata"]["deletionTimestamp"].is_null() || state.resources().iter().any(is_used) {
        return;
    }
    let Some(kind) = state.kinds.of_resource("", "namespaces").cloned() else { return };
    let mut body = body;
    body["spec"]["finalizers"] = json!([]);
    let managers = state.managers_of(&kind, &body);
    state.store(&kind, body, managers);
    state.begin_deletion(&kind, &(String::new(), namespace.to_owned()), false);
}

/// What the host's controllers do besides: StatefulSets get pods, and control planes of tenants come up.
fn react_on_host(sandbox: &Sandbox, change: &Change) {
    let body = &*change.object.body;
    match (change.resource.1.as_str(), change.kind) {
        ("statefulsets", ChangeKind::Added | ChangeKind::Modified) => scale(sandbox, &name_of(body)),
        ("statefulsets", ChangeKind::Deleted) => remove_pods(sandbox, &name_of(body)),
        ("pods", ChangeKind::Deleted) => {
            let (namespace, pod) = name_of(body);
            let owner = pod.rsplit_once('-').map_or("", |(owner, _)| owner);
            scale(sandbox, &(namespace, owner.to_owned()));
        }
        ("namespaces", ChangeKind::Deleted) => drop(sandbox.tenants().remove(&name_of(body).1)),
        _ => {}
    }
}

fn pods_of(sandbox: &Sandbox, (namespace, name): &Name) -> Vec<Value> {
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

/// Makes as many pods as a StatefulSet asks for, and in the form that it asks for.
fn scale(sandbox: &Sandbox, name: &Name) {
    // As it is now: what was heard of may have changed since.
    let set = sandbox.0.host.lock().get("apps", "statefulsets", &name.0, &name.1).cloned();
    let Some(set) = set.filter(|set| set["metadata"]["deletionTimestamp"].is_null()) else { return };
    let wanted = usize::try_from(replicas(&set)).unwrap_or(usize::MAX);
    let (pods, host) = (pods_of(sandbox, name), &sandbox.0.host);
    let there = pods.len();
    if wanted == 0 && there > 0 {
        stop(sandbox, &set);
        remove_pods(sandbox, name);
    }
    if wanted == 0 {
        host.set_status("apps", "statefulsets", name, status(&set));
    } else if there < wanted {
        make_pods(sandbox, &set, name);
    } else if pods.iter().any(|pod| is_outdated(pod, &set)) {
        let mut rolling = status(&set);
        rolling["currentRevision"] = pods[0]["metadata"]["labels"][REVISION].clone();
        host.set_status("apps", "statefulsets", name, rolling);
        replace_pods(sandbox, name);
    } else {
        host.change_status("apps", "statefulsets", name, |set| {
            let mut status = set["status"].clone();
            status["observedGeneration"] = set["metadata"]["generation"].clone();
            status
        });
    }
}

/// How many pods a StatefulSet asks for.
fn replicas(set: &Value) -> u64 {
    set["spec"]["replicas"].as_u64().unwrap_or(1)
}

/// Lets outdated pods go when their time to finish is over. Whatever watches pods makes the next ones.
fn replace_pods(sandbox: &Sandbox, name: &Name) {
    let delay = sandbox.0.options.termination;
    let (sandbox, name) = (Arc::downgrade(&sandbox.0), name.clone());
    tokio::spawn(async move {
        pass(delay).await;
        let Some(sandbox) = sandbox.upgrade().map(Sandbox) else { return };
        let set = sandbox.0.host.lock().get("apps", "statefulsets", &name.0, &name.1).cloned();
        let Some(set) = set else { return };
        if pods_of(&sandbox, &name).iter().any(|pod| is_outdated(pod, &set)) {
            stop(&sandbox, &set);
            sandbox.0.host.set_status(
                "apps",
                "statefulsets",
                &name,
                without_ready_pods(&set, replicas(&set)),
            );
            remove_pods(&sandbox, &name);
        }
    });
}

/// The label by which a pod says which form of its StatefulSet it has.
const REVISION: &str = "controller-revision-hash";

fn is_outdated(pod: &Value, set: &Value) -> bool {
    pod["metadata"]["labels"][REVISION] != revision(set)
}

/// What stands for the form of pods that a StatefulSet asks for.
fn revision(set: &Value) -> String {
    let digest = Sha256::digest(set["spec"]["template"].to_string());
    digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

/// The status of a StatefulSet of which all pods that it asks for are ready.
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

fn without_ready_pods(set: &Value, there: u64) -> Value {
    let mut status = status(set);
    status["replicas"] = json!(there);
    status["readyReplicas"] = json!(0);
    status["availableReplicas"] = json!(0);
    status
}

/// Makes those pods that are not there, until one is refused.
fn make_pods(sandbox: &Sandbox, set: &Value, name: &Name) {
    let host = &sandbox.0.host;
    let there: Vec<Name> = pods_of(sandbox, name).iter().map(name_of).collect();
    let mut made = true;
    for number in 0..replicas(set) {
        let pod = format!("{}-{number}", name.1);
        if !there.contains(&(name.0.clone(), pod.clone())) && made {
            make_claims(host, set, name, &pod);
            made = make_pod(host, set, name, &pod);
        }
    }
    let there = u64::try_from(pods_of(sandbox, name).len()).unwrap_or(u64::MAX);
    host.set_status("apps", "statefulsets", name, without_ready_pods(set, there));
    let delay = if made { sandbox.0.options.startup } else { RETRY };
    let (sandbox, name) = (Arc::downgrade(&sandbox.0), name.clone());
    tokio::spawn(async move {
        pass(delay).await;
        let Some(sandbox) = sandbox.upgrade().map(Sandbox) else { return };
        if !made {
            return scale(&sandbox, &name);
        }
        let set = sandbox.0.host.lock().get("apps", "statefulsets", &name.0, &name.1).cloned();
        if let Some(set) = set {
            come_up(&sandbox, &set, &name);
        }
    });
}

/// Makes the claims of a pod. There is always a volume.
fn make_claims(host: &Cluster, set: &Value, name: &Name, pod: &str) {
    for claim in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let title = claim["metadata"]["name"].as_str().unwrap_or_default();
        let title = format!("{title}-{pod}");
        let body = json!({ "metadata": { "name": title }, "spec": claim["spec"] });
        host.make("", "persistentvolumeclaims", &name.0, body);
        let requested = &claim["spec"]["resources"]["requests"];
        let bound = json!({ "phase": "Bound", "capacity": requested });
        host.set_status("", "persistentvolumeclaims", &(name.0.clone(), title), bound);
    }
}

/// Makes a pod of a StatefulSet, if it is let in.
fn make_pod(host: &Cluster, set: &Value, name: &Name, pod: &str) -> bool {
    let owner = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": name.1,
        "uid": set["metadata"]["uid"],
        "controller": true,
    });
    let mut metadata = set["spec"]["template"]["metadata"].clone();
    metadata["name"] = json!(pod);
    metadata["labels"][REVISION] = json!(revision(set));
    metadata["ownerReferences"] = json!([owner]);
    let body = json!({ "metadata": metadata, "spec": set["spec"]["template"]["spec"] });
    match host.try_make("", "pods", &name.0, body) {
        Ok(_) => true,
        Err(refusal) => {
            say_why_there_is_no_pod(host, name, pod, &refusal.message);
            false
        }
    }
}

/// The event by which the StatefulSet controller says that it cannot make a pod. There is one of a kind.
fn say_why_there_is_no_pod(host: &Cluster, (namespace, name): &Name, pod: &str, message: &str) {
    let event = json!({
        "metadata": { "name": format!("{name}.no-pod") },
        "involvedObject": { "apiVersion": "apps/v1", "kind": "StatefulSet", "namespace": namespace, "name": name },
        "type": "Warning",
        "reason": "FailedCreate",
        "message": format!("create Pod {pod} in StatefulSet {name} failed error: {message}"),
    });
    host.make("", "events", namespace, event);
}

/// The pod counts as running; and if it is a tenant's control plane, the tenant is there.
fn come_up(sandbox: &Sandbox, set: &Value, name: &Name) {
    let pods = pods_of(sandbox, name);
    let gone = pods.is_empty() || pods.iter().any(|pod| is_outdated(pod, set));
    if replicas(set) == 0 || gone {
        return;
    }
    let host = &sandbox.0.host;
    if is_control_plane(set) {
        wake(sandbox, name);
        hand_out_kubeconfig(sandbox, name);
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

fn wake(sandbox: &Sandbox, (namespace, _): &Name) {
    let mut tenants = sandbox.tenants();
    if let Some(tenant) = tenants.get_mut(namespace) {
        tenant.awake = true;
        return;
    }
    let (cluster, changes) = Cluster::new(namespace);
    let cluster = Arc::new(cluster);
    run_tenant(&cluster, changes, sandbox.0.options.termination);
    tenants.insert(namespace.clone(), Tenant { cluster, awake: true });
}

/// Nobody answers for a tenant whose control plane is not there.
fn stop(sandbox: &Sandbox, set: &Value) {
    let (namespace, _) = name_of(set);
    if is_control_plane(set)
        && let Some(tenant) = sandbox.tenants().get_mut(&namespace)
    {
        tenant.awake = false;
    }
}

/// What vCluster writes once its API server runs: the Secret with the operator's kubeconfig.
fn hand_out_kubeconfig(sandbox: &Sandbox, (namespace, name): &Name) {
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
    if let Some(authority) = &sandbox.0.options.certificate_authority {
        data["certificate-authority"] = json!(STANDARD.encode(authority));
    }
    host.make("", "secrets", namespace, json!({ "metadata": metadata, "type": "Opaque", "data": data }));
}
