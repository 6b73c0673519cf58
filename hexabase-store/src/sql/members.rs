use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{InvitationId, OrganizationId, TypedId as _, UserId};
use hexabase_core::model::{Invitation, Member, User};
use hexabase_core::name::Email;
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::search::MemberFilter;
use hexabase_core::store::MemberStore;
use jiff::Timestamp;

use super::search::matches;
use super::statement::Query;
use super::table::{Stored as _, columns_of, select};
use super::{Cells, Engine, Reads as _, SqlStore, row_limit};

#[async_trait]
impl<E: Engine> MemberStore for SqlStore<E> {
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
}
