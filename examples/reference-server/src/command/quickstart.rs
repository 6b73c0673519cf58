//! Quick start that a development server prints.

/// Returns a `curl` script for the main use case, to be pasted into a shell, and how to stop the server.
pub(super) fn quickstart(url: &str, sandbox: bool) -> String {
    let cluster = match sandbox {
        true => {
            "Tenant clusters are a sandbox in this process: kubectl can use them, but they run no workloads."
        }
        false => "Tenant clusters are created in the host cluster of the kubeconfig.",
    };
    TEMPLATE.replace("{url}", url).replace("{cluster}", cluster)
}

const TEMPLATE: &str = r#"
{cluster}
The console is at {url}/console: sign in with any e-mail address.
The API is documented at {url}/docs. Paste this script into a shell to create a workspace and use it:

  H={url}/api/v1
  pick() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
  T=$(curl -s {url}/auth/dev/login -H 'Content-Type: application/json' -d '{"email":"ann@example.com"}' | pick access_token)
  call() { curl -sS -X "$1" "$H$2" -H "Authorization: Bearer $T" -H 'Content-Type: application/json' ${3:+-d "$3"}; }
  ORG=$(call POST /organizations '{"name":"acme","display_name":"Acme"}' | pick id); echo "organization $ORG"
  WS=$(call POST "/organizations/$ORG/workspaces" '{"name":"shop","plan_id":"team"}' | pick id); echo "workspace $WS"
  W=/organizations/$ORG/workspaces/$WS
  until call GET "$W" | grep -q '"phase":"ready"'; do sleep 0.2; done; echo ready
  PRJ=$(call POST "$W/projects" '{"name":"web"}' | pick id); echo "project $PRJ"
  GRP=$(call POST "$W/groups" '{"name":"developers"}' | pick id); echo "group $GRP"
  call POST "$W/projects/$PRJ/role-assignments" "{\"group_id\":\"$GRP\",\"role\":\"hexabase:project-editor\"}"; echo
  until call GET "$W/projects/$PRJ" | grep -q '"phase":"ready"'; do sleep 0.2; done
  call GET "$W/kubeconfig?auth=token" > shop.kubeconfig; kube() { kubectl --kubeconfig shop.kubeconfig -n web "$@"; }
  kube get namespaces
  kube auth can-i create deployments
  kube create deployment hello --image=nginx
  kube create configmap greeting --from-literal=text=hello --dry-run=client -o yaml | kube apply -f -

Stop with Ctrl-C; the data is kept for the next start."#;
