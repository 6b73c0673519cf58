use super::transaction::Transaction;
use super::view::{Reads as _, View};
use super::{Item, LeaseRow, Section};
use crate::error::Result;
use crate::store::Lease;

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
