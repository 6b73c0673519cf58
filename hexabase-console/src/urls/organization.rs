//! Addresses of an organization and its members.

use hexabase_core::id::{InvitationId, OrganizationId, UserId};

use super::urls;

urls! {
    /// Organizations of the user.
    ORGANIZATIONS organizations() = "/console/orgs";
    /// New organization.
    NEW_ORGANIZATION new_organization() = "/console/orgs/new";
    /// Overview of an organization.
    ORGANIZATION organization(org: OrganizationId) = "/console/orgs/{org}";
    /// Settings of an organization.
    ORGANIZATION_SETTINGS organization_settings(org: OrganizationId) = "/console/orgs/{org}/settings";
    /// Deletion of an organization.
    ORGANIZATION_DELETE organization_delete(org: OrganizationId) = "/console/orgs/{org}/delete";
    /// Members of an organization.
    MEMBERS members(org: OrganizationId) = "/console/orgs/{org}/members";
    /// Invitation of members.
    INVITE invite(org: OrganizationId) = "/console/orgs/{org}/members/invite";
    /// Open invitation of an organization.
    INVITATION invitation(org: OrganizationId, inv: InvitationId) = "/console/orgs/{org}/members/invitations/{inv}";
    /// Member of an organization.
    MEMBER member(org: OrganizationId, user: UserId) = "/console/orgs/{org}/members/{user}";
}
