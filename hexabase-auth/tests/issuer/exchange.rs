//! Service accounts, whose API tokens become tokens for clusters, and programs that others vouch for.

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_auth::issuer::WorkloadIdentities;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::changeset::{Changeset, Key};
use hexabase_core::error::{Error, Result};
use hexabase_core::fixture::{self, THEN, id};
use hexabase_core::id::UserId;
use hexabase_core::model::{Membership, OrganizationRole, Scope, Scopes, User, UserKind};
use hexabase_core::name::DisplayName;
use hexabase_core::platform::{Caller, CreateToken};
use hexabase_core::store::Commit as _;

use crate::world::{World, claims, dev, origin};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

async fn exchange(
    world: &World,
    token: &str,
    other: &[(&str, &str)],
) -> std::result::Result<String, &'static str> {
    let workspace = dev();
    let usual = [
        ("grant_type", GRANT),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", workspace.as_str()),
    ];
    let usual = usual.into_iter().filter(|(name, _)| other.iter().all(|(others, _)| others != name));
    let pairs: Vec<(&str, &str)> = usual.chain(other.iter().copied()).collect();
    let done = world.token(None, &pairs).await.map_err(|error| error.error)?;
    assert_eq!(
        (done.token_type, done.issued_token_type),
        ("N_A", Some("urn:ietf:params:oauth:token-type:id_token"))
    );
    assert!(done.refresh_token.is_none() && done.expires_in == 600);
    Ok(done.access_token)
}

#[tokio::test]
async fn an_api_token_becomes_a_token_for_a_workspace_of_its_owners() {
    let world = World::new().await;
    let ann = world.admin("ann@example.com").await;
    let user_id = ann.session.user_id;
    let caller = Caller::new(Principal { user_id, credential: Credential::Session(ann.session.id) });
    let token = async |scopes: &[Scope]| {
        let command = CreateToken {
            name: DisplayName::parse("ci").unwrap(),
            scopes: scopes.iter().copied().collect::<Scopes>(),
            expires_at: None,
        };
        let made = world.auth.create_token(&caller, &command).await.unwrap();
        made.value.secret.clone()
    };
    let good = exchange(&world, &token(&[Scope::ClusterAccess]).await, &[]).await.unwrap();
    let said = claims(&good);
    assert_eq!((&said["aud"], &said["sub"]), (&dev().into(), &user_id.to_string().into()));
    let workspace = hexabase_core::fixture::id("dev");
    assert!(world.auth.verify_cluster_token(&good, workspace).await.is_ok());
    assert!(world.auth.authenticate(&good).await.is_err());

    let narrow = token(&[Scope::WorkspacesRead]).await;
    assert_eq!(exchange(&world, &narrow, &[]).await, Err("invalid_grant"), "a token without that scope");
    world.put_out(&ann).await;
    assert!(exchange(&world, &token(&[Scope::ClusterAccess]).await, &[]).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_exchanged_is_not() {
    let world = World::new().await;
    let ann = world.admin("ann@example.com").await;
    let pair = world.auth.tokens_for_browser(ann.session.id, &origin()).await.unwrap();
    let own = pair.access_token.as_str();
    assert!(exchange(&world, own, &[]).await.is_ok());
    for (other, error) in [
        (("subject_token", "hxb_forged"), "invalid_request"),
        (("subject_token", ""), "invalid_request"),
        (("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request"),
        (("requested_token_type", ACCESS_TOKEN), "invalid_request"),
        (("actor_token", own), "invalid_request"),
        (("audience", "grafana"), "invalid_target"),
        (("audience", "argo"), "invalid_target"),
        (("audience", "hexabase"), "invalid_target"),
        (("audience", "ws_01h455vb4pex5vsknk084sn02q"), "invalid_target"),
        (("audience", ""), "invalid_request"),
        (("client_id", "nobody"), "invalid_client"),
    ] {
        assert_eq!(exchange(&world, own, &[other]).await, Err(error), "{other:?}");
    }
    let eve = world.browser("eve@example.com").await;
    let theirs = world.auth.tokens_for_browser(eve.session.id, &origin()).await.unwrap();
    assert_eq!(exchange(&world, &theirs.access_token, &[]).await, Err("invalid_target"), "it is not Eve's");
    // What was made for a client is not the person.
    let grafana = world.tokens("grafana", &ann).await;
    assert_eq!(exchange(&world, &grafana.access_token, &[]).await, Err("invalid_request"));
}

/// Knows one program.
#[derive(Debug)]
struct OneProgram(UserId);

#[async_trait]
impl WorkloadIdentities for OneProgram {
    async fn service_account(&self, token: &str) -> Result<UserId> {
        match token {
            "signed elsewhere" => Ok(self.0),
            _ => Err(Error::unauthenticated("nobody knows it")),
        }
    }
}

/// A world where a program is trusted as somebody of this kind in the workspace.
async fn trusting(kind: UserKind) -> World {
    let world = World::new().await;
    let robot = User { kind, email: None, ..fixture::user("robot") };
    let member = fixture::member(id("acme"), robot.id, OrganizationRole::Member);
    let place = Membership {
        organization_id: id("acme"),
        workspace_id: id("dev"),
        group_id: id("admins"),
        user_id: robot.id,
        added_by: id("owner"),
        created_at: THEN,
    };
    let workloads = Arc::new(OneProgram(robot.id));
    world.store.commit(Changeset::new().insert(robot).insert(member).insert(place)).await.unwrap();
    World { auth: world.auth.with_workloads(workloads), ..world }
}

#[tokio::test]
async fn a_program_that_another_system_vouches_for_is_a_service_account_in_clusters() {
    let world = trusting(UserKind::ServiceAccount).await;
    for kind in [ID_TOKEN, "urn:ietf:params:oauth:token-type:jwt"] {
        let token = exchange(&world, "signed elsewhere", &[("subject_token_type", kind)]).await.unwrap();
        let said = claims(&token);
        assert_eq!(said["sub"], id::<UserId>("robot").to_string());
        assert_eq!(said["groups"], serde_json::json!(["admins", "people"]));
    }
    for token in [
        "signed by nobody",
        &exchange(&world, "signed elsewhere", &[("subject_token_type", ID_TOKEN)]).await.unwrap(),
    ] {
        let refused = exchange(&world, token, &[("subject_token_type", ID_TOKEN)]).await;
        assert_eq!(refused, Err("invalid_request"));
    }
    let key = Key::Membership(id("acme"), id("dev"), id("admins"), id("robot"));
    world.store.commit(Changeset::new().delete(key)).await.unwrap();
    let gone = exchange(&world, "signed elsewhere", &[("subject_token_type", ID_TOKEN)]).await;
    assert_eq!(gone, Err("invalid_target"), "it is in none of the groups any more");
}

#[tokio::test]
async fn nobody_vouches_for_a_person_or_where_nobody_is_trusted() {
    let person = trusting(UserKind::Person).await;
    let refused = exchange(&person, "signed elsewhere", &[("subject_token_type", ID_TOKEN)]).await;
    assert_eq!(refused, Err("invalid_target"));
    let nobody = World::new().await;
    let refused = exchange(&nobody, "signed elsewhere", &[("subject_token_type", ID_TOKEN)]).await;
    assert_eq!(refused, Err("invalid_request"));
}
