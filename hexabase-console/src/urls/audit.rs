//! Addresses of the audit log of an organization.

use hexabase_core::id::OrganizationId;

use super::urls;

urls! {
    /// Audit log of an organization.
    AUDIT audit(org: OrganizationId) = "/console/orgs/{org}/audit";
    /// Audit log as a file.
    AUDIT_FILE audit_file(org: OrganizationId) = "/console/orgs/{org}/audit.csv";
}

/// Returns the address of the audit log with filters.
#[must_use]
pub fn audit_with(org: OrganizationId, filters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish();
    format!("{}?{query}", audit(org))
}
