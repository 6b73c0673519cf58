//! Applied cache: desired states that were recently applied to starting tenants. A starting tenant is reconciled
//! several times before its API server responds; comparing all of its objects each time would take capacity of the
//! host's API server from new workspaces.

use std::time::Duration;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::Result;
use tokio::time::Instant;

use super::VClusterProvisioner;
use super::fast_path::digest;
use super::metadata_cache::{Digest, Revision};
use crate::config::HostConfig;

/// Time for which an applied state is trusted while the tenant does not respond, unless one of its objects is deleted.
const APPLIED_TTL: Duration = Duration::from_secs(60);

/// Desired state that was applied to the host, with the time and revision of its application.
#[derive(Debug, Clone, Copy)]
pub(super) struct AppliedState {
    desired: Digest,
    revision: Revision,
    at: Instant,
}

impl VClusterProvisioner {
    /// Records that the desired state was applied to the host.
    pub(super) fn record_applied(&self, desired: &TenantCluster, config: &HostConfig) -> Result<()> {
        let applied = AppliedState {
            desired: digest(desired, config)?,
            revision: self.metadata_cache.current_revision(),
            at: Instant::now(),
        };
        self.applied_cache.insert(desired.target.name.clone(), applied);
        Ok(())
    }

    /// `true` if the desired state was applied recently, and nothing can be applied inside the tenant yet.
    pub(super) async fn is_waiting_for_start(
        &self,
        desired: &TenantCluster,
        config: &HostConfig,
    ) -> Result<bool> {
        let name = &desired.target.name;
        // Without the host watch, deleted objects would remain unnoticed.
        let is_intact = |applied: &AppliedState| self.metadata_cache.is_intact_since(name, applied.revision);
        let known = self.applied_cache.get(name).filter(is_intact);
        let Some(applied) = known.filter(|applied| applied.at.elapsed() < APPLIED_TTL) else {
            return Ok(false);
        };
        if applied.desired != digest(desired, config)? {
            return Ok(false);
        }
        Ok(self.metadata_cache.is_starting(name) || self.admin_secret(&desired.target).await?.is_none())
    }
}
