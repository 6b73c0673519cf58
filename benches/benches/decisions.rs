//! Decisions without input or output: authorization, group claims, and rendering.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use hexabase_benches::{Target, alternate, report};
use hexabase_core::access::{Action, Credential, EffectiveRoles, GroupTree, Principal, authorize};
use hexabase_core::desired::{self, Issuer};
use hexabase_core::fixture::{self, id};
use hexabase_core::id::{GroupId, SessionId, UserId};
use hexabase_core::model::{
    Assignment, Group, OrganizationRole, PresetRole, Project, RoleRef, WorkspaceState,
};
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use hexabase_k8s::HostConfig;
use hexabase_k8s::render::{host_objects, tenant_objects};

fn main() {
    benchmark_authorize();
    benchmark_groups();
    benchmark_rendering();
}

fn benchmark_authorize() {
    let principal =
        Principal { user_id: id::<UserId>("ann"), credential: Credential::Session(id::<SessionId>("ann")) };
    let roles = EffectiveRoles {
        organization: Some(OrganizationRole::Member),
        in_workspace: true,
        workspace_admin: false,
        project_admin: true,
        pod_logs: true,
    };
    let mut actions = Action::ALL.iter().cycle();
    let mut again = Action::ALL.iter().cycle();
    let comparison = alternate(
        || authorize(&principal, &roles, *actions.next().unwrap()),
        || again.next().unwrap().permission().roles.contains(&OrganizationRole::Member),
    );
    report("`authorize`", "lookup of the action", comparison, Target::AtMost(Duration::from_nanos(200)));
}

/// Tree of 1,000 groups, ten levels deep, in the order of their ids as stores return them.
fn thousand_groups() -> Vec<Group> {
    let name = |index: usize| format!("group-{index}");
    let group = |index: usize| Group {
        // The parent of each group is the first group of the previous hundred.
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

fn benchmark_groups() {
    let groups = thousand_groups();
    let direct = [id::<GroupId>("group-999"), id::<GroupId>("group-950"), id::<GroupId>("group-42")];
    let depth = GroupTree::new(&groups).with_ancestors(direct[0]).count();
    assert_eq!(depth, 10);
    let parents: HashMap<GroupId, Option<GroupId>> =
        groups.iter().map(|group| (group.id, group.parent_id)).collect();
    let comparison = alternate(
        || GroupTree::new(&groups).claim(&direct),
        || {
            // The floor uses an existing index and resolves no names.
            let mut all = Vec::with_capacity(16);
            for first in direct {
                let chain = std::iter::successors(Some(first), |group| parents[group]);
                all.extend(chain);
            }
            all
        },
    );
    let what = "groups of a user in a tree of 1,000 groups, ten levels deep";
    report(what, "traversal of a prepared map", comparison, Target::AtMost(Duration::from_micros(20)));
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
        created_at: fixture::FIXTURE_TIME,
    });
    let assignments = assignments.collect();
    WorkspaceState { workspace, groups, projects, roles: Vec::new(), assignments }
}

fn benchmark_rendering() {
    let state = hundred_projects();
    let plan = fixture::plan("small");
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    let config = HostConfig::default();
    let render = || {
        let cluster = desired::tenant_cluster(&state, &plan, &issuer);
        let mut objects = host_objects(&cluster, &config).unwrap();
        objects.extend(tenant_objects(&cluster, &config));
        objects
    };
    let objects = render();
    assert!(objects.len() > 200, "{} objects", objects.len());
    let comparison = alternate(render, || {
        objects.iter().map(|object| serde_json::to_vec(&object.body).unwrap()).collect::<Vec<_>>()
    });
    let what =
        format!("desired state of a workspace with 100 projects, rendered as {} objects", objects.len());
    report(
        &what,
        "serialization of the objects as JSON",
        comparison,
        Target::AtMost(Duration::from_millis(2)),
    );
}
