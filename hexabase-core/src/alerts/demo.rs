//! Evaluation of alert rules for demonstrations.

use std::sync::Arc;
use std::time::Duration;

use super::{EVALUATION_INTERVAL, FiringAlert, back_test};
use crate::clock::{Clock, aligned, before};
use crate::desired::TenantTarget;
use crate::error::Result;
use crate::id::WorkspaceId;
use crate::metrics::{MetricsSource, RuleQuery};
use crate::model::{AlertRule, Plan, WorkspaceState};
use crate::page::PageRequest;
use crate::plans::{PlanCatalog, merge};
use crate::store::TenantStore;

/// Time before now over which a rule is evaluated, as if it had been created then: longer than every duration.
const RANGE: Duration = Duration::from_secs(2 * 3_600);

/// Alert rules of the store, evaluated with the metrics of a source when alerts are listed.
#[derive(Debug)]
pub(super) struct Demo {
    pub(super) store: Arc<dyn TenantStore>,
    pub(super) metrics: Arc<dyn MetricsSource>,
    pub(super) plans: Vec<Plan>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Demo {
    /// Returns the alerts of a workspace that are firing.
    pub(super) async fn firing(&self, workspace: WorkspaceId) -> Result<Vec<FiringAlert>> {
        let Some(organization) = self.store.organization_of_workspace(workspace).await? else {
            return Ok(Vec::new());
        };
        let Some(state) = self.store.load_workspace(organization, workspace).await? else {
            return Ok(Vec::new());
        };
        let plans = PlanCatalog::new(merge(&self.store.read_plans().await?, &self.plans))?;
        let Some(plan) = plans.find(&state.workspace.plan_id) else { return Ok(Vec::new()) };
        let (mut firing, mut page) = (Vec::new(), PageRequest::largest());
        loop {
            let rules = self.store.list_alert_rules(organization, workspace, &page).await?;
            for rule in &rules.items {
                firing.extend(self.evaluate(&state, plan, rule).await?);
            }
            match rules.next {
                Some(next) => page = PageRequest::new(PageRequest::MAX_LIMIT, Some(next)),
                None => return Ok(firing),
            }
        }
    }

    async fn evaluate(
        &self,
        state: &WorkspaceState,
        plan: &Plan,
        rule: &AlertRule,
    ) -> Result<Option<FiringAlert>> {
        let condition = rule.condition;
        let project = state.projects.iter().find(|project| Some(project.id) == rule.project_id);
        let quota = project.map(|project| &project.quota);
        let Some(limit) = condition.limit.resolve(condition.metric, quota, &plan.quota) else {
            return Ok(None);
        };
        let end = aligned(self.clock.now(), EVALUATION_INTERVAL);
        let query = RuleQuery {
            target: TenantTarget::of(&state.workspace),
            metric: condition.metric,
            project: project.map(|project| project.name.to_string()),
            start: before(end, RANGE),
            end,
        };
        let points = query.points(&self.metrics.rule_values(&query).await?);
        let periods = back_test(&points, condition.comparison, limit, condition.duration);
        let firing = periods.last().filter(|period| period.ends_at.is_none());
        Ok(firing.map(|period| FiringAlert {
            rule_id: rule.id,
            starts_at: period.starts_at,
            silenced_by: Vec::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::{AlertSource as _, MemoryAlerts};
    use crate::changeset::Changeset;
    use crate::clock::ManualClock;
    use crate::fixture::{self, FIXTURE_TIME, id};
    use crate::metrics::{Metric, SandboxMetrics};
    use crate::model::{AlertDuration, AlertLimit};
    use crate::quantity::Quantity;
    use crate::store::{Commit as _, MemoryStore};

    #[tokio::test]
    async fn rules_that_the_invented_metrics_exceed_are_firing() {
        let rule = |name: &str, bytes| {
            let mut rule = fixture::alert_rule(name);
            rule.condition.metric = Metric::Memory;
            rule.condition.limit = AlertLimit::Threshold(Quantity::units(bytes));
            rule.condition.duration = AlertDuration::Hour;
            rule
        };
        let (low, high) = (rule("low", 1), rule("high", 1 << 50));
        let store = Arc::new(MemoryStore::new());
        let changeset = Changeset::new()
            .insert(fixture::organization("acme"))
            .insert(fixture::workspace("dev"))
            .insert(fixture::project("web"))
            .insert(low.clone())
            .insert(high);
        store.commit(changeset).await.unwrap();
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let metrics = Arc::new(SandboxMetrics::new(clock.clone(), store.clone()));
        let alerts = MemoryAlerts::for_demonstration(store, metrics, vec![fixture::plan("small")], clock);
        let firing = alerts.alerts(id("dev")).await.unwrap();
        assert_eq!(firing.iter().map(|alert| alert.rule_id).collect::<Vec<_>>(), [low.id]);
        assert!(firing[0].starts_at < FIXTURE_TIME);
        assert!(alerts.alerts(id("other")).await.unwrap().is_empty());
    }
}
