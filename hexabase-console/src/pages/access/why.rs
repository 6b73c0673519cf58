//! Answer to the question why a user can or cannot do something in the cluster.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::{AccessFacts, Action, Attributes, Review, ReviewReason, review};
use hexabase_core::id::{AssignmentId, OrganizationId, ProjectId, TypedId as _, UserId, WorkspaceId};
use hexabase_core::model::{Assignment, PresetRole, RoleRef, User};
use hexabase_core::page::PageRequest;
use hexabase_core::platform::AccessReviewRequest;
use hexabase_core::search::MemberFilter;
use maud::{Markup, html};

use super::{group_name, role_link};
use crate::components::{
    Choice, Control, Field, Link, Tone, field, get_form, name, notice, page_heading, shell_commands,
};
use crate::context::{Context, is_possible};
use crate::pages::api_call::api_call;
use crate::pages::filters::Filters;
use crate::pages::nested::in_order;
use crate::pages::workspaces::{VisibleWorkspace, workspace_with};
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::urls;

/// Verbs to choose from.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
/// Resources to choose from, besides any others.
const RESOURCES: [&str; 8] =
    ["pods", "pods/exec", "pods/log", "deployments", "services", "configmaps", "secrets", "jobs"];
/// API groups to choose from, besides any others.
const API_GROUPS: [&str; 4] = ["apps", "batch", "autoscaling", "networking.k8s.io"];

/// Facts on the page.
struct WhyPage {
    place: VisibleWorkspace,
    access: std::sync::Arc<AccessFacts>,
    /// Users to choose from: the members of the organization, or only the own user.
    users: Vec<User>,
    filters: Filters,
    /// Question with its answer; `None` before a question.
    answer: Option<(AccessReviewRequest, Review)>,
}

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let place = workspace_with(&context, (org, ws), Action::RolesRead, &[Action::AccessReview]).await?;
    let (platform, caller) = (context.platform(), &context.caller);
    let access = platform.roles().facts(caller, org, ws).await?;
    let may_ask_about_all = is_possible(&place.abilities, Action::AccessReview);
    let users = match may_ask_about_all {
        true => {
            let first = PageRequest::largest();
            let page = platform.members().list(caller, org, &MemberFilter::default(), &first).await?;
            page.items.into_iter().map(|(_, user)| user).collect()
        }
        false => vec![context.user.clone()],
    };
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let answer = match question(&filters, context.user.id) {
        Some(request) => {
            let review = platform.roles().review(caller, org, ws, &request).await?.value;
            Some((request, review))
        }
        None => None,
    };
    Ok(page(context, &WhyPage { place, access, users, filters, answer }))
}

/// Returns the question of a query; `None` if it names no resource.
fn question(filters: &Filters, own: UserId) -> Option<AccessReviewRequest> {
    let resource = filters.get("resource").trim();
    let verb = filters.get("verb");
    if resource.is_empty() || verb.is_empty() {
        return None;
    }
    let attributes = Attributes {
        verb: verb.to_owned(),
        api_group: filters.get("api_group").trim().to_owned(),
        resource: resource.to_owned(),
        project: filters.get("project_id").parse().ok(),
    };
    Some(AccessReviewRequest { user_id: filters.get("user_id").parse().unwrap_or(own), attributes })
}

fn page(context: Context, facts: &WhyPage) -> Response {
    let texts = context.texts();
    let workspace = &facts.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let title = texts.text("why-title");
    let own = context.user.id.to_string();
    let user =
        if facts.filters.get("user_id").is_empty() { own.as_str() } else { facts.filters.get("user_id") };
    let command = api_call(
        &context,
        texts.text("why-command"),
        &format!("/organizations/{org}/workspaces/{ws}/members/{user}/groups"),
    );
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("why-about")) }), None))
        (get_form(&urls::why(org, ws), &form(&context, facts)))
        @if let Some((request, review)) = &facts.answer { (answer(&context, facts, request, review)) }
        (shell_commands(&texts, &[command]))
    };
    PageContent {
        section: Section::Roles,
        ancestors: vec![Link::new(texts.text("nav-roles"), urls::roles(org, ws))],
        ..PageContent::new(title, content)
    }
    .in_organization(&facts.place.membership)
    .in_workspace(workspace)
    .respond(context, StatusCode::OK)
}

fn form(context: &Context, facts: &WhyPage) -> Markup {
    let texts = context.texts();
    let value = |name: &str| facts.filters.get(name).to_owned();
    let own = context.user.id.to_string();
    let users = facts.users.iter().map(|user| {
        let address = user.email.as_ref().map_or(user.name.as_str(), |email| email.as_str());
        Choice::new(user.id.to_string(), address)
    });
    let everywhere = Choice::new("", texts.text("why-all-projects"));
    let projects = in_order(&facts.access.projects).into_iter().map(|(level, project)| {
        Choice::new(project.id.to_string(), format!("{}{}", "— ".repeat(level), project.name))
    });
    let line = |name: &str, label: String, suggestions: &[&str]| {
        let suggestions = suggestions.iter().map(|text| (*text).to_owned()).collect();
        Field::new(name, label, Control::Line { kind: "text", autocomplete: "off", suggestions })
            .value(value(name))
    };
    let user = if facts.filters.get("user_id").is_empty() { own } else { value("user_id") };
    let verbs = VERBS.map(|verb| Choice::new(verb, verb)).to_vec();
    html! {
        (field(&texts, &Field::new("user_id", texts.text("why-user"), Control::Select(users.collect())).value(user).required()))
        (field(&texts, &Field::new("verb", texts.text("why-verb"), Control::Select(verbs)).value(value("verb")).required()))
        (field(&texts, &line("resource", texts.text("why-resource"), &RESOURCES).required()))
        (field(&texts, &line("api_group", texts.text("why-api-group"), &API_GROUPS)))
        (field(&texts, &Field::new("project_id", texts.text("why-project"),
            Control::Select(std::iter::once(everywhere).chain(projects).collect())).value(value("project_id"))))
        button class="button primary" type="submit" { (texts.text("why-ask")) }
    }
}

fn answer(context: &Context, facts: &WhyPage, request: &AccessReviewRequest, review: &Review) -> Markup {
    let texts = context.texts();
    let asked = facts.users.iter().find(|user| user.id == request.user_id);
    let user = asked.map_or_else(|| request.user_id.to_string(), |user| user.name.to_string());
    let attributes = &request.attributes;
    let sentence = |key: &str| {
        texts.text_with(
            key,
            &[
                ("user", (&user).into()),
                ("verb", (&attributes.verb).into()),
                ("resource", (&attributes.resource).into()),
            ],
        )
    };
    if review.allowed {
        let title = sentence("why-yes");
        return notice(
            Tone::Good,
            &title,
            &html! {
                ul { @for reason in &review.because { li { (chain(context, facts, &user, reason)) } } }
            },
        );
    }
    let title = sentence("why-no");
    let (org, ws) = (facts.place.workspace.organization_id, facts.place.workspace.id);
    let roles = allowing_roles(&facts.access, attributes);
    notice(
        Tone::Bad,
        &title,
        &html! {
            @if roles.is_empty() {
                p { (texts.text("why-no-role")) }
            } @else {
                p { (texts.text("why-roles")) }
                ul { @for role in roles { li { (role_link(&texts, &facts.access, (org, ws), role)) } } }
            }
            p { (texts.text("why-granters")) }
        },
    )
}

/// Chain of a reason: user, groups from the direct membership up to the group with the role, and the role.
fn chain(context: &Context, facts: &WhyPage, user: &str, reason: &ReviewReason) -> Markup {
    let (org, ws) = (facts.place.workspace.organization_id, facts.place.workspace.id);
    html! {
        (name(user))
        @for id in &reason.path {
            " → " a href=(urls::group(org, ws, *id)) { (name(group_name(&facts.access, *id))) }
        }
        " → " (role_link(&context.texts(), &facts.access, (org, ws), (reason.role, reason.project_id)))
    }
}

/// Returns the roles that would allow a request, each with the project in which to assign it.
fn allowing_roles(access: &AccessFacts, attributes: &Attributes) -> Vec<(RoleRef, Option<ProjectId>)> {
    let Some(group) = access.groups.first() else { return Vec::new() };
    let presets = PresetRole::ALL.iter().map(|preset| {
        (RoleRef::Preset(*preset), if preset.is_for_workspace() { None } else { attributes.project })
    });
    let custom = access.roles.iter().map(|role| (RoleRef::Custom(role.id), Some(role.project_id)));
    let is_possible = |(role, project): &(RoleRef, Option<ProjectId>)| match role {
        RoleRef::Preset(preset) => preset.is_for_workspace() || project.is_some(),
        RoleRef::Custom(_) => true,
    };
    let supposed = |(role, project_id): (RoleRef, Option<ProjectId>)| Assignment {
        id: AssignmentId::least(),
        organization_id: group.organization_id,
        workspace_id: group.workspace_id,
        project_id,
        group_id: group.id,
        role,
        created_by: UserId::least(),
        created_at: group.created_at,
    };
    let assignments = presets.chain(custom).filter(is_possible).map(supposed).collect();
    let facts = AccessFacts { assignments, ..access.clone() };
    let allowed = review(&facts, &[group.id], attributes).because;
    allowed.into_iter().map(|reason| (reason.role, reason.project_id)).collect()
}
