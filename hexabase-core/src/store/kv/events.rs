use async_trait::async_trait;
use jiff::Timestamp;

use super::key::after_prefix;
use super::view::{Reads as _, Space};
use super::{Item, KvTenantStore, Section};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{EventId, OrganizationId};
use crate::model::{AuditEvent, AuditFilter, Event};
use crate::page::{Page, PageRequest, time_position};
use crate::store::EventStore;

#[async_trait]
impl<S: Space> EventStore for KvTenantStore<S> {
    async fn list_audit_events(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        let position = page.after_time::<EventId>()?;
        let log = |at: &Timestamp| Section::Audit.key(&[&organization, at]);
        let all = Section::Audit.key(&[&organization]);
        let since = filter.since.as_ref().map_or_else(|| all.clone(), log);
        let until = filter.until.as_ref().map_or_else(|| after_prefix(all.clone()), log);
        let position = position.map(|(at, id)| Section::Audit.key(&[&organization, &at, &id]));
        let until = position.map_or_else(|| until.clone(), |position| position.min(until.clone()));
        let view = self.space.view().await?;
        let newest_first = view.cursor(all).descending().from(since).until(until).expecting(page.limit() + 1);
        let entry = |item: &Item| match item {
            Item::Audit(entry) if matches(filter, entry) => Some(entry.clone()),
            _ => None,
        };
        let found = newest_first.collect(page.limit() + 1, entry).await?;
        Ok(page.page(found, |entry| time_position(entry.at, entry.id)))
    }

    async fn list_events(
        &self,
        organization: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let after = after.map(|id| RecordKey::Event(organization, id));
        let view = self.space.view().await?;
        let events = view.records_after::<Event>(&[&organization], after, limit);
        events.collect(limit, |item| item.record().cloned()).await
    }

    async fn newest_event(&self, organization: OrganizationId) -> Result<Option<EventId>> {
        let view = self.space.view().await?;
        let mut newest_first = view.records::<Event>(&[&organization]).descending().expecting(1);
        Ok(newest_first.next_record::<Event>().await?.map(|event| event.id))
    }
}

/// `true` if an entry matches the filter, apart from its time.
fn matches(filter: &AuditFilter, entry: &AuditEvent) -> bool {
    filter.actor.is_none_or(|actor| entry.actor.user_id == Some(actor))
        && filter.action.as_ref().is_none_or(|action| entry.action == *action)
        && filter.resource.as_ref().is_none_or(|resource| entry.resource == *resource)
}
