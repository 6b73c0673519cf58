//! Requests about projects.

use hexabase_core::error::{Check, Result};
use hexabase_core::name::{DisplayName, ProjectName};
use hexabase_core::platform::CreateProject;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::requests::{ResourceAmounts, nullable, parse_nullable, parse_optional};
use crate::schema;

/// Project to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Name of the project and of its namespace: a DNS label that is not reserved.
    #[schema(example = "shop")]
    pub name: String,
    /// Name for display; none by default.
    pub display_name: Option<String>,
    /// Id of the parent project; a root by default.
    #[schema(value_type = Option<schema::ProjectId>)]
    pub parent_id: Option<String>,
    /// Maximum resource consumption: amounts by resource, as Kubernetes quantities.
    #[serde(default)]
    #[schema(example = json!({"cpu": "500m", "memory": "1Gi"}))]
    pub quota: ResourceAmounts,
}

impl NewProject {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateProject> {
        let mut check = Check::default();
        let name = check.field("name", ProjectName::parse(&self.name));
        let display_name =
            check.field("display_name", parse_optional(&self.display_name, DisplayName::parse));
        let parent_id = check.field("parent_id", parse_optional(&self.parent_id, str::parse));
        let quota = check_quota(&mut check, "quota.", &self.quota);
        let (name, display_name, parent_id) = check.all((name, display_name, parent_id))?;
        Ok(CreateProject { name, display_name, parent_id, quota })
    }
}

/// Changes to a project. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectPatch {
    /// Name for display; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub display_name: Option<Option<String>>,
}

impl ProjectPatch {
    /// Validates the request, and returns the new name for display.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<Option<Option<DisplayName>>> {
        let mut check = Check::default();
        let display_name =
            check.field("display_name", parse_nullable(&self.display_name, DisplayName::parse));
        check.all(display_name)
    }
}

/// Validates the quota of a project, which is a request by itself.
///
/// # Errors
/// `Invalid` with all invalid amounts, by resource.
pub fn parse_quota(amounts: &ResourceAmounts) -> Result<Quota> {
    let mut check = Check::default();
    let quota = check_quota(&mut check, "", amounts);
    check.done()?;
    Ok(quota)
}

/// Parses the amounts of a quota, whose fields begin with a prefix.
fn check_quota(check: &mut Check, prefix: &str, amounts: &ResourceAmounts) -> Quota {
    let mut quota = Quota::new();
    for (name, amount) in amounts.iter() {
        let field = format!("{prefix}{name}");
        let resource: Option<Resource> = check.field(field.clone(), name.parse());
        let amount: Option<Quantity> = check.field(field, amount.parse());
        if let (Some(resource), Some(amount)) = (resource, amount) {
            quota.set(resource, amount);
        }
    }
    quota
}
