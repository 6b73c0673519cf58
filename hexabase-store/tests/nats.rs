//! Conformance of the NATS queue, and tests of its own behavior.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hexabase_core::ErrorKind;
use hexabase_core::changeset::{OutboxMessage, Topic};
use hexabase_core::conformance::task_queue::{TEST_MAX_DELIVERIES, TEST_VISIBILITY};
use hexabase_core::fixture::id;
use hexabase_core::id::{MessageId, TypedId as _};
use hexabase_core::queue::TaskQueue as _;
use hexabase_store::{NatsConfig, NatsQueue};
use hexabase_test_servers::{Forwarder, Nats, unique};
use uuid::Uuid;

mod conformance {
    use super::{Nats, NatsQueue, config};

    hexabase_core::task_queue_conformance!(async {
        let server = Nats::shared();
        (NatsQueue::connect(config(server.url())).await.unwrap(), server)
    });
}

fn config(url: &str) -> NatsConfig {
    NatsConfig {
        stream: unique("TEST"),
        visibility: TEST_VISIBILITY,
        max_deliveries: TEST_MAX_DELIVERIES,
        ..NatsConfig::new(url)
    }
}

fn message(number: u128) -> OutboxMessage {
    OutboxMessage {
        id: MessageId::from_uuid(Uuid::from_u128(number)),
        topic: Topic::Reconcile,
        organization_id: id("acme"),
        workspace_id: Some(id("dev")),
        payload: b"anything".to_vec(),
        trace_parent: None,
    }
}

const IMMEDIATELY: Duration = Duration::ZERO;
const MAX_WAIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn published_messages_survive_a_server_restart() {
    let mut server = Nats::start(&[]);
    let queue = NatsQueue::connect(config(server.url())).await.unwrap();
    queue.publish(&message(1), IMMEDIATELY).await.unwrap();
    queue.publish(&message(2), Duration::from_millis(100)).await.unwrap();
    server.stop();
    assert_eq!(queue.publish(&message(3), IMMEDIATELY).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(queue.depth().await.unwrap_err().kind(), ErrorKind::Unavailable);
    server.resume();
    while queue.depth().await.is_err() {
        tokio::task::yield_now().await;
    }
    let mut received = Vec::new();
    while received.len() < 2 {
        for delivery in queue.receive(9, MAX_WAIT).await.unwrap() {
            queue.ack(&delivery).await.unwrap();
            received.push(delivery.message);
        }
    }
    received.sort_unstable_by_key(|message| message.id);
    assert_eq!(received, [message(1), message(2)]);
}

#[tokio::test]
async fn the_queue_drains_after_a_server_crash() {
    let mut server = Nats::start(&[]);
    let queue = NatsQueue::connect(config(server.url())).await.unwrap();
    for batch in 0..20_u128 {
        for number in 0..50 {
            queue.publish(&message(1 + batch * 50 + number), IMMEDIATELY).await.unwrap();
        }
        let deliveries = queue.receive(25, MAX_WAIT).await.unwrap();
        for delivery in &deliveries {
            queue.ack(delivery).await.unwrap();
        }
    }
    server.crash();
    server.resume();
    // The crash may lose acknowledgements of the last messages; the queue must be empty in the end.
    let started = std::time::Instant::now();
    let mut idle = 0;
    while idle < 2 {
        match queue.receive(100, TEST_VISIBILITY * 2).await {
            Ok(deliveries) if deliveries.is_empty() => idle += 1,
            Ok(deliveries) => {
                for delivery in &deliveries {
                    queue.ack(delivery).await.unwrap();
                }
            }
            Err(_) => tokio::task::yield_now().await,
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the queue must become empty");
    }
    assert_eq!(queue.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn missing_streams_are_created_again() {
    let mut server = Nats::start(&[]);
    let config = config(server.url());
    let queue = NatsQueue::connect(config.clone()).await.unwrap();
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    admin.delete_stream(&config.stream).await.unwrap();
    // The first call fails and invalidates the streams; a retry succeeds.
    while queue.publish(&message(1), IMMEDIATELY).await.is_err() {}
    assert_eq!(queue.receive(1, MAX_WAIT).await.unwrap()[0].message, message(1));
    server.stop();
}

#[tokio::test]
async fn a_published_message_is_available_to_the_next_receive() {
    let server = Nats::shared();
    let queue = NatsQueue::connect(config(server.url())).await.unwrap();
    // About once in a thousand times, the server's own state lags behind for a moment.
    for number in 1..=5_000 {
        queue.publish(&message(number), IMMEDIATELY).await.unwrap();
        let deliveries = queue.receive(8, IMMEDIATELY).await.unwrap();
        assert_eq!(deliveries.len(), 1, "message {number}");
        queue.ack(&deliveries[0]).await.unwrap();
    }
}

#[tokio::test]
async fn workers_share_the_messages() {
    let server = Nats::shared();
    let config = config(server.url());
    let workers =
        [NatsQueue::connect(config.clone()).await.unwrap(), NatsQueue::connect(config).await.unwrap()];
    for number in 1..=20 {
        workers[0].publish(&message(number), IMMEDIATELY).await.unwrap();
    }
    let mut received = Vec::new();
    for index in 0..20 {
        let deliveries = workers[index % 2].receive(1, MAX_WAIT).await.unwrap();
        for delivery in deliveries {
            workers[index % 2].ack(&delivery).await.unwrap();
            received.push(delivery.message.id);
        }
    }
    received.sort_unstable();
    received.dedup();
    assert_eq!(received.len(), 20);
    assert_eq!(workers[1].depth().await.unwrap(), 0);
}

#[tokio::test]
async fn a_multi_line_reason_is_stored_as_one_line() {
    let server = Nats::shared();
    let queue = NatsQueue::connect(config(server.url())).await.unwrap();
    queue.publish(&message(1), IMMEDIATELY).await.unwrap();
    for _ in 0..TEST_MAX_DELIVERIES {
        let delivery = queue.receive(1, MAX_WAIT).await.unwrap().remove(0);
        queue.nack(&delivery, IMMEDIATELY, "first\r\nsecond: third").await.unwrap();
    }
    assert_eq!(queue.dead_letters(1).await.unwrap()[0].reason, "first  second: third");
}

#[tokio::test]
async fn credentials_are_required_and_not_shown() {
    let server = Nats::start(&["--user", "hexabase", "--pass", "hunter/2"]);
    let address = server.url().strip_prefix("nats://").unwrap();
    let error = NatsQueue::connect(config(server.url())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let config = config(&format!("nats://hexabase:hunter%2F2@{address}"));
    let queue = NatsQueue::connect(config.clone()).await.unwrap();
    assert!(!format!("{config:?} {queue:?} {error:?}").contains("hunter"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_message_is_lost_while_the_server_restarts() {
    let mut server = Nats::start(&[]);
    let config = NatsConfig { max_deliveries: 1_000, ..config(server.url()) };
    let done = Arc::new(AtomicBool::new(false));
    // The last message may be accepted after `done` is set.
    let all_published = Arc::new(AtomicBool::new(false));
    let publishing = {
        let (queue, done) = (NatsQueue::connect(config.clone()).await.unwrap(), done.clone());
        tokio::spawn(async move {
            let mut accepted = BTreeSet::new();
            for number in 1.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                // A message that was not accepted is published again, as by the relay.
                let message = message(number);
                while queue.publish(&message, IMMEDIATELY).await.is_err() {
                    tokio::task::yield_now().await;
                }
                accepted.insert(message.id);
            }
            accepted
        })
    };
    let received = Arc::new(Mutex::new(BTreeSet::new()));
    let working: Vec<_> = (0..3)
        .map(|_| {
            let (config, all_published, received) = (config.clone(), all_published.clone(), received.clone());
            tokio::spawn(async move {
                let queue = NatsQueue::connect(config).await.unwrap();
                let mut is_drained = false;
                while !is_drained {
                    let is_complete = all_published.load(Ordering::Relaxed);
                    let Ok(deliveries) = queue.receive(8, TEST_VISIBILITY * 4).await else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    is_drained = is_complete && deliveries.is_empty();
                    for delivery in deliveries {
                        received.lock().unwrap().insert(delivery.message.id);
                        drop(queue.ack(&delivery).await);
                    }
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let enough = received.lock().unwrap().len() + 300;
        while received.lock().unwrap().len() < enough {
            tokio::task::yield_now().await;
        }
        server.stop();
        server.resume();
    }
    done.store(true, Ordering::Relaxed);
    let accepted = publishing.await.unwrap();
    all_published.store(true, Ordering::Relaxed);
    for worker in working {
        worker.await.unwrap();
    }
    let received = received.lock().unwrap().clone();
    let lost: Vec<_> = accepted.difference(&received).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), accepted.len());
    let queue = NatsQueue::connect(config).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
}

fn url_of(address: &Forwarder) -> String {
    format!("nats://127.0.0.1:{}", address.port())
}

/// Publishes messages until a server has received one.
async fn publish_until_received(queue: &NatsQueue, server: &NatsQueue) {
    for number in 1.. {
        // A message that was not accepted waits in the outbox.
        if queue.publish(&message(number), IMMEDIATELY).await.is_ok() && server.depth().await.unwrap() > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_announces_its_stop_is_left_for_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nats.conf");
    // It keeps its connections for a day.
    std::fs::write(&file, "lame_duck_grace_period: \"24h\"\nlame_duck_duration: \"25h\"\n").unwrap();
    let old = Nats::start(&["--config", file.to_str().unwrap()]);
    let new = Nats::start(&[]);
    let address = Forwarder::start(old.port().unwrap());
    let config = config(&url_of(&address));
    let queue = NatsQueue::connect(config.clone()).await.unwrap();
    queue.publish(&message(1), IMMEDIATELY).await.unwrap();
    let direct = NatsQueue::connect(NatsConfig { url: new.url().into(), ..config }).await.unwrap();
    address.switch_to(new.port().unwrap());
    old.announce_stop();
    publish_until_received(&queue, &direct).await;
    assert_eq!(queue.depth().await.unwrap(), direct.depth().await.unwrap());
}

/// Returns the arguments of a server of a cluster whose servers have these names and ports.
fn cluster_arguments(name: &str, port: u16, routes: &str) -> Vec<String> {
    let arguments = format!(
        "--cluster_name test --server_name {name} --cluster nats://127.0.0.1:{port} --routes {routes}"
    );
    arguments.split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_server_without_the_leader_of_its_cluster_is_left_for_another_one() {
    let ports = [Nats::free_port(), Nats::free_port(), Nats::free_port()];
    let routes = ports.map(|port| format!("nats://127.0.0.1:{port}")).join(",");
    let start = |(number, port): (usize, u16)| {
        let arguments = cluster_arguments(&format!("n{number}"), port, &routes);
        Nats::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut cluster: Vec<Nats> = ports.into_iter().enumerate().map(start).collect();
    let address = Forwarder::start(cluster[0].port().unwrap());
    let config = NatsConfig { replicas: 3, ..config(&url_of(&address)) };
    let queue = loop {
        // Until the cluster has a leader.
        if let Ok(queue) = NatsQueue::connect(config.clone()).await {
            break queue;
        }
    };
    while queue.publish(&message(1), IMMEDIATELY).await.is_err() {}
    for server in &mut cluster[1..] {
        server.crash();
    }
    let other = Nats::start(&[]);
    let config = NatsConfig { url: other.url().into(), replicas: 1, ..config };
    let direct = NatsQueue::connect(config).await.unwrap();
    address.switch_to(other.port().unwrap());
    publish_until_received(&queue, &direct).await;
}
