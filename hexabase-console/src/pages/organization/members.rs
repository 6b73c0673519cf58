//! Members of an organization, and its open invitations.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::organizations::requests::MemberQuery;
use hexabase_api::requests::from_filter_form;
use hexabase_api::{Pager as Cursors, Path};
use hexabase_core::access::Action;
use hexabase_core::error::Error;
use hexabase_core::id::{InvitationId, OrganizationId};
use hexabase_core::model::{Invitation, Member, Organization, OrganizationRole, User};
use hexabase_core::page::PageRequest;
use hexabase_core::platform::CreateInvitation;
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Choice, Column, Control, Field, Table, Tone, badge, card, dialog_link, disabled_button,
    empty_by_filter, field, get_form, name, page_heading, pager, post_form, role_badge, role_text, table,
};
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{INTENT, Submission, error_text, form_to};
use crate::pages::filters::{Filters, submit_filters};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Facts on the page.
struct MembersPage {
    members: Vec<(Member, User)>,
    /// Open and expired invitations; `None` if the user may not see them.
    invitations: Option<Vec<Invitation>>,
    /// Reason why no invitation is possible now; `None` if the user can invite.
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
    let membership = context.organization_for(org, Action::MembersRead).await?;
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let request: MemberQuery = from_filter_form(filters.query())?;
    let page_request = cursors.request(&request.page())?;
    let filter = request.parse()?;
    let (platform, caller) = (context.platform(), &context.caller);
    let may_manage = context.may(&membership.1, Action::InvitationsManage);
    let largest = PageRequest::largest();
    let invitations = async {
        match may_manage {
            true => platform.invitations().list(caller, org, &largest).await.map(Some),
            false => Ok(None),
        }
    };
    let (members, invitations, abilities) = tokio::try_join!(
        async { platform.members().list(caller, org, &filter, &page_request).await },
        invitations,
        platform.abilities_for(caller, org, None, &[Action::InvitationCreate]),
    )?;
    let next_cursor = cursors.next_cursor(&members)?;
    let facts = MembersPage {
        members: members.items,
        invitations: invitations.map(|page| page.items),
        refusal: refusal(&context, &abilities, Action::InvitationCreate),
        filters,
        next_cursor,
    };
    Ok(page(context, &membership, &facts))
}

fn page(context: Context, membership: &(Organization, Member), facts: &MembersPage) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let title = texts.text("nav-members");
    let invite = texts.text("members-invite");
    let actions = match &facts.refusal {
        None => dialog_link(ButtonKind::Primary, &invite, &urls::invite(org)),
        Some(reason) => disabled_button("invite-reason", &invite, reason),
    };
    let url = urls::members(org);
    let text = Field::line("q", texts.text("filter-text")).value(facts.filters.get("q"));
    let mut roles = vec![Choice::new("", texts.text("filter-any"))];
    roles.extend(
        OrganizationRole::ALL.iter().map(|role| Choice::new(role.as_str(), role_text(&texts, *role))),
    );
    let role =
        Field::new("role", texts.text("field-role"), Control::Select(roles)).value(facts.filters.get("role"));
    let filters = html! {
        (field(&texts, &text))
        (field(&texts, &role))
        (submit_filters(&texts))
    };
    let content = html! {
        (page_heading(&html! { (title) }, None, Some(&actions)))
        (get_form(&url, &filters))
        div id="members" data-live="members" {
            @if facts.members.is_empty() { (empty_by_filter(&texts, &url)) }
            @else { (members_table(&context, org, &facts.members)) }
        }
        (pager(&texts, &facts.filters.pager(&url, facts.next_cursor.as_deref())))
        @if let Some(invitations) = facts.invitations.as_ref().filter(|all| !all.is_empty()) {
            div id="invitations" data-live="members" {
                (card(&texts.text("invitations-open"), None, &invitations_table(&context, org, invitations)))
            }
        }
    };
    PageContent { section: Section::Members, ..PageContent::new(title, content) }
        .in_organization(membership)
        .respond(context, StatusCode::OK)
}

fn members_table(context: &Context, org: OrganizationId, members: &[(Member, User)]) -> Markup {
    let texts = context.texts();
    let row = |(member, user): &(Member, User)| {
        let link = html! {
            a href=(urls::member(org, user.id)) { (name(user.name.as_str())) }
            @if user.id == context.user.id { " " span class="note" { (texts.text("members-you")) } }
        };
        let email = html! { @if let Some(email) = &user.email { (name(email.as_str())) } };
        vec![link, email, role_badge(&texts, member.role), time(&texts, member.created_at)].into()
    };
    table(&Table {
        caption: texts.text("nav-members"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-display-name")),
            Column::text(texts.text("field-email")),
            Column::text(texts.text("field-role")),
            Column::text(texts.text("members-since")),
        ],
        rows: members.iter().map(row).collect(),
    })
}

fn invitations_table(context: &Context, org: OrganizationId, invitations: &[Invitation]) -> Markup {
    let texts = context.texts();
    let now = context.platform().clock().now();
    let row = |invitation: &Invitation| {
        let is_expired = invitation.expires_at <= now;
        let expiry = html! {
            @if is_expired { (badge(Tone::Warning, &texts.text("invitation-expired"))) " " }
            (time(&texts, invitation.expires_at))
        };
        let form = form_to(context, urls::invitation(org, invitation.id), None);
        let buttons = post_form(
            &form,
            &html! {
                button class="button" type="submit" name=(INTENT) value="resend" { (texts.text("invitation-resend")) }
                button class="button" type="submit" name=(INTENT) value="withdraw" { (texts.text("invitation-withdraw")) }
            },
        );
        vec![
            html! { (name(invitation.email.as_str())) },
            role_badge(&texts, invitation.role),
            expiry,
            buttons,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("invitations-open"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-email")),
            Column::text(texts.text("field-role")),
            Column::text(texts.text("invitation-until")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: invitations.iter().map(row).collect(),
    })
}

/// Withdraws an invitation, or sends it again with a new token.
pub(super) async fn submit_invitation(
    Path((org, inv)): Path<(OrganizationId, InvitationId)>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let (_, own) = context.organization_for(org, Action::InvitationsManage).await?;
    let invitations = context.platform().invitations();
    let open = invitations.list(&context.caller, org, &PageRequest::largest()).await?.items;
    let found = open.into_iter().find(|invitation| invitation.id == inv);
    if fields.get(INTENT) == "resend" {
        let old = found.as_ref().ok_or_else(|| Error::not_found("invitation"))?;
        // Otherwise the invitation would be withdrawn, and no other one be created.
        if !own.role.includes(old.role) {
            return Err(Error::forbidden("your role cannot grant the role of this invitation").into());
        }
    }
    invitations.withdraw(&context.caller, org, inv).await?;
    let text = match (fields.get(INTENT), found) {
        ("resend", Some(old)) => {
            let command = CreateInvitation { email: old.email, role: old.role };
            match invitations.create(&context.caller, org, &command).await {
                Ok(_) => context.text("invitation-resent"),
                // The old token is invalid already.
                Err(error) => {
                    let texts = context.texts();
                    let reason = error_text(texts, error.code(), error.message());
                    texts.text_with("invitation-resend-failed", &[("reason", (&reason).into())])
                }
            }
        }
        _ => context.text("invitation-withdrawn"),
    };
    Ok(see_other(context, &urls::members(org), &Flash::new(text)))
}
