use std::time::Duration;

use futures_executor::block_on;
use jiff::{SignedDuration, Timestamp};

use super::Setup;
use crate::changeset::Changeset;
use crate::fixture::id;
use crate::id::{EventId, OrganizationId};
use crate::id_source::IdSourceExt as _;
use crate::model::{Actor, AuditEvent, AuditFilter, Origin};
use crate::page::PageRequest;
use crate::worker::Pruner;

const DAY: i64 = 24 * 60 * 60;

impl Setup {
    /// Adds an audit event for each age, in seconds.
    async fn add_audit_events(&self, ages: impl IntoIterator<Item = i64>) {
        let now = self.platform.clock().now();
        let entry = |age| AuditEvent {
            id: self.platform.ids().id::<EventId>(now),
            organization_id: acme(),
            actor: Actor::PLATFORM,
            action: "group.create".to_owned(),
            resource: "group".to_owned(),
            before: serde_json::Value::Null,
            after: serde_json::Value::Null,
            origin: Origin::default(),
            at: now - SignedDuration::from_secs(age),
        };
        let changeset = ages.into_iter().fold(Changeset::new(), |changeset, age| changeset.audit(entry(age)));
        self.platform.store().commit(changeset).await.unwrap();
    }

    async fn audit_times(&self) -> Vec<Timestamp> {
        let (store, filter) = (self.platform.store(), AuditFilter::default());
        let page = store.list_audit_events(acme(), &filter, &PageRequest::largest()).await.unwrap();
        page.items.iter().map(|entry| entry.at).collect()
    }
}

fn acme() -> OrganizationId {
    id("acme")
}

#[test]
fn audit_events_are_deleted_in_batches_after_their_retention() {
    let setup = Setup::new();
    block_on(async {
        setup.add_audit_events((0..1_200).map(|second| 400 * DAY + 1 + second)).await;
        setup.add_audit_events([400 * DAY, 399 * DAY, 0]).await;
        let pruner = Pruner::new(&setup.platform);
        let mut batches = Vec::new();
        for _ in 0..4 {
            batches.push(pruner.prune().await.unwrap());
        }
        assert_eq!(batches, [500, 500, 200, 0]);
        assert_eq!(setup.audit_times().await.len(), 3);
    });
}

#[test]
fn audit_events_stay_without_a_retention() {
    let setup = Setup::with(|config| config.audit_retention = None);
    block_on(async {
        setup.add_audit_events([20 * 365 * DAY]).await;
        assert_eq!(Pruner::new(&setup.platform).prune().await.unwrap(), 0);
        assert_eq!(setup.audit_times().await.len(), 1);
    });
}

#[test]
fn one_worker_at_a_time_prunes() {
    let setup = Setup::new();
    block_on(async {
        setup.add_audit_events([500 * DAY]).await;
        let (store, now) = (setup.platform.store(), setup.platform.clock().now());
        let lease =
            store.acquire_lease("prune", "another worker", now, Duration::from_secs(10)).await.unwrap();
        let pruner = Pruner::new(&setup.platform);
        assert_eq!(pruner.prune().await.unwrap(), 0);
        // The other worker died.
        assert!(lease.is_some());
        setup.clock.advance(Duration::from_secs(11));
        assert_eq!(pruner.prune().await.unwrap(), 1);
    });
}
