use super::setup::{acme, later, populate, verifier};
use crate::changeset::{Changeset, IdempotencyRecord, OutboxMessage, RecordKey, Topic};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{MessageId, TypedId as _};
use crate::model::{SignatureAlgorithm, SigningKey};
use crate::store::{SealedKind, SealedValue, TenantStore};
use uuid::Uuid;

fn signing_key(kid: &str) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        algorithm: SignatureAlgorithm::Es256,
        public_jwk: serde_json::json!({ "kty": "EC" }),
        sealed_private: vec![0, 1, 255],
        created_at: FIXTURE_TIME,
        retires_at: None,
    }
}

fn message(number: u128, topic: Topic) -> OutboxMessage {
    OutboxMessage {
        id: MessageId::from_uuid(Uuid::from_u128(number)),
        topic,
        organization_id: acme(),
        workspace_id: None,
        payload: vec![7, 255],
        trace_parent: None,
    }
}

fn response(key: &str) -> IdempotencyRecord {
    IdempotencyRecord {
        user_id: id("owner"),
        key: key.to_owned(),
        fingerprint: verifier(1).hash(),
        response: vec![3, 255],
        created_at: FIXTURE_TIME,
        expires_at: later(60),
    }
}

/// Sealed data of every kind is listed, page by page.
pub async fn sealed_data_of_every_kind_is_listed(store: &dyn TenantStore) {
    add_sealed_data(store).await;
    for kind in SealedKind::ALL {
        let all = store.list_sealed(kind, None, 9).await.unwrap();
        assert_eq!(all.len(), 3, "{kind:?}");
        let (mut paged, mut after) = (Vec::new(), None);
        while let Some(value) = store.list_sealed(kind, after.take(), 1).await.unwrap().pop() {
            after = Some(value.key.clone());
            paged.push(value);
        }
        assert_eq!(paged, all, "{kind:?}");
    }
}

/// Sealed data is replaced if it is unchanged; the rest of the record stays.
pub async fn sealed_data_is_replaced_unless_it_changed(store: &dyn TenantStore) {
    add_sealed_data(store).await;
    for kind in SealedKind::ALL {
        let all = store.list_sealed(kind, None, 9).await.unwrap();
        let changed = SealedValue { sealed: vec![9, 9], ..all[0].clone() };
        assert!(!store.replace_sealed(kind, &changed, vec![1]).await.unwrap(), "{kind:?}");
        assert!(store.replace_sealed(kind, &all[0], vec![1, 2]).await.unwrap(), "{kind:?}");
        assert!(
            !store.replace_sealed(kind, &all[0], vec![1, 2]).await.unwrap(),
            "{kind:?}: already replaced"
        );
        let after = store.list_sealed(kind, None, 9).await.unwrap();
        assert_eq!(after[0], SealedValue { sealed: vec![1, 2], ..all[0].clone() }, "{kind:?}");
        assert_eq!(after[1..], all[1..], "{kind:?}");
    }
    let keys = store.list_signing_keys().await.unwrap();
    let replaced = keys.iter().find(|key| key.sealed_private == [1, 2]).unwrap();
    assert_eq!(
        SigningKey { sealed_private: vec![0, 1, 255], ..replaced.clone() },
        signing_key(&replaced.kid)
    );
    let hosts = store.list_hosts().await.unwrap();
    let replaced = hosts.iter().find(|host| host.sealed_kubeconfig == [1, 2]).unwrap();
    let before = fixture::registered_host(replaced.host.name.as_str());
    assert_eq!(replaced.version, before.version.next(), "a concurrent change of the host must fail");
    let gone = SealedValue { key: keys[0].kid.clone(), sealed: keys[0].sealed_private.clone() };
    store.commit(Changeset::new().delete(RecordKey::SigningKey(gone.key.clone()))).await.unwrap();
    assert!(!store.replace_sealed(SealedKind::SigningKeys, &gone, vec![1]).await.unwrap());
}

async fn add_sealed_data(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new().message(message(10, Topic::Reconcile));
    for (number, name) in ["one", "two", "three"].into_iter().enumerate() {
        changeset = changeset
            .insert(signing_key(name))
            .insert(fixture::registered_host(name))
            .message(message(number as u128, Topic::Mail));
    }
    store.commit(changeset).await.unwrap();
    for key in ["one", "two/2", "three"] {
        store.commit(Changeset { idempotency: Some(response(key)), ..Changeset::new() }).await.unwrap();
    }
}
