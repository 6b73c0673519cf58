//! Fast path of the reconcile: reports a tenant that matched its desired state as unchanged until one of its objects
//! changes.

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{Error, Result};
use hexabase_core::provisioner::Observation;
use sha2::{Digest as _, Sha256};

use super::VClusterProvisioner;
use super::host_cache::metadata::Digest;
use super::pass::secret_versions;
use crate::config::HostConfig;

impl VClusterProvisioner {
    /// Returns the last observation if the last full comparison found no difference and nothing has changed since.
    pub(super) async fn unchanged_cluster(&self, desired: &TenantCluster) -> Result<Option<Observation>> {
        let target = &desired.target;
        let config = self.detected_config().await?;
        let digest = digest(desired, &config)?;
        let Some((observation, secrets)) = self.cache.metadata.unchanged(&target.name, &digest) else {
            return Ok(None);
        };
        Ok((secret_versions(&self.secrets(target).await?) == secrets).then_some(observation))
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
