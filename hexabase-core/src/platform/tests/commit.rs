//! The commit path as other crates use it.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;

use super::*;
use crate::changeset::{Changeset, Precondition};
use crate::version::Version;

#[tokio::test]
async fn a_commit_of_another_crate_completes_waits_for_live_events() {
    let env = Setup::new();
    let ann = env.sign_in("ann").await;
    let organization = env.create_organization(&ann, "acme").await.id;
    let committed = env.platform.event_committed(organization);
    let event = env.platform.inner().event(
        organization,
        None,
        crate::model::EventKind::TaskProgress,
        serde_json::Value::Null,
    );
    env.platform.commit(Changeset::new().insert(event)).await.unwrap();
    assert!(committed.now_or_never().is_some());
}

#[tokio::test]
async fn a_command_of_another_crate_is_repeated_after_a_version_conflict() {
    let env = Setup::new();
    let ann = env.sign_in("ann").await;
    let (user, attempts) = (ann.principal.user_id, AtomicUsize::new(0));
    let version = async |attempts: usize| {
        let current = env.platform.users().profile(user).await.unwrap().user.version;
        if attempts == 0 { current.next() } else { current }
    };
    let ended = env.platform.transact(|| async {
        let version: Version = version(attempts.fetch_add(1, Ordering::Relaxed)).await;
        Ok((Changeset::new().precondition(Precondition::User(user, version)), ()))
    });
    ended.await.unwrap();
    assert_eq!(attempts.into_inner(), 2);
}
