use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::string_enum;

/// Maximum number of findings in a report.
pub const MAX_POLICY_FINDINGS: usize = 500;
/// Maximum length of a text of a finding, in characters.
const MAX_TEXT_LENGTH: usize = 500;

/// Result of a policy for one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyResult {
    /// The object violates the policy.
    Fail,
    /// The object violates a policy that only warns.
    Warn,
    /// The policy could not be evaluated.
    Error,
}

string_enum!(PolicyResult { Fail = "fail", Warn = "warn", Error = "error" } else UnknownPolicyResult = "must be fail, warn or error");

/// Violation of a policy of the host by an object of a tenant, by the names of the tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyFinding {
    /// Namespace of the object in the tenant cluster.
    pub namespace: String,
    /// Kind of the object, such as `Pod`.
    pub kind: String,
    /// Name of the object in the tenant cluster.
    pub name: String,
    /// Name of the policy.
    pub policy: String,
    /// Name of the rule; empty if the policy has none.
    pub rule: String,
    /// Result of the policy.
    pub result: PolicyResult,
    /// Message of the policy.
    pub message: String,
    /// Time of the evaluation; `None` if the report has none.
    pub evaluated_at: Option<Timestamp>,
}

/// Violations of policies that a provisioner read, in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFindings {
    /// Violations; some may occur twice.
    pub items: Vec<PolicyFinding>,
    /// `true` if some reports or objects were not read because there were too many.
    pub truncated: bool,
}

/// Violations of policies of the host by the objects of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyReport {
    /// Time at which a worker read the reports of the host.
    pub collected_at: Timestamp,
    /// Findings, sorted by namespace, kind and name.
    pub findings: Vec<PolicyFinding>,
    /// `true` if there were more findings than those of the report.
    pub truncated: bool,
}

impl PolicyReport {
    /// Creates a report with at most [`MAX_POLICY_FINDINGS`] findings, whose texts are bounded.
    #[must_use]
    pub fn new(read: PolicyFindings, collected_at: Timestamp) -> Self {
        let PolicyFindings { items: mut findings, truncated } = read;
        findings.sort();
        findings.dedup();
        let truncated = truncated || findings.len() > MAX_POLICY_FINDINGS;
        findings.truncate(MAX_POLICY_FINDINGS);
        let bound = |text: &mut String| {
            if let Some((end, _)) = text.char_indices().nth(MAX_TEXT_LENGTH) {
                text.truncate(end);
                text.push('…');
            }
        };
        for finding in &mut findings {
            let PolicyFinding { namespace, kind, name, policy, rule, message, .. } = finding;
            [namespace, kind, name, policy, rule, message].into_iter().for_each(bound);
        }
        Self { collected_at, findings, truncated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::FIXTURE_TIME;

    fn finding(name: &str) -> PolicyFinding {
        PolicyFinding {
            namespace: "web".to_owned(),
            kind: "Pod".to_owned(),
            name: name.to_owned(),
            policy: "images".to_owned(),
            rule: String::new(),
            result: PolicyResult::Fail,
            message: "ä".repeat(2_000),
            evaluated_at: None,
        }
    }

    #[test]
    fn a_report_is_bounded_and_sorted() {
        let items = (0..600).rev().map(|number| finding(&format!("{number:03}"))).collect();
        let report = PolicyReport::new(PolicyFindings { items, truncated: false }, FIXTURE_TIME);
        assert_eq!((report.findings.len(), report.truncated), (MAX_POLICY_FINDINGS, true));
        assert_eq!((report.findings[0].name.as_str(), report.findings[499].name.as_str()), ("000", "499"));
        assert_eq!(report.findings[0].message.chars().count(), MAX_TEXT_LENGTH + 1);
        for truncated in [false, true] {
            let items = vec![finding("a"), finding("a")];
            let small = PolicyReport::new(PolicyFindings { items, truncated }, FIXTURE_TIME);
            assert_eq!(
                (small.findings.len(), small.truncated),
                (1, truncated),
                "Kyverno reports some results twice"
            );
        }
    }
}
