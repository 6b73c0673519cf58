//! Fast path of the reconcile: records when a tenant matched its desired state, and reports it as unchanged until one
//! of its objects changes.

use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{Error, Result};
use hexabase_core::provisioner::Observation;
use kube::api::ListParams;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::metadata_cache::{Digest, Revision, Versions};
use super::{VClusterProvisioner, text};
use crate::config::HostConfig;
use crate::labels;
use crate::object::{Kind, ObjectKey};

/// Revision of a tenant's objects at the start of a comparison, with the versions of its Secrets.
pub(super) struct ComparisonStart {
    revision: Revision,
    secrets: Versions,
}

impl VClusterProvisioner {
    /// Records the state of a tenant before a comparison. Returns `None` if the host watch does not cover the tenant.
    pub(super) async fn start_comparison(&self, target: &TenantTarget) -> Result<Option<ComparisonStart>> {
        let Some(revision) = self.metadata_cache.revision(&target.name) else { return Ok(None) };
        Ok(Some(ComparisonStart { revision, secrets: self.secret_versions(target).await? }))
    }

    /// Records that the comparison found no difference.
    pub(super) fn finish_comparison(
        &self,
        start: Option<ComparisonStart>,
        desired: &TenantCluster,
        config: &HostConfig,
    ) -> Result<()> {
        if let Some(ComparisonStart { revision, secrets }) = start {
            self.metadata_cache.record_clean(
                &desired.target.name,
                revision,
                digest(desired, config)?,
                secrets,
            );
        }
        Ok(())
    }

    /// Returns the last observation if the last full comparison found no difference and nothing has changed since.
    pub(super) async fn unchanged_cluster(&self, desired: &TenantCluster) -> Result<Option<Observation>> {
        let target = &desired.target;
        let config = self.detected_config().await?;
        let digest = digest(desired, &config)?;
        let Some((observation, secrets)) = self.metadata_cache.unchanged(&target.name, &digest) else {
            return Ok(None);
        };
        Ok((self.secret_versions(target).await? == secrets).then_some(observation))
    }

    /// Returns the resource versions of the control plane's Secrets, without those that belong to workloads.
    async fn secret_versions(&self, target: &TenantTarget) -> Result<Versions> {
        let selector = format!("!{}", labels::SYNCED_BY);
        let own = ListParams::default().labels(&selector);
        let secrets = self.host.list_metadata(Kind::SECRET, &target.name, own).await?;
        let version = |body: &Value| {
            (ObjectKey::of(Kind::SECRET, body), text(body, "/metadata/resourceVersion").to_owned())
        };
        Ok(secrets.iter().map(version).collect())
    }
}

/// Digest of a desired state, and of the detected part of the host's configuration.
pub(super) fn digest(desired: &TenantCluster, config: &HostConfig) -> Result<Digest> {
    let text = serde_json::to_vec(desired)
        .map_err(|error| Error::unexpected("the desired state cannot be serialized").caused_by(error))?;
    let mut hash = Sha256::new_with_prefix(text);
    hash.update(format!("{:?}", config.api_server));
    Ok(hash.finalize().into())
}
