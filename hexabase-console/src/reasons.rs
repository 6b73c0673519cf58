//! Reasons of the core in the language of the page, by their codes.
//!
//! English pages show the descriptions of the API, which can name numbers and objects.

use hexabase_core::access::{Denial, DenialReason};
use hexabase_core::error::Violation;
use hexabase_core::model::WaitReason;
use hexabase_core::name::NameRule;

use maud::{Markup, html};

use crate::components::api_text;
use crate::form::{error_text, known_error_text};
use crate::language::{Language, Texts};

/// Returns the reason for which an action is not possible.
pub(crate) fn denial_text(texts: &Texts, denial: &Denial) -> String {
    match denial.reason {
        // The error of this code is about a backend.
        DenialReason::Unavailable if texts.language() == Language::English => denial.message.clone(),
        reason if texts.language() == Language::English => {
            error_text(*texts, reason.as_str(), &denial.message)
        }
        DenialReason::InsufficientRole => texts.text("denial-role"),
        DenialReason::InsufficientScope => texts.text("denial-scope"),
        DenialReason::ServiceAccount => texts.text("denial-service-account"),
        DenialReason::OrganizationDeleting => texts.text("error-organization-deleting"),
        DenialReason::OrganizationSuspended => texts.text("error-organization-suspended"),
        DenialReason::SubscriptionActive => texts.text("error-subscription-active"),
        DenialReason::OrderPending => texts.text("error-order-pending"),
        DenialReason::LastOwner => texts.text("error-last-owner"),
        DenialReason::PlanNotPaidFor => texts.text("error-plan-not-paid-for"),
        DenialReason::PaymentOverdue => texts.text("error-payment-overdue"),
        DenialReason::NotInPlan => texts.text("error-not-in-plan"),
        DenialReason::QuotaExceeded => texts.text("error-quota-exceeded"),
        DenialReason::WorkspaceDeleting => texts.text("error-workspace-deleting"),
        DenialReason::BillingSuspended => texts.text("error-billing-suspended"),
        DenialReason::WorkspaceSuspended => texts.text("error-workspace-suspended"),
        DenialReason::WorkspaceRunning => texts.text("error-workspace-running"),
        DenialReason::WorkspaceNotReady => texts.text("error-workspace-not-ready"),
        DenialReason::Unavailable => texts.text("error-plan-removed"),
    }
}

/// Returns the subject of a wait.
pub(crate) fn wait_text(texts: &Texts, reason: WaitReason) -> String {
    match reason {
        WaitReason::NamespaceTerminating => texts.text("wait-namespace-terminating"),
        WaitReason::PermissionsPending => texts.text("wait-permissions"),
        WaitReason::ControlPlaneMissing => texts.text("wait-control-plane-missing"),
        WaitReason::PodMissing => texts.text("wait-pod-missing"),
        WaitReason::VolumePending => texts.text("wait-volume"),
        WaitReason::NodePending => texts.text("wait-node"),
        WaitReason::ImagePending => texts.text("wait-image"),
        WaitReason::ObjectPending => texts.text("wait-object"),
        WaitReason::PodCrashing => texts.text("wait-pod-crashing"),
        WaitReason::PodStarting => texts.text("wait-pod-starting"),
        WaitReason::RollingOut => texts.text("wait-rolling-out"),
        WaitReason::KubeconfigPending => texts.text("wait-kubeconfig"),
        WaitReason::ControllersStarting => texts.text("wait-controllers"),
        WaitReason::ApiServerStarting => texts.text("wait-api-server"),
        WaitReason::LoadBalancerPending => texts.text("wait-load-balancer"),
        WaitReason::TenantNotApplied => texts.text("wait-tenant-objects"),
        WaitReason::ProjectNamespaceTerminating => texts.text("wait-project-namespace"),
        WaitReason::NoFreeNodes => texts.text("wait-free-nodes"),
        WaitReason::ReleasingNodes => texts.text("wait-releasing-nodes"),
        WaitReason::ChangingNodes => texts.text("wait-changing-nodes"),
        WaitReason::Stopping => texts.text("wait-stopping"),
        WaitReason::Deleting => texts.text("wait-deleting"),
    }
}

/// Returns a reason in `CamelCase`, as in the status and in the conditions of a workspace, in words; `None` for one of
/// another system, such as a reason of Kubernetes.
pub(crate) fn status_text(texts: &Texts, reason: &str) -> Option<String> {
    if let Ok(wait) = reason.parse() {
        return Some(wait_text(texts, wait));
    }
    match reason {
        "Ready" => Some(texts.text("phase-ready")),
        "Suspended" => Some(texts.text("phase-suspended")),
        "InProgress" => Some(texts.text("step-running")),
        "Synced" => Some(texts.text("reason-synced")),
        "Applied" => Some(texts.text("reason-applied")),
        "NamespaceTaken" => Some(texts.text("reason-namespace-taken")),
        _ => known_error_text(*texts, &code_of(reason)),
    }
}

/// Returns the reason of a status in words, or else its description by the API; nothing for a status without.
pub(crate) fn status_note(texts: &Texts, reason: &str, message: &str) -> Markup {
    match status_text(texts, reason).filter(|_| texts.language() != Language::English) {
        Some(text) => html! { (text) },
        None if message.is_empty() => html! {},
        None => api_text(texts, message),
    }
}

/// Returns the rule that an entry breaks.
pub(crate) fn violation_text(texts: &Texts, violation: &Violation) -> String {
    match (violation.rule, texts.language()) {
        (_, Language::English) => violation.message.clone(),
        (Some(rule), _) => rule_text(texts, rule),
        (None, _) => texts.text_with("rule-other", &[("rule", (&violation.message).into())]),
    }
}

/// Returns the label of a field of a request, in the summary of the errors of a form; `None` for fields that are in few forms.
pub(crate) fn field_label(texts: &Texts, field: &str) -> Option<String> {
    match field {
        "name" => Some(texts.text("field-name")),
        "display_name" => Some(texts.text("field-display-name")),
        "email" => Some(texts.text("field-email")),
        "emails" => Some(texts.text("invite-emails")),
        "kubernetes_version" => Some(texts.text("field-version")),
        "plan_id" => Some(texts.text("field-plan")),
        "region" => Some(texts.text("field-region")),
        "role" => Some(texts.text("field-role")),
        "rules" => Some(texts.text("role-rules")),
        "scopes" => Some(texts.text("token-scopes")),
        _ => None,
    }
}

fn rule_text(texts: &Texts, rule: NameRule) -> String {
    match rule {
        NameRule::DnsLabel => texts.text("rule-dns-label"),
        NameRule::GroupName => texts.text("rule-group-name"),
        NameRule::DisplayLength => texts.text("rule-display-length"),
        NameRule::OuterWhiteSpace => texts.text("rule-white-space"),
        NameRule::InvisibleCharacters => texts.text("rule-invisible"),
        NameRule::Email => texts.text("rule-email"),
        NameRule::AsciiEmail => texts.text("rule-ascii-email"),
        NameRule::ManagedObject => texts.text("rule-managed-object"),
        NameRule::Language => texts.text("rule-language"),
        NameRule::ReservedProjectName => texts.text("rule-reserved-project"),
        NameRule::ReservedNamespace => texts.text("rule-reserved-namespace"),
        NameRule::ImageSource => texts.text("rule-image-source"),
        NameRule::ExtendedResource => texts.text("rule-extended-resource"),
        NameRule::KubernetesVersion => texts.text("rule-kubernetes-version"),
    }
}

/// Returns the code of a reason: `QuotaExceeded` becomes `quota_exceeded`.
fn code_of(reason: &str) -> String {
    let mut code = String::with_capacity(reason.len() + 4);
    for letter in reason.chars() {
        if letter.is_ascii_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

#[cfg(test)]
mod tests {
    use hexabase_core::model::BillingSuspension;

    use super::*;

    const JAPANESE: Texts = Texts::new(Language::Japanese);

    #[test]
    fn english_pages_have_the_description_of_the_api_and_others_that_of_the_reason() {
        let message = "the plan starter allows 3 workspaces; remove one or change the plan";
        let denial = Denial { reason: DenialReason::QuotaExceeded, message: message.to_owned() };
        assert_eq!(denial_text(&Texts::new(Language::English), &denial), message);
        for reason in DenialReason::ALL {
            let text = denial_text(&JAPANESE, &Denial { reason: *reason, message: message.to_owned() });
            assert!(!text.is_ascii(), "{reason}: {text}");
        }
    }

    #[test]
    fn rules_of_names_are_translated_and_others_quoted() {
        for rule in NameRule::ALL {
            let violation = Violation { rule: Some(rule), ..Violation::new("name", rule.description()) };
            assert_eq!(violation_text(&Texts::new(Language::English), &violation), rule.description());
            assert_ne!(violation_text(&JAPANESE, &violation), rule.description());
            assert!(!violation_text(&JAPANESE, &violation).contains("must"), "{rule:?}");
        }
        let other = violation_text(&JAPANESE, &Violation::new("nodes", "must be 1 to 9"));
        assert_eq!(other, "値が正しくありません: must be 1 to 9");
    }

    #[test]
    fn waits_suspensions_and_errors_have_words_and_foreign_reasons_none() {
        let imposed =
            [BillingSuspension::Overdue, BillingSuspension::NotPaidFor].map(BillingSuspension::reason);
        let waits = WaitReason::ALL.iter().map(|reason| reason.as_str());
        let others = ["OrganizationSuspended", "Unavailable", "QuotaExceeded", "Synced", "Ready"];
        for reason in waits.chain(imposed).chain(others) {
            let text = status_text(&JAPANESE, reason).unwrap_or_default();
            assert!(!text.is_ascii(), "{reason}: {text}");
        }
        assert_eq!(status_text(&JAPANESE, "FailedMount"), None);
    }
}
