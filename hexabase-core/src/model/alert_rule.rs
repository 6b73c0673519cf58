use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AlertRuleId, OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::metrics::Metric;
use crate::model::string_enum;
use crate::name::{Email, PlanId, ProjectName, Slug};
use crate::quantity::Quantity;
use crate::quota::Quota;
use crate::version::Version;

/// Alert rule: a condition on a metric of a workspace, or of one of its projects, and the members who are notified.
///
/// A rule of a project is deleted with the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRule {
    /// Id of the rule.
    pub id: AlertRuleId,
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace of the rule.
    pub workspace_id: WorkspaceId,
    /// Project whose metric is compared; `None` for the workspace as a whole. It never changes.
    pub project_id: Option<ProjectId>,
    /// Name, unique in the workspace.
    pub name: Slug,
    /// Condition under which the rule fires.
    pub condition: AlertCondition,
    /// Severity of the alert.
    pub severity: AlertSeverity,
    /// Addresses of the members who are notified. Those who have left the organization since are skipped.
    pub notify: Vec<Email>,
    /// User who created the rule.
    pub created_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

/// Condition of an alert rule: the comparison of a metric with a limit, over a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCondition {
    /// Metric that is compared.
    pub metric: Metric,
    /// Side of the limit on which the rule fires.
    pub comparison: Comparison,
    /// Limit with which the metric is compared.
    pub limit: AlertLimit,
    /// Time for which the comparison must hold before the rule fires.
    #[serde(rename = "for")]
    pub duration: AlertDuration,
}

/// Limit of an alert rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertLimit {
    /// Amount in the unit of the metric.
    Threshold(Quantity),
    /// Percentage, 1 to 100, of the quota for the metric: that of the project, or of the plan if the rule has no
    /// project or its project has no such quota.
    PercentOfQuota(u8),
}

impl AlertLimit {
    /// Returns the limit in the unit of the metric; `None` for a percentage of a quota that does not exist.
    #[must_use]
    pub fn resolve(self, metric: Metric, project: Option<&Quota>, plan: &Quota) -> Option<f64> {
        match self {
            Self::Threshold(threshold) => Some(threshold.as_f64()),
            Self::PercentOfQuota(percent) => {
                let resource = metric.quota_resource()?;
                let quota = project.and_then(|quota| quota.get(resource)).or_else(|| plan.get(resource))?;
                Some(quota.as_f64() * f64::from(percent) / 100.0)
            }
        }
    }
}

/// Side of the limit on which an alert rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// The metric is greater than the limit.
    Above,
    /// The metric is less than the limit.
    Below,
}

string_enum!(Comparison { Above = "above", Below = "below" } else UnknownComparison = "must be above or below");

impl Comparison {
    /// `true` if a value is on this side of a limit.
    #[must_use]
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::Below => value < limit,
        }
    }
}

/// Time for which the comparison of an alert rule must hold before the rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertDuration {
    /// No time: the rule fires at once.
    Immediate,
    /// 1 minute.
    Minute,
    /// 5 minutes.
    FiveMinutes,
    /// 15 minutes.
    FifteenMinutes,
    /// 1 hour.
    Hour,
}

string_enum!(AlertDuration {
    Immediate = "0",
    Minute = "1m",
    FiveMinutes = "5m",
    FifteenMinutes = "15m",
    Hour = "1h",
} else UnknownAlertDuration = "must be one of 0, 1m, 5m, 15m, 1h");

impl AlertDuration {
    /// Returns the length of the time.
    #[must_use]
    pub const fn length(self) -> Duration {
        let minutes = match self {
            Self::Immediate => 0,
            Self::Minute => 1,
            Self::FiveMinutes => 5,
            Self::FifteenMinutes => 15,
            Self::Hour => 60,
        };
        Duration::from_secs(minutes * 60)
    }
}

/// Severity of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertSeverity {
    /// No action is necessary.
    Info,
    /// Action is necessary soon.
    Warning,
    /// Action is necessary at once.
    Critical,
}

string_enum!(AlertSeverity {
    Info = "info",
    Warning = "warning",
    Critical = "critical",
} else UnknownAlertSeverity = "must be info, warning or critical");

/// State of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// The condition of the rule holds.
    Firing,
    /// The condition of the rule no longer holds.
    Resolved,
}

string_enum!(AlertState { Firing = "firing", Resolved = "resolved" } else UnknownAlertState = "must be firing or resolved");

/// Part of an alert rule that its evaluation needs, without the name of the rule and the addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertThreshold {
    /// Id of the rule.
    pub id: AlertRuleId,
    /// Workspace of the rule.
    pub workspace_id: WorkspaceId,
    /// Plan of the workspace.
    pub plan_id: PlanId,
    /// Name and quota of the project; `None` for the workspace as a whole.
    pub project: Option<(ProjectName, Quota)>,
    /// Condition under which the rule fires.
    pub condition: AlertCondition,
    /// Severity of the alert.
    pub severity: AlertSeverity,
}

/// Page of the conditions of alert rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertThresholdPage {
    /// Conditions, ordered by the id of the rule.
    pub thresholds: Vec<AlertThreshold>,
    /// Ids, as stored, of the rules of the page that cannot be read.
    pub unreadable: Vec<String>,
    /// Id, as stored, of the last rule of the page; `None` on the last page.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Resource;

    #[test]
    fn a_percentage_is_of_the_quota_of_the_project_and_else_of_the_plan() {
        let plan = Quota::new()
            .with(Resource::Cpu, Quantity::units(4))
            .with(Resource::Memory, Quantity::gibibytes(8));
        let project = Quota::new().with(Resource::Cpu, Quantity::units(1));
        let resolve = |limit: AlertLimit, metric, project| limit.resolve(metric, project, &plan);
        let half = AlertLimit::PercentOfQuota(50);
        assert_eq!(resolve(half, Metric::Cpu, None), Some(2.0));
        assert_eq!(resolve(half, Metric::Cpu, Some(&project)), Some(0.5));
        assert_eq!(resolve(half, Metric::Memory, Some(&project)), Some(4_294_967_296.0));
        assert_eq!(resolve(half, Metric::Pods, Some(&project)), None);
        assert_eq!(resolve(half, Metric::ApiRequests, None), None);
        let amount = AlertLimit::Threshold(Quantity::milli(250));
        assert_eq!(resolve(amount, Metric::ApiRequests, None), Some(0.25));
    }

    #[test]
    fn a_value_that_equals_the_limit_does_not_fire() {
        for comparison in Comparison::ALL {
            assert!(!comparison.holds(2.0, 2.0), "{comparison}");
        }
        assert!(Comparison::Above.holds(2.5, 2.0) && !Comparison::Above.holds(1.5, 2.0));
        assert!(Comparison::Below.holds(1.5, 2.0) && !Comparison::Below.holds(f64::NAN, 2.0));
    }

    #[test]
    fn the_text_of_a_duration_is_its_length() {
        for duration in AlertDuration::ALL {
            let parsed = match duration.as_str() {
                "0" => 0,
                text => {
                    let (number, unit) = text.split_at(text.len() - 1);
                    number.parse::<u64>().unwrap() * if unit == "h" { 3_600 } else { 60 }
                }
            };
            assert_eq!(duration.length().as_secs(), parsed, "{duration}");
        }
    }
}
