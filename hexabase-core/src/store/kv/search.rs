use async_trait::async_trait;

use super::KvTenantStore;
use super::view::{Reads as _, Space, View};
use super::workspaces::is_visible;
use crate::changeset::{RecordKey, Stored};
use crate::error::Result;
use crate::id::{OrganizationId, UserId};
use crate::model::{
    BillingAccount, BillingStanding, Group, Organization, OrganizationSummary, Project, Workspace,
};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::store::SearchStore;
use crate::store::kv::organizations::persons;

#[async_trait]
impl<S: Space> SearchStore for KvTenantStore<S> {
    async fn search_organizations(
        &self,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<OrganizationSummary>> {
        let after = page.after_id()?.map(RecordKey::Organization);
        let view = self.space.view().await?;
        let all = view.records_after::<Organization>(&[], after, page.limit() + 1);
        let matches = |organization: &&Organization| {
            text.as_ref().is_none_or(|text| text.is_in(&organization.searchable()))
        };
        let matching = all.collect(page.limit() + 1, |item| item.record().filter(matches).cloned()).await?;
        let mut found = Vec::with_capacity(matching.len());
        for organization in matching {
            found.push(summary(&view, organization).await?);
        }
        Ok(page.page(found, |summary| summary.organization.id.to_string()))
    }

    async fn search_groups(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Group>> {
        let view = self.space.view().await?;
        search(&view, organization, member, limit, |group: &Group| text.is_in(&group.searchable())).await
    }

    async fn search_projects(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Project>> {
        let view = self.space.view().await?;
        search(&view, organization, member, limit, |project: &Project| text.is_in(&project.searchable()))
            .await
    }
}

/// Returns records of type `T` in the visible workspaces of an organization, at most `limit`.
async fn search<V: View, T: Stored + Send>(
    view: &V,
    organization: OrganizationId,
    member: Option<UserId>,
    limit: usize,
    matches: impl Fn(&T) -> bool + Send + Sync,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    let mut workspaces = view.records::<Workspace>(&[&organization]);
    while found.len() < limit {
        let Some(workspace) = workspaces.next_record::<Workspace>().await? else { break };
        if is_visible(view, &workspace, member).await? {
            let records = view.records::<T>(&[&organization, &workspace.id]);
            let select = |record: &&T| matches(record);
            let rest = limit - found.len();
            found.extend(records.collect(rest, |item| item.record::<T>().filter(select).cloned()).await?);
        }
    }
    Ok(found)
}

async fn summary<V: View>(view: &V, organization: Organization) -> Result<OrganizationSummary> {
    let id = organization.id;
    let account: Option<BillingAccount> = view.find(RecordKey::BillingAccount(id)).await?;
    Ok(OrganizationSummary {
        organization,
        members: u32::try_from(persons(view, id).await?.len()).unwrap_or(u32::MAX),
        workspaces: view.count::<Workspace>(&[&id]).await?,
        standing: account.as_ref().map_or(BillingStanding::Good, |account| account.standing),
        subscription: account.and_then(|account| account.subscription),
    })
}
