//! Limits of alert rules as a time series, with which a fixed set of generic rules compares the metrics of tenants.

use std::fmt::Write as _;

use crate::id::TypedId as _;
use crate::model::{AlertCondition, AlertThreshold};
use crate::plans::PlanCatalog;

/// Name of the series that has the limits of alert rules.
pub const THRESHOLD_SERIES: &str = "hexabase_alert_rule_threshold";

/// Returns the limits of alert rules in the text format of Prometheus
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>), one series per rule. A rule with a percentage of a
/// quota that no longer exists has no series.
///
/// The labels are ids, words of closed sets, and the names of projects, which are DNS labels.
#[must_use]
pub fn thresholds_as_text(thresholds: &[AlertThreshold], plans: &PlanCatalog) -> String {
    let mut text = format!(
        "# HELP {THRESHOLD_SERIES} Limit of an alert rule in the unit of its metric.\n# TYPE {THRESHOLD_SERIES} gauge\n"
    );
    for AlertThreshold { id, workspace_id, plan_id, project, condition, severity } in thresholds {
        let AlertCondition { metric, comparison, limit, duration } = *condition;
        let (name, quota) = project.as_ref().map(|(name, quota)| (name.as_str(), quota)).unzip();
        let Some(plan) = plans.find(plan_id) else { continue };
        let Some(value) = limit.resolve(metric, quota, &plan.quota) else { continue };
        let (namespace, project) = (workspace_id.kubernetes_name(), name.unwrap_or_default());
        // Writing to a text never fails.
        let _ = writeln!(
            text,
            "{THRESHOLD_SERIES}{{rule=\"{id}\",namespace=\"{namespace}\",project=\"{project}\",metric=\"{metric}\",\
             comparison=\"{comparison}\",for=\"{duration}\",severity=\"{severity}\"}} {value}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::metrics::Metric;
    use crate::model::{AlertLimit, AlertRule, Project};
    use crate::quantity::Quantity;
    use crate::quota::{Quota, Resource};

    fn threshold(rule: AlertRule, project: Option<Project>) -> AlertThreshold {
        AlertThreshold {
            id: rule.id,
            workspace_id: rule.workspace_id,
            plan_id: fixture::plan("small").id,
            project: project.map(|project| (project.name, project.quota)),
            condition: rule.condition,
            severity: rule.severity,
        }
    }

    #[test]
    fn each_rule_has_one_series_with_its_limit() {
        let percent = |name: &str, metric| {
            let mut rule = fixture::alert_rule(name);
            (rule.condition.metric, rule.condition.limit) = (metric, AlertLimit::PercentOfQuota(50));
            rule
        };
        let quota = Quota::new().with(Resource::Memory, Quantity::gibibytes(1));
        let shop = Project { quota, ..fixture::project("shop") };
        let (first, second) = (fixture::alert_rule("first"), percent("second", Metric::Memory));
        let mut gone = threshold(fixture::alert_rule("gone"), None);
        gone.plan_id = fixture::plan("removed").id;
        let plans = PlanCatalog::new(vec![fixture::plan("small")]).unwrap();
        let thresholds = [
            threshold(first.clone(), None),
            threshold(second.clone(), Some(shop)),
            // The plan has no quota for storage.
            threshold(percent("third", Metric::Storage), None),
            gone,
        ];
        let namespace = first.workspace_id.kubernetes_name();
        let expected = format!(
            "# HELP hexabase_alert_rule_threshold Limit of an alert rule in the unit of its metric.\n\
             # TYPE hexabase_alert_rule_threshold gauge\n\
             hexabase_alert_rule_threshold{{rule=\"{}\",namespace=\"{namespace}\",project=\"\",metric=\"cpu\",\
             comparison=\"above\",for=\"5m\",severity=\"warning\"}} 1.5\n\
             hexabase_alert_rule_threshold{{rule=\"{}\",namespace=\"{namespace}\",project=\"shop\",metric=\"memory\",\
             comparison=\"above\",for=\"5m\",severity=\"warning\"}} 536870912\n",
            first.id, second.id,
        );
        assert_eq!(thresholds_as_text(&thresholds, &plans), expected);
    }
}
