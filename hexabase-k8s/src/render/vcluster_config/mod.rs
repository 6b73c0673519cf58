//! Configuration of one vCluster.
//!
//! vCluster parses its file strictly and without defaults: it rejects unknown keys, and a missing key has the zero
//! value, not the default of the chart. So the file is complete, and specific to a release; `model` defines it.

mod model;
mod trust;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{Error, Result};
use serde::Serialize;
use serde_json::Value;

use crate::config::HostConfig;

pub(crate) use trust::{AUTHENTICATION_DIRECTORY, files};

/// Rendered configuration of a vCluster.
#[derive(Debug, Clone)]
pub struct VclusterConfig {
    /// Content as JSON, for objects that must be consistent with it.
    pub(super) values: Value,
    /// Content of the file `config.yaml`.
    pub yaml: String,
}

/// Renders the configuration of a tenant's vCluster, including the overrides of the host.
///
/// # Errors
/// `Unsupported` if the vCluster release or the Kubernetes version cannot be rendered.
pub fn render(cluster: &TenantCluster, config: &HostConfig) -> Result<VclusterConfig> {
    if !HostConfig::supports_vcluster(&config.vcluster_version) {
        let known = HostConfig::VCLUSTER_RELEASES.join(" and ");
        let message = format!(
            "configurations can be rendered for vCluster {known}; other releases have different keys"
        );
        return Err(Error::unsupported(message).with("version", &config.vcluster_version));
    }
    let image = config.kubernetes(&cluster.kubernetes_version)?;
    let mut values = serde_json::to_value(model::build(cluster, config, image)).map_err(unwritable)?;
    config.overrides.merge_into(&mut values);
    Ok(VclusterConfig { yaml: yaml(&values)?, values })
}

pub(super) fn yaml(value: &impl Serialize) -> Result<String> {
    serde_saphyr::to_string(value).map_err(unwritable)
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unexpected("an object cannot be serialized as YAML").caused_by(error)
}
