//! ValidatingAdmissionPolicies, evaluated with the rules of Kubernetes
//! (<https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>).
//!
//! The sandbox supports what Hexabase uses: policies without parameters, bindings with a namespace selector, and the
//! action `Deny`. It rejects policies whose expressions do not compile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use cel::{Context, Env, Program, Value as CelValue};
use serde_json::{Value, json};

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::selector::matches_label_selector;
use super::state::State;
use super::write::WriteRequest;

const GROUP: &str = "admissionregistration.k8s.io";
/// API groups whose objects no policy covers, as on a real API server.
const EXEMPT_GROUPS: [&str; 3] = [GROUP, "authentication.k8s.io", "authorization.k8s.io"];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    if let Err(error) = environment.add_extension(cel::extensions::strings) {
        tracing::error!(%error, "registering CEL functions failed; expressions with them are rejected");
    }
    Arc::new(environment)
});

/// Maximum number of different policies in this process. Tenants of a sandbox have the same ones.
const MAX_POLICIES: usize = 256;

static KNOWN: LazyLock<quick_cache::sync::Cache<String, Arc<AdmissionPolicy>>> =
    LazyLock::new(|| quick_cache::sync::Cache::new(MAX_POLICIES));

/// Expression with its name, or the message of a rejection.
struct Expression {
    label: String,
    program: Program,
}

struct Validation {
    check: Expression,
    message_expression: Option<Program>,
}

/// Policy whose expressions are compiled when they are first needed: that takes milliseconds and megabytes.
pub(super) struct AdmissionPolicy {
    name: String,
    spec: Value,
    expressions: OnceLock<StatusResult<Expressions>>,
}

/// Compiled expressions of a policy.
struct Expressions {
    conditions: Vec<Expression>,
    variables: Vec<Expression>,
    validations: Vec<Validation>,
}

impl fmt::Debug for AdmissionPolicy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AdmissionPolicy").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Policies of an API server, by name.
pub(super) type AdmissionPolicies = BTreeMap<String, Arc<AdmissionPolicy>>;

/// `true` for the kind of policies.
pub(super) fn is_policy(group: &str, plural: &str) -> bool {
    group == GROUP && plural == "validatingadmissionpolicies"
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn entries<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

impl AdmissionPolicy {
    /// Returns the policy of an object. Equal ones share their compiled expressions.
    pub(super) fn of(body: &Value) -> Arc<Self> {
        let key = format!("{} {}", body["metadata"]["name"], body["spec"]);
        if let Some(known) = KNOWN.get(&key) {
            return known;
        }
        let name = text(&body["metadata"], "name").to_owned();
        let policy = Arc::new(Self { name, spec: body["spec"].clone(), expressions: OnceLock::new() });
        KNOWN.insert(key, policy.clone());
        policy
    }

    /// Rejects expressions that do not compile.
    pub(super) fn check(&self) -> StatusResult<()> {
        self.expressions().map(drop).map_err(Clone::clone)
    }

    fn expressions(&self) -> Result<&Expressions, &StatusError> {
        self.expressions.get_or_init(|| self.compile()).as_ref()
    }

    fn compile(&self) -> StatusResult<Expressions> {
        let program = |source: &str| {
            ENVIRONMENT.compile(source).map_err(|error| {
                let message = format!("spec: Invalid value: \"{source}\": compilation failed: {error}");
                StatusError::invalid("ValidatingAdmissionPolicy", &self.name, &message)
            })
        };
        let named = |entry: &Value, label: &str| {
            let program = program(text(entry, "expression"))?;
            Ok(Expression { label: text(entry, label).to_owned(), program })
        };
        let validation = |entry: &Value| {
            let message_expression = entry["messageExpression"].as_str().map(program).transpose()?;
            Ok(Validation { check: named(entry, "message")?, message_expression })
        };
        let all_named = |field: &str| -> StatusResult<Vec<Expression>> {
            entries(&self.spec, field).map(|entry| named(entry, "name")).collect()
        };
        Ok(Expressions {
            conditions: all_named("matchConditions")?,
            variables: all_named("variables")?,
            validations: entries(&self.spec, "validations").map(validation).collect::<StatusResult<_>>()?,
        })
    }

    /// `true` if the policy covers this operation on a kind or its subresource.
    fn covers(&self, request: &WriteRequest<'_>, operation: &str) -> bool {
        let KindInfo { group, version, plural, .. } = &request.kind;
        let resources = match request.subresource() {
            "" => vec![plural.clone(), "*".to_owned(), "*/*".to_owned()],
            subresource => ["*/*".to_owned()]
                .into_iter()
                .chain([plural.as_str(), "*"].map(|plural| format!("{plural}/{subresource}")))
                .chain([format!("{plural}/*")])
                .collect(),
        };
        let has = |rule: &Value, field: &str, value: &str| {
            entries(rule, field).any(|entry| entry == "*" || entry == value)
        };
        entries(&self.spec["matchConstraints"], "resourceRules").any(|rule| {
            has(rule, "apiGroups", group)
                && has(rule, "apiVersions", version)
                && has(rule, "operations", operation)
                && entries(rule, "resources").any(|entry| resources.iter().any(|resource| entry == resource))
        })
    }

    /// Returns the message of the first validation that rejects the write, or of an expression that fails.
    fn denial(&self, inputs: &[(&str, CelValue)]) -> Option<String> {
        let failed = |message: String| (self.spec["failurePolicy"] != "Ignore").then_some(message);
        let Ok(Expressions { conditions, variables: named, validations }) = self.expressions() else {
            return failed("its expressions do not compile".to_owned());
        };
        let mut variables = std::collections::HashMap::<String, CelValue>::new();
        let evaluate = |program: &Program, variables: &std::collections::HashMap<String, CelValue>| {
            let mut context = Context::with_env(ENVIRONMENT.clone());
            for (name, value) in inputs {
                context.add_variable_from_value(*name, value.clone());
            }
            context.add_variable_from_value("variables", variables.clone());
            program.execute(&context).map_err(|error| error.to_string())
        };
        for Expression { label, program } in conditions {
            match evaluate(program, &variables) {
                Ok(CelValue::Bool(true)) => {}
                Ok(_) => return None,
                Err(error) => return failed(format!("match condition {label} failed: {error}")),
            }
        }
        // A real API server evaluates a variable where it is used; an error there is reported by that expression.
        for Expression { label, program } in named {
            if let Ok(value) = evaluate(program, &variables) {
                variables.insert(label.clone(), value);
            }
        }
        for Validation { check: Expression { label, program }, message_expression } in validations {
            match evaluate(program, &variables) {
                Ok(CelValue::Bool(true)) => {}
                Ok(_) => {
                    let message =
                        message_expression.as_ref().and_then(|program| match evaluate(program, &variables) {
                            Ok(CelValue::String(message)) => Some(message.to_string()),
                            _ => None,
                        });
                    return Some(message.unwrap_or_else(|| label.clone()));
                }
                Err(error) => return failed(format!("expression failed: {error}")),
            }
        }
        None
    }
}

impl State {
    /// Rejects a write that a bound policy denies. `before` and `after` are the object before and after the write;
    /// one of them is `None` if the write creates or deletes it.
    pub(super) fn check_admission_policies(
        &self,
        request: &WriteRequest<'_>,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> StatusResult<()> {
        let WriteRequest { kind, user, .. } = request;
        if self.admission_policies.is_empty() || EXEMPT_GROUPS.contains(&kind.group.as_str()) {
            return Ok(());
        }
        let operation = match (before, after) {
            (None, _) => "CREATE",
            (Some(_), Some(_)) => "UPDATE",
            (Some(_), None) => "DELETE",
        };
        let object = after.or(before).unwrap_or(&Value::Null);
        let name = text(&object["metadata"], "name");
        let namespace = match kind.kind.as_str() {
            "Namespace" => name,
            _ => request.target.namespace.as_str(),
        };
        let namespace_object = self.get("", "namespaces", "", &request.target.namespace);
        // The selector of a binding applies to the namespace of an object, and to a namespace itself.
        let selected = if kind.kind == "Namespace" { Some(object) } else { namespace_object };
        let mut inputs = None;
        for binding in self.all(GROUP, "validatingadmissionpolicybindings", "") {
            let Some(policy) = self.admission_policies.get(text(&binding["spec"], "policyName")) else {
                continue;
            };
            let is_selected = selected.is_none_or(|namespace| {
                matches_label_selector(&binding["spec"]["matchResources"]["namespaceSelector"], namespace)
            });
            let denies = entries(&binding["spec"], "validationActions").any(|action| action == "Deny");
            if !denies || !is_selected || !policy.covers(request, operation) {
                continue;
            }
            let inputs = inputs.get_or_insert_with(|| {
                let admission_request = json!({
                    "operation": operation,
                    "name": name,
                    "namespace": namespace,
                    "resource": { "group": kind.group, "version": kind.version, "resource": kind.plural },
                    "subResource": request.subresource(),
                    "userInfo": { "username": user.name, "groups": user.groups },
                });
                let cel = |value: &Value| cel::to_value(value).unwrap_or(CelValue::Null);
                [
                    ("object", cel(after.unwrap_or(&Value::Null))),
                    ("oldObject", cel(before.unwrap_or(&Value::Null))),
                    ("request", cel(&admission_request)),
                    ("namespaceObject", cel(namespace_object.unwrap_or(&Value::Null))),
                ]
            });
            if let Some(message) = policy.denial(inputs) {
                return Err(StatusError::forbidden(format!(
                    "{} \"{name}\" is forbidden: ValidatingAdmissionPolicy '{}' with binding '{}' denied request: {message}",
                    kind.qualified(),
                    policy.name,
                    text(&binding["metadata"], "name"),
                )));
            }
        }
        Ok(())
    }
}
