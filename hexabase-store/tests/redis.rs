//! Redis against the suite that every ephemeral store must pass, and what is Redis's own.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;
use std::time::{Duration, Instant};

use hexabase_core::ErrorKind;
use hexabase_core::ephemeral::{EphemeralStore as _, Rate};
use hexabase_store::{RedisEphemeral, RedisSettings};
use hexabase_test_servers::{Redis, unique};

/// What a user needs who may do nothing else.
const RIGHTS: &str = "+get +mget +set +del +eval +evalsha +script|load +time +ping";

mod conformance {
    use super::{RedisEphemeral, on_shared};

    hexabase_core::ephemeral_store_conformance!(async {
        let (settings, server) = on_shared();
        (RedisEphemeral::connect(&settings).await.unwrap(), server)
    });
}

mod conformance_on_a_cluster {
    use super::{Cluster, RedisEphemeral};

    hexabase_core::ephemeral_store_conformance!(async {
        let cluster = Cluster::start();
        (RedisEphemeral::connect(&cluster.settings()).await.unwrap(), cluster)
    });
}

fn on_shared() -> (RedisSettings, Redis) {
    let server = Redis::shared();
    let settings = RedisSettings { prefix: unique("test"), ..RedisSettings::new([server.url()]) };
    (settings, server)
}

/// Three nodes that share the keys among them.
struct Cluster(Vec<Redis>);

impl Cluster {
    fn start() -> Self {
        let node = || Redis::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
        let nodes = vec![node(), node(), node()];
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port().unwrap()));
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses).args([
            "--cluster-yes",
            "--cluster-replicas",
            "0",
        ]);
        let created = create.output().unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        // Each node has to hear from the others that all keys are taken care of.
        for node in &nodes {
            while !ask(node, &["CLUSTER", "INFO"]).contains("cluster_state:ok") {
                std::thread::yield_now();
            }
        }
        Self(nodes)
    }

    /// Many clusters at once make a machine slow; how fast they fail is not what is tested with them.
    fn settings(&self) -> RedisSettings {
        let timeout = Duration::from_secs(10);
        RedisSettings { timeout, ..RedisSettings::new(self.0.iter().map(Redis::url)) }
    }
}

fn ask(server: &Redis, command: &[&str]) -> String {
    let answer = Command::new("redis-cli").args(["-u", server.url()]).args(command).output().unwrap();
    String::from_utf8(answer.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_cluster_keeps_a_shelf_on_one_node() {
    let cluster = Cluster::start();
    let store = RedisEphemeral::connect(&cluster.settings()).await.unwrap();
    let minute = Duration::from_secs(60);
    let nodes_with_keys = || cluster.0.iter().filter(|node| ask(node, &["DBSIZE"]) != "0").count();
    for number in 0..50 {
        store.put(&format!("shelf/{number}"), b"1", minute).await.unwrap();
    }
    assert_eq!(nodes_with_keys(), 1);
    for number in 0..50 {
        store.put(&format!("loose:{number}"), b"1", minute).await.unwrap();
    }
    assert_eq!(nodes_with_keys(), 3);
}

#[tokio::test]
async fn every_key_has_an_end() {
    let server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisSettings::new([server.url()])).await.unwrap();
    let (day, forever) = (Duration::from_secs(86_400), Duration::MAX);
    store.put("a", b"1", day).await.unwrap();
    store.put("for ever", b"1", forever).await.unwrap();
    store.put_if_absent("b", b"1", day).await.unwrap();
    assert!(store.compare_and_set("b", b"1", b"2", day).await.unwrap());
    store.take_token("bucket", Rate { burst: 3, period: day }).await.unwrap();
    let keys = ask(&server, &["KEYS", "*"]);
    assert_eq!(keys.lines().count(), 4, "{keys}");
    for key in keys.lines() {
        let left: i64 = ask(&server, &["PTTL", key]).parse().unwrap();
        assert!(left > 0, "{key} stays for {left} ms");
        assert!(key.starts_with("hexabase:"), "{key}");
    }
}

#[tokio::test]
async fn whoever_announces_something_waits_until_every_process_knows() {
    let server = Redis::start(&[]);
    let connect = async || RedisEphemeral::connect(&RedisSettings::new([server.url()])).await.unwrap();
    let (here, there) = (connect().await, connect().await);
    let minute = Duration::from_secs(60);
    here.announce(&["shelf/all".to_owned()], minute).await.unwrap();
    for number in 0..5 {
        let key = format!("shelf/{number}");
        let known = async || there.are_announced([&key, "shelf/all"]).await.unwrap();
        assert_eq!(known().await, [false, true]);
        here.announce(std::slice::from_ref(&key), minute).await.unwrap();
        assert_eq!(known().await, [true, true]);
    }
}

#[tokio::test]
async fn what_was_asked_a_moment_ago_is_not_asked_again() {
    let server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisSettings::new([server.url()])).await.unwrap();
    store.announce(&["all".to_owned()], Duration::from_secs(60)).await.unwrap();
    for _ in 0..1_000 {
        assert_eq!(store.are_announced(["one", "all"]).await.unwrap(), [false, true]);
    }
    let asked = ask(&server, &["INFO", "commandstats"]);
    let times = asked.lines().find_map(|line| line.strip_prefix("cmdstat_mget:calls=")).unwrap();
    let times: u32 = times.split(',').next().unwrap().parse().unwrap();
    assert!(times < 100, "{times} of a thousand questions got to the server");
}

#[tokio::test]
async fn a_user_with_few_rights_is_enough() {
    let server = Redis::start(&[]);
    let rules = format!("ACL SETUSER hexabase on >hunter2 resetkeys ~hexabase:* -@all {RIGHTS}");
    assert_eq!(ask(&server, &rules.split(' ').collect::<Vec<_>>()), "OK");
    let place = server.url().strip_prefix("redis://").unwrap();
    let settings = RedisSettings::new([format!("redis://hexabase:hunter2@{place}")]);
    let store = RedisEphemeral::connect(&settings).await.unwrap();
    let minute = Duration::from_secs(60);
    store.put("a", b"1", minute).await.unwrap();
    assert!(store.compare_and_set("a", b"1", b"2", minute).await.unwrap());
    store.announce(&["c".to_owned()], minute).await.unwrap();
    assert_eq!(store.are_announced(["b", "c"]).await.unwrap(), [false, true]);
    assert_eq!(store.take("a").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert!(store.take_token("b", Rate { burst: 1, period: minute }).await.unwrap().allowed);
    store.ping().await.unwrap();
    assert!(!format!("{settings:?} {store:?}").contains("hunter2"));

    let wrong = RedisSettings::new([format!("redis://hexabase:wrong@{place}")]);
    let error = RedisEphemeral::connect(&wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn while_it_is_away_everything_fails_fast_and_comes_back_by_itself() {
    let mut server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisSettings::new([server.url()])).await.unwrap();
    let minute = Duration::from_secs(60);
    store.put("a", b"1", minute).await.unwrap();

    server.freeze(true);
    let begun = Instant::now();
    assert_eq!(store.get("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    // A bound that tells "gave up" from "waited for an answer", with plenty of room for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    server.freeze(false);
    while store.get("a").await.is_err() {
        tokio::task::yield_now().await;
    }

    server.stop();
    for _ in 0..3 {
        assert_eq!(store.get("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
        let rate = Rate { burst: 1, period: minute };
        assert_eq!(store.take_token("b", rate).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(store.take("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    server.resume();
    while store.ping().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.get("a").await.unwrap(), None, "it came back empty");
}

#[tokio::test]
async fn the_first_to_notice_a_restart_is_not_bothered_with_it() {
    let mut server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisSettings::new([server.url()])).await.unwrap();
    store.ping().await.unwrap();
    server.stop();
    server.resume();
    store.put("a", b"1", Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn two_replicas_share_a_bucket() {
    let (settings, _server) = on_shared();
    let replicas = [
        RedisEphemeral::connect(&settings).await.unwrap(),
        RedisEphemeral::connect(&settings).await.unwrap(),
    ];
    let rate = Rate { burst: 4, period: Duration::from_secs(3_600) };
    let mut allowed = 0;
    for turn in 0..8 {
        allowed += u32::from(replicas[turn % 2].take_token("shared", rate).await.unwrap().allowed);
    }
    assert_eq!(allowed, 4);
}
