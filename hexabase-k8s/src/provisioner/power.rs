//! Sleeping and waking, the way the vCluster CLI does it, so that both understand each other.

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Namespace, VClusterProvisioner, text};
use crate::labels;
use crate::object::Kind;

impl VClusterProvisioner {
    pub(super) async fn suspend_cluster(&self, target: &TenantTarget, now: Timestamp) -> Result<()> {
        let Some(set) = self.our_stateful_set(target).await? else { return Ok(()) };
        let name = &target.name;
        let replicas = set.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        if replicas > 0 {
            let patch = json!({
                "metadata": { "annotations": {
                    labels::PAUSED: "true",
                    labels::PAUSED_REPLICAS: replicas.to_string(),
                    labels::PAUSED_DATE: now.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
                } },
                "spec": { "replicas": 0 },
            });
            self.host.merge(Kind::STATEFUL_SET, name, name, &patch).await?;
            return Ok(());
        }
        if set.pointer("/status/replicas").and_then(Value::as_u64).unwrap_or(0) == 0 {
            // Nobody looks after these any more: the syncer is gone.
            let selector = format!("{}={name}", labels::SYNCED_BY);
            self.host.delete_all(Kind::POD, name, &selector).await?;
        }
        Ok(())
    }

    pub(super) async fn resume_cluster(&self, target: &TenantTarget) -> Result<()> {
        let Some(set) = self.our_stateful_set(target).await? else { return Ok(()) };
        if set.pointer("/spec/replicas").and_then(Value::as_u64) != Some(0) {
            return Ok(());
        }
        let annotations = set.pointer("/metadata/annotations").cloned().unwrap_or_default();
        let before =
            text(&annotations, &format!("/{}", labels::PAUSED_REPLICAS.replace('/', "~1"))).parse().ok();
        let patch = json!({
            "metadata": { "annotations": {
                labels::PAUSED: null,
                labels::PAUSED_REPLICAS: null,
                labels::PAUSED_DATE: null,
            } },
            "spec": { "replicas": before.filter(|replicas: &u8| *replicas > 0).unwrap_or(1) },
        });
        self.host.merge(Kind::STATEFUL_SET, &target.name, &target.name, &patch).await.map(drop)
    }

    async fn our_stateful_set(&self, target: &TenantTarget) -> Result<Option<Value>> {
        match self.namespace(target).await? {
            Namespace::Ours => self.host.find(Kind::STATEFUL_SET, &target.name, &target.name).await,
            Namespace::Absent | Namespace::Foreign | Namespace::Terminating => Ok(None),
        }
    }
}
