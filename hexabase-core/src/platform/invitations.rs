use super::members::require_owner;
use super::{Caller, Done, Parts};
use crate::access::Action;
use crate::changeset::{Changeset, Key, OutboxMessage};
use crate::clock::after;
use crate::error::{Error, Result};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::limits;
use crate::model::{Invitation, Member, Organization, OrganizationRole};
use crate::name::Email;
use crate::notifier::Mail;
use crate::page::{Page, PageRequest};
use crate::secret::{BearerToken, ExposeSecret as _, SecretString, Verifier};

const TOKEN_PREFIX: &str = "hxi";

/// Invitations into organizations.
#[derive(Debug, Clone, Copy)]
pub struct Invitations<'a>(pub(super) &'a Parts);

/// Whom to invite, and as what.
#[derive(Debug, Clone)]
pub struct CreateInvitation {
    /// Whom: whoever owns this address.
    pub email: Email,
    /// As what.
    pub role: OrganizationRole,
}

/// How somebody says which invitation they accept.
enum Claim {
    /// By the token that was sent to their address.
    Token(OrganizationId, InvitationId, Verifier),
    /// By its name: they have the address.
    Offered(InvitationId),
}

impl Invitations<'_> {
    /// Invites somebody. The token goes to the address by mail and nowhere else.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says; only owners invite owners.
    /// - `QuotaExceeded` when the plan allows no more members.
    /// - `Conflict` with code `already_member` or `organization_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: &CreateInvitation,
    ) -> Result<Done<Invitation>> {
        self.0
            .once(caller, || async {
                let own = self.0.permit(caller, organization, Action::InvitationsManage).await?;
                if command.role == OrganizationRole::Owner {
                    require_owner(own)?;
                }
                let root = self.0.organization(organization).await?;
                require_alive(&root)?;
                let counts = self.0.store.count_organization(organization).await?;
                limits::another_member(&counts, self.0.plans.of(&root.plan_id)?)?;
                self.require_stranger(organization, &command.email).await?;

                let now = self.0.now();
                let verifier = Verifier::generate(&*self.0.ids);
                let invitation = Invitation {
                    id: self.0.id(now),
                    organization_id: organization,
                    email: command.email.clone(),
                    role: command.role,
                    hash: verifier.hash(),
                    invited_by: caller.principal.user_id,
                    created_at: now,
                    expires_at: after(now, self.0.settings.invitations_open),
                };
                let token = BearerToken::new(TOKEN_PREFIX, &[&organization, &invitation.id], &verifier);
                let message = self.mail(&root, &invitation, &token)?;
                let resource = format!("{organization}/{}", invitation.id);
                let entry =
                    self.0.audit(caller, organization, "invitation.create", resource, (), shown(&invitation));
                let changeset = Changeset::new()
                    .organization(root, now)
                    .insert(invitation.clone())
                    .message(message)
                    .audit(entry);
                Ok((changeset, invitation))
            })
            .await
    }

    async fn require_stranger(&self, organization: OrganizationId, email: &Email) -> Result<()> {
        let Some(user) = self.0.store.find_user_by_email(email).await? else { return Ok(()) };
        match self.0.store.find_member(organization, user.id).await? {
            Some(_) => Err(Error::conflict("already_member", "whoever has this address is a member already")),
            None => Ok(()),
        }
    }

    fn mail(
        &self,
        organization: &Organization,
        invitation: &Invitation,
        token: &SecretString,
    ) -> Result<OutboxMessage> {
        let mail = Mail {
            to: invitation.email.clone(),
            subject: format!("You are invited to {} on Hexabase", organization.display_name),
            text: format!(
                "You are invited to join {} as {}.\n\n\
                 Sign in at {} with this address, then accept with this token:\n\n{}\n\n\
                 The invitation is open until {}. If you did not expect it, ignore it.\n",
                organization.display_name,
                invitation.role,
                self.0.settings.public_url,
                token.expose_secret(),
                invitation.expires_at,
            ),
        };
        self.0.mail(organization.id, &mail)
    }

    /// The invitations of an organization, open and expired.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>> {
        self.0.permit(caller, organization, Action::InvitationsManage).await?;
        self.0.store.list_invitations(organization, page).await
    }

    /// Withdraws an invitation.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn withdraw(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                self.0.permit(caller, organization, Action::InvitationsManage).await?;
                let root = self.0.organization(organization).await?;
                let found = self.0.store.find_invitation(organization, id).await?;
                let invitation = found.ok_or_else(|| Error::not_found("invitation"))?;
                let resource = format!("{organization}/{id}");
                let entry = self.0.audit(
                    caller,
                    organization,
                    "invitation.withdraw",
                    resource,
                    shown(&invitation),
                    (),
                );
                let changeset = Changeset::new()
                    .organization(root, self.0.now())
                    .delete(Key::Invitation(organization, id))
                    .audit(entry);
                Ok((changeset, ()))
            })
            .await
    }

    /// The open invitations of the caller's own address, each with the organization.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn offered(&self, caller: &Caller) -> Result<Vec<(Organization, Invitation)>> {
        let mut offered = Vec::new();
        for invitation in self.0.store.list_open_invitations(caller.principal.user_id, self.0.now()).await? {
            let organization = self.0.store.find_organization(invitation.organization_id).await?;
            offered.extend(organization.map(|organization| (organization, invitation)));
        }
        Ok(offered)
    }

    /// Accepts an invitation with the token from the mail: the caller becomes a member, and the invitation is used up.
    ///
    /// # Errors
    /// - `NotFound` for a token that is wrong, used, withdrawn, expired or for another address: the answer
    ///   does not say which.
    /// - `Forbidden` for a caller who is not signed in but has a token.
    /// - `Conflict` with code `already_member` or `organization_deleting`.
    pub async fn accept(
        &self,
        caller: &Caller,
        token: &SecretString,
    ) -> Result<Done<(Organization, Member)>> {
        let (organization, id, verifier) =
            BearerToken::split_two::<OrganizationId, InvitationId>(TOKEN_PREFIX, token.expose_secret())
                .ok_or_else(refused)?;
        self.join(caller, Claim::Token(organization, id, verifier)).await
    }

    /// Accepts an invitation that was [offered](Self::offered): whoever has signed in with the address needs no token.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub async fn accept_offered(
        &self,
        caller: &Caller,
        id: InvitationId,
    ) -> Result<Done<(Organization, Member)>> {
        self.join(caller, Claim::Offered(id)).await
    }

    /// The invitation that is meant, if it is open to whoever claims it.
    async fn claimed(&self, claim: &Claim, user: UserId) -> Result<Invitation> {
        let found = match claim {
            Claim::Token(organization, id, verifier) => {
                let found = self.0.store.find_invitation(*organization, *id).await?;
                found.filter(|invitation| invitation.hash.matches(verifier))
            }
            Claim::Offered(id) => {
                let offered = self.0.store.list_open_invitations(user, self.0.now()).await?;
                offered.into_iter().find(|invitation| invitation.id == *id)
            }
        };
        let invitation = found.ok_or_else(refused)?;
        let user = self.0.store.find_user(user).await?.ok_or_else(refused)?;
        let is_open = user.email.as_ref() == Some(&invitation.email) && self.0.now() < invitation.expires_at;
        if is_open { Ok(invitation) } else { Err(refused()) }
    }

    async fn join(&self, caller: &Caller, claim: Claim) -> Result<Done<(Organization, Member)>> {
        if caller.principal.credential.session().is_none() {
            return Err(Error::forbidden(
                "an invitation is accepted by somebody who is signed in, not with a token",
            ));
        }
        self.0
            .once(caller, || async {
                let (user_id, now) = (caller.principal.user_id, self.0.now());
                let invitation = self.claimed(&claim, user_id).await?;
                let (organization, id) = (invitation.organization_id, invitation.id);
                let root = self.0.store.find_organization(organization).await?.ok_or_else(refused)?;
                require_alive(&root)?;
                if self.0.store.find_member(organization, user_id).await?.is_some() {
                    return Err(Error::conflict("already_member", "you are a member already"));
                }
                let member = Member::new(organization, user_id, invitation.role, now);
                let resource = format!("{organization}/{id}");
                let entry = self.0.audit(
                    caller,
                    organization,
                    "invitation.accept",
                    resource,
                    shown(&invitation),
                    &member,
                );
                let changeset = Changeset::new()
                    .organization(root.clone(), now)
                    .delete(Key::Invitation(organization, id))
                    .insert(member.clone())
                    .audit(entry);
                let root = Organization { version: root.version.next(), updated_at: now, ..root };
                Ok((changeset, (root, member)))
            })
            .await
    }
}

fn refused() -> Error {
    Error::not_found("open invitation for your address")
}

/// An invitation as the audit log shows it: without the token's hash.
fn shown(invitation: &Invitation) -> serde_json::Value {
    serde_json::json!({
        "id": invitation.id,
        "email": invitation.email,
        "role": invitation.role,
        "expires_at": invitation.expires_at,
    })
}

pub(super) fn require_alive(organization: &Organization) -> Result<()> {
    if organization.deletion_requested_at.is_none() {
        return Ok(());
    }
    Err(Error::conflict("organization_deleting", "the organization is being deleted"))
}
