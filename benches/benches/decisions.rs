//! What is decided without asking anybody.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use hexabase_benches::{Target, in_turns, report};
use hexabase_core::access::{Action, Credential, GroupTree, Principal, Standing, authorize};
use hexabase_core::desired::{self, Issuer};
use hexabase_core::fixture::{self, id};
use hexabase_core::id::{GroupId, SessionId, UserId};
use hexabase_core::model::{
    Assignment, Group, OrganizationRole, PresetRole, Project, RoleRef, WorkspaceState,
};
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use hexabase_k8s::HostSettings;
use hexabase_k8s::render::{host_objects, tenant_objects};

fn main() {
    authorizing();
    flattening();
    rendering();
}

fn authorizing() {
    let principal =
        Principal { user_id: id::<UserId>("ann"), credential: Credential::Session(id::<SessionId>("ann")) };
    let standing = Standing {
        organization: Some(OrganizationRole::Member),
        in_workspace: true,
        workspace_admin: false,
        project_admin: true,
    };
    let mut actions = Action::ALL.iter().cycle();
    let mut again = Action::ALL.iter().cycle();
    let pair = in_turns(
        || authorize(&principal, &standing, *actions.next().unwrap()),
        || again.next().unwrap().permission().roles.contains(&OrganizationRole::Member),
    );
    report("`authorize`", "looking the action up", pair, Target::AtMost(Duration::from_nanos(200)));
}

/// A tree of a thousand groups, ten deep, in the order of their ids as stores give them.
fn thousand_groups() -> Vec<Group> {
    let name = |index: usize| format!("group-{index}");
    let group = |index: usize| Group {
        // The first of each hundred stands under the first of the hundred before.
        parent_id: match index {
            0..100 => None,
            _ if index.is_multiple_of(100) => Some(id::<GroupId>(&name(index - 100))),
            _ => Some(id::<GroupId>(&name(index / 100 * 100 - 100))),
        },
        ..fixture::group(&name(index))
    };
    let mut groups: Vec<Group> = (0..1_000).map(group).collect();
    groups.sort_unstable_by_key(|group| group.id);
    groups
}

fn flattening() {
    let groups = thousand_groups();
    let direct = [id::<GroupId>("group-999"), id::<GroupId>("group-950"), id::<GroupId>("group-42")];
    let depth = GroupTree::new(&groups).with_ancestors(direct[0]).count();
    assert_eq!(depth, 10);
    let parents: HashMap<GroupId, Option<GroupId>> =
        groups.iter().map(|group| (group.id, group.parent_id)).collect();
    let pair = in_turns(
        || GroupTree::new(&groups).claim(&direct),
        || {
            // An index that is there already, and no names.
            let mut all = Vec::with_capacity(16);
            for first in direct {
                let chain = std::iter::successors(Some(first), |group| parents[group]);
                all.extend(chain);
            }
            all
        },
    );
    let what = "groups of a user in a tree of 1,000, ten deep";
    report(what, "walking a ready map", pair, Target::AtMost(Duration::from_micros(20)));
}

fn hundred_projects() -> WorkspaceState {
    let workspace = fixture::workspace("dev");
    let groups: Vec<Group> = (0..20).map(|index| fixture::group(&format!("group-{index}"))).collect();
    let quota =
        Quota::new().with(Resource::Cpu, Quantity::units(1)).with(Resource::Memory, Quantity::gibibytes(1));
    let project = |index| Project { quota: quota.clone(), ..fixture::project(&format!("project-{index}")) };
    let projects: Vec<Project> = (0..100).map(project).collect();
    let assignments = projects.iter().enumerate().map(|(index, project)| Assignment {
        id: id(&format!("assignment-{index}")),
        organization_id: workspace.organization_id,
        workspace_id: workspace.id,
        project_id: Some(project.id),
        group_id: groups[index % groups.len()].id,
        role: RoleRef::Preset(PresetRole::ProjectEditor),
        created_by: id::<UserId>("owner"),
        created_at: fixture::THEN,
    });
    let assignments = assignments.collect();
    WorkspaceState { workspace, groups, projects, roles: Vec::new(), assignments }
}

fn rendering() {
    let state = hundred_projects();
    let plan = fixture::plan("small");
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    let settings = HostSettings::default();
    let render = || {
        let cluster = desired::workspace(&state, &plan, &issuer);
        let mut objects = host_objects(&cluster, &settings).unwrap();
        objects.extend(tenant_objects(&cluster));
        objects
    };
    let objects = render();
    assert!(objects.len() > 200, "{} objects", objects.len());
    let pair = in_turns(render, || {
        objects.iter().map(|object| serde_json::to_vec(&object.body).unwrap()).collect::<Vec<_>>()
    });
    let what = format!("desired state of a workspace with 100 projects, as {} objects", objects.len());
    report(&what, "writing the objects as JSON", pair, Target::AtMost(Duration::from_millis(2)));
}
