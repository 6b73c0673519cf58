//! Export of spans to an OpenTelemetry collector (OTLP over HTTP).

use std::borrow::Cow;
use std::time::Duration;

use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use hexabase_core::trace::{TraceParent, TracePropagation};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{
    Protocol, SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Maximum duration of a request to the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for the last spans when the process stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Where spans are exported to, and how many.
#[derive(Debug, Clone)]
pub(crate) struct TraceConfig {
    /// URL of the collector, without the path `/v1/traces`.
    pub(crate) endpoint: SecretString,
    /// Part of the traces that is exported, from 0 to 1.
    pub(crate) sample_ratio: f64,
}

impl TraceConfig {
    /// Checks the URL and the ratio.
    ///
    /// # Errors
    /// The name of the first invalid option, and a message for the operator.
    pub(crate) fn check(&self) -> std::result::Result<(), (&'static str, &'static str)> {
        let url = reqwest::Url::parse(self.endpoint.expose_secret());
        if !url.is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host()) {
            return Err(("otlp_endpoint", "must be an http or https URL, as in http://collector:4318"));
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err(("otlp_sample_ratio", "must be from 0 to 1"));
        }
        Ok(())
    }
}

/// Running export of spans. A thread of its own sends them in batches; beyond its queue of 2,048 spans, further ones are
/// dropped.
pub(crate) struct TraceExport(SdkTracerProvider);

impl TraceExport {
    /// Starts the export. Must be called outside of an async runtime.
    ///
    /// # Errors
    /// `Invalid` if the endpoint is invalid.
    pub(crate) fn start(config: &TraceConfig) -> Result<Self> {
        let url = format!("{}/v1/traces", config.endpoint.expose_secret().trim_end_matches('/'));
        let client = reqwest::blocking::Client::builder()
            .timeout(EXPORT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::unexpected("the HTTP client cannot be created").caused_by(error))?;
        let exporter = OtlpExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .build()
            // The error of the library can quote the URL.
            .map_err(|_| Error::invalid("otlp_endpoint", "is not accepted by the OTLP exporter"))?;
        let resource = Resource::builder()
            .with_service_name("hexabase")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(sampler)
            .with_batch_exporter(ConventionalNames(exporter))
            .build();
        Ok(Self(provider))
    }

    /// Returns the tracer of the process.
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.0.tracer("hexabase")
    }

    /// Sends the last spans, and ends the export.
    pub(crate) fn stop(self) {
        if let Err(error) = self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Gives exported spans the names, kinds and attributes of the OpenTelemetry conventions
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>); log lines have the short names.
#[derive(Debug)]
struct ConventionalNames<E>(E);

impl<E: SpanExporter> SpanExporter for ConventionalNames<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            match &*span.name {
                "http" => name_request(span),
                "reconcile" | "reconcile_account" | "check_isolation" | "send_mail" => {
                    span.span_kind = SpanKind::Consumer;
                }
                _ => {}
            }
        }
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Names the span of a request by its method and route, which are from closed sets.
fn name_request(span: &mut SpanData) {
    span.span_kind = SpanKind::Server;
    let (mut method, mut route) = (String::new(), String::new());
    for attribute in &mut span.attributes {
        let conventional = match attribute.key.as_str() {
            "method" => {
                method = attribute.value.to_string();
                "http.request.method"
            }
            "route" => {
                route = attribute.value.to_string();
                "http.route"
            }
            "status" => {
                if matches!(attribute.value, Value::I64(500..)) {
                    span.status = Status::error("");
                }
                "http.response.status_code"
            }
            "id" => "hexabase.request.id",
            _ => continue,
        };
        attribute.key = conventional.into();
    }
    span.name = Cow::Owned(format!("{method} {route}").trim_end().to_owned());
}

/// [`TracePropagation`] by the spans that this process exports.
#[derive(Debug)]
pub(crate) struct ExportedSpans;

impl TracePropagation for ExportedSpans {
    fn current(&self) -> Option<TraceParent> {
        let context = tracing::Span::current().context();
        let span = context.span();
        let current = span.span_context();
        current.is_valid().then(|| TraceParent {
            trace_id: u128::from_be_bytes(current.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(current.span_id().to_bytes()),
            is_sampled: current.is_sampled(),
        })
    }

    fn set_parent(&self, span: &tracing::Span, parent: TraceParent) {
        let flags = if parent.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let remote = SpanContext::new(
            TraceId::from_bytes(parent.trace_id.to_be_bytes()),
            SpanId::from_bytes(parent.span_id.to_be_bytes()),
            flags,
            true,
            TraceState::default(),
        );
        // Fails for spans that the log filter excludes, which are not exported.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote));
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::KeyValue;
    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
    use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

    use super::name_request;

    #[test]
    fn requests_are_named_by_the_conventions_and_failed_from_500_on() {
        for (status, expected) in [(499, Status::Unset), (500, Status::error("")), (503, Status::error(""))] {
            let mut span = request_span(status);
            name_request(&mut span);
            let keys: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
            assert_eq!(keys, ["http.request.method", "http.route", "http.response.status_code"]);
            assert_eq!((&*span.name, span.span_kind), ("GET /healthz", SpanKind::Server));
            assert_eq!(span.status, expected, "{status}");
        }
    }

    fn request_span(status: i64) -> SpanData {
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "http".into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: vec![
                KeyValue::new("method", "GET"),
                KeyValue::new("route", "/healthz"),
                KeyValue::new("status", status),
            ],
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: Default::default(),
        }
    }
}
