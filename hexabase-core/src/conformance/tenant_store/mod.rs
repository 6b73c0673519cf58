//! Conformance suite for [`TenantStore`](crate::store::TenantStore).

mod alerts;
mod billing;
mod commits;
mod leases;
mod lists;
mod outbox;
mod plans;
mod pruning;
mod reads;
mod sealed;
mod searches;
pub(super) mod setup;
mod usage;

pub use alerts::*;
pub use billing::*;
pub use commits::*;
pub use leases::*;
pub use lists::*;
pub use outbox::*;
pub use plans::*;
pub use pruning::*;
pub use reads::*;
pub use sealed::*;
pub use searches::*;
pub use usage::*;

/// Defines one test per case for a [`TenantStore`](crate::store::TenantStore). See the [module](crate::conformance)
/// for the value of the expression.
#[macro_export]
macro_rules! tenant_store_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            tenant_store,
            $make,
            [
                a_failed_commit_changes_nothing,
                a_failed_precondition_is_a_version_conflict,
                preconditions_are_checked_before_the_writes,
                inserting_an_existing_record_names_its_kind,
                names_are_unique_within_their_scope,
                updating_or_deleting_a_missing_record_is_not_found,
                inserting_into_a_missing_owner_is_not_found,
                moving_a_record_to_a_missing_owner_is_not_found,
                an_audit_event_is_stored_once,
                of_concurrent_commits_on_one_version_exactly_one_succeeds,
                a_response_is_stored_for_its_user_until_it_expires,
                a_used_idempotency_key_rejects_the_whole_commit,
                deleting_removes_everything_owned_by_the_record,
                a_record_with_children_is_not_deleted,
                leaving_groups_increments_the_versions_of_affected_workspaces,
                revoking_sessions_revokes_those_that_are_alive,
                a_name_is_free_after_its_record_is_deleted_or_renamed,
                every_record_reads_back_as_it_was_written,
                a_missing_record_is_none,
                concurrent_reads_return_the_right_records,
                a_foreign_parent_finds_nothing,
                a_workspace_is_loaded_completely_and_ordered_by_id,
                spent_refresh_tokens_are_stored_with_their_session,
                touching_a_deleted_token_is_not_an_error,
                users_are_found_by_id_email_and_identity,
                counts_are_limited_to_one_organization,
                organizations_and_workspaces_are_counted_by_creator,
                pages_have_no_gaps_or_duplicates,
                a_cursor_of_another_list_is_rejected,
                members_are_listed_without_service_accounts,
                workspaces_are_listed_for_members_of_their_groups,
                running_workspaces_of_all_organizations_are_listed_in_pages,
                open_invitations_are_found_by_email,
                the_audit_log_is_newest_first_and_filtered,
                the_audit_log_is_ordered_by_time_then_id,
                the_audit_log_remains_after_the_organization_is_deleted,
                events_resume_after_the_last_one_seen,
                memberships_are_listed_by_group_and_by_user,
                tasks_are_newest_first_and_open_ones_oldest_first,
                assignments_are_listed_by_scope,
                sessions_are_listed_while_they_are_alive,
                claimed_messages_are_ordered_and_not_claimed_twice,
                later_messages_of_a_workspace_wait_for_earlier_ones,
                messages_stay_until_they_are_finished,
                a_failed_commit_leaves_no_message,
                due_workspaces_are_listed_most_overdue_first,
                workspaces_on_a_host_are_counted_and_made_due,
                workspaces_are_counted_by_host_and_phase,
                the_oldest_message_of_the_outbox_is_found,
                pruning_deletes_only_expired_records,
                pruning_deletes_audit_events_security_events_and_tasks,
                a_batch_of_pruning_is_limited,
                sealed_data_of_every_kind_is_listed,
                sealed_data_is_replaced_unless_it_changed,
                the_first_change_of_the_plans_has_a_version,
                stored_plans_read_back_and_have_one_version,
                the_plans_change_on_the_precondition_that_a_plan_is_unused,
                plan_uses_are_counted_in_all_organizations,
                alert_rules_read_back_in_their_workspace,
                an_alert_rule_has_a_unique_name_and_an_owner,
                alert_rules_are_deleted_with_their_owners,
                alert_thresholds_of_all_organizations_are_listed_in_pages,
                organizations_are_searched_with_their_counts,
                searches_ignore_case_and_have_no_wildcards,
                workspaces_are_filtered_by_text_phase_and_plan,
                members_are_filtered_by_text_and_role,
                groups_and_projects_are_filtered_by_text,
                groups_and_projects_are_found_in_the_workspaces_of_their_members,
                a_billing_account_is_found_by_organization_and_by_customer,
                due_accounts_are_listed_most_overdue_first,
                a_billing_account_is_deleted_with_its_organization,
                webhook_events_are_listed_until_they_are_processed,
                a_webhook_event_is_stored_once_until_it_is_pruned,
                put_inserts_or_replaces,
                deleted_workspaces_are_listed_while_they_have_usage,
                usage_is_summed_by_workspace_and_by_hour,
                usage_is_listed_by_hour_and_pruned,
                usage_is_deleted_with_its_organization,
                customers_are_listed_by_id,
                a_lease_excludes_others_until_it_expires,
                every_acquisition_of_a_lease_increases_its_token,
                a_lost_lease_cannot_be_renewed_or_released,
                a_ping_changes_no_lease,
                held_leases_are_listed_by_name,
                a_commit_under_a_lost_lease_is_rejected,
                of_concurrent_acquisitions_exactly_one_succeeds,
            ]
        );
    };
}
