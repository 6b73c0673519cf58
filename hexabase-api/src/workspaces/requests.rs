//! Requests about workspaces and their node pools.

use hexabase_core::error::{Check, Result};
use hexabase_core::model::{GitOps, GitOpsAccess, GitOpsTool, Phase, PresetRole};
use hexabase_core::name::{DisplayName, HostNamespace, KubernetesVersion, NodeClass, PlanId, Region, Slug};
use hexabase_core::platform::{CreateNodePool, CreateWorkspace, UpdateWorkspace};
use hexabase_core::search::WorkspaceFilter;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::filters::PhaseSchema;
use crate::requests::{PageQuery, nullable, parse_nullable, parse_optional, parse_text};

/// Workspace to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWorkspace {
    /// Name, unique in the organization: a DNS label.
    #[schema(example = "dev")]
    pub name: String,
    /// Name for display; none by default.
    pub display_name: Option<String>,
    /// Id of the plan that determines size and limits.
    #[schema(example = "starter")]
    pub plan_id: String,
    /// Region; any region by default.
    pub region: Option<String>,
    /// Kubernetes version; the newest one of the plan by default.
    pub kubernetes_version: Option<String>,
}

impl NewWorkspace {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateWorkspace> {
        let mut check = Check::default();
        let name = check.field("name", Slug::parse(&self.name));
        let display_name =
            check.field("display_name", parse_optional(&self.display_name, DisplayName::parse));
        let plan_id = check.field("plan_id", PlanId::parse(&self.plan_id));
        let region = check.field("region", parse_optional(&self.region, Region::parse));
        let version = parse_optional(&self.kubernetes_version, KubernetesVersion::parse);
        let version = check.field("kubernetes_version", version);
        let (name, display_name, plan_id, region, kubernetes_version) =
            check.all((name, display_name, plan_id, region, version))?;
        Ok(CreateWorkspace { name, display_name, plan_id, region, kubernetes_version })
    }
}

/// Changes to a workspace. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspacePatch {
    /// Name for display; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub display_name: Option<Option<String>>,
    /// Id of the plan that determines size and limits.
    pub plan_id: Option<String>,
    /// Kubernetes version: the same or the next minor version.
    pub kubernetes_version: Option<String>,
    /// GitOps tools of the operator that have access to the cluster. Tools that are not named lose it, and null removes
    /// all.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<GitOpsTools>)]
    pub gitops: Option<Option<GitOpsTools>>,
}

/// GitOps tools with access to a tenant cluster.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GitOpsTools {
    /// Argo CD, which finds the cluster in a Secret with the label `argocd.argoproj.io/secret-type: cluster`; the cluster
    /// is scoped to the AppProject with the name of the Secret's workspace. The operator configures all other AppProjects
    /// so that they cannot use it.
    pub argocd: Option<GitOpsToolAccess>,
    /// Flux, which finds a kubeconfig under the key `value` of a Secret.
    pub flux: Option<GitOpsToolAccess>,
}

/// Access of a GitOps tool to a tenant cluster.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GitOpsToolAccess {
    /// Namespace on the host cluster in which the tool finds its credential: one of those that the operator allows.
    #[schema(example = "argocd")]
    pub namespace: String,
    /// Preset role: a project role applies in every project, a workspace role in the whole cluster. The default is
    /// `hexabase:project-admin`.
    pub role: Option<String>,
}

impl GitOpsTools {
    /// Validates the tools. Whether the operator allows their namespaces is checked with the command.
    fn parse(self, check: &mut Check) -> GitOps {
        let tools = [(GitOpsTool::ArgoCd, self.argocd), (GitOpsTool::Flux, self.flux)];
        let mut gitops = GitOps::new();
        for (tool, access) in tools {
            let Some(GitOpsToolAccess { namespace, role }) = access else { continue };
            let namespace = check.field(format!("gitops.{tool}.namespace"), HostNamespace::parse(&namespace));
            let role = role.as_deref().map_or(Ok(PresetRole::ProjectAdmin), str::parse);
            let role = check.field(format!("gitops.{tool}.role"), role);
            let access =
                namespace.zip(role).map(|(namespace, role)| (tool, GitOpsAccess { namespace, role }));
            gitops.extend(access);
        }
        gitops
    }
}

impl WorkspacePatch {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<UpdateWorkspace> {
        let mut check = Check::default();
        let display_name = parse_nullable(&self.display_name, DisplayName::parse);
        let display_name = check.field("display_name", display_name);
        let plan_id = check.field("plan_id", parse_optional(&self.plan_id, PlanId::parse));
        let version = parse_optional(&self.kubernetes_version, KubernetesVersion::parse);
        let version = check.field("kubernetes_version", version);
        let gitops = self.gitops.map(|tools| tools.unwrap_or_default().parse(&mut check));
        let (display_name, plan_id, kubernetes_version) = check.all((display_name, plan_id, version))?;
        Ok(UpdateWorkspace { display_name, plan_id, kubernetes_version, gitops })
    }
}

/// Filter on workspaces, and the page to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkspaceQuery {
    /// Part of the name or display name, in any case.
    #[param(min_length = 1, max_length = 100)]
    pub q: Option<String>,
    /// Phase of the workspaces.
    #[param(value_type = Option<PhaseSchema>, inline)]
    pub phase: Option<Phase>,
    /// Id of the plan of the workspaces.
    pub plan: Option<String>,
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl WorkspaceQuery {
    /// Returns the page to return.
    #[must_use]
    pub fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }

    /// Returns the filter.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<WorkspaceFilter> {
        let text = parse_text(self.q.as_deref());
        let mut check = Check::default();
        let plan_id = check.field("plan", parse_optional(&self.plan, PlanId::parse));
        Ok(WorkspaceFilter { text: text?, phase: self.phase, plan_id: check.all(plan_id)? })
    }
}

/// Source of the tokens of a kubeconfig.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = KubeconfigAuth)]
pub enum KubeconfigSource {
    /// The exec plugin of the platform, such as `hexabase credential`.
    #[default]
    Exec,
    /// The exec plugin `kubectl oidc-login`.
    Kubelogin,
    /// Token in the kubeconfig itself, valid for ten minutes.
    Token,
}

/// Options of a kubeconfig.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KubeconfigQuery {
    /// Source of the tokens: `exec` runs the program of the platform, `kubelogin` runs `kubectl oidc-login`,
    /// `token` includes a token that is valid for ten minutes.
    #[serde(default)]
    pub auth: KubeconfigSource,
}

/// Node pool to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNodePool {
    /// Name, unique in the workspace: a DNS label.
    #[schema(example = "gpu")]
    pub name: String,
    /// Class of the nodes, as defined by the operator of the installation.
    #[schema(example = "a100")]
    pub class: String,
    /// Desired number of nodes, 1 to 100.
    #[schema(example = 2)]
    pub nodes: u16,
}

impl NewNodePool {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateNodePool> {
        let mut check = Check::default();
        let name = check.field("name", Slug::parse(&self.name));
        let class = check.field("class", NodeClass::parse(&self.class));
        let (name, class) = check.all((name, class))?;
        Ok(CreateNodePool { name, class, nodes: self.nodes })
    }
}
