use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{AlertRuleId, OrganizationId, TypedId as _, WorkspaceId};
use hexabase_core::model::{AlertRule, AlertThreshold};
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

    async fn list_alert_thresholds(
        &self,
        after: Option<AlertRuleId>,
        limit: u16,
    ) -> Result<Vec<AlertThreshold>> {
        let query = Query::new(
            "SELECT id, workspace_id, plan_id, project_name, project_quota, condition, severity \
             FROM alert_thresholds WHERE id > $1 ORDER BY id LIMIT $2",
        );
        let query = query.text(after.unwrap_or(AlertRuleId::least())).int(i64::from(limit));
        self.0.fetch(query).await?.iter().map(|row| read_threshold(&mut Cells::new(row))).collect()
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
