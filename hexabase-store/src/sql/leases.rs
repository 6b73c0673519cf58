use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::clock::after;
use hexabase_core::error::{Error, Result};
use hexabase_core::store::{Lease, LeaseStore};
use jiff::Timestamp;

use super::statement::Query;
use super::work::sql_limit;
use super::{Cells, Engine, SqlStore};

#[async_trait]
impl<E: Engine> LeaseStore for SqlStore<E> {
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
}

fn token(lease: &Lease) -> Result<i64> {
    i64::try_from(lease.token).map_err(|_| Error::unexpected("lease token is too large for the database"))
}
