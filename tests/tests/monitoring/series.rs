//! Targets of Prometheus: kubelets, kube-state-metrics, tenant API servers, and a pod of a tenant that invents series.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;

/// Pod of a tenant with one container and one volume.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    /// Namespace on the host.
    pub(crate) namespace: String,
    /// Namespace in the tenant cluster, from the syncer's label.
    pub(crate) project: String,
    /// Name on the host.
    pub(crate) name: String,
    /// Name in the tenant cluster, from an annotation that the tenant can change.
    pub(crate) shown_name: String,
    /// Name of the container.
    pub(crate) container: String,
    /// Bytes of memory.
    pub(crate) memory: f64,
    /// Factor of all other values: 1 core, 1 byte per second, and so on.
    pub(crate) factor: f64,
    /// `true` if the container crashes.
    pub(crate) crashes: bool,
}

/// Pods of all tenants, and the text that a hostile pod exposes.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) pods: Vec<Pod>,
    pub(crate) invented: Vec<Pod>,
}

/// Server of all targets. It stops with the runtime that it was started in.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    address: String,
    hosts: Arc<Mutex<Hosts>>,
    started: Instant,
}

impl Targets {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let targets = Self { address, hosts: Arc::default(), started: Instant::now() };
        let router = Router::new().route("/{target}", get(render)).with_state(targets.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        targets
    }

    /// Address of the server, `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Changes the pods.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Hosts)) {
        change(&mut self.hosts.lock().unwrap());
    }
}

async fn render(State(targets): State<Targets>, Path(target): Path<String>) -> String {
    let seconds = targets.started.elapsed().as_secs_f64();
    let hosts = targets.hosts.lock().unwrap();
    let pods = |render: fn(&mut String, &Pod, f64)| {
        let mut text = String::new();
        hosts.pods.iter().for_each(|pod| render(&mut text, pod, seconds));
        text
    };
    match target.as_str() {
        "cadvisor" => pods(cadvisor),
        "kubelet" => pods(kubelet),
        "state" => pods(state),
        "invented" => invented(&hosts, seconds),
        // The API server of the tenant with this namespace.
        namespace => {
            let own = hosts.pods.iter().find(|pod| pod.namespace == namespace);
            let requests = own.map_or(0.0, |pod| pod.factor * seconds);
            format!("apiserver_request_total{{verb=\"GET\",code=\"200\"}} {requests}\n")
        }
    }
}

/// Text of a label, in the text format.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn add(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    let labels: Vec<String> =
        labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    writeln!(text, "{name}{{{}}} {value}", labels.join(",")).unwrap();
}

fn cadvisor(text: &mut String, pod: &Pod, seconds: f64) {
    let own = [("namespace", pod.namespace.as_str()), ("pod", &pod.name), ("id", &pod.name)];
    let container = [own.as_slice(), &[("container", &pod.container)]].concat();
    let rate = pod.factor * seconds;
    add(text, "container_memory_working_set_bytes", &container, pod.memory);
    add(text, "container_cpu_usage_seconds_total", &container, rate);
    add(text, "container_cpu_cfs_periods_total", &container, 10.0 * seconds);
    add(text, "container_cpu_cfs_throttled_periods_total", &container, seconds);
    let interface = [own.as_slice(), &[("interface", "eth0")]].concat();
    add(text, "container_network_receive_bytes_total", &interface, rate);
    add(text, "container_network_transmit_bytes_total", &interface, rate);
}

fn kubelet(text: &mut String, pod: &Pod, _: f64) {
    let claim = [("namespace", pod.namespace.as_str()), ("persistentvolumeclaim", &pod.name)];
    add(text, "kubelet_volume_stats_used_bytes", &claim, pod.factor);
    add(text, "kubelet_volume_stats_capacity_bytes", &claim, 2.0 * pod.factor);
}

fn state(text: &mut String, pod: &Pod, seconds: f64) {
    let project = ("label_vcluster_loft_sh_namespace", pod.project.as_str());
    let name = ("annotation_vcluster_loft_sh_object_name", pod.shown_name.as_str());
    let own = [("namespace", pod.namespace.as_str()), ("pod", &pod.name), ("uid", "1")];
    let with = |label: (&'static str, &'static str)| [own.as_slice(), &[label]].concat();
    let container = [own.as_slice(), &[("container", &pod.container)]].concat();
    add(text, "kube_pod_labels", &[own.as_slice(), &[project]].concat(), 1.0);
    add(text, "kube_pod_annotations", &[own.as_slice(), &[name]].concat(), 1.0);
    add(text, "kube_pod_status_phase", &with(("phase", "Running")), 1.0);
    add(text, "kube_pod_status_phase", &with(("phase", "Pending")), f64::from(u8::from(pod.crashes)));
    add(text, "kube_pod_container_status_restarts_total", &container, pod.factor * seconds);
    let crashes = [container.as_slice(), &[("reason", "CrashLoopBackOff")]].concat();
    add(text, "kube_pod_container_status_waiting_reason", &crashes, f64::from(u8::from(pod.crashes)));
    let claim = [("namespace", pod.namespace.as_str()), ("persistentvolumeclaim", &pod.name)];
    add(text, "kube_persistentvolumeclaim_resource_requests_storage_bytes", &claim, pod.factor);
    add(text, "kube_persistentvolumeclaim_labels", &[claim.as_slice(), &[project]].concat(), 1.0);
    let quota = format!("vc-{}", pod.namespace);
    for (kind, value) in [("used", pod.factor), ("hard", 2.0 * pod.factor)] {
        let quota = [("resourcequota", quota.as_str()), ("resource", "requests.cpu"), ("type", kind)];
        add(text, "kube_resourcequota", &[&own[..1], &quota].concat(), value);
    }
}

/// Series that a pod writes about others, also as if other jobs had scraped them, and limits of rules.
fn invented(hosts: &Hosts, seconds: f64) -> String {
    let mut text = String::new();
    for pod in &hosts.invented {
        for (job, render) in [
            ("kubelet", cadvisor as fn(&mut String, &Pod, f64)),
            ("kubelet", kubelet),
            ("kube-state-metrics", state),
        ] {
            let mut series = String::new();
            render(&mut series, pod, seconds);
            text += &series.replace('{', &format!("{{job=\"{job}\","));
        }
        let requests = [("job", "vcluster"), ("namespace", pod.namespace.as_str()), ("verb", "GET")];
        add(&mut text, "apiserver_request_total", &requests, pod.factor * seconds);
        let limit = [
            ("job", "hexabase"),
            ("namespace", pod.namespace.as_str()),
            ("rule", "alr_00000000000000000000000000"),
            ("metric", "memory"),
            ("comparison", "above"),
            ("for", "0"),
            ("severity", "critical"),
        ];
        add(&mut text, "hexabase_alert_rule_threshold", &limit, 0.0);
    }
    text
}
