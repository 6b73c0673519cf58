//! Conformance suite for [`TaskQueue`].
//!
//! The queue under test must have the visibility [`TEST_VISIBILITY`] and at most [`TEST_MAX_DELIVERIES`] deliveries,
//! so that the cases run quickly.

use std::time::Duration;

use crate::changeset::{OutboxMessage, Topic};
use crate::clock::{Clock as _, SystemClock};
use crate::fixture::id;
use crate::id::{MessageId, TypedId as _};
use crate::queue::{Delivery, TaskQueue};
use crate::trace::TraceParent;
use uuid::Uuid;

/// Visibility of the queue under test.
pub const TEST_VISIBILITY: Duration = Duration::from_millis(300);
/// Number of deliveries of the queue under test.
pub const TEST_MAX_DELIVERIES: u32 = 3;

const NO_DELAY: Duration = Duration::ZERO;
const SHORT_WAIT: Duration = Duration::from_millis(50);
const LONG_WAIT: Duration = Duration::from_secs(5);

/// Defines one test per case for a [`TaskQueue`](crate::queue::TaskQueue). See the [module](crate::conformance) for
/// the value of the expression.
#[macro_export]
macro_rules! task_queue_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            task_queue,
            $make,
            [
                a_published_message_is_received_unchanged,
                a_duplicate_id_is_dropped,
                a_delayed_message_is_delivered_after_the_delay,
                a_received_message_is_invisible_to_others,
                an_acknowledged_message_is_not_delivered_again,
                an_unacknowledged_message_is_delivered_again,
                extending_visibility_keeps_a_message_invisible,
                a_returned_message_is_delivered_again_after_the_delay,
                a_message_that_keeps_failing_becomes_a_dead_letter,
                a_message_that_is_never_acknowledged_becomes_a_dead_letter,
                a_message_without_hope_becomes_a_dead_letter_at_once,
                a_retried_dead_letter_is_delivered_as_new,
                receiving_waits_for_a_message,
                receive_returns_empty_after_the_maximum_wait,
                a_late_acknowledgement_is_not_an_error,
                depth_counts_waiting_and_received_messages,
                the_oldest_message_is_the_first_published_of_those_not_acknowledged,
                dead_letters_are_counted,
            ]
        );
    };
}

fn message(number: u128) -> OutboxMessage {
    OutboxMessage {
        id: MessageId::from_uuid(Uuid::from_u128(number)),
        topic: Topic::Reconcile,
        organization_id: id("acme"),
        workspace_id: Some(id("dev")),
        payload: vec![0, 255, 128],
        trace_parent: Some(TraceParent { trace_id: number, span_id: 1, is_sampled: false }),
    }
}

async fn publish(queue: &dyn TaskQueue, number: u128) {
    queue.publish(&message(number), NO_DELAY).await.unwrap();
}

async fn receive_one(queue: &dyn TaskQueue) -> Delivery {
    let mut deliveries = queue.receive(1, LONG_WAIT).await.unwrap();
    assert_eq!(deliveries.len(), 1, "exactly one message must be delivered");
    deliveries.remove(0)
}

async fn assert_empty(queue: &dyn TaskQueue) {
    assert_eq!(queue.receive(9, SHORT_WAIT).await.unwrap(), []);
}

/// A message is delivered unchanged, as the first attempt.
pub async fn a_published_message_is_received_unchanged(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    publish(queue, 2).await;
    let mut received = queue.receive(2, LONG_WAIT).await.unwrap();
    if received.len() < 2 {
        received.extend(queue.receive(1, LONG_WAIT).await.unwrap());
    }
    received.sort_by_key(|delivery| delivery.message.id);
    let messages: Vec<_> = received.iter().map(|delivery| delivery.message.clone()).collect();
    assert_eq!(messages, [message(1), message(2)]);
    assert!(received.iter().all(|delivery| delivery.attempt == 1));
}

/// An id that was published recently is dropped, before and after its message is acknowledged.
pub async fn a_duplicate_id_is_dropped(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    publish(queue, 1).await;
    let delivery = receive_one(queue).await;
    assert_empty(queue).await;
    queue.ack(&delivery).await.unwrap();
    publish(queue, 1).await;
    assert_empty(queue).await;
}

/// A message with a delay is not delivered before the delay has passed.
pub async fn a_delayed_message_is_delivered_after_the_delay(queue: &dyn TaskQueue) {
    queue.publish(&message(1), Duration::from_millis(250)).await.unwrap();
    assert_empty(queue).await;
    assert_eq!(receive_one(queue).await.message, message(1));
}

/// A received message is not delivered to another worker.
pub async fn a_received_message_is_invisible_to_others(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    receive_one(queue).await;
    assert_empty(queue).await;
}

/// An acknowledged message is removed from the queue.
pub async fn an_acknowledged_message_is_not_delivered_again(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let delivery = receive_one(queue).await;
    queue.ack(&delivery).await.unwrap();
    assert_eq!(queue.receive(9, TEST_VISIBILITY * 2).await.unwrap(), []);
}

/// A message is delivered again if its worker crashed.
pub async fn an_unacknowledged_message_is_delivered_again(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let first = receive_one(queue).await;
    let second = receive_one(queue).await;
    assert_eq!((&second.message, second.attempt), (&first.message, 2));
}

/// A worker that is still processing a message can extend its visibility.
pub async fn extending_visibility_keeps_a_message_invisible(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let delivery = receive_one(queue).await;
    for _ in 0..4 {
        SystemClock.sleep(TEST_VISIBILITY / 2).await;
        queue.extend_visibility(&delivery).await.unwrap();
        assert_eq!(queue.receive(1, NO_DELAY).await.unwrap(), []);
    }
    queue.ack(&delivery).await.unwrap();
    assert_eq!(queue.receive(9, TEST_VISIBILITY * 2).await.unwrap(), []);
}

/// A returned message is delivered again, after its delay and not before.
pub async fn a_returned_message_is_delivered_again_after_the_delay(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let first = receive_one(queue).await;
    queue.nack(&first, Duration::from_millis(250), "not now").await.unwrap();
    assert_empty(queue).await;
    let second = receive_one(queue).await;
    assert_eq!((second.message, second.attempt), (first.message, 2));
}

async fn fail_all_deliveries(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    for attempt in 1..=TEST_MAX_DELIVERIES {
        let delivery = receive_one(queue).await;
        assert_eq!(delivery.attempt, attempt);
        queue.nack(&delivery, NO_DELAY, &format!("failure {attempt}")).await.unwrap();
    }
}

/// A message that failed the maximum number of times becomes a dead letter with the last reason.
pub async fn a_message_that_keeps_failing_becomes_a_dead_letter(queue: &dyn TaskQueue) {
    assert_eq!(queue.delivery_policy().max_deliveries, TEST_MAX_DELIVERIES);
    fail_all_deliveries(queue).await;
    assert_empty(queue).await;
    let letters = queue.dead_letters(9).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].message, letters[0].attempts), (&message(1), TEST_MAX_DELIVERIES));
    assert_eq!(letters[0].reason, format!("failure {TEST_MAX_DELIVERIES}"));
}

/// A message whose workers all crash becomes a dead letter too.
pub async fn a_message_that_is_never_acknowledged_becomes_a_dead_letter(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    for attempt in 1..=TEST_MAX_DELIVERIES {
        assert_eq!(receive_one(queue).await.attempt, attempt);
    }
    assert_eq!(queue.receive(9, TEST_VISIBILITY * 3).await.unwrap(), []);
    let letters = queue.dead_letters(9).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].message, letters[0].attempts), (&message(1), TEST_MAX_DELIVERIES));
    assert!(!letters[0].reason.is_empty());
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// A message of which no delivery can succeed becomes a dead letter after its first delivery, and can be retried.
pub async fn a_message_without_hope_becomes_a_dead_letter_at_once(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let delivery = receive_one(queue).await;
    queue.dead_letter(&delivery, "no such recipient").await.unwrap();
    assert_eq!(queue.receive(9, TEST_VISIBILITY * 2).await.unwrap(), []);
    let letters = queue.dead_letters(9).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].message, letters[0].attempts), (&message(1), 1));
    assert_eq!((letters[0].reason.as_str(), queue.depth().await.unwrap()), ("no such recipient", 0));
    assert!(queue.retry_dead_letter(message(1).id).await.unwrap());
    assert_eq!(receive_one(queue).await.message, message(1));
}

/// A dead letter can be returned to the queue once.
pub async fn a_retried_dead_letter_is_delivered_as_new(queue: &dyn TaskQueue) {
    fail_all_deliveries(queue).await;
    assert!(queue.retry_dead_letter(message(1).id).await.unwrap());
    assert!(!queue.retry_dead_letter(message(1).id).await.unwrap());
    let delivery = receive_one(queue).await;
    assert_eq!((&delivery.message, delivery.attempt), (&message(1), 1));
    assert!(queue.dead_letters(9).await.unwrap().is_empty());
}

/// A waiting call returns when a message arrives.
pub async fn receiving_waits_for_a_message(queue: &dyn TaskQueue) {
    let publish_later = async {
        SystemClock.sleep(SHORT_WAIT).await;
        publish(queue, 1).await;
    };
    let (received, ()) = futures_util::join!(receive_one(queue), publish_later);
    assert_eq!(received.message, message(1));
}

/// Without messages the result is empty, and the call takes no longer than the maximum wait.
pub async fn receive_returns_empty_after_the_maximum_wait(queue: &dyn TaskQueue) {
    let before = SystemClock.now();
    assert_empty(queue).await;
    let waited = SystemClock.now().duration_since(before);
    assert!(waited.as_secs() < 4, "{waited}");
}

/// Acknowledging twice, or after the message was delivered again, changes nothing.
pub async fn a_late_acknowledgement_is_not_an_error(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let old = receive_one(queue).await;
    let current = receive_one(queue).await;
    queue.ack(&old).await.unwrap();
    queue.nack(&old, NO_DELAY, "late").await.unwrap();
    queue.ack(&current).await.unwrap();
    queue.ack(&current).await.unwrap();
    assert_eq!(queue.receive(9, TEST_VISIBILITY * 2).await.unwrap(), []);
}

/// The depth counts messages until they are acknowledged.
pub async fn depth_counts_waiting_and_received_messages(queue: &dyn TaskQueue) {
    assert_eq!(queue.depth().await.unwrap(), 0);
    publish(queue, 1).await;
    publish(queue, 2).await;
    assert_eq!(queue.depth().await.unwrap(), 2);
    let delivery = receive_one(queue).await;
    assert_eq!(queue.depth().await.unwrap(), 2);
    queue.ack(&delivery).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 1);
}

/// The oldest message is the one that was published first, whether it waits or was received, until it is acknowledged.
pub async fn the_oldest_message_is_the_first_published_of_those_not_acknowledged(queue: &dyn TaskQueue) {
    assert_eq!(queue.oldest().await.unwrap(), None);
    publish(queue, 1).await;
    let first = queue.oldest().await.unwrap().expect("a message waits");
    SystemClock.sleep(SHORT_WAIT).await;
    queue.publish(&message(2), LONG_WAIT).await.unwrap();
    assert_eq!(queue.oldest().await.unwrap(), Some(first));
    let delivery = receive_one(queue).await;
    assert_eq!(queue.oldest().await.unwrap(), Some(first));
    queue.ack(&delivery).await.unwrap();
    let delayed = queue.oldest().await.unwrap();
    assert!(delayed > Some(first), "the delayed message is the oldest: {delayed:?}");
}

/// Dead letters are counted until they are retried, and the oldest message does not include them.
pub async fn dead_letters_are_counted(queue: &dyn TaskQueue) {
    assert_eq!(queue.count_dead_letters().await.unwrap(), 0);
    publish(queue, 1).await;
    let delivery = receive_one(queue).await;
    queue.dead_letter(&delivery, "no such recipient").await.unwrap();
    assert_eq!((queue.count_dead_letters().await.unwrap(), queue.oldest().await.unwrap()), (1, None));
    assert!(queue.retry_dead_letter(message(1).id).await.unwrap());
    assert_eq!(queue.count_dead_letters().await.unwrap(), 0);
    assert!(queue.oldest().await.unwrap().is_some());
}
