use async_trait::async_trait;
use jiff::Timestamp;

use super::KvTenantStore;
use super::view::{Reads as _, Space, View};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::{Invitation, Member, User, UserKind};
use crate::name::Email;
use crate::page::{Page, PageRequest};
use crate::search::MemberFilter;
use crate::store::MemberStore;

#[async_trait]
impl<S: Space> MemberStore for KvTenantStore<S> {
    async fn find_member(&self, organization: OrganizationId, user: UserId) -> Result<Option<Member>> {
        self.space.view().await?.find(RecordKey::Member(organization, user)).await
    }

    async fn list_members(
        &self,
        organization: OrganizationId,
        filter: &MemberFilter,
        page: &PageRequest,
    ) -> Result<Page<(Member, User)>> {
        let after = page.after_id()?.map(|id| RecordKey::Member(organization, id));
        let view = self.space.view().await?;
        let mut members = view.records_after::<Member>(&[&organization], after, page.limit() + 1);
        let mut found = Vec::new();
        while found.len() <= page.limit() {
            let Some(member) = members.next_record::<Member>().await? else { break };
            let Some(user) = view.find::<User>(RecordKey::User(member.user_id)).await? else { continue };
            if user.kind == UserKind::Person && filter.matches(&member, &user) {
                found.push((member, user));
            }
        }
        Ok(page.page(found, |(member, _)| member.user_id.to_string()))
    }

    async fn find_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>> {
        self.space.view().await?.find(RecordKey::Invitation(organization, id)).await
    }

    async fn list_invitations_to(
        &self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<Vec<Invitation>> {
        let view = self.space.view().await?;
        view.cursor(Invitation::BY_EMAIL.key(&[email, &organization])).targets(usize::MAX).await
    }

    async fn count_open_invitations(&self, email: &Email, now: Timestamp) -> Result<u32> {
        let open = open_invitations(&self.space.view().await?, email, now, usize::MAX).await?;
        Ok(u32::try_from(open.len()).unwrap_or(u32::MAX))
    }

    async fn list_open_invitations(&self, user: UserId, now: Timestamp) -> Result<Vec<Invitation>> {
        let view = self.space.view().await?;
        let user = view.find::<User>(RecordKey::User(user)).await?;
        let Some(email) = user.and_then(|user| user.email) else { return Ok(Vec::new()) };
        open_invitations(&view, &email, now, 50).await
    }

    async fn list_invitations(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>> {
        let after = page.after_id()?.map(|id| RecordKey::Invitation(organization, id));
        let view = self.space.view().await?;
        let all = view.records_after::<Invitation>(&[&organization], after, page.limit() + 1);
        let found = all.collect(page.limit() + 1, |item| item.record::<Invitation>().cloned()).await?;
        Ok(page.page(found, |invitation| invitation.id.to_string()))
    }
}

async fn open_invitations<V: View>(
    view: &V,
    email: &Email,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Invitation>> {
    let mut all = view.cursor(Invitation::BY_EMAIL.key(&[email]));
    let mut open = Vec::new();
    while open.len() < limit {
        let Some(invitation) = all.next_target::<Invitation>().await? else { break };
        if now < invitation.expires_at {
            open.push(invitation);
        }
    }
    Ok(open)
}
