//! Overview of an organization.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{AuditEvent, AuditFilter, BillingStanding, Member, Organization, Workspace};
use hexabase_core::page::PageRequest;
use hexabase_core::platform::Overview;
use hexabase_core::search::WorkspaceFilter;
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Column, Meter, Table, Tone, card, link_button, meter, name, notice, page_heading,
    phase_badge, table,
};
use crate::context::Context;
use crate::language::Texts;
use crate::money::money;
use crate::numbers::count;
use crate::pages::billing::dunning;
use crate::pages::{PageContent, Section, latest_audit_events, workspace_name};
use crate::reasons::status_note;
use crate::response::PageResult;
use crate::time::time;
use crate::urls;

/// Number of workspaces and of audit entries on the page.
const SHOWN: u16 = 10;

/// Facts on the page.
struct OverviewPage {
    overview: Overview,
    workspaces: Vec<Workspace>,
    /// Newest entries of the audit log; `None` if the user may not read it.
    audit: Option<Vec<AuditEvent>>,
    /// Consequence of the payments; `None` if the user may not read billing.
    standing: Option<BillingStanding>,
    may_create: bool,
    may_invite: bool,
    /// `true` if a program such as kubectl is signed in as the user.
    is_connected: bool,
}

pub(super) async fn show(context: Context, Path(org): Path<OrganizationId>) -> PageResult {
    let membership = context.organization_for(org, Action::OverviewRead).await?;
    let (platform, caller) = (context.platform(), &context.caller);
    let organizations = platform.organizations();
    let shown = PageRequest::new(SHOWN, None);
    let filter = AuditFilter::default();
    let everything = WorkspaceFilter::default();
    let (billing, sessions) = (platform.billing(), context.auth().sessions());
    let (overview, workspaces, audit, standing, sessions) = tokio::try_join!(
        organizations.overview(caller, org),
        async { platform.workspaces().list(caller, org, &everything, &shown).await },
        latest_audit_events(&context, &membership, &filter, &shown),
        billing.standing(caller, org),
        async { sessions.list(context.user.id).await },
    )?;
    let facts = OverviewPage {
        overview,
        workspaces: workspaces.items,
        audit,
        standing,
        may_create: context.may(&membership.1, Action::WorkspaceCreate),
        may_invite: context.may(&membership.1, Action::InvitationCreate),
        is_connected: sessions.iter().any(|session| session.grant.is_some()),
    };
    Ok(page(context, &membership, &facts))
}

fn page(context: Context, membership: &(Organization, Member), facts: &OverviewPage) -> Response {
    let texts = context.texts();
    let organization = &membership.0;
    let title = texts.text("overview-title");
    let content = html! {
        (page_heading(&html! { (name(organization.display_name.as_str())) }, None, None))
        @if let Some(suspension) = &organization.suspension {
            (notice(Tone::Bad, &texts.text("organization-suspended"), &html! {
                @if let Some(reason) = &suspension.reason { p { (name(reason)) } }
            }))
        }
        @if organization.deletion_requested_at.is_some() {
            (notice(Tone::Bad, &texts.text("organization-is-deleted"), &html! {}))
        }
        @if let Some(standing) = facts.standing {
            div id="overview-billing" data-live="billing" { (dunning(&texts, organization.id, standing)) }
        }
        (first_steps(&texts, organization, facts))
        div id="overview-workspaces" data-live="workspace" {
            (card(&texts.text("nav-workspaces"), None, &workspaces(&texts, organization, &facts.workspaces)))
        }
        (card(&texts.text("overview-limits"), None, &limits(&texts, &facts.overview)))
        @if let Some(events) = facts.audit.as_ref().filter(|events| !events.is_empty()) {
            (card(&texts.text("overview-audit"), None, &html! {
                (audit(&texts, events))
                p { a href=(urls::audit(organization.id)) { (texts.text("audit-all")) } }
            }))
        }
    };
    PageContent { section: Section::Overview, ..PageContent::new(title, content) }
        .in_organization(membership)
        .respond(context, StatusCode::OK)
}

/// Cards of what to do first. Each disappears once it is done.
fn first_steps(texts: &Texts, organization: &Organization, facts: &OverviewPage) -> Markup {
    let counts = &facts.overview.counts;
    let needs_workspace = counts.workspaces == 0 && facts.may_create;
    let needs_members = counts.members + counts.invitations <= 1 && facts.may_invite;
    html! {
        @if needs_workspace {
            (card(&texts.text("welcome-workspace-title"), None, &html! {
                p { (texts.text("welcome-workspace")) }
                (link_button(ButtonKind::Primary, &texts.text("workspace-create"), &urls::new_workspace(organization.id)))
            }))
        }
        @if let Some(workspace) = facts.workspaces.first().filter(|_| !facts.is_connected) {
            (card(&texts.text("welcome-connect-title"), None, &html! {
                p { (texts.text("welcome-connect")) }
                (link_button(ButtonKind::Secondary, &texts.text("welcome-connect-action"), &urls::connect(organization.id, workspace.id)))
            }))
        }
        @if needs_members {
            (card(&texts.text("welcome-members-title"), None, &html! {
                p { (texts.text("welcome-members")) }
                (link_button(ButtonKind::Secondary, &texts.text("members-invite"), &urls::invite(organization.id)))
            }))
        }
    }
}

fn workspaces(texts: &Texts, organization: &Organization, workspaces: &[Workspace]) -> Markup {
    let row = |workspace: &Workspace| {
        let link = html! {
            a href=(urls::workspace(organization.id, workspace.id)) { (name(workspace_name(workspace))) }
        };
        let note = status_note(texts, &workspace.status.reason, &workspace.status.message);
        let reason = html! { (phase_badge(texts, workspace.status.phase)) " " (note) };
        vec![link, reason].into()
    };
    let list = Table {
        caption: texts.text("nav-workspaces"),
        is_caption_hidden: true,
        columns: vec![Column::text(texts.text("field-name")), Column::text(texts.text("field-phase"))],
        rows: workspaces.iter().map(row).collect(),
    };
    html! {
        @if workspaces.is_empty() { p { (texts.text("workspaces-none")) } } @else { (table(&list)) }
        p { a href=(urls::workspaces(organization.id)) { (texts.text("workspaces-all")) } }
    }
}

fn limits(texts: &Texts, overview: &Overview) -> Markup {
    let limits = &overview.plan.limits;
    let of_limit = |label: String, used: u32, limit: u32| Meter {
        label,
        used: f64::from(used),
        reserved: 0.0,
        limit: Some(f64::from(limit)),
        used_text: count(used.into()),
        reserved_text: String::new(),
        limit_text: count(limit.into()),
    };
    let members = overview.counts.members + overview.counts.invitations;
    html! {
        p { (texts.text("overview-plan")) ": " (name(&overview.plan.name)) }
        (meter(texts, &of_limit(texts.text("nav-workspaces"), overview.counts.workspaces, limits.workspaces)))
        (meter(texts, &of_limit(texts.text("overview-members"), members, limits.members)))
        @if let Some(cost) = overview.cost {
            p { (texts.text("overview-cost")) ": " (money(texts.language(), cost)) }
        }
    }
}

fn audit(texts: &Texts, events: &[AuditEvent]) -> Markup {
    let row = |event: &AuditEvent| {
        vec![html! { code { (event.action) } }, html! { code { (event.resource) } }, time(texts, event.at)]
            .into()
    };
    table(&Table {
        caption: texts.text("overview-audit"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("audit-action")),
            Column::text(texts.text("audit-object")),
            Column::text(texts.text("audit-time")),
        ],
        rows: events.iter().map(row).collect(),
    })
}
