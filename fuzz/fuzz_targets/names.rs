//! Names, ids and other words of closed or validated sets.
#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use hexabase_core::id::{
    EventId, GroupId, InvitationId, MessageId, OrganizationId, ProjectId, SessionId, TokenId, UserId,
    WorkspaceId,
};
use hexabase_core::model::{Currency, Month, RoleRef};
use hexabase_core::name::{
    DisplayName, Email, GroupName, HostClusterName, ImageSource, KubernetesVersion, NodeClass, PlanId,
    ProjectName, ProviderName, Region, Slug,
};
use libfuzzer_sys::fuzz_target;

/// Parses a text; the text of a valid value must be valid and the same again.
fn round_trip<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>();
        assert!(again.is_ok_and(|again| again == value), "{text:?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(text) = hexabase_fuzz::text(data) else { return };
    round_trip::<Slug>(text);
    round_trip::<ProjectName>(text);
    round_trip::<GroupName>(text);
    round_trip::<DisplayName>(text);
    round_trip::<Email>(text);
    round_trip::<ProviderName>(text);
    round_trip::<PlanId>(text);
    round_trip::<HostClusterName>(text);
    round_trip::<Region>(text);
    round_trip::<NodeClass>(text);
    round_trip::<ImageSource>(text);
    round_trip::<KubernetesVersion>(text);
    round_trip::<OrganizationId>(text);
    round_trip::<WorkspaceId>(text);
    round_trip::<ProjectId>(text);
    round_trip::<GroupId>(text);
    round_trip::<UserId>(text);
    round_trip::<SessionId>(text);
    round_trip::<TokenId>(text);
    round_trip::<InvitationId>(text);
    round_trip::<EventId>(text);
    round_trip::<MessageId>(text);
    round_trip::<RoleRef>(text);
    round_trip::<Month>(text);
    if let Ok(version) = text.parse::<KubernetesVersion>() {
        let (major, minor) = version.major_minor();
        assert_eq!(format!("{major}.{minor}"), text);
    }
    let _ = Currency::parse(text);
});
