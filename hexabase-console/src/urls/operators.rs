//! Addresses of the operators' area.

use hexabase_core::id::OrganizationId;
use hexabase_core::name::HostClusterName;

use super::urls;

urls! {
    /// Overview of the installation.
    INSTALLATION installation() = "/console/admin";
    /// Host clusters.
    HOSTS hosts() = "/console/admin/hosts";
    /// Registration of a host cluster.
    NEW_HOST new_host() = "/console/admin/hosts/new";
    /// Host cluster.
    HOST host(cluster: &HostClusterName) = "/console/admin/hosts/{cluster}";
    /// Task queue with its dead letters.
    QUEUE queue() = "/console/admin/queue";
    /// Signing keys.
    SIGNING_KEYS signing_keys() = "/console/admin/keys";
    /// Plans as they are sold.
    INSTALLATION_PLANS installation_plans() = "/console/admin/plans";
    /// All organizations.
    TENANTS tenants() = "/console/admin/organizations";
    /// Organization, as operators see it.
    TENANT tenant(org: OrganizationId) = "/console/admin/organizations/{org}";
    /// Isolation checks of all workspaces.
    PROOFS proofs() = "/console/admin/proofs";
}
