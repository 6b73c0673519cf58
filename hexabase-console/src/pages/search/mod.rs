//! Search over the organizations of the user: their workspaces, projects, groups and members, and pages and actions.

mod destinations;
mod objects;
mod scope;

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::join_all;
use hexabase_api::html_pages::PageError;
use hexabase_core::error::ErrorKind;
use hexabase_core::search::SearchText;
use maud::{Markup, html};

use self::destinations::destinations;
use self::objects::{objects, organizations};
use self::scope::{MAX_ORGANIZATIONS, Scope};
use crate::components::{
    Choice, Control, Field, ShellCommand, SummaryError, card, error_summary, field, get_form, name,
    page_heading, shell_commands, unavailable,
};
use crate::context::Context;
use crate::pages::PageContent;
use crate::pages::api_call::api_call;
use crate::pages::filters::Filters;
use crate::response::PageResult;
use crate::routes::{Page, show as shown};
use crate::urls::{self, Access};

/// Maximum number of results of each kind, as of the search in an organization.
const MAX_RESULTS: usize = 20;

pub(super) fn pages() -> Vec<Page> {
    vec![shown(urls::SEARCH, Access::Session, show)]
}

/// Kind of a result, in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Destination,
    Organization,
    Workspace,
    Project,
    Group,
    Member,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Destination, Self::Organization, Self::Workspace, Self::Project, Self::Group, Self::Member];

    /// Key of the heading.
    const fn heading(self) -> &'static str {
        match self {
            Self::Destination => "search-destinations",
            Self::Organization => "organizations-title",
            Self::Workspace => "nav-workspaces",
            Self::Project => "nav-projects",
            Self::Group => "nav-groups",
            Self::Member => "nav-members",
        }
    }
}

/// Result with its address.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    kind: Kind,
    label: String,
    href: String,
    /// Location of the object, such as its organization; empty for none.
    note: String,
}

/// Facts on the page.
struct SearchPage {
    filters: Filters,
    scope: Scope,
    error: Option<String>,
    found: Vec<Found>,
    /// Names of organizations whose search did not complete.
    incomplete: Vec<String>,
    is_truncated: bool,
}

async fn show(context: Context, RawQuery(query): RawQuery) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let scope = Scope::read(&context, &filters).await?;
    let text = match filters.get("q").trim() {
        "" => Ok(None),
        text => SearchText::parse(text).map(Some),
    };
    let mut page = SearchPage {
        filters,
        scope,
        error: None,
        found: Vec::new(),
        incomplete: Vec::new(),
        is_truncated: false,
    };
    match &text {
        Ok(text) => page.search(&context, text.as_ref()).await?,
        Err(_) => page.error = Some(context.text("search-invalid")),
    }
    Ok(page.respond(context))
}

impl SearchPage {
    async fn search(&mut self, context: &Context, text: Option<&SearchText>) -> Result<(), PageError> {
        let scope = &self.scope;
        self.found = destinations(context, &scope.organizations, scope.workspace.as_ref(), text);
        let Some(text) = text else { return Ok(()) };
        self.found.extend(organizations(context, text));
        let searches =
            scope.organizations.iter().map(|(organization, _)| objects(context, organization, text));
        for ((organization, _), found) in scope.organizations.iter().zip(join_all(searches).await) {
            match found {
                Ok((found, is_truncated)) => {
                    self.found.extend(found);
                    self.is_truncated |= is_truncated;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Unexpected
                    ) =>
                {
                    return Err(error.into());
                }
                // The other organizations do not depend on it.
                Err(_) => self.incomplete.push(organization.display_name.to_string()),
            }
        }
        Ok(())
    }

    fn respond(self, context: Context) -> Response {
        let texts = context.texts();
        let title = texts.text("search-title");
        let summary = self
            .error
            .iter()
            .map(|error| SummaryError { field_id: Some("search-text".to_owned()), message: error.clone() });
        let content = html! {
            (page_heading(&html! { (title) }, None, None))
            (error_summary(&texts, &summary.collect::<Vec<_>>()))
            (self.form(&context))
            (self.results(&context))
            @if let Some(command) = self.command(&context) { (shell_commands(&texts, &[command])) }
        };
        let status = match self.error {
            None => StatusCode::OK,
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let page = PageContent { has_errors: self.error.is_some(), ..PageContent::new(title, content) };
        match self.scope.organizations.first().filter(|_| self.scope.chosen.is_some()) {
            Some(membership) => page.in_organization(membership).respond(context, status),
            None => page.respond(context, status),
        }
    }

    fn form(&self, context: &Context) -> Markup {
        let texts = context.texts();
        let text = Field::line("q", texts.text("search-text"))
            .value(self.filters.get("q"))
            .error(self.error.clone())
            .required();
        let mut choices = vec![Choice::new("", texts.text("search-all"))];
        choices.extend(context.organizations.iter().map(|(organization, _)| {
            Choice::new(organization.id.to_string(), organization.display_name.as_str())
        }));
        let organization = Field::new("org", texts.text("field-organization"), Control::Select(choices))
            .value(self.filters.get("org"));
        let with_id = |id: &str, field: Field| Field { id: id.to_owned(), ..field };
        get_form(
            &urls::search(),
            &html! {
                (field(&texts, &with_id("search-text", text)))
                (field(&texts, &with_id("search-organization", organization)))
                button class="button primary" type="submit" { (texts.text("search-label")) }
            },
        )
    }

    /// Results by kind, which the palette shows as well.
    fn results(&self, context: &Context) -> Markup {
        let texts = context.texts();
        let count = texts.text_with("search-count", &[("count", self.found.len().into())]);
        let is_partial = self.scope.chosen.is_none() && context.organizations.len() > MAX_ORGANIZATIONS;
        let of_kind = |kind| self.found.iter().filter(move |found| found.kind == kind);
        html! {
            div id="results" class="results" data-found=(count) {
                @if self.error.is_none() && self.found.is_empty() && self.incomplete.is_empty() {
                    div class="empty" { h2 { (texts.text("search-none")) } p { (texts.text("search-none-about")) } }
                }
                @for kind in Kind::ALL {
                    @if of_kind(kind).next().is_some() {
                        (card(&texts.text(kind.heading()), None, &list(of_kind(kind))))
                    }
                }
                @for organization in &self.incomplete { (unavailable(&texts, organization)) }
                @if self.is_truncated { p class="note" { (texts.text("search-truncated")) } }
                @if is_partial {
                    p class="note" { (texts.text_with("search-partial", &[("count", MAX_ORGANIZATIONS.into())])) }
                }
            }
        }
    }

    /// Search of the organization in the API; `None` without one text and organization.
    fn command(&self, context: &Context) -> Option<ShellCommand> {
        let (id, text) = (self.scope.chosen?, Some(self.filters.get("q")).filter(|text| !text.is_empty())?);
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
        let path = format!("/organizations/{id}/search?{query}");
        Some(api_call(context, context.text("search-command"), &path))
    }
}

fn list<'a>(found: impl Iterator<Item = &'a Found>) -> Markup {
    html! {
        ul class="links" {
            @for result in found {
                li {
                    a href=(result.href) {
                        (name(&result.label))
                        @if !result.note.is_empty() { " " span class="note" { (name(&result.note)) } }
                    }
                }
            }
        }
    }
}
