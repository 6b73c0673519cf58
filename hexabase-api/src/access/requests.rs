//! Requests about groups, roles, assignments and members of workspaces.

use hexabase_core::access::Attributes;
use hexabase_core::error::{Check, Result};
use hexabase_core::model::Rule;
use hexabase_core::name::{GroupName, Slug};
use hexabase_core::platform::{
    AccessReviewRequest, CreateAssignment, CreateGroup, CreateRole, UpdateGroup, UpdateRole,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::requests::{PageQuery, nullable, parse_nullable, parse_optional};
use crate::schema;

/// Group to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// Name, unique in the workspace: letters, digits, `.`, `_` and `-`.
    #[schema(example = "developers")]
    pub name: String,
    /// Id of the parent group; a root by default.
    #[schema(value_type = Option<schema::GroupId>)]
    pub parent_id: Option<String>,
}

impl NewGroup {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateGroup> {
        let mut check = Check::default();
        let name = check.field("name", GroupName::parse(&self.name));
        let parent_id = check.field("parent_id", parse_optional(&self.parent_id, str::parse));
        let (name, parent_id) = check.all((name, parent_id))?;
        Ok(CreateGroup { name, parent_id })
    }
}

/// Changes to a group. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    /// Name, unique in the workspace: letters, digits, `.`, `_` and `-`.
    pub name: Option<String>,
    /// Id of the parent group; null makes the group a root.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<schema::GroupId>)]
    pub parent_id: Option<Option<String>>,
}

impl GroupPatch {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<UpdateGroup> {
        let mut check = Check::default();
        let name = check.field("name", parse_optional(&self.name, GroupName::parse));
        let parent_id = check.field("parent_id", parse_nullable(&self.parent_id, str::parse));
        let (name, parent_id) = check.all((name, parent_id))?;
        Ok(UpdateGroup { name, parent_id })
    }
}

/// Filter on the members of a group, and the page to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GroupMemberQuery {
    /// `true` to include the members of descendant groups.
    #[serde(default)]
    pub effective: bool,
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl GroupMemberQuery {
    /// Returns the page to return.
    #[must_use]
    pub fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }
}

/// Rule of a role, as in a Kubernetes Role.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rule)]
pub struct RoleRule {
    /// API groups; the core group is the empty string.
    #[schema(example = json!(["apps"]))]
    pub api_groups: Vec<String>,
    /// Resources, in the plural; subresources as `pods/log`.
    #[schema(example = json!(["deployments"]))]
    pub resources: Vec<String>,
    /// Verbs: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    #[schema(example = json!(["get", "list", "watch"]))]
    pub verbs: Vec<String>,
    /// Names of single objects; all objects by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
}

impl From<Rule> for RoleRule {
    fn from(rule: Rule) -> Self {
        let Rule { api_groups, resources, verbs, resource_names } = rule;
        Self { api_groups, resources, verbs, resource_names }
    }
}

impl From<RoleRule> for Rule {
    fn from(rule: RoleRule) -> Self {
        let RoleRule { api_groups, resources, verbs, resource_names } = rule;
        Self { api_groups, resources, verbs, resource_names }
    }
}

/// Custom role to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// Name, unique in the project: a DNS label.
    #[schema(example = "deployer")]
    pub name: String,
    /// Rules of the role. They cannot grant access control, impersonation or cluster-scoped resources.
    pub rules: Vec<RoleRule>,
}

impl NewRole {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateRole> {
        let mut check = Check::default();
        let name = check.field("name", Slug::parse(&self.name));
        let name = check.all(name)?;
        Ok(CreateRole { name, rules: self.rules.into_iter().map(Rule::from).collect() })
    }
}

/// Changes to a custom role. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolePatch {
    /// Name, unique in the project: a DNS label.
    pub name: Option<String>,
    /// Rules of the role; replaces all rules.
    pub rules: Option<Vec<RoleRule>>,
}

impl RolePatch {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<UpdateRole> {
        let mut check = Check::default();
        let name = check.field("name", parse_optional(&self.name, Slug::parse));
        let name = check.all(name)?;
        let rules = self.rules.map(|rules| rules.into_iter().map(Rule::from).collect());
        Ok(UpdateRole { name, rules })
    }
}

/// Role to assign, and the group to assign it to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAssignment {
    /// Id of the group, `grp_…`.
    #[schema(value_type = schema::GroupId)]
    pub group_id: String,
    /// Name of a preset, or id of a custom role of the project.
    #[schema(value_type = schema::RoleReference)]
    pub role: String,
}

impl NewAssignment {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateAssignment> {
        let mut check = Check::default();
        let group_id = check.field("group_id", self.group_id.parse());
        let role = check.field("role", self.role.parse());
        let (group_id, role) = check.all((group_id, role))?;
        Ok(CreateAssignment { group_id, role })
    }
}

/// User and request to review.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessReviewBody {
    /// Id of the user, `usr_…`.
    #[schema(value_type = schema::UserId)]
    pub user_id: String,
    /// Verb of the request.
    #[schema(example = "create")]
    pub verb: String,
    /// Resource of the request, in the plural; a subresource as `pods/log`.
    #[schema(example = "deployments")]
    pub resource: String,
    /// API group of the resource; the core group by default.
    #[schema(example = "apps")]
    #[serde(default)]
    pub api_group: String,
    /// Id of the project with the namespace of the request; all namespaces by default.
    #[schema(value_type = Option<schema::ProjectId>)]
    pub project_id: Option<String>,
}

impl AccessReviewBody {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<AccessReviewRequest> {
        let mut check = Check::default();
        let user_id = check.field("user_id", self.user_id.parse());
        let project = check.field("project_id", parse_optional(&self.project_id, str::parse));
        check.require(!self.verb.is_empty(), "verb", "must not be empty");
        check.require(!self.resource.is_empty(), "resource", "must not be empty");
        let (user_id, project) = check.all((user_id, project))?;
        let attributes =
            Attributes { verb: self.verb, api_group: self.api_group, resource: self.resource, project };
        Ok(AccessReviewRequest { user_id, attributes })
    }
}

/// Options of the removal of a member from a workspace.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkspaceMemberRemoval {
    /// `true` to revoke the permissions of existing tokens, too, as soon as the cluster has been reconciled. By
    /// default they remain valid until they expire, for at most ten minutes.
    #[serde(default)]
    #[param(default = false)]
    pub now: bool,
}
