//! Creation of a group.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::access::requests::NewGroup;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::Group;
use maud::html;

use crate::components::{
    ButtonKind, Choice, Control, Field, Link, disabled_button, error_summary, field, form_actions,
    page_heading, post_form,
};
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::pages::filters::Filters;
use crate::pages::nested::in_order;
use crate::pages::workspaces::{VisibleWorkspace, workspace_for};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(
    mut context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let place = workspace_for(&context, org, ws, Action::GroupCreate).await?;
    let form = FormState::with(context.saved_fields());
    let parent = Filters::new(query.as_deref().unwrap_or_default()).get("parent_id").to_owned();
    load(context, StatusCode::OK, &place, &parent, &form).await
}

pub(super) async fn submit(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let place = workspace_for(&context, org, ws, Action::GroupCreate).await?;
    match create(&context, org, ws, &fields).await {
        Ok(group) => {
            let text = context.texts().text_with("group-created", &[("name", group.name.as_str().into())]);
            Ok(see_other(context, &urls::group(org, ws, group.id), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            load(context, error.status(), &place, "", &form).await
        }
    }
}

async fn create(context: &Context, org: OrganizationId, ws: WorkspaceId, fields: &Fields) -> Result<Group> {
    let command = fields.parse::<NewGroup>()?.parse()?;
    Ok(context.platform().groups().create(&context.caller, org, ws, &command).await?.value)
}

async fn load(
    context: Context,
    status: StatusCode,
    place: &VisibleWorkspace,
    parent: &str,
    form: &FormState,
) -> PageResult {
    let (org, ws) = (place.workspace.organization_id, place.workspace.id);
    let groups = context.platform().groups().all(&context.caller, org, ws).await?;
    Ok(page(context, status, place, &groups, parent, form))
}

fn page(
    context: Context,
    status: StatusCode,
    place: &VisibleWorkspace,
    groups: &[Group],
    parent: &str,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let (org, ws) = (place.workspace.organization_id, place.workspace.id);
    let target = creating_form(&context, urls::new_group(org, ws), form);
    let name = Field::line("name", texts.text("field-name"))
        .value(form.value("name"))
        .error(form.error("name"))
        .hint(texts.text("group-name-hint"))
        .required();
    let parents =
        Field::new("parent_id", texts.text("group-parent"), Control::Select(parent_choices(&texts, groups)))
            .value(form.value_or("parent_id", parent))
            .error(form.error("parent_id"));
    let create = texts.text("group-create");
    let refused = refusal(&context, &place.abilities, Action::GroupCreate);
    let content = html! {
        (page_heading(&html! { (create) }, Some(&html! { (texts.text("groups-about")) }), None))
        (error_summary(&texts, &form.summary(&["name", "parent_id"])))
        (post_form(&target, &html! {
            (field(&texts, &name))
            (field(&texts, &parents))
            @match &refused {
                None => (form_actions(&texts, ButtonKind::Primary, &create, &urls::groups(org, ws))),
                Some(reason) => (disabled_button("create-reason", &create, reason)),
            }
        }))
    };
    PageContent {
        section: Section::Groups,
        ancestors: vec![Link::new(texts.text("nav-groups"), urls::groups(org, ws))],
        has_errors: form.has_errors(),
        ..PageContent::new(create, content)
    }
    .in_organization(&place.membership)
    .in_workspace(&place.workspace)
    .respond(context, status)
}

/// Returns the groups as choices in the order of their tree, and the choice of no parent.
fn parent_choices(texts: &crate::language::Texts, groups: &[Group]) -> Vec<Choice> {
    let all = in_order(groups).into_iter().map(|(level, group)| {
        Choice::new(group.id.to_string(), format!("{}{}", "— ".repeat(level), group.name))
    });
    std::iter::once(Choice::new("", texts.text("group-root"))).chain(all).collect()
}
