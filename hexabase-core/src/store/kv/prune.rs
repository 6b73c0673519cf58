//! Deletion of records beyond their retention, in batches.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::transaction::Transaction;
use super::view::{Reads as _, View};
use super::{Index, Item, Key, Section};
use crate::changeset::{RecordKey, SpentRefresh, Stored};
use crate::error::Result;
use crate::id::{OrganizationId, SessionId};
use crate::model::{Event, MeteredHour, SecurityEvent, Session, Task, UsageHour, UsageReport, WebhookEvent};
use crate::store::PruneCutoffs;
use crate::store::kv::key::{after_prefix, records};

impl<V: View> Transaction<V> {
    /// Deletes at most `limit` records of each kind, and returns the number of deleted records.
    pub(super) async fn prune(&mut self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64> {
        let mut deleted = self.prune_responses(cutoffs.now, limit).await?;
        deleted += self.prune_leases(cutoffs.events, limit).await?;
        if let Some(before) = cutoffs.audit_events {
            deleted += self.prune_audit_events(before, limit).await?;
        }
        deleted += self.prune_sessions(cutoffs, limit).await?;
        for (from, until) in [
            before(&SecurityEvent::BY_AGE, cutoffs.security_events),
            before(&Task::BY_END, cutoffs.tasks),
            before(&Event::BY_AGE, cutoffs.events),
            before(&WebhookEvent::BY_AGE, cutoffs.events),
            before(&UsageHour::BY_HOUR, cutoffs.usage),
            before(&UsageReport::BY_HOUR, cutoffs.usage),
        ] {
            let old = self.unchanged().cursor(from).until(until).expecting(limit);
            let old = old.collect(limit, |item| item.pointer().cloned()).await?;
            deleted += self.delete_all(old).await?;
        }
        let metered = self.unchanged().cursor(records::<MeteredHour>(&[]));
        let metered = metered.until(records::<MeteredHour>(&[&cutoffs.usage]));
        let hour = |metered: &MeteredHour| RecordKey::MeteredHour(metered.hour);
        let old = metered.collect(limit, |item| item.record().map(hour)).await?;
        Ok(deleted + self.delete_all(old).await?)
    }

    async fn delete_all(&mut self, keys: Vec<RecordKey>) -> Result<u64> {
        for key in &keys {
            self.delete(key).await?;
        }
        Ok(keys.len() as u64)
    }

    async fn prune_responses(&mut self, now: Timestamp, limit: usize) -> Result<u64> {
        let expired = self.unchanged().cursor(Section::ResponseExpiry.key(&[])).expecting(limit);
        let expired = expired.until(after_prefix(Section::ResponseExpiry.key(&[&now])));
        let key = |item: &Item| if let Item::Key(key) = item { Some(key.clone()) } else { None };
        let keys: Vec<Key> = expired.collect(limit, key).await?;
        for key in &keys {
            if let Some(Item::Response(record)) = self.item(key).await?.as_deref() {
                self.remove_response(record);
            }
        }
        Ok(keys.len() as u64)
    }

    async fn prune_leases(&mut self, before: Timestamp, limit: usize) -> Result<u64> {
        let expired = |item: &Item| match item {
            Item::Lease(row) if row.expires_at < before => Some(row.name.clone()),
            _ => None,
        };
        let names = self.unchanged().cursor(Section::Lease.key(&[])).collect(limit, expired).await?;
        for name in &names {
            // Read by key, so that a lease that is acquired in the meantime stays.
            self.lease(name).await?;
            self.remove(Section::Lease.key(&[name]));
        }
        Ok(names.len() as u64)
    }

    /// Deletes old audit events, organization by organization.
    async fn prune_audit_events(&mut self, before: Timestamp, limit: usize) -> Result<u64> {
        let mut keys: Vec<Key> = Vec::new();
        let mut last: Option<OrganizationId> = None;
        while keys.len() < limit {
            let after = last.map(|organization| Section::Audit.key(&[&organization]));
            let mut rest = self.unchanged().cursor(Section::Audit.key(&[])).after_all(after).expecting(1);
            let Some(Item::Audit(first)) = rest.next().await?.as_deref().cloned() else { break };
            let organization = first.organization_id;
            let old = self.unchanged().cursor(Section::Audit.key(&[&organization]));
            let mut old = old.until(Section::Audit.key(&[&organization, &before])).expecting(limit);
            while keys.len() < limit {
                let Some((key, _)) = old.next_entry().await? else { break };
                keys.push(key);
            }
            last = Some(organization);
        }
        let deleted = keys.len() as u64;
        keys.into_iter().for_each(|key| self.remove(key));
        Ok(deleted)
    }

    /// Deletes sessions that are over. Their exchanged refresh tokens, of which a session can have very many, are deleted
    /// first.
    async fn prune_sessions(&mut self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64> {
        let expired = self.unchanged().cursor(Session::BY_EXPIRY.key(&[])).expecting(limit);
        let expired = expired.until(after_prefix(Session::BY_EXPIRY.key(&[&cutoffs.now])));
        let revoked = self.unchanged().cursor(Session::BY_REVOCATION.key(&[])).expecting(limit);
        let revoked = revoked.until(Session::BY_REVOCATION.key(&[&cutoffs.events]));
        let session = |item: &Item| match item.pointer() {
            Some(RecordKey::Session(id)) => Some(*id),
            _ => None,
        };
        let mut over: BTreeSet<SessionId> = expired.collect(limit, session).await?.into_iter().collect();
        over.extend(revoked.collect(limit, session).await?);
        let (mut tokens, mut sessions) = (0, 0);
        for id in over.into_iter().take(limit) {
            let rest = limit - tokens;
            let spent = self.unchanged().records::<SpentRefresh>(&[&id]).expecting(rest + 1);
            let token = |spent: &SpentRefresh| RecordKey::SpentRefresh(spent.session_id, spent.hash);
            let mut spent = spent.collect(rest + 1, |item| item.record().map(token)).await?;
            let has_more = spent.len() > rest;
            spent.truncate(rest);
            tokens += spent.len();
            self.delete_all(spent).await?;
            if has_more {
                break;
            }
            self.delete(&RecordKey::Session(id)).await?;
            sessions += 1;
        }
        Ok((tokens + sessions) as u64)
    }
}

/// Returns the range of the entries of an index by time that are before a time.
fn before<T: Stored>(index: &Index<T>, time: Timestamp) -> (Key, Key) {
    (index.key(&[]), index.key(&[&time]))
}
