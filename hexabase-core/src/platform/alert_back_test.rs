//! Evaluation of an alert rule over the last day, before it is created or changed.

use std::time::Duration;

use jiff::Timestamp;

use super::{AlertRules, Caller, CreateAlertRule, Metrics};
use crate::access::Action;
use crate::alerts::{EVALUATION_INTERVAL, FiringPeriod, ValueRange, back_test, measured_periods};
use crate::clock::{aligned, before};
use crate::desired::TenantTarget;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::metrics::{MAX_RULE_VALUES, RuleQuery};

/// Maximum number of periods in an [`AlertBackTest`].
pub const MAX_FIRING_PERIODS: usize = 100;
/// Range of the evaluation.
const RANGE: Duration = EVALUATION_INTERVAL.saturating_mul(MAX_RULE_VALUES);

/// Result of the evaluation of an alert rule over the last 24 hours.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertBackTest {
    /// Start of the evaluated time. The rule is evaluated as if it had been created then.
    pub start: Timestamp,
    /// End of the evaluated time.
    pub end: Timestamp,
    /// Limit in the unit of the metric.
    pub threshold: f64,
    /// Periods in which the rule had a value: pairs of start and end.
    pub measured: Vec<[Timestamp; 2]>,
    /// Lowest and highest value; `None` if nothing was measured.
    pub range: Option<ValueRange>,
    /// Number of periods in which the alert would have been firing.
    pub count: usize,
    /// The last [`MAX_FIRING_PERIODS`] of these periods, oldest first.
    pub periods: Vec<FiringPeriod>,
    /// `true` if the values are invented, for demonstrations.
    pub is_simulated: bool,
}

impl AlertRules<'_> {
    /// Evaluates a rule over the last 24 hours, with the expressions and at the interval with which alert rules are
    /// evaluated, and returns when its alert would have been firing. Nothing is created or recorded.
    ///
    /// The name may be that of an existing rule, so that a change of that rule can be evaluated, and the limit of the plan
    /// may be reached. The evaluation is one of the metric queries of the workspace in progress. A rule of a project has no
    /// values before the creation of the project.
    ///
    /// # Errors
    /// - Those of [`Self::create`], except `AlreadyExists` and `QuotaExceeded`.
    /// - Those of the source and the limits of metric queries, as [`Metrics::chart`].
    pub async fn back_test(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        command: &CreateAlertRule,
    ) -> Result<AlertBackTest> {
        let scope = (organization, workspace, command.project_id);
        let change = self.0.begin(caller, scope, Action::AlertRuleCreate).await?;
        let project = self.0.check_alert_rule(&change.workspace, &command.rule(caller, &change)).await?;
        let (condition, plans) = (command.condition, self.0.plans().await?);
        let plan = plans.get(&change.workspace.plan_id)?;
        let quota = project.as_ref().map(|project| &project.quota);
        let threshold = condition.limit.resolve(condition.metric, quota, &plan.quota);
        // The check has resolved the limit, but the plans may have changed since.
        let threshold = threshold.ok_or_else(|| Error::unavailable("the plans have changed; retry"))?;
        let end = aligned(change.now, EVALUATION_INTERVAL);
        let query = RuleQuery {
            target: TenantTarget::of(&change.workspace),
            metric: condition.metric,
            project: project.as_ref().map(|project| project.name.to_string()),
            start: before(end, RANGE),
            end,
        };
        let metrics = Metrics(self.0);
        let source = metrics.source()?;
        let mut values = metrics.run(workspace, source.rule_values(&query)).await?;
        // The name selects the values, and a deleted project with other members may have had it.
        values.retain(|it| project.as_ref().is_none_or(|project| it.at > project.created_at));
        let points = query.points(&values);
        let mut periods = back_test(&points, condition.comparison, threshold, condition.duration);
        let count = periods.len();
        periods.drain(..count.saturating_sub(MAX_FIRING_PERIODS));
        Ok(AlertBackTest {
            start: query.start,
            end,
            threshold,
            measured: measured_periods(&points),
            range: ValueRange::of_points(&points),
            count,
            periods,
            is_simulated: source.is_simulated(),
        })
    }
}
