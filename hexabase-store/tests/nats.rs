//! Conformance of the NATS queue, and tests of its own behavior.

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
use hexabase_test_servers::{Nats, unique};
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
            let (config, done, received) = (config.clone(), done.clone(), received.clone());
            tokio::spawn(async move {
                let queue = NatsQueue::connect(config).await.unwrap();
                let mut idle = false;
                while !(done.load(Ordering::Relaxed) && idle) {
                    let Ok(deliveries) = queue.receive(8, TEST_VISIBILITY * 4).await else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    idle = deliveries.is_empty();
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
    for worker in working {
        worker.await.unwrap();
    }
    let received = received.lock().unwrap().clone();
    let lost: Vec<_> = accepted.difference(&received).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), accepted.len());
    let queue = NatsQueue::connect(config).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
}
