//! Deletion of a group.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::model::Group;
use maud::html;

use super::GroupScope;
use crate::components::{DangerForm, Link, danger_form, error_summary, page_heading};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, form_to};
use crate::pages::workspaces::{VisibleWorkspace, workspace_for};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(context: Context, Path((org, ws, grp)): Path<GroupScope>) -> PageResult {
    let place = workspace_for(&context, org, ws, Action::GroupsManage).await?;
    let group = context.platform().groups().get(&context.caller, org, ws, grp).await?;
    Ok(page(context, StatusCode::OK, &place, &group, &FormState::default()))
}

pub(super) async fn submit(Path((org, ws, grp)): Path<GroupScope>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let place = workspace_for(&context, org, ws, Action::GroupsManage).await?;
    let group = context.platform().groups().get(&context.caller, org, ws, grp).await?;
    match context.platform().groups().delete(&context.caller, org, ws, grp, expected).await {
        Ok(()) => {
            let text = context.texts().text_with("group-deleted", &[("name", group.name.as_str().into())]);
            Ok(see_other(context, &urls::groups(org, ws), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &place, &group, &form))
        }
    }
}

fn page(
    context: Context,
    status: StatusCode,
    place: &VisibleWorkspace,
    group: &Group,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let (org, ws, grp) = (group.organization_id, group.workspace_id, group.id);
    let delete = texts.text("group-delete");
    let shown = group.name.as_str();
    let danger = DangerForm {
        form: form_to(&context, urls::group_delete(org, ws, grp), Some(group.version)),
        title: texts.text_with("group-delete-title", &[("name", shown.into())]),
        consequences: vec![texts.text("group-delete-roles"), texts.text("group-delete-empty")],
        typed_name: None,
        error: None,
        button: delete.clone(),
        cancel_href: urls::group(org, ws, grp),
    };
    let content = html! {
        (page_heading(&html! { (delete) }, None, None))
        (error_summary(&texts, &form.summary(&[])))
        (danger_form(&texts, &danger))
    };
    PageContent {
        section: Section::Groups,
        ancestors: vec![
            Link::new(texts.text("nav-groups"), urls::groups(org, ws)),
            Link::new(shown, urls::group(org, ws, grp)),
        ],
        has_errors: form.has_errors(),
        ..PageContent::new(delete, content)
    }
    .in_organization(&place.membership)
    .in_workspace(&place.workspace)
    .respond(context, status)
}
