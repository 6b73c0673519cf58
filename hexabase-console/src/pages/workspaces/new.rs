//! Creation of a workspace.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::workspaces::requests::NewWorkspace;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization, Plan};
use hexabase_core::plans::PlanCatalog;
use hexabase_core::platform::NextWorkspacePrice;
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Choice, Control, Field, Link, PlanCard, PlanChoice, Tone, error_summary, field, form_actions,
    notice, page_heading, plan_cards, post_form, resource_text,
};
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::language::Texts;
use crate::money::money;
use crate::numbers::amount;
use crate::pages::billing::interval_price;
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

/// Facts on the page.
struct NewPage<'a> {
    plans: &'a PlanCatalog,
    /// Reason why no workspace can be created now; `None` if the user can create one.
    refused: Option<String>,
    /// Price of the workspace; `None` if the subscription does not charge for workspaces, or the user may not read
    /// billing.
    price: Option<NextWorkspacePrice>,
}

/// Resources that a plan's card shows.
const SHOWN_RESOURCES: usize = 3;

pub(super) async fn show(mut context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let form = FormState::with(context.saved_fields());
    page(context, StatusCode::OK, org, &form).await
}

pub(super) async fn submit(
    Path(org): Path<OrganizationId>,
    Submission { context, fields }: Submission,
) -> PageResult {
    match create(&context, org, &fields).await {
        Ok((name, url)) => {
            let text = context.texts().text_with("workspace-created", &[("name", (&name).into())]);
            Ok(see_other(context, &url, &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            page(context, error.status(), org, &form).await
        }
    }
}

/// Creates the workspace, and returns its name and address.
async fn create(context: &Context, org: OrganizationId, fields: &Fields) -> Result<(String, String)> {
    let command = fields.parse::<NewWorkspace>()?.parse()?;
    let created = context.platform().workspaces().create(&context.caller, org, &command).await?.value;
    Ok((created.workspace.name.to_string(), urls::workspace(org, created.workspace.id)))
}

async fn page(context: Context, status: StatusCode, org: OrganizationId, form: &FormState) -> PageResult {
    let membership = context.organization_for(org, Action::WorkspaceCreate).await?;
    let billing = context.platform().billing();
    let (plans, abilities, price) = tokio::try_join!(
        context.platform().current_plans(),
        context.platform().abilities_for(&context.caller, org, None, &[Action::WorkspaceCreate]),
        billing.next_workspace_price(&context.caller, org),
    )?;
    let refused = refusal(&context, &abilities, Action::WorkspaceCreate);
    let facts = NewPage { plans: &plans, refused, price };
    Ok(render(context, status, &membership, &facts, form))
}

fn render(
    context: Context,
    status: StatusCode,
    membership: &(Organization, Member),
    facts: &NewPage<'_>,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let title = texts.text("workspace-create");
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (error_summary(&texts, &form.summary(&["name", "display_name", "plan_id", "region", "kubernetes_version"])))
        @if let Some(reason) = &facts.refused {
            (notice(Tone::Warning, &texts.text("workspace-create-refused"), &html! { p { (reason) } }))
        } @else {
            @if let Some(price) = facts.price { p class="hint" { (price_effect(&texts, price)) } }
            (fields(&context, org, &membership.0, facts.plans, form))
        }
    };
    PageContent {
        section: Section::Workspaces,
        ancestors: vec![Link::new(texts.text("nav-workspaces"), urls::workspaces(org))],
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(membership)
    .respond(context, status)
}

fn fields(
    context: &Context,
    org: OrganizationId,
    organization: &Organization,
    plans: &PlanCatalog,
    form: &FormState,
) -> Markup {
    let texts = context.texts();
    let target = creating_form(context, urls::new_workspace(org), form);
    let line = |name: &str, label: &str| {
        Field::line(name, texts.text(label)).value(form.value(name)).error(form.error(name))
    };
    let versions: BTreeSet<_> = plans.available().flat_map(|plan| &plan.kubernetes_versions).collect();
    let newest = Choice::new("", texts.text("workspace-version-newest"));
    let versions = versions.into_iter().rev().map(|version| Choice::new(version.as_str(), version.as_str()));
    let versions = Control::Select([newest].into_iter().chain(versions).collect());
    let version = Field::new("kubernetes_version", texts.text("field-version"), versions)
        .value(form.value("kubernetes_version"))
        .error(form.error("kubernetes_version"));
    let chosen = form.value_or("plan_id", organization.plan_id.as_str());
    let cards: Vec<_> = plans.available().map(|plan| plan_choice(&texts, plan, &chosen)).collect();
    post_form(
        &target,
        &html! {
            (field(&texts, &line("name", "field-name").hint(texts.text("workspace-name-hint")).required()))
            (field(&texts, &line("display_name", "field-display-name")))
            (plan_cards(&texts.text("field-plan"), &cards))
            (field(&texts, &version))
            (field(&texts, &line("region", "field-region").hint(texts.text("workspace-region-hint"))))
            (form_actions(&texts, ButtonKind::Primary, &texts.text("workspace-create"), &urls::workspaces(org)))
        },
    )
}

/// Returns the effect of the workspace on the next invoice.
fn price_effect(texts: &Texts, price: NextWorkspacePrice) -> String {
    let amount = interval_price(texts, price.amount, price.interval);
    let included = u64::from(price.included);
    match price.amount.amount {
        0 => texts.text_with("workspace-price-included", &[("included", included.into())]),
        _ => texts.text_with(
            "workspace-price-added",
            &[("price", (&amount).into()), ("included", included.into())],
        ),
    }
}

/// Card of a plan with its quota and price.
pub(super) fn plan_choice(texts: &Texts, plan: &Plan, chosen: &str) -> PlanCard {
    let price = match &plan.price {
        Some(price) => {
            let monthly = money(texts.language(), price.monthly);
            texts.text_with("plan-monthly", &[("price", (&monthly).into())])
        }
        None => texts.text("plan-free"),
    };
    let per_workspace = plan.price.as_ref().and_then(|price| price.workspace.as_ref());
    let effect = per_workspace.map(|unit| {
        let monthly = money(texts.language(), unit.monthly);
        texts.text_with(
            "plan-per-workspace",
            &[("price", (&monthly).into()), ("included", u64::from(unit.included).into())],
        )
    });
    let quota = plan.quota.iter().take(SHOWN_RESOURCES);
    PlanCard {
        title: plan.name.clone(),
        price,
        effect,
        facts: quota
            .map(|(resource, quantity)| (resource_text(texts, resource), amount(resource, quantity)))
            .collect(),
        choice: Some(PlanChoice {
            name: "plan_id".to_owned(),
            value: plan.id.to_string(),
            is_chosen: plan.id.as_str() == chosen,
        }),
        ..PlanCard::default()
    }
}
