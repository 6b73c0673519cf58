//! k8s
mod access;
mod api_server;
mod difference;
mod error;
pub mod labels;
mod object;
mod provisioner;
pub mod render;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod settings;

pub use access::{ServiceConnector, TenantConnector, patient};
pub use object::{Kind, Object};
pub use provisioner::VClusterProvisioner;
pub use settings::HostSettings;
