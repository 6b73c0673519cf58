//! Transitions of the comparison of a tenant, and what [`HostCache::forget`] removes.

use hexabase_core::provisioner::ControlPlaneState;
use tokio::time::advance;

use super::super::{HostCache, TenantClient};
use super::*;
use crate::api_server::{ApiServer, RequestLimits};

const TENANT: &str = "ws-1";
const DESIRED: Digest = [7; 32];

fn key(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey { kind, namespace: TENANT.to_owned(), name: name.to_owned() }
}

/// Cache of a host on which Services and Roles are watched, each with one object of the tenant.
fn watched() -> HostCache {
    let cache = HostCache::new(vec![Kind::SERVICE, Kind::ROLE], Labels::default());
    for kind in [Kind::SERVICE, Kind::ROLE] {
        cache.metadata.lock().replace_all(kind, Versions::from([(key(kind, "own"), "1".to_owned())]));
    }
    cache
}

fn secrets() -> Versions {
    Versions::from([(key(Kind::SECRET, "vc-config"), "1".to_owned())])
}

/// Records a pass that began at the current revision: applied to the host, observed, and compared without a difference.
fn record_pass(cache: &HostCache) {
    let (metadata, revision) = (&cache.metadata, cache.metadata.revision(TENANT));
    cache.record_applied(TENANT, DESIRED, metadata.current_revision());
    metadata.record_observation(TENANT, revision, &Observation::of(ControlPlaneState::Ready));
    if let Some(revision) = revision {
        metadata.record_clean(TENANT, revision, DESIRED, secrets());
    }
}

/// The comparison of a tenant, as `(applied, clean)`.
fn comparison(cache: &HostCache, desired: &Digest) -> (bool, bool) {
    let unchanged = cache.metadata.unchanged(TENANT, desired);
    assert!(unchanged.as_ref().is_none_or(|(_, known)| *known == secrets()));
    (cache.is_applied(TENANT, desired), unchanged.is_some())
}

#[tokio::test(start_paused = true)]
async fn every_event_ends_the_states_that_it_contradicts() {
    type Cause = fn(&HostCache);
    let event_repeated: Cause = |cache| {
        cache.metadata.lock().upsert(key(Kind::SERVICE, "own"), "1".to_owned());
    };
    let service_changed: Cause = |cache| {
        cache.metadata.lock().upsert(key(Kind::SERVICE, "own"), "2".to_owned());
    };
    let object_added: Cause = |cache| {
        cache.metadata.lock().upsert(key(Kind::ROLE, "stray"), "2".to_owned());
    };
    let object_deleted: Cause = |cache| {
        cache.metadata.lock().remove(&key(Kind::ROLE, "own"));
    };
    let other_tenant: Cause = |cache| {
        let other = ObjectKey { namespace: "ws-2".to_owned(), ..key(Kind::ROLE, "own") };
        cache.metadata.lock().upsert(other.clone(), "3".to_owned());
        cache.metadata.lock().remove(&other);
    };
    let watch_failed: Cause = |cache| {
        cache.metadata.lock().complete.remove(&Kind::ROLE);
    };
    let relisted_without: Cause = |cache| {
        cache.metadata.lock().replace_all(Kind::ROLE, Versions::new());
    };
    let forgotten: Cause = |cache| cache.forget(TENANT);
    for (cause, event, expected) in [
        ("nothing", (|_| ()) as Cause, (true, true)),
        ("the host watch repeats an event", event_repeated, (true, true)),
        ("another tenant changes", other_tenant, (true, true)),
        ("an object changes", service_changed, (true, false)),
        ("an object is added", object_added, (true, false)),
        ("an object is deleted", object_deleted, (false, false)),
        ("an object is missing in a new list", relisted_without, (false, false)),
        ("a watch fails", watch_failed, (false, false)),
        ("the tenant is forgotten", forgotten, (false, false)),
    ] {
        let cache = watched();
        assert_eq!(comparison(&cache, &DESIRED), (false, false), "{cause}");
        record_pass(&cache);
        event(&cache);
        assert_eq!(comparison(&cache, &DESIRED), expected, "{cause}");
        assert_eq!(comparison(&cache, &[0; 32]), (false, false), "{cause}, with another desired state");
    }
    for (seconds, expected) in
        [(59, (true, true)), (60, (false, true)), (1_799, (false, true)), (1_800, (false, false))]
    {
        let cache = watched();
        record_pass(&cache);
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(comparison(&cache, &DESIRED), expected, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_change_during_a_pass_is_not_part_of_it() {
    for (removed, expected) in [(false, (true, false)), (true, (false, false))] {
        let cache = watched();
        let (metadata, revision) = (&cache.metadata, cache.metadata.revision(TENANT).unwrap());
        let before = metadata.current_revision();
        match removed {
            true => drop(metadata.lock().remove(&key(Kind::SERVICE, "own"))),
            false => drop(metadata.lock().upsert(key(Kind::SERVICE, "own"), "2".to_owned())),
        }
        cache.record_applied(TENANT, DESIRED, before);
        metadata.record_observation(TENANT, Some(revision), &Observation::of(ControlPlaneState::Ready));
        metadata.record_clean(TENANT, revision, DESIRED, secrets());
        assert_eq!(comparison(&cache, &DESIRED), expected);
    }
}

fn client() -> ApiServer {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
        Err::<http::Response<kube::client::Body>, _>("no server".to_owned())
    });
    ApiServer::new(Client::new(service, "default"), RequestLimits::TENANT, 1)
}

#[tokio::test]
async fn forgetting_a_tenant_removes_its_clients_and_states_and_no_others() {
    let cache = watched();
    for tenant in [TENANT, "ws-2"] {
        let version = "uid/1".to_owned();
        let client = TenantClient { version, api: client(), certificate_authority: None };
        cache.insert_client(tenant, &client);
        cache.insert_metrics_client(tenant, &client.api);
        cache.record_response(tenant, false);
    }
    assert!(cache.client(TENANT, "uid/2").is_none(), "a client of another version of the Secret is not used");
    cache.forget(TENANT);
    let known = |tenant| {
        (
            cache.client(tenant, "uid/1").is_some(),
            cache.metrics_client(tenant).is_some(),
            cache.is_unresponsive(tenant),
        )
    };
    assert_eq!(known(TENANT), (false, false, false));
    assert_eq!(known("ws-2"), (true, true, true));
    assert!(cache.metadata.revision(TENANT).is_some(), "the host watch still knows its objects");
    cache.record_response("ws-2", true);
    assert_eq!(cache.lock().len(), 0, "a tenant without a known obstacle takes no memory");
}

#[tokio::test]
async fn the_number_of_tenants_in_the_cache_is_bounded() {
    let cache = watched();
    for number in 0..2 * super::super::MAX_TENANTS {
        cache.record_response(&format!("ws-{number}"), false);
    }
    assert!(cache.lock().len() <= super::super::MAX_TENANTS);
}
