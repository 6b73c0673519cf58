//! Tenants on their way: what is known of them is not asked for at every look, so that many that start leave the host's API
//! server to those who have just been asked for.
//!
//! It is known as long as somebody watches the host. What is not watched, such as the pods that a control plane is made of, is
//! asked for from time to time.

use std::time::Duration;

use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::Result;
use hexabase_core::provisioner::Observation;
use tokio::time::Instant;

use super::VClusterProvisioner;
use super::reflection::{Digest, Moment};
use super::unchanged::digest;

/// For how long a tenant that starts, and of which nothing moves, is taken to do so for the same reason.
const STARTING: Duration = Duration::from_secs(5);
/// For how long what was applied to a tenant that does not answer yet is taken to be there.
const SETTLED: Duration = Duration::from_secs(10);

/// What was applied to the host, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    desired: Digest,
    at: Instant,
}

impl VClusterProvisioner {
    /// What was observed a moment ago, if it starts and has not moved since.
    pub(super) fn still_starting(&self, target: &TenantTarget) -> Option<Observation> {
        self.reflection.starting(&target.name, STARTING)
    }

    /// Notes that a tenant starts.
    pub(super) fn starts(
        &self,
        target: &TenantTarget,
        moment: Option<Moment>,
        observation: Observation,
    ) -> Observation {
        self.reflection.observed(&target.name, moment, &observation);
        observation
    }

    /// Notes that all of this was applied to the host.
    pub(super) fn applied_on_host(&self, desired: &TenantCluster) -> Result<()> {
        let settled = Settled { desired: digest(desired)?, at: Instant::now() };
        self.settled.insert(desired.target.name.clone(), settled);
        Ok(())
    }

    /// Whether all of this was applied to the host a moment ago, and there is nothing to be done inside yet.
    pub(super) async fn only_has_to_start(&self, desired: &TenantCluster) -> Result<bool> {
        let name = &desired.target.name;
        // Nobody can tell whether it is still there where nobody watches.
        let known = self.settled.get(name).filter(|_| self.reflection.moment(name).is_some());
        let Some(settled) = known.filter(|settled| settled.at.elapsed() < SETTLED) else { return Ok(false) };
        if settled.desired != digest(desired)? {
            return Ok(false);
        }
        let target = &desired.target;
        Ok(self.still_starting(target).is_some() || self.admin_secret(target).await?.is_none())
    }
}
