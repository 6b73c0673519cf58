//! What a host cluster needs before Hexabase can act on it, for its administrator to apply once.

mod access;
mod guards;

use hexabase_core::error::Result;

pub(crate) use access::{WITH_TENANTS, subject};

use super::vcluster_config::yaml;
use crate::object::Object;
use crate::settings::HostIdentity;

/// Everything that a host cluster needs before Hexabase can act on it as `identity`, in the order to apply it in: a
/// ServiceAccount with no more rights than are used, and a guard on what tenants' control planes write.
#[must_use]
pub fn host_setup(identity: &HostIdentity) -> Vec<Object> {
    access::objects(identity).into_iter().chain(guards::admission_policies()).collect()
}

/// The guard on what tenants' control planes write once more, for hosts where Kyverno (1.17 or newer) reports on what is
/// refused. The API server's own stays what enforces it.
#[must_use]
pub fn kyverno_policies() -> Vec<Object> {
    guards::kyverno_policies().collect()
}

/// Objects as one manifest in YAML, as `kubectl apply` takes it.
///
/// # Errors
/// `Unexpected` when the serializer fails.
pub fn manifest(objects: &[Object]) -> Result<String> {
    let mut text = String::new();
    for object in objects {
        text.push_str("---\n");
        text.push_str(&yaml(&object.body)?);
    }
    Ok(text)
}
