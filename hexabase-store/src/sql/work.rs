use std::collections::BTreeMap;

use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::name::HostClusterName;
use hexabase_core::store::{PhaseCount, PruneCutoffs, WorkStore};
use jiff::Timestamp;

use super::statement::Query;
use super::{Cells, Engine, SqlStore, prune};

pub(super) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Returns the statement that counts workspaces by host and phase. It reads nothing but an index.
pub(crate) fn count_by_phase<E: Engine>() -> Query {
    Query::assembled(format!(
        "SELECT host_cluster, phase, COUNT(*), MIN(unconverged_since) FROM {} GROUP BY host_cluster, phase",
        E::WORKSPACE_SCHEDULE
    ))
}

#[async_trait]
impl<E: Engine> WorkStore for SqlStore<E> {
    async fn list_due_workspaces(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrganizationId, WorkspaceId)>> {
        let query = Query::assembled(format!(
            "SELECT organization_id, id FROM {} \
             WHERE reconcile_at IS NOT NULL AND reconcile_at <= $1 ORDER BY reconcile_at LIMIT $2",
            E::WORKSPACE_SCHEDULE,
        ));
        let rows = self.0.fetch(query.time(now).int(sql_limit(limit))).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok((cells.parse()?, cells.parse()?))
        };
        rows.iter().map(read).collect()
    }

    async fn make_due(&self, host_cluster: &HostClusterName, now: Timestamp) -> Result<u64> {
        let query = Query::assembled(format!(
            "UPDATE {} SET reconcile_at = $2 WHERE host_cluster = $1",
            E::WORKSPACE_SCHEDULE
        ));
        self.0.execute(query.text(host_cluster).time(now)).await
    }

    async fn count_by_host(&self) -> Result<BTreeMap<HostClusterName, u32>> {
        let query = Query::assembled(format!(
            "SELECT host_cluster, COUNT(*) FROM {} GROUP BY host_cluster",
            E::WORKSPACE_SCHEDULE
        ));
        let rows = self.0.fetch(query).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok((cells.parse()?, cells.number()?))
        };
        rows.iter().map(read).collect()
    }

    async fn count_by_phase(&self) -> Result<Vec<PhaseCount>> {
        let rows = self.0.fetch(count_by_phase::<E>()).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok(PhaseCount {
                host_cluster: cells.parse()?,
                phase: cells.parse()?,
                workspaces: cells.number()?,
                unconverged_since: cells.time_or_null()?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn prune(&self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64> {
        let mut deleted = 0;
        for query in prune::statements::<E>(cutoffs, limit) {
            deleted += self.0.execute(query).await?;
        }
        Ok(deleted)
    }
}
