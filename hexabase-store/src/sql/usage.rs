use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::{Hour, Meter, MeteredHour, PerMeter, UsageHour, UsageReport, WorkspaceUsage};
use hexabase_core::store::{MeteredWorkspace, UsageStore};

use super::records::{per_meter, reading};
use super::statement::Query;
use super::table::select;
use super::work::sql_limit;
use super::{Cells, Engine, Reads as _, SqlStore};

/// Returns the sums of columns as integers; `columns` names the columns of a meter.
fn sums(columns: impl Fn(Meter) -> Vec<String>) -> String {
    let all = Meter::ALL.iter().flat_map(|meter| columns(*meter));
    all.map(|column| format!("CAST(SUM({column}) AS BIGINT)")).collect::<Vec<_>>().join(", ")
}

#[async_trait]
impl<E: Engine> UsageStore for SqlStore<E> {
    async fn list_metered(
        &self,
        hour: Hour,
        after: Option<(OrganizationId, WorkspaceId)>,
        limit: usize,
    ) -> Result<Vec<MeteredWorkspace>> {
        // Each half has its own LIMIT, so that the cost of a page depends on its size only.
        let query = Query::assembled(format!(
            "SELECT organization_id, workspace_id, (SELECT COUNT(*) FROM {accounts} AS account \
             WHERE account.organization_id = metered.organization_id AND account.customer_id IS NOT NULL) FROM (\
             SELECT * FROM (SELECT organization_id, id AS workspace_id FROM {existing} \
             WHERE (organization_id, id) > ($1, $2) ORDER BY organization_id, id LIMIT $4) AS existing UNION \
             SELECT * FROM (SELECT organization_id, workspace_id FROM {used} WHERE hour = $3 \
             AND (organization_id, workspace_id) > ($1, $2) ORDER BY organization_id, workspace_id LIMIT $4) AS used\
             ) AS metered ORDER BY organization_id, workspace_id LIMIT $4",
            accounts = E::BILLING_SCHEDULE,
            existing = E::WORKSPACE_SCHEDULE,
            used = E::USAGE_SCHEDULE,
        ));
        let (organization, workspace) =
            after.map_or_else(Default::default, |(org, ws)| (org.to_string(), ws.to_string()));
        let query = query.text(organization).text(workspace).time(hour.start()).int(sql_limit(limit));
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok(MeteredWorkspace {
                organization_id: cells.parse()?,
                workspace_id: cells.parse()?,
                is_customer: cells.number::<u64>()? > 0,
            })
        };
        self.0.fetch(query).await?.iter().map(read).collect()
    }

    async fn list_usage(&self, organization: OrganizationId, hour: Hour) -> Result<Vec<UsageHour>> {
        let query = select::<UsageHour>("WHERE organization_id = $1 AND hour = $2 ORDER BY workspace_id");
        self.0.find_all(query.for_organization(organization).time(hour.start())).await
    }

    async fn sum_usage_by_workspace(
        &self,
        organization: OrganizationId,
        workspace: Option<WorkspaceId>,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<WorkspaceUsage>> {
        let workspace_condition = if workspace.is_some() { " AND workspace_id = $4" } else { "" };
        let query = Query::assembled(format!(
            "SELECT workspace_id, COUNT(*), {} FROM usage_hours \
             WHERE organization_id = $1 AND hour >= $2 AND hour < $3{workspace_condition} GROUP BY workspace_id ORDER BY workspace_id",
            sums(|meter| vec![meter.to_string(), format!("{meter}_minutes")]),
        ));
        let query = query.for_organization(organization).time(from.start()).time(until.start());
        let query = workspace.into_iter().fold(query, Query::text);
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok(WorkspaceUsage {
                workspace_id: cells.parse()?,
                hours: cells.number()?,
                readings: per_meter(|| reading(&mut cells))?,
            })
        };
        self.0.fetch(query).await?.iter().map(read).collect()
    }

    async fn sum_usage_by_hour(
        &self,
        organization: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<(Hour, PerMeter<u64>)>> {
        let query = Query::assembled(format!(
            "SELECT hour, {} FROM usage_hours \
             WHERE organization_id = $1 AND hour >= $2 AND hour < $3 GROUP BY hour ORDER BY hour",
            sums(|meter| vec![meter.to_string()]),
        ));
        let query = query.for_organization(organization).time(from.start()).time(until.start());
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok((Hour::of(cells.time()?), per_meter(|| cells.number())?))
        };
        self.0.fetch(query).await?.iter().map(read).collect()
    }

    async fn list_usage_reports(
        &self,
        organization: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<UsageReport>> {
        let query =
            select::<UsageReport>("WHERE organization_id = $1 AND hour >= $2 AND hour < $3 ORDER BY hour");
        self.0.find_all(query.for_organization(organization).time(from.start()).time(until.start())).await
    }

    async fn list_metered_hours(&self, from: Hour) -> Result<Vec<MeteredHour>> {
        self.0
            .find_all(
                select::<MeteredHour>(
                    "WHERE hour >= $1 OR hour = (SELECT MAX(hour) FROM metered_hours) ORDER BY hour",
                )
                .time(from.start()),
            )
            .await
    }
}
