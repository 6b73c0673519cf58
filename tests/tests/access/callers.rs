//! Every kind of caller, with the permissions that the permission table grants it.

use axum::http::{Method, StatusCode};
use hexabase_core::access::{Action, Level, WorkspaceRight};
use hexabase_core::model::{OrganizationRole, Scope, Scopes};
use hexabase_tests::{Client, PathParams, TestApp, TestUser};
use serde_json::{Value, json};

/// Caller with their roles in the first organization.
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    role: Option<OrganizationRole>,
    workspace_role: WorkspaceRole,
    /// Scope of the API token; `None` for a session, which has no restriction.
    scope: Option<Scope>,
}

/// Role of a caller in the workspace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WorkspaceRole {
    NoRole,
    Member,
    ProjectAdmin,
    Admin,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Allowed,
    Rejected(StatusCode),
}

impl Caller {
    /// Result that the permission table requires, computed independently of the authorization code. Requests for logs
    /// name no project, so they need a role in the workspace as a whole.
    pub(crate) fn expected(&self, action: Action) -> Expected {
        self.expected_with(action, WorkspaceRole::Admin)
    }

    /// Result that the permission table requires if the request names the project.
    pub(crate) fn expected_in_project(&self, action: Action) -> Expected {
        self.expected_with(action, WorkspaceRole::ProjectAdmin)
    }

    fn expected_with(&self, action: Action, for_logs: WorkspaceRole) -> Expected {
        let permission = action.permission();
        let Some(role) = self.role else { return Expected::Rejected(StatusCode::NOT_FOUND) };
        let sees_workspace = role != OrganizationRole::Member || self.workspace_role > WorkspaceRole::NoRole;
        if permission.level == Level::Workspace && !sees_workspace {
            return Expected::Rejected(StatusCode::NOT_FOUND);
        }
        let needed = match permission.workspace_right {
            WorkspaceRight::None => None,
            WorkspaceRight::Member => Some(WorkspaceRole::Member),
            WorkspaceRight::PodLogs => Some(for_logs),
            WorkspaceRight::ProjectAdmin => Some(WorkspaceRole::ProjectAdmin),
            WorkspaceRight::Admin => Some(WorkspaceRole::Admin),
        };
        let granted =
            permission.roles.contains(&role) || needed.is_some_and(|needed| self.workspace_role >= needed);
        let covered = self.scope.is_none_or(|scope| Scopes::from_iter([scope]).covers(permission.scope));
        if granted && covered { Expected::Allowed } else { Expected::Rejected(StatusCode::FORBIDDEN) }
    }
}

/// One caller of each kind. `creator` owns the organization and created its workspace.
pub(crate) async fn all(app: &TestApp, params: &PathParams, creator: &TestUser) -> Vec<Caller> {
    use OrganizationRole::{Admin, Billing, Member, Owner};
    let (org, w) = (params.id("org"), params.path("/api/v1/organizations/{org}/workspaces/{ws}"));
    let owner = &creator.client;
    let session = |name, user: &TestUser, role, workspace_role| Caller {
        name,
        client: user.client.clone(),
        role,
        workspace_role,
        scope: None,
    };
    let mut callers = vec![
        session("creator", creator, Some(Owner), WorkspaceRole::Admin),
        session("outsider", &app.sign_in("outsider").await, None, WorkspaceRole::NoRole),
        session(
            "owner",
            &app.add_member(creator, org, "owner", "owner").await,
            Some(Owner),
            WorkspaceRole::NoRole,
        ),
        session(
            "admin",
            &app.add_member(creator, org, "admin", "admin").await,
            Some(Admin),
            WorkspaceRole::NoRole,
        ),
        session(
            "billing",
            &app.add_member(creator, org, "billing", "billing").await,
            Some(Billing),
            WorkspaceRole::NoRole,
        ),
        session(
            "member",
            &app.add_member(creator, org, "member", "member").await,
            Some(Member),
            WorkspaceRole::NoRole,
        ),
    ];

    let workspace_member = app.add_member(creator, org, "workspace-member", "member").await;
    owner.send_ok(Method::PUT, &format!("{w}/members/{}", workspace_member.id), &Value::Null).await;
    callers.push(session(
        "a member in the workspace",
        &workspace_member,
        Some(Member),
        WorkspaceRole::Member,
    ));

    let project_admin = app.add_member(creator, org, "leader", "member").await;
    let leaders = owner.create(&format!("{w}/groups"), &json!({ "name": "leaders" })).await;
    owner
        .send_ok(Method::PUT, &format!("{w}/groups/{leaders}/members/{}", project_admin.id), &Value::Null)
        .await;
    let assignment = json!({ "group_id": leaders, "role": "hexabase:project-admin" });
    owner
        .create(&format!("{}/role-assignments", params.path(&format!("{w}/projects/{{prj}}"))), &assignment)
        .await;
    callers.push(session("a project's admin", &project_admin, Some(Member), WorkspaceRole::ProjectAdmin));

    let workspace_admin = app.add_member(creator, org, "chief", "member").await;
    let groups = owner.get(&format!("{w}/groups")).await;
    let admins =
        groups["items"].as_array().unwrap().iter().find(|group| group["name"] == "WSAdmins").unwrap();
    let admins = admins["id"].as_str().unwrap();
    owner
        .send_ok(Method::PUT, &format!("{w}/groups/{admins}/members/{}", workspace_admin.id), &Value::Null)
        .await;
    callers.push(session("a workspace's admin", &workspace_admin, Some(Member), WorkspaceRole::Admin));

    for (name, scope) in [
        ("creator's reading token", Scope::WorkspacesRead),
        ("creator's writing token", Scope::WorkspacesWrite),
        ("creator's cluster token", Scope::ClusterAccess),
    ] {
        let token = json!({ "name": name.replace([' ', '\''], "-"), "scopes": [scope.to_string()] });
        let created = owner.send_ok(Method::POST, "/api/v1/me/tokens", &token).await;
        let client = app.anonymous().with_bearer(created["secret"].as_str().unwrap());
        let (role, workspace_role) = (Some(Owner), WorkspaceRole::Admin);
        callers.push(Caller { name, client, role, workspace_role, scope: Some(scope) });
    }
    callers
}
