use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::changeset::OutboxMessage;
use hexabase_core::clock::after;
use hexabase_core::error::Result;
use hexabase_core::id::MessageId;
use hexabase_core::store::OutboxStore;
use jiff::Timestamp;

use super::statement::Query;
use super::table::columns_of;
use super::work::sql_limit;
use super::{Cells, Engine, SqlStore, read_all};

#[async_trait]
impl<E: Engine> OutboxStore for SqlStore<E> {
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
}
