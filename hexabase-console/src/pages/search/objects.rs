//! Objects that a search finds.

use std::collections::BTreeMap;

use hexabase_core::error::Result;
use hexabase_core::id::WorkspaceId;
use hexabase_core::model::{Organization, Project};
use hexabase_core::page::PageRequest;
use hexabase_core::search::{SearchText, WorkspaceFilter};

use super::{Found, Kind, MAX_RESULTS};
use crate::context::Context;
use crate::pages::workspace_name;
use crate::urls;

/// Returns the organizations of the user whose names contain a text.
pub(super) fn organizations(context: &Context, text: &SearchText) -> Vec<Found> {
    let matching =
        context.organizations.iter().filter(|(organization, _)| text.is_in(&organization.searchable()));
    let found = matching.map(|(organization, _)| Found {
        kind: Kind::Organization,
        label: organization.display_name.to_string(),
        href: urls::organization(organization.id),
        note: organization.name.to_string(),
    });
    found.take(MAX_RESULTS).collect()
}

/// Returns the objects of an organization whose names contain a text, and `true` if there are more.
pub(super) async fn objects(
    context: &Context,
    organization: &Organization,
    text: &SearchText,
) -> Result<(Vec<Found>, bool)> {
    let (platform, org) = (context.platform(), organization.id);
    let found = platform.organizations().search(&context.caller, org, text).await?;
    let mut names: BTreeMap<WorkspaceId, String> = BTreeMap::new();
    if !(found.projects.is_empty() && found.groups.is_empty()) {
        let (all, first) = (WorkspaceFilter::default(), PageRequest::largest());
        let workspaces = platform.workspaces().list(&context.caller, org, &all, &first).await?.items;
        names.extend(workspaces.iter().map(|workspace| (workspace.id, workspace_name(workspace).to_owned())));
    }
    let display = organization.display_name.as_str();
    let within = |workspace: WorkspaceId| match names.get(&workspace) {
        Some(name) => format!("{display} / {name}"),
        None => format!("{display} / {workspace}"),
    };
    let workspaces = found.workspaces.iter().map(|workspace| Found {
        kind: Kind::Workspace,
        label: workspace_name(workspace).to_owned(),
        href: urls::workspace(org, workspace.id),
        note: display.to_owned(),
    });
    let projects = found.projects.iter().map(|project| Found {
        kind: Kind::Project,
        label: project_name(project),
        href: urls::project(org, project.workspace_id, project.id),
        note: within(project.workspace_id),
    });
    let groups = found.groups.iter().map(|group| Found {
        kind: Kind::Group,
        label: group.name.to_string(),
        href: urls::group(org, group.workspace_id, group.id),
        note: within(group.workspace_id),
    });
    let members = found.members.iter().map(|(_, user)| Found {
        kind: Kind::Member,
        label: user.name.to_string(),
        href: urls::member(org, user.id),
        note: display.to_owned(),
    });
    Ok((workspaces.chain(projects).chain(groups).chain(members).collect(), found.truncated))
}

fn project_name(project: &Project) -> String {
    project.display_name.as_ref().map_or_else(|| project.name.to_string(), ToString::to_string)
}
