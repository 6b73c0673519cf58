use std::collections::BTreeMap;

use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{EventId, InvitationId, OrganizationId, TypedId as _, UserId};
use hexabase_core::model::{
    AuditEvent, AuditFilter, Event, Inventory, Invitation, Member, Organization, OrganizationCounts,
    ServiceAccount, User,
};
use hexabase_core::name::{Email, PlanId};
use hexabase_core::page::{Page, PageRequest, time_position};
use hexabase_core::search::MemberFilter;
use hexabase_core::store::OrganizationStore;
use jiff::Timestamp;

use super::search::matches;
use super::statement::Query;
use super::table::{Stored as _, columns_of, select};
use super::{Cells, Engine, Reads as _, SqlStore, read_all, row_limit};

#[async_trait]
impl<E: Engine> OrganizationStore for SqlStore<E> {
    async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.0.find_one(select::<Organization>("WHERE id = $1").for_organization(id)).await
    }

    async fn list_organizations(
        &self,
        user: UserId,
        page: &PageRequest,
    ) -> Result<Page<(Organization, Member)>> {
        let after = page.after_id::<OrganizationId>()?.unwrap_or(OrganizationId::least());
        let query = Query::assembled(format!(
            "SELECT {}, {} FROM members m JOIN organizations o ON o.id = m.organization_id \
             WHERE m.user_id = $1 AND m.organization_id > $2 ORDER BY m.organization_id LIMIT $3",
            columns_of::<Organization>("o"),
            columns_of::<Member>("m"),
        ));
        let rows = self.0.fetch(query.for_user(user).text(after).int(row_limit(page))).await?;
        let read = |row| {
            let mut cells = Cells::new(row);
            Ok((Organization::read(&mut cells)?, Member::read(&mut cells)?))
        };
        let found: Vec<(Organization, Member)> =
            rows.iter().map(|row| read(row as &dyn super::RawRow)).collect::<Result<_>>()?;
        Ok(page.page(found, |(organization, _)| organization.id.to_string()))
    }

    async fn count_organization(&self, id: OrganizationId) -> Result<OrganizationCounts> {
        let query = Query::new(
            "SELECT \
             (SELECT COUNT(*) FROM members m JOIN users u ON u.id = m.user_id \
              WHERE m.organization_id = $1 AND u.kind = 'person'), \
             (SELECT COUNT(*) FROM members m JOIN users u ON u.id = m.user_id \
              WHERE m.organization_id = $1 AND u.kind = 'person' AND m.role = 'owner'), \
             (SELECT COUNT(*) FROM invitations WHERE organization_id = $1), \
             (SELECT COUNT(*) FROM service_accounts WHERE organization_id = $1), \
             (SELECT COUNT(*) FROM workspaces WHERE organization_id = $1)",
        );
        let rows = self.0.fetch(query.for_organization(id)).await?;
        let Some(row) = rows.first() else { return Ok(OrganizationCounts::default()) };
        let mut cells = Cells::new(row);
        Ok(OrganizationCounts {
            members: cells.number()?,
            owners: cells.number()?,
            invitations: cells.number()?,
            service_accounts: cells.number()?,
            workspaces: cells.number()?,
        })
    }

    async fn count_created_organizations(&self, user: UserId) -> Result<u32> {
        let query =
            Query::new("SELECT COUNT(*) FROM organization_creators WHERE created_by = $1 AND NOT personal");
        let rows = self.0.fetch(query.text(user)).await?;
        rows.first().map_or(Ok(0), |row| Cells::new(row).number())
    }

    async fn count_created_workspaces(&self, user: UserId) -> Result<BTreeMap<PlanId, u32>> {
        let query = Query::new(
            "SELECT plan_id, COUNT(*) FROM workspace_creators WHERE created_by = $1 GROUP BY plan_id",
        );
        let rows = self.0.fetch(query.text(user)).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok((cells.parse()?, cells.number()?))
        };
        rows.iter().map(read).collect()
    }

    async fn find_member(&self, organization: OrganizationId, user: UserId) -> Result<Option<Member>> {
        self.0
            .find_one(
                select::<Member>("WHERE organization_id = $1 AND user_id = $2")
                    .for_organization(organization)
                    .text(user),
            )
            .await
    }

    async fn list_members(
        &self,
        organization: OrganizationId,
        filter: &MemberFilter,
        page: &PageRequest,
    ) -> Result<Page<(Member, User)>> {
        let after = page.after_id::<UserId>()?.unwrap_or(UserId::least());
        let mut query = Query::new("").for_organization(organization).text(after).int(row_limit(page));
        let mut conditions = String::new();
        if let Some(role) = filter.role {
            query = query.text(role);
            conditions.push_str(&format!(" AND m.role = ${}", query.values.len()));
        }
        if let Some(text) = &filter.text {
            query = query.text(text.like_pattern());
            conditions.push_str(&format!(" AND {}", matches("u.search_text", query.values.len())));
        }
        let statement = Query::assembled(format!(
            "SELECT {}, {} FROM members m JOIN users u ON u.id = m.user_id WHERE m.organization_id = $1 \
             AND m.user_id > $2 AND u.kind = 'person'{conditions} ORDER BY m.user_id LIMIT $3",
            columns_of::<Member>("m"),
            columns_of::<User>("u"),
        ));
        let rows = self.0.fetch(Query { sql: statement.sql, ..query }).await?;
        let read = |row| {
            let mut cells = Cells::new(row);
            Ok((Member::read(&mut cells)?, User::read(&mut cells)?))
        };
        let found: Vec<(Member, User)> =
            rows.iter().map(|row| read(row as &dyn super::RawRow)).collect::<Result<_>>()?;
        Ok(page.page(found, |(member, _)| member.user_id.to_string()))
    }

    async fn find_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>> {
        self.0
            .find_one(
                select::<Invitation>("WHERE organization_id = $1 AND id = $2")
                    .for_organization(organization)
                    .text(id),
            )
            .await
    }

    async fn list_invitations_to(
        &self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<Vec<Invitation>> {
        let query = select::<Invitation>("WHERE organization_id = $1 AND email = $2 ORDER BY id");
        self.0.find_all(query.for_organization(organization).text(email)).await
    }

    async fn count_open_invitations(&self, email: &Email, now: Timestamp) -> Result<u32> {
        let query =
            Query::new("SELECT COUNT(*) FROM invitation_recipients WHERE email = $1 AND expires_at > $2");
        let rows = self.0.fetch(query.text(email).time(now)).await?;
        rows.first().map_or(Ok(0), |row| Cells::new(row).number())
    }

    async fn list_open_invitations(&self, user: UserId, now: Timestamp) -> Result<Vec<Invitation>> {
        let query = select::<Invitation>(
            "WHERE email = (SELECT email FROM users WHERE users.id = $1) AND expires_at > $2 \
             ORDER BY organization_id, id LIMIT 50",
        );
        self.0.find_all(query.for_user(user).time(now)).await
    }

    async fn list_invitations(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>> {
        let after = page.after_id::<InvitationId>()?.unwrap_or(InvitationId::least());
        let query = select::<Invitation>("WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        let query = query.for_organization(organization).text(after).int(row_limit(page));
        self.0.page(query, page, |invitation: &Invitation| invitation.id.to_string()).await
    }

    async fn find_service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>> {
        self.0
            .find_one(
                select::<ServiceAccount>("WHERE organization_id = $1 AND id = $2")
                    .for_organization(organization)
                    .text(id),
            )
            .await
    }

    async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<ServiceAccount>> {
        let after = page.after_id::<UserId>()?.unwrap_or(UserId::least());
        let query = select::<ServiceAccount>("WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        let query = query.for_organization(organization).text(after).int(row_limit(page));
        self.0.page(query, page, |account: &ServiceAccount| account.id.to_string()).await
    }

    async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>> {
        let query = select::<Inventory>("WHERE organization_id = $1 ORDER BY name");
        self.0.find_all(query.for_organization(organization)).await
    }

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
