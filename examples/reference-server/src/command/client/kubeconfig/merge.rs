//! Merging the kubeconfig of a workspace into the user's. Only the lines of the entries that change are replaced, so that
//! comments and the form of all others are kept.

use std::ops::Range;

use serde_json::{Map, Value, json};

/// Lists of a kubeconfig, and the field with the content of their entries.
const LISTS: [(&str, &str); 3] = [("clusters", "cluster"), ("users", "user"), ("contexts", "context")];

/// Parses a kubeconfig; an empty file is a kubeconfig without entries. `None` if the text is not a map in YAML.
pub(super) fn parse(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_saphyr::from_str(text).ok()
}

/// Adds the only cluster, user and context of a kubeconfig to the text of another one under a name, and replaces entries
/// of that name. All other entries are kept. `None` if either kubeconfig is malformed.
pub(super) fn merge(text: &str, added: &Map<String, Value>, name: &str, switch: bool) -> Option<String> {
    let merged = merge_values(parse(text)?, added, name, switch)?;
    let is_complete = |text: &String| parse(text).as_ref() == Some(&merged);
    // A kubeconfig in an unusual form, such as JSON, is written again as a whole.
    let whole = || serde_saphyr::to_string(&merged).ok();
    edit(text, &merged, name).filter(is_complete).or_else(|| whole().filter(is_complete))
}

fn merge_values(
    mut existing: Map<String, Value>,
    added: &Map<String, Value>,
    name: &str,
    switch: bool,
) -> Option<Map<String, Value>> {
    existing.entry("apiVersion").or_insert_with(|| json!("v1"));
    existing.entry("kind").or_insert_with(|| json!("Config"));
    for (list, field) in LISTS {
        let value = match list {
            "contexts" => json!({ "cluster": name, "user": name }),
            _ => added.get(list)?.get(0)?.get(field)?.clone(),
        };
        put_entry(&mut existing, list, name, json!({ "name": name, field: value }))?;
    }
    let has_no_context = existing.get("current-context").and_then(Value::as_str).is_none_or(str::is_empty);
    if switch || has_no_context {
        existing.insert("current-context".to_owned(), json!(name));
    }
    Some(existing)
}

/// Puts an entry in the place of the first one of its name, or at the end. Further entries of the name are removed.
fn put_entry(kubeconfig: &mut Map<String, Value>, list: &str, name: &str, entry: Value) -> Option<()> {
    let entries = kubeconfig.entry(list).or_insert_with(|| json!([]));
    if entries.is_null() {
        *entries = json!([]);
    }
    let entries = entries.as_array_mut()?;
    let is_replaced = |entry: &Value| entry.get("name").and_then(Value::as_str) == Some(name);
    let place = entries.iter().position(is_replaced).unwrap_or(entries.len());
    entries.retain(|entry| !is_replaced(entry));
    entries.insert(place, entry);
    Some(())
}

/// Replaces the lines of a kubeconfig in which it differs from the merged one. `None` for a form that this does not
/// understand; its result is only used if it has the same meaning as the merged kubeconfig.
fn edit(text: &str, merged: &Map<String, Value>, name: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for key in ["apiVersion", "kind"] {
        if find_key(&lines, key).is_none() {
            lines.push(format!("{key}: {}", merged.get(key)?.as_str()?));
        }
    }
    for (list, _) in LISTS {
        let entries = merged.get(list)?.as_array()?;
        let entry = entries.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))?;
        put_item(&mut lines, list, name, entry)?;
    }
    let context = format!("current-context: {}", merged.get("current-context")?.as_str()?);
    match find_key(&lines, "current-context") {
        None => lines.push(context),
        Some(at) => {
            let line = lines.get_mut(at)?;
            let comment = line.find(" #").map(|start| line.split_off(start)).unwrap_or_default();
            *line = context + &comment;
        }
    }
    Some(lines.join("\n") + "\n")
}

/// Returns the position of the line with a key of the kubeconfig itself.
fn find_key(lines: &[String], key: &str) -> Option<usize> {
    lines.iter().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
}

/// Puts an entry into a list in block style, in the place of the one with its name or at the end.
fn put_item(lines: &mut Vec<String>, list: &str, name: &str, entry: &Value) -> Option<()> {
    let Some(header) = find_key(lines, list) else {
        lines.push(format!("{list}:"));
        lines.extend(render(entry, 0)?);
        return Some(());
    };
    let value = lines.get(header)?.split_once(':')?.1;
    let value = value.split(" #").next().unwrap_or_default().trim();
    let is_block = value.is_empty();
    if !is_block && !["[]", "null", "~"].contains(&value) {
        return None;
    }
    let (indent, items) = items(lines, header);
    let end = items.last().map_or(header + 1, |item| item.end);
    let mut place = end..end;
    for item in items {
        let parsed: Vec<Value> = serde_saphyr::from_str(&lines.get(item.clone())?.join("\n")).ok()?;
        if parsed.first()?.get("name").and_then(Value::as_str) == Some(name) {
            place = item;
        }
    }
    lines.splice(place, render(entry, indent)?);
    if !is_block {
        *lines.get_mut(header)? = format!("{list}:");
    }
    Some(())
}

/// Returns the indentation of the items of a list, and the lines of each, without comments and empty lines after it.
fn items(lines: &[String], header: usize) -> (usize, Vec<Range<usize>>) {
    let indent_of = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let is_item = |line: &str| line.trim_start_matches(' ').starts_with("- ");
    let is_filler = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let after = || lines.iter().enumerate().skip(header + 1);
    let end = after().find(|(_, line)| indent_of(line) == 0 && !is_filler(line) && !is_item(line));
    let end = end.map_or(lines.len(), |(at, _)| at);
    let inside = || after().take(end - header - 1);
    let Some(indent) = inside().find(|(_, line)| !is_filler(line)).map(|(_, line)| indent_of(line)) else {
        return (0, Vec::new());
    };
    let starts: Vec<usize> =
        inside().filter(|(_, line)| indent_of(line) == indent && is_item(line)).map(|(at, _)| at).collect();
    let ends = starts.iter().copied().skip(1).chain([end]);
    let item = |(start, end): (usize, usize)| {
        let item_lines = lines.get(start..end).unwrap_or_default();
        let is_outside = |line: &&String| is_filler(line) && indent_of(line) <= indent;
        start..end - item_lines.iter().rev().take_while(is_outside).count()
    };
    (indent, starts.iter().copied().zip(ends).map(item).collect())
}

/// Returns the lines of an item of a list.
fn render(entry: &Value, indent: usize) -> Option<Vec<String>> {
    let text = serde_saphyr::to_string(&[entry]).ok()?;
    Some(text.lines().map(|line| format!("{:indent$}{line}", "")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "hexabase_acme_shop";
    const ADDED: &str = "
clusters: [{name: shop, cluster: {server: https://shop}}]
users: [{name: ws_1, user: {token: t}}]
contexts: [{name: shop, context: {cluster: shop, user: ws_1}}]
current-context: shop
";
    const EXISTING: &str = "
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- {name: home, cluster: {server: https://home}}
- {name: hexabase_acme_shop, cluster: {server: https://old}}
users: null
contexts: [{name: home, context: {cluster: home, user: me, namespace: mine}}]
current-context: home
";

    fn merged_text(existing: &str, switch: bool) -> String {
        merge(existing, &parse(ADDED).unwrap(), NAME, switch).unwrap()
    }

    fn merged(existing: &str, switch: bool) -> Value {
        Value::Object(parse(&merged_text(existing, switch)).unwrap())
    }

    #[test]
    fn empty_file_becomes_a_kubeconfig() {
        let result = merged("", false);
        assert_eq!((&result["kind"], &result["current-context"]), (&json!("Config"), &json!(NAME)));
        assert_eq!(result["users"], json!([{ "name": NAME, "user": { "token": "t" } }]));
    }

    #[test]
    fn entries_of_the_name_are_replaced_and_all_others_kept() {
        let result = merged(EXISTING, false);
        assert_eq!(result["preferences"], json!({ "colors": true }));
        assert_eq!(result["contexts"][0]["context"]["namespace"], "mine");
        assert_eq!(result["current-context"], "home");
        assert_eq!(
            result["clusters"],
            json!([
                { "name": "home", "cluster": { "server": "https://home" } },
                { "name": NAME, "cluster": { "server": "https://shop" } },
            ])
        );
        assert_eq!(merged(EXISTING, true)["current-context"], NAME);
    }

    #[test]
    fn merge_is_idempotent() {
        let once = merged_text(EXISTING, true);
        assert_eq!(merged_text(&once, true), once);
    }

    #[test]
    fn lines_of_other_entries_and_comments_stay_as_they_are() {
        let text = "\
# of Ann
apiVersion: v1
clusters: # all of them
  # at home
  - cluster:
      server: https://home  # behind the wall
      extensions:
      - {name: x, extension: {since: 1.10, id: 0o17}}
    name: home

  # of the shop
  - cluster:
      server: https://old
    name: hexabase_acme_shop
  # the last one
  - name: last
    cluster: {server: 'https://last'}
contexts: []
current-context: 'home' # for now
kind: Config
preferences: {}
users:
- name: me
  user:
    client-key-data: |
      # no comment
      key
";
        let result = merged_text(text, true);
        let removed: Vec<&str> = text.lines().filter(|line| !result.lines().any(|it| it == *line)).collect();
        assert_eq!(
            removed,
            ["      server: https://old", "contexts: []", "current-context: 'home' # for now"]
        );
        assert!(result.contains("\ncurrent-context: hexabase_acme_shop # for now\n"), "{result}");
        let at = |line: &str| result.find(line).unwrap();
        assert!(
            at("# of the shop") < at("https://shop") && at("https://shop") < at("# the last one"),
            "{result}"
        );
        assert_eq!(merged_text(&result, true), result);
    }

    #[test]
    fn unusual_forms_keep_their_meaning() {
        for text in [
            r#"{"apiVersion": "v1", "clusters": [{"name": "home", "cluster": {"server": "https://home"}}]}"#,
            "clusters:\n- &home\n  name: home\n  cluster: {server: https://home}\nextra: *home\n",
            "\"clusters\":\n-\n  name: home\n  cluster: {server: https://home}\n",
            "---\nclusters:\n- name: home\n  cluster: {server: https://home}\n...\n",
            "clusters:\r\n- name: home\r\n  cluster: {server: https://home}\r\n",
            "clusters:\n- cluster:\n    server: https://home\n  name: home\n- name: hexabase_acme_shop\n- name: hexabase_acme_shop",
        ] {
            let result = merged(text, false);
            assert_eq!(result["clusters"][0]["cluster"]["server"], "https://home", "{text}");
            assert_eq!(result["clusters"][1]["cluster"]["server"], "https://shop", "{text}");
            assert_eq!(result["clusters"].as_array().unwrap().len(), 2, "{text}");
        }
        for text in ["[]", "text", "clusters: {}", "clusters: [", "clusters: 7"] {
            assert_eq!(merge(text, &parse(ADDED).unwrap(), NAME, true), None, "{text}");
        }
    }
}
