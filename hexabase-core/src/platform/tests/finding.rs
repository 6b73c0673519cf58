//! Search in an organization: callers find what they may list, and nothing else.

use futures_executor::block_on;

use super::Setup;
use crate::access::{Credential, Principal};
use crate::changeset::Changeset;
use crate::fixture::{self, id};
use crate::id::OrganizationId;
use crate::model::{Group, Member, OrganizationRole, Project, Scope, Scopes};
use crate::platform::{Caller, SearchResults};
use crate::search::SearchText;

impl Setup {
    async fn search(&self, caller: &Caller, organization: OrganizationId, text: &str) -> SearchResults {
        let text = SearchText::parse(text).unwrap();
        self.platform.organizations().search(caller, organization, &text).await.unwrap()
    }

    async fn join(&self, name: &str, organization: OrganizationId, role: OrganizationRole) -> Caller {
        let caller = self.sign_in(name).await;
        let now = self.platform.clock().now();
        let member = Member::new(organization, caller.principal.user_id, role, now);
        self.platform.store().commit(Changeset::new().insert(member)).await.unwrap();
        caller
    }
}

fn counts(found: &SearchResults) -> [usize; 4] {
    [found.workspaces.len(), found.projects.len(), found.groups.len(), found.members.len()]
}

#[test]
fn callers_find_what_they_may_list() {
    block_on(async {
        let setup = Setup::new();
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await.id;
        let one = setup.create_workspace(&ann, acme, "find-one", "small").await.unwrap();
        let two = setup.create_workspace(&ann, acme, "find-two", "small").await.unwrap();
        let mut changeset = Changeset::new();
        for workspace in [one, two] {
            let (organization_id, workspace_id) = (acme, workspace);
            let name = format!("find-{}", &workspace.to_string()[20..]);
            changeset = changeset
                .insert(Group { organization_id, workspace_id, ..fixture::group(&name) })
                .insert(Project { organization_id, workspace_id, ..fixture::project(&name) });
        }
        setup.platform.store().commit(changeset).await.unwrap();
        let bob = setup.join("find-bob", acme, OrganizationRole::Member).await;
        let eve = setup.join("find-eve", acme, OrganizationRole::Member).await;
        let payer = setup.join("find-payer", acme, OrganizationRole::Billing).await;
        setup.platform.workspace_members().add(&ann, acme, one, bob.principal.user_id).await.unwrap();

        assert_eq!(counts(&setup.search(&ann, acme, "FIND").await), [2, 2, 2, 3]);
        let found = setup.search(&bob, acme, "find").await;
        assert_eq!(counts(&found), [1, 1, 1, 3]);
        assert_eq!((found.projects[0].workspace_id, found.groups[0].workspace_id), (one, one));
        assert_eq!(counts(&setup.search(&eve, acme, "find").await), [0, 0, 0, 3], "in no group");
        assert_eq!(
            counts(&setup.search(&payer, acme, "find").await),
            [2, 2, 0, 3],
            "groups are not listed for billing"
        );
        assert_eq!(counts(&setup.search(&ann, acme, "absent").await), [0; 4]);

        // Scopes of a token restrict the kinds.
        let scopes = Scopes::from_iter([Scope::OrganizationsRead, Scope::ProjectsRead]);
        let principal =
            Principal { user_id: ann.principal.user_id, credential: Credential::Token(id("token"), scopes) };
        assert_eq!(counts(&setup.search(&Caller::new(principal), acme, "find").await), [0, 2, 0, 3]);

        let outsider = setup.sign_in("outsider").await;
        let text = SearchText::parse("find").unwrap();
        assert!(setup.platform.organizations().search(&outsider, acme, &text).await.is_err());
    });
}

#[test]
fn a_search_has_a_limited_number_of_results() {
    block_on(async {
        let setup = Setup::new();
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await.id;
        let dev = setup.create_workspace(&ann, acme, "dev", "small").await.unwrap();
        let group = |number| Group {
            organization_id: acme,
            workspace_id: dev,
            ..fixture::group(&format!("many-{number}"))
        };
        let insert = async |numbers: std::ops::Range<u32>| {
            let changeset = numbers.map(group).fold(Changeset::new(), Changeset::insert);
            setup.platform.store().commit(changeset).await.unwrap();
        };
        insert(0..20).await;
        let found = setup.search(&ann, acme, "many").await;
        assert_eq!((found.groups.len(), found.truncated), (20, false));
        insert(20..21).await;
        let found = setup.search(&ann, acme, "many").await;
        assert_eq!((found.groups.len(), found.truncated), (20, true));
    });
}

#[test]
fn facts_about_the_access_to_a_workspace_are_for_its_members_and_administrators() {
    block_on(async {
        let setup = Setup::new();
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await.id;
        let workspace = setup.create_workspace(&ann, acme, "one", "small").await.unwrap();
        let bob = setup.join("bob", acme, OrganizationRole::Member).await;
        let eve = setup.join("eve", acme, OrganizationRole::Member).await;
        let payer = setup.join("payer", acme, OrganizationRole::Billing).await;
        setup.platform.workspace_members().add(&ann, acme, workspace, bob.principal.user_id).await.unwrap();
        let facts = async |caller: &Caller| setup.platform.roles().facts(caller, acme, workspace).await;
        for caller in [&ann, &bob] {
            let facts = facts(caller).await.unwrap();
            assert_eq!(
                (facts.groups.len(), facts.assignments.len()),
                (3, 1),
                "preset groups, and the role of the administrators"
            );
        }
        for caller in [&eve, &payer] {
            assert!(facts(caller).await.is_err());
        }
    });
}
