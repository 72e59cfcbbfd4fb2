//! A file and the environment to a configuration, with everything that is wrong with them.
//!
//! Each value is looked at by itself, laid over the defaults: so one that is refused hides no other,
//! and a section needs only the keys it changes. Nothing is quoted of what was given.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    Config,
    keys::{Node, nearest, root, suggestion},
    problem::{Place, Problem},
};

/// What an override's name begins with.
pub(super) const PREFIX: &str = "BEDWATCH__";
/// What the names of our other variables begin with (`BEDWATCH_LOG`).
const OTHERS: &str = "BEDWATCH_";

/// A configuration as far as it could be read.
#[derive(Debug)]
pub(super) struct Read {
    /// What was understood, over the defaults.
    pub(super) config: Config,
    /// Everything wrong, in the order of the file, then the environment's, then ranges.
    pub(super) problems: Vec<Problem>,
    /// Where each key was given.
    pub(super) places: BTreeMap<String, Place>,
}

/// One value that was given.
struct Leaf {
    path: Vec<String>,
    value: Value,
    place: Place,
    /// What an environment variable holds: also text where it reads as something else.
    text: Option<String>,
}

/// Reads a file's text and the environment.
pub(super) fn read(text: &str, environment: &BTreeMap<String, String>) -> Read {
    let mut problems = Vec::new();
    let mut leaves = Vec::new();
    let (spanned, faults) = DeTable::parse_recoverable(text);
    match text.parse::<Table>() {
        Ok(table) if faults.is_empty() => {
            let mut walk = Walk { text, problems: &mut problems, leaves: &mut leaves };
            walk.section(&table, spanned.get_ref(), root(), &mut Vec::new());
        }
        _ => problems.extend(faults.iter().map(|fault| {
            let place = fault.span().map(|span| place(text, span.start));
            let message = format!("this is no TOML: {}", fault.message());
            Problem { key: None, ..Problem::error("", message) }.at(place)
        })),
    }
    for (name, value) in environment {
        overriding(name, value, &mut problems, &mut leaves);
    }
    let mut places = BTreeMap::new();
    let defaults = Value::try_from(Config::default()).expect("the defaults are plain data");
    let mut whole = defaults.clone();
    for leaf in leaves {
        let key = leaf.path.join(".");
        places.insert(key.clone(), leaf.place.clone());
        let tried = attempt(&defaults, &leaf.path, leaf.value.clone()).map(|()| leaf.value.clone());
        let tried = tried.or_else(|why| {
            let text = leaf.text.clone().map(Value::String).ok_or_else(|| why.clone())?;
            attempt(&defaults, &leaf.path, text.clone()).map(|()| text).map_err(|_| why)
        });
        match tried {
            Ok(value) => put(&mut whole, &leaf.path, value),
            Err(why) => {
                let message = format!("{key} {}", explain(&leaf, &why));
                problems.push(Problem::error(&key, message).at(Some(leaf.place)));
            }
        }
    }
    let config = Config::deserialize(whole).expect("each value by itself was taken over the defaults");
    problems.extend(config.ranges().into_iter().map(|problem| {
        let place = problem.key.as_ref().and_then(|key| places.get(key)).cloned();
        problem.at(place)
    }));
    Read { config, problems, places }
}

struct Walk<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    leaves: &'a mut Vec<Leaf>,
}

impl Walk<'_> {
    /// Takes the values of a section and names the keys that are none.
    fn section(&mut self, table: &Table, spans: &DeTable<'_>, node: &Node, path: &mut Vec<String>) {
        for (name, value) in spans {
            let at = place(self.text, name.span().start);
            path.push(name.get_ref().to_string());
            let given = &table[name.get_ref().as_ref()];
            match node.get(name.get_ref()) {
                None => self.problems.push(unknown(path, path.len() - 1, Some(at), "")),
                Some(key) => {
                    let here = place(self.text, value.span().start);
                    self.value(given, value.get_ref(), &key.node, path, at, here);
                }
            }
            path.pop();
        }
    }

    fn value(
        &mut self,
        given: &Value,
        spans: &DeValue<'_>,
        node: &Node,
        path: &mut Vec<String>,
        at: Place,
        here: Place,
    ) {
        match (node, given, spans) {
            (Node::Section(_), Value::Table(table), DeValue::Table(spans)) => {
                self.section(table, spans, node, path);
            }
            (Node::Map, Value::Table(table), DeValue::Table(spans)) => {
                // A map that is given takes the place of the default's.
                self.leaf(path, Value::Table(Table::new()), at);
                for (name, value) in spans {
                    path.push(name.get_ref().to_string());
                    let here = place(self.text, value.span().start);
                    self.leaf(path, table[name.get_ref().as_ref()].clone(), here);
                    path.pop();
                }
            }
            (Node::Section(_) | Node::Map, ..) => {
                let key = path.join(".");
                let message = format!("{key} is a section: write [{key}] and its keys below");
                self.problems.push(Problem::error(&key, message).at(Some(here)));
            }
            (Node::List(each), Value::Array(_), DeValue::Array(spans)) => {
                let before = self.problems.len();
                for one in spans.iter() {
                    if let DeValue::Table(table) = one.get_ref() {
                        self.strangers(table, each, path);
                    }
                }
                if self.problems.len() == before {
                    self.leaf(path, given.clone(), here);
                }
            }
            _ => self.leaf(path, given.clone(), here),
        }
    }

    /// Names the unknown keys of one section of a list.
    fn strangers(&mut self, table: &DeTable<'_>, each: &Node, path: &mut Vec<String>) {
        for name in table.keys().filter(|name| each.get(name.get_ref()).is_none()) {
            path.push(name.get_ref().to_string());
            let at = place(self.text, name.span().start);
            self.problems.push(unknown(path, path.len() - 1, Some(at), ""));
            path.pop();
        }
    }

    fn leaf(&mut self, path: &[String], value: Value, place: Place) {
        self.leaves.push(Leaf { path: path.to_vec(), value, place, text: None });
    }
}

/// Takes one variable of the environment, if it is an override.
fn overriding(name: &str, value: &str, problems: &mut Vec<Problem>, leaves: &mut Vec<Leaf>) {
    let place = Place::Environment { variable: name.to_owned() };
    let Some(tail) = name.strip_prefix(PREFIX) else {
        // One underscore too few would be an override that does nothing.
        if let Some(rest) = name.strip_prefix(OTHERS)
            && rest.contains("__")
        {
            let message = format!("an override begins with two underscores; did you mean {PREFIX}{rest}?");
            problems.push(Problem { key: None, ..Problem::error("", message) }.at(Some(place)));
        }
        return;
    };
    let mut path: Vec<String> = tail.to_ascii_lowercase().split("__").map(str::to_owned).collect();
    let mut node = root();
    for depth in 0..path.len() {
        if *node == Node::Map {
            // A shell takes no dots in a name, and librdkafka's names have nothing else between words.
            let own = path.split_off(depth).join("__");
            let dotted = path.join(".") == "kafka.properties" && !own.contains('.');
            path.push(if dotted { property(&own) } else { own });
            break;
        }
        let Some(key) = node.get(&path[depth]) else {
            problems.push(unknown(&path, depth, Some(place), PREFIX));
            return;
        };
        node = &key.node;
    }
    if matches!(node, Node::Section(_)) {
        let message = format!("{} is a section and no value", path.join("."));
        problems.push(Problem::error(&path.join("."), message).at(Some(place)));
        return;
    }
    let parsed = format!("v = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    let text = Some(value.to_owned());
    let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
    leaves.push(Leaf { path, value, place, text });
}

/// `sasl_password_file` to `sasl.password_file`.
fn property(name: &str) -> String {
    use bedwatch_ingest::kafka::properties::FILE;
    match name.strip_suffix(FILE) {
        Some(stem) => format!("{}{FILE}", stem.replace('_', ".")),
        None => name.replace('_', "."),
    }
}

/// The problem of a key that is none, with the nearest that is one. `prefix` is that of the environment.
fn unknown(path: &[String], depth: usize, place: Option<Place>, prefix: &str) -> Problem {
    let named = |path: &str| match prefix {
        "" => path.to_owned(),
        prefix => format!("{prefix}{}", path.replace('.', "__").to_ascii_uppercase()),
    };
    let key = path.join(".");
    let hint = match (suggestion(path, depth), depth) {
        (Some(near), _) => format!("did you mean {}?", named(&near)),
        (None, 0) => {
            let names: Vec<&str> = root().keys().iter().map(|(name, _)| name.as_str()).collect();
            format!("the sections are {}", names.join(", "))
        }
        (None, depth) => {
            let section = path[..depth].join(".");
            let node = root().at(path[..depth].iter().map(String::as_str));
            let names: Vec<&str> =
                node.into_iter().flat_map(|k| k.node.keys()).map(|(name, _)| name.as_str()).collect();
            match names.is_empty() {
                true => format!("{section} is a value and holds no keys"),
                false => format!("{section} has {}", names.join(", ")),
            }
        }
    };
    Problem::error(&key, format!("{key} is no key of the configuration; {hint}")).at(place)
}

/// Whether the defaults with this one value are a configuration.
fn attempt(defaults: &Value, path: &[String], value: Value) -> Result<(), String> {
    let mut tried = defaults.clone();
    put(&mut tried, path, value);
    Config::deserialize(tried).map(|_| ()).map_err(|e| e.message().to_owned())
}

/// Puts a value at a path, making sections on the way.
fn put(whole: &mut Value, path: &[String], value: Value) {
    let mut at = whole;
    for name in path {
        let Value::Table(table) = at else { return };
        at = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
    }
    *at = value;
}

/// Line and column of a byte.
fn place(text: &str, byte: usize) -> Place {
    let before = &text[..text.floor_char_boundary(byte)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place::File { line, column }
}

/// What is wrong with a value, without the value: out of serde's words.
fn explain(leaf: &Leaf, why: &str) -> String {
    let expected = why.rsplit_once(", expected ").map(|(_, expected)| expected);
    if why.starts_with("unknown variant")
        && let Some(expected) = expected
    {
        let words: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let given = leaf.text.as_deref().or(leaf.value.as_str()).unwrap_or_default();
        let near = nearest(given, words.iter().copied());
        let near = near.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
        let words: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
        return match words.len() {
            0..=8 => format!("takes {}{near}", words.join(" or ")),
            n => format!("takes one of {n} names{near}"),
        };
    }
    match expected {
        Some(expected) => format!("takes {}, not {}", kind(expected), given(&leaf.value)),
        // Sentences of our own types and missing fields; neither holds what was given.
        None => format!("is refused: {why}"),
    }
}

/// What is wanted, in words for people.
fn kind(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "path string" | "a borrowed string" => "text in quotes",
        "a boolean" => "true or false",
        "a tuple of size 2" => "two numbers in brackets",
        other => other,
    }
}

fn given(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "this text",
        Value::Integer(_) | Value::Float(_) => "this number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "this list",
        Value::Table(_) => "a section",
    }
}

#[cfg(test)]
mod tests;
