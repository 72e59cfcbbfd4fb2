//! The tree of keys that a configuration may have, with what each says, out of the types themselves
//! (their JSON Schema): so no list beside the types can fall behind them.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// What may stand under a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A section with known keys.
    Section(Vec<(String, Key)>),
    /// A section whose keys are the site's.
    Map,
    /// A list of sections.
    List(Box<Node>),
    /// A value; where only some words are allowed, those.
    Value(Vec<String>),
}

/// A key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    /// What it is for, in sentences.
    pub(super) doc: String,
    /// What stands under it.
    pub(super) node: Node,
}

static ROOT: LazyLock<Node> = LazyLock::new(|| {
    let generator = SchemaSettings::default().with(|s| s.inline_subschemas = true).into_generator();
    node(generator.into_root_schema_for::<Config>().as_value())
});

/// The whole tree.
pub(super) fn root() -> &'static Node {
    &ROOT
}

fn node(schema: &Value) -> Node {
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        let keys = fields.iter().map(|(name, schema)| {
            let doc = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
            (name.clone(), Key { doc, node: node(schema) })
        });
        return Node::Section(keys.collect());
    }
    if schema.get("additionalProperties").is_some_and(Value::is_object) {
        return Node::Map;
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        return match node(items) {
            section @ Node::Section(_) => Node::List(Box::new(section)),
            _ => Node::Value(Vec::new()),
        };
    }
    // An optional section is itself or null.
    let choices = schema.get("anyOf").and_then(Value::as_array);
    if let Some(section) = choices.and_then(|c| c.iter().map(node).find(|n| matches!(n, Node::Section(_)))) {
        return section;
    }
    Node::Value(words(schema))
}

/// The words of an enumeration.
fn words(schema: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    if let Some(all) = schema.get("enum").and_then(Value::as_array) {
        return all.iter().filter_map(text).collect();
    }
    let each = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    each.into_iter()
        .flatten()
        .flat_map(|one| one.get("const").and_then(text).map_or(words(one), |w| vec![w]))
        .collect()
}

impl Node {
    /// The keys of a section, also of each section of a list.
    pub(super) fn keys(&self) -> &[(String, Key)] {
        match self {
            Self::Section(keys) => keys,
            Self::List(each) => each.keys(),
            Self::Map | Self::Value(_) => &[],
        }
    }

    /// The key of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Key> {
        self.keys().iter().find(|(known, _)| known == name).map(|(_, key)| key)
    }

    /// The key at a path; within a map or below a value there is none.
    pub(super) fn at<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> Option<&Key> {
        let mut path = path.into_iter();
        let first = self.get(path.next()?)?;
        path.try_fold(first, |key, name| key.node.get(name))
    }
}

/// How many typing mistakes a word may have and still be taken for another: one in three letters.
fn allowed(word: &str) -> usize {
    (word.chars().count() / 3).max(1)
}

/// The word of `known` that is nearest to `word`, if one is near: by insertions, deletions,
/// replacements and swaps of neighbours (optimal string alignment), or when one begins with the other.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_ascii_lowercase().replace(['-', ' ', '.'], "_");
    let near = |known: &&str| {
        let distance = strsim::osa_distance(&word, &known.to_ascii_lowercase());
        let begins =
            word.len().min(known.len()) >= 4 && (word.starts_with(known) || known.starts_with(&word));
        (distance <= allowed(&word) || begins).then_some(distance)
    };
    known.into_iter().filter_map(|k| Some((near(&k)?, k))).min().map(|(_, k)| k)
}

/// The known key that is nearest to an unknown one: of the same section first, then of the same name
/// elsewhere. `path` is whole; its section up to `depth` is known.
pub(super) fn suggestion(path: &[String], depth: usize) -> Option<String> {
    let section = match depth {
        0 => root(),
        _ => &root().at(path[..depth].iter().map(String::as_str))?.node,
    };
    let siblings = section.keys().iter().map(|(name, _)| name.as_str());
    if let Some(name) = nearest(&path[depth], siblings) {
        let mut found: Vec<&str> = path[..depth].iter().map(String::as_str).collect();
        found.push(name);
        // The rest of the path, as far as it is known there.
        for name in &path[depth + 1..] {
            let here = root().at(found.iter().copied());
            let Some(next) = here.and_then(|k| nearest(name, k.node.keys().iter().map(|(n, _)| n.as_str())))
            else {
                break;
            };
            found.push(next);
        }
        return Some(found.join("."));
    }
    let (whole, last) = (path.join("."), path.last()?);
    let mut all = Vec::new();
    paths(root(), &mut Vec::new(), &mut all);
    all.into_iter()
        .filter_map(|found| {
            let distance = strsim::osa_distance(&last.to_ascii_lowercase(), found.last()?);
            let found = found.join(".");
            (distance <= allowed(last)).then(|| (distance, strsim::osa_distance(&whole, &found), found))
        })
        .min()
        .map(|(_, _, found)| found)
}

fn paths<'k>(node: &'k Node, at: &mut Vec<&'k str>, all: &mut Vec<Vec<&'k str>>) {
    for (name, key) in node.keys() {
        at.push(name);
        all.push(at.clone());
        paths(&key.node, at, all);
        at.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found() {
        for (unknown, depth, expected) in [
            ("kafka.botstrap", 1, Some("kafka.bootstrap")),
            ("kafka.bootstrap_servers", 1, Some("kafka.bootstrap")),
            ("kafka.Bootstrap", 1, Some("kafka.bootstrap")),
            ("kafak.bootstrap", 0, Some("kafka.bootstrap")),
            ("kafak", 0, Some("kafka")),
            ("engine.cell-millis", 1, Some("engine.cell_millis")),
            ("alerts.sepsis.persistance_secs", 2, Some("alerts.sepsis.persistence_secs")),
            ("alerts.sepsys.enabled", 1, Some("alerts.sepsis.enabled")),
            ("kafka.topics.dead-letter", 2, Some("kafka.topics.dead_letter")),
            ("http.bootstrap", 1, Some("kafka.bootstrap")),
            ("deadline_millis", 0, Some("narrator.deadline_millis")),
            ("gateway.listen", 1, Some("gateway.fhir.listen")),
            ("kafka.xyzzy", 1, None),
            ("quux", 0, None),
        ] {
            let path: Vec<String> = unknown.split('.').map(str::to_owned).collect();
            assert_eq!(suggestion(&path, depth).as_deref(), expected, "{unknown}");
        }
    }

    #[test]
    fn words_are_known_where_only_some_are_allowed() {
        let at = |path: &str| root().at(path.split('.')).map(|k| k.node.clone());
        assert_eq!(at("narrator.backend"), Some(Node::Value(vec!["onnx".into(), "openai".into()])));
        assert_eq!(at("kafka.properties"), Some(Node::Map));
        assert_eq!(at("ingest.hl7.local_codes"), Some(Node::Map));
        assert_eq!(at("kafka.instance"), Some(Node::Value(Vec::new())));
        assert_eq!(at("alerts.news2_points"), Some(Node::Value(Vec::new())));
        assert!(matches!(at("alerts.sepsis"), Some(Node::Section(_))));
        assert_eq!(at("kafka.properties.x"), None);
        assert_eq!(nearest("opnai", ["onnx", "openai"]), Some("openai"));
        assert_eq!(nearest("oracle", ["onnx", "openai"]), None);
    }
}
