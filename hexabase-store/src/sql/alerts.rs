use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{AlertRuleId, OrganizationId, TypedId as _, WorkspaceId};
use hexabase_core::model::{AlertRule, AlertThreshold, AlertThresholdPage};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::store::AlertStore;

use super::table::select;
use super::{Cells, Engine, Query, Reads as _, SqlStore, row_limit};

#[async_trait]
impl<E: Engine> AlertStore for SqlStore<E> {
    async fn find_alert_rule(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AlertRuleId,
    ) -> Result<Option<AlertRule>> {
        self.0.find_in_workspace(org, ws, id.to_string()).await
    }

    async fn list_alert_rules(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<AlertRule>> {
        let after = page.after_id::<AlertRuleId>()?.unwrap_or(AlertRuleId::least());
        let query = select::<AlertRule>(
            "WHERE organization_id = $1 AND workspace_id = $2 AND id > $3 ORDER BY id LIMIT $4",
        );
        let query = query.for_organization(org).text(ws).text(after).int(row_limit(page));
        self.0.page(query, page, |rule: &AlertRule| rule.id.to_string()).await
    }

    async fn count_alert_rules(&self, org: OrganizationId, ws: WorkspaceId) -> Result<u32> {
        let query =
            Query::new("SELECT COUNT(*) FROM alert_rules WHERE organization_id = $1 AND workspace_id = $2");
        let rows = self.0.fetch(query.for_organization(org).text(ws)).await?;
        rows.first().map_or(Ok(0), |row| Cells::new(row).number())
    }

    async fn list_alert_thresholds(&self, after: Option<String>, limit: u16) -> Result<AlertThresholdPage> {
        let query = Query::new(
            "SELECT id, workspace_id, plan_id, project_name, project_quota, condition, severity \
             FROM alert_thresholds WHERE id > $1 ORDER BY id LIMIT $2",
        );
        // One rule more than the page has, which tells whether there is another page.
        let query = query.text(after.unwrap_or_default()).int(i64::from(limit) + 1);
        let rows = self.0.fetch(query).await?;
        let mut page = AlertThresholdPage::default();
        for row in rows.iter().take(usize::from(limit)) {
            let id = Cells::new(row).string()?;
            match read_threshold(&mut Cells::new(row)) {
                Ok(threshold) => page.thresholds.push(threshold),
                Err(_) => page.unreadable.push(id.clone()),
            }
            page.next = Some(id);
        }
        if rows.len() <= usize::from(limit) {
            page.next = None;
        }
        Ok(page)
    }
}

fn read_threshold(cells: &mut Cells<'_>) -> Result<AlertThreshold> {
    Ok(AlertThreshold {
        id: cells.parse()?,
        workspace_id: cells.parse()?,
        plan_id: cells.parse()?,
        project: cells.parse_or_null()?.zip(cells.json_or_null()?),
        condition: cells.json()?,
        severity: cells.parse()?,
    })
}
