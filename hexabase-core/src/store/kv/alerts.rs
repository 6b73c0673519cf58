use async_trait::async_trait;

use super::KvTenantStore;
use super::view::{Reads as _, Space, View};
use crate::changeset::RecordKey;
use crate::error::{ErrorKind, Result};
use crate::id::{AlertRuleId, OrganizationId, WorkspaceId};
use crate::model::{AlertRule, AlertThreshold, AlertThresholdPage, Project, Workspace};
use crate::page::{Page, PageRequest};
use crate::store::AlertStore;

#[async_trait]
impl<S: Space> AlertStore for KvTenantStore<S> {
    async fn find_alert_rule(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AlertRuleId,
    ) -> Result<Option<AlertRule>> {
        self.space.view().await?.find(RecordKey::AlertRule(org, ws, id)).await
    }

    async fn list_alert_rules(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<AlertRule>> {
        let after = page.after_id()?.map(|id| RecordKey::AlertRule(org, ws, id));
        let view = self.space.view().await?;
        let found = view.records_after::<AlertRule>(&[&org, &ws], after, page.limit() + 1);
        let found = found.collect(page.limit() + 1, |item| item.record::<AlertRule>().cloned()).await?;
        Ok(page.page(found, |rule| rule.id.to_string()))
    }

    async fn count_alert_rules(&self, org: OrganizationId, ws: WorkspaceId) -> Result<u32> {
        self.space.view().await?.count::<AlertRule>(&[&org, &ws]).await
    }

    async fn list_alert_thresholds(&self, after: Option<String>, limit: u16) -> Result<AlertThresholdPage> {
        let view = self.space.view().await?;
        let limit = usize::from(limit);
        let after = after.map(|id| AlertRule::BY_ID.key(&[&id]));
        let rules = view.cursor(AlertRule::BY_ID.key(&[])).after_all(after).expecting(limit + 1);
        let keys = rules.collect(limit + 1, |item| item.pointer().cloned()).await?;
        let mut page = AlertThresholdPage::default();
        for key in keys.iter().take(limit) {
            let RecordKey::AlertRule(_, _, id) = key else { continue };
            match threshold(&view, key.clone()).await {
                Ok(threshold) => page.thresholds.extend(threshold),
                Err(error) if error.kind() == ErrorKind::Unexpected => page.unreadable.push(id.to_string()),
                Err(error) => return Err(error),
            }
            page.next = Some(id.to_string());
        }
        if keys.len() <= limit {
            page.next = None;
        }
        Ok(page)
    }
}

async fn threshold<V: View>(view: &V, key: RecordKey) -> Result<Option<AlertThreshold>> {
    let Some(rule) = view.find::<AlertRule>(key).await? else { return Ok(None) };
    let (org, ws) = (rule.organization_id, rule.workspace_id);
    let Some(workspace) = view.find::<Workspace>(RecordKey::Workspace(org, ws)).await? else {
        return Ok(None);
    };
    let project = match rule.project_id {
        Some(id) => view.find::<Project>(RecordKey::Project(org, ws, id)).await?,
        None => None,
    };
    Ok(Some(AlertThreshold {
        id: rule.id,
        workspace_id: ws,
        plan_id: workspace.plan_id,
        project: project.map(|project| (project.name, project.quota)),
        condition: rule.condition,
        severity: rule.severity,
    }))
}
