//! Pages of groups, roles and assignments.

mod group;
mod group_delete;
mod group_members;
mod group_move;
mod group_new;
mod groups;
mod move_preview;
mod role_edit;
mod role_page;
mod roles;
mod rule_rows;
mod why;
mod words;

use hexabase_core::access::{AccessFacts, Action};
use hexabase_core::id::{GroupId, OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::model::RoleRef;
use maud::{Markup, html};

use crate::components::name;
use crate::language::Texts;
use crate::routes::{Page, show, submit};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let action = Access::Action;
    vec![
        show(urls::GROUPS, action(Action::GroupsRead), groups::show),
        show(urls::NEW_GROUP, action(Action::GroupCreate), group_new::show),
        submit(urls::NEW_GROUP, action(Action::GroupCreate), group_new::submit),
        show(urls::GROUP, action(Action::GroupsRead), group::show),
        submit(urls::GROUP, action(Action::GroupsManage), group::submit),
        submit(urls::GROUP_MEMBERS, action(Action::GroupsManage), group_members::add),
        submit(urls::GROUP_MEMBER, action(Action::GroupsManage), group_members::remove),
        show(urls::GROUP_MOVE, action(Action::GroupsManage), group_move::show),
        submit(urls::GROUP_MOVE, action(Action::GroupsManage), group_move::submit),
        show(urls::GROUP_DELETE, action(Action::GroupsManage), group_delete::show),
        submit(urls::GROUP_DELETE, action(Action::GroupsManage), group_delete::submit),
        show(urls::ROLES, action(Action::RolesRead), roles::show_workspace),
        submit(urls::ROLES, action(Action::WorkspaceRolesAssign), roles::assign_in_workspace),
        submit(urls::ASSIGNMENT, action(Action::WorkspaceRolesAssign), roles::unassign_in_workspace),
        show(urls::PROJECT_ROLES, action(Action::RolesRead), roles::show_project),
        submit(urls::PROJECT_ROLES, action(Action::ProjectRolesManage), roles::assign_in_project),
        submit(urls::PROJECT_ASSIGNMENT, action(Action::ProjectRolesManage), roles::unassign_in_project),
        show(urls::NEW_ROLE, action(Action::ProjectRoleCreate), role_edit::show_new),
        submit(urls::NEW_ROLE, action(Action::ProjectRoleCreate), role_edit::submit_new),
        show(urls::ROLE, action(Action::RolesRead), role_edit::show),
        submit(urls::ROLE, action(Action::ProjectRolesManage), role_edit::submit),
        show(urls::WHY, action(Action::RolesRead), why::show),
    ]
}

/// Ids of a group with those of its parents.
type GroupScope = (OrganizationId, WorkspaceId, GroupId);

/// Returns the name of a group; empty if it does not exist any more.
fn group_name(facts: &AccessFacts, id: GroupId) -> &str {
    facts.groups.iter().find(|group| group.id == id).map_or("", |group| group.name.as_str())
}

/// Returns the name of a project; empty if it does not exist any more.
fn project_name(facts: &AccessFacts, id: ProjectId) -> &str {
    facts.projects.iter().find(|project| project.id == id).map_or("", |project| project.name.as_str())
}

/// Returns the title of a role.
fn role_title(texts: &Texts, facts: &AccessFacts, role: RoleRef) -> String {
    match role {
        RoleRef::Preset(preset) => words::preset_title(texts, preset),
        RoleRef::Custom(id) => facts
            .roles
            .iter()
            .find(|role| role.id == id)
            .map(|role| role.name.to_string())
            .unwrap_or_default(),
    }
}

/// Link to the roles of a project, or of the workspace as a whole, with the title of a role.
fn role_link(
    texts: &Texts,
    facts: &AccessFacts,
    (org, ws): (OrganizationId, WorkspaceId),
    (role, project): (RoleRef, Option<ProjectId>),
) -> Markup {
    let title = role_title(texts, facts, role);
    html! {
        @match project {
            None => { a href=(urls::roles(org, ws)) { (name(&title)) } " " span class="note" { (texts.text("role-in-workspace")) } },
            Some(prj) => {
                a href=(urls::project_roles(org, ws, prj)) { (name(&title)) } " "
                span class="note" { (texts.text_with("role-in-project", &[("project", project_name(facts, prj).into())])) }
            },
        }
    }
}
