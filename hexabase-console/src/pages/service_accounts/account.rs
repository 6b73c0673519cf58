//! Service account with its API tokens.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::error::Error;
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::model::ApiToken;
use hexabase_core::page::PageRequest;
use maud::{Markup, html};

use super::VisibleAccount;
use crate::components::{
    ButtonKind, card, copyable_block, facts, id, link_button, name, page_heading, role_badge, shell_commands,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::Submission;
use crate::pages::api_call::api_call;
use crate::pages::tokens::{TOKEN, token_table};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

pub(super) async fn show(
    mut context: Context,
    Path((org, id)): Path<(OrganizationId, UserId)>,
) -> PageResult {
    let accounts = context.platform().service_accounts();
    // An account has fewer tokens than a page shows at most.
    let all = PageRequest::largest();
    let (found, tokens) = tokio::try_join!(VisibleAccount::load(&context, org, id), async {
        Ok(accounts.list_tokens(&context.caller, org, id, &all).await?)
    })?;
    context.note_inventory(org, id).await?;
    Ok(page(context, &found, &tokens.items))
}

/// Revokes a token.
pub(super) async fn revoke(
    Path((org, id)): Path<(OrganizationId, UserId)>,
    Submission { context, fields }: Submission,
) -> PageResult {
    VisibleAccount::load(&context, org, id).await?;
    let token = fields.get(TOKEN).parse().map_err(|_| Error::not_found("token"))?;
    context.platform().service_accounts().delete_token(&context.caller, org, id, token).await?;
    let flash = Flash::new(context.text("token-revoked"));
    Ok(see_other(context, &urls::service_account(org, id), &flash))
}

fn page(context: Context, found: &VisibleAccount, tokens: &[ApiToken]) -> Response {
    let texts = context.texts();
    let account = &found.account;
    let (org, account_id) = (account.organization_id, account.id);
    let delete = texts.text("account-delete");
    let actions = link_button(ButtonKind::Danger, &delete, &urls::service_account_delete(org, account_id));
    let about = [
        (texts.text("field-role"), role_badge(&texts, found.member.role)),
        (texts.text("field-created"), time(&texts, account.created_at)),
        (texts.text("field-id"), id(&texts, &account_id.to_string())),
    ];
    let create = texts.text("token-create");
    let new = link_button(ButtonKind::Primary, &create, &urls::new_account_token(org, account_id));
    let path = format!("/organizations/{org}/service-accounts/{account_id}/tokens");
    let commands = [api_call(&context, texts.text("account-command"), &path)];
    let url = urls::service_account(org, account_id);
    let content = html! {
        (page_heading(&html! { (name(account.name.as_str())) }, None, Some(&actions)))
        (card(&texts.text("settings-about"), None, &facts(&about)))
        (card(&texts.text("tokens-title"), Some(&new), &html! {
            @if tokens.is_empty() { p { (texts.text("account-no-tokens")) } }
            @else { (token_table(&context, tokens, &url)) }
        }))
        @if context.auth().accepts_workload_tokens() { (exchange(&context, account_id)) }
        (shell_commands(&texts, &commands))
    };
    PageContent {
        section: Section::ServiceAccounts,
        ancestors: found.ancestors(&context, false),
        ..PageContent::new(account.name.as_str(), content)
    }
    .in_organization(&found.membership)
    .audited(format!("{org}/{account_id}"))
    .respond(context, StatusCode::OK)
}

/// Use of the account without a stored secret, by programs of issuers that the operator trusts.
fn exchange(context: &Context, account: UserId) -> Markup {
    let texts = context.texts();
    let server = &context.platform().config().public_url;
    let call = [
        &format!("curl --fail {server}/oauth2/token \\"),
        "  -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange \\",
        "  -d subject_token_type=urn:ietf:params:oauth:token-type:jwt \\",
        "  -d \"subject_token=$CI_JOB_JWT\" -d \"audience=$WORKSPACE_ID\"",
    ];
    card(
        &texts.text("account-exchange-title"),
        None,
        &html! {
            p { (texts.text_with("account-exchange-about", &[("id", (&account.to_string()).into())])) }
            (copyable_block(&texts, &texts.text("account-exchange-title"), &call.join("\n")))
        },
    )
}
