//! Frame of a page: header, navigation, crumbs, flash message and footer around its content.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::access::Action;
use hexabase_core::model::{Member, Organization, Workspace};
use hexabase_core::quota::Resource;
use maud::{Markup, html};

use super::navigation::{
    OperatorSection, Section, account_navigation, account_pages, navigation, operators_navigation,
};
use super::{known_as, workspace_name};
use crate::assets;
use crate::components::{
    self, AccountMenu, Header, Link, OrganizationEntry, OrganizationSwitcher, PostForm, SearchForm, Shell,
    Tone, shell,
};
use crate::context::Context;
use crate::form::{CSRF, form_to};
use crate::language::Texts;
use crate::response::document;
use crate::urls;

/// Content of a page in its frame.
pub(crate) struct PageContent<'a> {
    /// Title of the page.
    pub(crate) title: String,
    /// Section that the page belongs to.
    pub(crate) section: Section,
    /// Organization of the page with the user's membership.
    pub(crate) organization: Option<&'a (Organization, Member)>,
    /// Workspace of the page.
    pub(crate) workspace: Option<&'a Workspace>,
    /// Ancestors of the page below the organization and workspace.
    pub(crate) ancestors: Vec<Link>,
    /// Content.
    pub(crate) content: Markup,
    /// Object of the page as in the audit log of the organization; `None` for none.
    pub(crate) audited: Option<String>,
    /// `true` if a form of the page has errors.
    pub(crate) has_errors: bool,
    /// Address at another site that the browser continues at by itself.
    pub(crate) continue_at: Option<String>,
    /// `true` if something on the page is in progress, so that browsers without scripts load it again.
    pub(crate) is_in_progress: bool,
}

impl<'a> PageContent<'a> {
    /// Creates a page outside of all organizations.
    pub(crate) fn new(title: impl Into<String>, content: Markup) -> Self {
        Self {
            title: title.into(),
            section: Section::None,
            organization: None,
            workspace: None,
            ancestors: Vec::new(),
            content,
            audited: None,
            has_errors: false,
            continue_at: None,
            is_in_progress: false,
        }
    }

    /// Sets the organization of the page.
    pub(crate) fn in_organization(self, organization: &'a (Organization, Member)) -> Self {
        Self { organization: Some(organization), ..self }
    }

    /// Sets the workspace of the page.
    pub(crate) fn in_workspace(self, workspace: &'a Workspace) -> Self {
        Self { workspace: Some(workspace), ..self }
    }

    /// Adds a link to the entries of the audit log about the object of the page, for users who may read them.
    pub(crate) fn audited(self, resource: impl Into<String>) -> Self {
        Self { audited: Some(resource.into()), ..self }
    }

    /// Returns the page as a response.
    #[expect(clippy::needless_pass_by_value, reason = "the response ends the use of the context")]
    pub(crate) fn respond(self, context: Context, status: StatusCode) -> Response {
        self.show(&context, status)
    }

    /// Returns the page as a response, for an error that ends a request early.
    pub(crate) fn show(&self, context: &Context, status: StatusCode) -> Response {
        let page = self.render(context);
        (context.jar.clone(), document(status, &page, "")).into_response()
    }

    fn render(&self, context: &Context) -> Markup {
        let texts = context.texts();
        let mut title = vec![self.title.clone()];
        title.extend(self.workspace.map(|workspace| workspace_name(workspace).to_owned()));
        title.extend(self.organization.map(|(organization, _)| organization.display_name.to_string()));
        title.dedup();
        let frame = Shell {
            product: context.state.product.to_string(),
            title,
            has_errors: self.has_errors,
            appearance: context.view.appearance,
            stylesheets: vec![assets::url("console.css")],
            icon: Some(assets::url("icon.svg")),
            script: Some(assets::url("console.mjs")),
            continue_at: self.continue_at.clone(),
            refresh_seconds: self.is_in_progress.then_some(5),
            header: Some(self.header(context)),
            navigation: match (self.organization, self.section) {
                (Some(organization), section) => navigation(context, organization, self.workspace, section),
                (None, Section::Operators(_)) => operators_navigation(context, self.section),
                (None, section) => account_navigation(context, section),
            },
            ancestors: self.ancestors(texts),
            flash: self.flash(context),
            footer: footer(context),
        };
        shell(
            &texts,
            &frame,
            &html! {
                @if let Some(inventory) = &context.inventory {
                    (components::notice(Tone::Neutral, &texts.text("managed-title"), &html! {
                        p { (texts.text_with("managed-about", &[("inventory", inventory.as_str().into())])) }
                    }))
                }
                (self.content)
                @if let Some(href) = self.audit_href(context) {
                    p class="note" { a href=(href) { (context.text("audit-of-object")) } }
                }
                (scripted(context, self.organization))
            },
        )
    }

    fn audit_href(&self, context: &Context) -> Option<String> {
        let (organization, member) = self.organization?;
        let resource = self.audited.as_ref()?;
        context
            .may(member, Action::AuditRead)
            .then(|| urls::audit_with(organization.id, &[("resource", resource)]))
    }

    fn header(&self, context: &Context) -> Header {
        let entry = |(organization, member): &(Organization, Member)| OrganizationEntry {
            name: organization.display_name.to_string(),
            href: match self.section {
                Section::Workspaces => urls::workspaces(organization.id),
                Section::Members => urls::members(organization.id),
                _ => urls::organization(organization.id),
            },
            role: member.role,
            is_current: self.organization.is_some_and(|(current, _)| current.id == organization.id),
        };
        let hidden = vec![(CSRF, context.form_token())];
        Header {
            home_href: urls::home(),
            switcher: Some(OrganizationSwitcher {
                current: self.organization.map(|(organization, _)| organization.display_name.to_string()),
                entries: context.organizations.iter().map(entry).collect(),
                all_href: urls::organizations(),
                create_href: Some(urls::new_organization()),
                invitations: None,
            }),
            search: Some(self.search()),
            account: Some(AccountMenu {
                user: known_as(&context.user),
                links: account_links(context),
                // Only the system that vouches for a user without a session here can end the sign-in.
                sign_out: context
                    .require_session()
                    .is_ok()
                    .then(|| PostForm { action: urls::sign_out(), hidden }),
            }),
        }
    }

    /// Search in the organization of the page, and among the pages of its workspace.
    fn search(&self) -> SearchForm {
        let organization = self.organization.map(|(organization, _)| ("org", organization.id.to_string()));
        let workspace = self.workspace.map(|workspace| ("ws", workspace.id.to_string()));
        SearchForm { href: urls::search(), scope: organization.into_iter().chain(workspace).collect() }
    }

    fn ancestors(&self, texts: Texts) -> Vec<Link> {
        let mut ancestors = Vec::new();
        let is_first = self.section == Section::Operators(OperatorSection::Installation);
        if matches!(self.section, Section::Operators(_)) && !is_first {
            ancestors.push(Link::new(texts.text("operators-installation"), urls::installation()));
        }
        if let Some((organization, _)) = self.organization {
            let is_page = self.section == Section::Overview && self.workspace.is_none();
            if !is_page {
                ancestors
                    .push(Link::new(organization.display_name.as_str(), urls::organization(organization.id)));
            }
            if self.workspace.is_some() {
                ancestors.push(Link::new(texts.text("nav-workspaces"), urls::workspaces(organization.id)));
            }
            if let Some(workspace) = self.workspace.filter(|_| self.section != Section::Overview) {
                ancestors.push(Link::new(
                    workspace_name(workspace),
                    urls::workspace(organization.id, workspace.id),
                ));
            }
        }
        ancestors.extend(self.ancestors.iter().cloned());
        ancestors
    }

    fn flash(&self, context: &Context) -> Option<Markup> {
        let message = context.flash.as_ref()?;
        let undo = message.undo.as_ref().map(|undo| {
            let mut form = form_to(context, undo.action.clone(), None);
            // Names of fields are texts of this crate, which the cookie sealed.
            form.hidden.extend(undo.fields.iter().filter_map(|(name, value)| {
                let own = [
                    "display_name",
                    "version",
                    "role",
                    "intent",
                    "name",
                    "member",
                    "group_id",
                    "parent_id",
                    "amount",
                    "currency",
                ];
                let mut known = own.into_iter().chain(Resource::ALL.into_iter().map(Resource::as_str));
                Some((known.find(|known| known == name)?, value.clone()))
            }));
            form
        });
        let flash = components::Flash { tone: Tone::Good, message: message.text.clone(), undo };
        Some(components::flash(&context.texts(), &flash))
    }
}

/// Pages in the menu of the user: those of the account, and of the installation for operators.
fn account_links(context: &Context) -> Vec<Link> {
    let pages =
        account_pages(context).into_iter().map(|(_, key, href, _)| Link::new(context.text(key), href));
    let invitations = Link::new(context.text("invitations-title"), urls::invitations());
    let operators =
        context.is_operator().then(|| Link::new(context.text("operators-title"), urls::installation()));
    pages.chain([invitations]).chain(operators).collect()
}

/// Parts of a page that only scripts use.
fn scripted(context: &Context, organization: Option<&(Organization, Member)>) -> Markup {
    let texts = context.texts();
    let live = organization.map(|(organization, _)| urls::events(organization.id));
    html! {
        p id="announcer" class="hidden" role="status" {}
        div class="notice warning" data-session=(urls::session()) hidden {
            p { (texts.text("session-ended")) " " a href=(urls::sign_in()) { (texts.text("sign-in-title")) } }
        }
        div class="notice warning" data-connection data-events=[live] hidden { p { (texts.text("connection-lost")) } }
    }
}

/// Links at the end of every page.
fn footer(context: &Context) -> Vec<Link> {
    vec![
        Link::new(context.text("preferences-title"), urls::preferences()),
        Link::new(context.text("footer-api"), hexabase_api::layers::server_path("/docs")),
    ]
}
