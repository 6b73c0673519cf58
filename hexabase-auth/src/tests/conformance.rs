//! Conformance suite of [`Authenticator`] with access tokens, API tokens and session cookies.

use hexabase_core::authenticator::Authenticator;
use hexabase_core::conformance::authenticator::{AuthenticatorHarness, SentRequest};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};

use super::login::{approve, callback, login_to};
use super::*;
use crate::browser::SESSION_COOKIE;

#[derive(Debug)]
struct AuthHarness(TestEnv);

fn sent(name: HeaderName, value: &str) -> SentRequest {
    SentRequest { headers: HeaderMap::from_iter([(name, value.parse().unwrap())]), peer: None }
}

fn bearer(token: &str) -> SentRequest {
    sent(AUTHORIZATION, &format!("Bearer {token}"))
}

impl AuthHarness {
    fn cookie(&self, value: &str) -> SentRequest {
        sent(COOKIE, &format!("theme=dark; {}={value}", Auth::cookie_name(&self.0.auth, SESSION_COOKIE)))
    }
}

#[async_trait]
impl AuthenticatorHarness for AuthHarness {
    fn authenticator(&self) -> &dyn Authenticator {
        &self.0.auth
    }

    async fn sign_in(&self, name: &str) -> Vec<SentRequest> {
        let (auth, email) = (&self.0.auth, format!("{name}@example.com"));
        let pair = self.0.sign_in(&email).await;
        let (name, scopes) = (DisplayName::parse("ci").unwrap(), Scopes::all());
        let command = CreateToken { name, scopes, expires_at: None };
        let created = auth.api_tokens().create(&caller(&pair), &command).await.unwrap().value;
        let started = auth.sign_in().start("dev", login_to("/")).await.unwrap();
        let (code, state) = approve(&self.0, &started.authorization_url, &email).await;
        let finished =
            auth.sign_in().finish("dev", callback(state, code), &started.binding, &origin()).await.unwrap();
        let cookie = finished.session.unwrap().cookie;
        vec![bearer(&pair.access_token), bearer(&created.secret.unwrap()), self.cookie(&cookie)]
    }

    async fn invalid(&self) -> Vec<Vec<SentRequest>> {
        let ended = self.sign_in("eve").await;
        self.end("eve").await;
        let [access_token, api_token, cookie] = <[_; 3]>::try_from(ended).unwrap();
        vec![
            vec![access_token, api_token, bearer("made-up"), bearer("hxb_made-up")],
            vec![cookie, self.cookie("made-up")],
            vec![sent(AUTHORIZATION, "Basic YW5uOnNlY3JldA=="), sent(AUTHORIZATION, "made-up")],
        ]
    }

    async fn end(&self, name: &str) {
        let session = caller(&self.0.sign_in(&format!("{name}@example.com")).await);
        let tokens = self.0.auth.api_tokens().list(&session, &PageRequest::largest()).await.unwrap();
        for token in tokens.items {
            self.0.auth.api_tokens().delete(&session, token.id).await.unwrap();
        }
        self.0.auth.sessions().revoke_all(session.principal.user_id, &origin()).await.unwrap();
    }
}

hexabase_core::authenticator_conformance!(async { (AuthHarness(test_env().await), ()) });
