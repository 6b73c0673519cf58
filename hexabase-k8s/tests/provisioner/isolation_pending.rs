//! Isolation checks whose barriers are not built yet.

/// Checks that this release does not pass.
pub(crate) const PENDING: [&str; 5] = [
    "ControlPlaneChangesRejected",
    "ExtendedResourcesRejected",
    "LimitsBeyondPlanRejected",
    "MetadataUnreachable",
    "RegexPathsRejected",
];
