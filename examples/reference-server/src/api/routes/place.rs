//! The places that paths name. An id that is none, or somebody else's, is a place that does not exist.

use hexabase_core::id::{
    AssignmentId, GroupId, InvitationId, MessageId, NodePoolId, OrganizationId, ProjectId, RoleId, SessionId,
    TaskId, TokenId, UserId, WorkspaceId,
};
use hexabase_core::name::HostClusterName;
use serde::Deserialize;
use utoipa::IntoParams;

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty),+ })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, IntoParams)]
        #[into_params(parameter_in = Path)]
        pub(crate) struct $name {$(
            $(#[$about])*
            #[param(value_type = String)]
            pub(crate) $field: $type,
        )+}
    )*};
}

places! {
    /// An organization.
    InOrganization {
        /// The organization: `org_…`.
        org: OrganizationId
    }
    /// Somebody in an organization.
    AtMember {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The member: `usr_…`.
        user: UserId
    }
    /// A way to pay.
    AtPaymentMethod {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The way to pay, as the payment provider calls it.
        pm: String
    }
    /// An invoice. Its name is in a field of its own, since `inv` is an invitation's elsewhere.
    AtInvoice {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The invoice, as the payment provider calls it.
        inv: String
    }
    /// An invitation.
    AtInvitation {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The invitation: `inv_…`.
        inv: InvitationId
    }
    /// A service account.
    AtServiceAccount {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The service account: `usr_…`.
        id: UserId
    }
    /// A workspace.
    InWorkspace {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId
    }
    /// A host cluster.
    AtCluster {
        /// The name of the cluster.
        cluster: HostClusterName
    }
    /// A message that was given up.
    AtDeadLetter {
        /// The message: `msg_…`.
        id: MessageId
    }
    /// Nodes that a workspace has to itself.
    AtNodePool {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The pool: `npl_…`.
        id: NodePoolId
    }
    /// A task of a workspace.
    AtTask {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The task: `tsk_…`.
        tsk: TaskId
    }
    /// Somebody in a workspace.
    AtWorkspaceMember {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The user: `usr_…`.
        user: UserId
    }
    /// A group of a workspace.
    AtGroup {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The group: `grp_…`.
        grp: GroupId
    }
    /// Somebody in a group.
    AtGroupMember {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The group: `grp_…`.
        grp: GroupId,
        /// The user: `usr_…`.
        user: UserId
    }
    /// An assignment in a workspace as a whole.
    AtAssignment {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The assignment: `asg_…`.
        asg: AssignmentId
    }
    /// A project of a workspace.
    InProject {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The project: `prj_…`.
        prj: ProjectId
    }
    /// A custom role of a project.
    AtRole {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The project: `prj_…`.
        prj: ProjectId,
        /// The role: `rol_…`.
        rol: RoleId
    }
    /// An assignment in a project.
    AtProjectAssignment {
        /// The organization: `org_…`.
        org: OrganizationId,
        /// The workspace: `ws_…`.
        ws: WorkspaceId,
        /// The project: `prj_…`.
        prj: ProjectId,
        /// The assignment: `asg_…`.
        asg: AssignmentId
    }
    /// One of one's own sessions.
    AtSession {
        /// The session: `ses_…`.
        id: SessionId
    }
    /// One of one's own API tokens.
    AtToken {
        /// The token: `tok_…`.
        tok: TokenId
    }
    /// A way to sign in.
    AtProvider {
        /// The provider, as `GET /auth/providers` names it.
        provider: String
    }
}
