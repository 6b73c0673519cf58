//! Suspension of organizations by operators.

use futures_executor::block_on;

use super::{START_UP, Setup, email};
use crate::changeset::Changeset;
use crate::error::ErrorKind;
use crate::fixture::id;
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{AuditFilter, BillingSuspension, OrganizationRole, Origin, Phase, Workspace};
use crate::notifier::Notification;
use crate::page::PageRequest;
use crate::platform::{Caller, CreateInvitation, IdempotencyKey};
use crate::search::SearchText;

impl Setup {
    /// Organization of `ann` with a workspace that is ready.
    async fn ready_workspace(&self) -> (Caller, OrganizationId, WorkspaceId) {
        let ann = self.sign_in("ann").await;
        let acme = self.create_organization(&ann, "acme").await.id;
        let dev = self.create_workspace(&ann, acme, "dev", "small").await.unwrap();
        self.become_phase(acme, dev, Phase::Ready).await;
        (ann, acme, dev)
    }

    async fn become_phase(&self, organization: OrganizationId, id: WorkspaceId, phase: Phase) -> Workspace {
        for _ in 0..9 {
            self.run_worker(START_UP).await;
            let found = self.platform.store().find_workspace(organization, id).await.unwrap().unwrap();
            if found.status.phase == phase {
                return found;
            }
        }
        panic!("the workspace does not become {phase}");
    }

    /// Sets or ends a billing suspension, as the billing reconciler does.
    async fn set_billing_suspension(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
        reason: Option<BillingSuspension>,
    ) {
        let store = self.platform.store();
        let mut workspace = store.find_workspace(organization, id).await.unwrap().unwrap();
        let now = self.platform.clock().now();
        workspace.suspension_reason = reason;
        crate::lifecycle::bump_generation(&mut workspace, now);
        store.commit(Changeset::new().workspace(workspace, now)).await.unwrap();
    }
}

#[test]
fn a_suspended_organization_has_no_running_and_no_new_workspaces() {
    block_on(async {
        let setup = Setup::new();
        let (ann, acme, dev) = setup.ready_workspace().await;
        let operator = setup.sign_in("operator").await;
        let address = Some("198.51.100.7".to_owned());
        let operator = Caller { origin: Origin { address, ..Origin::default() }, ..operator };
        let admin = setup.platform.organization_admin();
        let suspended =
            admin.suspend(Some(&operator), acme, Some("abuse of the network")).await.unwrap().value;
        assert_eq!(suspended.suspension.as_ref().unwrap().reason.as_deref(), Some("abuse of the network"));
        let read = setup.platform.organizations().get(&ann, acme).await.unwrap();
        assert_eq!(read, suspended, "members see the reason");

        let workspace = setup.become_phase(acme, dev, Phase::Suspended).await;
        assert_eq!(workspace.status.reason, "OrganizationSuspended");
        assert!(workspace.status.message.contains("contact the operators"), "{}", workspace.status.message);
        for error in [
            setup.create_workspace(&ann, acme, "other", "small").await.unwrap_err(),
            setup.platform.workspaces().resume(&ann, acme, dev).await.unwrap_err(),
            admin.suspend(Some(&operator), acme, None).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "organization_suspended"));
        }
        admin.resume(Some(&operator), acme).await.unwrap();
        setup.become_phase(acme, dev, Phase::Ready).await;
        setup.create_workspace(&ann, acme, "other", "small").await.unwrap();
        let error = admin.resume(Some(&operator), acme).await.unwrap_err();
        assert_eq!(error.code(), "organization_not_suspended");

        let log = setup.platform.organizations();
        let log = log
            .audit_events(&ann, acme, &AuditFilter::default(), &PageRequest::default())
            .await
            .unwrap()
            .items;
        let actions = log.iter().filter(|entry| entry.actor.user_id == Some(operator.principal.user_id));
        let actions: Vec<&str> = actions
            .inspect(|entry| {
                assert_eq!(entry.origin, Origin::default(), "the operator's address is not shown")
            })
            .map(|entry| entry.action.as_str())
            .collect();
        assert_eq!(actions, ["organization.resume", "organization.suspend"]);
    });
}

#[test]
fn neither_a_payment_nor_an_operator_ends_the_suspension_of_the_other() {
    block_on(async {
        let setup = Setup::new();
        let (ann, acme, dev) = setup.ready_workspace().await;
        let admin = setup.platform.organization_admin();
        admin.suspend(None, acme, None).await.unwrap();
        setup.set_billing_suspension(acme, dev, Some(BillingSuspension::Overdue)).await;
        let workspace = setup.become_phase(acme, dev, Phase::Suspended).await;
        assert_eq!(workspace.status.reason, "OrganizationSuspended");
        admin.resume(None, acme).await.unwrap();
        setup.run_worker(START_UP).await;
        let workspace = setup.become_phase(acme, dev, Phase::Suspended).await;
        assert_eq!(workspace.status.reason, "PaymentOverdue");

        admin.suspend(None, acme, None).await.unwrap();
        setup.set_billing_suspension(acme, dev, None).await;
        setup.run_worker(START_UP).await;
        let workspace = setup.become_phase(acme, dev, Phase::Suspended).await;
        assert_eq!(workspace.status.reason, "OrganizationSuspended");

        // A workspace that its members suspended stays suspended.
        admin.resume(None, acme).await.unwrap();
        setup.become_phase(acme, dev, Phase::Ready).await;
        setup.platform.workspaces().suspend(&ann, acme, dev).await.unwrap();
        admin.suspend(None, acme, None).await.unwrap();
        admin.resume(None, acme).await.unwrap();
        setup.run_worker(START_UP).await;
        let workspace = setup.become_phase(acme, dev, Phase::Suspended).await;
        assert_eq!(workspace.status.reason, "");
    });
}

#[test]
fn a_repeated_suspension_with_the_same_key_is_replayed() {
    block_on(async {
        let setup = Setup::new();
        let (_, acme, _) = setup.ready_workspace().await;
        let mut operator = setup.sign_in("operator").await;
        operator.idempotency = Some(IdempotencyKey::new("key", &[b"suspend"]).unwrap());
        let admin = setup.platform.organization_admin();
        let first = admin.suspend(Some(&operator), acme, None).await.unwrap();
        let second = admin.suspend(Some(&operator), acme, None).await.unwrap();
        assert_eq!((first.replayed, second.replayed), (false, true));
        assert_eq!(first.value, second.value);
        for reason in ["", "  ", "a\0b", &"a".repeat(501)] {
            let error = admin.suspend(None, acme, Some(reason)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{reason:?}");
        }
        assert_eq!(admin.suspend(None, id("absent"), None).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn operators_find_organizations_by_text() {
    block_on(async {
        let setup = Setup::new();
        let (_, acme, _) = setup.ready_workspace().await;
        let admin = setup.platform.organization_admin();
        let text = SearchText::parse("ACM").unwrap();
        let found = admin.list(Some(&text), &PageRequest::default()).await.unwrap().items;
        let [summary] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((summary.organization.id, summary.members, summary.workspaces), (acme, 1, 1));
        assert_eq!(admin.list(None, &PageRequest::default()).await.unwrap().items.len(), 2);
    });
}

#[test]
fn the_owners_are_notified_once_of_a_suspension_and_of_its_end() {
    block_on(async {
        let setup = Setup::new();
        let (ann, acme, _) = setup.ready_workspace().await;
        for (name, role) in [("bob", OrganizationRole::Owner), ("carol", OrganizationRole::Admin)] {
            let user = setup.sign_in(name).await;
            let command = CreateInvitation { email: email(name), role };
            let invitation = setup.platform.invitations().create(&ann, acme, &command).await.unwrap().value;
            setup.platform.invitations().accept_by_id(&user, invitation.id).await.unwrap();
        }
        let admin = setup.platform.organization_admin();
        admin.suspend(None, acme, Some("abuse")).await.unwrap();
        admin.suspend(None, acme, Some("abuse")).await.unwrap_err();
        setup.run_worker(START_UP).await;
        admin.resume(None, acme).await.unwrap();
        admin.resume(None, acme).await.unwrap_err();
        setup.run_worker(START_UP).await;
        let mails = setup.mails.0.lock().unwrap();
        let mut sent: Vec<_> = mails
            .iter()
            .filter(|mail| mail.notification.kind() != "invitation")
            .map(|mail| (mail.notification.kind(), mail.to.to_string()))
            .collect();
        sent.sort();
        let to = |name: &str| format!("{name}@example.com");
        assert_eq!(
            sent,
            [
                ("organization_resumed", to("ann")),
                ("organization_resumed", to("bob")),
                ("organization_suspended", to("ann")),
                ("organization_suspended", to("bob")),
            ]
        );
        let reason = mails.iter().find_map(|mail| match &mail.notification {
            Notification::OrganizationSuspended { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        assert_eq!(reason.unwrap().as_deref(), Some("abuse"));
    });
}
