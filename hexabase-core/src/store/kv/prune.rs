//! Deletion of records beyond their retention, in batches.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::transaction::Transaction;
use super::view::{Reads as _, Space, View};
use super::{Index, Item, Key, KvTenantStore, Section, transact};
use crate::changeset::{RecordKey, SpentRefresh, Stored};
use crate::error::Result;
use crate::id::{OrganizationId, SessionId};
use crate::model::{Event, MeteredHour, SecurityEvent, Session, Task, UsageHour, UsageReport, WebhookEvent};
use crate::store::PruneCutoffs;
use crate::store::kv::key::{after_prefix, records};

/// Number of records that one transaction deletes or changes, so that other commits wait for a short time only.
pub(super) const CHUNK: usize = 50;

/// Records of one kind that are beyond their retention.
enum Old {
    Responses(Timestamp),
    Leases(Timestamp),
    AuditEvents(Timestamp),
    Sessions {
        now: Timestamp,
        revoked: Timestamp,
    },
    /// Records to which the entries of a range lead.
    Indexed(Key, Key),
    MeteredHours(Timestamp),
}

impl Old {
    fn all(cutoffs: &PruneCutoffs) -> Vec<Self> {
        let mut all = vec![
            Self::Responses(cutoffs.now),
            Self::Leases(cutoffs.events),
            Self::Sessions { now: cutoffs.now, revoked: cutoffs.events },
            Self::before(&SecurityEvent::BY_AGE, cutoffs.security_events),
            Self::before(&Task::BY_END, cutoffs.tasks),
            Self::before(&Event::BY_AGE, cutoffs.events),
            Self::before(&WebhookEvent::BY_AGE, cutoffs.events),
            Self::before(&UsageHour::BY_HOUR, cutoffs.usage),
            Self::before(&UsageReport::BY_HOUR, cutoffs.usage),
            Self::MeteredHours(cutoffs.usage),
        ];
        all.extend(cutoffs.audit_events.map(Self::AuditEvents));
        all
    }

    /// Returns the records whose entries in an index by time are before a time.
    fn before<T: Stored>(index: &Index<T>, time: Timestamp) -> Self {
        Self::Indexed(index.key(&[]), index.key(&[&time]))
    }
}

/// Deletes at most `limit` records of each kind, and returns the number of deleted records. A kind that fails does not
/// keep the others from being deleted.
pub(super) async fn prune<S: Space>(
    store: &KvTenantStore<S>,
    cutoffs: &PruneCutoffs,
    limit: usize,
) -> Result<u64> {
    let mut total = Ok(0);
    for old in Old::all(cutoffs) {
        total = match (total, prune_kind(store, &old, limit).await) {
            (Ok(total), Ok(deleted)) => Ok(total + deleted),
            (Err(first), _) | (Ok(_), Err(first)) => Err(first),
        };
    }
    total
}

async fn prune_kind<S: Space>(store: &KvTenantStore<S>, old: &Old, limit: usize) -> Result<u64> {
    let (mut total, mut rest) = (0, limit);
    while rest > 0 {
        let chunk = rest.min(CHUNK);
        let deleted = prune_chunk(store, old, chunk).await?;
        total += deleted as u64;
        rest = if deleted < chunk { 0 } else { rest.saturating_sub(deleted) };
    }
    Ok(total)
}

async fn prune_chunk<S: Space>(store: &KvTenantStore<S>, old: &Old, limit: usize) -> Result<usize> {
    transact!(store, |transaction| transaction.prune(old, limit).await?)
}

impl<V: View> Transaction<V> {
    /// Deletes at most `limit` records of a kind, and returns their number; less than `limit` if no more are left.
    async fn prune(&mut self, old: &Old, limit: usize) -> Result<usize> {
        match old {
            Old::Responses(now) => self.prune_responses(*now, limit).await,
            Old::Leases(before) => self.prune_leases(*before, limit).await,
            Old::AuditEvents(before) => self.prune_audit_events(*before, limit).await,
            Old::Sessions { now, revoked } => self.prune_sessions(*now, *revoked, limit).await,
            Old::Indexed(from, until) => {
                let old = self.unchanged().cursor(from.clone()).until(until.clone()).expecting(limit);
                let old = old.collect(limit, |item| item.pointer().cloned()).await?;
                self.delete_all(old).await
            }
            Old::MeteredHours(before) => {
                let metered = self.unchanged().cursor(records::<MeteredHour>(&[])).expecting(limit);
                let metered = metered.until(records::<MeteredHour>(&[before]));
                let hour = |metered: &MeteredHour| RecordKey::MeteredHour(metered.hour);
                let old = metered.collect(limit, |item| item.record().map(hour)).await?;
                self.delete_all(old).await
            }
        }
    }

    async fn delete_all(&mut self, keys: Vec<RecordKey>) -> Result<usize> {
        for key in &keys {
            self.delete(key).await?;
        }
        Ok(keys.len())
    }

    async fn prune_responses(&mut self, now: Timestamp, limit: usize) -> Result<usize> {
        let expired = self.unchanged().cursor(Section::ResponseExpiry.key(&[])).expecting(limit);
        let expired = expired.until(after_prefix(Section::ResponseExpiry.key(&[&now])));
        let key = |item: &Item| if let Item::Key(key) = item { Some(key.clone()) } else { None };
        let keys: Vec<Key> = expired.collect(limit, key).await?;
        for key in &keys {
            if let Some(Item::Response(record)) = self.item(key).await?.as_deref() {
                self.remove_response(record);
            }
        }
        Ok(keys.len())
    }

    async fn prune_leases(&mut self, before: Timestamp, limit: usize) -> Result<usize> {
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
        Ok(names.len())
    }

    /// Deletes old audit events, organization by organization.
    async fn prune_audit_events(&mut self, before: Timestamp, limit: usize) -> Result<usize> {
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
        let deleted = keys.len();
        keys.into_iter().for_each(|key| self.remove(key));
        Ok(deleted)
    }

    /// Deletes sessions that are over. Their exchanged refresh tokens, of which a session can have very many, are deleted
    /// first.
    async fn prune_sessions(&mut self, now: Timestamp, revoked: Timestamp, limit: usize) -> Result<usize> {
        let expired = self.unchanged().cursor(Session::BY_EXPIRY.key(&[])).expecting(limit);
        let expired = expired.until(after_prefix(Session::BY_EXPIRY.key(&[&now])));
        let until = Session::BY_REVOCATION.key(&[&revoked]);
        let revoked = self.unchanged().cursor(Session::BY_REVOCATION.key(&[])).until(until).expecting(limit);
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
        Ok(tokens + sessions)
    }
}
