//! What every [`TenantStore`](crate::store::TenantStore) must do.

mod billing;
mod commits;
mod leases;
mod lists;
mod outbox;
mod reads;
mod usage;
mod world;

pub use billing::*;
pub use commits::*;
pub use leases::*;
pub use lists::*;
pub use outbox::*;
pub use reads::*;
pub use usage::*;

/// Makes one test per case for a [`TenantStore`](crate::store::TenantStore). See the
/// [module](crate::conformance) for what the expression answers.
#[macro_export]
macro_rules! tenant_store_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            tenant_store,
            $make,
            [
                a_commit_that_fails_leaves_nothing_behind,
                a_guard_that_no_longer_holds_is_a_version_conflict,
                guards_are_checked_against_the_state_before_the_writes,
                inserting_what_is_there_names_the_thing,
                names_are_unique_where_they_should_be,
                updating_or_deleting_what_is_missing_is_not_found,
                inserting_into_something_missing_is_not_found,
                of_two_commits_on_one_version_exactly_one_succeeds,
                a_reply_is_kept_for_its_user_until_it_expires,
                a_used_idempotency_key_refuses_the_whole_commit,
                deleting_takes_what_belongs_to_it,
                what_has_children_is_not_deleted,
                leaving_groups_raises_the_versions_of_the_workspaces_concerned,
                revoking_sessions_ends_those_that_are_alive,
                a_name_is_free_again_once_its_owner_is_gone,
                every_record_reads_back_as_it_was_written,
                what_is_missing_is_none,
                many_who_ask_at_once_are_each_told_what_is_theirs,
                a_foreign_parent_finds_nothing,
                a_workspace_is_loaded_whole_and_in_order,
                spent_refresh_tokens_are_remembered_with_their_session,
                touching_a_token_that_is_gone_is_no_error,
                users_are_found_by_id_address_and_identity,
                counts_are_of_one_organization,
                pages_follow_each_other_without_gap_or_repetition,
                a_position_of_another_list_is_refused,
                members_are_listed_without_service_accounts,
                workspaces_are_listed_for_those_in_their_groups,
                open_invitations_are_found_by_whoever_has_the_address,
                the_audit_log_is_newest_first_and_filtered,
                the_audit_log_outlives_the_organization,
                events_resume_after_the_last_one_seen,
                memberships_are_listed_by_group_and_by_user,
                tasks_are_newest_first_and_open_ones_oldest_first,
                assignments_are_listed_by_place,
                sessions_are_listed_while_they_are_alive,
                messages_are_claimed_in_order_and_held,
                later_messages_of_a_workspace_wait_for_the_earlier_ones,
                messages_stay_until_they_are_finished,
                a_failed_commit_leaves_no_message,
                due_workspaces_come_most_overdue_first,
                workspaces_on_a_host_are_counted_and_made_due,
                pruning_forgets_what_is_over_and_nothing_else,
                an_account_is_found_by_organization_and_by_customer,
                due_accounts_come_most_overdue_first,
                an_account_goes_with_its_organization,
                webhook_events_are_listed_until_they_are_heard,
                a_webhook_event_is_kept_once_until_it_is_pruned,
                putting_adds_or_replaces,
                workspaces_are_metered_while_there_is_usage_of_them,
                usage_adds_up_by_workspace_and_by_hour,
                usage_is_forgotten_after_a_while,
                usage_goes_with_its_organization,
                customers_are_listed_by_their_ids,
                a_lease_excludes_others_until_it_expires,
                a_lease_grows_its_token_with_every_acquisition,
                a_lease_that_was_taken_over_cannot_be_renewed_or_released,
                held_leases_are_listed_by_name,
                a_commit_under_a_lease_that_was_taken_over_is_refused,
                of_two_acquisitions_exactly_one_succeeds,
            ]
        );
    };
}
