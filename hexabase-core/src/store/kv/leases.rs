use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::transaction::Transaction;
use super::view::{Reads as _, Space, View};
use super::{Item, KvTenantStore, LeaseRow, Section, transact};
use crate::clock::after;
use crate::error::Result;
use crate::store::{Lease, LeaseStore};

#[async_trait]
impl<S: Space> LeaseStore for KvTenantStore<S> {
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        let expires_at = after(now, ttl);
        transact!(self, |transaction| {
            let known = transaction.lease(name).await?;
            let is_free = known.as_ref().is_none_or(|lease| {
                lease.holder.as_deref().is_none_or(|by| by == holder) || lease.expires_at <= now
            });
            if is_free {
                let (name, holder) = (name.to_owned(), Some(holder.to_owned()));
                let token = known.map_or(1, |lease| lease.token + 1);
                transaction.put_lease(LeaseRow { name: name.clone(), holder, token, expires_at });
                Some(Lease { name, token, expires_at })
            } else {
                None
            }
        })
    }

    async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool> {
        transact!(self, |transaction| {
            transaction.change_lease(lease, |row| row.expires_at = after(now, ttl)).await?
        })
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        // The row stays without a holder, so that tokens keep increasing.
        transact!(self, |transaction| {
            transaction.change_lease(lease, |row| row.holder = None).await?;
        })
    }

    async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>> {
        let view = self.space.view().await?;
        let active = |item: &Item| match item {
            Item::Lease(row) if row.holder.is_some() && row.expires_at > now => {
                Some(Lease { name: row.name.clone(), token: row.token, expires_at: row.expires_at })
            }
            _ => None,
        };
        view.cursor(Section::Lease.key(&[])).collect(limit, active).await
    }
}

impl<V: View> Transaction<V> {
    pub(super) async fn lease(&self, name: &str) -> Result<Option<LeaseRow>> {
        let item = self.item(&Section::Lease.key(&[&name])).await?;
        Ok(if let Some(Item::Lease(row)) = item.as_deref() { Some(row.clone()) } else { None })
    }

    pub(super) fn put_lease(&mut self, row: LeaseRow) {
        self.put(Section::Lease.key(&[&row.name]), Item::Lease(row));
    }

    /// Changes a lease that still has its token; returns `false` if it has another token.
    pub(super) async fn change_lease(
        &mut self,
        lease: &Lease,
        change: impl FnOnce(&mut LeaseRow) + Send,
    ) -> Result<bool> {
        match self.lease(&lease.name).await? {
            Some(mut row) if row.token == lease.token => {
                change(&mut row);
                self.put_lease(row);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
