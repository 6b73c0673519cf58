use std::fmt::Write as _;

use crate::model::{OrganizationRole, Scope};

/// Where an action takes place, which decides whether an outsider may know that the place exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// In an organization as a whole: visible to its members.
    Organization,
    /// In a workspace: visible to owners, administrators and billing of the organization, and to whoever is
    /// in one of the workspace's groups.
    Workspace,
}

/// What an action asks of whoever is in the workspace's groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceDemand {
    /// No group gives this right.
    Nothing,
    /// Being in any group of the workspace.
    Member,
    /// Having `hexabase:workspace-admin`, or `hexabase:project-admin` in the project concerned.
    ProjectAdmin,
    /// Having `hexabase:workspace-admin`.
    Admin,
}

/// One row of the table of permissions.
#[derive(Debug, Clone, Copy)]
pub struct Permission {
    /// The action, as the audit log and the documentation write it.
    pub name: &'static str,
    /// Where it takes place.
    pub level: Level,
    /// The organization roles that may do it.
    pub roles: &'static [OrganizationRole],
    /// What else gives the right to do it.
    pub demand: WorkspaceDemand,
    /// The scope that an API token needs for it.
    pub scope: Scope,
}

const OWNER: &[OrganizationRole] = &[OrganizationRole::Owner];
const ADMINS: &[OrganizationRole] = &[OrganizationRole::Owner, OrganizationRole::Admin];
const STAFF: &[OrganizationRole] =
    &[OrganizationRole::Owner, OrganizationRole::Admin, OrganizationRole::Billing];
const PAYERS: &[OrganizationRole] = &[OrganizationRole::Owner, OrganizationRole::Billing];
const EVERYBODY: &[OrganizationRole] = OrganizationRole::ALL;
const NOBODY: &[OrganizationRole] = &[];

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal, $level:ident, $roles:ident, $demand:ident, $scope:ident;)+) => {
        /// Something that a caller may or may not do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[$doc])* $action),+ }

        impl Action {
            /// All actions, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            /// Who may do it.
            #[must_use]
            pub const fn permission(self) -> Permission {
                match self {$(
                    Self::$action => Permission {
                        name: $name,
                        level: Level::$level,
                        roles: $roles,
                        demand: WorkspaceDemand::$demand,
                        scope: Scope::$scope,
                    },
                )+}
            }
        }
    };
}

actions! {
    /// See an organization.
    OrganizationRead = "organization.read", Organization, EVERYBODY, Nothing, OrganizationsRead;
    /// Change how an organization is shown.
    OrganizationUpdate = "organization.update", Organization, ADMINS, Nothing, OrganizationsWrite;
    /// Remove an organization.
    OrganizationDelete = "organization.delete", Organization, OWNER, Nothing, OrganizationsWrite;
    /// See who is in an organization.
    MembersRead = "members.read", Organization, EVERYBODY, Nothing, OrganizationsRead;
    /// Change roles and remove members. What concerns owners is for owners only.
    MembersManage = "members.manage", Organization, ADMINS, Nothing, OrganizationsWrite;
    /// Leave an organization.
    MembersLeave = "members.leave", Organization, EVERYBODY, Nothing, OrganizationsWrite;
    /// See, make and withdraw invitations. Only owners invite owners.
    InvitationsManage = "invitations.manage", Organization, ADMINS, Nothing, OrganizationsWrite;
    /// See, make and remove service accounts and their tokens.
    ServiceAccountsManage = "service_accounts.manage", Organization, ADMINS, Nothing, OrganizationsWrite;
    /// Read the audit log.
    AuditRead = "audit.read", Organization, ADMINS, Nothing, OrganizationsRead;
    /// Read counts and usage of an organization.
    OverviewRead = "overview.read", Organization, EVERYBODY, Nothing, OrganizationsRead;
    /// Watch what moves in an organization; what moves in a workspace only where it may be seen.
    EventsRead = "events.read", Organization, EVERYBODY, Nothing, OrganizationsRead;
    /// See what an organization pays, and how.
    BillingRead = "billing.read", Organization, PAYERS, Nothing, BillingRead;
    /// Subscribe, end a subscription, and change ways to pay.
    BillingManage = "billing.manage", Organization, PAYERS, Nothing, BillingWrite;
    /// List workspaces: all of them for owners, administrators and billing, one's own for everybody else.
    WorkspacesList = "workspaces.list", Organization, EVERYBODY, Nothing, WorkspacesRead;
    /// Make a workspace.
    WorkspaceCreate = "workspace.create", Organization, ADMINS, Nothing, WorkspacesWrite;
    /// See a workspace, its tasks, conditions, drift and usage.
    WorkspaceRead = "workspace.read", Workspace, STAFF, Member, WorkspacesRead;
    /// Change a workspace's name, plan or version.
    WorkspaceUpdate = "workspace.update", Workspace, ADMINS, Nothing, WorkspacesWrite;
    /// Remove a workspace.
    WorkspaceDelete = "workspace.delete", Workspace, ADMINS, Nothing, WorkspacesWrite;
    /// Put a workspace to sleep, or wake it.
    WorkspacePower = "workspace.power", Workspace, ADMINS, Nothing, WorkspacesWrite;
    /// Give a workspace nodes of its own, or take them back.
    NodePoolsManage = "node_pools.manage", Workspace, ADMINS, Nothing, WorkspacesWrite;
    /// Try a failed task again.
    TaskRetry = "task.retry", Workspace, ADMINS, Admin, WorkspacesWrite;
    /// Get a kubeconfig or a token for the tenant cluster.
    ClusterAccess = "cluster.access", Workspace, NOBODY, Member, ClusterAccess;
    /// See groups, and who is in them.
    GroupsRead = "groups.read", Workspace, ADMINS, Member, AccessRead;
    /// Change groups, and who is in them.
    GroupsManage = "groups.manage", Workspace, ADMINS, Admin, AccessWrite;
    /// See roles and assignments.
    RolesRead = "roles.read", Workspace, ADMINS, Member, AccessRead;
    /// Assign roles in the workspace as a whole.
    WorkspaceRolesAssign = "workspace_roles.assign", Workspace, ADMINS, Admin, AccessWrite;
    /// Make custom roles in a project, and assign roles there.
    ProjectRolesManage = "project_roles.manage", Workspace, NOBODY, ProjectAdmin, AccessWrite;
    /// Ask what somebody else could do in the cluster.
    AccessReview = "access.review", Workspace, ADMINS, Admin, AccessRead;
    /// See projects and their usage.
    ProjectsRead = "projects.read", Workspace, STAFF, Member, ProjectsRead;
    /// Make and remove projects, and set their quotas.
    ProjectsManage = "projects.manage", Workspace, NOBODY, Admin, ProjectsWrite;
}

/// The whole table, for the documentation.
#[must_use]
pub fn table_as_markdown() -> String {
    let mut text =
        String::from("| action | owner | admin | billing | member | in the workspace | token scope |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for action in Action::ALL {
        let permission = action.permission();
        let _ = write!(text, "| `{}` |", permission.name);
        for role in OrganizationRole::ALL {
            text.push_str(if permission.roles.contains(role) { " yes |" } else { " |" });
        }
        let demand = match permission.demand {
            WorkspaceDemand::Nothing => "",
            WorkspaceDemand::Member => "any group",
            WorkspaceDemand::ProjectAdmin => "workspace or project admin",
            WorkspaceDemand::Admin => "workspace admin",
        };
        let _ = writeln!(text, " {demand} | `{}` |", permission.scope);
    }
    text
}
