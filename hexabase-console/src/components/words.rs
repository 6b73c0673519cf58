//! Words of the model in the language of the page.

use hexabase_core::model::{OrganizationRole, Phase};
use hexabase_core::quota::Resource;

use crate::language::Texts;

/// Returns the phase of a workspace in words.
#[must_use]
pub fn phase_text(texts: &Texts, phase: Phase) -> String {
    match phase {
        Phase::Pending => texts.text("phase-pending"),
        Phase::Provisioning => texts.text("phase-provisioning"),
        Phase::Ready => texts.text("phase-ready"),
        Phase::Updating => texts.text("phase-updating"),
        Phase::Suspending => texts.text("phase-suspending"),
        Phase::Suspended => texts.text("phase-suspended"),
        Phase::Resuming => texts.text("phase-resuming"),
        Phase::Degraded => texts.text("phase-degraded"),
        Phase::Failed => texts.text("phase-failed"),
        Phase::Deleting => texts.text("phase-deleting"),
    }
}

/// Returns a role in an organization in words.
#[must_use]
pub fn role_text(texts: &Texts, role: OrganizationRole) -> String {
    match role {
        OrganizationRole::Owner => texts.text("role-owner"),
        OrganizationRole::Admin => texts.text("role-admin"),
        OrganizationRole::Billing => texts.text("role-billing"),
        OrganizationRole::Member => texts.text("role-member"),
    }
}

/// Returns the name of a resource with a quota.
#[must_use]
pub fn resource_text(texts: &Texts, resource: Resource) -> String {
    match resource {
        Resource::Cpu => texts.text("resource-cpu"),
        Resource::Memory => texts.text("resource-memory"),
        Resource::Storage => texts.text("resource-storage"),
        Resource::EphemeralStorage => texts.text("resource-ephemeral-storage"),
        Resource::Pods => texts.text("resource-pods"),
        Resource::Services => texts.text("resource-services"),
        Resource::LoadBalancers => texts.text("resource-load-balancers"),
        Resource::PersistentVolumeClaims => texts.text("resource-persistent-volume-claims"),
        Resource::Secrets => texts.text("resource-secrets"),
        Resource::ConfigMaps => texts.text("resource-config-maps"),
    }
}

/// Returns a number of members in words.
#[must_use]
pub fn members_text(texts: &Texts, count: u64) -> String {
    texts.text_with("count-members", &[("count", count.into())])
}
