//! Host setup: objects that the administrator of a host cluster applies once, before Hexabase acts on it.

mod access;
mod admission_policies;

use hexabase_core::error::Result;
use serde_json::json;
use sha2::{Digest as _, Sha256};

pub(crate) use admission_policies::INGRESS_POLICY;

use super::vcluster_config::yaml;
use crate::config::HostConfig;
use crate::labels::Labels;
use crate::object::{Kind, Object};

/// This release of Hexabase.
pub(crate) const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Returns the setup of a host cluster, in the order of application: the ServiceAccount as which Hexabase acts, or the
/// default one, with exactly the permissions that are used, and admission policies for the control planes of tenants.
#[must_use]
pub fn host_setup(config: &HostConfig) -> Vec<Object> {
    let mut objects = setup_objects(config);
    let annotations = json!({
        config.labels.admission_policies(): admission_policies::names(&config.labels).join(","),
        config.labels.setup(): digest(&objects),
        config.labels.setup_release(): RELEASE,
    });
    for namespace in objects.iter_mut().filter(|object| object.kind == Kind::NAMESPACE) {
        namespace.body["metadata"]["annotations"] = annotations.clone();
    }
    objects
}

fn setup_objects(config: &HostConfig) -> Vec<Object> {
    let policies = admission_policies::admission_policies(&config.labels);
    access::objects(config).into_iter().chain(policies).collect()
}

/// Returns the digest that identifies the host setup of this release.
pub(crate) fn setup_digest(config: &HostConfig) -> String {
    digest(&setup_objects(config))
}

fn digest(objects: &[Object]) -> String {
    let mut hash = Sha256::new();
    for object in objects {
        hash.update(object.body.to_string());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the admission policies for the control planes of tenants as Kyverno policies, for hosts where Kyverno (1.17
/// or newer) reports rejected writes. The API server still enforces its own policies.
#[must_use]
pub fn kyverno_policies(labels: &Labels) -> Vec<Object> {
    admission_policies::kyverno_policies(labels).collect()
}

/// Serializes objects as one YAML manifest for `kubectl apply`.
///
/// # Errors
/// `Unexpected` if the serializer fails.
pub fn manifest(objects: &[Object]) -> Result<String> {
    let mut text = String::new();
    for object in objects {
        text.push_str("---\n");
        text.push_str(&yaml(&object.body)?);
    }
    Ok(text)
}
