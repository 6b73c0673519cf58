//! Rendering: a tenant cluster as Kubernetes objects. Pure functions; nothing here talks to anyone.

pub mod host;
mod host_setup;
pub mod quantities;
pub mod tenant;
pub mod vcluster_config;

#[cfg(test)]
mod tests;

pub use host::host_objects;
pub(crate) use host_setup::{INGRESS_GUARD, setup_digest};
pub use host_setup::{host_setup, kyverno_policies, manifest};
pub use tenant::tenant_objects;
