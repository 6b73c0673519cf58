//! What a development server says about itself.

/// A walk through the main job with `curl`, ready to be pasted, and how to stop.
pub(super) fn walk(url: &str, sandbox: bool) -> String {
    let note = match sandbox {
        true => "Tenant clusters are a sandbox in this process: they look real to kubectl, and run nothing.",
        false => "Tenant clusters are made in the cluster that the kubeconfig names.",
    };
    WALK.replace("{url}", url).replace("{note}", note)
}

const WALK: &str = r#"
{note}
The API's documentation is at {url}/docs. Paste this into a shell to see the main job done:

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
  call GET "$W/kubeconfig?auth=token" > shop.kubeconfig && kubectl --kubeconfig shop.kubeconfig get namespaces

Stop with Ctrl-C; what was made is still there at the next start."#;
