//! Rendering of a tenant cluster as Kubernetes objects. Pure functions without I/O.

pub mod host;
mod host_setup;
mod limit_range;
pub mod quantities;
pub mod tenant;
pub mod vcluster_config;

#[cfg(test)]
mod tests;

pub use host::host_objects;
pub(crate) use host::{COREDNS_REPOSITORY, DEFAULT_REGISTRY};
pub(crate) use host_setup::{INGRESS_POLICY, RELEASE, setup_digest};
pub use host_setup::{host_setup, kyverno_policies, manifest};
pub(crate) use tenant::admission_policy::objects as tenant_admission_policy;
pub use tenant::tenant_objects;
