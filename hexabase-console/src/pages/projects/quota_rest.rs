//! Rest of the quota that a project can have.

use hexabase_core::id::ProjectId;
use hexabase_core::model::{Plan, Project};
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};

/// Amounts of one resource that bound the quota of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    /// Resource.
    pub(super) resource: Resource,
    /// Quota of the parent, or of the plan for a root; `None` if unlimited.
    pub(super) limit: Option<Quantity>,
    /// Quotas of the other projects below the same parent.
    pub(super) siblings: Quantity,
    /// `true` if the parent limits the resource, so that the project must limit it, too.
    pub(super) is_required: bool,
    /// Quotas of the projects below this one, which its own must not fall below.
    pub(super) children: Quantity,
}

impl Bound {
    /// Returns the highest amount that the project can have; `None` if unlimited.
    pub(super) fn rest(self) -> Option<Quantity> {
        self.limit.map(|limit| limit.minus(self.siblings))
    }
}

/// Returns the sum of the quotas of projects.
pub(super) fn sum<'a>(projects: impl Iterator<Item = &'a Project>) -> Quota {
    projects.fold(Quota::new(), |sum, project| sum.plus(&project.quota))
}

/// Returns the bounds of the quota of a project with this parent, by resource. `project` is `None` for a new one. Siblings
/// count below a parent only: each root is bounded by the plan by itself.
pub(super) fn bounds(
    projects: &[Project],
    plan: &Plan,
    parent: Option<ProjectId>,
    project: Option<ProjectId>,
) -> Vec<Bound> {
    let outer = parent.and_then(|id| projects.iter().find(|project| project.id == id));
    let limit = outer.map_or(&plan.quota, |parent| &parent.quota);
    let is_sibling =
        |other: &&Project| parent.is_some() && other.parent_id == parent && Some(other.id) != project;
    let siblings = sum(projects.iter().filter(is_sibling));
    let children = sum(projects.iter().filter(|other| project.is_some() && other.parent_id == project));
    let bound = |resource| Bound {
        resource,
        limit: limit.get(resource),
        is_required: outer.is_some() && limit.get(resource).is_some(),
        siblings: siblings.get(resource).unwrap_or(Quantity::ZERO),
        children: children.get(resource).unwrap_or(Quantity::ZERO),
    };
    Resource::ALL.into_iter().map(bound).collect()
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture;

    use super::*;

    fn project(name: &str, parent: Option<&str>, cpu: &str) -> Project {
        let quota = Quota::new().with(Resource::Cpu, cpu.parse().unwrap());
        Project { parent_id: parent.map(fixture::id), quota, ..fixture::project(name) }
    }

    fn cpu(projects: &[Project], parent: Option<&str>, project: Option<&str>) -> Bound {
        let plan =
            Plan { quota: Quota::new().with(Resource::Cpu, Quantity::units(8)), ..fixture::plan("small") };
        bounds(projects, &plan, parent.map(fixture::id), project.map(fixture::id))[0]
    }

    #[test]
    fn a_nested_project_has_the_rest_of_its_parent() {
        let projects = [
            project("shop", None, "4"),
            project("web", Some("shop"), "1"),
            project("api", Some("shop"), "1500m"),
            project("cache", Some("api"), "500m"),
        ];
        let of_new = cpu(&projects, Some("shop"), None);
        assert_eq!((of_new.rest(), of_new.is_required), (Some(Quantity::milli(1_500)), true));
        let of_api = cpu(&projects, Some("shop"), Some("api"));
        assert_eq!((of_api.rest(), of_api.children), (Some(Quantity::units(3)), Quantity::milli(500)));
    }

    #[test]
    fn a_root_has_the_quota_of_the_plan() {
        let projects = [project("shop", None, "4"), project("web", None, "7")];
        let of_root = cpu(&projects, None, None);
        assert_eq!((of_root.rest(), of_root.is_required), (Some(Quantity::units(8)), false));
        let memory = bounds(&projects, &fixture::plan("small"), Some(fixture::id("shop")), None)[1];
        assert_eq!((memory.resource, memory.rest()), (Resource::Memory, None), "unlimited by the parent");
    }
}
