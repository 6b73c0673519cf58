use async_trait::async_trait;

use super::MemoryStore;
use super::state::{State, members, workspaces};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, TypedId as _};
use crate::model::{
    BillingAccount, BillingStanding, Member, Organization, OrganizationSummary, User, UserKind, Workspace,
};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::store::SearchStore;

#[async_trait]
impl SearchStore for MemoryStore {
    async fn search_organizations(
        &self,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<OrganizationSummary>> {
        let after = page.after_id()?.map(RecordKey::Organization);
        let state = self.lock();
        let all = RecordKey::Organization(OrganizationId::least())
            ..=RecordKey::Organization(OrganizationId::greatest());
        let matching = state
            .forward::<Organization>(all, after)
            .filter(|organization| text.as_ref().is_none_or(|text| text.is_in(&organization.searchable())));
        let found = matching.take(page.limit() + 1).map(|organization| state.summary(organization)).collect();
        Ok(page.page(found, |summary: &OrganizationSummary| summary.organization.id.to_string()))
    }
}

impl State {
    fn summary(&self, organization: &Organization) -> OrganizationSummary {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let id = organization.id;
        let persons = self.scan::<Member>(members(id)).filter(|member| {
            let user = self.get::<User>(&RecordKey::User(member.user_id));
            user.is_some_and(|user| user.kind == UserKind::Person)
        });
        let account = self.get::<BillingAccount>(&RecordKey::BillingAccount(id));
        OrganizationSummary {
            organization: organization.clone(),
            members: count(persons.count()),
            workspaces: count(self.scan::<Workspace>(workspaces(id)).count()),
            subscription: account.and_then(|account| account.subscription.clone()),
            standing: account.map_or(BillingStanding::Good, |account| account.standing),
        }
    }
}
