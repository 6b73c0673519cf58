//! Limits of invitations, which are mails to strangers.

use std::time::Duration;

use futures_executor::block_on;

use super::{Setup, email};
use crate::access::{Ability, Action};
use crate::error::{ErrorKind, Result};
use crate::fixture;
use crate::id::OrganizationId;
use crate::model::{Invitation, OrganizationRole};
use crate::name::{DisplayName, ManagedObject, Slug};
use crate::notifier::Notification;
use crate::page::PageRequest;
use crate::platform::{Caller, CreateInvitation, PlatformConfig, UpdateInventory};
use crate::secret::ExposeSecret as _;
use crate::version::Version;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn unlimited(config: &mut PlatformConfig) {
    config.max_owned_organizations = None;
    config.invitations_per_day = None;
}

impl Setup {
    async fn invite(&self, caller: &Caller, organization: OrganizationId, name: &str) -> Result<Invitation> {
        let command = CreateInvitation { email: email(name), role: OrganizationRole::Member };
        Ok(self.platform.invitations().create(caller, organization, &command).await?.value)
    }

    async fn withdraw(&self, caller: &Caller, invitation: &Invitation) {
        let invitations = self.platform.invitations();
        invitations.withdraw(caller, invitation.organization_id, invitation.id).await.unwrap();
    }
}

#[test]
fn the_name_in_an_invitation_has_no_link() {
    block_on(async {
        let setup = Setup::new();
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await.id;
        let name = DisplayName::parse("Claim your prize at https://evil.example/now").unwrap();
        setup.platform.organizations().update(&ann, acme, Some(name), None).await.unwrap();
        setup.invite(&ann, acme, "bob").await.unwrap();
        setup.run_worker(Duration::ZERO).await;
        let mails = setup.mails.0.lock().unwrap();
        let Notification::Invitation { organization, accept_url, token, .. } = &mails[0].notification else {
            panic!("{mails:?}");
        };
        assert_eq!(organization.as_str(), "Claim your prize at https evil example now");
        let link = format!("https://hexabase.example/invitations#token={}", token.expose_secret());
        assert_eq!(accept_url.expose_secret(), link);
    });
}

#[test]
fn an_address_has_one_open_invitation_per_organization() {
    block_on(async {
        let setup = Setup::new();
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await.id;
        let first = setup.invite(&ann, acme, "bob").await.unwrap();
        let error = setup.invite(&ann, acme, "bob").await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "already_invited"));
        setup.withdraw(&ann, &first).await;
        let second = setup.invite(&ann, acme, "bob").await.unwrap();

        // An expired invitation is replaced.
        setup.clock.advance(setup.platform.config().invitation_ttl);
        let third = setup.invite(&ann, acme, "bob").await.unwrap();
        let stored = setup.platform.store().list_invitations_to(acme, &email("bob")).await.unwrap();
        assert_eq!(stored.iter().map(|invitation| invitation.id).collect::<Vec<_>>(), [third.id]);
        assert_ne!(second.id, third.id);
    });
}

#[test]
fn an_address_has_ten_open_invitations_over_all_organizations() {
    block_on(async {
        let setup = Setup::with(unlimited);
        let ann = setup.sign_in("ann").await;
        for number in 0..11 {
            let organization = setup.create_organization(&ann, &format!("org-{number}")).await.id;
            setup.clock.advance(DAY / 2);
            let outcome = setup.invite(&ann, organization, "bob").await;
            match number {
                10 => assert_eq!(outcome.unwrap_err().kind(), ErrorKind::QuotaExceeded),
                _ => assert!(outcome.is_ok(), "invitation {number}: {outcome:?}"),
            }
        }
        let bob = setup.sign_in("bob").await;
        let open = setup.platform.invitations().list_for_caller(&bob).await.unwrap();
        setup.platform.invitations().accept_by_id(&bob, open[0].1.id).await.unwrap();
        let another = setup.create_organization(&ann, "another").await.id;
        setup.invite(&ann, another, "bob").await.unwrap();
    });
}

#[test]
fn an_address_receives_ten_invitations_per_day() {
    block_on(async {
        let setup = Setup::with(unlimited);
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await.id;
        for _ in 0..10 {
            let invitation = setup.invite(&ann, acme, "bob").await.unwrap();
            setup.withdraw(&ann, &invitation).await;
        }
        let globex = setup.create_organization(&ann, "globex").await.id;
        assert_eq!(setup.invite(&ann, globex, "bob").await.unwrap_err().kind(), ErrorKind::RateLimited);
        setup.invite(&ann, globex, "carol").await.unwrap();
        setup.clock.advance(DAY);
        setup.invite(&ann, globex, "bob").await.unwrap();
    });
}

#[test]
fn a_user_and_an_organization_send_a_limited_number_of_invitations_per_day() {
    block_on(async {
        let setup = Setup::with(|config| config.invitations_per_day = Some(3));
        let (ann, bob) = (setup.sign_in("ann").await, setup.sign_in("bob").await);
        let acme = setup.create_organization(&ann, "acme").await.id;
        let globex = setup.create_organization(&ann, "globex").await.id;
        let invite_bob = CreateInvitation { email: email("bob"), role: OrganizationRole::Admin };
        let invitation = setup.platform.invitations().create(&ann, acme, &invite_bob).await.unwrap().value;
        setup.platform.invitations().accept_by_id(&bob, invitation.id).await.unwrap();
        setup.invite(&ann, acme, "a").await.unwrap();
        setup.invite(&ann, globex, "a").await.unwrap();
        let of_user = setup.invite(&ann, globex, "b").await.unwrap_err();
        assert_eq!(of_user.kind(), ErrorKind::RateLimited);
        assert!(of_user.message().starts_with("you have the maximum of 3 invitations"), "{of_user}");

        setup.invite(&bob, acme, "b").await.unwrap();
        let of_organization = setup.invite(&bob, acme, "c").await.unwrap_err();
        assert_eq!(of_organization.kind(), ErrorKind::RateLimited);
        assert!(of_organization.message().starts_with("the organization has"), "{of_organization}");
        setup.clock.advance(DAY);
        setup.invite(&bob, acme, "c").await.unwrap();
    });
}

#[test]
fn expired_invitations_do_not_count_for_the_command_the_ability_and_the_overview() {
    block_on(async {
        let mut plan = fixture::plan("small");
        plan.limits.members = 2;
        let setup = Setup::with_plans(vec![plan], |_| {});
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await.id;
        setup.invite(&ann, acme, "bob").await.unwrap();
        let can_invite = async || {
            let abilities = setup.platform.abilities(&ann, acme, None).await.unwrap();
            abilities[&Action::InvitationCreate] == Ability::Allowed
        };
        assert!(!can_invite().await, "ann and the invitation use the limit of two members");
        assert_eq!(setup.invite(&ann, acme, "carol").await.unwrap_err().kind(), ErrorKind::QuotaExceeded);

        setup.clock.advance(setup.platform.config().invitation_ttl);
        assert!(can_invite().await);
        let overview = setup.platform.organizations().overview(&ann, acme).await.unwrap();
        assert_eq!((overview.counts.invitations, overview.expired_invitations), (0, 1));
        let carol = setup.invite(&ann, acme, "carol").await.unwrap();
        assert!(!can_invite().await);
        let stored = setup.platform.store().list_invitations(acme, &PageRequest::largest()).await.unwrap();
        let stored: Vec<_> = stored.items.iter().map(|invitation| invitation.id).collect();
        assert_eq!(stored, [carol.id], "a new invitation replaces the expired ones");
    });
}

#[test]
fn a_member_replaces_the_accepted_invitation_in_its_inventory() {
    block_on(async {
        let setup = Setup::with(unlimited);
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await.id;
        let add = async |inventory: &str, id: String| {
            let name = Slug::parse(inventory).unwrap();
            let add = [ManagedObject::parse(&id).unwrap()].into();
            let command = UpdateInventory { add, ..UpdateInventory::default() };
            setup.platform.inventories().update(&ann, acme, &name, &command, None).await.unwrap();
        };
        let stored = async || {
            let stored = setup.platform.store().list_inventories(acme).await.unwrap();
            let pair = |inventory: crate::model::Inventory| {
                let objects: Vec<String> = inventory.objects.iter().map(ToString::to_string).collect();
                (inventory.name.to_string(), objects, inventory.version)
            };
            stored.into_iter().map(pair).collect::<Vec<_>>()
        };
        let bob = setup.sign_in("bob").await;
        let bob_id = bob.principal.user_id.to_string();
        let invitation = setup.invite(&ann, acme, "bob").await.unwrap().id;
        add("git", invitation.to_string()).await;
        setup.platform.invitations().accept_by_id(&bob, invitation).await.unwrap();
        assert_eq!(stored().await, [("git".to_owned(), vec![bob_id], Version::FIRST.next())]);

        // A user who is in another inventory stays there, and an inventory without objects is deleted.
        let carol = setup.sign_in("carol").await;
        let carol_id = carol.principal.user_id.to_string();
        let invitation = setup.invite(&ann, acme, "carol").await.unwrap().id;
        add("other", invitation.to_string()).await;
        add("git", carol_id.clone()).await;
        setup.platform.invitations().accept_by_id(&carol, invitation).await.unwrap();
        let stored = stored().await;
        assert_eq!(stored.len(), 1, "{stored:?}");
        assert!(stored[0].0 == "git" && stored[0].1.contains(&carol_id), "{stored:?}");
    });
}
