//! Signing keys: rotation, retirement and the key set.

use super::*;

#[tokio::test]
async fn the_start_fails_with_another_master_key() {
    let env = test_env().await;
    let other = Platform::builder("https://hexabase.example")
        .with_store(env.store.clone())
        .with_master_key(MasterKey::new([8; 32]))
        .with_plans(vec![fixture::plan("small")])
        .build()
        .unwrap();
    let error = Auth::new(other, Vec::new(), AuthConfig::default()).await.unwrap_err();
    assert!(error.to_string().contains("master_key"), "{error}");
}

#[tokio::test]
async fn a_repeated_refresh_succeeds_while_the_master_key_is_rotated() {
    let env = test_env().await;
    let keys = MasterKey::new([8; 32]).with_additional(MasterKey::new([7; 32]));
    let rotated = builder(&env.clock, &env.store).with_master_key(keys).build().unwrap();
    let rotated = new_auth(rotated).await;
    let first = env.sign_in("ann@example.com").await;
    let second = env.auth.sessions().refresh(&first.refresh_token, &origin()).await.unwrap();
    // The response was lost; the repetition reaches a process that has the new key already.
    let repeated = rotated.sessions().refresh(&first.refresh_token, &origin()).await.unwrap();
    assert_eq!(repeated.refresh_token, second.refresh_token);
    assert!(rotated.authenticate_bearer(&repeated.access_token).await.is_ok());
}

#[tokio::test]
async fn the_key_set_contains_no_private_keys() {
    let env = test_env().await;
    let key = &env.auth.keys().jwks().await["keys"][0];
    assert_eq!((&key["alg"], key.get("d")), (&"ES256".into(), None), "the key set contains public keys only");
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_outlives_its_tokens() {
    let env = test_env().await;
    let kids = async || {
        let keys = env.auth.keys().jwks().await["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let kid_of = |pair: &TokenPair| {
        let header = URL_SAFE_NO_PAD.decode(pair.access_token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    // Another replica, which reloads the keys by itself.
    let other = new_auth(platform(&env.clock, &env.store)).await;
    let previous_kid = kids().await.remove(0);
    env.clock.advance(Duration::from_secs(60));
    let next_kid = env.auth.keys().rotate().await.unwrap().remove(0).kid;
    assert_eq!(kids().await, [previous_kid.clone(), next_kid.clone()]);
    let before = env.sign_in("ann@example.com").await;
    assert_eq!(kid_of(&before), previous_kid);
    env.clock.advance(Duration::from_secs(601));
    let identity = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
    let after = other
        .sign_in()
        .with_identity(&ProviderName::parse("dev").unwrap(), &identity, &origin())
        .await
        .unwrap();
    assert_eq!(kid_of(&after), next_kid);
    for auth in [&env.auth, &other] {
        for pair in [&before, &after] {
            auth.authenticate_bearer(&pair.access_token).await.unwrap();
        }
    }
    // The next rotation deletes the old key, since all tokens that it signed have expired.
    env.clock.advance(Duration::from_secs(7_200));
    let latest_kid = env.auth.keys().rotate().await.unwrap().remove(0).kid;
    assert_eq!(kids().await, [next_kid, latest_kid]);
}

#[tokio::test]
async fn keys_are_rotated_at_the_configured_age() {
    let env = test_env().await;
    let other = new_auth(platform(&env.clock, &env.store)).await;
    let count = async || env.auth.keys().list().await.unwrap().len();
    // Runs one check and then stops, without waiting.
    let check_rotation = async |auth: &Auth| auth.keys().run_rotation(tokio::task::yield_now()).await;
    check_rotation(&env.auth).await;
    assert_eq!(count().await, 1, "the key has not reached the age");
    for _ in 0..2 {
        env.clock.advance(Duration::from_secs(90 * 86_400));
        check_rotation(&env.auth).await;
        check_rotation(&other).await;
        assert_eq!(count().await, 2, "one new key was generated, and the retired one was deleted");
    }
    let keys = env.auth.keys().list().await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.retires_at.is_none()).count(), 1, "{keys:?}");
}

#[tokio::test]
async fn tokens_of_a_retired_key_are_rejected_by_all_replicas() {
    let env = test_env().await;
    let other = new_auth(platform(&env.clock, &env.store)).await;
    let before = env.sign_in("ann@example.com").await;
    for auth in [&env.auth, &other] {
        auth.authenticate_bearer(&before.access_token).await.unwrap();
    }
    let leaked_kid = env.auth.keys().list().await.unwrap().remove(0).kid;
    env.auth.keys().retire(&leaked_kid).await.unwrap();
    assert!(!env.is_valid(&before.access_token).await, "this replica rejects the token immediately");
    env.clock.advance(Duration::from_secs(30));
    assert!(
        other.authenticate_bearer(&before.access_token).await.is_err(),
        "other replicas reject it within 30 seconds"
    );
    // Sessions stay valid: the next token is signed with the next key, which all replicas know.
    let after = env.auth.sessions().refresh(&before.refresh_token, &origin()).await.unwrap();
    for auth in [&env.auth, &other] {
        auth.authenticate_bearer(&after.access_token).await.unwrap();
    }
    assert!(
        env.auth.keys().jwks().await["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key["kid"] != leaked_kid.as_str())
    );
    let error = env.auth.keys().retire(&leaked_kid).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
