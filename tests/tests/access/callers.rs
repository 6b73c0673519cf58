//! Every kind of caller, and what the table of rights grants it.

use axum::http::{Method, StatusCode};
use hexabase_core::access::{Action, Level, WorkspaceDemand};
use hexabase_core::model::{OrganizationRole, Scope, Scopes};
use hexabase_tests::{Client, Person, Place, World};
use serde_json::{Value, json};

/// Somebody, and how they stand in the first organization.
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    role: Option<OrganizationRole>,
    inside: Inside,
    /// What a token is good for; a session is good for everything.
    scope: Option<Scope>,
}

/// How somebody stands in the workspace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Inside {
    Nothing,
    Group,
    ProjectAdmin,
    Admin,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Allowed,
    Refused(StatusCode),
}

impl Caller {
    /// What the table says, worked out a second time.
    pub(crate) fn expected(&self, action: Action) -> Expected {
        let permission = action.permission();
        let Some(role) = self.role else { return Expected::Refused(StatusCode::NOT_FOUND) };
        let in_sight = role != OrganizationRole::Member || self.inside > Inside::Nothing;
        if permission.level == Level::Workspace && !in_sight {
            return Expected::Refused(StatusCode::NOT_FOUND);
        }
        let needed = match permission.demand {
            WorkspaceDemand::Nothing => None,
            WorkspaceDemand::Member => Some(Inside::Group),
            WorkspaceDemand::ProjectAdmin => Some(Inside::ProjectAdmin),
            WorkspaceDemand::Admin => Some(Inside::Admin),
        };
        let granted = permission.roles.contains(&role) || needed.is_some_and(|needed| self.inside >= needed);
        let covered = self.scope.is_none_or(|scope| Scopes::from_iter([scope]).cover(permission.scope));
        if granted && covered { Expected::Allowed } else { Expected::Refused(StatusCode::FORBIDDEN) }
    }
}

/// Everybody. `creator` owns the organization and made its workspace.
pub(crate) async fn all(world: &World, place: &Place, creator: &Person) -> Vec<Caller> {
    use OrganizationRole::{Admin, Billing, Member, Owner};
    let (org, w) = (place.id("org"), place.path("/api/v1/organizations/{org}/workspaces/{ws}"));
    let boss = &creator.client;
    let of = |name, person: &Person, role, inside| Caller {
        name,
        client: person.client.clone(),
        role,
        inside,
        scope: None,
    };
    let mut callers = vec![
        of("creator", creator, Some(Owner), Inside::Admin),
        of("outsider", &world.person("outsider").await, None, Inside::Nothing),
        of("owner", &world.member(creator, org, "owner", "owner").await, Some(Owner), Inside::Nothing),
        of("admin", &world.member(creator, org, "admin", "admin").await, Some(Admin), Inside::Nothing),
        of(
            "billing",
            &world.member(creator, org, "billing", "billing").await,
            Some(Billing),
            Inside::Nothing,
        ),
        of("member", &world.member(creator, org, "member", "member").await, Some(Member), Inside::Nothing),
    ];

    let inside = world.member(creator, org, "inside", "member").await;
    boss.must(Method::PUT, &format!("{w}/members/{}", inside.id), &Value::Null).await;
    callers.push(of("a member in the workspace", &inside, Some(Member), Inside::Group));

    let leader = world.member(creator, org, "leader", "member").await;
    let leaders = boss.make(&format!("{w}/groups"), &json!({ "name": "leaders" })).await;
    boss.must(Method::PUT, &format!("{w}/groups/{leaders}/members/{}", leader.id), &Value::Null).await;
    let given = json!({ "group_id": leaders, "role": "hexabase:project-admin" });
    boss.make(&format!("{}/role-assignments", place.path(&format!("{w}/projects/{{prj}}"))), &given).await;
    callers.push(of("a project's admin", &leader, Some(Member), Inside::ProjectAdmin));

    let chief = world.member(creator, org, "chief", "member").await;
    let groups = boss.get(&format!("{w}/groups")).await;
    let admins =
        groups["items"].as_array().unwrap().iter().find(|group| group["name"] == "WSAdmins").unwrap();
    let admins = admins["id"].as_str().unwrap();
    boss.must(Method::PUT, &format!("{w}/groups/{admins}/members/{}", chief.id), &Value::Null).await;
    callers.push(of("a workspace's admin", &chief, Some(Member), Inside::Admin));

    for (name, scope) in [
        ("creator's reading token", Scope::WorkspacesRead),
        ("creator's writing token", Scope::WorkspacesWrite),
        ("creator's cluster token", Scope::ClusterAccess),
    ] {
        let wanted = json!({ "name": name.replace([' ', '\''], "-"), "scopes": [scope.to_string()] });
        let made = boss.must(Method::POST, "/api/v1/me/tokens", &wanted).await;
        let client = world.anonymous().with_bearer(made["secret"].as_str().unwrap());
        let (role, inside) = (Some(Owner), Inside::Admin);
        callers.push(Caller { name, client, role, inside, scope: Some(scope) });
    }
    callers
}
