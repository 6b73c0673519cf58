//! Requests about organizations, their members, invitations, service accounts and audit log.

use hexabase_core::error::{Check, Error, Result};
use hexabase_core::id::{InvitationId, ProjectId, WorkspaceId};
use hexabase_core::model::{AuditFilter, OrganizationRole};
use hexabase_core::name::{DisplayName, Email, ManagedObject, Slug};
use hexabase_core::platform::{CreateInvitation, CreateOrganization, CreateServiceAccount, UpdateInventory};
use hexabase_core::search::{MemberFilter, SearchText};
use hexabase_core::secret::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::filters::RoleSchema;
use crate::requests::{PageQuery, parse_optional, parse_text, parse_timestamp};
use crate::schema;

/// Organization to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    /// Name, unique in the installation: a DNS label.
    #[schema(example = "acme")]
    pub name: String,
    /// Name for display.
    #[schema(example = "ACME Inc.")]
    pub display_name: String,
}

impl NewOrganization {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateOrganization> {
        let mut check = Check::default();
        let name = check.field("name", Slug::parse(&self.name));
        let display_name = check.field("display_name", DisplayName::parse(&self.display_name));
        let (name, display_name) = check.all((name, display_name))?;
        Ok(CreateOrganization { name, display_name })
    }
}

/// Changes to an organization. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationPatch {
    /// Name for display.
    pub display_name: Option<String>,
}

impl OrganizationPatch {
    /// Validates the request, and returns the new name for display.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<Option<DisplayName>> {
        let mut check = Check::default();
        let display_name =
            check.field("display_name", parse_optional(&self.display_name, DisplayName::parse));
        check.all(display_name)
    }
}

/// Option of the deletion.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrganizationDeletion {
    /// `true` to delete the workspaces of the organization, too.
    #[serde(default)]
    pub cascade: bool,
}

/// Invitation to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// E-mail address to invite. The user who accepts must have it as a verified address.
    #[schema(example = "bob@example.com", format = "email")]
    pub email: String,
    /// Role of the new member.
    #[schema(value_type = schema::OrganizationRole)]
    pub role: String,
}

impl NewInvitation {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateInvitation> {
        let mut check = Check::default();
        let email = check.field("email", Email::parse(&self.email));
        let role = check.field("role", self.role.parse());
        let (email, role) = check.all((email, role))?;
        Ok(CreateInvitation { email, role })
    }
}

/// Invitation to accept, by exactly one of its token and its id.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Token from the mail.
    #[schema(value_type = Option<String>, format = Password)]
    pub token: Option<SecretString>,
    /// Id of an invitation that `GET /auth/me` lists.
    #[schema(value_type = Option<schema::InvitationId>)]
    pub invitation_id: Option<InvitationId>,
}

/// Reference to the invitation that a user accepts.
#[derive(Debug)]
pub enum InvitationReference {
    /// Token from the mail.
    Token(SecretString),
    /// Id of an invitation to a verified address of the user.
    Id(InvitationId),
}

impl Acceptance {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` unless it has exactly one of the two fields.
    pub fn parse(self) -> Result<InvitationReference> {
        match (self.token, self.invitation_id) {
            (Some(token), None) => Ok(InvitationReference::Token(token)),
            (None, Some(id)) => Ok(InvitationReference::Id(id)),
            _ => Err(Error::invalid("token", "exactly one of token and invitation_id is required")),
        }
    }
}

/// Filter on members, and the page to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MemberQuery {
    /// Part of the name or e-mail address, in any case.
    #[param(min_length = 1, max_length = 100)]
    pub q: Option<String>,
    /// Role of the members.
    #[param(value_type = Option<RoleSchema>, inline)]
    pub role: Option<OrganizationRole>,
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl MemberQuery {
    /// Returns the page to return.
    #[must_use]
    pub fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }

    /// Returns the filter.
    ///
    /// # Errors
    /// `Invalid` for a text that cannot be searched for.
    pub fn parse(self) -> Result<MemberFilter> {
        Ok(MemberFilter { text: parse_text(self.q.as_deref())?, role: self.role })
    }
}

/// Role to set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRoleUpdate {
    /// Role of the member.
    #[schema(value_type = schema::OrganizationRole)]
    pub role: String,
}

impl MemberRoleUpdate {
    /// Validates the request, and returns the role.
    ///
    /// # Errors
    /// `Invalid` for an unknown role.
    pub fn parse(self) -> Result<OrganizationRole> {
        let mut check = Check::default();
        let role = check.field("role", self.role.parse());
        check.all(role)
    }
}

/// Service account to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServiceAccount {
    /// Name, unique in the organization: a DNS label.
    #[schema(example = "ci")]
    pub name: String,
    /// Role in the organization, other than `owner`; `member` by default.
    #[serde(default = "default_role")]
    #[schema(default = "member", value_type = schema::OrganizationRole)]
    pub role: String,
}

fn default_role() -> String {
    "member".to_owned()
}

impl NewServiceAccount {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateServiceAccount> {
        let mut check = Check::default();
        let name = check.field("name", Slug::parse(&self.name));
        let role = check.field("role", self.role.parse());
        let (name, role) = check.all((name, role))?;
        Ok(CreateServiceAccount { name, role })
    }
}

/// Changes to an inventory.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InventoryPatch {
    /// Objects to add: ids, and for memberships the ids of the group and of the user, as in `grp_…/usr_…`.
    #[serde(default)]
    #[schema(example = json!(["ws_01h455vb4pex5vsknk084sn02q"]))]
    pub add: Vec<String>,
    /// Objects to remove.
    #[serde(default)]
    #[schema(example = json!([]))]
    pub remove: Vec<String>,
}

impl InventoryPatch {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<UpdateInventory> {
        let mut check = Check::default();
        let mut parse = |field: &str, objects: &[String]| {
            let parse = |(index, object): (usize, &String)| {
                check.field(format!("{field}[{index}]"), ManagedObject::parse(object))
            };
            objects.iter().enumerate().filter_map(parse).collect()
        };
        let (add, remove) = (parse("add", &self.add), parse("remove", &self.remove));
        check.done()?;
        Ok(UpdateInventory { add, remove })
    }
}

/// Filter on the entries, and the page to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Id of the user who made the change, `usr_…`.
    #[param(value_type = Option<schema::UserId>)]
    pub actor: Option<String>,
    /// Action, such as `workspace.create`.
    pub action: Option<String>,
    /// Changed object, as in the field `resource` of entries.
    pub resource: Option<String>,
    /// Earliest time of the change, inclusive (RFC 3339).
    #[param(format = DateTime)]
    pub since: Option<String>,
    /// Latest time of the change, exclusive (RFC 3339).
    #[param(format = DateTime)]
    pub until: Option<String>,
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl AuditQuery {
    /// Returns the page to return.
    #[must_use]
    pub fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }

    /// Returns the filter.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<AuditFilter> {
        let mut check = Check::default();
        let actor = check.field("actor", parse_optional(&self.actor, str::parse));
        let since = check.field("since", parse_optional(&self.since, parse_timestamp));
        let until = check.field("until", parse_optional(&self.until, parse_timestamp));
        let (actor, since, until) = check.all((actor, since, until))?;
        Ok(AuditFilter { actor, action: self.action, resource: self.resource, since, until })
    }
}

/// Text to search for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Part of a name, display name or e-mail address, in any case.
    #[param(min_length = 1, max_length = 100)]
    pub q: String,
}

impl SearchQuery {
    /// Returns the text to search for.
    ///
    /// # Errors
    /// `Invalid` for a text that cannot be searched for.
    pub fn parse(self) -> Result<SearchText> {
        SearchText::parse(&self.q)
    }
}

/// Objects whose actions the result contains besides those of the organization.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AbilitiesQuery {
    /// Id of a workspace, `ws_…`.
    pub workspace: Option<String>,
    /// Id of a project of the workspace, `prj_…`.
    pub project: Option<String>,
}

impl AbilitiesQuery {
    /// Returns the workspace and the project of it.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields, and for a project without a workspace.
    pub fn parse(self) -> Result<Option<(WorkspaceId, Option<ProjectId>)>> {
        let mut check = Check::default();
        let workspace = check.field("workspace", parse_optional(&self.workspace, str::parse::<WorkspaceId>));
        let project = check.field("project", parse_optional(&self.project, str::parse::<ProjectId>));
        let has_workspace = self.workspace.is_some() || self.project.is_none();
        check.require(has_workspace, "workspace", "is required for a project");
        let (workspace, project) = check.all((workspace, project))?;
        Ok(workspace.map(|workspace| (workspace, project)))
    }
}
