//! Conversion between Hexabase's resources and the keys of a ResourceQuota.

use hexabase_core::quota::{Quota, Resource};
use serde_json::{Map, Value};

/// Returns the key of a resource in a ResourceQuota.
#[must_use]
pub const fn quota_key(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "requests.cpu",
        Resource::Memory => "requests.memory",
        Resource::Storage => "requests.storage",
        Resource::EphemeralStorage => "requests.ephemeral-storage",
        Resource::Pods => "count/pods",
        Resource::Services => "count/services",
        Resource::LoadBalancers => "services.loadbalancers",
        Resource::PersistentVolumeClaims => "count/persistentvolumeclaims",
        Resource::Secrets => "count/secrets",
        Resource::ConfigMaps => "count/configmaps",
    }
}

/// Returns a quota as the `hard` field of a ResourceQuota.
#[must_use]
pub fn hard(quota: &Quota) -> Map<String, Value> {
    quota
        .iter()
        .map(|(resource, amount)| (quota_key(resource).to_owned(), amount.to_string().into()))
        .collect()
}

/// Parses the `used` field of a ResourceQuota's status; unknown resources are ignored.
#[must_use]
pub fn used(status: &Value) -> Quota {
    let amount = |resource: &Resource| {
        let text = status.pointer("/used").and_then(|used| used.get(quota_key(*resource)))?.as_str()?;
        Some((*resource, text.parse().ok()?))
    };
    Resource::ALL.iter().filter_map(amount).collect()
}
