//! Context of a page: its user, organizations, language and appearance.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_api::PageCaller;
use hexabase_api::admin::is_operator;
use hexabase_api::html_pages::PageError;
use hexabase_api::layers::RequestContext;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use hexabase_core::access::{Ability, Action, Decision, EffectiveRoles, authorize};
use hexabase_core::error::Error;
use hexabase_core::id::{OrganizationId, SessionId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::{Inventory, Member, Organization, User};
use hexabase_core::name::{ManagedObject, Slug};
use hexabase_core::page::PageRequest;
use hexabase_core::platform::{Abilities, Caller, SharedReads};

use crate::components::Appearance;
use crate::flash::Flash;
use crate::form::Fields;
use crate::language::{Language, Texts};
use crate::pages::refusal::refused;
use crate::preferences::Preferences;
use crate::reasons::denial_text;
use crate::state::ConsoleState;
use crate::{csrf, saved_form, urls};

/// Language and appearance of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Texts in the language of the page.
    pub texts: Texts,
    /// Colours, time zone and density.
    pub appearance: Appearance,
}

impl View {
    /// Returns the language and appearance that the browser of the current request prefers.
    pub(crate) fn current() -> Self {
        let context = RequestContext::current();
        let chosen = Preferences::of_cookie(&context.preferences.cookie);
        let accepted = &context.preferences.accept_language;
        let language = Language::negotiate(None, Some(&chosen.language), Some(accepted));
        Self { texts: Texts::new(language), appearance: chosen.appearance }
    }
}

/// Context of the page of a signed-in user, as an extractor. Other users are redirected to the sign-in.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) state: ConsoleState,
    /// Caller of the services.
    pub caller: Caller,
    /// Signed-in user.
    pub user: User,
    /// Organizations of the user, the first 200, each with the membership.
    pub organizations: Vec<(Organization, Member)>,
    /// Language and appearance.
    pub view: View,
    /// Message of the previous form.
    pub(crate) flash: Option<Flash>,
    /// Inventory that manages the object of the page.
    pub(crate) inventory: Option<Slug>,
    /// Entries of a form whose session had ended.
    pub(crate) saved: Option<Fields>,
    /// Cookies of the response.
    pub(crate) jar: CookieJar,
}

impl FromRequestParts<ConsoleState> for Context {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Response> {
        let caller = PageCaller::from_request_parts(parts, state).await;
        match caller.map_err(|error| error.into_response())?.0 {
            Some(caller) => Self::load(parts, state, caller).await.map_err(|error| error.into_response()),
            None => {
                let path = parts.uri.path_and_query().map_or(urls::HOME, |path| path.as_str());
                Err(Redirect::to(&urls::sign_in_for(path)).into_response())
            }
        }
    }
}

impl Context {
    /// Reads the context of a request. Messages and kept entries are shown by pages, not by forms.
    pub(crate) async fn load(
        parts: &mut Parts,
        state: &ConsoleState,
        mut caller: Caller,
    ) -> Result<Self, PageError> {
        let auth = state.api.auth();
        let profile = state.api.platform().users().profile(caller.principal.user_id).await?;
        let mut jar = CookieJar::from_headers(&parts.headers);
        let (mut flash, mut saved) = (None, None);
        if parts.method.is_safe() {
            // A form decides on the newest records; a page may show those of its first read.
            caller.reads = SharedReads::of(&profile);
            if is_navigation(&parts.headers) {
                (flash, jar) = Flash::take(auth, profile.user.id, jar);
            }
            (saved, jar) = saved_form::take(auth, jar, parts.uri.path(), caller.principal.user_id);
        }
        Ok(Self {
            state: state.clone(),
            caller,
            user: profile.user,
            organizations: profile.organizations,
            view: View::current(),
            flash,
            inventory: None,
            saved,
            jar,
        })
    }

    /// Notes on the page that an inventory manages its object, if that is so: the source of the inventory undoes changes.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the user's role.
    pub(crate) async fn note_inventory(
        &mut self,
        organization: OrganizationId,
        object: impl ToString,
    ) -> hexabase_core::error::Result<()> {
        let inventories = self.platform().inventories().list(&self.caller, organization).await?;
        let object = ManagedObject::parse(&object.to_string()).ok();
        let contains =
            |inventory: &Inventory| object.as_ref().is_some_and(|id| inventory.objects.contains(id));
        self.inventory = inventories.into_iter().find(contains).map(|inventory| inventory.name);
        Ok(())
    }

    /// Returns the platform.
    #[must_use]
    pub(crate) fn platform(&self) -> &Platform {
        self.state.api.platform()
    }

    pub(crate) fn auth(&self) -> &Auth {
        self.state.api.auth()
    }

    /// Returns the texts in the language of the page.
    #[must_use]
    pub(crate) fn texts(&self) -> Texts {
        self.view.texts
    }

    /// Returns the text of a key.
    #[must_use]
    pub(crate) fn text(&self, key: &str) -> String {
        self.view.texts.text(key)
    }

    /// Returns a token for a form of the page.
    #[must_use]
    pub(crate) fn form_token(&self) -> String {
        csrf::form_token(self.platform(), &self.caller.principal)
    }

    /// Returns a new idempotency key for a form.
    #[must_use]
    pub(crate) fn idempotency_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.platform().ids().bytes::<16>())
    }

    /// Returns the session of the user.
    ///
    /// # Errors
    /// `forbidden` for a user whom another system vouches for, and for a program: both have no session here.
    pub(crate) fn require_session(&self) -> Result<SessionId, PageError> {
        let message = "this page requires a session of this server; sign in here";
        let session = self.caller.principal.credential.session();
        session.ok_or_else(|| Error::forbidden(message).into())
    }

    /// `true` if the user may open the operators' area.
    #[must_use]
    pub(crate) fn is_operator(&self) -> bool {
        is_operator(self.platform(), &self.caller, &self.user)
    }

    /// Takes the entries of a form whose session had ended, or returns no entries.
    pub(crate) fn saved_fields(&mut self) -> Fields {
        self.saved.take().unwrap_or_default()
    }

    /// Returns an organization of the user with the membership.
    ///
    /// # Errors
    /// `not_found` if the user is not a member.
    pub(crate) async fn organization(&self, id: OrganizationId) -> Result<(Organization, Member), PageError> {
        if let Some(found) = self.organizations.iter().find(|(organization, _)| organization.id == id) {
            return Ok(found.clone());
        }
        let mut after = self.organizations.last().map(|(organization, _)| organization.id.to_string());
        // Only users of very many organizations have further ones.
        while self.organizations.len() >= usize::from(PageRequest::MAX_LIMIT) && after.is_some() {
            let request = PageRequest::new(PageRequest::MAX_LIMIT, after);
            let page = self.platform().organizations().list(&self.caller, &request).await?;
            if let Some(found) = page.items.into_iter().find(|(organization, _)| organization.id == id) {
                return Ok(found);
            }
            after = page.next;
        }
        Err(Error::not_found("organization").into())
    }

    /// Decides by the permission table if the user may perform an action in an organization, without its state.
    #[must_use]
    pub(crate) fn may(&self, member: &Member, action: Action) -> bool {
        let roles = EffectiveRoles { organization: Some(member.role), ..EffectiveRoles::default() };
        authorize(&self.caller.principal, &roles, action) == Decision::Allowed
    }

    /// Returns an organization in which the user may perform an action.
    ///
    /// # Errors
    /// `not_found` if the user is not a member, and `forbidden` if the role does not permit the action.
    pub(crate) async fn organization_for(
        &self,
        id: OrganizationId,
        action: Action,
    ) -> Result<(Organization, Member), PageError> {
        let (organization, member) = self.organization(id).await?;
        if self.may(&member, action) {
            return Ok((organization, member));
        }
        Err(refused(self, &(organization, member), None, action).await)
    }
}

/// `true` unless a script of a page sent the request: a live page could fetch itself just before the browser opens the
/// page with the message.
fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
}

/// `true` if an action is possible now.
pub(crate) fn is_possible(abilities: &Abilities, action: Action) -> bool {
    matches!(abilities.get(&action), Some(Ability::Allowed))
}

/// Returns the reason why an action is not possible now; `None` if it is. `abilities` must have been read for the action.
pub(crate) fn refusal(context: &Context, abilities: &Abilities, action: Action) -> Option<String> {
    debug_assert!(abilities.contains_key(&action), "the page did not ask for the ability {action:?}");
    match abilities.get(&action) {
        Some(Ability::Allowed) => None,
        Some(Ability::Denied(denial)) => Some(denial_text(&context.texts(), denial)),
        None => Some(String::new()),
    }
}
