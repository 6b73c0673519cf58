use std::sync::Arc;

use futures_executor::block_on;

use crate::Platform;
use crate::changeset::{Changeset, IdempotencyRecord, OutboxMessage, Topic};
use crate::clock::{ManualClock, after};
use crate::error::ErrorKind;
use crate::faults::{FaultPlan, FaultPoint, FaultyStore};
use crate::fixture::{self, id};
use crate::id::{MessageId, TypedId as _};
use crate::model::{RegisteredHost, SignatureAlgorithm, SigningKey};
use crate::platform::SealedCounts;
use crate::provisioner::kubeconfig_purpose;
use crate::seal::MasterKey;
use crate::store::{MemoryStore, SealedKind, SealedStore as _, TenantStore};
use uuid::Uuid;

/// Number of records of each kind, more than a batch.
const RECORDS: u8 = 230;

fn platform(store: Arc<dyn TenantStore>, key: MasterKey) -> Platform {
    let builder = Platform::builder("https://hexabase.example").with_plans(vec![fixture::plan("small")]);
    builder
        .with_clock(Arc::new(ManualClock::default()))
        .with_store(store)
        .with_master_key(key)
        .build()
        .unwrap()
}

fn old() -> MasterKey {
    MasterKey::new([1; 32])
}

fn new() -> MasterKey {
    MasterKey::new([2; 32])
}

/// Stores data of each kind, sealed with the platform's key.
async fn add_sealed_data(platform: &Platform) {
    let (key, ids, now) = (platform.master_key(), &**platform.ids(), platform.clock().now());
    for number in 0..RECORDS {
        let name = format!("n{number}");
        let mut host: RegisteredHost = fixture::registered_host(&name);
        host.sealed_kubeconfig =
            key.seal(ids, &kubeconfig_purpose(&host.host.name), name.as_bytes()).unwrap();
        let signing = SigningKey {
            kid: name.clone(),
            algorithm: SignatureAlgorithm::Es256,
            public_jwk: serde_json::Value::Null,
            sealed_private: key.seal(ids, SigningKey::SEAL_PURPOSE, name.as_bytes()).unwrap(),
            created_at: now,
            retires_at: None,
        };
        let mail = OutboxMessage {
            id: MessageId::from_uuid(Uuid::from_u128(u128::from(number))),
            topic: Topic::Mail,
            organization_id: id("acme"),
            workspace_id: None,
            payload: key.seal(ids, "mail", name.as_bytes()).unwrap(),
            trace_parent: None,
        };
        let response = IdempotencyRecord {
            user_id: id("ann"),
            key: name.clone(),
            fingerprint: crate::secret::Verifier::generate(ids).hash(),
            response: key.seal(ids, "idempotent reply", name.as_bytes()).unwrap(),
            created_at: now,
            expires_at: after(now, std::time::Duration::from_secs(60)),
        };
        let changeset = Changeset::new().insert(host).insert(signing).message(mail);
        platform.store().commit(Changeset { idempotency: Some(response), ..changeset }).await.unwrap();
    }
}

async fn counts(platform: &Platform) -> Vec<SealedCounts> {
    let mut counts = Vec::new();
    for kind in SealedKind::ALL {
        counts.push(platform.master_key_rotation().count(kind).await.unwrap());
    }
    counts
}

#[test]
fn data_of_the_previous_key_is_readable_before_and_after_it_is_sealed_again() {
    block_on(async {
        let store = Arc::new(MemoryStore::new());
        add_sealed_data(&platform(store.clone(), old())).await;
        let total = u64::from(RECORDS);

        // Without the previous key nothing is readable, and nothing is changed.
        let mistaken = platform(store.clone(), new());
        for kind in SealedKind::ALL {
            let outcome = mistaken.master_key_rotation().reseal(kind, |_| {}).await.unwrap();
            assert_eq!(outcome, SealedCounts { total, unreadable: total, ..SealedCounts::default() });
        }

        let both = platform(store.clone(), new().with_additional(old()));
        let left = SealedCounts { total, left: total, ..SealedCounts::default() };
        assert_eq!(counts(&both).await, [left; 4]);
        for kind in SealedKind::ALL {
            let mut progress = Vec::new();
            let outcome =
                both.master_key_rotation().reseal(kind, |counts| progress.push(counts.total)).await.unwrap();
            assert_eq!(outcome, SealedCounts { total, resealed: total, ..SealedCounts::default() });
            assert_eq!(progress, [100, 200, 230]);
            let again = both.master_key_rotation().reseal(kind, |_| {}).await.unwrap();
            assert_eq!(again, SealedCounts { total, ..SealedCounts::default() }, "nothing is left");
        }

        // The new key alone opens everything; the old one nothing.
        let only_new = platform(store.clone(), new());
        assert_eq!(counts(&only_new).await, [SealedCounts { total, ..SealedCounts::default() }; 4]);
        let host = &store.list_sealed(SealedKind::Kubeconfigs, None, 1).await.unwrap()[0];
        let name = crate::name::HostClusterName::parse(&host.key).unwrap();
        assert_eq!(new().open(&kubeconfig_purpose(&name), &host.sealed).unwrap(), host.key.as_bytes());
        let refused = old().open(&kubeconfig_purpose(&name), &host.sealed).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn an_interruption_at_any_point_of_the_first_batches_is_harmless() {
    block_on(async {
        for point in [FaultPoint::FailBefore, FaultPoint::FailAfter] {
            for operation in (0..6).chain([99, 100, 101, 102, 150]) {
                let store = Arc::new(MemoryStore::new());
                add_sealed_data(&platform(store.clone(), old())).await;
                let plan = FaultPlan::failing_at(operation, point);
                let faulty = Arc::new(FaultyStore::new(store.clone(), plan));
                let keys = || new().with_additional(old());
                let interrupted = platform(faulty, keys());
                let kind = SealedKind::SigningKeys;
                let outcome = interrupted.master_key_rotation().reseal(kind, |_| {}).await;
                assert!(outcome.is_err(), "{point:?} of {operation}");
                // Everything is readable in between, and a repetition completes the work.
                let total = u64::from(RECORDS);
                let repeated = platform(store.clone(), keys());
                assert_eq!(counts(&repeated).await[0].unreadable, 0);
                let outcome = repeated.master_key_rotation().reseal(kind, |_| {}).await.unwrap();
                assert_eq!((outcome.total, outcome.unreadable), (total, 0));
                let complete = counts(&platform(store, new())).await;
                assert_eq!(complete[0], SealedCounts { total, ..SealedCounts::default() });
            }
        }
    });
}
