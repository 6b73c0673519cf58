use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ConditionStatus, string_enum};
use crate::name::HostClusterName;

/// Damage that a tenant could cause if an isolation check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Capacity or traffic of others could be affected.
    Medium,
    /// Data or traffic of one other tenant, or of a server of the operator, could be reached.
    High,
    /// The host cluster as a whole could be taken over.
    Critical,
}

string_enum!(Severity { Medium = "medium", High = "high", Critical = "critical" } else UnknownSeverity = "must be medium, high or critical");

/// Result of one isolation check of a tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolationResult {
    /// Type of the condition, in `CamelCase`, from a fixed set: `HostPathRejected`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Attempt of the check, for users.
    pub title: String,
    /// Damage if the check fails.
    pub severity: Severity,
    /// `True` if the isolation is proven, `False` if it is broken, `Unknown` if the check could not decide.
    pub status: ConditionStatus,
    /// Machine-readable reason, in `CamelCase`.
    pub reason: String,
    /// Description of the reason for users.
    pub message: String,
    /// Next step for the operator; empty if the check passed.
    pub remedy: String,
}

/// Result of an isolation check, with the time at which its status last changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolationCondition {
    /// Latest result.
    #[serde(flatten)]
    pub result: IsolationResult,
    /// Time at which the status last changed.
    pub last_transition_time: Timestamp,
}

/// Results of all isolation checks of a tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolationReport {
    /// Host cluster that was checked.
    pub host_cluster: HostClusterName,
    /// Time of the checks.
    pub collected_at: Timestamp,
    /// Results in the order of the checks.
    pub conditions: Vec<IsolationCondition>,
}

impl IsolationReport {
    /// Combines new results with the times of the previous report.
    #[must_use]
    pub fn new(
        previous: Option<&Self>,
        host_cluster: HostClusterName,
        results: Vec<IsolationResult>,
        now: Timestamp,
    ) -> Self {
        let known = |result: &IsolationResult| {
            let conditions = previous.into_iter().flat_map(|report| &report.conditions);
            conditions
                .into_iter()
                .find(|known| known.result.kind == result.kind && known.result.status == result.status)
        };
        let condition = |result: IsolationResult| {
            let last_transition_time = known(&result).map_or(now, |known| known.last_transition_time);
            IsolationCondition { result, last_transition_time }
        };
        Self { host_cluster, collected_at: now, conditions: results.into_iter().map(condition).collect() }
    }

    /// Status of the isolation as a whole: `False` if a check failed, `True` if every check passed, `Unknown`
    /// otherwise.
    #[must_use]
    pub fn status(&self) -> ConditionStatus {
        let any = |status| self.conditions.iter().any(|condition| condition.result.status == status);
        match () {
            () if any(ConditionStatus::False) => ConditionStatus::False,
            () if any(ConditionStatus::Unknown) || self.conditions.is_empty() => ConditionStatus::Unknown,
            () => ConditionStatus::True,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(kind: &str, status: ConditionStatus) -> IsolationResult {
        IsolationResult {
            kind: kind.to_owned(),
            title: String::new(),
            severity: Severity::High,
            status,
            reason: "Rejected".to_owned(),
            message: String::new(),
            remedy: String::new(),
        }
    }

    #[test]
    fn transition_times_change_only_with_the_status() {
        use ConditionStatus::{False, True};
        let (early, late) = (Timestamp::constant(1, 0), Timestamp::constant(2, 0));
        let host = HostClusterName::parse("fra").unwrap();
        let first =
            IsolationReport::new(None, host.clone(), vec![result("A", True), result("B", True)], early);
        let second =
            IsolationReport::new(Some(&first), host, vec![result("A", True), result("B", False)], late);
        let times: Vec<_> =
            second.conditions.iter().map(|condition| condition.last_transition_time).collect();
        assert_eq!((times, second.collected_at), (vec![early, late], late));
    }

    #[test]
    fn only_a_report_whose_checks_all_passed_is_proof() {
        use ConditionStatus::{False, True, Unknown};
        for (statuses, expected) in [
            (vec![True, True], True),
            (vec![True, Unknown], Unknown),
            (vec![Unknown, False], False),
            (vec![], Unknown),
        ] {
            let results = statuses.iter().map(|status| result("A", *status)).collect();
            let host = HostClusterName::parse("fra").unwrap();
            let report = IsolationReport::new(None, host, results, Timestamp::UNIX_EPOCH);
            assert_eq!(report.status(), expected, "{statuses:?}");
        }
    }
}
