use std::sync::LazyLock;

use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, TaskId, TypedId as _, UserId, WorkspaceId};
use hexabase_core::model::{Assignment, CustomRole, Group, Member, Project, Task, Workspace, WorkspaceState};
use hexabase_core::name::PlanId;
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::search::WorkspaceFilter;
use hexabase_core::store::{RunningWorkspace, WorkspaceStore};

use super::search::{in_own_group, matches};
use super::table::{Stored, columns_of, select};
use super::{Cells, Engine, Query, Reads as _, SqlStore, read_all, row_limit};

/// Text of the statement that reads a membership and, if it exists, a workspace. Built once, because nearly every
/// request starts with it.
static SELECT_MEMBER_AND_WORKSPACE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, w.id IS NOT NULL, {} FROM members m \
         LEFT JOIN workspaces w ON w.organization_id = m.organization_id AND w.id = $3 \
         WHERE m.organization_id = $1 AND m.user_id = $2",
        columns_of::<Member>("m"),
        columns_of::<Workspace>("w"),
    )
});

#[async_trait]
impl<E: Engine> WorkspaceStore for SqlStore<E> {
    async fn find_workspace(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Option<Workspace>> {
        self.0
            .find_one(
                select::<Workspace>("WHERE organization_id = $1 AND id = $2")
                    .for_organization(organization)
                    .text(id),
            )
            .await
    }

    async fn organization_of_workspace(&self, id: WorkspaceId) -> Result<Option<OrganizationId>> {
        let query =
            Query::assembled(format!("SELECT organization_id FROM {} WHERE id = $1", E::WORKSPACE_SCHEDULE));
        let rows = self.0.fetch(query.text(id)).await?;
        rows.first().map(|row| Cells::new(row).parse()).transpose()
    }

    async fn list_running_workspaces(
        &self,
        after: Option<WorkspaceId>,
        limit: u16,
    ) -> Result<Vec<RunningWorkspace>> {
        let query = Query::new(
            "SELECT organization_id, id, host_cluster, plan_id FROM running_workspaces \
             WHERE id > $1 ORDER BY id LIMIT $2",
        );
        let query = query.text(after.unwrap_or(WorkspaceId::least())).int(i64::from(limit));
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            Ok(RunningWorkspace {
                organization_id: cells.parse()?,
                id: cells.parse()?,
                host_cluster: cells.parse()?,
                plan_id: cells.parse()?,
            })
        };
        self.0.fetch(query).await?.iter().map(read).collect()
    }

    async fn find_workspace_for(
        &self,
        organization: OrganizationId,
        user: UserId,
        id: WorkspaceId,
    ) -> Result<Option<(Member, Option<Workspace>)>> {
        let query =
            Query::new(&SELECT_MEMBER_AND_WORKSPACE).for_organization(organization).text(user).text(id);
        let rows = self.0.fetch_batched(query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut cells = Cells::new(row);
        let member = Member::read(&mut cells)?;
        let exists = cells.bool()?;
        Ok(Some((member, exists.then(|| Workspace::read(&mut cells)).transpose()?)))
    }

    async fn load_workspace(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Option<WorkspaceState>> {
        fn in_workspace<T: Stored>(organization: OrganizationId, id: WorkspaceId) -> Query {
            let query = select::<T>("WHERE organization_id = $1 AND workspace_id = $2 ORDER BY id");
            query.for_organization(organization).text(id)
        }
        let root = select::<Workspace>("WHERE organization_id = $1 AND id = $2")
            .for_organization(organization)
            .text(id);
        let queries = vec![
            root,
            in_workspace::<Group>(organization, id),
            in_workspace::<Project>(organization, id),
            in_workspace::<CustomRole>(organization, id),
            in_workspace::<Assignment>(organization, id),
        ];
        let found = self.0.fetch_in_snapshot(queries).await?;
        let [root, groups, projects, roles, assignments] = found.as_slice() else { return Ok(None) };
        let Some(workspace) = read_all(root)?.pop() else { return Ok(None) };
        Ok(Some(WorkspaceState {
            workspace,
            groups: read_all(groups)?,
            projects: read_all(projects)?,
            roles: read_all(roles)?,
            assignments: read_all(assignments)?,
        }))
    }

    async fn list_workspaces(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        filter: &WorkspaceFilter,
        page: &PageRequest,
    ) -> Result<Page<Workspace>> {
        let query = list_workspaces(organization, member, filter, page)?;
        self.0.page(query, page, |workspace: &Workspace| workspace.id.to_string()).await
    }

    async fn find_task(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: TaskId,
    ) -> Result<Option<Task>> {
        let query = select::<Task>("WHERE organization_id = $1 AND workspace_id = $2 AND id = $3");
        self.0.find_one(query.for_organization(organization).text(workspace).text(id)).await
    }

    async fn list_tasks(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Task>> {
        self.0.page(list_tasks(organization, workspace, page)?, page, |task: &Task| task.id.to_string()).await
    }

    async fn list_open_tasks(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<Task>> {
        let query = select::<Task>(
            "WHERE organization_id = $1 AND workspace_id = $2 AND finished_at IS NULL \
             AND state IN ('pending', 'running') ORDER BY id",
        );
        self.0.find_all(query.for_organization(organization).text(workspace)).await
    }
}

/// Returns the statement that reads a page of the workspaces of an organization. It reads the workspaces of the
/// organization in order, whose number the plan limits, until the page is full.
pub(crate) fn list_workspaces(
    organization: OrganizationId,
    member: Option<UserId>,
    filter: &WorkspaceFilter,
    page: &PageRequest,
) -> Result<Query> {
    let after = page.after_id::<WorkspaceId>()?.unwrap_or(WorkspaceId::least());
    let mut query = Query::new("").for_organization(organization).text(after).int(row_limit(page));
    let mut conditions = vec!["organization_id = $1 AND id > $2".to_owned()];
    if let Some(user) = member {
        query = query.text(user);
        conditions.push(in_own_group("workspaces.id", query.values.len()));
    }
    let equal = [
        ("phase", filter.phase.map(|phase| phase.to_string())),
        ("plan_id", filter.plan_id.as_ref().map(PlanId::to_string)),
    ];
    for (column, value) in equal {
        if let Some(value) = value {
            query = query.text(value);
            conditions.push(format!("{column} = ${}", query.values.len()));
        }
    }
    if let Some(text) = &filter.text {
        query = query.text(text.like_pattern());
        conditions.push(matches("search_text", query.values.len()));
    }
    let rest = format!("WHERE {} ORDER BY id LIMIT $3", conditions.join(" AND "));
    Ok(Query { sql: select::<Workspace>(&rest).sql, ..query })
}

/// Returns the statement that reads a page of the tasks of a workspace, newest first.
pub(crate) fn list_tasks(
    organization: OrganizationId,
    workspace: WorkspaceId,
    page: &PageRequest,
) -> Result<Query> {
    let before = page.after_id::<TaskId>()?.unwrap_or(TaskId::greatest());
    let query = select::<Task>(
        "WHERE organization_id = $1 AND workspace_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
    );
    Ok(query.for_organization(organization).text(workspace).text(before).int(row_limit(page)))
}
