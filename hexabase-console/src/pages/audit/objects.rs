//! Pages of the objects of audit entries.

use hexabase_core::id::{GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};

use crate::urls;

/// Returns the address of the page of an object; `None` if it has none, or the entry is about its end.
pub(super) fn object_href(org: OrganizationId, action: &str, resource: &str) -> Option<String> {
    let (noun, verb) = action.split_once('.')?;
    let mut ids = resource.split('/');
    let root = ids.next()?;
    if let Ok(workspace) = root.parse::<WorkspaceId>() {
        return workspace_object(org, workspace, (noun, verb), ids);
    }
    if root.parse::<OrganizationId>().ok()? != org {
        return None;
    }
    let user = ids.next().and_then(|id| id.parse::<UserId>().ok());
    match (noun, verb, user) {
        ("service_account", "delete", _) | ("member", "remove", _) | ("organization", "delete", _) => None,
        ("service_account", _, Some(user)) => Some(urls::service_account(org, user)),
        ("member", _, Some(user)) => Some(urls::member(org, user)),
        ("invitation", ..) => Some(urls::members(org)),
        ("organization", ..) => Some(urls::organization(org)),
        _ => None,
    }
}

/// Returns the page of an object in a workspace, or of the nearest object around it.
fn workspace_object<'a>(
    org: OrganizationId,
    ws: WorkspaceId,
    (noun, verb): (&str, &str),
    mut ids: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let is_deleted = verb == "delete";
    if noun == "workspace" && is_deleted {
        return None;
    }
    let (first, second) = (ids.next().unwrap_or_default(), ids.next().unwrap_or_default());
    if let Ok(group) = first.parse::<GroupId>() {
        let is_gone = noun == "group" && is_deleted;
        return Some(if is_gone { urls::groups(org, ws) } else { urls::group(org, ws, group) });
    }
    if let Ok(project) = first.parse::<ProjectId>() {
        return Some(match second.parse::<RoleId>() {
            Ok(role) if !is_deleted => urls::role(org, ws, project, role),
            Ok(_) => urls::project_roles(org, ws, project),
            Err(_) if is_deleted => urls::projects(org, ws),
            Err(_) => urls::project(org, ws, project),
        });
    }
    match noun {
        "role" => Some(urls::roles(org, ws)),
        _ => Some(urls::workspace(org, ws)),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture;

    use super::*;

    #[test]
    fn entries_lead_to_the_page_of_their_object() {
        let org: OrganizationId = fixture::id("acme");
        let ws: WorkspaceId = fixture::id("shop");
        let (user, group): (UserId, GroupId) = (fixture::id("ann"), fixture::id("team"));
        let (project, role): (ProjectId, RoleId) = (fixture::id("web"), fixture::id("deployer"));
        let other: OrganizationId = fixture::id("other");
        for (action, resource, expected) in [
            ("organization.update", org.to_string(), Some(urls::organization(org))),
            ("organization.update", other.to_string(), None),
            ("member.set_role", format!("{org}/{user}"), Some(urls::member(org, user))),
            ("member.remove", format!("{org}/{user}"), None),
            ("service_account.create", format!("{org}/{user}"), Some(urls::service_account(org, user))),
            ("service_account.delete", format!("{org}/{user}"), None),
            ("workspace.create", ws.to_string(), Some(urls::workspace(org, ws))),
            ("workspace.delete", ws.to_string(), None),
            ("group.add_member", format!("{ws}/{group}/{user}"), Some(urls::group(org, ws, group))),
            ("group.delete", format!("{ws}/{group}"), Some(urls::groups(org, ws))),
            ("project.set_quota", format!("{ws}/{project}"), Some(urls::project(org, ws, project))),
            ("project.delete", format!("{ws}/{project}"), Some(urls::projects(org, ws))),
            ("role.update", format!("{ws}/{project}/{role}"), Some(urls::role(org, ws, project, role))),
            ("role.delete", format!("{ws}/{project}/{role}"), Some(urls::project_roles(org, ws, project))),
            ("role.assign", format!("{ws}/asg_1"), Some(urls::roles(org, ws))),
            ("task.retry", format!("{ws}/tsk_1"), Some(urls::workspace(org, ws))),
            ("billing.order", org.to_string(), None),
            ("nonsense", "javascript:alert(1)".to_owned(), None),
        ] {
            assert_eq!(object_href(org, action, &resource), expected, "{action} {resource}");
        }
    }
}
