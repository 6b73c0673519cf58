//! Markup of the page of a custom role.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_core::access::Action;
use hexabase_core::model::{CustomRole, Rule};
use maud::{Markup, html};

use super::rule_rows::{RuleRow, editor, hidden, names};
use super::words::rule_text;
use crate::components::{
    Field, Link, PostForm, card, copyable_block, diff, error_summary, field, name, page_heading, post_form,
};
use crate::context::{Context, refusal};
use crate::form::{FormState, INTENT, creating_form, form_to};
use crate::language::Texts;
use crate::pages::projects::{VisibleProject, ancestors};
use crate::pages::{PageContent, Section};
use crate::urls;

/// Part of the page that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Rules in words and the editor.
    Editor,
    /// Comparison of the entries with the saved rules.
    Comparison,
}

/// Facts on the page.
pub(super) struct RolePage {
    pub(super) found: VisibleProject,
    /// Saved role; `None` for a new one.
    pub(super) role: Option<CustomRole>,
    /// Name and rows of the editor.
    pub(super) name: String,
    pub(super) rows: Vec<RuleRow>,
    pub(super) stage: Stage,
    pub(super) form: FormState,
}

/// Returns rules in words.
pub(super) fn sentences(texts: &Texts, rules: &[Rule]) -> Vec<String> {
    rules.iter().map(|rule| rule_text(texts, rule)).collect()
}

/// Page of a role.
pub(super) fn page(context: Context, status: StatusCode, facts: &RolePage) -> Response {
    let texts = context.texts();
    let project = &facts.found.project;
    let (org, ws, prj) = (project.organization_id, project.workspace_id, project.id);
    let refused = refusal(&context, &facts.found.place.abilities, Action::ProjectRolesManage);
    let title = facts.role.as_ref().map_or_else(|| texts.text("role-create"), |role| role.name.to_string());
    let all = names(facts.rows.len());
    let fields: Vec<&str> = std::iter::once("name").chain(all.iter().map(String::as_str)).collect();
    let content = html! {
        (page_heading(&html! { (name(&title)) }, None, None))
        (error_summary(&texts, &facts.form.summary(&fields)))
        @if let Some(role) = &facts.role {
            (card(&texts.text("role-rules"), None, &html! {
                ul { @for sentence in sentences(&texts, &role.rules) { li { (sentence) } } }
            }))
        }
        @match (&refused, facts.stage) {
            (Some(_), _) => {},
            (None, Stage::Editor) => (editor_card(&context, facts)),
            (None, Stage::Comparison) => (comparison_card(&context, facts)),
        }
        @if let Some(role) = &facts.role {
            (copyable_block(&texts, &texts.text("role-manifest"), &manifest(project.name.as_str(), role)))
            @if refused.is_none() { (delete_card(&context, role)) }
        }
    };
    let mut path = ancestors(&texts, &facts.found.all, Some(project));
    path.push(Link::new(texts.text("nav-roles"), urls::project_roles(org, ws, prj)));
    let page = PageContent {
        section: Section::Projects,
        ancestors: path,
        has_errors: facts.form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(&facts.found.place.membership)
    .in_workspace(&facts.found.place.workspace);
    let page = match &facts.role {
        Some(role) => page.audited(format!("{ws}/{prj}/{}", role.id)),
        None => page,
    };
    page.respond(context, status)
}

/// Form that the page sends to itself, with the version of the saved role.
fn target(context: &Context, facts: &RolePage) -> PostForm {
    let project = &facts.found.project;
    let (org, ws, prj) = (project.organization_id, project.workspace_id, project.id);
    match &facts.role {
        None => creating_form(context, urls::new_role(org, ws, prj), &facts.form),
        Some(role) => form_to(context, urls::role(org, ws, prj, role.id), Some(role.version)),
    }
}

fn editor_card(context: &Context, facts: &RolePage) -> Markup {
    let texts = context.texts();
    let entry = Field::line("name", texts.text("field-name"))
        .value(&facts.name)
        .error(facts.form.error("name"))
        .hint(texts.text("role-name-hint"))
        .required();
    let heading = if facts.role.is_some() { texts.text("role-edit") } else { texts.text("role-create") };
    card(
        &heading,
        None,
        &post_form(
            &target(context, facts),
            &html! {
                (field(&texts, &entry))
                p class="hint" { (texts.text("role-rules-hint")) }
                (editor(&texts, &facts.rows, &facts.form))
                div class="form-actions" {
                    button class="button primary" type="submit" name=(INTENT) value="review" { (texts.text("role-compare")) }
                    button class="button" type="submit" name=(INTENT) value="add" { (texts.text("role-add-rule")) }
                }
            },
        ),
    )
}

/// Comparison of the entries with the saved rules in words, with the buttons that save them or return to the editor.
fn comparison_card(context: &Context, facts: &RolePage) -> Markup {
    let texts = context.texts();
    let before = facts.role.as_ref().map(|role| sentences(&texts, &role.rules)).unwrap_or_default();
    let rules: Vec<Rule> = facts.rows.iter().map(RuleRow::rule).collect();
    card(
        &texts.text("role-changes"),
        None,
        &post_form(
            &target(context, facts),
            &html! {
                p { (texts.text("field-name")) ": " (name(&facts.name)) }
                (diff(&texts, &before, &sentences(&texts, &rules)))
                input type="hidden" name="name" value=(facts.name);
                (hidden(&facts.rows))
                div class="form-actions" {
                    button class="button primary" type="submit" name=(INTENT) value="save" { (texts.text("role-save")) }
                    button class="button" type="submit" name=(INTENT) value="add" { (texts.text("role-continue")) }
                }
            },
        ),
    )
}

fn delete_card(context: &Context, role: &CustomRole) -> Markup {
    let texts = context.texts();
    let url = urls::role(role.organization_id, role.workspace_id, role.project_id, role.id);
    let form = form_to(context, url, Some(role.version));
    let delete = texts.text("role-delete");
    card(
        &delete,
        None,
        &html! {
            p { (texts.text("role-delete-about")) }
            (post_form(&form, &html! {
                button class="button danger" type="submit" name=(INTENT) value="delete" { (delete) }
            }))
        },
    )
}

/// Returns the role as a manifest for `kubectl apply`. Lists in JSON are YAML, too.
fn manifest(namespace: &str, role: &CustomRole) -> String {
    let list = |entries: &[String]| serde_json::to_string(entries).unwrap_or_default();
    let rule = |rule: &Rule| {
        let names = match rule.resource_names.is_empty() {
            true => String::new(),
            false => format!("\n  resourceNames: {}", list(&rule.resource_names)),
        };
        let (groups, resources, verbs) = (list(&rule.api_groups), list(&rule.resources), list(&rule.verbs));
        format!("- apiGroups: {groups}\n  resources: {resources}\n  verbs: {verbs}{names}\n")
    };
    let rules: String = role.rules.iter().map(rule).collect();
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: {}\n  namespace: {namespace}\nrules:\n{rules}",
        role.name
    )
}
