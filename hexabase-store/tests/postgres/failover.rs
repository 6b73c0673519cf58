//! Failover to a standby behind one address, while connections to the former primary stay open.

use std::time::Duration;

use hexabase_core::ErrorKind;
use hexabase_core::changeset::{Changeset, OutboxMessage, Topic};
use hexabase_core::fixture::{self, id};
use hexabase_core::id::{MessageId, TypedId as _};
use hexabase_core::store::{
    Commit as _, LeaseStore as _, OrganizationStore as _, OutboxStore as _, UserStore as _,
};
use hexabase_store::{PostgresConfig, PostgresStore};
use hexabase_test_servers::{Forwarder, Postgres};
use uuid::Uuid;

/// Primary and standby behind one address, which leads to the primary.
struct ReplicatedServers {
    primary: Postgres,
    standby: Postgres,
    address: Forwarder,
    database: String,
}

impl ReplicatedServers {
    async fn start() -> Self {
        let primary = Postgres::start();
        let database = primary.database().await;
        PostgresStore::migrate(&PostgresConfig::new(primary.url_of(&database))).await.unwrap();
        let standby = primary.standby();
        let address = Forwarder::start(primary.port().unwrap());
        Self { primary, standby, address, database }
    }

    /// Returns a store with several open connections.
    async fn connect(&self) -> PostgresStore {
        let url = format!("postgres://postgres@127.0.0.1:{}/{}", self.address.port(), self.database);
        let store = PostgresStore::connect(&PostgresConfig::new(url)).await.unwrap();
        let ann = || store.find_user(id("ann"));
        let found = tokio::join!(ann(), ann(), ann(), ann());
        assert!([found.0, found.1, found.2, found.3].into_iter().all(|user| user.unwrap().is_none()));
        store
    }

    /// Makes the primary read-only and promotes the standby. The address still leads to the former primary.
    async fn fail_over(&self) {
        self.primary.execute("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await;
        self.primary.execute("postgres", "SELECT pg_reload_conf()").await;
        let watcher = self.connect().await;
        while watcher.ping().await.is_ok() {
            tokio::task::yield_now().await;
        }
        self.standby.promote().await;
    }
}

#[tokio::test]
async fn every_write_reaches_the_new_primary_after_a_failover_behind_one_address() {
    let servers = ReplicatedServers::start().await;
    // One pool per operation, each of which is the first one after the failover.
    let (transaction, single, execute, returning, serialized) = (
        servers.connect().await,
        servers.connect().await,
        servers.connect().await,
        servers.connect().await,
        servers.connect().await,
    );
    let message = OutboxMessage {
        id: MessageId::from_uuid(Uuid::from_u128(1)),
        topic: Topic::Reconcile,
        organization_id: id("acme"),
        workspace_id: None,
        payload: Vec::new(),
        trace_parent: None,
    };
    let acme = Changeset::new().insert(fixture::organization("acme")).message(message);
    transaction.commit(acme).await.unwrap();
    let standby = PostgresConfig::new(servers.standby.url_of(&servers.database));
    let standby = PostgresStore::connect(&standby).await.unwrap();
    while standby.find_organization(id("acme")).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(standby.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    servers.fail_over().await;
    assert_eq!(execute.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);

    servers.address.switch_to(servers.standby.port().unwrap());
    let update = Changeset::new().update(fixture::organization("acme")).insert(fixture::workspace("dev"));
    transaction.commit(update).await.unwrap();
    single.commit(Changeset::new().insert(fixture::user("ann"))).await.unwrap();
    execute.ping().await.unwrap();
    let minute = Duration::from_secs(60);
    let lease = returning.acquire_lease("lease", "worker", fixture::FIXTURE_TIME, minute).await.unwrap();
    assert!(lease.is_some());
    let claimed = serialized.claim_outbox(9, fixture::FIXTURE_TIME, minute).await.unwrap();
    assert_eq!(claimed.len(), 1);

    // Reads on connections that led to the former primary see what was written.
    for store in [transaction, single, execute, returning, serialized] {
        let ann = || store.find_user(id("ann"));
        let found = tokio::join!(ann(), ann(), ann(), ann());
        assert!([found.0, found.1, found.2, found.3].into_iter().all(|user| user.unwrap().is_some()));
    }
}

#[tokio::test]
async fn a_pool_leaves_a_standby_when_its_address_leads_to_the_primary_again() {
    let servers = ReplicatedServers::start().await;
    let store = servers.connect().await;
    // The address leads to the standby for a while, and the connections to the primary break.
    servers.address.switch_to(servers.standby.port().unwrap());
    let end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    servers.primary.execute(&servers.database, end_others).await;
    assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    // Reads open several connections to the standby.
    let ann = || store.find_user(id("ann"));
    let found = tokio::join!(ann(), ann(), ann(), ann());
    assert!([found.0, found.1, found.2, found.3].into_iter().all(|user| user.unwrap().is_none()));

    servers.address.switch_to(servers.primary.port().unwrap());
    store.ping().await.unwrap();
    store.commit(Changeset::new().insert(fixture::organization("acme"))).await.unwrap();
}
