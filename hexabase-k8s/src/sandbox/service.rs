//! An API server as a service that clients speak to.

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
use super::reply::SandboxBody;

/// An API server of a sandbox, spoken to as somebody: a [`tower::Service`] for [`kube::Client::new`], and
/// [`Self::answer`] for whoever serves it over HTTP.
#[derive(Clone)]
pub struct SandboxApi {
    cluster: Arc<Cluster>,
    user: User,
}

impl SandboxApi {
    pub(super) fn new(cluster: Arc<Cluster>, user: User) -> Self {
        Self { cluster, user }
    }

    /// The same API server, spoken to as somebody else.
    #[must_use]
    pub fn with_user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// Answers a request whose body is at hand.
    #[must_use]
    pub fn answer(&self, request: &Request<Bytes>) -> Response<SandboxBody> {
        self.cluster.answer(request, &self.user).into_response()
    }

    /// Answers a request of a [`kube::Client`].
    pub(super) async fn answer_client(&self, request: Request<Body>) -> Response<SandboxBody> {
        let (head, body) = request.into_parts();
        // A body in memory never fails to arrive.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        self.answer(&Request::from_parts(head, bytes))
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
        Box::pin(async move { Ok(api.answer_client(request).await) })
    }
}
