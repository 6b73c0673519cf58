//! Deletion of a node pool.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::html_pages::PageError;
use hexabase_core::access::Action;
use hexabase_core::error::Error;
use hexabase_core::id::{NodePoolId, OrganizationId, WorkspaceId};
use hexabase_core::model::NodePool;
use maud::html;

use super::{VisibleWorkspace, workspace_for};
use crate::components::{DangerForm, Link, danger_form, error_summary, page_heading};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, form_to};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(
    context: Context,
    Path((org, ws, pool)): Path<(OrganizationId, WorkspaceId, NodePoolId)>,
) -> PageResult {
    let (found, pool) = find(&context, org, ws, pool).await?;
    Ok(page(context, StatusCode::OK, &found, &pool, &FormState::default()))
}

async fn find(
    context: &Context,
    org: OrganizationId,
    ws: WorkspaceId,
    id: NodePoolId,
) -> Result<(VisibleWorkspace, NodePool), PageError> {
    let found = workspace_for(context, org, ws, Action::NodePoolsManage).await?;
    let pool = found.workspace.node_pools.iter().find(|pool| pool.id == id).cloned();
    Ok((found, pool.ok_or_else(|| Error::not_found("node pool"))?))
}

pub(super) async fn submit(
    Path((org, ws, id)): Path<(OrganizationId, WorkspaceId, NodePoolId)>,
    submission: Submission,
) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let (found, pool) = find(&context, org, ws, id).await?;
    match context.platform().node_pools().delete(&context.caller, org, ws, id, expected).await {
        Ok(_) => {
            let text = context.texts().text_with("nodes-deleted", &[("name", pool.name.as_str().into())]);
            Ok(see_other(context, &urls::nodes(org, ws), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &pool, &form))
        }
    }
}

fn page(
    context: Context,
    status: StatusCode,
    found: &VisibleWorkspace,
    pool: &NodePool,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let (org, ws) = (found.workspace.organization_id, found.workspace.id);
    let delete = texts.text("nodes-delete");
    let danger = DangerForm {
        form: form_to(&context, urls::node_pool(org, ws, pool.id), Some(pool.version)),
        title: texts.text_with("nodes-delete-title", &[("name", pool.name.as_str().into())]),
        consequences: vec![texts.text("nodes-delete-drain"), texts.text("nodes-delete-release")],
        typed_name: None,
        error: None,
        button: delete.clone(),
        cancel_href: urls::nodes(org, ws),
    };
    let content = html! {
        (page_heading(&html! { (delete) }, None, None))
        (error_summary(&texts, &form.summary(&[])))
        (danger_form(&texts, &danger))
    };
    PageContent {
        section: Section::Nodes,
        ancestors: vec![Link::new(texts.text("nodes-title"), urls::nodes(org, ws))],
        has_errors: form.has_errors(),
        ..PageContent::new(delete, content)
    }
    .in_organization(&found.membership)
    .in_workspace(&found.workspace)
    .respond(context, status)
}
