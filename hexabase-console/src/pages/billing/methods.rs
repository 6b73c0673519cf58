//! Payment methods. They are entered on pages of the payment provider.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::billing::requests::HostedPageRequest;
use hexabase_core::access::Action;
use hexabase_core::billing::{PaymentMethod, check_payment_method_removal};
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use maud::{Markup, html};

use super::{BillingPage, Membership, Tab, action_form};
use crate::components::{
    ButtonKind, Column, Empty, Row, Table, Tone, badge, disabled_button, empty, error_summary, link_button,
    name, post_form, submit_button, table, unavailable,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, error_text, invalid_entry};
use crate::pages::api_call::api_call;
use crate::pages::unless_unavailable;
use crate::response::{PageResult, see_other};
use crate::urls::{self, without_mount};

/// Facts on the page.
struct MethodsPage {
    /// Payment methods; `None` if the payment provider does not respond.
    methods: Option<Vec<PaymentMethod>>,
    /// `true` if there is a subscription to pay.
    has_subscription: bool,
}

pub(super) async fn show(context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    page(context, StatusCode::OK, org, &FormState::default()).await
}

pub(super) async fn submit(
    Path(org): Path<OrganizationId>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let membership = context.organization_for(org, Action::BillingManage).await?;
    match act(&context, org, &fields).await {
        Ok(Effect::Continue(url)) => Ok(hosted_page(context, &membership, url)),
        Ok(Effect::Changed(text)) => Ok(see_other(context, &urls::payment_methods(org), &Flash::new(text))),
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            page(context, error.status(), org, &form).await
        }
    }
}

/// Effect of a form.
enum Effect {
    /// Page of the payment provider to continue at.
    Continue(String),
    /// Change, with its message.
    Changed(String),
}

async fn act(context: &Context, org: OrganizationId, fields: &Fields) -> Result<Effect> {
    let (billing, caller) = (context.platform().billing(), &context.caller);
    let method = fields.get("method");
    match fields.get(INTENT) {
        intent @ ("checkout" | "portal") => {
            let here = without_mount(&urls::payment_methods(org)).to_owned();
            let return_to = Some(fields.get("return_to").to_owned()).filter(|path| !path.is_empty());
            let request = HostedPageRequest { return_to: Some(return_to.unwrap_or(here)) };
            let return_to = request.parse(&context.platform().config().public_url)?;
            let page = match intent {
                "checkout" => billing.checkout(caller, org, &return_to).await?,
                _ => billing.portal(caller, org, &return_to).await?,
            };
            Ok(Effect::Continue(page.value))
        }
        "default" => {
            billing.choose_payment_method(caller, org, method).await?;
            Ok(Effect::Changed(context.text("methods-default-changed")))
        }
        "remove" => {
            billing.remove_payment_method(caller, org, method).await?;
            Ok(Effect::Changed(context.text("methods-removed")))
        }
        _ => Err(invalid_entry(INTENT, context.text("billing-unknown-action"))),
    }
}

/// Page that leads to the payment provider. It is no redirect: browsers apply `form-action` to the whole chain.
fn hosted_page(context: Context, membership: &Membership, url: String) -> Response {
    let texts = context.texts();
    let content = html! {
        p role="status" { (texts.text("hosted-about")) }
        (link_button(ButtonKind::Primary, &texts.text("hosted-continue"), &url))
    };
    let page = BillingPage {
        title: Some(texts.text("hosted-title")),
        continue_at: Some(url),
        ..BillingPage::new(Tab::Methods, content)
    };
    page.respond(context, StatusCode::OK, membership)
}

async fn page(context: Context, status: StatusCode, org: OrganizationId, form: &FormState) -> PageResult {
    let membership = context.organization_for(org, Action::BillingRead).await?;
    let (billing, caller) = (context.platform().billing(), &context.caller);
    let (state, methods) = tokio::try_join!(billing.state(caller, org), async {
        unless_unavailable(billing.payment_methods(caller, org).await)
    })?;
    let facts = MethodsPage { methods, has_subscription: state.account.needs_payment_method() };
    Ok(render(context, status, &membership, &facts, form))
}

fn render(
    context: Context,
    status: StatusCode,
    membership: &Membership,
    facts: &MethodsPage,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let button = |intent, kind, label: &str| {
        let form = action_form(&context, urls::payment_methods(org), intent);
        post_form(&form, &submit_button(&texts, kind, label))
    };
    let content = html! {
        (error_summary(&texts, &form.summary(&[])))
        p { (texts.text("methods-about")) }
        @match facts.methods.as_deref() {
            None => (unavailable(&texts, &texts.text("billing-provider"))),
            Some([]) => (empty(&Empty {
                title: texts.text("methods-none"),
                purpose: texts.text("methods-purpose"),
                ..Empty::default()
            })),
            Some(methods) => div id="methods" data-live="billing" { (method_table(&context, org, methods, facts)) },
        }
        div class="actions" {
            (button("checkout", ButtonKind::Primary, &texts.text("methods-add")))
            (button("portal", ButtonKind::Secondary, &texts.text("methods-portal")))
        }
    };
    let path = format!("/organizations/{org}/billing/payment-methods");
    let commands = vec![api_call(&context, texts.text("billing-shell-methods"), &path)];
    let page =
        BillingPage { commands, has_errors: form.has_errors(), ..BillingPage::new(Tab::Methods, content) };
    page.respond(context, status, membership)
}

fn method_table(
    context: &Context,
    org: OrganizationId,
    methods: &[PaymentMethod],
    facts: &MethodsPage,
) -> Markup {
    let texts = context.texts();
    let row = |(index, method): (usize, &PaymentMethod)| -> Row {
        let title = html! {
            (name(&method.title)) " "
            @if method.is_default { (badge(Tone::Good, &texts.text("methods-default"))) }
        };
        let removal = check_payment_method_removal(methods, &method.id, facts.has_subscription).err();
        let actions = html! {
            div class="actions" {
                @if !method.is_default {
                    (method_form(context, org, method, "default", &texts.text("methods-make-default")))
                }
                @match removal {
                    None => (method_form(context, org, method, "remove", &texts.text("methods-remove"))),
                    Some(error) => {
                        (disabled_button(&format!("remove-{index}"), &texts.text("methods-remove"), &error_text(texts, error.code(), error.message())))
                    },
                }
            }
        };
        vec![title, actions].into()
    };
    table(&Table {
        caption: texts.text("billing-methods"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("billing-method")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: methods.iter().enumerate().map(row).collect(),
    })
}

fn method_form(
    context: &Context,
    org: OrganizationId,
    method: &PaymentMethod,
    intent: &str,
    label: &str,
) -> Markup {
    let mut form = action_form(context, urls::payment_methods(org), intent);
    form.hidden.push(("method", method.id.clone()));
    // The label names the method for assistive technology, since the rows have the same buttons.
    let content = html! {
        button class="button" type="submit" aria-label=(format!("{label}: {}", method.title)) { (label) }
    };
    post_form(&form, &content)
}
