use futures_util::try_join;
use serde::{Deserialize, Serialize};

use super::PlatformInner;
use super::commit::require_version;
use crate::changeset::{Changeset, RecordKey};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{OrganizationId, UserId};
use crate::identity::ExternalIdentity;
use crate::model::{
    Identity, Member, Organization, OrganizationRole, Origin, SecurityEvent, SecurityEventKind, User,
    UserKind,
};
use crate::name::{DisplayName, ProviderName, Slug};
use crate::page::{Page, PageRequest};
use crate::plans::PlanCatalog;
use crate::version::Version;

/// Users, as known from sign-in.
#[derive(Debug, Clone, Copy)]
pub struct Users<'a>(pub(super) &'a PlatformInner);

/// User with organizations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user.
    pub user: User,
    /// Organizations of the user, each with the user's membership.
    pub organizations: Vec<(Organization, Member)>,
}

impl Users<'_> {
    /// Returns the user with an identity that a sign-in provider has authenticated. Creates the user, with a personal
    /// organization, if there is none.
    ///
    /// A new identity whose verified address is that of an existing user is linked to that user. An identity without a
    /// verified address is never linked: otherwise, a provider that accepts arbitrary addresses would allow account
    /// takeover.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn sign_in(
        &self,
        provider: &ProviderName,
        external: &ExternalIdentity,
        origin: &Origin,
    ) -> Result<User> {
        // Of two concurrent first sign-ins, the one that fails finds the user of the other.
        for _ in 0..3 {
            if let Some(user) = self.find(provider, external).await? {
                return Ok(user);
            }
            match self.create(provider, external, origin).await {
                Err(error) if error.kind() == ErrorKind::AlreadyExists || error.is_version_conflict() => {}
                outcome => return outcome,
            }
        }
        Err(Error::unavailable("the sign-in conflicted with a concurrent one; try again"))
    }

    /// Links another identity, which a sign-in provider has authenticated, to a signed-in user. Does nothing if it is
    /// already linked to this user.
    ///
    /// # Errors
    /// - `Conflict` with code `identity_taken` if it is linked to another user.
    /// - `NotFound` if the user does not exist.
    /// - `Unavailable`.
    pub async fn link(
        &self,
        user: UserId,
        provider: &ProviderName,
        external: &ExternalIdentity,
        origin: &Origin,
    ) -> Result<()> {
        for _ in 0..3 {
            if let Some(identity) = self.0.store.find_identity(provider, &external.subject).await? {
                let message = "this identity is linked to another user; sign in with it to see which";
                return match identity.user_id == user {
                    true => Ok(()),
                    false => Err(Error::conflict("identity_taken", message)),
                };
            }
            let known = self.0.store.find_user(user).await?.ok_or_else(|| Error::not_found("user"))?;
            match self.add_identity(&known, (provider, external), origin).await {
                Err(error) if error.kind() == ErrorKind::AlreadyExists || error.is_version_conflict() => {}
                outcome => return outcome,
            }
        }
        Err(Error::unavailable("linking the identity conflicted with a concurrent change; try again"))
    }

    /// Changes the display name of a person. Organizations keep their names.
    ///
    /// # Errors
    /// - `NotFound` if there is no such person.
    /// - `Conflict` with code `precondition_failed` if the version differs from `expected`.
    /// - `Unavailable`.
    pub async fn rename(&self, user: UserId, name: &DisplayName, expected: Option<Version>) -> Result<User> {
        self.0
            .transact(|| async {
                let known = self.0.store.find_user(user).await?;
                let known = known.filter(|user| user.kind == UserKind::Person);
                let known = known.ok_or_else(|| Error::not_found("user"))?;
                require_version(expected, known.version)?;
                let now = self.0.now();
                let version = known.version.next();
                let renamed = User { name: name.clone(), version, updated_at: now, ..known.clone() };
                Ok((Changeset::new().user(User { name: name.clone(), ..known }, now), renamed))
            })
            .await
    }

    /// Lists the identities that a user can sign in with.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn identities(&self, user: UserId) -> Result<Vec<Identity>> {
        self.0.store.list_identities(user).await
    }

    /// Unlinks an identity from a user, who cannot sign in with it any more. One identity for which `is_usable` is `true`
    /// remains. Sessions that began with the identity continue.
    ///
    /// # Errors
    /// - `NotFound` if the user has no such identity.
    /// - `Conflict` with code `last_identity` if the user could not sign in any more.
    /// - `Unavailable`.
    pub async fn unlink(
        &self,
        user: UserId,
        (provider, subject): (&str, &str),
        is_usable: impl Fn(&Identity) -> bool + Send + Sync,
        origin: &Origin,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                // The version of the user detects that another identity is unlinked at the same time.
                let known = self.0.store.find_user(user).await?.ok_or_else(|| Error::not_found("user"))?;
                let identities = self.0.store.list_identities(user).await?;
                let is_named = |identity: &Identity| {
                    identity.provider.as_str() == provider && identity.subject == subject
                };
                let (named, remaining): (Vec<_>, Vec<_>) = identities.into_iter().partition(is_named);
                let identity = named.into_iter().next().ok_or_else(|| Error::not_found("identity"))?;
                if !remaining.iter().any(&is_usable) {
                    let message =
                        "this is the last account that you can sign in with; link another one first";
                    return Err(Error::conflict("last_identity", message));
                }
                let event = self.0.security_event(user, None, SecurityEventKind::IdentityUnlinked, origin);
                let key = RecordKey::Identity(identity.provider, identity.subject);
                Ok((Changeset::new().delete(key).insert(event).user(known, self.0.now()), ()))
            })
            .await
    }

    fn identity(
        &self,
        user_id: UserId,
        (provider, external): (&ProviderName, &ExternalIdentity),
    ) -> Identity {
        Identity {
            provider: provider.clone(),
            subject: external.subject.clone(),
            user_id,
            email: external.verified_email.clone(),
            created_at: self.0.now(),
        }
    }

    async fn add_identity(
        &self,
        user: &User,
        of: (&ProviderName, &ExternalIdentity),
        origin: &Origin,
    ) -> Result<()> {
        let event = self.0.security_event(user.id, None, SecurityEventKind::IdentityLinked, origin);
        let linked = Changeset::new().insert(self.identity(user.id, of)).insert(event);
        self.0.commit(linked.user(user.clone(), self.0.now())).await
    }

    async fn find(&self, provider: &ProviderName, external: &ExternalIdentity) -> Result<Option<User>> {
        match self.0.store.find_identity(provider, &external.subject).await? {
            Some(identity) => self.0.store.find_user(identity.user_id).await,
            None => Ok(None),
        }
    }

    async fn create(
        &self,
        provider: &ProviderName,
        external: &ExternalIdentity,
        origin: &Origin,
    ) -> Result<User> {
        let now = self.0.now();
        let known = match &external.verified_email {
            Some(email) => self.0.store.find_user_by_email(email).await?,
            None => None,
        };
        if let Some(user) = known {
            self.add_identity(&user, (provider, external), origin).await?;
            return Ok(user);
        }
        let user = User {
            id: self.0.id(now),
            kind: UserKind::Person,
            email: external.verified_email.clone(),
            name: name_of(external)?,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
        };
        let plans = self.0.plans().await?;
        let organization = self.personal_organization(&user, &plans)?;
        let member = Member::new(organization.id, user.id, OrganizationRole::Owner, now);
        let event = self.0.security_event(user.id, None, SecurityEventKind::UserCreated, origin);
        let identity = self.identity(user.id, (provider, external));
        let changeset = Changeset::new().insert(user.clone()).insert(identity).insert(event);
        let changeset = changeset.precondition(plans.precondition());
        self.0.commit(changeset.insert(organization).insert(member)).await?;
        Ok(user)
    }

    /// Builds the personal organization of a user. Its name is derived from its random id, so it is unique and does
    /// not reveal an address.
    fn personal_organization(&self, user: &User, plans: &PlanCatalog) -> Result<Organization> {
        let now = self.0.now();
        let id: OrganizationId = self.0.id(now);
        let suffix = id.to_string().split_off(4);
        let name = Slug::parse(&format!("personal-{suffix}"));
        Ok(Organization {
            id,
            name: name.map_err(|error| Error::unexpected(error.to_string()))?,
            display_name: user.name.clone(),
            personal: true,
            plan_id: plans.default_plan().id.clone(),
            deletion_requested_at: None,
            suspension: None,
            created_by: user.id,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
        })
    }

    /// Returns a user with the first 200 organizations.
    ///
    /// # Errors
    /// `NotFound` if the user does not exist, `Unavailable`.
    pub async fn profile(&self, user: UserId) -> Result<Profile> {
        let first = PageRequest::largest();
        let organizations = self.0.store.list_organizations(user, &first);
        let (found, organizations) = try_join!(self.0.store.find_user(user), organizations)?;
        let user = found.ok_or_else(|| Error::not_found("user"))?;
        Ok(Profile { user, organizations: organizations.items })
    }

    /// Lists the security events of a user, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>> {
        self.0.store.list_security_events(user, page).await
    }
}

/// Returns the best available display name: the name from the provider, the verified address, or the subject.
fn name_of(external: &ExternalIdentity) -> Result<DisplayName> {
    let from_email = || DisplayName::parse(external.verified_email.as_ref()?.as_str()).ok();
    let from_subject = || DisplayName::parse(&external.subject.chars().take(64).collect::<String>()).ok();
    let name = external.name.clone().or_else(from_email).or_else(from_subject);
    name.map_or_else(|| DisplayName::parse("user").map_err(|e| Error::unexpected(e.to_string())), Ok)
}
