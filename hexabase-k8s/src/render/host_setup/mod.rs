//! What a host cluster needs before Hexabase can act on it, for its administrator to apply once.

mod access;
mod guards;

use hexabase_core::error::Result;
use serde_json::json;
use sha2::{Digest as _, Sha256};

pub(crate) use guards::INGRESS_GUARD;

use super::vcluster_config::yaml;
use crate::labels;
use crate::object::{Kind, Object};
use crate::settings::HostIdentity;

/// Everything that a host cluster needs before Hexabase can act on it as `identity`, in the order to apply it in: a
/// ServiceAccount with no more rights than are used, and a guard on what tenants' control planes write.
#[must_use]
pub fn host_setup(identity: &HostIdentity) -> Vec<Object> {
    let mut objects = without_marks(identity);
    let marks = json!({ labels::GUARDS: guards::names().join(","), labels::SETUP: digest(&objects) });
    for namespace in objects.iter_mut().filter(|object| object.kind == Kind::NAMESPACE) {
        namespace.body["metadata"]["annotations"] = marks.clone();
    }
    objects
}

fn without_marks(identity: &HostIdentity) -> Vec<Object> {
    access::objects(identity).into_iter().chain(guards::admission_policies()).collect()
}

/// What identifies the whole, so that it can be told whether it was applied.
pub(crate) fn setup_digest(identity: &HostIdentity) -> String {
    digest(&without_marks(identity))
}

fn digest(objects: &[Object]) -> String {
    let mut hash = Sha256::new();
    for object in objects {
        hash.update(object.body.to_string());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
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
