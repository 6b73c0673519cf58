use serde::{Deserialize, Serialize};

use super::group_tree::GroupTree;
use super::presets::preset_rules;
use super::standing::AccessFacts;
use crate::id::{AssignmentId, GroupId, ProjectId};
use crate::model::{CustomRole, RoleRef, Rule};

/// What somebody would do in the tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The verb: `get`, `create`, …
    pub verb: String,
    /// The API group; empty for the core group.
    pub api_group: String,
    /// The resource in the plural, a subresource as `pods/log`.
    pub resource: String,
    /// In which project; none for all namespaces, or for what belongs to the cluster as a whole.
    pub project: Option<ProjectId>,
}

/// Whether somebody could do something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Whether they could.
    pub allowed: bool,
    /// Everything that allows it; empty when nothing does.
    pub because: Vec<Because>,
}

/// One reason why somebody can do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// The assignment that gives the role.
    pub assignment_id: AssignmentId,
    /// The role.
    pub role: RoleRef,
    /// From the group that the person was put in up to the one that has the role.
    pub path: Vec<GroupId>,
    /// The project in which the role was assigned; none for the workspace as a whole.
    pub project_id: Option<ProjectId>,
}

/// Answers what the tenant's API server would say about somebody who was put in these groups, going by the
/// roles that Hexabase binds. Bindings that people make in the cluster themselves are not seen.
#[must_use]
pub fn review(facts: &AccessFacts, roles: &[CustomRole], direct: &[GroupId], wanted: &Attributes) -> Review {
    let paths = GroupTree::new(&facts.groups).explain(direct);
    let lineage: Vec<ProjectId> = wanted.project.map(|id| facts.lineage(id).collect()).unwrap_or_default();
    let mut because = Vec::new();
    for given in &facts.assignments {
        let Some(way) = paths.iter().find(|way| way.group_id == given.group_id) else { continue };
        let here = given.project_id.is_none_or(|project| lineage.contains(&project));
        let allows = match given.role {
            RoleRef::Preset(preset) => allow(&preset_rules(preset), wanted),
            RoleRef::Custom(id) => roles.iter().any(|role| role.id == id && allow(&role.rules, wanted)),
        };
        if here && allows {
            because.push(Because {
                assignment_id: given.id,
                role: given.role,
                path: way.path.clone(),
                project_id: given.project_id,
            });
        }
    }
    Review { allowed: !because.is_empty(), because }
}

fn allow(rules: &[Rule], wanted: &Attributes) -> bool {
    rules.iter().any(|rule| {
        rule.resource_names.is_empty()
            && matches(&rule.verbs, &wanted.verb)
            && matches(&rule.api_groups, &wanted.api_group)
            && reaches(&rule.resources, &wanted.resource)
    })
}

fn matches(allowed: &[String], wanted: &str) -> bool {
    allowed.iter().any(|entry| entry == "*" || entry == wanted)
}

/// As Kubernetes reads resources: `*` is everything, `*/scale` is that subresource of everything.
fn reaches(allowed: &[String], wanted: &str) -> bool {
    let subresource = wanted.split_once('/').map(|(_, subresource)| subresource);
    matches(allowed, wanted)
        || subresource.is_some_and(|own| allowed.iter().any(|entry| entry.strip_prefix("*/") == Some(own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{OrganizationId, RoleId, TypedId, UserId, WorkspaceId};
    use crate::model::{Assignment, Group, PresetRole, Project};
    use crate::name::{GroupName, ProjectName, Slug};
    use crate::quota::Quota;
    use crate::version::Version;
    use jiff::Timestamp;
    use uuid::Uuid;

    fn id<T: TypedId>(number: u128) -> T {
        T::from_uuid(Uuid::from_u128(number))
    }

    fn group(number: u128, parent: Option<u128>) -> Group {
        Group {
            id: id(number),
            organization_id: OrganizationId::least(),
            workspace_id: WorkspaceId::least(),
            name: GroupName::parse(&format!("g{number}")).unwrap(),
            parent_id: parent.map(id),
            preset: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            version: Version::FIRST,
        }
    }

    fn project(number: u128, parent: Option<u128>) -> Project {
        Project {
            id: id(number),
            organization_id: OrganizationId::least(),
            workspace_id: WorkspaceId::least(),
            name: ProjectName::parse(&format!("p{number}")).unwrap(),
            display_name: None,
            parent_id: parent.map(id),
            quota: Quota::new(),
            generation: 1,
            created_by: UserId::least(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            version: Version::FIRST,
        }
    }

    fn assignment(group: u128, role: RoleRef, project: Option<u128>) -> Assignment {
        Assignment {
            id: id(group * 100 + project.unwrap_or(0)),
            organization_id: OrganizationId::least(),
            workspace_id: WorkspaceId::least(),
            project_id: project.map(id),
            group_id: id(group),
            role,
            created_by: UserId::least(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn wanted(verb: &str, resource: &str, project: Option<u128>) -> Attributes {
        let (verb, resource) = (verb.to_owned(), resource.to_owned());
        Attributes { verb, api_group: String::new(), resource, project: project.map(id) }
    }

    /// Group 2 is part of group 1; project 8 is part of project 7; group 1 edits project 7.
    fn facts() -> AccessFacts {
        AccessFacts {
            groups: vec![group(1, None), group(2, Some(1))],
            assignments: vec![assignment(1, RoleRef::Preset(PresetRole::ProjectEditor), Some(7))],
            projects: vec![project(7, None), project(8, Some(7)), project(9, None)],
        }
    }

    #[test]
    fn a_role_reaches_members_of_subgroups_and_subprojects() {
        let answer = review(&facts(), &[], &[id(2)], &wanted("create", "pods", Some(8)));
        assert!(answer.allowed);
        assert_eq!(answer.because[0].path, [id(2), id(1)]);
    }

    #[test]
    fn a_role_in_a_project_reaches_nothing_else() {
        assert!(!review(&facts(), &[], &[id(2)], &wanted("create", "pods", Some(9))).allowed);
        assert!(!review(&facts(), &[], &[id(2)], &wanted("create", "pods", None)).allowed);
        assert!(!review(&facts(), &[], &[], &wanted("create", "pods", Some(7))).allowed);
        assert!(!review(&facts(), &[], &[id(2)], &wanted("create", "roles", Some(7))).allowed);
    }

    #[test]
    fn a_custom_role_allows_what_its_rules_say() {
        let mut facts = facts();
        facts.assignments = vec![assignment(1, RoleRef::Custom(id(5)), Some(7))];
        let rule = |resource: &str| Rule {
            api_groups: vec![String::new()],
            resources: vec![resource.to_owned()],
            verbs: vec!["*".to_owned()],
            resource_names: Vec::new(),
        };
        let role = CustomRole {
            id: id::<RoleId>(5),
            organization_id: OrganizationId::least(),
            workspace_id: WorkspaceId::least(),
            project_id: id(7),
            name: Slug::parse("scaler").unwrap(),
            rules: vec![rule("*/scale"), rule("pods")],
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            version: Version::FIRST,
        };
        let allowed = |resource| {
            review(&facts, std::slice::from_ref(&role), &[id(1)], &wanted("get", resource, Some(7))).allowed
        };
        assert!(allowed("pods") && allowed("replicationcontrollers/scale"));
        assert!(!allowed("pods/log") && !allowed("services"));
    }
}
