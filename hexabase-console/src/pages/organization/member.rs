//! Member of an organization: role and removal.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::organizations::requests::MemberRoleUpdate;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::model::{Member, Organization, OrganizationRole, User};
use hexabase_core::version::Version;
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Choice, Control, DangerForm, Field, Link, card, danger_form, error_summary, facts, field,
    form_actions, id, name, page_heading, post_form, role_badge, role_text,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, VERSION, form_to};
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

pub(super) async fn show(
    mut context: Context,
    Path((org, user)): Path<(OrganizationId, UserId)>,
) -> PageResult {
    let membership = context.organization_for(org, Action::MembersRead).await?;
    let shown = context.platform().members().get(&context.caller, org, user).await?;
    context.note_inventory(org, user).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &membership, &shown, &form))
}

pub(super) async fn submit(
    Path((org, user)): Path<(OrganizationId, UserId)>,
    submission: Submission,
) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let is_leaving = user == context.user.id && fields.get(INTENT) == "remove";
    let action = if is_leaving { Action::MembersLeave } else { Action::MembersManage };
    let membership = context.organization_for(org, action).await?;
    let before = context.platform().members().get(&context.caller, org, user).await?;
    let changed = match fields.get(INTENT) {
        "remove" => remove(&context, org, user, expected).await.map(|()| None),
        _ => set_role(&context, org, user, &fields, expected).await.map(Some),
    };
    let about_member = |key: &str| context.texts().text_with(key, &[("name", before.1.name.as_str().into())]);
    match changed {
        Ok(None) if is_leaving => {
            let name = membership.0.display_name.as_str();
            let text = context.texts().text_with("members-left", &[("name", name.into())]);
            Ok(see_other(context, &urls::organizations(), &Flash::new(text)))
        }
        Ok(None) => {
            let text = about_member("members-removed");
            Ok(see_other(context, &urls::members(org), &Flash::new(text)))
        }
        Ok(Some(after)) => {
            let (url, text) = (urls::member(org, user), about_member("members-role-changed"));
            let version = after.version.number().to_string();
            let undo = [(INTENT, "role"), ("role", before.0.role.as_str()), (VERSION, &version)];
            let flash = Flash::new(text).with_undo(url.clone(), &undo);
            Ok(see_other(context, &url, &flash))
        }
        // Only a role has values to compare; a removal is shown again with the current version.
        Err(error) if is_outdated(&error) && fields.get(INTENT) != "remove" => {
            let texts = context.texts();
            let yours = fields.get("role").parse().map(|role| role_text(&texts, role)).unwrap_or_default();
            let conflict = Conflict {
                url: urls::member(org, user),
                version: before.0.version,
                updated_at: before.0.updated_at,
                changes: Some(changes_of(format!("{org}/{user}"), Some("member.set_role"))),
                values: vec![(texts.text("field-role"), yours, role_text(&texts, before.0.role))],
            };
            conflict.respond(context, &fields, Some(membership)).await
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &membership, &before, &form))
        }
    }
}

async fn set_role(
    context: &Context,
    org: OrganizationId,
    user: UserId,
    fields: &Fields,
    expected: Option<Version>,
) -> Result<Member> {
    let role = fields.parse::<MemberRoleUpdate>()?.parse()?;
    context.platform().members().set_role(&context.caller, org, user, role, expected).await
}

async fn remove(
    context: &Context,
    org: OrganizationId,
    user: UserId,
    expected: Option<Version>,
) -> Result<()> {
    context.platform().members().remove(&context.caller, org, user, expected).await
}

fn page(
    context: Context,
    status: StatusCode,
    membership: &(Organization, Member),
    (member, user): &(Member, User),
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let is_self = user.id == context.user.id;
    let about = [
        (texts.text("field-email"), html! { @if let Some(email) = &user.email { (name(email.as_str())) } }),
        (texts.text("field-role"), role_badge(&texts, member.role)),
        (texts.text("members-since"), time(&texts, member.created_at)),
        (texts.text("field-id"), id(&texts, &user.id.to_string())),
    ];
    let may_manage = context.may(&membership.1, Action::MembersManage);
    let removal = DangerForm {
        form: {
            let mut form = form_to(&context, urls::member(org, user.id), Some(member.version));
            form.hidden.push((INTENT, "remove".to_owned()));
            form
        },
        title: if is_self { texts.text("members-leave") } else { texts.text("members-remove") },
        consequences: vec![texts.text("members-remove-groups"), texts.text("members-remove-tokens")],
        typed_name: None,
        error: None,
        button: if is_self { texts.text("members-leave") } else { texts.text("members-remove") },
        cancel_href: urls::members(org),
    };
    let content = html! {
        (page_heading(&html! { (name(user.name.as_str())) }, None, None))
        (error_summary(&texts, &form.summary(&["role"])))
        (card(&texts.text("settings-about"), None, &facts(&about)))
        @if may_manage {
            (card(&texts.text("members-role-title"), None, &role_form(&context, member, org, membership.1.role, form)))
        }
        @if may_manage || is_self { (danger_form(&texts, &removal)) }
    };
    PageContent {
        section: Section::Members,
        ancestors: vec![Link::new(texts.text("nav-members"), urls::members(org))],
        has_errors: form.has_errors(),
        ..PageContent::new(user.name.as_str(), content)
    }
    .in_organization(membership)
    .audited(format!("{org}/{}", user.id))
    .respond(context, status)
}

fn role_form(
    context: &Context,
    member: &Member,
    org: OrganizationId,
    own_role: OrganizationRole,
    form: &FormState,
) -> Markup {
    let texts = context.texts();
    let mut target = form_to(context, urls::member(org, member.user_id), Some(member.version));
    target.hidden.push((INTENT, "role".to_owned()));
    let role = Field::new("role", texts.text("field-role"), Control::Radio(role_choices(context, own_role)))
        .value(form.value_or("role", member.role.as_str()))
        .error(form.error("role"))
        .required();
    post_form(
        &target,
        &html! {
            (field(&texts, &role))
            (form_actions(&texts, ButtonKind::Primary, &texts.text("members-role-save"), &urls::members(org)))
        },
    )
}

/// Returns the roles that a member can grant: those that the own role includes.
pub(in crate::pages) fn role_choices(context: &Context, own_role: OrganizationRole) -> Vec<Choice> {
    let texts = context.texts();
    let choice = |role: &OrganizationRole| {
        let about = match role {
            OrganizationRole::Owner => texts.text("role-owner-about"),
            OrganizationRole::Admin => texts.text("role-admin-about"),
            OrganizationRole::Billing => texts.text("role-billing-about"),
            OrganizationRole::Member => texts.text("role-member-about"),
        };
        let refused = !own_role.includes(*role);
        Choice {
            refusal: refused.then(|| texts.text("role-owner-refused")),
            ..Choice::new(role.as_str(), role_text(&texts, *role)).hint(about)
        }
    };
    OrganizationRole::ALL.iter().map(choice).collect()
}
