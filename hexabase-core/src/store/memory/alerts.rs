use async_trait::async_trait;

use super::MemoryStore;
use super::state::alert_rules;
use crate::changeset::{Record, RecordKey};
use crate::error::Result;
use crate::id::{AlertRuleId, OrganizationId, WorkspaceId};
use crate::model::{AlertRule, AlertThreshold, AlertThresholdPage, Project, Workspace};
use crate::page::{Page, PageRequest};
use crate::store::AlertStore;

#[async_trait]
impl AlertStore for MemoryStore {
    async fn find_alert_rule(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AlertRuleId,
    ) -> Result<Option<AlertRule>> {
        Ok(self.lock().get(&RecordKey::AlertRule(org, ws, id)).cloned())
    }

    async fn list_alert_rules(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<AlertRule>> {
        let after = page.after_id()?.map(|id| RecordKey::AlertRule(org, ws, id));
        let state = self.lock();
        let found = state.forward::<AlertRule>(alert_rules(org, ws), after);
        let found = found.take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |rule: &AlertRule| rule.id.to_string()))
    }

    async fn count_alert_rules(&self, org: OrganizationId, ws: WorkspaceId) -> Result<u32> {
        let count = self.lock().scan::<AlertRule>(alert_rules(org, ws)).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn list_alert_thresholds(&self, after: Option<String>, limit: u16) -> Result<AlertThresholdPage> {
        let state = self.lock();
        let mut rules: Vec<&AlertRule> = state
            .records
            .values()
            .filter_map(|record| if let Record::AlertRule(rule) = record { Some(rule) } else { None })
            .filter(|rule| after.as_ref().is_none_or(|after| rule.id.to_string() > *after))
            .collect();
        rules.sort_unstable_by_key(|rule| rule.id);
        let has_more = rules.len() > usize::from(limit);
        rules.truncate(usize::from(limit));
        let next = rules.last().filter(|_| has_more).map(|rule| rule.id.to_string());
        let threshold = |rule: &AlertRule| {
            let (org, ws) = (rule.organization_id, rule.workspace_id);
            let workspace = state.get::<Workspace>(&RecordKey::Workspace(org, ws))?;
            let project =
                rule.project_id.and_then(|id| state.get::<Project>(&RecordKey::Project(org, ws, id)));
            Some(AlertThreshold {
                id: rule.id,
                workspace_id: ws,
                plan_id: workspace.plan_id.clone(),
                project: project.map(|project| (project.name.clone(), project.quota.clone())),
                condition: rule.condition,
                severity: rule.severity,
            })
        };
        let thresholds = rules.into_iter().filter_map(threshold).collect();
        Ok(AlertThresholdPage { thresholds, unreadable: Vec::new(), next })
    }
}
