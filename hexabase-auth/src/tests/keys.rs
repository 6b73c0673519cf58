//! Keys: how they come, give way and are taken back.

use super::*;

#[tokio::test]
async fn keys_sealed_with_another_master_key_stop_the_start_with_advice() {
    let world = world().await;
    let other = Platform::builder("https://hexabase.example")
        .with_store(world.store.clone())
        .with_master_key(MasterKey::new([8; 32]))
        .with_plans(vec![fixture::plan("small")])
        .build()
        .unwrap();
    let error = Auth::new(other, Vec::new(), AuthConfig::default()).await.unwrap_err();
    assert!(error.to_string().contains("master_key"), "{error}");
}

#[tokio::test]
async fn the_private_half_of_a_key_is_not_shown() {
    let world = world().await;
    let key = &world.auth.jwks().await["keys"][0];
    assert_eq!((&key["alg"], key.get("d")), (&"ES256".into(), None), "the private half is not shown");
}

#[tokio::test]
async fn a_new_key_is_shown_before_it_signs_and_the_old_one_stays_as_long_as_its_tokens() {
    let world = world().await;
    let kids = async || {
        let keys = world.auth.jwks().await["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let kid_of = |pair: &TokenPair| {
        let header = URL_SAFE_NO_PAD.decode(pair.access_token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    // Another replica, which hears of it by itself.
    let other = auth_of(platform(&world.clock, &world.store)).await;
    let old = kids().await.remove(0);
    world.clock.advance(Duration::from_secs(60));
    let new = world.auth.rotate_keys().await.unwrap().remove(0).kid;
    assert_eq!(kids().await, [old.clone(), new.clone()]);
    let before = world.sign_in("ann@example.com").await;
    assert_eq!(kid_of(&before), old);
    world.clock.advance(Duration::from_secs(601));
    let who = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
    let after = other.sign_in(&ProviderName::parse("dev").unwrap(), &who, &origin()).await.unwrap();
    assert_eq!(kid_of(&after), new);
    for auth in [&world.auth, &other] {
        for pair in [&before, &after] {
            auth.authenticate(&pair.access_token).await.unwrap();
        }
    }
    // Once nothing can be valid that it signed, the next rotation removes it.
    world.clock.advance(Duration::from_secs(7_200));
    let newest = world.auth.rotate_keys().await.unwrap().remove(0).kid;
    assert_eq!(kids().await, [new, newest]);
}

#[tokio::test]
async fn keys_give_way_when_they_have_signed_for_long_enough() {
    let world = world().await;
    let other = auth_of(platform(&world.clock, &world.store)).await;
    let count = async || world.auth.signing_keys().await.unwrap().len();
    // It looks once before it stops: nothing here waits for anything.
    let look = async |auth: &Auth| auth.look_after_keys(tokio::task::yield_now()).await;
    look(&world.auth).await;
    assert_eq!(count().await, 1, "the key is young");
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(90 * 86_400));
        look(&world.auth).await;
        look(&other).await;
        assert_eq!(count().await, 2, "the next one is there, once, and the one before the last is gone");
    }
    let keys = world.auth.signing_keys().await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.retires_at.is_none()).count(), 1, "{keys:?}");
}

#[tokio::test]
async fn a_key_that_others_may_know_is_taken_back_and_nothing_that_it_signed_is_good() {
    let world = world().await;
    let other = auth_of(platform(&world.clock, &world.store)).await;
    let before = world.sign_in("ann@example.com").await;
    for auth in [&world.auth, &other] {
        auth.authenticate(&before.access_token).await.unwrap();
    }
    let leaked = world.auth.signing_keys().await.unwrap().remove(0).kid;
    world.auth.retire_key(&leaked).await.unwrap();
    assert!(!world.is_valid(&before.access_token).await, "here at once");
    world.clock.advance(Duration::from_secs(30));
    assert!(other.authenticate(&before.access_token).await.is_err(), "elsewhere half a minute later");
    // Nobody is signed out: the next token is signed with the next key, which everybody knows.
    let after = world.auth.refresh(&before.refresh_token, &origin()).await.unwrap();
    for auth in [&world.auth, &other] {
        auth.authenticate(&after.access_token).await.unwrap();
    }
    assert!(
        world.auth.jwks().await["keys"].as_array().unwrap().iter().all(|key| key["kid"] != leaked.as_str())
    );
    let gone = world.auth.retire_key(&leaked).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}
