//! LimitRange of a namespace with a quota.

use hexabase_core::container_limits::ContainerLimits;
use hexabase_core::quota::Resource;
use serde_json::{Map, Value, json};

use super::quantities::quota_key;

/// Returns the name of a resource in the requests and limits of containers.
pub(super) fn container_key(resource: Resource) -> &'static str {
    let key = quota_key(resource);
    key.strip_prefix("requests.").unwrap_or(key)
}

/// Returns the spec of a LimitRange with these limits; `None` if there are none.
pub(super) fn spec(limits: &[(Resource, ContainerLimits)]) -> Option<Value> {
    let amounts = |amount: fn(&ContainerLimits) -> String| -> Map<String, Value> {
        let entry = |(resource, limits): &(Resource, ContainerLimits)| {
            (container_key(*resource).to_owned(), amount(limits).into())
        };
        limits.iter().map(entry).collect()
    };
    let max = amounts(|limits| limits.max.to_string());
    (!limits.is_empty()).then(|| {
        json!({ "limits": [{
            "type": "Container",
            "default": max,
            "defaultRequest": amounts(|limits| limits.default_request.to_string()),
            "max": max,
            "min": amounts(|limits| limits.min.to_string()),
        }] })
    })
}
