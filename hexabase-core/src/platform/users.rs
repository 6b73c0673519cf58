use serde::{Deserialize, Serialize};

use super::Parts;
use crate::changeset::Changeset;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{OrganizationId, UserId};
use crate::identity::ExternalIdentity;
use crate::model::{
    Identity, Member, Organization, OrganizationRole, Origin, SecurityEvent, SecurityEventKind, User,
    UserKind,
};
use crate::name::{DisplayName, ProviderName, Slug};
use crate::page::{Page, PageRequest};
use crate::version::Version;

/// People, as sign-in knows them.
#[derive(Debug, Clone, Copy)]
pub struct Users<'a>(pub(super) &'a Parts);

/// Who somebody is, and where they belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Who.
    pub user: User,
    /// The organizations they belong to, each with their membership.
    pub organizations: Vec<(Organization, Member)>,
}

impl Users<'_> {
    /// The user behind an identity that a provider vouched for; made, with a personal organization, when
    /// nobody like that is known.
    ///
    /// An identity that is new but has the verified address of somebody known is linked to them. Without a
    /// verified address nobody is ever linked: whoever can make up addresses could take accounts over.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn sign_in(
        &self,
        provider: &ProviderName,
        who: &ExternalIdentity,
        origin: &Origin,
    ) -> Result<User> {
        // Two first sign-ins at once: the one that loses finds what the other has made.
        for _ in 0..3 {
            if let Some(user) = self.find(provider, who).await? {
                return Ok(user);
            }
            match self.make(provider, who, origin).await {
                Err(error) if error.kind() == ErrorKind::AlreadyExists || error.is_version_conflict() => {}
                done => return done,
            }
        }
        Err(Error::unavailable("signing in collided with another sign-in; try again"))
    }

    /// Lets somebody who is signed in sign in with another identity as well, which a provider vouched for. One that is
    /// theirs already stays so.
    ///
    /// # Errors
    /// - `Conflict` with code `identity_taken` when it is somebody else's.
    /// - `NotFound` when there is no such user.
    /// - `Unavailable`.
    pub async fn link(
        &self,
        user: UserId,
        provider: &ProviderName,
        who: &ExternalIdentity,
        origin: &Origin,
    ) -> Result<()> {
        for _ in 0..3 {
            if let Some(identity) = self.0.store.find_identity(provider, &who.subject).await? {
                let message = "somebody else signs in with this account; sign in with it to see who";
                return match identity.user_id == user {
                    true => Ok(()),
                    false => Err(Error::conflict("identity_taken", message)),
                };
            }
            let known = self.0.store.find_user(user).await?.ok_or_else(|| Error::not_found("user"))?;
            match self.add_identity(&known, (provider, who), origin).await {
                Err(error) if error.kind() == ErrorKind::AlreadyExists || error.is_version_conflict() => {}
                done => return done,
            }
        }
        Err(Error::unavailable("linking the account collided with something else; try again"))
    }

    fn identity(&self, user_id: UserId, (provider, who): (&ProviderName, &ExternalIdentity)) -> Identity {
        Identity {
            provider: provider.clone(),
            subject: who.subject.clone(),
            user_id,
            email: who.verified_email.clone(),
            created_at: self.0.now(),
        }
    }

    async fn add_identity(
        &self,
        user: &User,
        of: (&ProviderName, &ExternalIdentity),
        origin: &Origin,
    ) -> Result<()> {
        let event = self.security_event(user.id, SecurityEventKind::IdentityLinked, origin);
        let linked = Changeset::new().insert(self.identity(user.id, of)).insert(event);
        self.0.commit(linked.user(user.clone(), self.0.now())).await
    }

    async fn find(&self, provider: &ProviderName, who: &ExternalIdentity) -> Result<Option<User>> {
        match self.0.store.find_identity(provider, &who.subject).await? {
            Some(identity) => self.0.store.find_user(identity.user_id).await,
            None => Ok(None),
        }
    }

    async fn make(&self, provider: &ProviderName, who: &ExternalIdentity, origin: &Origin) -> Result<User> {
        let now = self.0.now();
        let known = match &who.verified_email {
            Some(email) => self.0.store.find_user_by_email(email).await?,
            None => None,
        };
        if let Some(user) = known {
            self.add_identity(&user, (provider, who), origin).await?;
            return Ok(user);
        }
        let user = User {
            id: self.0.id(now),
            kind: UserKind::Person,
            email: who.verified_email.clone(),
            name: name_of(who)?,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
        };
        let organization = self.personal_organization(&user)?;
        let member = Member::new(organization.id, user.id, OrganizationRole::Owner, now);
        let event = self.security_event(user.id, SecurityEventKind::UserCreated, origin);
        let identity = self.identity(user.id, (provider, who));
        let made = Changeset::new().insert(user.clone()).insert(identity).insert(event);
        self.0.commit(made.insert(organization).insert(member)).await?;
        Ok(user)
    }

    /// The name follows from the user's id, so it is nobody else's and tells no stranger an address.
    fn personal_organization(&self, user: &User) -> Result<Organization> {
        let now = self.0.now();
        let id: OrganizationId = self.0.id(now);
        let suffix = id.to_string().split_off(4);
        let name = Slug::parse(&format!("personal-{suffix}"));
        Ok(Organization {
            id,
            name: name.map_err(|error| Error::unexpected(error.to_string()))?,
            display_name: user.name.clone(),
            personal: true,
            plan_id: self.0.plans.first().id.clone(),
            deletion_requested_at: None,
            created_by: user.id,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
        })
    }

    fn security_event(&self, user_id: UserId, kind: SecurityEventKind, origin: &Origin) -> SecurityEvent {
        let now = self.0.now();
        SecurityEvent {
            id: self.0.id(now),
            user_id,
            kind,
            session_id: None,
            address: origin.address.clone(),
            device: origin.device.clone(),
            at: now,
        }
    }

    /// Who somebody is, and where they belong: the first 200 organizations.
    ///
    /// # Errors
    /// `NotFound` when the user is gone, `Unavailable`.
    pub async fn profile(&self, user: UserId) -> Result<Profile> {
        let found = self.0.store.find_user(user).await?;
        let user = found.ok_or_else(|| Error::not_found("user"))?;
        let organizations = self.0.store.list_organizations(user.id, &PageRequest::largest()).await?.items;
        Ok(Profile { user, organizations })
    }

    /// What happened to somebody's account, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>> {
        self.0.store.list_security_events(user, page).await
    }
}

/// The best name there is: the one the provider gave, the address, or what the provider calls them.
fn name_of(who: &ExternalIdentity) -> Result<DisplayName> {
    let from_email = || DisplayName::parse(who.verified_email.as_ref()?.as_str()).ok();
    let from_subject = || DisplayName::parse(&who.subject.chars().take(64).collect::<String>()).ok();
    let name = who.name.clone().or_else(from_email).or_else(from_subject);
    name.map_or_else(|| DisplayName::parse("somebody").map_err(|e| Error::unexpected(e.to_string())), Ok)
}
