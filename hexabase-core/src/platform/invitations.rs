use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;

use super::members::require_owner;
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::{Action, check_role_grant};
use crate::changeset::{Changeset, OutboxMessage, RecordKey};
use crate::clock::after;
use crate::ephemeral::Rate;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::limits;
use crate::model::{Inventory, Invitation, Member, Organization, OrganizationCounts, OrganizationRole};
use crate::name::{Email, ManagedObject};
use crate::notifier::{Notification, PlainName};
use crate::page::{Page, PageRequest};
use crate::secret::{BearerToken, ExposeSecret as _, SecretString, Verifier, VerifierHash};
use jiff::Timestamp;

const INVITATION_TOKEN_PREFIX: &str = "hxi";
/// Maximum number of open invitations to one address, into all organizations together.
const MAX_OPEN_PER_RECIPIENT: u32 = 10;
/// Maximum number of invitations to one address per day, from all organizations together.
const MAX_DAILY_PER_RECIPIENT: u32 = 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Invitations into organizations.
#[derive(Debug, Clone, Copy)]
pub struct Invitations<'a>(pub(super) &'a PlatformInner);

/// Command to invite a person to an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateInvitation {
    /// E-mail address of the person. Only a user with this verified address can accept.
    pub email: Email,
    /// Role in the organization.
    pub role: OrganizationRole,
}

impl PlatformInner {
    /// Counts the objects of an organization without its expired invitations, and returns these. At most the oldest 200
    /// invitations are considered: all are valid for the same time, so the expired ones come first.
    pub(super) async fn count_with_open_invitations(
        &self,
        caller: &Caller,
        organization: OrganizationId,
    ) -> Result<(OrganizationCounts, Vec<Invitation>)> {
        let now = self.now();
        let mut counts = self.reads(caller).counts(organization).await?;
        if counts.invitations == 0 {
            return Ok((counts, Vec::new()));
        }
        let mut expired = self.reads(caller).invitations(organization).await?.items;
        expired.retain(|invitation| invitation.expires_at <= now);
        let closed = u32::try_from(expired.len()).unwrap_or(u32::MAX);
        counts.invitations = counts.invitations.saturating_sub(closed);
        Ok((counts, expired))
    }
}

/// Reference to the invitation that a caller accepts.
enum InvitationRef {
    /// Token from the mail to the invited address.
    ByToken(OrganizationId, InvitationId, Verifier),
    /// Id; the caller's own address must be the invited one.
    ById(InvitationId),
}

impl Invitations<'_> {
    /// Creates an invitation. The token is sent to the address by mail and is not returned.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role; only owners invite owners, and no caller invites to
    ///   a role that exceeds its own role or the scopes of its token.
    /// - `QuotaExceeded` if the member limit of the plan is reached, or the address has the maximum number of open
    ///   invitations.
    /// - `RateLimited` if the address, the organization or the caller has the maximum number of invitations of a day.
    /// - `Conflict` with code `already_invited` if the address has an open invitation to the organization,
    ///   `already_member` or `organization_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: &CreateInvitation,
    ) -> Result<Idempotent<Invitation>> {
        let authorization = Authorization::Organization(organization, Action::InvitationCreate);
        let is_counted = AtomicBool::new(false);
        self.0
            .run_idempotent(caller, authorization, || async {
                let own = self.0.permit(caller, organization, Action::InvitationCreate).await?;
                if command.role == OrganizationRole::Owner {
                    require_owner(own)?;
                }
                check_role_grant(&caller.principal, own, command.role)?;
                let root = self.0.organization(organization).await?;
                require_not_deleting(&root)?;
                self.require_not_member(organization, &command.email).await?;
                let now = self.0.now();
                let expired = self.expired_invitations(organization, &command.email, now).await?;
                let (counts, surplus) = self.0.count_with_open_invitations(caller, organization).await?;
                limits::check_member_limit(&counts, self.0.plans().await?.get(&root.plan_id)?)?;
                if self.0.store.count_open_invitations(&command.email, now).await? >= MAX_OPEN_PER_RECIPIENT {
                    let message = format!(
                        "the address has {MAX_OPEN_PER_RECIPIENT} open invitations; it must accept one, or one must \
                         expire, before it is invited again"
                    );
                    return Err(Error::quota_exceeded(message));
                }
                // Counted once, even if the commit is repeated after a version conflict.
                if !is_counted.swap(true, Ordering::Relaxed) {
                    self.count_invitation(caller, organization, &command.email).await?;
                }

                let verifier = Verifier::generate(&*self.0.ids);
                let invitation = Invitation {
                    id: self.0.id(now),
                    organization_id: organization,
                    email: command.email.clone(),
                    role: command.role,
                    hash: verifier.hash(),
                    invited_by: caller.principal.user_id,
                    created_at: now,
                    expires_at: after(now, self.0.config.invitation_ttl),
                };
                let token =
                    BearerToken::new(INVITATION_TOKEN_PREFIX, &[&organization, &invitation.id], &verifier);
                let message = self.notification(&root, &invitation, token)?;
                let resource = format!("{organization}/{}", invitation.id);
                let entry = self.0.audit(
                    caller,
                    organization,
                    "invitation.create",
                    resource,
                    (),
                    audit_value(&invitation),
                );
                // Expired invitations do not count, so a new one replaces them.
                let replaced: BTreeSet<_> = expired.iter().chain(&surplus).map(|old| old.id).collect();
                let changeset = replaced
                    .into_iter()
                    .fold(Changeset::new(), |changeset, old| {
                        changeset.delete(RecordKey::Invitation(organization, old))
                    })
                    .organization(root, now)
                    .insert(invitation.clone())
                    .message(message)
                    .audit(entry);
                Ok((changeset, invitation))
            })
            .await
    }

    async fn require_not_member(&self, organization: OrganizationId, email: &Email) -> Result<()> {
        let Some(user) = self.0.store.find_user_by_email(email).await? else { return Ok(()) };
        match self.0.store.find_member(organization, user.id).await? {
            Some(_) => {
                Err(Error::conflict("already_member", "the user with this address is already a member"))
            }
            None => Ok(()),
        }
    }

    /// Returns the expired invitations of the organization to an address, which a new one replaces.
    ///
    /// # Errors
    /// `Conflict` with code `already_invited` if one is open.
    async fn expired_invitations(
        &self,
        organization: OrganizationId,
        email: &Email,
        now: Timestamp,
    ) -> Result<Vec<Invitation>> {
        let existing = self.0.store.list_invitations_to(organization, email).await?;
        if existing.iter().any(|invitation| now < invitation.expires_at) {
            let message = "the address has an open invitation to the organization; withdraw it before you send another one";
            return Err(Error::conflict("already_invited", message));
        }
        Ok(existing)
    }

    /// Takes one token from each of the limits per day. The limit of the recipient comes last, so that a caller who
    /// has reached a limit does not use it up.
    async fn count_invitation(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<()> {
        let own = self.0.config.invitations_per_day;
        let recipient = VerifierHash::of_parts(&[email.as_str().as_bytes()]);
        let limits = [
            (format!("invitations:{}", caller.principal.user_id), own, "you have"),
            (format!("invitations:{organization}"), own, "the organization has"),
            (format!("invitations:{recipient}"), Some(MAX_DAILY_PER_RECIPIENT), "the address has"),
        ];
        for (bucket, limit, subject) in limits {
            let Some(burst) = limit else { continue };
            let allowance = self.0.ephemeral.take_token(&bucket, Rate { burst, period: DAY }).await?;
            if !allowance.allowed {
                let message =
                    format!("{subject} the maximum of {burst} invitations per day; send further ones later");
                return Err(Error::new(ErrorKind::RateLimited, message)
                    .with_retry(Retry::After(allowance.retry_after)));
            }
        }
        Ok(())
    }

    fn notification(
        &self,
        organization: &Organization,
        invitation: &Invitation,
        token: SecretString,
    ) -> Result<OutboxMessage> {
        let config = &self.0.config;
        let notification = Notification::Invitation {
            organization: PlainName::of(organization),
            role: invitation.role,
            accept_url: config.notifications.accept_url(&config.public_url, &token),
            token,
            expires_at: invitation.expires_at,
        };
        self.0.notification(organization.id, invitation.email.clone(), notification)
    }

    /// Lists the invitations of an organization, open and expired.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>> {
        self.0.permit(caller, organization, Action::InvitationsManage).await?;
        match *page == PageRequest::largest() {
            true => self.0.reads(caller).invitations(organization).await,
            false => self.0.store.list_invitations(organization, page).await,
        }
    }

    /// Withdraws an invitation.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
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
                    audit_value(&invitation),
                    (),
                );
                let changeset = Changeset::new()
                    .organization(root, self.0.now())
                    .delete(RecordKey::Invitation(organization, id))
                    .audit(entry);
                Ok((changeset, ()))
            })
            .await
    }

    /// Lists the open invitations to the caller's own address, each with its organization.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_for_caller(&self, caller: &Caller) -> Result<Vec<(Organization, Invitation)>> {
        let open = self.0.store.list_open_invitations(caller.principal.user_id, self.0.now()).await?;
        let organizations = open.iter().map(|open| self.0.store.find_organization(open.organization_id));
        let organizations = try_join_all(organizations).await?;
        let pair = |(organization, invitation): (Option<Organization>, _)| Some((organization?, invitation));
        Ok(organizations.into_iter().zip(open).filter_map(pair).collect())
    }

    /// Accepts an invitation with the token from the mail: the caller becomes a member, and the invitation is deleted.
    ///
    /// # Errors
    /// - `NotFound` for a token that is wrong, used, withdrawn, expired or for another address; the error does not
    ///   distinguish these cases.
    /// - `Forbidden` if the caller authenticates with a token instead of a session.
    /// - `Conflict` with code `already_member` or `organization_deleting`.
    pub async fn accept(
        &self,
        caller: &Caller,
        token: &SecretString,
    ) -> Result<Idempotent<(Organization, Member)>> {
        let (organization, id, verifier) = BearerToken::split_two::<OrganizationId, InvitationId>(
            INVITATION_TOKEN_PREFIX,
            token.expose_secret(),
        )
        .ok_or_else(no_open_invitation)?;
        self.join(caller, InvitationRef::ByToken(organization, id, verifier)).await
    }

    /// Accepts an invitation from [`Self::list_for_caller`]. A token is not required, because the caller has signed in
    /// with the invited address.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub async fn accept_by_id(
        &self,
        caller: &Caller,
        id: InvitationId,
    ) -> Result<Idempotent<(Organization, Member)>> {
        self.join(caller, InvitationRef::ById(id)).await
    }

    /// Returns the referenced invitation if it is open to this user.
    async fn resolve(&self, reference: &InvitationRef, user: UserId) -> Result<Invitation> {
        let found = match reference {
            InvitationRef::ByToken(organization, id, verifier) => {
                let found = self.0.store.find_invitation(*organization, *id).await?;
                found.filter(|invitation| invitation.hash.matches(verifier))
            }
            InvitationRef::ById(id) => {
                let open = self.0.store.list_open_invitations(user, self.0.now()).await?;
                open.into_iter().find(|invitation| invitation.id == *id)
            }
        };
        let invitation = found.ok_or_else(no_open_invitation)?;
        let user = self.0.store.find_user(user).await?.ok_or_else(no_open_invitation)?;
        let is_open = user.email.as_ref() == Some(&invitation.email) && self.0.now() < invitation.expires_at;
        if is_open { Ok(invitation) } else { Err(no_open_invitation()) }
    }

    async fn join(
        &self,
        caller: &Caller,
        reference: InvitationRef,
    ) -> Result<Idempotent<(Organization, Member)>> {
        if !caller.principal.credential.is_sign_in() {
            return Err(Error::forbidden(
                "an invitation can be accepted by a signed-in user only, not with a token",
            ));
        }
        self.0
            .run_idempotent(caller, Authorization::Caller, || async {
                let (user_id, now) = (caller.principal.user_id, self.0.now());
                let invitation = self.resolve(&reference, user_id).await?;
                let (organization, id) = (invitation.organization_id, invitation.id);
                let root =
                    self.0.store.find_organization(organization).await?.ok_or_else(no_open_invitation)?;
                require_not_deleting(&root)?;
                if self.0.store.find_member(organization, user_id).await?.is_some() {
                    return Err(Error::conflict("already_member", "you are already a member"));
                }
                let member = Member::new(organization, user_id, invitation.role, now);
                let resource = format!("{organization}/{id}");
                let entry = self.0.audit(
                    caller,
                    organization,
                    "invitation.accept",
                    resource,
                    audit_value(&invitation),
                    &member,
                );
                let changeset = Changeset::new()
                    .organization(root.clone(), now)
                    .delete(RecordKey::Invitation(organization, id))
                    .insert(member.clone())
                    .audit(entry);
                let inventories = self.0.store.list_inventories(organization).await?;
                let changeset = replace_in_inventory(changeset, &inventories, id, user_id, now)?;
                let root = Organization { version: root.version.next(), updated_at: now, ..root };
                Ok((changeset, (root, member)))
            })
            .await
    }
}

/// Replaces an accepted invitation by the user in the inventory that has it, so that the member has the same source as
/// the invitation had. An object is in at most one inventory, so a user who is in one already stays there.
fn replace_in_inventory(
    changeset: Changeset,
    inventories: &[Inventory],
    invitation: InvitationId,
    user: UserId,
    now: Timestamp,
) -> Result<Changeset> {
    let object = |id: String| {
        let invalid = |error| Error::unexpected("an id is no object of an inventory").caused_by(error);
        ManagedObject::parse(&id).map_err(invalid)
    };
    let (invited, joined) = (object(invitation.to_string())?, object(user.to_string())?);
    let Some(before) = inventories.iter().find(|inventory| inventory.objects.contains(&invited)) else {
        return Ok(changeset);
    };
    let mut inventory =
        Inventory { updated_by: user, updated_at: now, version: before.version.next(), ..before.clone() };
    inventory.objects.remove(&invited);
    if !inventories.iter().any(|inventory| inventory.objects.contains(&joined)) {
        inventory.objects.insert(joined);
    }
    Ok(match inventory.objects.is_empty() {
        true => changeset.delete(RecordKey::Inventory(inventory.organization_id, inventory.name)),
        false => changeset.update(inventory),
    })
}

fn no_open_invitation() -> Error {
    Error::not_found("open invitation for your address")
}

/// Returns an invitation for the audit log, without the hash of the token.
fn audit_value(invitation: &Invitation) -> serde_json::Value {
    serde_json::json!({
        "id": invitation.id,
        "email": invitation.email,
        "role": invitation.role,
        "expires_at": invitation.expires_at,
    })
}

pub(super) fn require_not_deleting(organization: &Organization) -> Result<()> {
    if organization.deletion_requested_at.is_none() {
        return Ok(());
    }
    Err(Error::conflict("organization_deleting", "the organization is being deleted"))
}
