//! Addresses of billing.

use hexabase_api::layers::server_path;
use hexabase_core::id::OrganizationId;
use hexabase_core::name::PlanId;

use super::urls;

urls! {
    /// Overview of billing.
    BILLING billing(org: OrganizationId) = "/console/orgs/{org}/billing";
    /// Plans that are sold.
    BILLING_PLANS billing_plans(org: OrganizationId) = "/console/orgs/{org}/billing/plans";
    /// Preview and choice of a plan.
    BILLING_PLAN billing_plan(org: OrganizationId, plan: &PlanId) = "/console/orgs/{org}/billing/plans/{plan}";
    /// Payment methods.
    PAYMENT_METHODS payment_methods(org: OrganizationId) = "/console/orgs/{org}/billing/methods";
    /// Invoices.
    INVOICES invoices(org: OrganizationId) = "/console/orgs/{org}/billing/invoices";
    /// Invoice.
    INVOICE invoice(org: OrganizationId, inv: &str) = "/console/orgs/{org}/billing/invoices/{inv}";
    /// Metered usage.
    BILLING_USAGE billing_usage(org: OrganizationId) = "/console/orgs/{org}/billing/usage";
    /// Budget for usage.
    BUDGET budget(org: OrganizationId) = "/console/orgs/{org}/billing/budget";
    /// End of the subscription.
    LEAVE_PLAN leave_plan(org: OrganizationId) = "/console/orgs/{org}/billing/leave";
}

/// Id in [`invoice`] of the invoice that is not issued yet.
pub(crate) const UPCOMING_INVOICE: &str = "upcoming";

/// Returns the address of the file of an invoice.
pub(crate) fn invoice_pdf(org: OrganizationId, invoice: &str) -> String {
    server_path(&format!("/api/v1/organizations/{org}/billing/invoices/{invoice}/pdf"))
}

/// Returns an address of this server without the path that it is mounted under, as the API takes it.
pub(crate) fn without_mount(address: &str) -> &str {
    address.strip_prefix(&server_path("")).unwrap_or(address)
}
