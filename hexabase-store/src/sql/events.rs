use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{EventId, OrganizationId};
use hexabase_core::model::{AuditEvent, AuditFilter, Event};
use hexabase_core::page::{Page, PageRequest, time_position};
use hexabase_core::store::EventStore;

use super::statement::Query;
use super::table::select;
use super::{Engine, Reads as _, SqlStore, read_all, row_limit};

#[async_trait]
impl<E: Engine> EventStore for SqlStore<E> {
    async fn list_audit_events(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        let rows = self.0.search(search_audit_events(organization, filter, page)?).await?;
        Ok(page.page(read_all(&rows)?, |entry: &AuditEvent| time_position(entry.at, entry.id)))
    }

    async fn list_events(
        &self,
        organization: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let query = select::<Event>("WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        let after = after.map_or_else(String::new, |after| after.to_string());
        self.0
            .find_all(
                query
                    .for_organization(organization)
                    .text(after)
                    .int(i64::try_from(limit).unwrap_or(i64::MAX)),
            )
            .await
    }

    async fn newest_event(&self, organization: OrganizationId) -> Result<Option<EventId>> {
        let query = select::<Event>("WHERE organization_id = $1 ORDER BY id DESC LIMIT 1")
            .for_organization(organization);
        Ok(self.0.find_one::<Event>(query).await?.map(|event| event.id))
    }
}

/// Returns the statement that reads a page of the audit log, newest first. For each filter there is an index.
pub(crate) fn search_audit_events(
    organization: OrganizationId,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Query> {
    let mut conditions = vec!["organization_id = $1".to_owned()];
    let mut query = Query::new("").for_organization(organization);
    let texts = [
        ("actor_user_id", filter.actor.map(|actor| actor.to_string())),
        ("action", filter.action.clone()),
        ("resource", filter.resource.clone()),
    ];
    for (column, text) in texts {
        if let Some(text) = text {
            query = query.text(text);
            conditions.push(format!("{column} = ${}", query.values.len()));
        }
    }
    for (comparison, time) in [("at >=", filter.since), ("at <", filter.until)] {
        if let Some(time) = time {
            query = query.time(time);
            conditions.push(format!("{comparison} ${}", query.values.len()));
        }
    }
    if let Some((at, id)) = page.after_time::<EventId>()? {
        query = query.time(at).text(id);
        let count = query.values.len();
        conditions.push(format!("(at, id) < (${}, ${count})", count - 1));
    }
    let query = query.int(row_limit(page));
    let rest =
        format!("WHERE {} ORDER BY at DESC, id DESC LIMIT ${}", conditions.join(" AND "), query.values.len());
    Ok(Query { sql: select::<AuditEvent>(&rest).sql, ..query })
}
