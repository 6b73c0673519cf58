//! Live events of the changes in a changeset, so that a page with the changed objects can request them again. They are
//! derived from the writes, so no service can forget them.

use std::collections::BTreeSet;

use crate::changeset::{Changeset, Record, RecordKey, Write};
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::EventKind;

/// Change that is published without content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PublishedChange {
    pub(super) organization: OrganizationId,
    /// Workspace of the changed objects; `None` if they belong to the organization, or to any of its workspaces.
    pub(super) workspace: Option<WorkspaceId>,
    pub(super) kind: EventKind,
}

/// Returns the changes in a changeset, each once. The creation and deletion of an organization, and the objects of a new
/// workspace, are not published: no page shows them yet, or any more.
pub(super) fn published_changes(changeset: &Changeset) -> BTreeSet<PublishedChange> {
    let is_published = |change: &PublishedChange| {
        !changeset.writes.iter().any(|write| match write {
            Write::Insert(Record::Organization(organization)) => organization.id == change.organization,
            Write::Delete(RecordKey::Organization(organization)) => *organization == change.organization,
            Write::Insert(Record::Workspace(workspace)) => Some(workspace.id) == change.workspace,
            _ => false,
        })
    };
    changeset.writes.iter().flat_map(changes_of).filter(is_published).collect()
}

fn changes_of(write: &Write) -> Vec<PublishedChange> {
    match write {
        Write::Insert(record) | Write::Update(record) | Write::Put(record) => {
            let change = change_of(&record.key());
            change.into_iter().collect()
        }
        // The assignments, roles and alert rules of a project are deleted with it.
        Write::Delete(key @ RecordKey::Project(organization, workspace, _)) => {
            let owned = [EventKind::AccessChanged, EventKind::AlertsChanged];
            let owned = owned.map(|kind| in_workspace(*organization, *workspace, kind));
            change_of(key).into_iter().chain(owned).collect()
        }
        Write::Delete(key) => change_of(key).into_iter().collect(),
        // The affected workspaces are known to the store only.
        Write::LeaveGroups(organization, _) => vec![in_organization(*organization, EventKind::AccessChanged)],
        Write::RevokeSessions(..) => Vec::new(),
    }
}

/// Returns the change that a write to a record publishes. Every kind of record is listed, so that a new one requires a
/// decision.
fn change_of(key: &RecordKey) -> Option<PublishedChange> {
    match key {
        RecordKey::Member(organization, _)
        | RecordKey::Invitation(organization, _)
        | RecordKey::ServiceAccount(organization, _) => {
            Some(in_organization(*organization, EventKind::MembersChanged))
        }
        RecordKey::BillingAccount(organization) => {
            Some(in_organization(*organization, EventKind::BillingChanged))
        }
        RecordKey::Group(organization, workspace, _)
        | RecordKey::Membership(organization, workspace, ..)
        | RecordKey::Role(organization, workspace, _)
        | RecordKey::Assignment(organization, workspace, _) => {
            Some(in_workspace(*organization, *workspace, EventKind::AccessChanged))
        }
        RecordKey::Project(organization, workspace, _) => {
            Some(in_workspace(*organization, *workspace, EventKind::ProjectsChanged))
        }
        RecordKey::AlertRule(organization, workspace, _) => {
            Some(in_workspace(*organization, *workspace, EventKind::AlertsChanged))
        }
        // Inventories change with the objects in them, which have events of their own.
        RecordKey::Inventory(..) => None,
        // Changes of the phase and of tasks have events with content, which the services add.
        RecordKey::Workspace(..) | RecordKey::Task(..) | RecordKey::Event(..) => None,
        // Every change inside an organization updates it; usage changes every hour.
        RecordKey::Organization(_) | RecordKey::UsageHour(..) | RecordKey::UsageReport(..) => None,
        // Records of users and of the installation belong to no organization.
        RecordKey::User(_)
        | RecordKey::Identity(..)
        | RecordKey::Session(_)
        | RecordKey::SpentRefresh(..)
        | RecordKey::ApiToken(_)
        | RecordKey::SecurityEvent(..)
        | RecordKey::SigningKey(_)
        | RecordKey::Host(_)
        | RecordKey::Plans
        | RecordKey::WebhookEvent(_)
        | RecordKey::MeteredHour(_) => None,
    }
}

const fn in_organization(organization: OrganizationId, kind: EventKind) -> PublishedChange {
    PublishedChange { organization, workspace: None, kind }
}

const fn in_workspace(
    organization: OrganizationId,
    workspace: WorkspaceId,
    kind: EventKind,
) -> PublishedChange {
    PublishedChange { organization, workspace: Some(workspace), kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, id};

    fn published(changeset: &Changeset) -> Vec<(Option<WorkspaceId>, &'static str)> {
        let changes = published_changes(changeset).into_iter();
        changes.map(|change| (change.workspace, change.kind.as_str())).collect()
    }

    #[test]
    fn every_change_that_a_page_shows_is_published() {
        let (acme, dev) = (id::<OrganizationId>("acme"), id::<WorkspaceId>("dev"));
        let (members, billing) = (vec![(None, "members.changed")], vec![(None, "billing.changed")]);
        let (access, projects) = (vec![(Some(dev), "access.changed")], vec![(Some(dev), "projects.changed")]);
        let alerts = vec![(Some(dev), "alerts.changed")];
        for (key, expected) in [
            (RecordKey::Member(acme, id("ann")), members.clone()),
            (RecordKey::Invitation(acme, id("new")), members.clone()),
            (RecordKey::ServiceAccount(acme, id("robot")), members),
            (RecordKey::BillingAccount(acme), billing),
            (RecordKey::Group(acme, dev, id("group")), access.clone()),
            (RecordKey::Membership(acme, dev, id("group"), id("ann")), access.clone()),
            (RecordKey::Role(acme, dev, id("role")), access.clone()),
            (RecordKey::Assignment(acme, dev, id("assignment")), access.clone()),
            (RecordKey::AlertRule(acme, dev, id("rule")), alerts.clone()),
            (RecordKey::Project(acme, dev, id("web")), [access, projects, alerts].concat()),
            (RecordKey::Inventory(acme, crate::name::Slug::parse("git").unwrap()), Vec::new()),
            (RecordKey::Workspace(acme, dev), Vec::new()),
            (RecordKey::Task(acme, dev, id("task")), Vec::new()),
            (RecordKey::Event(acme, id("event")), Vec::new()),
            (RecordKey::User(id("ann")), Vec::new()),
            (RecordKey::Session(id("session")), Vec::new()),
            (RecordKey::ApiToken(id("token")), Vec::new()),
            (RecordKey::Plans, Vec::new()),
        ] {
            assert_eq!(published(&Changeset::new().delete(key.clone())), expected, "{key:?}");
        }
        let left = Changeset::new().write(Write::LeaveGroups(acme, id("ann")));
        assert_eq!(published(&left), [(None, "access.changed")]);
    }

    #[test]
    fn a_bulk_change_is_published_once_per_kind_and_workspace() {
        let mut changeset = Changeset::new();
        for name in ["one", "two", "three"] {
            changeset = changeset.insert(fixture::group(name)).update(fixture::project(name));
        }
        let dev = Some(id("dev"));
        assert_eq!(published(&changeset), [(dev, "access.changed"), (dev, "projects.changed")]);
    }

    #[test]
    fn new_and_deleted_organizations_and_new_workspaces_publish_nothing_of_their_contents() {
        let (acme, ann) = (fixture::organization("acme"), fixture::user("ann"));
        let member = fixture::member(acme.id, ann.id, crate::model::OrganizationRole::Owner);
        let created = Changeset::new().insert(acme.clone()).insert(member);
        assert_eq!(published(&created), []);
        let deleted = Changeset::new()
            .delete(RecordKey::Member(acme.id, ann.id))
            .delete(RecordKey::Organization(acme.id));
        assert_eq!(published(&deleted), []);
        let workspace = Changeset::new().insert(fixture::workspace("dev")).insert(fixture::group("admins"));
        assert_eq!(published(&workspace), []);
    }
}
