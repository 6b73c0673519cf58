use super::{Caller, Organizations};
use crate::access::{Action, Decision, EffectiveRoles, authorize};
use crate::error::Result;
use crate::id::{OrganizationId, UserId};
use crate::model::{Group, Member, OrganizationRole, Project, User, Workspace};
use crate::page::PageRequest;
use crate::search::{MemberFilter, SearchText, WorkspaceFilter};

/// Maximum number of results of each kind.
const MAX_RESULTS: u16 = 20;

/// Objects of an organization whose names contain a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchResults {
    /// Workspaces, oldest first.
    pub workspaces: Vec<Workspace>,
    /// Projects, ordered by workspace and id.
    pub projects: Vec<Project>,
    /// Groups, ordered by workspace and id.
    pub groups: Vec<Group>,
    /// Members, ordered by user id.
    pub members: Vec<(Member, User)>,
    /// `true` if there are more results of some kind than the maximum.
    pub truncated: bool,
}

/// Workspaces whose objects a search may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visible {
    /// None.
    Nothing,
    /// Those in which the caller is in a group.
    OwnGroups(UserId),
    /// All.
    Everything,
}

impl Visible {
    /// Decides by the permission table in which workspaces the caller may perform an action.
    fn by(caller: &Caller, role: OrganizationRole, action: Action) -> Self {
        let outside = EffectiveRoles { organization: Some(role), ..EffectiveRoles::default() };
        let inside = EffectiveRoles { in_workspace: true, ..outside };
        let allows =
            |roles: &EffectiveRoles| authorize(&caller.principal, roles, action) == Decision::Allowed;
        match (allows(&outside), allows(&inside)) {
            (true, _) => Self::Everything,
            (false, true) => Self::OwnGroups(caller.principal.user_id),
            (false, false) => Self::Nothing,
        }
    }

    /// Returns the user whose groups limit a search; `None` for no search.
    const fn member(self) -> Option<Option<UserId>> {
        match self {
            Self::Nothing => None,
            Self::OwnGroups(user) => Some(Some(user)),
            Self::Everything => Some(None),
        }
    }
}

impl Organizations<'_> {
    /// Searches the workspaces, projects, groups and members of an organization that the caller may list, at most 20 of
    /// each kind.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Invalid` with code `search_timeout` if the store takes too long.
    /// - `RateLimited` with code `too_many_searches` while the organization has two searches in progress.
    pub async fn search(
        &self,
        caller: &Caller,
        id: OrganizationId,
        text: &SearchText,
    ) -> Result<SearchResults> {
        let role = self.0.permit(caller, id, Action::OrganizationRead).await?;
        let _search = self.0.searches.begin(id)?;
        let (store, page) = (&self.0.store, PageRequest::new(MAX_RESULTS, None));
        let limit = page.limit() + 1;
        let visible = |action| Visible::by(caller, role, action).member();
        let mut found = SearchResults::default();
        if let Some(member) = visible(Action::WorkspaceRead) {
            let filter = WorkspaceFilter { text: Some(text.clone()), ..WorkspaceFilter::default() };
            let workspaces = store.list_workspaces(id, member, &filter, &page).await?;
            found.truncated |= workspaces.next.is_some();
            found.workspaces = workspaces.items;
        }
        if let Some(member) = visible(Action::ProjectsRead) {
            found.projects = store.search_projects(id, member, text, limit).await?;
        }
        if let Some(member) = visible(Action::GroupsRead) {
            found.groups = store.search_groups(id, member, text, limit).await?;
        }
        if visible(Action::MembersRead).is_some() {
            let filter = MemberFilter { text: Some(text.clone()), role: None };
            let members = store.list_members(id, &filter, &page).await?;
            found.truncated |= members.next.is_some();
            found.members = members.items;
        }
        found.truncated |= found.projects.len() == limit || found.groups.len() == limit;
        found.projects.truncate(page.limit());
        found.groups.truncate(page.limit());
        Ok(found)
    }
}
