//! Command `why`: explanation of a permission.

use std::collections::BTreeMap;

use clap::Args;
use hexabase_core::error::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::names::Candidate;
use super::api::{Api, Request};
use super::output::{Column, Format, escape, field, print, text_of};
use super::resources::{CommonOptions, Scope, split_resource};
use crate::command::print_line;

const REASON: &[Column] = &[
    Column::text("GROUP", "group"),
    Column::text("ROLE", "role"),
    Column::text("PROJECT", "project"),
    Column::id("ASSIGNMENT", "assignment"),
];

/// Explain why a member may or may not perform an action in a workspace: the groups and roles that allow it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hexabase why bob@example.com create deployments.apps --project web\n  hexabase why me get pods/log"
)]
pub(crate) struct Why {
    /// Member, by e-mail address, name or id; me for yourself.
    #[arg(value_name = "USER")]
    user: String,

    /// Verb, such as get, list, create or delete.
    #[arg(value_name = "VERB")]
    verb: String,

    /// Resource in the plural, with its API group after a dot, such as pods, pods/log or deployments.apps.
    #[arg(value_name = "RESOURCE")]
    resource: String,

    /// Project, by name or id [default: the whole workspace].
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,

    /// Workspace, by name or id [default: that of hexabase use].
    #[arg(long, value_name = "WORKSPACE", env = "HEXABASE_WORKSPACE")]
    workspace: Option<String>,

    /// Organization, by name or id [default: that of hexabase use].
    #[arg(long, value_name = "ORGANIZATION", env = "HEXABASE_ORGANIZATION")]
    organization: Option<String>,

    #[command(flatten)]
    common: CommonOptions,
}

impl Why {
    /// Asks the server and prints the reasons.
    ///
    /// # Errors
    /// The errors of the API, and those of unknown names.
    pub(crate) async fn execute(&self) -> Result<()> {
        let api = Api::connect(&self.common.server)?;
        let names = [
            ("organization", &self.organization),
            ("workspace", &self.workspace),
            ("project", &self.project),
        ];
        let selected = names.into_iter().filter_map(|(kind, name)| Some((kind.to_owned(), name.clone()?)));
        let mut scope = Scope::new(&api, selected.collect(), api.context());
        let path =
            scope.expand("/organizations/{organization}/workspaces/{workspace}/access-reviews").await?;
        let (resource, group) = split_resource(&self.resource);
        let user = scope.resolve("user", &self.user).await?;
        let mut body =
            json!({ "user_id": user.id, "verb": self.verb, "resource": resource, "api_group": group });
        if let (Some(project), Some(fields)) = (&self.project, body.as_object_mut()) {
            fields.insert("project_id".to_owned(), json!(scope.resolve("project", project).await?.id));
        }
        let review: Value = api.send(&Request::new(Method::POST, path).body(body)).await?.parse()?;
        let format = self.common.output;
        if matches!(format, Format::Json | Format::Yaml) {
            return print(format, REASON, &[], &review);
        }
        let names = Names {
            groups: by_id(scope.all("group").await?),
            projects: by_id(scope.all("project").await?),
            roles: self.custom_roles(&mut scope).await?,
        };
        let reasons: Vec<Value> =
            field(&review, "because").as_array().into_iter().flatten().map(|it| names.reason(it)).collect();
        let is_allowed = field(&review, "allowed") == &Value::Bool(true);
        if format != Format::Name {
            print_line(&escape(&self.sentence(is_allowed)))?;
        }
        if reasons.is_empty() { Ok(()) } else { print(format, REASON, &reasons, &review) }
    }

    /// Returns the names of the custom roles of the project.
    async fn custom_roles(&self, scope: &mut Scope<'_>) -> Result<BTreeMap<String, String>> {
        if self.project.is_none() {
            return Ok(BTreeMap::new());
        }
        scope.expand("/organizations/{organization}/workspaces/{workspace}/projects/{project}").await?;
        Ok(by_id(scope.all("role").await?))
    }

    fn sentence(&self, is_allowed: bool) -> String {
        let Self { user, verb, resource, .. } = self;
        let place =
            self.project.as_ref().map_or("the workspace".to_owned(), |name| format!("project {name}"));
        match is_allowed {
            true => format!("yes: {user} may {verb} {resource} in {place}, because of"),
            false => format!(
                "no: {user} may not {verb} {resource} in {place}: no role of a group of {user} allows it; \
                 hexabase assignments create assigns one"
            ),
        }
    }
}

/// Names of objects by id.
struct Names {
    groups: BTreeMap<String, String>,
    projects: BTreeMap<String, String>,
    roles: BTreeMap<String, String>,
}

fn by_id(candidates: Vec<Candidate>) -> BTreeMap<String, String> {
    let named = |candidate: Candidate| Some((candidate.id, candidate.names.into_iter().next()?));
    candidates.into_iter().filter_map(named).collect()
}

impl Names {
    /// Returns a row for one reason.
    fn reason(&self, because: &Value) -> Value {
        let name = |names: &BTreeMap<String, String>, id: &Value| {
            let id = text_of(id);
            names.get(&id).cloned().unwrap_or(id)
        };
        let path = field(because, "path").as_array().into_iter().flatten();
        let path: Vec<String> = path.map(|id| name(&self.groups, id)).collect();
        let project = field(because, "project_id");
        let project = if project.is_null() { "all".to_owned() } else { name(&self.projects, project) };
        json!({
            "group": path.join(" > "),
            "role": name(&self.roles, field(because, "role")),
            "project": project,
            "assignment": field(because, "assignment_id"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_names_and_fall_back_to_ids() {
        let map = |id: &str, name: &str| BTreeMap::from([(id.to_owned(), name.to_owned())]);
        let names = Names {
            groups: map("grp_1", "developers"),
            projects: map("prj_1", "web"),
            roles: map("rol_1", "deployer"),
        };
        let because = json!({ "assignment_id": "asg_1", "path": ["grp_1", "grp_2"], "project_id": "prj_1",
            "role": "hexabase:project-editor" });
        let expected = json!({ "group": "developers > grp_2", "role": "hexabase:project-editor", "project": "web",
            "assignment": "asg_1" });
        assert_eq!(names.reason(&because), expected);
        let because = json!({ "assignment_id": "asg_1", "path": [], "project_id": null, "role": "r" });
        assert_eq!(names.reason(&because)["project"], "all");
        let because = json!({ "assignment_id": "asg_1", "path": [], "project_id": null, "role": "rol_1" });
        assert_eq!(names.reason(&because)["role"], "deployer");
    }
}
