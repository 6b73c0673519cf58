//! Addresses of the service accounts of an organization.

use hexabase_core::id::{OrganizationId, UserId};

use super::urls;

urls! {
    /// Service accounts of an organization.
    SERVICE_ACCOUNTS service_accounts(org: OrganizationId) = "/console/orgs/{org}/service-accounts";
    /// New service account.
    NEW_SERVICE_ACCOUNT new_service_account(org: OrganizationId) = "/console/orgs/{org}/service-accounts/new";
    /// Service account with its API tokens.
    SERVICE_ACCOUNT service_account(org: OrganizationId, id: UserId) = "/console/orgs/{org}/service-accounts/{id}";
    /// New API token of a service account.
    NEW_ACCOUNT_TOKEN new_account_token(org: OrganizationId, id: UserId) = "/console/orgs/{org}/service-accounts/{id}/tokens/new";
    /// Deletion of a service account.
    SERVICE_ACCOUNT_DELETE service_account_delete(org: OrganizationId, id: UserId) = "/console/orgs/{org}/service-accounts/{id}/delete";
}
