use serde::{Deserialize, Serialize};

use super::effective_roles::AccessFacts;
use super::group_tree::GroupTree;
use super::presets::preset_rules;
use crate::id::{AssignmentId, GroupId, ProjectId};
use crate::model::{Assignment, RoleRef, Rule};

/// Attributes of a request to the tenant API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Verb: `get`, `create`, …
    pub verb: String,
    /// API group; empty for the core group.
    pub api_group: String,
    /// Resource in the plural; a subresource as `pods/log`.
    pub resource: String,
    /// Project of the request; `None` for all namespaces or a cluster-scoped object.
    pub project: Option<ProjectId>,
}

impl Attributes {
    /// Returns the attributes of a request that reads an object.
    pub(super) fn get(api_group: &str, resource: &str, project: Option<ProjectId>) -> Self {
        let (api_group, resource) = (api_group.to_owned(), resource.to_owned());
        Self { verb: "get".to_owned(), api_group, resource, project }
    }
}

/// Result of an access review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// `true` if the request would be allowed.
    pub allowed: bool,
    /// All reasons for which the request is allowed; empty if it is not.
    pub because: Vec<ReviewReason>,
}

/// Reason for which a request is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewReason {
    /// Assignment that grants the role.
    pub assignment_id: AssignmentId,
    /// Role that allows the request.
    pub role: RoleRef,
    /// Path from the group of the user's direct membership up to the group with the role.
    pub path: Vec<GroupId>,
    /// Project in which the role was assigned; `None` for the workspace as a whole.
    pub project_id: Option<ProjectId>,
}

/// Predicts the decision of the tenant API server for a user with the direct memberships `direct`, from the roles that
/// Hexabase binds. Bindings that users create in the cluster themselves are not considered.
#[must_use]
pub fn review(facts: &AccessFacts, direct: &[GroupId], requested: &Attributes) -> Review {
    let paths = GroupTree::new(&facts.groups).effective_paths(direct);
    let mut because = Vec::new();
    for assignment in &facts.assignments {
        let Some(path) = paths.iter().find(|path| path.group_id == assignment.group_id) else { continue };
        if facts.allows(assignment, requested) {
            because.push(ReviewReason {
                assignment_id: assignment.id,
                role: assignment.role,
                path: path.path.clone(),
                project_id: assignment.project_id,
            });
        }
    }
    Review { allowed: !because.is_empty(), because }
}

impl AccessFacts {
    /// `true` if an assignment allows a request of its group.
    pub(super) fn allows(&self, assignment: &Assignment, requested: &Attributes) -> bool {
        let mut lineage = requested.project.into_iter().flat_map(|id| self.lineage(id));
        let applies = assignment.project_id.is_none_or(|project| lineage.any(|id| id == project));
        applies
            && match assignment.role {
                RoleRef::Preset(preset) => rules_allow(&preset_rules(preset), requested),
                RoleRef::Custom(id) => {
                    self.roles.iter().any(|role| role.id == id && rules_allow(&role.rules, requested))
                }
            }
    }
}

fn rules_allow(rules: &[Rule], requested: &Attributes) -> bool {
    rules.iter().any(|rule| {
        rule.resource_names.is_empty()
            && matches(&rule.verbs, &requested.verb)
            && matches(&rule.api_groups, &requested.api_group)
            && matches_resource(&rule.resources, &requested.resource)
    })
}

fn matches(allowed: &[String], requested: &str) -> bool {
    allowed.iter().any(|entry| entry == "*" || entry == requested)
}

/// Matches a resource as Kubernetes does: `*` is every resource, `*/scale` is that subresource of every resource.
fn matches_resource(allowed: &[String], requested: &str) -> bool {
    let subresource = requested.split_once('/').map(|(_, subresource)| subresource);
    matches(allowed, requested)
        || subresource.is_some_and(|own| allowed.iter().any(|entry| entry.strip_prefix("*/") == Some(own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{OrganizationId, RoleId, TypedId, UserId, WorkspaceId};
    use crate::model::{CustomRole, Group, OrganizationRole, PresetRole, Project};
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

    fn requested(verb: &str, resource: &str, project: Option<u128>) -> Attributes {
        let (verb, resource) = (verb.to_owned(), resource.to_owned());
        Attributes { verb, api_group: String::new(), resource, project: project.map(id) }
    }

    /// Group 2 is a child of group 1; project 8 is a child of project 7; group 1 is an editor of project 7.
    fn facts() -> AccessFacts {
        AccessFacts {
            groups: vec![group(1, None), group(2, Some(1))],
            assignments: vec![assignment(1, RoleRef::Preset(PresetRole::ProjectEditor), Some(7))],
            projects: vec![project(7, None), project(8, Some(7)), project(9, None)],
            roles: Vec::new(),
        }
    }

    #[test]
    fn a_role_applies_to_subgroups_and_subprojects() {
        let result = review(&facts(), &[id(2)], &requested("create", "pods", Some(8)));
        assert!(result.allowed);
        assert_eq!(result.because[0].path, [id(2), id(1)]);
    }

    #[test]
    fn a_project_role_applies_to_that_project_only() {
        assert!(!review(&facts(), &[id(2)], &requested("create", "pods", Some(9))).allowed);
        assert!(!review(&facts(), &[id(2)], &requested("create", "pods", None)).allowed);
        assert!(!review(&facts(), &[], &requested("create", "pods", Some(7))).allowed);
        assert!(!review(&facts(), &[id(2)], &requested("create", "roles", Some(7))).allowed);
    }

    #[test]
    fn a_custom_role_allows_the_requests_of_its_rules() {
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
        facts.roles = vec![role];
        let allowed = |resource| review(&facts, &[id(1)], &requested("get", resource, Some(7))).allowed;
        assert!(allowed("pods") && allowed("replicationcontrollers/scale"));
        assert!(!allowed("pods/log") && !allowed("services"));
    }

    #[test]
    fn logs_are_for_members_with_a_role_that_allows_them_in_the_project() {
        let custom = |resource: &str, verb: &str, names: &[&str]| CustomRole {
            id: id::<RoleId>(5),
            organization_id: OrganizationId::least(),
            workspace_id: WorkspaceId::least(),
            project_id: id(7),
            name: Slug::parse("reader").unwrap(),
            rules: vec![Rule {
                api_groups: vec![String::new()],
                resources: vec![resource.to_owned()],
                verbs: vec![verb.to_owned()],
                resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
            }],
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            version: Version::FIRST,
        };
        let viewer = RoleRef::Preset(PresetRole::ProjectViewer);
        let everywhere = RoleRef::Preset(PresetRole::WorkspaceViewer);
        let own = RoleRef::Custom(id(5));
        // In project 7, in its subproject 8, in project 9, and in the workspace as a whole.
        for (role, place, rules, expected) in [
            (viewer, Some(7), custom("pods", "*", &[]), [true, true, false, false]),
            (everywhere, None, custom("pods", "*", &[]), [true; 4]),
            (own, Some(7), custom("pods/log", "get", &[]), [true, true, false, false]),
            (own, Some(7), custom("*/log", "*", &[]), [true, true, false, false]),
            (own, Some(7), custom("pods", "*", &[]), [false; 4]),
            (own, Some(7), custom("pods/log", "list", &[]), [false; 4]),
            (own, Some(7), custom("pods/log", "get", &["web-0"]), [false; 4]),
        ] {
            let assignments = vec![assignment(1, role, place)];
            let facts = AccessFacts { assignments, roles: vec![rules], ..facts() };
            let places = [Some(id(7)), Some(id(8)), Some(id(9)), None];
            let member = Some(OrganizationRole::Member);
            let may_read = |direct: &[GroupId]| {
                places.map(|project| facts.effective_roles(member, direct, project).pod_logs)
            };
            assert_eq!(may_read(&[id(2)]), expected, "{role}");
            assert_eq!(may_read(&[]), [false; 4], "without a group");
        }
    }
}
