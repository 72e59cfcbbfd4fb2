//! The defaults as TOML, each key under what it is for.

use std::fmt::Write as _;

use super::{
    Config,
    keys::{Key, Node, root},
};

/// Where comments are wrapped.
const WIDTH: usize = 100;

const HEAD: &str = "\
# bedwatch's configuration with every key and its default. A file needs only the keys it changes.
#
# - Each key may also be given by the environment: BEDWATCH__KAFKA__BOOTSTRAP for kafka.bootstrap. What
#   the environment says wins over the file.
# - Secrets stand in files of their own (the keys that end in `_file`, and `key` of TLS), which not
#   every user of the machine may read: chmod 600.
# - `bedwatch config check FILE` names everything that is wrong with a file, and where.
";

/// The defaults as TOML.
pub(super) fn defaults() -> String {
    let plain = toml::to_string(&Config::default()).expect("the defaults are plain data");
    let mut out = HEAD.to_owned();
    let mut section: Vec<String> = Vec::new();
    let mut unset = unset(root(), &section, &plain);
    for line in plain.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            out.push_str(&std::mem::take(&mut unset));
            section = name.split('.').map(str::to_owned).collect();
            let key = root().at(name.split('.'));
            let _ = write!(out, "\n{}{line}\n", key.map_or(String::new(), comment));
            unset = key.map_or(String::new(), |k| self::unset(&k.node, &section, &plain));
        } else if let Some((name, _)) = line.split_once(" = ") {
            let path = section.iter().map(String::as_str).chain([name]);
            let _ = writeln!(out, "{}{line}", root().at(path).map_or(String::new(), comment));
        }
    }
    out.push_str(&unset);
    out
}

/// The keys of a section that have no default, as comments.
fn unset(node: &Node, section: &[String], plain: &str) -> String {
    let given = plain.parse::<toml::Table>().expect("the defaults are TOML");
    let here = section.iter().try_fold(&given, |table, name| table.get(name)?.as_table());
    let Some(here) = here else { return String::new() };
    let missing = node.keys().iter().filter(|(name, _)| !here.contains_key(name));
    missing.fold(String::new(), |mut out, (name, key)| {
        let value = match &key.node {
            Node::List(_) => "[]",
            Node::Section(_) | Node::Map => "{}",
            Node::Value(_) => "\"\"",
        };
        let _ = writeln!(out, "{}# {name} = {value}", comment(key));
        out
    })
}

/// What a key is for, wrapped; then the words it takes.
fn comment(key: &Key) -> String {
    let mut text = plain(&key.doc);
    if let Node::Value(words) = &key.node
        && !words.is_empty()
    {
        let words: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
        let _ = write!(text, " One of {}.", words.join(", "));
    }
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one line at least");
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line != "#" {
            lines.push(format!("# {word}"));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

/// Words of the sources' documentation without its links.
fn plain(doc: &str) -> String {
    doc.replace("[`crate::", "[`").replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_defaults_are_the_defaults() {
        let text = defaults();
        let again: Config = toml::from_str(&text).unwrap();
        assert_eq!(toml::to_string(&again).unwrap(), toml::to_string(&Config::default()).unwrap());
        // Also through the reader that `run` uses, which knows every key of it.
        let read = crate::config::read::read(&text, &std::collections::BTreeMap::new());
        assert_eq!(read.problems, []);
        assert_eq!(toml::to_string(&read.config).unwrap(), toml::to_string(&Config::default()).unwrap());
    }

    /// Every key of the tree stands in the printed defaults, set or as a comment, under a comment that
    /// says something.
    #[test]
    fn every_key_has_a_comment() {
        fn walk(node: &Node, path: &mut Vec<String>, text: &str, count: &mut usize) {
            for (name, key) in node.keys() {
                path.push(name.clone());
                assert!(key.doc.split_whitespace().count() >= 1, "{} says nothing", path.join("."));
                match &key.node {
                    Node::Section(_) => walk(&key.node, path, text, count),
                    Node::Map => {
                        assert!(text.contains(&format!("\n[{}]\n", path.join("."))), "{}", path.join("."));
                    }
                    Node::List(_) | Node::Value(_) => *count += 1,
                }
                path.pop();
            }
        }
        let text = defaults();
        let mut count = 0;
        walk(root(), &mut Vec::new(), &text, &mut count);
        let lines: Vec<&str> = text.lines().collect();
        let mut seen = 0;
        let mut own = false; // within a map the keys are examples
        for (i, line) in lines.iter().enumerate() {
            let above = i.checked_sub(1).map_or("", |above| lines[above]);
            if line.starts_with('[') {
                own =
                    root().at(line.trim_matches(['[', ']']).split('.')).is_some_and(|k| k.node == Node::Map);
                assert!(above.starts_with("# ") && above.len() > 4, "{line}");
            } else if let Some((name, _)) = line.split_once(" = ")
                && !own
                && name
                    .trim_start_matches("# ")
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            {
                assert!(above.starts_with("# ") && above.len() > 4, "{line}");
                seen += 1;
            }
        }
        assert_eq!(seen, count, "keys printed and keys known");
        assert!(lines.iter().all(|l| l.starts_with('#') || l.chars().count() <= 2_000));
        assert!(text.contains("# instance = \"\""));
        assert!(!text.contains("crate::"));
    }
}
