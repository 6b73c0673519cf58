//! The configuration of one vCluster.
//!
//! vCluster reads its file strictly and into an empty structure: an unknown key stops it, and a key that is
//! missing is zero, not the chart's default. So the file is complete, and bound to a release; the model is
//! in `model`.

mod model;
mod trust;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{Error, Result};
use serde::Serialize;
use serde_json::Value;

use crate::settings::HostSettings;

pub(crate) use trust::{AUTHENTICATION_DIRECTORY, files};

/// A rendered configuration.
#[derive(Debug, Clone)]
pub struct VclusterConfig {
    /// What it says, for objects that have to agree with it.
    pub(super) values: Value,
    /// The file `config.yaml`.
    pub yaml: String,
}

/// The configuration of a tenant's vCluster, with what operators want otherwise.
///
/// # Errors
/// `Unsupported` for a release of vCluster, or a version of Kubernetes, that cannot be rendered.
pub fn render(cluster: &TenantCluster, settings: &HostSettings) -> Result<VclusterConfig> {
    if !HostSettings::renders(&settings.vcluster_version) {
        let known = HostSettings::VCLUSTER_RELEASES.join(" and ");
        let message =
            format!("configurations are rendered for vCluster {known}; other releases have other keys");
        return Err(Error::unsupported(message).with("version", &settings.vcluster_version));
    }
    let image = settings.kubernetes(&cluster.kubernetes_version)?;
    let mut values = serde_json::to_value(model::config(cluster, settings, image)).map_err(unwritable)?;
    settings.overrides.merge_into(&mut values);
    Ok(VclusterConfig { yaml: yaml(&values)?, values })
}

pub(super) fn yaml(value: &impl Serialize) -> Result<String> {
    serde_saphyr::to_string(value).map_err(unwritable)
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unexpected("something cannot be written as YAML").caused_by(error)
}
