//! Service accounts of an organization.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::requests::{PageQuery, from_filter_form};
use hexabase_api::{Pager as Cursors, Path};
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization, OrganizationRole, ServiceAccount};
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Column, Empty, Link, Table, disabled_button, empty, id, link_button, name, page_heading,
    pager, role_badge, shell_commands, table,
};
use crate::context::{Context, refusal};
use crate::pages::api_call::api_call;
use crate::pages::filters::Filters;
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::time::time;
use crate::urls;

/// Facts on the page.
struct ListPage {
    accounts: Vec<(ServiceAccount, OrganizationRole)>,
    /// Reason why no account can be created now; `None` if the user can create one.
    refusal: Option<String>,
    filters: Filters,
    next_cursor: Option<String>,
}

pub(super) async fn show(
    context: Context,
    Path(org): Path<OrganizationId>,
    cursors: Cursors,
    RawQuery(query): RawQuery,
) -> PageResult {
    let membership = context.organization_for(org, Action::ServiceAccountsManage).await?;
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let request = cursors.request(&from_filter_form::<PageQuery>(filters.query())?)?;
    let (platform, caller) = (context.platform(), &context.caller);
    let (accounts, abilities) = tokio::try_join!(
        async { platform.service_accounts().list(caller, org, &request).await },
        platform.abilities_for(caller, org, None, &[Action::ServiceAccountCreate]),
    )?;
    let next_cursor = cursors.next_cursor(&accounts)?;
    let refusal = refusal(&context, &abilities, Action::ServiceAccountCreate);
    let facts = ListPage { accounts: accounts.items, refusal, filters, next_cursor };
    Ok(page(context, &membership, &facts))
}

fn page(context: Context, membership: &(Organization, Member), facts: &ListPage) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let (url, title) = (urls::service_accounts(org), texts.text("nav-service-accounts"));
    let create = texts.text("account-create");
    let new = urls::new_service_account(org);
    let actions = match &facts.refusal {
        None => link_button(ButtonKind::Primary, &create, &new),
        Some(reason) => disabled_button("create-reason", &create, reason),
    };
    let path = format!("/organizations/{org}/service-accounts");
    let commands = [api_call(&context, texts.text("accounts-command"), &path)];
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("accounts-about")) }), Some(&actions)))
        @if facts.accounts.is_empty() {
            (empty(&Empty {
                title: texts.text("accounts-none"),
                purpose: texts.text("accounts-purpose"),
                action: facts.refusal.is_none().then(|| Link::new(create, new)),
                documentation: None,
            }))
        } @else { (accounts(&context, &facts.accounts)) }
        (pager(&texts, &facts.filters.pager(&url, facts.next_cursor.as_deref())))
        (shell_commands(&texts, &commands))
    };
    PageContent { section: Section::ServiceAccounts, ..PageContent::new(title, content) }
        .in_organization(membership)
        .respond(context, StatusCode::OK)
}

fn accounts(context: &Context, accounts: &[(ServiceAccount, OrganizationRole)]) -> Markup {
    let texts = context.texts();
    let row = |(account, role): &(ServiceAccount, OrganizationRole)| {
        let href = urls::service_account(account.organization_id, account.id);
        let link = html! { a href=(href) { (name(account.name.as_str())) } };
        let own_id = id(&texts, &account.id.to_string());
        vec![link, role_badge(&texts, *role), own_id, time(&texts, account.created_at)].into()
    };
    table(&Table {
        caption: texts.text("nav-service-accounts"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-name")),
            Column::text(texts.text("field-role")),
            Column::text(texts.text("field-id")),
            Column::text(texts.text("field-created")),
        ],
        rows: accounts.iter().map(row).collect(),
    })
}
