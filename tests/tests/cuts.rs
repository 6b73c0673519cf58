//! Somebody is put out of a workspace at once: what their groups were given is given to the others by name, until no token
//! can name the groups for them any more.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::ManualClock;
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::{self, THEN, id};
use hexabase_core::id::{GroupId, OrganizationId, SessionId, UserId, WorkspaceId};
use hexabase_core::model::{GroupPreset, OrganizationRole, Phase, Workspace};
use hexabase_core::name::HostClusterName;
use hexabase_core::page::PageRequest;
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::Caller;
use hexabase_core::provisioner::{Fleet, MemoryProvisioner};
use hexabase_core::store::{Commit as _, MemoryStore};
use hexabase_core::worker::Worker;

const MINUTE: Duration = Duration::from_secs(60);

struct Shop {
    platform: Platform,
    clock: Arc<ManualClock>,
    cluster: Arc<MemoryProvisioner>,
    organization: OrganizationId,
    workspace: WorkspaceId,
    admins: GroupId,
}

fn caller(name: &str) -> Caller {
    let credential = Credential::Session(id::<SessionId>(name));
    Caller::new(Principal { user_id: id::<UserId>(name), credential })
}

impl Shop {
    /// A workspace that is ready, with Ann, Bob and Cyd as its administrators.
    async fn open() -> Self {
        let (clock, store) = (Arc::new(ManualClock::new(THEN)), Arc::new(MemoryStore::new()));
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
        let wanted = fixture::order("shop", &platform.plans().first().id);
        let bought = platform.workspaces().create(&caller("ann"), organization.id, &wanted).await.unwrap();
        let workspace = bought.value.workspace.id;
        let groups = platform
            .groups()
            .list(&caller("ann"), organization.id, workspace, &PageRequest::largest())
            .await
            .unwrap();
        let admins = groups.items.iter().find(|group| group.preset == Some(GroupPreset::Admins)).unwrap().id;
        let shop = Self { platform, clock, cluster, organization: organization.id, workspace, admins };
        shop.admit("bob").await;
        shop.admit("cyd").await;
        shop.settle().await;
        shop
    }

    async fn admit(&self, name: &str) {
        let groups = self.platform.groups();
        groups
            .add_member(&caller("ann"), self.organization, self.workspace, self.admins, id(name))
            .await
            .unwrap();
    }

    async fn put_out(&self, name: &str, at_once: bool) {
        let members = self.platform.workspace_members();
        members.remove(&caller("ann"), self.organization, self.workspace, id(name), at_once).await.unwrap();
    }

    async fn now(&self) -> Workspace {
        let found = self.platform.store().find_workspace(self.organization, self.workspace).await;
        found.unwrap().unwrap()
    }

    /// Lets a worker do what is to be done now.
    async fn settle(&self) {
        let worker = Worker::new(self.platform.clone(), 1);
        worker.turn().await.unwrap();
        while self.now().await.status.phase != Phase::Ready || !self.now().await.is_settled() {
            self.clock.advance(Duration::from_secs(1));
            worker.turn().await.unwrap();
        }
    }

    /// To whom the cluster gives what the administrators were given: by name, or else to the group.
    async fn administrators(&self) -> Option<Vec<String>> {
        let tenant = self.cluster.tenant(&TenantTarget::of(&self.now().await)).unwrap();
        let binding = tenant.bindings.iter().find(|binding| binding.group == "hexabase:WSAdmins").unwrap();
        let name = |subject: &String| {
            let all = ["ann", "bob", "cyd", "dan"];
            let known = all.iter().find(|name| *subject == format!("hexabase:{}", id::<UserId>(name)));
            (*known.unwrap()).to_owned()
        };
        let mut people: Vec<String> = binding.people.as_ref()?.iter().map(name).collect();
        people.sort_unstable();
        Some(people)
    }
}

#[tokio::test]
async fn whoever_is_put_out_at_once_loses_what_their_tokens_say_and_the_others_lose_nothing() {
    let shop = Shop::open().await;
    assert_eq!(shop.administrators().await, None);
    shop.put_out("bob", true).await;
    shop.settle().await;
    assert_eq!(shop.administrators().await.unwrap(), ["ann", "cyd"]);

    // Whoever comes and goes meanwhile has rights by name as well, and loses them.
    shop.admit("dan").await;
    shop.settle().await;
    assert_eq!(shop.administrators().await.unwrap(), ["ann", "cyd", "dan"]);
    shop.put_out("cyd", false).await;
    shop.settle().await;
    assert_eq!(shop.administrators().await.unwrap(), ["ann", "dan"]);

    // When the last token has ended that names the group for Bob, it has its rights back, and nothing has drifted.
    shop.clock.advance(9 * MINUTE);
    shop.settle().await;
    assert_eq!(shop.administrators().await.unwrap(), ["ann", "dan"]);
    shop.clock.advance(3 * MINUTE);
    shop.settle().await;
    assert_eq!(shop.administrators().await, None);
    let after = shop.now().await;
    assert_eq!((after.cuts.len(), after.status.drift.map_or(0, |drift| drift.entries.len())), (0, 0));
}

#[tokio::test]
async fn two_who_are_put_out_one_after_the_other_stay_out_until_the_last_of_their_tokens_ends() {
    let shop = Shop::open().await;
    shop.put_out("bob", true).await;
    shop.clock.advance(6 * MINUTE);
    shop.put_out("cyd", true).await;
    shop.settle().await;
    shop.clock.advance(6 * MINUTE);
    shop.settle().await;
    assert_eq!(shop.administrators().await.unwrap(), ["ann"]);
    assert_eq!(shop.now().await.cuts.len(), 1);
    shop.clock.advance(6 * MINUTE);
    shop.settle().await;
    assert_eq!(shop.administrators().await, None);
}

#[tokio::test]
async fn a_cut_ends_also_while_the_workspace_sleeps() {
    let shop = Shop::open().await;
    shop.put_out("bob", true).await;
    let (ann, organization, workspace) = (caller("ann"), shop.organization, shop.workspace);
    shop.platform.workspaces().suspend(&ann, organization, workspace).await.unwrap();
    let worker = Worker::new(shop.platform.clone(), 1);
    while shop.now().await.status.phase != Phase::Suspended {
        shop.clock.advance(Duration::from_secs(1));
        worker.turn().await.unwrap();
    }
    shop.clock.advance(12 * MINUTE);
    shop.platform.workspaces().resume(&ann, organization, workspace).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.administrators().await, None);
    assert!(shop.now().await.cuts.is_empty());
}
