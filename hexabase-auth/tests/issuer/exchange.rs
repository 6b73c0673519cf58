//! Token exchange of API tokens and workload tokens.

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_auth::issuer::WorkloadIdentities;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::changeset::{Changeset, RecordKey};
use hexabase_core::error::{Error, Result};
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::UserId;
use hexabase_core::model::{Membership, OrganizationRole, Scope, Scopes, User, UserKind};
use hexabase_core::name::DisplayName;
use hexabase_core::platform::{Caller, CreateToken};
use hexabase_core::store::Commit as _;

use crate::test_env::{TestEnv, claims, dev, origin};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";

async fn exchange(
    env: &TestEnv,
    token: &str,
    overrides: &[(&str, &str)],
) -> std::result::Result<String, &'static str> {
    let workspace = dev();
    let defaults = [
        ("grant_type", GRANT_TYPE),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN_TYPE),
        ("audience", workspace.as_str()),
    ];
    let defaults =
        defaults.into_iter().filter(|(name, _)| overrides.iter().all(|(overridden, _)| overridden != name));
    let pairs: Vec<(&str, &str)> = defaults.chain(overrides.iter().copied()).collect();
    let response = env.token(None, &pairs).await.map_err(|error| error.error)?;
    assert_eq!(
        (response.token_type, response.issued_token_type),
        ("N_A", Some("urn:ietf:params:oauth:token-type:id_token"))
    );
    assert!(response.refresh_token.is_none() && response.expires_in == 600);
    Ok(response.access_token)
}

#[tokio::test]
async fn an_api_token_is_exchanged_for_a_cluster_token_of_its_owner() {
    let env = TestEnv::new().await;
    let ann = env.admin("ann@example.com").await;
    let user_id = ann.session.user_id;
    let caller = Caller::new(Principal { user_id, credential: Credential::Session(ann.session.id) });
    let token = async |scopes: &[Scope]| {
        let command = CreateToken {
            name: DisplayName::parse("ci").unwrap(),
            scopes: scopes.iter().copied().collect::<Scopes>(),
            expires_at: None,
        };
        let created = env.auth.api_tokens().create(&caller, &command).await.unwrap();
        created.value.secret.clone().unwrap()
    };
    let cluster_token = exchange(&env, &token(&[Scope::ClusterAccess]).await, &[]).await.unwrap();
    let payload = claims(&cluster_token);
    assert_eq!((&payload["aud"], &payload["sub"]), (&dev().into(), &user_id.to_string().into()));
    let workspace = hexabase_core::fixture::id("dev");
    assert!(env.auth.issuer().verify_cluster_token(&cluster_token, workspace).await.is_ok());
    assert!(env.auth.authenticate_bearer(&cluster_token).await.is_err());

    let narrow = token(&[Scope::WorkspacesRead]).await;
    assert_eq!(exchange(&env, &narrow, &[]).await, Err("invalid_grant"), "the API token lacks the scope");
    env.remove_from_group(&ann).await;
    assert!(exchange(&env, &token(&[Scope::ClusterAccess]).await, &[]).await.is_err());
}

#[tokio::test]
async fn invalid_exchanges_are_rejected() {
    let env = TestEnv::new().await;
    let ann = env.admin("ann@example.com").await;
    let pair = env.auth.sessions().derive(ann.session.id, &origin()).await.unwrap();
    let access_token = pair.access_token.as_str();
    assert!(exchange(&env, access_token, &[]).await.is_ok());
    for (overrides, error) in [
        (("subject_token", "hxb_forged"), "invalid_request"),
        (("subject_token", ""), "invalid_request"),
        (("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request"),
        (("requested_token_type", ACCESS_TOKEN_TYPE), "invalid_request"),
        (("actor_token", access_token), "invalid_request"),
        (("audience", "grafana"), "invalid_target"),
        (("audience", "argo"), "invalid_target"),
        (("audience", "hexabase"), "invalid_target"),
        (("audience", "ws_01h455vb4pex5vsknk084sn02q"), "invalid_target"),
        (("audience", ""), "invalid_request"),
        (("client_id", "unknown"), "invalid_client"),
    ] {
        assert_eq!(exchange(&env, access_token, &[overrides]).await, Err(error), "{overrides:?}");
    }
    let eve = env.browser("eve@example.com").await;
    let foreign = env.auth.sessions().derive(eve.session.id, &origin()).await.unwrap();
    assert_eq!(
        exchange(&env, &foreign.access_token, &[]).await,
        Err("invalid_target"),
        "Eve has no access to the workspace"
    );
    // An access token that was issued to a client is not accepted.
    let grafana = env.tokens("grafana", &ann).await;
    assert_eq!(exchange(&env, &grafana.access_token, &[]).await, Err("invalid_request"));
}

/// Verifier that accepts one workload token.
#[derive(Debug)]
struct SingleWorkload(UserId);

#[async_trait]
impl WorkloadIdentities for SingleWorkload {
    async fn service_account(&self, token: &str) -> Result<UserId> {
        match token {
            "signed elsewhere" => Ok(self.0),
            _ => Err(Error::unauthenticated("the token is unknown")),
        }
    }
}

/// Environment with a trusted workload token for a user of this kind, who is a member of the workspace.
async fn env_trusting(kind: UserKind) -> TestEnv {
    let env = TestEnv::new().await;
    let robot = User { kind, email: None, ..fixture::user("robot") };
    let member = fixture::member(id("acme"), robot.id, OrganizationRole::Member);
    let membership = Membership {
        organization_id: id("acme"),
        workspace_id: id("dev"),
        group_id: id("admins"),
        user_id: robot.id,
        added_by: id("owner"),
        created_at: FIXTURE_TIME,
    };
    let workloads = Arc::new(SingleWorkload(robot.id));
    env.store.commit(Changeset::new().insert(robot).insert(member).insert(membership)).await.unwrap();
    TestEnv { auth: env.auth.with_workloads(workloads), ..env }
}

#[tokio::test]
async fn a_workload_token_is_exchanged_for_a_cluster_token_of_a_service_account() {
    let env = env_trusting(UserKind::ServiceAccount).await;
    for kind in [ID_TOKEN_TYPE, "urn:ietf:params:oauth:token-type:jwt"] {
        let token = exchange(&env, "signed elsewhere", &[("subject_token_type", kind)]).await.unwrap();
        let payload = claims(&token);
        assert_eq!(payload["sub"], id::<UserId>("robot").to_string());
        assert_eq!(payload["groups"], serde_json::json!(["admins", "people"]));
    }
    for token in [
        "unknown token",
        &exchange(&env, "signed elsewhere", &[("subject_token_type", ID_TOKEN_TYPE)]).await.unwrap(),
    ] {
        let error = exchange(&env, token, &[("subject_token_type", ID_TOKEN_TYPE)]).await;
        assert_eq!(error, Err("invalid_request"));
    }
    let key = RecordKey::Membership(id("acme"), id("dev"), id("admins"), id("robot"));
    env.store.commit(Changeset::new().delete(key)).await.unwrap();
    let error = exchange(&env, "signed elsewhere", &[("subject_token_type", ID_TOKEN_TYPE)]).await;
    assert_eq!(error, Err("invalid_target"), "the service account is in no group of the workspace");
}

#[tokio::test]
async fn workload_tokens_are_rejected_for_persons_and_without_a_trusted_issuer() {
    let person = env_trusting(UserKind::Person).await;
    let error = exchange(&person, "signed elsewhere", &[("subject_token_type", ID_TOKEN_TYPE)]).await;
    assert_eq!(error, Err("invalid_target"));
    let untrusted = TestEnv::new().await;
    let error = exchange(&untrusted, "signed elsewhere", &[("subject_token_type", ID_TOKEN_TYPE)]).await;
    assert_eq!(error, Err("invalid_request"));
}
