//! Conformance of the Redis store, and tests of its own behavior.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;
use std::time::{Duration, Instant};

use hexabase_core::ErrorKind;
use hexabase_core::ephemeral::{EphemeralStore as _, Rate};
use hexabase_store::{RedisConfig, RedisEphemeral};
use hexabase_test_servers::{Forwarder, Redis, unique};

/// Commands that the access control list must allow.
const ACL_RULES: &str = "+get +mget +set +del +eval +evalsha +script|load +time +ping";

mod conformance {
    use super::{RedisEphemeral, shared_server};

    hexabase_core::ephemeral_store_conformance!(async {
        let (config, server) = shared_server();
        (RedisEphemeral::connect(&config).await.unwrap(), server)
    });
}

mod conformance_on_a_cluster {
    use super::{Cluster, RedisEphemeral};

    hexabase_core::ephemeral_store_conformance!(async {
        let cluster = Cluster::start();
        (RedisEphemeral::connect(&cluster.config()).await.unwrap(), cluster)
    });
}

fn shared_server() -> (RedisConfig, Redis) {
    let server = Redis::shared();
    let config = RedisConfig { prefix: unique("test"), ..RedisConfig::new([server.url()]) };
    (config, server)
}

/// Cluster of three nodes.
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
        // Each node must learn from the others that all slots are covered.
        for node in &nodes {
            while !redis_cli(node, &["CLUSTER", "INFO"]).contains("cluster_state:ok") {
                std::thread::yield_now();
            }
        }
        Self(nodes)
    }

    /// Long timeout, because many concurrent clusters slow a machine down and these tests measure no time.
    fn config(&self) -> RedisConfig {
        let timeout = Duration::from_secs(10);
        RedisConfig { timeout, ..RedisConfig::new(self.0.iter().map(Redis::url)) }
    }
}

fn redis_cli(server: &Redis, command: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["-u", server.url()]).args(command).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_cluster_stores_a_hash_tag_group_on_one_node() {
    let cluster = Cluster::start();
    let store = RedisEphemeral::connect(&cluster.config()).await.unwrap();
    let minute = Duration::from_secs(60);
    let nodes_with_keys = || cluster.0.iter().filter(|node| redis_cli(node, &["DBSIZE"]) != "0").count();
    for number in 0..50 {
        store.put(&format!("group/{number}"), b"1", minute).await.unwrap();
    }
    assert_eq!(nodes_with_keys(), 1);
    for number in 0..50 {
        store.put(&format!("loose:{number}"), b"1", minute).await.unwrap();
    }
    assert_eq!(nodes_with_keys(), 3);
}

#[tokio::test]
async fn every_key_has_a_ttl() {
    let server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisConfig::new([server.url()])).await.unwrap();
    let (day, forever) = (Duration::from_secs(86_400), Duration::MAX);
    store.put("a", b"1", day).await.unwrap();
    store.put("forever", b"1", forever).await.unwrap();
    store.put_if_absent("b", b"1", day).await.unwrap();
    assert!(store.compare_and_set("b", b"1", b"2", day).await.unwrap());
    store.take_token("bucket", Rate { burst: 3, period: day }).await.unwrap();
    let keys = redis_cli(&server, &["KEYS", "*"]);
    assert_eq!(keys.lines().count(), 4, "{keys}");
    for key in keys.lines() {
        let left: i64 = redis_cli(&server, &["PTTL", key]).parse().unwrap();
        assert!(left > 0, "{key} has the TTL {left} ms");
        assert!(key.starts_with("hexabase:"), "{key}");
    }
}

#[tokio::test]
async fn put_visible_returns_once_every_process_sees_the_marker() {
    let server = Redis::start(&[]);
    let connect = async || RedisEphemeral::connect(&RedisConfig::new([server.url()])).await.unwrap();
    let (first, second) = (connect().await, connect().await);
    let minute = Duration::from_secs(60);
    first.put_visible(&["group/all".to_owned()], minute).await.unwrap();
    for number in 0..5 {
        let key = format!("group/{number}");
        let visible = async || second.contains_cached(&key, "group/all").await.unwrap();
        assert_eq!(visible().await, [false, true]);
        first.put_visible(std::slice::from_ref(&key), minute).await.unwrap();
        assert_eq!(visible().await, [true, true]);
    }
}

#[tokio::test]
async fn contains_cached_caches_results() {
    let server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisConfig::new([server.url()])).await.unwrap();
    store.put_visible(&["all".to_owned()], Duration::from_secs(60)).await.unwrap();
    for _ in 0..1_000 {
        assert_eq!(store.contains_cached("one", "all").await.unwrap(), [false, true]);
    }
    let statistics = redis_cli(&server, &["INFO", "commandstats"]);
    let requests = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_mget:calls=")).unwrap();
    let requests: u32 = requests.split(',').next().unwrap().parse().unwrap();
    assert!(requests < 100, "{requests} of 1000 calls reached the server");
}

#[tokio::test]
async fn the_documented_acl_rules_are_sufficient() {
    let server = Redis::start(&[]);
    let rules = format!("ACL SETUSER hexabase on >hunter2 resetkeys ~hexabase:* -@all {ACL_RULES}");
    assert_eq!(redis_cli(&server, &rules.split(' ').collect::<Vec<_>>()), "OK");
    let address = server.url().strip_prefix("redis://").unwrap();
    let config = RedisConfig::new([format!("redis://hexabase:hunter2@{address}")]);
    let store = RedisEphemeral::connect(&config).await.unwrap();
    let minute = Duration::from_secs(60);
    store.put("a", b"1", minute).await.unwrap();
    assert!(store.compare_and_set("a", b"1", b"2", minute).await.unwrap());
    store.put_visible(&["c".to_owned()], minute).await.unwrap();
    assert_eq!(store.contains_cached("b", "c").await.unwrap(), [false, true]);
    assert_eq!(store.take("a").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert!(store.take_token("b", Rate { burst: 1, period: minute }).await.unwrap().allowed);
    store.ping().await.unwrap();
    assert!(!format!("{config:?} {store:?}").contains("hunter2"));

    let wrong = RedisConfig::new([format!("redis://hexabase:wrong@{address}")]);
    let error = RedisEphemeral::connect(&wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn operations_fail_fast_while_redis_is_down_and_recover_afterwards() {
    let mut server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisConfig::new([server.url()])).await.unwrap();
    let minute = Duration::from_secs(60);
    store.put("a", b"1", minute).await.unwrap();

    server.freeze(true);
    let started = Instant::now();
    assert_eq!(store.get("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    // A generous bound for a busy machine; without a timeout the request would wait forever.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
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
    assert_eq!(store.get("a").await.unwrap(), None, "the restarted server must be empty");
}

#[tokio::test]
async fn the_first_operation_after_a_restart_succeeds() {
    let mut server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisConfig::new([server.url()])).await.unwrap();
    store.ping().await.unwrap();
    server.stop();
    server.resume();
    store.put("a", b"1", Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn two_replicas_share_a_bucket() {
    let (config, _server) = shared_server();
    let replicas =
        [RedisEphemeral::connect(&config).await.unwrap(), RedisEphemeral::connect(&config).await.unwrap()];
    let rate = Rate { burst: 4, period: Duration::from_secs(3_600) };
    let mut allowed = 0;
    for index in 0..8 {
        allowed += u32::from(replicas[index % 2].take_token("shared", rate).await.unwrap().allowed);
    }
    assert_eq!(allowed, 4);
}

#[tokio::test]
async fn a_full_or_read_only_server_is_detected_by_a_ping() {
    let server = Redis::start(&[]);
    let store = RedisEphemeral::connect(&RedisConfig::new([server.url()])).await.unwrap();
    store.put("a", b"1", Duration::from_secs(60)).await.unwrap();
    for (fault, remedy) in [
        (["CONFIG", "SET", "maxmemory", "1"].as_slice(), ["CONFIG", "SET", "maxmemory", "0"].as_slice()),
        (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]),
    ] {
        store.ping().await.unwrap();
        assert_eq!(redis_cli(&server, fault), "OK");
        assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Unavailable, "{fault:?}");
        assert_eq!(redis_cli(&server, remedy), "OK");
    }
    store.ping().await.unwrap();
}

/// Makes a server the replica of another one, and waits until it has its data.
fn replicate(replica: &Redis, master: &Redis) {
    let port = master.port().unwrap().to_string();
    assert_eq!(redis_cli(replica, &["REPLICAOF", "127.0.0.1", &port]), "OK");
    while !redis_cli(replica, &["INFO", "replication"]).contains("master_link_status:up") {
        std::thread::yield_now();
    }
}

/// Demotes a master, and makes its replica the master.
fn fail_over(master: &Redis, replica: &Redis) {
    assert_eq!(redis_cli(replica, &["REPLICAOF", "NO", "ONE"]), "OK");
    replicate(master, replica);
}

/// Master and replica behind one address, which leads to the master.
fn replicated_servers() -> (Redis, Redis, Forwarder) {
    let (master, replica) = (Redis::start(&[]), Redis::start(&[]));
    replicate(&replica, &master);
    let address = Forwarder::start(master.port().unwrap());
    (master, replica, address)
}

fn config_of(address: &Forwarder) -> RedisConfig {
    RedisConfig::new([format!("redis://127.0.0.1:{}", address.port())])
}

#[tokio::test]
async fn every_write_reaches_the_new_master_after_a_failover_behind_one_address() {
    let (master, replica, address) = replicated_servers();
    let minute = Duration::from_secs(60);
    // One connection per operation, each of which is the first one after the failover.
    let mut stores = Vec::new();
    for _ in 0..6 {
        let store = RedisEphemeral::connect(&config_of(&address)).await.unwrap();
        store.put("value", b"1", minute).await.unwrap();
        stores.push(store);
    }
    while redis_cli(&replica, &["GET", "hexabase:v:value"]) != "1" {
        tokio::task::yield_now().await;
    }
    fail_over(&master, &replica);
    address.switch_to(replica.port().unwrap());

    let [put, put_if_absent, compare_and_set, take, take_token, ping] = stores.try_into().unwrap();
    put.put("put", b"1", minute).await.unwrap();
    assert!(put_if_absent.put_if_absent("absent", b"1", minute).await.unwrap());
    assert!(compare_and_set.compare_and_set("value", b"1", b"2", minute).await.unwrap());
    assert_eq!(take.take("value").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert!(take_token.take_token("bucket", Rate { burst: 1, period: minute }).await.unwrap().allowed);
    ping.ping().await.unwrap();
    assert_eq!(redis_cli(&replica, &["GET", "hexabase:v:put"]), "1");
}

#[tokio::test]
async fn a_demoted_master_is_reported_until_the_address_leads_to_the_new_one() {
    let (master, replica, address) = replicated_servers();
    let store = RedisEphemeral::connect(&config_of(&address)).await.unwrap();
    store.ping().await.unwrap();
    fail_over(&master, &replica);
    let received = || -> u32 {
        let statistics = redis_cli(&master, &["INFO", "stats"]);
        let count = statistics.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().trim().parse().unwrap()
    };
    // The failover itself took many connections to watch.
    let before = received();
    for _ in 0..1_000 {
        assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let connections = received() - before;
    assert!(connections < 500, "{connections} connections for 1000 operations");
    address.switch_to(replica.port().unwrap());
    while store.ping().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_replica_without_its_master_is_left_for_another_server() {
    let (stale, other) = (Redis::start(&[]), Redis::start(&[]));
    let address = Forwarder::start(stale.port().unwrap());
    let store = RedisEphemeral::connect(&config_of(&address)).await.unwrap();
    store.ping().await.unwrap();
    for command in
        [["CONFIG", "SET", "replica-serve-stale-data", "no"].as_slice(), &["REPLICAOF", "127.0.0.1", "1"]]
    {
        assert_eq!(redis_cli(&stale, command), "OK");
    }
    // MASTERDOWN, even for reads.
    address.switch_to(other.port().unwrap());
    assert_eq!(store.get("value").await.unwrap(), None);
}
