//! Path parameters. A malformed id, and one of another organization, is `not_found`.

use hexabase_core::alerts::SilenceId;
use hexabase_core::id::{
    AlertRuleId, AssignmentId, GroupId, InvitationId, MessageId, NodePoolId, OrganizationId, ProjectId,
    RoleId, SessionId, TaskId, TokenId, UserId, WorkspaceId,
};
use hexabase_core::metrics::Metric;
use hexabase_core::name::HostClusterName;
use serde::Deserialize;
use utoipa::IntoParams;

/// Schemas of the parameters, by the names of their types. The derive knows `String` itself.
mod schemas {
    pub(super) use crate::schema::MetricName as Metric;
    pub(super) use crate::schema::{
        AlertRuleId, AssignmentId, GroupId, HostClusterName, InvitationId, MessageId, NodePoolId,
        OrganizationId, ProjectId, RoleId, SessionId, SilenceId, TaskId, TokenId, UserId, WorkspaceId,
    };
}

macro_rules! path_params {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ident),+ })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, IntoParams)]
        #[into_params(parameter_in = Path)]
        pub(crate) struct $name {$(
            $(#[$about])*
            #[param(value_type = schemas::$type)]
            pub(crate) $field: $type,
        )+}
    )*};
}

path_params! {
    /// Path of an organization.
    OrganizationPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId
    }
    /// Path of a member of an organization.
    MemberPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the user, `usr_…`.
        user: UserId
    }
    /// Path of a payment method.
    PaymentMethodPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the payment method at the payment provider.
        pm: String
    }
    /// Path of an invoice. A struct of its own, because `inv` is the id of an invitation in other paths.
    InvoicePath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the invoice at the payment provider.
        inv: String
    }
    /// Path of an invitation.
    InvitationPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the invitation, `inv_…`.
        inv: InvitationId
    }
    /// Path of a service account.
    ServiceAccountPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the service account, `usr_…`.
        id: UserId
    }
    /// Path of an inventory.
    InventoryPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Name of the inventory.
        inventory: String
    }
    /// Path of a workspace.
    WorkspacePath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId
    }
    /// Path of a metric.
    MetricPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Name of the metric.
        metric: Metric
    }
    /// Path of the metrics of a tenant API server.
    ScrapedWorkspacePath {
        /// Id of the workspace, `ws_…`.
        workspace: WorkspaceId
    }
    /// Path of a host cluster.
    ClusterPath {
        /// Name of the host cluster.
        cluster: HostClusterName
    }
    /// Path of a dead letter.
    DeadLetterPath {
        /// Id of the message, `msg_…`.
        id: MessageId
    }
    /// Path of a node pool.
    NodePoolPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the node pool, `npl_…`.
        id: NodePoolId
    }
    /// Path of an alert rule.
    AlertRulePath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the alert rule, `alr_…`.
        id: AlertRuleId
    }
    /// Path of a silence.
    SilencePath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the silence, a UUID.
        id: SilenceId
    }
    /// Path of a task.
    TaskPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the task, `tsk_…`.
        tsk: TaskId
    }
    /// Path of a member of a workspace.
    WorkspaceMemberPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the user, `usr_…`.
        user: UserId
    }
    /// Path of a group.
    GroupPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the group, `grp_…`.
        grp: GroupId
    }
    /// Path of a member of a group.
    GroupMemberPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the group, `grp_…`.
        grp: GroupId,
        /// Id of the user, `usr_…`.
        user: UserId
    }
    /// Path of a role assignment in the workspace as a whole.
    AssignmentPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the role assignment, `asg_…`.
        asg: AssignmentId
    }
    /// Path of a project.
    ProjectPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the project, `prj_…`.
        prj: ProjectId
    }
    /// Path of a custom role.
    RolePath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the project, `prj_…`.
        prj: ProjectId,
        /// Id of the role, `rol_…`.
        rol: RoleId
    }
    /// Path of a role assignment in a project.
    ProjectAssignmentPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the workspace, `ws_…`.
        ws: WorkspaceId,
        /// Id of the project, `prj_…`.
        prj: ProjectId,
        /// Id of the role assignment, `asg_…`.
        asg: AssignmentId
    }
    /// Path of a session of the caller.
    SessionPath {
        /// Id of the session, `ses_…`.
        id: SessionId
    }
    /// Path of an API token of the caller.
    TokenPath {
        /// Id of the token, `tok_…`.
        tok: TokenId
    }
    /// Path of an API token of a service account.
    ServiceAccountTokenPath {
        /// Id of the organization, `org_…`.
        org: OrganizationId,
        /// Id of the service account, `usr_…`.
        id: UserId,
        /// Id of the token, `tok_…`.
        tok: TokenId
    }
    /// Path of a sign-in provider.
    ProviderPath {
        /// Id of the provider, as listed by `GET /auth/providers`.
        provider: String
    }
}
