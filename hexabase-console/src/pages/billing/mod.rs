//! Pages of billing.

mod budget;
mod dunning;
mod invoice;
mod invoice_lines;
mod invoices;
mod leave;
mod leave_form;
mod methods;
mod overview;
mod plan;
mod plan_facts;
mod plan_preview;
mod plans;
mod usage;
mod usage_hours;
mod usage_proof;
mod words;

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization};
use maud::{Markup, html};

pub(crate) use self::dunning::dunning;
pub(crate) use self::words::{interval_price, subscription_badge};
use crate::components::{Link, PostForm, ShellCommand, name, page_heading, shell_commands};
use crate::context::Context;
use crate::form::{IDEMPOTENCY_KEY, INTENT, form_to};
use crate::language::Texts;
use crate::pages::{PageContent, Section};
use crate::routes::{Page, show, submit};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let action = Access::Action;
    vec![
        show(urls::BILLING, action(Action::BillingRead), overview::show),
        show(urls::BILLING_PLANS, action(Action::BillingRead), plans::show),
        show(urls::BILLING_PLAN, action(Action::BillingOrder), plan::show),
        submit(urls::BILLING_PLAN, action(Action::BillingOrder), plan::submit),
        show(urls::PAYMENT_METHODS, action(Action::BillingRead), methods::show),
        submit(urls::PAYMENT_METHODS, action(Action::BillingManage), methods::submit),
        show(urls::INVOICES, action(Action::BillingRead), invoices::show),
        show(urls::INVOICE, action(Action::BillingRead), invoice::show),
        show(urls::BILLING_USAGE, action(Action::BillingRead), usage::show),
        show(urls::BUDGET, action(Action::BillingBudget), budget::show),
        submit(urls::BUDGET, action(Action::BillingBudget), budget::submit),
        show(urls::LEAVE_PLAN, action(Action::BillingOrder), leave::show),
        submit(urls::LEAVE_PLAN, action(Action::BillingOrder), leave::submit),
    ]
}

/// Organization of a page with the membership of the user.
type Membership = (Organization, Member);

/// Tab of the pages of billing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
    Overview,
    Plans,
    Methods,
    Invoices,
    Usage,
    Budget,
}

impl Tab {
    const ALL: [Self; 6] =
        [Self::Overview, Self::Plans, Self::Methods, Self::Invoices, Self::Usage, Self::Budget];

    fn link(self, texts: &Texts, org: OrganizationId) -> Link {
        match self {
            Self::Overview => Link::new(texts.text("nav-overview"), urls::billing(org)),
            Self::Plans => Link::new(texts.text("billing-plans"), urls::billing_plans(org)),
            Self::Methods => Link::new(texts.text("billing-methods"), urls::payment_methods(org)),
            Self::Invoices => Link::new(texts.text("billing-invoices"), urls::invoices(org)),
            Self::Usage => Link::new(texts.text("billing-usage"), urls::billing_usage(org)),
            Self::Budget => Link::new(texts.text("billing-budget"), urls::budget(org)),
        }
    }
}

/// Page of billing: heading, tabs, content, and calls of the API with the same effect.
struct BillingPage {
    tab: Tab,
    /// Title of a page below that of the tab; `None` for the page of the tab.
    title: Option<String>,
    actions: Option<Markup>,
    content: Markup,
    commands: Vec<ShellCommand>,
    has_errors: bool,
    /// Address at the payment provider that the browser continues at.
    continue_at: Option<String>,
}

impl BillingPage {
    fn new(tab: Tab, content: Markup) -> Self {
        Self {
            tab,
            title: None,
            actions: None,
            content,
            commands: Vec::new(),
            has_errors: false,
            continue_at: None,
        }
    }

    fn respond(self, context: Context, status: StatusCode, membership: &Membership) -> Response {
        let texts = context.texts();
        let org = membership.0.id;
        let of_tab = self.tab.link(&texts, org);
        let billing = Link::new(texts.text("nav-billing"), urls::billing(org));
        let mut ancestors = if self.tab == Tab::Overview { Vec::new() } else { vec![billing.clone()] };
        let (title, heading) = match (self.title, self.tab) {
            (Some(title), tab) => {
                ancestors.push(if tab == Tab::Overview { billing } else { of_tab });
                let heading = name(&title);
                (title, heading)
            }
            (None, Tab::Overview) => (billing.label.clone(), html! { (billing.label) }),
            (None, _) => (of_tab.label.clone(), html! { (of_tab.label) }),
        };
        let content = html! {
            (page_heading(&heading, None, self.actions.as_ref()))
            (tabs(&texts, org, self.tab))
            (self.content)
            @if !self.commands.is_empty() { (shell_commands(&texts, &self.commands)) }
        };
        PageContent {
            section: Section::Billing,
            ancestors,
            has_errors: self.has_errors,
            continue_at: self.continue_at,
            ..PageContent::new(title, content)
        }
        .in_organization(membership)
        .respond(context, status)
    }
}

fn tabs(texts: &Texts, org: OrganizationId, current: Tab) -> Markup {
    html! {
        nav class="tabs" aria-label=(texts.text("billing-tabs")) {
            ul {
                @for tab in Tab::ALL {
                    @let link = tab.link(texts, org);
                    li { a href=(link.href) aria-current=[(tab == current).then_some("page")] { (link.label) } }
                }
            }
        }
    }
}

/// Form with a single action, which has one effect even if it is sent twice.
fn action_form(context: &Context, action: String, intent: &str) -> PostForm {
    let mut form = form_to(context, action, None);
    form.hidden.push((INTENT, intent.to_owned()));
    form.hidden.push((IDEMPOTENCY_KEY, context.idempotency_key()));
    form
}
