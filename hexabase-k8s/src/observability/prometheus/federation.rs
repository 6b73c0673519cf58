//! Series of one tenant for its own Prometheus.
//!
//! The labels of each series are built again from those of a closed list, with the names of the tenant cluster that the
//! syncer of vCluster wrote. Names on the host are never split: what has no name there is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hexabase_core::clock::before;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use hexabase_core::metrics::{FederatedLabel, FederatedLabels, FederatedMetric, FederatedSeries, Federation};
use jiff::Timestamp;
use prometheus_http_query::response::InstantVector;
use sha2::{Digest as _, Sha256};

use super::PrometheusMetrics;
use super::chart::INGESTION_DELAY;
use super::promql::{OBJECT_NAME, PROJECT, READING, federated, federated_names};

/// Number of bytes of the digest of a cgroup.
const DIGEST_BYTES: usize = 8;

/// Reads the latest values and the names with one query each.
pub(super) async fn read(
    metrics: &PrometheusMetrics,
    target: &TenantTarget,
    now: Timestamp,
) -> Result<Federation> {
    let scope = metrics.scope(std::slice::from_ref(target), metrics.scrape_interval);
    let at = before(now, INGESTION_DELAY);
    let (values, names) = futures_util::try_join!(
        metrics.query_at(federated(&scope), at),
        metrics.query_at(federated_names(&scope), at)
    )?;
    let names = Names::of(&names);
    let mut federation = Federation { at, series: Vec::with_capacity(values.len()), left_out: 0 };
    for vector in &values {
        match translated(vector, &names) {
            Some(series) => federation.series.push(series),
            None => federation.left_out += 1,
        }
    }
    Ok(federation)
}

/// Object on the host: its kind, by the label of its name, and its name.
type HostObject = (&'static str, String);
/// Namespace and name in the tenant cluster.
type TenantName = (String, String);

/// Labels of the names of objects on the host.
const OBJECTS: [&str; 2] = ["pod", "persistentvolumeclaim"];

/// Names in the tenant cluster by objects on the host.
#[derive(Debug, Default)]
struct Names(HashMap<HostObject, TenantName>);

impl Names {
    /// Names of the objects that have a namespace and a name. Tenants can change the name of their own objects here, so a
    /// name that several objects claim belongs to none of them.
    fn of(found: &[InstantVector]) -> Self {
        let mut parts: BTreeMap<HostObject, (Option<String>, Option<String>)> = BTreeMap::new();
        for labels in found.iter().map(InstantVector::metric) {
            for kind in OBJECTS {
                let Some(host) = labels.get(kind) else { continue };
                let (project, name) = parts.entry((kind, host.clone())).or_default();
                *project = labels.get(PROJECT).cloned().or_else(|| project.take());
                *name = labels.get(OBJECT_NAME).cloned().or_else(|| name.take());
            }
        }
        let complete =
            parts.into_iter().filter_map(|(object, (project, name))| Some((object, (project?, name?))));
        let (mut names, mut claimed, mut disputed) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        for (object, name) in complete {
            if let Some(other) = claimed.insert((object.0, name.clone()), object.clone()) {
                disputed.extend([other, object.clone()]);
            }
            names.insert(object, name);
        }
        names.retain(|object, _| !disputed.contains(object));
        Self(names)
    }
}

/// Returns a series with the names of the tenant cluster; `None` if its object has none.
fn translated(vector: &InstantVector, names: &Names) -> Option<FederatedSeries> {
    let found = vector.metric();
    let reading = found.get(READING)?;
    let metric = FederatedMetric::ALL.iter().copied().find(|metric| metric.as_str() == reading)?;
    let (kind, label) = match metric.is_of_volumes() {
        true => (OBJECTS[1], FederatedLabel::PersistentVolumeClaim),
        false => (OBJECTS[0], FederatedLabel::Pod),
    };
    let (namespace, name) = names.0.get(&(kind, found.get(kind)?.clone()))?.clone();
    let mut labels = FederatedLabels::from([(FederatedLabel::Namespace, namespace), (label, name)]);
    for label in [FederatedLabel::Container, FederatedLabel::Cpu, FederatedLabel::Interface] {
        labels.extend(found.get(label.as_str()).map(|value| (label, value.clone())));
    }
    labels.extend(found.get("id").map(|cgroup| (FederatedLabel::Id, digest(cgroup))));
    Some(FederatedSeries { metric, labels, value: vector.sample().value() })
}

/// Digest of a cgroup, whose name has ids of the host.
fn digest(cgroup: &str) -> String {
    let digest = Sha256::digest(cgroup.as_bytes());
    digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vectors(all: &[serde_json::Value]) -> Vec<InstantVector> {
        let vector = |labels: &serde_json::Value| {
            serde_json::from_value(json!({ "metric": labels, "value": [1.0, "2"] })).unwrap()
        };
        all.iter().map(vector).collect()
    }

    fn name(kind: &str, host: &str, project: &str, name: &str) -> [serde_json::Value; 2] {
        [
            json!({ "namespace": "ws-1", kind: host, PROJECT: project }),
            json!({ "namespace": "ws-1", kind: host, OBJECT_NAME: name }),
        ]
    }

    fn text(series: &FederatedSeries) -> String {
        let labels = series.labels.iter().map(|(label, value)| format!("{}={value}", label.as_str()));
        format!("{} {}", series.metric.as_str(), labels.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn labels_are_those_of_a_closed_list_with_names_of_the_tenant() {
        let names = Names::of(&vectors(
            &[
                name("pod", "web-x-shop-x-ws", "shop", "web"),
                name("persistentvolumeclaim", "data-x", "shop", "data"),
            ]
            .concat(),
        ));
        let found = vectors(&[
            json!({
                READING: "container_cpu_usage_seconds_total", "namespace": "ws-1", "pod": "web-x-shop-x-ws",
                "container": "main", "id": "/kubepods/pod1/2", "cpu": "total", "node": "node-7", "image": "x",
                "instance": "10.0.0.1:10250", "prometheus_replica": "a",
            }),
            json!({ READING: "kubelet_volume_stats_used_bytes", "persistentvolumeclaim": "data-x", "node": "node-7" }),
        ]);
        let series: Vec<String> =
            found.iter().map(|vector| text(&translated(vector, &names).unwrap())).collect();
        let id = digest("/kubepods/pod1/2");
        assert_eq!(id.len(), 16);
        assert_eq!(
            series,
            [
                format!(
                    "container_cpu_usage_seconds_total namespace=shop pod=web container=main id={id} cpu=total"
                ),
                "kubelet_volume_stats_used_bytes namespace=shop persistentvolumeclaim=data".to_owned(),
            ]
        );
    }

    #[test]
    fn objects_without_a_name_of_their_own_are_left_out() {
        let found = [
            name("pod", "one", "shop", "web").to_vec(),
            // Two pods claim to be the same one, in another project not.
            name("pod", "two", "shop", "db").to_vec(),
            name("pod", "three", "shop", "db").to_vec(),
            name("pod", "four", "data", "db").to_vec(),
            // Only one of both is known.
            name("pod", "five", "shop", "lost")[..1].to_vec(),
            name("pod", "six", "shop", "lost")[1..].to_vec(),
            // A volume may have the name of a pod.
            name("persistentvolumeclaim", "one", "shop", "web").to_vec(),
        ]
        .concat();
        let names = Names::of(&vectors(&found));
        let translated = |reading: &str, kind: &str, host: &str| {
            let vectors = vectors(&[json!({ READING: reading, kind: host })]);
            translated(&vectors[0], &names).map(|series| text(&series))
        };
        let memory = |host: &str| translated("container_memory_working_set_bytes", "pod", host);
        assert_eq!(
            memory("one").as_deref(),
            Some("container_memory_working_set_bytes namespace=shop pod=web")
        );
        assert_eq!(
            memory("four").as_deref(),
            Some("container_memory_working_set_bytes namespace=data pod=db")
        );
        for host in ["two", "three", "five", "six", "unknown"] {
            assert_eq!(memory(host), None, "{host}");
        }
        assert!(translated("kubelet_volume_stats_used_bytes", "persistentvolumeclaim", "one").is_some());
        assert_eq!(translated("container_last_seen", "pod", "one"), None);
        assert_eq!(translated("kubelet_volume_stats_used_bytes", "pod", "one"), None);
    }
}
