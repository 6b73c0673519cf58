//! Immediate access revocation: the remaining members of the affected groups are bound by name until no token can name
//! these groups for the removed user.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::ManualClock;
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use hexabase_core::model::{GroupPreset, OrganizationRole, Phase, Workspace};
use hexabase_core::name::HostClusterName;
use hexabase_core::page::PageRequest;
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::Caller;
use hexabase_core::provisioner::{Fleet, MemoryProvisioner};
use hexabase_core::store::{Commit as _, MemoryStore};
use hexabase_core::worker::Worker;

const MINUTE: Duration = Duration::from_secs(60);

struct Setup {
    platform: Platform,
    clock: Arc<ManualClock>,
    cluster: Arc<MemoryProvisioner>,
    organization: OrganizationId,
    workspace: WorkspaceId,
    admins: GroupId,
}

fn caller(name: &str) -> Caller {
    Caller::for_user(id::<UserId>(name))
}

impl Setup {
    /// Creates a ready workspace with Ann, Bob and Cyd as its administrators.
    async fn new() -> Self {
        let (clock, store) = (Arc::new(ManualClock::new(FIXTURE_TIME)), Arc::new(MemoryStore::new()));
        let cluster = Arc::new(MemoryProvisioner::new(clock.clone(), Duration::ZERO));
        let name = HostClusterName::parse("east").unwrap();
        let host = HostCluster { sandbox: true, ..HostCluster::new(name) };
        let platform = Platform::builder("https://hexabase.example")
            .with_plans(vec![fixture::plan("small")])
            .with_store(store.clone())
            .with_clock(clock.clone())
            .with_fleet(Fleet::new().with(host, cluster.clone()))
            .build()
            .unwrap();
        let organization = fixture::organization("acme");
        let mut changeset = Changeset::new().insert(organization.clone());
        for name in ["ann", "bob", "cyd", "dan"] {
            let role = if name == "ann" { OrganizationRole::Owner } else { OrganizationRole::Member };
            let user = fixture::user(name);
            let member = fixture::member(organization.id, user.id, role);
            changeset = changeset.insert(user).insert(member);
        }
        store.commit(changeset).await.unwrap();
        let request = fixture::create_workspace("shop", &platform.plans().default_plan().id);
        let created = platform.workspaces().create(&caller("ann"), organization.id, &request).await.unwrap();
        let workspace = created.value.workspace.id;
        let groups = platform
            .groups()
            .list(&caller("ann"), organization.id, workspace, None, &PageRequest::largest())
            .await
            .unwrap();
        let admins = groups.items.iter().find(|group| group.preset == Some(GroupPreset::Admins)).unwrap().id;
        let setup = Self { platform, clock, cluster, organization: organization.id, workspace, admins };
        setup.add_administrator("bob").await;
        setup.add_administrator("cyd").await;
        setup.reconcile().await;
        setup
    }

    async fn add_administrator(&self, name: &str) {
        let groups = self.platform.groups();
        groups
            .add_member(&caller("ann"), self.organization, self.workspace, self.admins, id(name))
            .await
            .unwrap();
    }

    async fn remove_user(&self, name: &str, immediately: bool) {
        let members = self.platform.workspace_members();
        members
            .remove(&caller("ann"), self.organization, self.workspace, id(name), immediately)
            .await
            .unwrap();
    }

    async fn load_workspace(&self) -> Workspace {
        let found = self.platform.store().find_workspace(self.organization, self.workspace).await;
        found.unwrap().unwrap()
    }

    /// Runs the worker until the workspace is ready and reconciled.
    async fn reconcile(&self) {
        let worker = Worker::new(self.platform.clone(), 1);
        worker.run_once().await.unwrap();
        while self.load_workspace().await.status.phase != Phase::Ready
            || !self.load_workspace().await.is_reconciled()
        {
            self.clock.advance(Duration::from_secs(1));
            worker.run_once().await.unwrap();
        }
    }

    /// Users that the administrator binding names; `None` if it names the group.
    async fn administrators(&self) -> Option<Vec<String>> {
        let tenant = self.cluster.tenant(&TenantTarget::of(&self.load_workspace().await)).unwrap();
        let binding = tenant.bindings.iter().find(|binding| binding.group == "hexabase:WSAdmins").unwrap();
        let name = |subject: &String| {
            let all = ["ann", "bob", "cyd", "dan"];
            let found = all.iter().find(|name| *subject == format!("hexabase:{}", id::<UserId>(name)));
            (*found.unwrap()).to_owned()
        };
        let mut users: Vec<String> = binding.users.as_ref()?.iter().map(name).collect();
        users.sort_unstable();
        Some(users)
    }
}

#[tokio::test]
async fn an_immediately_removed_user_loses_access_and_the_other_members_keep_it() {
    let setup = Setup::new().await;
    assert_eq!(setup.administrators().await, None);
    setup.remove_user("bob", true).await;
    setup.reconcile().await;
    assert_eq!(setup.administrators().await.unwrap(), ["ann", "cyd"]);

    // A member who is added or removed meanwhile is also bound or unbound by name.
    setup.add_administrator("dan").await;
    setup.reconcile().await;
    assert_eq!(setup.administrators().await.unwrap(), ["ann", "cyd", "dan"]);
    setup.remove_user("cyd", false).await;
    setup.reconcile().await;
    assert_eq!(setup.administrators().await.unwrap(), ["ann", "dan"]);

    // Once Bob's last token that names the group has expired, the group is bound again, without drift.
    setup.clock.advance(9 * MINUTE);
    setup.reconcile().await;
    assert_eq!(setup.administrators().await.unwrap(), ["ann", "dan"]);
    setup.clock.advance(3 * MINUTE);
    setup.reconcile().await;
    assert_eq!(setup.administrators().await, None);
    let after = setup.load_workspace().await;
    assert_eq!(
        (after.access_revocations.len(), after.status.drift.map_or(0, |drift| drift.entries.len())),
        (0, 0)
    );
}

#[tokio::test]
async fn the_group_stays_bound_by_name_until_the_last_revocation_has_ended() {
    let setup = Setup::new().await;
    setup.remove_user("bob", true).await;
    setup.clock.advance(6 * MINUTE);
    setup.remove_user("cyd", true).await;
    setup.reconcile().await;
    setup.clock.advance(6 * MINUTE);
    setup.reconcile().await;
    assert_eq!(setup.administrators().await.unwrap(), ["ann"]);
    assert_eq!(setup.load_workspace().await.access_revocations.len(), 1);
    setup.clock.advance(6 * MINUTE);
    setup.reconcile().await;
    assert_eq!(setup.administrators().await, None);
}

#[tokio::test]
async fn a_revocation_also_ends_while_the_workspace_is_suspended() {
    let setup = Setup::new().await;
    setup.remove_user("bob", true).await;
    let (ann, organization, workspace) = (caller("ann"), setup.organization, setup.workspace);
    setup.platform.workspaces().suspend(&ann, organization, workspace).await.unwrap();
    let worker = Worker::new(setup.platform.clone(), 1);
    while setup.load_workspace().await.status.phase != Phase::Suspended {
        setup.clock.advance(Duration::from_secs(1));
        worker.run_once().await.unwrap();
    }
    setup.clock.advance(12 * MINUTE);
    setup.platform.workspaces().resume(&ann, organization, workspace).await.unwrap();
    setup.reconcile().await;
    assert_eq!(setup.administrators().await, None);
    assert!(setup.load_workspace().await.access_revocations.is_empty());
}
