//! An API server as a `tower` service for clients.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;

use super::authorization::User;
use super::cluster::Cluster;
use super::response::SandboxBody;
use super::service_account_tokens::user_of_token;

/// API server of a sandbox, called as a certain user: a [`tower::Service`] for [`kube::Client::new`];
/// [`Self::respond`] is for hosts that serve it over HTTP.
#[derive(Clone)]
pub struct SandboxApi {
    cluster: Arc<Cluster>,
    user: User,
}

impl SandboxApi {
    pub(super) fn new(cluster: Arc<Cluster>, user: User) -> Self {
        Self { cluster, user }
    }

    /// Same API server, called as another user.
    #[must_use]
    pub fn with_user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// Same API server, called with a token of a ServiceAccount. The user is anonymous if the token is not valid.
    #[must_use]
    pub(super) fn with_token(self, token: &str) -> Self {
        let user = user_of_token(&self.cluster, token).unwrap_or_else(User::anonymous);
        self.with_user(user)
    }

    /// Processes a request with a complete body.
    #[must_use]
    pub fn respond(&self, request: &Request<Bytes>) -> Response<SandboxBody> {
        self.cluster.respond(request, &self.user).into_response()
    }

    /// Processes a request of a [`kube::Client`].
    pub(super) async fn respond_to_client(&self, request: Request<Body>) -> Response<SandboxBody> {
        let (head, body) = request.into_parts();
        // Collecting a body in memory cannot fail.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        self.respond(&Request::from_parts(head, bytes))
    }
}

impl fmt::Debug for SandboxApi {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SandboxApi").field("cluster", &self.cluster).field("user", &self.user.name).finish()
    }
}

impl tower::Service<Request<Body>> for SandboxApi {
    type Response = Response<SandboxBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let api = self.clone();
        Box::pin(async move { Ok(api.respond_to_client(request).await) })
    }
}
