//! Audit log as a file of comma-separated values.

use axum::extract::RawQuery;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::AuditEvent;
use hexabase_core::page::PageRequest;

use super::query;
use crate::context::Context;
use crate::pages::csv::{attachment, line};
use crate::response::PageResult;

/// Maximum number of entries of a file.
pub(super) const MAX_ROWS: usize = 5_000;
/// Names of the columns. They are no words of the page: programs read them.
const COLUMNS: [&str; 11] = [
    "at",
    "action",
    "resource",
    "user_id",
    "session_id",
    "token_id",
    "address",
    "device",
    "request_id",
    "before",
    "after",
];

/// Sends the newest entries of the filters.
pub(super) async fn download(
    context: Context,
    Path(org): Path<OrganizationId>,
    RawQuery(query): RawQuery,
) -> PageResult {
    context.organization_for(org, Action::AuditRead).await?;
    let filter = query::parse(query.as_deref().unwrap_or_default())?.parse()?;
    let organizations = context.platform().organizations();
    let (mut file, mut rows, mut after) = (line(&COLUMNS), 0, None);
    while rows < MAX_ROWS {
        let request = PageRequest::new(PageRequest::MAX_LIMIT, after);
        let page = organizations.audit_events(&context.caller, org, &filter, &request).await?;
        for event in page.items.iter().take(MAX_ROWS - rows) {
            file.push_str(&line(&cells(event).each_ref().map(String::as_str)));
        }
        rows += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(attachment("text/csv; charset=utf-8", "audit.csv", file))
}

fn cells(event: &AuditEvent) -> [String; COLUMNS.len()] {
    let text = |id: Option<String>| id.unwrap_or_default();
    let json = |value: &serde_json::Value| if value.is_null() { String::new() } else { value.to_string() };
    [
        event.at.to_string(),
        event.action.clone(),
        event.resource.clone(),
        text(event.actor.user_id.map(|id| id.to_string())),
        text(event.actor.session_id.map(|id| id.to_string())),
        text(event.actor.token_id.map(|id| id.to_string())),
        text(event.origin.address.clone()),
        event.origin.device.clone(),
        event.origin.request_id.clone(),
        json(&event.before),
        json(&event.after),
    ]
}
