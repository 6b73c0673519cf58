//! Deletion of records beyond their retention, in batches.

use hexabase_core::store::PruneCutoffs;

use super::Engine;
use super::statement::Query;

/// Returns the statements that delete at most `limit` records of each kind. Every statement finds its records by an
/// index on their age, and deletes them by their key.
pub(crate) fn statements<E: Engine>(cutoffs: &PruneCutoffs, limit: usize) -> Vec<Query> {
    // The limit is part of the text, so that databases that plan without values know that there are few records.
    let delete = |table: &str, key: &str, condition: &str, age: &str| {
        Query::assembled(format!(
            "DELETE FROM {table} WHERE ({key}) IN \
             (SELECT {key} FROM {table} WHERE {condition} ORDER BY {age} LIMIT {limit})"
        ))
    };
    // A session can have very many refresh tokens, so these are deleted first.
    let tokens = |condition: &str, age: &str| {
        Query::assembled(format!(
            "DELETE FROM spent_refresh_tokens WHERE (session_id, hash) IN \
             (SELECT spent.session_id, spent.hash FROM sessions \
              JOIN spent_refresh_tokens spent ON spent.session_id = sessions.id \
              WHERE {condition} ORDER BY {age} LIMIT {limit})"
        ))
    };
    let sessions = |condition: &str, age: &str| {
        delete("sessions", "id", condition, age).append(
            " AND NOT EXISTS (SELECT 1 FROM spent_refresh_tokens spent WHERE spent.session_id = sessions.id)",
        )
    };
    let (expired, revoked) = ("sessions.expires_at <= $1", "sessions.revoked_at < $1");
    let mut statements = vec![
        delete("idempotency", "user_id, key", "expires_at <= $1", "expires_at").time(cutoffs.now),
        tokens(expired, "sessions.expires_at").time(cutoffs.now),
        sessions(expired, "expires_at").time(cutoffs.now),
        tokens(revoked, "sessions.revoked_at").time(cutoffs.events),
        sessions(revoked, "revoked_at").time(cutoffs.events),
        delete(E::LIVE_EVENT_AGES, "organization_id, id", "at < $1", "at").time(cutoffs.events),
        delete("webhook_events", "id", "received_at < $1", "received_at").time(cutoffs.events),
        // A former holder of such a lease can no longer commit: the resource has been processed since.
        delete("leases", "name", "expires_at < $1", "expires_at").time(cutoffs.events),
        delete("security_events", "user_id, id", "at < $1", "at").time(cutoffs.security_events),
        delete(E::TASK_AGES, "organization_id, workspace_id, id", "finished_at < $1", "finished_at")
            .time(cutoffs.tasks),
        delete(E::USAGE_SCHEDULE, "organization_id, hour, workspace_id", "hour < $1", "hour")
            .time(cutoffs.usage),
        delete(E::USAGE_REPORT_HOURS, "organization_id, hour", "hour < $1", "hour").time(cutoffs.usage),
        delete("metered_hours", "hour", "hour < $1", "hour").time(cutoffs.usage),
    ];
    if let Some(before) = cutoffs.audit_events {
        statements.push(delete(E::AUDIT_EVENT_AGES, "organization_id, at, id", "at < $1", "at").time(before));
    }
    statements
}
