//! Looks at tenants of which nothing moved: what is noted when one was all it should be, and when that is still so.

use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{Error, Result};
use hexabase_core::provisioner::Observation;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::reflection::{Digest, Moment, Versions};
use super::{VClusterProvisioner, text};
use crate::labels;
use crate::object::{Kind, ObjectKey};

/// How a tenant's objects were when a comparison began, with the versions of its Secrets.
pub(super) struct Beginning {
    moment: Moment,
    secrets: Versions,
}

impl VClusterProvisioner {
    /// Notes how a tenant is before it is compared, if anything is known of it.
    pub(super) async fn begin_comparison(&self, target: &TenantTarget) -> Result<Option<Beginning>> {
        let Some(moment) = self.reflection.moment(&target.name) else { return Ok(None) };
        Ok(Some(Beginning { moment, secrets: self.secrets(target).await? }))
    }

    /// Notes that nothing differed.
    pub(super) fn end_comparison(&self, begun: Option<Beginning>, desired: &TenantCluster) -> Result<()> {
        if let Some(Beginning { moment, secrets }) = begun {
            self.reflection.compared(&desired.target.name, moment, digest(desired)?, secrets);
        }
        Ok(())
    }

    /// What there is, if it was all that is desired when it was last looked at closely and nothing has moved since.
    pub(super) async fn unchanged_cluster(&self, desired: &TenantCluster) -> Result<Option<Observation>> {
        let target = &desired.target;
        let Some((observation, secrets)) = self.reflection.unchanged(&target.name, &digest(desired)?) else {
            return Ok(None);
        };
        Ok((self.secrets(target).await? == secrets).then_some(observation))
    }

    /// The versions of the Secrets of a tenant's control plane; those of its workloads are nobody's business.
    async fn secrets(&self, target: &TenantTarget) -> Result<Versions> {
        let selector = format!("!{}", labels::SYNCED_BY);
        let secrets = self.host.list_metadata(Kind::SECRET, &target.name, &selector).await?;
        let version = |body: &Value| {
            (ObjectKey::of(Kind::SECRET, body), text(body, "/metadata/resourceVersion").to_owned())
        };
        Ok(secrets.iter().map(version).collect())
    }
}

/// What identifies a desired state.
pub(super) fn digest(desired: &TenantCluster) -> Result<Digest> {
    let text = serde_json::to_vec(desired)
        .map_err(|error| Error::unexpected("a tenant cannot be written down").caused_by(error))?;
    Ok(Sha256::digest(text).into())
}
