use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, TypedId as _, UserId};
use hexabase_core::model::{BillingStanding, Group, Organization, OrganizationSummary, Project};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::search::SearchText;
use hexabase_core::store::SearchStore;

use super::table::{Stored, columns_of, select};
use super::work::sql_limit;
use super::{Cells, Engine, Query, SqlStore, read_all, row_limit};

#[async_trait]
impl<E: Engine> SearchStore for SqlStore<E> {
    async fn search_organizations(
        &self,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<OrganizationSummary>> {
        let rows = self.0.search(search_organizations(text.as_ref(), page)?).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok(OrganizationSummary {
                organization: Organization::read(&mut cells)?,
                members: cells.number()?,
                workspaces: cells.number()?,
                subscription: cells.json_or_null()?.flatten(),
                standing: cells.json_or_null()?.unwrap_or(BillingStanding::Good),
            })
        };
        let found: Vec<OrganizationSummary> = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.page(found, |summary| summary.organization.id.to_string()))
    }

    async fn search_groups(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Group>> {
        read_all(&self.0.search(search_in_workspaces::<Group>(organization, member, text, limit)).await?)
    }

    async fn search_projects(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Project>> {
        read_all(&self.0.search(search_in_workspaces::<Project>(organization, member, text, limit)).await?)
    }
}

/// Returns the statement that reads a page of the organizations of the installation. The counts are computed for the
/// rows of the page only.
pub(crate) fn search_organizations(text: Option<&SearchText>, page: &PageRequest) -> Result<Query> {
    let after = page.after_id::<OrganizationId>()?.unwrap_or(OrganizationId::least());
    let condition = if text.is_some() { matches("o.search_text", 4) } else { "1 = 1".to_owned() };
    let query = Query::assembled(format!(
        "SELECT {}, o.members, o.workspaces, o.subscription, o.standing FROM organization_directory o \
         WHERE $1 = 'on' AND o.id > $2 AND {condition} ORDER BY o.id LIMIT $3",
        columns_of::<Organization>("o"),
    ));
    Ok(with_text(query.for_operator().text(after).int(row_limit(page)), text))
}

/// Returns the statement that searches groups or projects of an organization, in the order of their key.
pub(crate) fn search_in_workspaces<T: Stored>(
    organization: OrganizationId,
    member: Option<UserId>,
    text: &SearchText,
    limit: usize,
) -> Query {
    let column = format!("{}.workspace_id", T::TABLE.name);
    let condition = member.map(|_| format!(" AND {}", in_own_group(&column, 4))).unwrap_or_default();
    let query = select::<T>(&format!(
        "WHERE organization_id = $1 AND {}{condition} ORDER BY workspace_id, id LIMIT $3",
        matches("search_text", 2),
    ));
    let query = query.for_organization(organization).text(text.like_pattern()).int(sql_limit(limit));
    member.into_iter().fold(query, Query::text)
}

/// Returns the condition that a user, bound to a parameter, is in a group of the workspace in a column. The first
/// parameter is the organization.
pub(super) fn in_own_group(workspace: &str, parameter: usize) -> String {
    format!(
        "EXISTS (SELECT 1 FROM group_members g WHERE g.organization_id = $1 AND g.user_id = ${parameter} \
         AND g.workspace_id = {workspace})"
    )
}

/// Returns the condition that a searchable column contains the text that is bound to a parameter.
pub(super) fn matches(column: &str, parameter: usize) -> String {
    format!("{column} LIKE ${parameter} ESCAPE '\\'")
}

/// Binds a text to search for, if there is one.
pub(super) fn with_text(query: Query, text: Option<&SearchText>) -> Query {
    text.into_iter().fold(query, |query, text| query.text(text.like_pattern()))
}
