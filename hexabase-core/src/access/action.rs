use std::fmt::Write as _;

use crate::model::{EventKind, OrganizationRole, Scope};

/// Level at which an action applies. It determines which callers may know that the object exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The organization as a whole, visible to its members.
    Organization,
    /// A workspace, visible to owners, administrators and billing of the organization, and to the members of the
    /// workspace's groups.
    Workspace,
}

/// Right in a workspace, granted by its groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceRight {
    /// No right: groups do not permit the action.
    None,
    /// Membership of any group of the workspace.
    Member,
    /// A role that allows `get pods/log` in the project concerned, or in the workspace as a whole: every preset role,
    /// and custom roles with such a rule.
    PodLogs,
    /// The role `hexabase:workspace-admin`, or `hexabase:project-admin` in the project concerned.
    ProjectAdmin,
    /// The role `hexabase:workspace-admin`.
    Admin,
}

/// Row of the permission table.
#[derive(Debug, Clone, Copy)]
pub struct Permission {
    /// Name of the action, as in the audit log and the documentation.
    pub name: &'static str,
    /// Level at which the action applies.
    pub level: Level,
    /// Organization roles that permit the action.
    pub roles: &'static [OrganizationRole],
    /// Right in the workspace that permits the action without one of `roles`.
    pub workspace_right: WorkspaceRight,
    /// Scope that an API token needs for the action.
    pub scope: Scope,
}

const OWNER_ROLE: &[OrganizationRole] = &[OrganizationRole::Owner];
const ADMIN_ROLES: &[OrganizationRole] = &[OrganizationRole::Owner, OrganizationRole::Admin];
const STAFF_ROLES: &[OrganizationRole] =
    &[OrganizationRole::Owner, OrganizationRole::Admin, OrganizationRole::Billing];
const BILLING_ROLES: &[OrganizationRole] = &[OrganizationRole::Owner, OrganizationRole::Billing];
const ALL_ROLES: &[OrganizationRole] = OrganizationRole::ALL;
const NO_ROLES: &[OrganizationRole] = &[];

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal, $level:ident, $roles:ident, $workspace_right:ident, $scope:ident;)+) => {
        /// Action of a caller, subject to authorization.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[$doc])* $action),+ }

        impl Action {
            /// All actions, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            /// Returns the row of the permission table.
            #[must_use]
            pub const fn permission(self) -> Permission {
                match self {$(
                    Self::$action => Permission {
                        name: $name,
                        level: Level::$level,
                        roles: $roles,
                        workspace_right: WorkspaceRight::$workspace_right,
                        scope: Scope::$scope,
                    },
                )+}
            }
        }
    };
}

actions! {
    /// See an organization.
    OrganizationRead = "organization.read", Organization, ALL_ROLES, None, OrganizationsRead;
    /// Change the display name of an organization, and its inventories.
    OrganizationUpdate = "organization.update", Organization, ADMIN_ROLES, None, OrganizationsWrite;
    /// Delete an organization.
    OrganizationDelete = "organization.delete", Organization, OWNER_ROLE, None, OrganizationsWrite;
    /// List the members of an organization.
    MembersRead = "members.read", Organization, ALL_ROLES, None, OrganizationsRead;
    /// Change roles and remove members. Changes that concern owners require an owner.
    MembersManage = "members.manage", Organization, ADMIN_ROLES, None, OrganizationsWrite;
    /// Leave an organization.
    MembersLeave = "members.leave", Organization, ALL_ROLES, None, OrganizationsWrite;
    /// Invite a person. Inviting an owner requires an owner.
    InvitationCreate = "invitation.create", Organization, ADMIN_ROLES, None, OrganizationsWrite;
    /// List and withdraw invitations.
    InvitationsManage = "invitations.manage", Organization, ADMIN_ROLES, None, OrganizationsWrite;
    /// Create a service account.
    ServiceAccountCreate = "service_account.create", Organization, ADMIN_ROLES, None, OrganizationsWrite;
    /// List and delete service accounts, and create, list and delete their tokens.
    ServiceAccountsManage = "service_accounts.manage", Organization, ADMIN_ROLES, None, OrganizationsWrite;
    /// Read the audit log.
    AuditRead = "audit.read", Organization, ADMIN_ROLES, None, OrganizationsRead;
    /// Read object counts and usage of an organization.
    OverviewRead = "overview.read", Organization, ALL_ROLES, None, OrganizationsRead;
    /// Watch the events of an organization; events of a workspace require that the caller can see the workspace.
    EventsRead = "events.read", Organization, ALL_ROLES, None, OrganizationsRead;
    /// Read the subscription, payment methods, invoices and usage costs of an organization.
    BillingRead = "billing.read", Organization, BILLING_ROLES, None, BillingRead;
    /// Subscribe to a plan, and cancel the subscription.
    BillingOrder = "billing.order", Organization, BILLING_ROLES, None, BillingWrite;
    /// Set the monthly budget for usage.
    BillingBudget = "billing.budget", Organization, BILLING_ROLES, None, BillingWrite;
    /// Change payment methods.
    BillingManage = "billing.manage", Organization, BILLING_ROLES, None, BillingWrite;
    /// List workspaces: all of them for owners, administrators and billing; for other members, those of their groups.
    WorkspacesList = "workspaces.list", Organization, ALL_ROLES, None, WorkspacesRead;
    /// Create a workspace.
    WorkspaceCreate = "workspace.create", Organization, ADMIN_ROLES, None, WorkspacesWrite;
    /// See a workspace, its tasks, conditions, drift, usage and isolation report.
    WorkspaceRead = "workspace.read", Workspace, STAFF_ROLES, Member, WorkspacesRead;
    /// Request an isolation check of a workspace.
    IsolationCheck = "isolation.check", Workspace, STAFF_ROLES, Member, WorkspacesRead;
    /// Change a workspace's name, plan or version.
    WorkspaceUpdate = "workspace.update", Workspace, ADMIN_ROLES, None, WorkspacesWrite;
    /// Delete a workspace.
    WorkspaceDelete = "workspace.delete", Workspace, ADMIN_ROLES, None, WorkspacesWrite;
    /// Suspend a workspace.
    WorkspaceSuspend = "workspace.suspend", Workspace, ADMIN_ROLES, None, WorkspacesWrite;
    /// Resume a workspace.
    WorkspaceResume = "workspace.resume", Workspace, ADMIN_ROLES, None, WorkspacesWrite;
    /// Create a node pool.
    NodePoolCreate = "node_pool.create", Workspace, ADMIN_ROLES, None, WorkspacesWrite;
    /// Delete node pools.
    NodePoolsManage = "node_pools.manage", Workspace, ADMIN_ROLES, None, WorkspacesWrite;
    /// List the alert rules, alerts and silences of a workspace.
    AlertsRead = "alerts.read", Workspace, STAFF_ROLES, Member, WorkspacesRead;
    /// Create an alert rule for a workspace or a project.
    AlertRuleCreate = "alert_rule.create", Workspace, ADMIN_ROLES, ProjectAdmin, WorkspacesWrite;
    /// Change and delete alert rules, and silence their alerts.
    AlertRulesManage = "alert_rules.manage", Workspace, ADMIN_ROLES, ProjectAdmin, WorkspacesWrite;
    /// Retry a failed task.
    TaskRetry = "task.retry", Workspace, ADMIN_ROLES, Admin, WorkspacesWrite;
    /// Request a kubeconfig or a token for the tenant cluster, and read the policy report of one's projects.
    ClusterAccess = "cluster.access", Workspace, NO_ROLES, Member, ClusterAccess;
    /// Read and follow the logs of the pods in a project, or in the workspace as a whole.
    LogsRead = "logs.read", Workspace, NO_ROLES, PodLogs, ClusterAccess;
    /// List groups and their members.
    GroupsRead = "groups.read", Workspace, ADMIN_ROLES, Member, AccessRead;
    /// Create a group.
    GroupCreate = "group.create", Workspace, ADMIN_ROLES, Admin, AccessWrite;
    /// Change groups and their members.
    GroupsManage = "groups.manage", Workspace, ADMIN_ROLES, Admin, AccessWrite;
    /// List roles and role assignments.
    RolesRead = "roles.read", Workspace, ADMIN_ROLES, Member, AccessRead;
    /// Assign roles in the workspace as a whole.
    WorkspaceRolesAssign = "workspace_roles.assign", Workspace, ADMIN_ROLES, Admin, AccessWrite;
    /// Define a custom role in a project.
    ProjectRoleCreate = "role.create", Workspace, NO_ROLES, ProjectAdmin, AccessWrite;
    /// Change and delete custom roles in a project, and assign roles in it.
    ProjectRolesManage = "project_roles.manage", Workspace, NO_ROLES, ProjectAdmin, AccessWrite;
    /// Check the permissions of another user in the cluster.
    AccessReview = "access.review", Workspace, ADMIN_ROLES, Admin, AccessRead;
    /// List projects and their usage.
    ProjectsRead = "projects.read", Workspace, STAFF_ROLES, Member, ProjectsRead;
    /// Create a project.
    ProjectCreate = "project.create", Workspace, NO_ROLES, Admin, ProjectsWrite;
    /// Change and delete projects, and set their quotas.
    ProjectsManage = "projects.manage", Workspace, NO_ROLES, Admin, ProjectsWrite;
}

impl EventKind {
    /// Returns the action that a caller needs to receive live events of this kind: that of reading the changed objects.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::WorkspacePhase | Self::WorkspaceDrift | Self::TaskProgress => Action::WorkspaceRead,
            Self::BillingStanding | Self::BillingUsage | Self::BillingChanged => Action::BillingRead,
            Self::MembersChanged => Action::MembersRead,
            Self::AccessChanged => Action::GroupsRead,
            Self::ProjectsChanged => Action::ProjectsRead,
            Self::AlertsChanged => Action::AlertsRead,
        }
    }
}

/// Returns the kinds of live events in Markdown, for the documentation.
#[must_use]
pub fn event_kinds_as_markdown() -> String {
    let mut text = String::from("| kind | meaning | for callers with |\n|---|---|---|\n");
    for kind in EventKind::ALL {
        let action = kind.action().permission().name;
        let _ = writeln!(text, "| `{kind}` | {} | `{action}` |", kind.description());
    }
    text
}

/// Returns the permission table in Markdown, for the documentation.
#[must_use]
pub fn permission_table_as_markdown() -> String {
    let mut text = String::from(
        "| action | owner | admin | billing | member | right in the workspace | token scope |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|\n");
    for action in Action::ALL {
        let permission = action.permission();
        let _ = write!(text, "| `{}` |", permission.name);
        for role in OrganizationRole::ALL {
            text.push_str(if permission.roles.contains(role) { " yes |" } else { " |" });
        }
        let workspace_right = match permission.workspace_right {
            WorkspaceRight::None => "",
            WorkspaceRight::Member => "any group",
            WorkspaceRight::PodLogs => "role that allows `get pods/log`",
            WorkspaceRight::ProjectAdmin => "workspace or project admin",
            WorkspaceRight::Admin => "workspace admin",
        };
        let _ = writeln!(text, " {workspace_right} | `{}` |", permission.scope);
    }
    text
}
