use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::changeset::OutboxMessage;
use hexabase_core::clock::after;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{MessageId, OrganizationId, WorkspaceId};
use hexabase_core::name::HostClusterName;
use hexabase_core::store::{Lease, PhaseCount, PruneCutoffs, WorkStore};
use jiff::Timestamp;

use super::statement::Query;
use super::table::columns_of;
use super::{Cells, Engine, SqlStore, prune, read_all};

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

fn token(lease: &Lease) -> Result<i64> {
    i64::try_from(lease.token).map_err(|_| Error::unexpected("lease token is too large for the database"))
}

#[async_trait]
impl<E: Engine> WorkStore for SqlStore<E> {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        claim_ttl: Duration,
    ) -> Result<Vec<OutboxMessage>> {
        // A claimed message blocks later messages of the same workspace, which keeps them in order.
        let outbox = E::OUTBOX_RELAY;
        let claimable = format!(
            "SELECT id FROM {outbox} WHERE claimed_until <= $2 AND NOT EXISTS \
             (SELECT 1 FROM {outbox} earlier WHERE earlier.workspace_id = {outbox}.workspace_id \
              AND earlier.id < {outbox}.id AND earlier.claimed_until > $2) ORDER BY id LIMIT $3{}",
            E::SKIP_LOCKED,
        );
        let query = Query::assembled(format!(
            "UPDATE {outbox} SET claimed_until = $1 WHERE id {} RETURNING {}",
            E::in_subquery(&claimable),
            columns_of::<OutboxMessage>(outbox),
        ));
        let rows = self
            .0
            .write_serialized(query.time(after(now, claim_ttl)).time(now).int(sql_limit(limit)))
            .await?;
        let mut messages: Vec<OutboxMessage> = read_all(&rows)?;
        // RETURNING guarantees no order.
        messages.sort_by_key(|message| message.id);
        Ok(messages)
    }

    async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let query =
            Query::assembled(format!("DELETE FROM {} WHERE id {}", E::OUTBOX_RELAY, E::in_list("$1")));
        self.0.execute(query.list(ids)).await.map(drop)
    }

    async fn count_outbox(&self) -> Result<u64> {
        let rows =
            self.0.fetch(Query::assembled(format!("SELECT COUNT(*) FROM {}", E::OUTBOX_RELAY))).await?;
        rows.first().map_or(Ok(0), |row| Cells::new(row).number())
    }

    async fn oldest_in_outbox(&self) -> Result<Option<MessageId>> {
        let rows = self.0.fetch(Query::assembled(format!("SELECT MIN(id) FROM {}", E::OUTBOX_RELAY))).await?;
        rows.first().map_or(Ok(None), |row| Cells::new(row).parse_or_null())
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        let expires_at = after(now, ttl);
        let query = Query::new(
            "INSERT INTO leases (name, holder, token, expires_at) VALUES ($1, $2, 1, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = $2, token = leases.token + 1, expires_at = $3 \
             WHERE leases.holder IN ('', $2) OR leases.expires_at <= $4 RETURNING token",
        );
        let query = query.text(name).text(holder).time(expires_at).time(now);
        let rows = self.0.write_returning(query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Lease { name: name.to_owned(), token: Cells::new(row).number()?, expires_at }))
    }

    async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool> {
        let query = Query::new("UPDATE leases SET expires_at = $3 WHERE name = $1 AND token = $2");
        let query = query.text(&lease.name).int(token(lease)?).time(after(now, ttl));
        Ok(self.0.execute(query).await? > 0)
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        // The row stays without a holder, so that tokens keep increasing.
        let query = Query::new("UPDATE leases SET holder = '' WHERE name = $1 AND token = $2");
        self.0.execute(query.text(&lease.name).int(token(lease)?)).await.map(drop)
    }

    async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>> {
        let query = Query::new(
            "SELECT name, token, expires_at FROM leases WHERE holder <> '' AND expires_at > $1 ORDER BY name LIMIT $2",
        );
        let rows = self.0.fetch(query.time(now).int(sql_limit(limit))).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok(Lease { name: cells.string()?, token: cells.number()?, expires_at: cells.time()? })
        };
        rows.iter().map(read).collect()
    }

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
