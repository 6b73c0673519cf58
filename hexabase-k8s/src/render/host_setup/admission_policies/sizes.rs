//! Admission policy for the size of tenants' objects, which are in the store of the host: with the counts of the quota,
//! it bounds the space that a tenant takes there.

use serde_json::json;

use super::{AdmissionPolicy, rule};

/// Maximum size of an object in bytes, as text with its keys.
const MAX_SIZE: u32 = 256 * 1024;
/// Maximum size of an event, whose number no quota limits.
const MAX_EVENT_SIZE: u32 = 8 * 1024;

pub(super) fn policy() -> AdmissionPolicy {
    let is_small = format!(
        "'%s'.format([dyn(object)]).size() <= (request.resource.resource == 'events' ? {MAX_EVENT_SIZE} : {MAX_SIZE})"
    );
    let message = format!(
        "objects on the host must not exceed {} KiB, and events {} KiB: use several objects, or a volume for large files",
        MAX_SIZE / 1024,
        MAX_EVENT_SIZE / 1024
    );
    AdmissionPolicy {
        name: "hexabase-tenants-sizes",
        // All groups: events have two.
        group: "*",
        resources: &[
            "configmaps",
            "events",
            "ingresses",
            "leases",
            "persistentvolumeclaims",
            "pods",
            "pods/ephemeralcontainers",
            "pods/status",
            "secrets",
            "services",
        ],
        variables: json!([]),
        validations: json!([rule(&is_small, &message)]),
    }
}
