//! Specifications of documents: the request bodies of the API, with names in place of ids.

use std::collections::BTreeMap;

use hexabase_api::access::requests::{NewGroup, NewRole, RoleRule};
use hexabase_api::alerts::requests::NewAlertRule;
use hexabase_api::organizations::requests::{NewInvitation, NewOrganization, NewServiceAccount};
use hexabase_api::projects::requests::NewProject;
use hexabase_api::requests::ResourceAmounts;
use hexabase_api::workspaces::requests::NewWorkspace;
use hexabase_core::error::{Error, Result};
use hexabase_core::name::Email;
use hexabase_core::quantity::Quantity;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::{Key, Kind, Spec};

/// Specification of one kind of object. Its canonical form is that of its JSON: equal specifications have equal JSON.
pub(super) trait Specification: Serialize + DeserializeOwned {
    /// Validates the specification, with the validation of the API, and brings it into its canonical form.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    fn check(&mut self, key: &Key) -> Result<()>;
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrganizationSpec {
    display_name: String,
}

impl Specification for OrganizationSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        let new = NewOrganization { name: key.name.clone(), display_name: self.display_name.clone() };
        new.parse().map(drop)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberSpec {
    role: String,
}

impl Specification for MemberSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        NewInvitation { email: key.name.clone(), role: self.role.clone() }.parse().map(drop)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceAccountSpec {
    #[serde(default = "member")]
    role: String,
}

fn member() -> String {
    "member".to_owned()
}

impl Specification for ServiceAccountSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        NewServiceAccount { name: key.name.clone(), role: self.role.clone() }.parse().map(drop)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceSpec {
    display_name: Option<String>,
    plan_id: String,
    region: Option<String>,
    kubernetes_version: Option<String>,
}

impl Specification for WorkspaceSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        let new = NewWorkspace {
            name: key.name.clone(),
            display_name: self.display_name.clone(),
            plan_id: self.plan_id.clone(),
            region: self.region.clone(),
            kubernetes_version: self.kubernetes_version.clone(),
        };
        new.parse().map(drop)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupSpec {
    parent: Option<String>,
}

impl Specification for GroupSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        NewGroup { name: key.name.clone(), parent_id: None }.parse().map(drop)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupMemberSpec {}

impl Specification for GroupMemberSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        if !key.name.contains('@') {
            return Ok(());
        }
        Email::parse(&key.name).map(drop).map_err(|error| Error::invalid("name", error.to_string()))
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectSpec {
    display_name: Option<String>,
    parent: Option<String>,
    #[serde(default)]
    quota: BTreeMap<String, String>,
}

impl Specification for ProjectSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        let new = NewProject {
            name: key.name.clone(),
            display_name: self.display_name.clone(),
            parent_id: None,
            quota: ResourceAmounts::from(self.quota.clone()),
        };
        new.parse()?;
        for amount in self.quota.values_mut() {
            let quantity: Result<Quantity> =
                amount.parse().map_err(|_| Error::invalid("quota", "must be amounts of resources"));
            *amount = quantity?.to_string();
        }
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleSpec {
    rules: Vec<RoleRule>,
}

impl Specification for RoleSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        NewRole { name: key.name.clone(), rules: Vec::new() }.parse().map(drop)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleAssignmentSpec {
    pub(super) group: String,
    pub(super) role: String,
}

impl Specification for RoleAssignmentSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        if self.role.starts_with("hexabase:") || key.parent.is_some() {
            return Ok(());
        }
        let message = "must be a preset role such as hexabase:workspace-viewer; a custom role is assigned in its \
                       project: add metadata.project";
        Err(Error::invalid("role", message))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertRuleSpec {
    project: Option<String>,
    metric: String,
    comparison: String,
    threshold: Option<f64>,
    percent_of_quota: Option<u8>,
    #[serde(rename = "for")]
    duration: String,
    severity: String,
    #[serde(default)]
    notify: Vec<String>,
}

impl Specification for AlertRuleSpec {
    fn check(&mut self, key: &Key) -> Result<()> {
        let new = NewAlertRule {
            name: key.name.clone(),
            project: None,
            metric: self.metric.clone(),
            comparison: self.comparison.clone(),
            threshold: self.threshold,
            percent_of_quota: self.percent_of_quota,
            duration: self.duration.clone(),
            severity: self.severity.clone(),
            notify: self.notify.clone(),
        };
        let parsed = new.parse()?;
        self.notify = parsed.notify.iter().map(ToString::to_string).collect();
        Ok(())
    }
}

/// Returns the canonical form of a validated specification.
pub(super) fn canonical<S: Specification>(mut spec: S, key: &Key) -> Result<Spec> {
    spec.check(key)?;
    match serde_json::to_value(spec) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Error::unexpected("the specification is no object")),
    }
}

/// Returns the canonical form of a specification that was read from the server.
///
/// # Errors
/// `Unexpected` for one that this program does not know.
pub(super) fn from_server(key: &Key, spec: Value) -> Result<Spec> {
    fn parse<S: Specification>(key: &Key, spec: Value) -> Result<Spec> {
        let parsed: S = serde_json::from_value(spec).map_err(|error| {
            let message =
                format!("the server describes {key} in another form; use the version of the server");
            Error::unexpected(message).caused_by(error)
        })?;
        match serde_json::to_value(parsed) {
            Ok(Value::Object(fields)) => Ok(fields),
            _ => Err(Error::unexpected("the specification is no object")),
        }
    }
    match key.kind {
        Kind::Organization => parse::<OrganizationSpec>(key, spec),
        Kind::Member => parse::<MemberSpec>(key, spec),
        Kind::ServiceAccount => parse::<ServiceAccountSpec>(key, spec),
        Kind::Workspace => parse::<WorkspaceSpec>(key, spec),
        Kind::Group => parse::<GroupSpec>(key, spec),
        Kind::GroupMember => parse::<GroupMemberSpec>(key, spec),
        Kind::Project => parse::<ProjectSpec>(key, spec),
        Kind::Role => parse::<RoleSpec>(key, spec),
        Kind::RoleAssignment => parse::<RoleAssignmentSpec>(key, spec),
        Kind::AlertRule => parse::<AlertRuleSpec>(key, spec),
    }
}
