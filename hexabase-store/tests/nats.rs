//! NATS against the suite that every queue must pass, and what is NATS's own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hexabase_core::ErrorKind;
use hexabase_core::changeset::{OutboxMessage, Topic};
use hexabase_core::conformance::task_queue::{MAX_DELIVERIES, VISIBILITY};
use hexabase_core::fixture::id;
use hexabase_core::id::{MessageId, TypedId as _};
use hexabase_core::queue::TaskQueue as _;
use hexabase_store::{NatsQueue, NatsSettings};
use hexabase_test_servers::{Nats, unique};
use uuid::Uuid;

mod conformance {
    use super::{Nats, NatsQueue, settings};

    hexabase_core::task_queue_conformance!(async {
        let server = Nats::shared();
        (NatsQueue::connect(settings(server.url())).await.unwrap(), server)
    });
}

fn settings(url: &str) -> NatsSettings {
    NatsSettings {
        stream: unique("TEST"),
        visibility: VISIBILITY,
        max_deliveries: MAX_DELIVERIES,
        ..NatsSettings::new(url)
    }
}

fn message(number: u128) -> OutboxMessage {
    OutboxMessage {
        id: MessageId::from_uuid(Uuid::from_u128(number)),
        topic: Topic::Look,
        organization_id: id("acme"),
        workspace_id: Some(id("dev")),
        payload: b"anything".to_vec(),
    }
}

const NOW: Duration = Duration::ZERO;
const PATIENTLY: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_was_acknowledged_survives_the_server() {
    let mut server = Nats::start(&[]);
    let queue = NatsQueue::connect(settings(server.url())).await.unwrap();
    queue.publish(&message(1), NOW).await.unwrap();
    queue.publish(&message(2), Duration::from_millis(100)).await.unwrap();
    server.stop();
    assert_eq!(queue.publish(&message(3), NOW).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(queue.depth().await.unwrap_err().kind(), ErrorKind::Unavailable);
    server.resume();
    while queue.depth().await.is_err() {
        tokio::task::yield_now().await;
    }
    let mut received = Vec::new();
    while received.len() < 2 {
        for delivery in queue.receive(9, PATIENTLY).await.unwrap() {
            queue.ack(&delivery).await.unwrap();
            received.push(delivery.message);
        }
    }
    received.sort_unstable_by_key(|message| message.id);
    assert_eq!(received, [message(1), message(2)]);
}

#[tokio::test]
async fn after_a_crash_the_queue_comes_to_rest() {
    let mut server = Nats::start(&[]);
    let queue = NatsQueue::connect(settings(server.url())).await.unwrap();
    for round in 0..20_u128 {
        for number in 0..50 {
            queue.publish(&message(1 + round * 50 + number), NOW).await.unwrap();
        }
        let deliveries = queue.receive(25, PATIENTLY).await.unwrap();
        for delivery in &deliveries {
            queue.ack(delivery).await.unwrap();
        }
    }
    server.crash();
    server.resume();
    // Whatever the crash did to the last few of them, the queue is empty in the end.
    let begun = std::time::Instant::now();
    let mut idle = 0;
    while idle < 2 {
        match queue.receive(100, VISIBILITY * 2).await {
            Ok(deliveries) if deliveries.is_empty() => idle += 1,
            Ok(deliveries) => {
                for delivery in &deliveries {
                    queue.ack(delivery).await.unwrap();
                }
            }
            Err(_) => tokio::task::yield_now().await,
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come to an end");
    }
    assert_eq!(queue.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_lost_everything_is_furnished_again() {
    let mut server = Nats::start(&[]);
    let settings = settings(server.url());
    let queue = NatsQueue::connect(settings.clone()).await.unwrap();
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    admin.delete_stream(&settings.stream).await.unwrap();
    // The first to notice fails; whoever tries again does not.
    while queue.publish(&message(1), NOW).await.is_err() {}
    assert_eq!(queue.receive(1, PATIENTLY).await.unwrap()[0].message, message(1));
    server.stop();
}

#[tokio::test]
async fn what_was_published_is_there_for_whoever_asks_next() {
    let server = Nats::shared();
    let queue = NatsQueue::connect(settings(server.url())).await.unwrap();
    // The server's own lists are behind by a moment once in a thousand times.
    for number in 1..=5_000 {
        queue.publish(&message(number), NOW).await.unwrap();
        let deliveries = queue.receive(8, NOW).await.unwrap();
        assert_eq!(deliveries.len(), 1, "message {number}");
        queue.ack(&deliveries[0]).await.unwrap();
    }
}

#[tokio::test]
async fn workers_share_what_there_is() {
    let server = Nats::shared();
    let settings = settings(server.url());
    let workers =
        [NatsQueue::connect(settings.clone()).await.unwrap(), NatsQueue::connect(settings).await.unwrap()];
    for number in 1..=20 {
        workers[0].publish(&message(number), NOW).await.unwrap();
    }
    let mut received = Vec::new();
    for turn in 0..20 {
        let deliveries = workers[turn % 2].receive(1, PATIENTLY).await.unwrap();
        for delivery in deliveries {
            workers[turn % 2].ack(&delivery).await.unwrap();
            received.push(delivery.message.id);
        }
    }
    received.sort_unstable();
    received.dedup();
    assert_eq!(received.len(), 20);
    assert_eq!(workers[1].depth().await.unwrap(), 0);
}

#[tokio::test]
async fn a_reason_of_many_lines_is_kept_as_one() {
    let server = Nats::shared();
    let queue = NatsQueue::connect(settings(server.url())).await.unwrap();
    queue.publish(&message(1), NOW).await.unwrap();
    for _ in 0..MAX_DELIVERIES {
        let delivery = queue.receive(1, PATIENTLY).await.unwrap().remove(0);
        queue.nack(&delivery, NOW, "first\r\nsecond: third").await.unwrap();
    }
    assert_eq!(queue.dead_letters(1).await.unwrap()[0].reason, "first  second: third");
}

#[tokio::test]
async fn credentials_are_needed_and_not_shown() {
    let server = Nats::start(&["--user", "hexabase", "--pass", "hunter/2"]);
    let place = server.url().strip_prefix("nats://").unwrap();
    let error = NatsQueue::connect(settings(server.url())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let settings = settings(&format!("nats://hexabase:hunter%2F2@{place}"));
    let queue = NatsQueue::connect(settings.clone()).await.unwrap();
    assert!(!format!("{settings:?} {queue:?} {error:?}").contains("hunter"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_taken_is_lost_while_the_server_comes_and_goes() {
    let mut server = Nats::start(&[]);
    let settings = NatsSettings { max_deliveries: 1_000, ..settings(server.url()) };
    let over = Arc::new(AtomicBool::new(false));
    let publishing = {
        let (queue, over) = (NatsQueue::connect(settings.clone()).await.unwrap(), over.clone());
        tokio::spawn(async move {
            let mut taken = BTreeSet::new();
            for number in 1.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                // Whatever is not taken is tried again, as the relay does.
                let message = message(number);
                while queue.publish(&message, NOW).await.is_err() {
                    tokio::task::yield_now().await;
                }
                taken.insert(message.id);
            }
            taken
        })
    };
    let received = Arc::new(Mutex::new(BTreeSet::new()));
    let working: Vec<_> = (0..3)
        .map(|_| {
            let (settings, over, received) = (settings.clone(), over.clone(), received.clone());
            tokio::spawn(async move {
                let queue = NatsQueue::connect(settings).await.unwrap();
                let mut idle = false;
                while !(over.load(Ordering::Relaxed) && idle) {
                    let Ok(deliveries) = queue.receive(8, VISIBILITY * 4).await else {
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
    over.store(true, Ordering::Relaxed);
    let taken = publishing.await.unwrap();
    for worker in working {
        worker.await.unwrap();
    }
    let received = received.lock().unwrap().clone();
    let lost: Vec<_> = taken.difference(&received).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), taken.len());
    let queue = NatsQueue::connect(settings).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
}
