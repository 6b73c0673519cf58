//! Calls that must not be made, or must be made once: mocks fail these tests on any other call of a backend.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;

use crate::billing::{BillingKey, BillingProvider, PaymentMethod, SetupIntent};
use crate::changeset::Changeset;
use crate::error::{Error, ErrorKind, Result};
use crate::fixture::{self, id};
use crate::id::OrganizationId;
use crate::id_source::SeededIds;
use crate::mock::{
    MockBillingProvider, MockClusterProvisioner, MockHostConnector, MockTaskQueue, MockTenantStore,
};
use crate::model::{AuditFilter, CustomerId, Member, OrganizationRole};
use crate::name::{HostClusterName, PlanId};
use crate::page::PageRequest;
use crate::platform::{Caller, ChoosePlan, IdempotencyKey, Platform};
use crate::provisioner::{ClusterProvisioner, Fleet, seal_kubeconfig};
use crate::seal::MasterKey;
use crate::secret::ExposeSecret as _;
use crate::store::{Commit as _, MemoryStore, TenantStore};

fn platform(store: Arc<dyn TenantStore>, billing: Arc<dyn BillingProvider>) -> Platform {
    Platform::builder("https://hexabase.example")
        .with_plans(vec![fixture::plan("small"), fixture::plan("large")])
        .with_store(store)
        .with_billing(billing)
        .with_queue(Arc::new(MockTaskQueue::new()))
        .build()
        .unwrap()
}

fn caller(name: &str) -> Caller {
    Caller::for_user(id(name))
}

fn acme() -> OrganizationId {
    fixture::organization("acme").id
}

/// Store with the organization `acme`, its owner `ann` and its member `bob`.
fn members() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let changeset = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(fixture::user("bob"))
        .insert(fixture::organization("acme"))
        .insert(fixture::member(acme(), id("ann"), OrganizationRole::Owner))
        .insert(fixture::member(acme(), id("bob"), OrganizationRole::Member));
    block_on(store.commit(changeset)).unwrap();
    store
}

#[test]
fn an_audit_search_over_the_limit_does_not_reach_the_audit_log() {
    let mut store = MockTenantStore::new();
    let owner =
        |organization, user| Member::new(organization, user, OrganizationRole::Owner, fixture::FIXTURE_TIME);
    store.expect_find_member().returning(move |organization, user| Ok(Some(owner(organization, user))));
    let platform = platform(Arc::new(store), Arc::new(MockBillingProvider::new()));
    let searches = &platform.inner().searches;
    let _running = (searches.begin(acme()).unwrap(), searches.begin(acme()).unwrap());
    let (filter, page) = (AuditFilter::default(), PageRequest::default());
    let ann = caller("ann");
    let search = platform.organizations();
    let error = block_on(search.audit_events(&ann, acme(), &filter, &page)).unwrap_err();
    assert_eq!(error.code(), "too_many_searches");
}

#[test]
fn a_refused_billing_command_calls_neither_the_provider_nor_the_queue() {
    let platform = platform(members(), Arc::new(MockBillingProvider::new()));
    let billing = platform.billing();
    let plan = ChoosePlan { plan_id: PlanId::parse("large").unwrap(), interval: None, coupon: None };
    for (name, expected) in [("bob", ErrorKind::Forbidden), ("outsider", ErrorKind::NotFound)] {
        let caller = &caller(name);
        let calls: [(&str, Result<()>); 8] = block_on(async {
            [
                ("checkout", billing.checkout(caller, acme(), "https://x.example").await.map(drop)),
                ("portal", billing.portal(caller, acme(), "https://x.example").await.map(drop)),
                ("setup_intent", billing.setup_intent(caller, acme()).await.map(drop)),
                ("add", billing.add_payment_method(caller, acme(), "pm_1").await.map(drop)),
                ("remove", billing.remove_payment_method(caller, acme(), "pm_1").await),
                ("invoice", billing.upcoming_invoice(caller, acme()).await.map(drop)),
                ("preview", billing.preview(caller, acme(), &plan).await.map(drop)),
                ("choose_plan", billing.choose_plan(caller, acme(), &plan, None).await.map(drop)),
            ]
        });
        for (command, result) in calls {
            assert_eq!(result.unwrap_err().kind(), expected, "{command} of {name}");
        }
    }
}

#[test]
fn a_repeated_request_with_one_key_calls_the_provider_once() {
    let mut provider = MockBillingProvider::new();
    let customer = CustomerId("cus_1".to_owned());
    let created = customer.clone();
    provider
        .expect_ensure_customer()
        .withf(|new, _| new.organization_id == acme())
        .once()
        .returning(move |_, _| Ok(created.clone()));
    provider.expect_setup_intent().withf(move |of, _| *of == customer).once().returning(|_, _| {
        Ok(SetupIntent { id: "seti_1".to_owned(), client_secret: Some("secret".to_owned()) })
    });
    let platform = platform(members(), Arc::new(provider));
    let ann = Caller { idempotency: Some(IdempotencyKey::new("key", &[b"POST"]).unwrap()), ..caller("ann") };
    let first = block_on(platform.billing().setup_intent(&ann, acme())).unwrap();
    let second = block_on(platform.billing().setup_intent(&ann, acme())).unwrap();
    assert_eq!((first.value.id, second.value.id), ("seti_1".to_owned(), "seti_1".to_owned()));
    assert_eq!(second.value.client_secret, None, "a replay has no secret");
}

#[test]
fn a_failed_call_of_the_provider_is_sent_again_with_the_same_key() {
    let mut provider = MockBillingProvider::new();
    let mut sequence = mockall::Sequence::new();
    provider.expect_ensure_customer().returning(|_, _| Ok(CustomerId("cus_1".to_owned())));
    let keys: Arc<Mutex<Vec<BillingKey>>> = Arc::default();
    for fails in [true, false] {
        let keys = keys.clone();
        provider
            .expect_attach_payment_method()
            .withf(|customer, method, _| customer.0 == "cus_1" && method == "pm_1")
            .once()
            .in_sequence(&mut sequence)
            .returning(move |_, method, key| {
                keys.lock().unwrap().push(key.clone());
                match fails {
                    true => Err(Error::unavailable("the provider does not respond")),
                    false => Ok(PaymentMethod {
                        id: method.to_owned(),
                        title: "visa".to_owned(),
                        is_default: true,
                    }),
                }
            });
    }
    let platform = platform(members(), Arc::new(provider));
    let ann = Caller { idempotency: Some(IdempotencyKey::new("key", &[b"POST"]).unwrap()), ..caller("ann") };
    let add = || block_on(platform.billing().add_payment_method(&ann, acme(), "pm_1"));
    assert_eq!(add().unwrap_err().kind(), ErrorKind::Unavailable, "a failure is not stored under the key");
    assert_eq!(add().unwrap().value.id, "pm_1");
    assert_eq!(add().unwrap().value.id, "pm_1", "a replay");
    let keys = keys.lock().unwrap();
    assert_eq!(keys[0], keys[1], "the provider recognizes the retry");
}

#[test]
fn a_registered_host_is_connected_once_and_again_after_a_change_of_its_connection() {
    let key = MasterKey::new([1; 32]);
    let ids = SeededIds::new(1);
    let sealed = |name: &HostClusterName, text: &str| {
        seal_kubeconfig(&key, &ids, name, &text.to_owned().into()).unwrap()
    };
    let mut connector = MockHostConnector::new();
    for kubeconfig in ["first", "second"] {
        connector
            .expect_connect()
            .withf(move |name, sent, _| name.as_str() == "east" && sent.expose_secret() == kubeconfig)
            .once()
            .returning(|_, _, _| Ok(Arc::new(MockClusterProvisioner::new()) as Arc<dyn ClusterProvisioner>));
    }
    let fleet = Fleet::new().with_connector(Arc::new(connector));
    let mut registered = fixture::registered_host("east");
    registered.sealed_kubeconfig = sealed(&registered.host.name, "first");
    block_on(fleet.refresh(vec![registered.clone()], &key));
    registered.host.capacity = 3;
    block_on(fleet.refresh(vec![registered.clone()], &key));
    registered.sealed_kubeconfig = sealed(&registered.host.name, "second");
    block_on(fleet.refresh(vec![registered.clone()], &key));
    assert!(fleet.find(&registered.host.name).is_some());
}
