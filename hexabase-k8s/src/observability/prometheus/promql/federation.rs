//! Expressions of the series that a tenant's own Prometheus reads: the latest values, once per container run, interface or
//! volume.

use hexabase_core::metrics::{FederatedMetric, MAX_FEDERATED_SERIES};

use super::chart::{OBJECT_NAME, PROJECT, named, with_reading};
use super::{
    CLAIM, CONTAINER, CONTAINER_RUN, INTERFACE, Names, Scope, claims, containers, differs, max_by, select,
    state,
};

/// Latest values of all metrics, which the label [`READING`](super::READING) tells apart. One more series than the maximum is
/// returned at most.
pub(in super::super) fn federated(scope: &Scope<'_>) -> String {
    let tagged = |metric: &FederatedMetric| with_reading(&series(*metric, scope), metric.as_str());
    let all: Vec<String> = FederatedMetric::ALL.iter().map(tagged).collect();
    format!("topk({}, {})", MAX_FEDERATED_SERIES + 1, all.join(" or "))
}

fn series(metric: FederatedMetric, scope: &Scope<'_>) -> String {
    let name = metric.as_str();
    let network = || {
        let others = [scope.namespaces(), differs("interface", "lo")].into_iter().chain(scope.pods());
        scope.cadvisor().into_iter().chain(others)
    };
    match metric {
        FederatedMetric::CpuSeconds => max_by(CONTAINER_RUN, &select(name, containers(scope))),
        FederatedMetric::Memory => max_by(CONTAINER, &select(name, containers(scope))),
        FederatedMetric::NetworkReceived | FederatedMetric::NetworkTransmitted => {
            max_by(INTERFACE, &select(name, network()))
        }
        FederatedMetric::Restarts => {
            let pods = [scope.namespaces()].into_iter().chain(scope.pods());
            max_by(CONTAINER, &select(name, state(scope, pods)))
        }
        FederatedMetric::StorageRequested => max_by(CLAIM, &select(name, state(scope, claims(scope)))),
        FederatedMetric::StorageUsed | FederatedMetric::StorageCapacity => {
            max_by(CLAIM, &select(name, scope.kubelet().into_iter().chain(claims(scope))))
        }
    }
}

/// Names of the pods and volumes: series with the label [`OBJECT_NAME`], and series with the label [`PROJECT`], each with
/// the name of the object on the host.
pub(in super::super) fn federated_names(scope: &Scope<'_>) -> String {
    let period = std::time::Duration::ZERO;
    let of = |names: Names| {
        format!(
            "{} or {}",
            named(scope, names, names.annotations_series(), OBJECT_NAME, period),
            named(scope, names, names.labels_series(), PROJECT, period)
        )
    };
    format!("{} or {}", of(Names::Pods), of(Names::Claims))
}
