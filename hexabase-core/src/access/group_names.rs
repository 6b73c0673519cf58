//! Names of groups as identities: tokens carry the names, so a name keeps its meaning while such tokens are valid.

use jiff::Timestamp;

use crate::clock;
use crate::error::{Error, Result, Retry};
use crate::id::GroupId;
use crate::model::RetiredGroupName;
use crate::name::GroupName;

/// Maximum number of retired names of a workspace. They are part of its record, which every request reads.
pub const MAX_RETIRED_GROUP_NAMES: usize = 500;

/// Retires a name that `group` loses, until tokens that carry it have expired.
///
/// # Errors
/// `Conflict` with code `too_many_retired_group_names`.
pub fn retire_group_name(
    retired: &mut Vec<RetiredGroupName>,
    (group_id, name): (GroupId, &GroupName),
    now: Timestamp,
    until: Timestamp,
) -> Result<()> {
    expire_retired_group_names(retired, now);
    retired.retain(|one| one.name != *name);
    if let Some(next) = retired.iter().map(|one| one.until).min()
        && retired.len() >= MAX_RETIRED_GROUP_NAMES
    {
        let message = format!(
            "the workspace has {MAX_RETIRED_GROUP_NAMES} names of renamed and deleted groups that valid tokens may \
             carry; repeat the request after {next}"
        );
        let error = Error::conflict("too_many_retired_group_names", message);
        return Err(error.with_retry(Retry::After(clock::until(now, next))));
    }
    retired.push(RetiredGroupName { name: name.clone(), group_id, until });
    Ok(())
}

/// Takes a name for `group`.
///
/// # Errors
/// `Conflict` with code `group_name_reserved` if tokens may carry the name for another group.
pub fn take_group_name(
    retired: &mut Vec<RetiredGroupName>,
    (group_id, name): (GroupId, &GroupName),
    now: Timestamp,
) -> Result<()> {
    expire_retired_group_names(retired, now);
    if let Some(one) = retired.iter().find(|one| one.name == *name && one.group_id != group_id) {
        let until = one.until;
        let message = format!(
            "the name {name} is reserved until {until}, since tokens may still carry it for a group that was renamed or \
             deleted; choose another name, or repeat the request then"
        );
        let error = Error::conflict("group_name_reserved", message);
        return Err(error.with_retry(Retry::After(clock::until(now, until))));
    }
    retired.retain(|one| one.name != *name);
    Ok(())
}

/// Removes the retired names that no valid token can carry.
pub fn expire_retired_group_names(retired: &mut Vec<RetiredGroupName>, now: Timestamp) {
    retired.retain(|one| now < one.until);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{FIXTURE_TIME, id};
    use std::time::Duration;

    const LIFETIME: Duration = Duration::from_secs(660);

    fn name(text: &str) -> GroupName {
        GroupName::parse(text).unwrap()
    }

    fn after(seconds: u64) -> Timestamp {
        clock::after(FIXTURE_TIME, Duration::from_secs(seconds))
    }

    fn retire(retired: &mut Vec<RetiredGroupName>, group: &str, text: &str, at: u64) -> Result<()> {
        let until = clock::after(after(at), LIFETIME);
        retire_group_name(retired, (id(group), &name(text)), after(at), until)
    }

    fn take(retired: &mut Vec<RetiredGroupName>, group: &str, text: &str, at: u64) -> Result<()> {
        take_group_name(retired, (id(group), &name(text)), after(at))
    }

    #[test]
    fn a_retired_name_is_reserved_for_its_group_until_tokens_have_expired() {
        let mut retired = Vec::new();
        retire(&mut retired, "old", "devs", 0).unwrap();
        let error = take(&mut retired, "new", "devs", 600).unwrap_err();
        assert_eq!(error.code(), "group_name_reserved");
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(60)));
        assert!(error.message().contains(&after(660).to_string()), "{error}");
        take(&mut retired, "new", "other", 600).unwrap();
        take(&mut retired.clone(), "old", "devs", 600).unwrap();
        take(&mut retired, "new", "devs", 660).unwrap();
        assert!(retired.is_empty());
    }

    #[test]
    fn a_name_that_was_taken_back_is_reserved_again_for_the_full_time() {
        let mut retired = Vec::new();
        retire(&mut retired, "old", "devs", 0).unwrap();
        take(&mut retired, "old", "devs", 10).unwrap();
        assert!(retired.is_empty());
        retire(&mut retired, "old", "devs", 20).unwrap();
        assert!(take(&mut retired, "new", "devs", 679).is_err());
        take(&mut retired, "new", "devs", 680).unwrap();
    }

    #[test]
    fn the_number_of_retired_names_is_limited() {
        let mut retired = Vec::new();
        for number in 0..MAX_RETIRED_GROUP_NAMES {
            retire(&mut retired, "old", &format!("name-{number}"), 0).unwrap();
        }
        retire(&mut retired, "old", "name-7", 1).unwrap();
        let error = retire(&mut retired, "old", "one-more", 600).unwrap_err();
        assert_eq!(error.code(), "too_many_retired_group_names");
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(60)));
        retire(&mut retired, "old", "one-more", 660).unwrap();
        assert_eq!(retired.len(), 2);
    }
}
