//! Token exchange of API tokens and workload tokens.

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_auth::issuer::{OAuthError, TokenResponse, WorkloadIdentities, WorkloadIdentity};
use hexabase_core::access::{Credential, Principal};
use hexabase_core::authenticator::Authenticator as _;
use hexabase_core::changeset::{Changeset, RecordKey};
use hexabase_core::error::{Error, Result};
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::UserId;
use hexabase_core::model::{
    AuditFilter, Membership, OrganizationRole, Scope, Scopes, ServiceAccount, User, UserKind,
};
use hexabase_core::name::{DisplayName, Slug};
use hexabase_core::page::PageRequest;
use hexabase_core::platform::{Caller, CreateToken, Workload};
use hexabase_core::store::{Commit as _, EventStore as _};
use hexabase_core::version::Version;

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
struct SingleWorkload(WorkloadIdentity);

#[async_trait]
impl WorkloadIdentities for SingleWorkload {
    async fn identify(&self, token: &str) -> Result<WorkloadIdentity> {
        match token {
            "signed elsewhere" => Ok(self.0.clone()),
            _ => Err(Error::unauthenticated("the token is unknown")),
        }
    }
}

/// Environment with a trusted workload token for a user of this kind, who is a member of the workspace. It has no scopes in the
/// API.
async fn env_trusting(kind: UserKind) -> TestEnv {
    env_granting(kind, &[]).await
}

/// Environment with a trusted workload token that has these scopes in the API.
async fn env_granting(kind: UserKind, scopes: &[Scope]) -> TestEnv {
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
    let workloads = Arc::new(SingleWorkload(WorkloadIdentity {
        service_account: robot.id,
        workload: Workload { trust: "ci".to_owned(), subject: Some("job 1".to_owned()) },
        api_scopes: scopes.iter().copied().collect(),
    }));
    let account = ServiceAccount {
        organization_id: id("acme"),
        id: robot.id,
        name: Slug::parse("robot").unwrap(),
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
        version: Version::FIRST,
    };
    let mut changeset = Changeset::new().insert(robot).insert(member).insert(membership);
    if kind == UserKind::ServiceAccount {
        changeset = changeset.insert(account);
    }
    env.store.commit(changeset).await.unwrap();
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

/// Exchanges a token for one for the API of the server.
async fn exchange_for_api(
    env: &TestEnv,
    token: &str,
    overrides: &[(&str, &str)],
) -> std::result::Result<TokenResponse, OAuthError> {
    let issuer = env.auth.issuer().discovery()["issuer"].as_str().unwrap().to_owned();
    let defaults = [
        ("grant_type", GRANT_TYPE),
        ("subject_token", token),
        ("subject_token_type", ID_TOKEN_TYPE),
        ("audience", issuer.as_str()),
    ];
    let kept =
        defaults.into_iter().filter(|(name, _)| overrides.iter().all(|(overridden, _)| overridden != name));
    env.token(None, &kept.chain(overrides.iter().copied()).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_workload_token_is_exchanged_for_a_token_for_the_api_with_the_scopes_of_the_trust() {
    let env = env_granting(UserKind::ServiceAccount, &[Scope::WorkspacesWrite, Scope::ClusterAccess]).await;
    let issued = exchange_for_api(&env, "signed elsewhere", &[]).await.unwrap();
    assert_eq!((issued.token_type, issued.issued_token_type), ("Bearer", Some(ACCESS_TOKEN_TYPE)));
    assert_eq!((issued.expires_in, issued.scope.as_deref()), (900, Some("workspaces:write clusters:access")));
    assert!(issued.refresh_token.is_none() && issued.id_token.is_none());

    let principal = env.auth.authenticate_bearer(&issued.access_token).await.unwrap();
    assert_eq!(principal.user_id, id("robot"));
    assert!(
        principal.credential.covers(Scope::WorkspacesWrite)
            && !principal.credential.covers(Scope::AccessRead)
    );
    env.auth.require_alive(&principal).await.unwrap();
    let narrow = exchange_for_api(&env, "signed elsewhere", &[("scope", "workspaces:read")]).await.unwrap();
    let narrow = env.auth.authenticate_bearer(&narrow.access_token).await.unwrap();
    assert!(!narrow.credential.covers(Scope::WorkspacesWrite));

    // The exchange is in the audit log of the organization.
    let filter = AuditFilter::default();
    let page = env.store.list_audit_events(id("acme"), &filter, &PageRequest::largest()).await.unwrap();
    let entry = page.items.iter().find(|entry| entry.action == "service_account.exchange_token").unwrap();
    assert_eq!((&entry.after["trust"], &entry.after["subject"]), (&"ci".into(), &"job 1".into()));
    assert_eq!(entry.actor.user_id, Some(id("robot")));
    assert!(!entry.after.to_string().contains(&issued.access_token));

    // It gives access to clusters within its scopes, and cannot be exchanged for another one for the API.
    assert!(exchange(&env, &issued.access_token, &[]).await.is_ok());
    for kind in [ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE] {
        let again = exchange_for_api(&env, &issued.access_token, &[("subject_token_type", kind)]).await;
        assert_eq!(again.unwrap_err().error, "invalid_request", "{kind}");
    }

    // It ends with its lifetime.
    env.clock.advance(std::time::Duration::from_secs(899));
    assert!(env.auth.authenticate_bearer(&issued.access_token).await.is_ok());
    env.clock.advance(std::time::Duration::from_secs(1));
    assert!(env.auth.authenticate_bearer(&issued.access_token).await.is_err());
    assert!(env.auth.require_alive(&principal).await.is_err());
}

#[tokio::test]
async fn the_tokens_of_a_workload_end_with_its_service_account() {
    let env = env_granting(UserKind::ServiceAccount, &[Scope::WorkspacesWrite]).await;
    let issued = exchange_for_api(&env, "signed elsewhere", &[]).await.unwrap();
    let principal = env.auth.authenticate_bearer(&issued.access_token).await.unwrap();
    let removed = Changeset::new()
        .delete(RecordKey::Membership(id("acme"), id("dev"), id("admins"), id("robot")))
        .delete(RecordKey::Member(id("acme"), id("robot")))
        .delete(RecordKey::ServiceAccount(id("acme"), id("robot")))
        .delete(RecordKey::User(id("robot")));
    env.store.commit(removed).await.unwrap();
    assert!(env.auth.authenticate_bearer(&issued.access_token).await.is_err());
    assert!(env.auth.require_alive(&principal).await.is_err());
    let error = exchange_for_api(&env, "signed elsewhere", &[]).await.unwrap_err();
    assert_eq!(error.error, "invalid_target", "{error}");
}

#[tokio::test]
async fn invalid_exchanges_for_the_api_are_rejected() {
    let env = env_granting(UserKind::ServiceAccount, &[Scope::WorkspacesRead]).await;
    for (overrides, error) in [
        (("subject_token", "unknown token"), "invalid_request"),
        (("subject_token_type", ACCESS_TOKEN_TYPE), "invalid_request"),
        (("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request"),
        (("requested_token_type", ID_TOKEN_TYPE), "invalid_request"),
        (("actor_token", "signed elsewhere"), "invalid_request"),
        (("scope", "workspaces:write"), "invalid_scope"),
        (("scope", "all"), "invalid_scope"),
        (("scope", "openid"), "invalid_scope"),
        (("audience", "https://elsewhere.example"), "invalid_target"),
        (("client_id", "unknown"), "invalid_client"),
    ] {
        let found = exchange_for_api(&env, "signed elsewhere", &[overrides]).await.unwrap_err();
        assert_eq!(found.error, error, "{overrides:?}");
    }
    // Trusts give access to clusters only, unless the operator says otherwise, and never as a person.
    let clusters_only = env_trusting(UserKind::ServiceAccount).await;
    assert_eq!(
        exchange_for_api(&clusters_only, "signed elsewhere", &[]).await.unwrap_err().error,
        "invalid_target"
    );
    let person = env_granting(UserKind::Person, &[Scope::All]).await;
    assert_eq!(exchange_for_api(&person, "signed elsewhere", &[]).await.unwrap_err().error, "invalid_target");
}

#[tokio::test]
async fn tokens_of_one_kind_are_not_accepted_as_another() {
    let env = env_granting(UserKind::ServiceAccount, &[Scope::All]).await;
    let issued = exchange_for_api(&env, "signed elsewhere", &[]).await.unwrap().access_token;
    let ann = env.admin("ann@example.com").await;
    let session = env.auth.sessions().derive(ann.session.id, &origin()).await.unwrap().access_token;
    let cluster = exchange(&env, &session, &[]).await.unwrap();
    let unprefixed = issued.strip_prefix("hxw_").unwrap();
    let tampered = format!("{}x", &issued[..issued.len() - 1]);
    for token in
        [unprefixed, &format!("hxw_{session}"), &format!("hxw_{cluster}"), &tampered, "hxw_", "hxw_a.b.c"]
    {
        assert!(env.auth.authenticate_bearer(token).await.is_err(), "{token}");
    }
    assert!(env.auth.issuer().verify_cluster_token(unprefixed, id("dev")).await.is_err());
}
