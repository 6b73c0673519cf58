//! What was applied to tenants that are on their way: they are looked at again before they answer, and comparing all of it each
//! time would take the host's API server from those who have just ordered.

use std::time::Duration;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::Result;
use tokio::time::Instant;

use super::VClusterProvisioner;
use super::reflection::{Digest, Moment};
use super::unchanged::digest;

/// For how long what was applied to a tenant that does not answer yet is taken to be there, unless something of it goes away.
const SETTLED: Duration = Duration::from_secs(60);

/// What was applied to the host, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    desired: Digest,
    moment: Moment,
    at: Instant,
}

impl VClusterProvisioner {
    /// Notes that all of this was applied to the host.
    pub(super) fn applied_on_host(&self, desired: &TenantCluster) -> Result<()> {
        let settled =
            Settled { desired: digest(desired)?, moment: self.reflection.now(), at: Instant::now() };
        self.settled.insert(desired.target.name.clone(), settled);
        Ok(())
    }

    /// Whether all of this was applied to the host a moment ago, and there is nothing to be done inside yet.
    pub(super) async fn only_has_to_start(&self, desired: &TenantCluster) -> Result<bool> {
        let name = &desired.target.name;
        // Nobody can tell whether it is still there where nobody watches.
        let whole = |settled: &Settled| self.reflection.is_whole_since(name, settled.moment);
        let known = self.settled.get(name).filter(whole);
        let Some(settled) = known.filter(|settled| settled.at.elapsed() < SETTLED) else { return Ok(false) };
        if settled.desired != digest(desired)? {
            return Ok(false);
        }
        Ok(self.reflection.is_starting(name) || self.admin_secret(&desired.target).await?.is_none())
    }
}
