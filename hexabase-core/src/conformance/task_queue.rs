//! What every [`TaskQueue`] must do.
//!
//! The queue under test must have a visibility of about 300 ms and at most 3 deliveries, so that the cases
//! are quick: see [`VISIBILITY`] and [`MAX_DELIVERIES`].

use std::time::Duration;

use crate::changeset::{OutboxMessage, Topic};
use crate::clock::{Clock as _, SystemClock};
use crate::fixture::id;
use crate::id::{MessageId, TypedId as _};
use crate::queue::{Delivery, TaskQueue};
use uuid::Uuid;

/// The visibility that the queue under test should have.
pub const VISIBILITY: Duration = Duration::from_millis(300);
/// How often the queue under test should deliver a message.
pub const MAX_DELIVERIES: u32 = 3;

const NOW: Duration = Duration::ZERO;
const BRIEFLY: Duration = Duration::from_millis(50);
const PATIENTLY: Duration = Duration::from_secs(5);

/// Makes one test per case for a [`TaskQueue`](crate::queue::TaskQueue). See the
/// [module](crate::conformance) for what the expression answers.
#[macro_export]
macro_rules! task_queue_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            task_queue,
            $make,
            [
                what_is_published_is_received_whole,
                publishing_the_same_id_again_is_harmless,
                a_delayed_message_comes_later,
                nobody_else_gets_a_message_that_is_out,
                an_acknowledged_message_does_not_come_again,
                a_message_that_is_not_acknowledged_comes_again,
                keeping_a_message_prolongs_its_visibility,
                a_message_given_back_comes_again_after_the_delay,
                a_message_that_keeps_failing_becomes_a_dead_letter,
                a_message_that_is_never_settled_becomes_a_dead_letter,
                a_retried_dead_letter_begins_anew,
                receiving_waits_for_a_message,
                an_empty_queue_answers_empty_when_patience_ends,
                acknowledging_too_late_is_no_error,
                the_depth_counts_what_waits_and_what_is_out,
            ]
        );
    };
}

fn message(number: u128) -> OutboxMessage {
    OutboxMessage {
        id: MessageId::from_uuid(Uuid::from_u128(number)),
        topic: Topic::Look,
        organization_id: id("acme"),
        workspace_id: Some(id("dev")),
        payload: vec![0, 255, 128],
    }
}

async fn publish(queue: &dyn TaskQueue, number: u128) {
    queue.publish(&message(number), NOW).await.unwrap();
}

async fn one(queue: &dyn TaskQueue) -> Delivery {
    let mut deliveries = queue.receive(1, PATIENTLY).await.unwrap();
    assert_eq!(deliveries.len(), 1, "a message was expected");
    deliveries.remove(0)
}

async fn none(queue: &dyn TaskQueue) {
    assert_eq!(queue.receive(9, BRIEFLY).await.unwrap(), []);
}

/// What comes out is what went in, and says that it is the first time.
pub async fn what_is_published_is_received_whole(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    publish(queue, 2).await;
    let mut received = queue.receive(2, PATIENTLY).await.unwrap();
    if received.len() < 2 {
        received.extend(queue.receive(1, PATIENTLY).await.unwrap());
    }
    received.sort_by_key(|delivery| delivery.message.id);
    let messages: Vec<_> = received.iter().map(|delivery| delivery.message.clone()).collect();
    assert_eq!(messages, [message(1), message(2)]);
    assert!(received.iter().all(|delivery| delivery.attempt == 1));
}

/// An id that was just published is dropped, whether its message is still there or not.
pub async fn publishing_the_same_id_again_is_harmless(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    publish(queue, 1).await;
    let delivery = one(queue).await;
    none(queue).await;
    queue.ack(&delivery).await.unwrap();
    publish(queue, 1).await;
    none(queue).await;
}

/// A message with a delay is not there before.
pub async fn a_delayed_message_comes_later(queue: &dyn TaskQueue) {
    queue.publish(&message(1), Duration::from_millis(250)).await.unwrap();
    none(queue).await;
    assert_eq!(one(queue).await.message, message(1));
}

/// A message that is out is invisible.
pub async fn nobody_else_gets_a_message_that_is_out(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    one(queue).await;
    none(queue).await;
}

/// After an acknowledgement a message is gone for good.
pub async fn an_acknowledged_message_does_not_come_again(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let delivery = one(queue).await;
    queue.ack(&delivery).await.unwrap();
    assert_eq!(queue.receive(9, VISIBILITY * 2).await.unwrap(), []);
}

/// Whoever took a message and died has it taken from them.
pub async fn a_message_that_is_not_acknowledged_comes_again(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let first = one(queue).await;
    let second = one(queue).await;
    assert_eq!((&second.message, second.attempt), (&first.message, 2));
}

/// Work that goes on can hold on to its message.
pub async fn keeping_a_message_prolongs_its_visibility(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let delivery = one(queue).await;
    for _ in 0..4 {
        SystemClock.sleep(VISIBILITY / 2).await;
        queue.keep(&delivery).await.unwrap();
        assert_eq!(queue.receive(1, NOW).await.unwrap(), []);
    }
    queue.ack(&delivery).await.unwrap();
    assert_eq!(queue.receive(9, VISIBILITY * 2).await.unwrap(), []);
}

/// A message that was given back comes again, after its delay and not before.
pub async fn a_message_given_back_comes_again_after_the_delay(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let first = one(queue).await;
    queue.nack(&first, Duration::from_millis(250), "not now").await.unwrap();
    none(queue).await;
    let second = one(queue).await;
    assert_eq!((second.message, second.attempt), (first.message, 2));
}

async fn give_up(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    for attempt in 1..=MAX_DELIVERIES {
        let delivery = one(queue).await;
        assert_eq!(delivery.attempt, attempt);
        queue.nack(&delivery, NOW, &format!("failure {attempt}")).await.unwrap();
    }
}

/// A message that failed as often as it may is put aside with the reason.
pub async fn a_message_that_keeps_failing_becomes_a_dead_letter(queue: &dyn TaskQueue) {
    assert_eq!(queue.max_deliveries(), MAX_DELIVERIES);
    give_up(queue).await;
    none(queue).await;
    let letters = queue.dead_letters(9).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].message, letters[0].attempts), (&message(1), MAX_DELIVERIES));
    assert_eq!(letters[0].reason, format!("failure {MAX_DELIVERIES}"));
}

/// A message whose workers all die is put aside, too.
pub async fn a_message_that_is_never_settled_becomes_a_dead_letter(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    for attempt in 1..=MAX_DELIVERIES {
        assert_eq!(one(queue).await.attempt, attempt);
    }
    assert_eq!(queue.receive(9, VISIBILITY * 3).await.unwrap(), []);
    let letters = queue.dead_letters(9).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].message, letters[0].attempts), (&message(1), MAX_DELIVERIES));
    assert!(!letters[0].reason.is_empty());
    assert_eq!(queue.depth().await.unwrap(), 0);
}

/// A dead letter can be sent on its way again, once.
pub async fn a_retried_dead_letter_begins_anew(queue: &dyn TaskQueue) {
    give_up(queue).await;
    assert!(queue.retry_dead_letter(message(1).id).await.unwrap());
    assert!(!queue.retry_dead_letter(message(1).id).await.unwrap());
    let delivery = one(queue).await;
    assert_eq!((&delivery.message, delivery.attempt), (&message(1), 1));
    assert!(queue.dead_letters(9).await.unwrap().is_empty());
}

/// Whoever waits is woken by a message.
pub async fn receiving_waits_for_a_message(queue: &dyn TaskQueue) {
    let publish_later = async {
        SystemClock.sleep(BRIEFLY).await;
        publish(queue, 1).await;
    };
    let (received, ()) = futures_util::join!(one(queue), publish_later);
    assert_eq!(received.message, message(1));
}

/// Without messages the answer is empty, and takes no longer than patience lasts.
pub async fn an_empty_queue_answers_empty_when_patience_ends(queue: &dyn TaskQueue) {
    let before = SystemClock.now();
    none(queue).await;
    let waited = SystemClock.now().duration_since(before);
    assert!(waited.as_secs() < 4, "{waited}");
}

/// Acknowledging twice, or when somebody else has the message by now, changes nothing.
pub async fn acknowledging_too_late_is_no_error(queue: &dyn TaskQueue) {
    publish(queue, 1).await;
    let old = one(queue).await;
    let current = one(queue).await;
    queue.ack(&old).await.unwrap();
    queue.nack(&old, NOW, "late").await.unwrap();
    queue.ack(&current).await.unwrap();
    queue.ack(&current).await.unwrap();
    assert_eq!(queue.receive(9, VISIBILITY * 2).await.unwrap(), []);
}

/// Depth is what there is to do.
pub async fn the_depth_counts_what_waits_and_what_is_out(queue: &dyn TaskQueue) {
    assert_eq!(queue.depth().await.unwrap(), 0);
    publish(queue, 1).await;
    publish(queue, 2).await;
    assert_eq!(queue.depth().await.unwrap(), 2);
    let delivery = one(queue).await;
    assert_eq!(queue.depth().await.unwrap(), 2);
    queue.ack(&delivery).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 1);
}
