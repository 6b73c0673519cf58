//! Suspends and resumes control planes with the annotations of the vCluster CLI, so that either can resume what the
//! other suspended.

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::pass::Pass;
use super::{Namespace, VClusterProvisioner, text};
use crate::labels;
use crate::object::{Kind, Object, ObjectKey, Objects};

/// StatefulSets of a tenant.
pub(super) struct StatefulSets {
    pub(super) control_plane: Value,
    /// StatefulSet of the etcd; `None` if the control plane has an embedded store.
    pub(super) etcd: Option<Value>,
}

impl StatefulSets {
    /// Distinguishes the StatefulSets of a tenant. `None` without that of its control plane.
    pub(super) fn of(target: &TenantTarget, sets: impl Iterator<Item = Value>) -> Option<Self> {
        let (control_plane, others): (Vec<_>, Vec<_>) =
            sets.partition(|set| text(set, "/metadata/name") == target.name);
        let control_plane = control_plane.into_iter().next()?;
        Some(Self { control_plane, etcd: others.into_iter().next() })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        [&self.control_plane].into_iter().chain(&self.etcd)
    }

    /// `true` if all of them are scaled to zero and have no pods left.
    pub(super) fn are_stopped(&self) -> bool {
        self.all().all(is_stopped)
    }
}

/// Desired number of pods of a StatefulSet; 1 is the Kubernetes default.
pub(super) fn replicas(set: &Value) -> u64 {
    set.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1)
}

/// Returns the StatefulSet of a tenant's control plane from the objects on its host.
pub(super) fn stateful_set<'a>(target: &TenantTarget, host_state: &'a Objects) -> Option<&'a Value> {
    let (namespace, name) = (target.name.clone(), target.name.clone());
    host_state.get(&ObjectKey { kind: Kind::STATEFUL_SET, namespace, name })
}

fn is_stopped(set: &Value) -> bool {
    replicas(set) == 0 && set.pointer("/status/replicas").and_then(Value::as_u64).unwrap_or(0) == 0
}

/// Keeps a suspended StatefulSet at zero replicas: only a resume changes that.
pub(super) fn preserve_suspension(object: &mut Object, existing: &Value) {
    if replicas(existing) == 0 {
        object.body["spec"]["replicas"] = json!(0);
    }
}

impl VClusterProvisioner {
    pub(super) async fn suspend_cluster(&self, target: &TenantTarget, now: Timestamp) -> Result<()> {
        let mut pass = Pass::new(self, target);
        let Some(sets) = pass.owned_stateful_sets().await? else { return Ok(()) };
        if replicas(&sets.control_plane) > 0 {
            return self.scale_to_zero(&sets.control_plane, target, now).await;
        }
        if !is_stopped(&sets.control_plane) {
            return Ok(());
        }
        // The syncer no longer runs, so no other component deletes these pods.
        let selector = format!("{}={}", labels::SYNCED_BY, target.name);
        self.host.delete_all(Kind::POD, &target.name, &selector).await?;
        match sets.etcd.filter(|etcd| replicas(etcd) > 0) {
            Some(etcd) => self.scale_to_zero(&etcd, target, now).await,
            None => Ok(()),
        }
    }

    async fn scale_to_zero(&self, set: &Value, target: &TenantTarget, now: Timestamp) -> Result<()> {
        let patch = json!({
            "metadata": { "annotations": {
                labels::PAUSED: "true",
                labels::PAUSED_REPLICAS: replicas(set).to_string(),
                labels::PAUSED_DATE: now.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
            } },
            "spec": { "replicas": 0 },
        });
        let name = text(set, "/metadata/name");
        self.host.merge(Kind::STATEFUL_SET, &target.name, name, &patch).await.map(drop)
    }

    pub(super) async fn resume_cluster(&self, target: &TenantTarget) -> Result<()> {
        Pass::new(self, target).resume().await
    }

    /// Restores the replicas of a suspended StatefulSet. Returns the StatefulSet, or `None` if it does not exist any more.
    async fn restore_replicas(&self, set: &Value, target: &TenantTarget) -> Result<Option<Value>> {
        let annotations = set.pointer("/metadata/annotations").cloned().unwrap_or_default();
        let previous =
            text(&annotations, &format!("/{}", labels::PAUSED_REPLICAS.replace('/', "~1"))).parse().ok();
        let patch = json!({
            "metadata": { "annotations": {
                labels::PAUSED: null,
                labels::PAUSED_REPLICAS: null,
                labels::PAUSED_DATE: null,
            } },
            "spec": { "replicas": previous.filter(|replicas: &u8| *replicas > 0).unwrap_or(1) },
        });
        let name = text(set, "/metadata/name");
        self.host.merge(Kind::STATEFUL_SET, &target.name, name, &patch).await
    }
}

impl Pass<'_> {
    async fn owned_stateful_sets(&mut self) -> Result<Option<StatefulSets>> {
        match self.namespace().await? {
            Namespace::Owned => self.stateful_sets().await,
            Namespace::Absent | Namespace::Foreign | Namespace::Terminating => Ok(None),
        }
    }

    /// Resumes a suspended tenant. The pass continues with the StatefulSets as the host returned them.
    pub(super) async fn resume(&mut self) -> Result<()> {
        let Some(sets) = self.owned_stateful_sets().await? else { return Ok(()) };
        // The etcd comes first, because the control plane needs it.
        for set in sets.etcd.iter().chain([&sets.control_plane]).filter(|set| replicas(set) == 0) {
            if let Some(resumed) = self.provisioner.restore_replicas(set, self.target).await? {
                self.host.insert(ObjectKey::of(Kind::STATEFUL_SET, &resumed), resumed);
            }
        }
        Ok(())
    }
}
