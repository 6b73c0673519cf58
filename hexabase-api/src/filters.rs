//! Schemas of the filters of lists.

use utoipa::ToSchema;

/// Schema of the phase of a workspace.
#[derive(ToSchema)]
#[schema(as = WorkspacePhase, rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema; the domain has the type")]
pub(crate) enum PhaseSchema {
    Pending,
    Provisioning,
    Ready,
    Updating,
    Suspending,
    Suspended,
    Resuming,
    Degraded,
    Failed,
    Deleting,
}

/// Schema of the role of a member.
#[derive(ToSchema)]
#[schema(as = OrganizationRole, rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema; the domain has the type")]
pub(crate) enum RoleSchema {
    Owner,
    Admin,
    Billing,
    Member,
}

#[cfg(test)]
mod tests {
    use hexabase_core::model::{OrganizationRole, Phase};
    use utoipa::PartialSchema;

    use super::*;

    fn values<T: PartialSchema>() -> serde_json::Value {
        serde_json::to_value(T::schema()).unwrap()["enum"].take()
    }

    #[test]
    fn the_schemas_have_the_values_of_the_domain() {
        assert_eq!(values::<PhaseSchema>(), serde_json::json!(Phase::ALL));
        assert_eq!(values::<RoleSchema>(), serde_json::json!(OrganizationRole::ALL));
    }
}
