//! The alerts of a recorded run against the same log replayed: the same bytes, words included, or which
//! are not and where they differ.
//!
//! What a live run says depends on more than its log in one thing: whether the model's words came in time.
//! The reason stands in the alert, so that a replay says it in the same way: an alert that the template
//! told because of the moment is told by the template for the same reason.

use std::collections::BTreeMap;

use bedwatch_inference::writer::Writer;
use bedwatch_schemas::{
    alert::Alert,
    ids::AlertId,
    rationale::{RationaleSource, TemplateReason},
    time::EventTime,
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{engine::Output, narration::request};

/// An alert message.
type Key = (AlertId, u32);

/// Differences told of one message.
const TOLD: usize = 8;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether every recorded message is there again with the same bytes and no other is.
    pub same: bool,
    /// Messages recorded.
    pub recorded: usize,
    /// Of these, decided after the log's last record: its silence is not in the log.
    pub after_the_log: usize,
    /// Messages that are the same, byte for byte.
    pub equal: usize,
    /// SHA-256 of the recorded messages that are compared, one a line.
    pub recorded_sha256: String,
    /// SHA-256 of the replayed ones.
    pub replayed_sha256: String,
    /// Told by template, because of the moment, in both.
    pub told_by_template_then: usize,
    /// Messages with other content, and where.
    pub differ: Vec<Difference>,
    /// Recorded and not replayed.
    pub missing: Vec<Named>,
    /// Replayed and not recorded.
    pub more: Vec<Named>,
}

/// A message by its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// The episode.
    pub alert: AlertId,
    /// Which message of it.
    pub sequence: u32,
    /// What it is about.
    pub kind: String,
    /// When.
    pub at: EventTime,
}

/// A message that is another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Which.
    #[serde(flatten)]
    pub of: Named,
    /// JSON pointers to what differs, at most eight.
    pub at_fields: Vec<String>,
}

impl Named {
    fn of(alert: &Alert) -> Self {
        let kind = alert.kind.name().to_owned();
        Self { alert: alert.id, sequence: alert.sequence, kind, at: alert.at }
    }
}

/// Why recorded messages were told by template because of the moment: time, a full queue, a server.
#[derive(Debug, Clone, Default)]
pub struct Moments(BTreeMap<Key, TemplateReason>);

impl Moments {
    /// Of recorded alerts.
    #[must_use]
    pub fn new(recorded: &[Alert]) -> Self {
        let of = |a: &Alert| match a.rationale.source {
            RationaleSource::Template(reason) if is_momentary(reason) => Some(((a.id, a.sequence), reason)),
            RationaleSource::Template(_) | RationaleSource::Model(_) => None,
        };
        Self(recorded.iter().filter_map(of).collect())
    }

    /// The alert of an output, in the words it was told in then.
    #[must_use]
    pub fn tell(&self, output: Output, writer: &Writer) -> Alert {
        let rationale = match self.0.get(&(output.draft.id(), output.draft.sequence())) {
            Some(reason) => writer.template(&request(&output), *reason),
            None => writer.write(&request(&output), &|| false),
        };
        output.draft.with_rationale(rationale)
    }
}

/// Whether a replay, which has all the time there is, could not give this reason by itself.
const fn is_momentary(reason: TemplateReason) -> bool {
    match reason {
        TemplateReason::Deadline
        | TemplateReason::QueueFull
        | TemplateReason::ModelFailed
        | TemplateReason::BackendUnreachable
        | TemplateReason::BackendTimeout
        | TemplateReason::BackendRefused
        | TemplateReason::BackendReply
        | TemplateReason::BackendOpen
        | TemplateReason::BackendBusy => true,
        TemplateReason::Technical
        | TemplateReason::SiteRule
        | TemplateReason::NoModel
        | TemplateReason::CheckFailed
        | TemplateReason::Lifecycle => false,
    }
}

/// Compares both, each in the order they are written in. `until`: the time of the replay's last frame, where the
/// run was live and decided later things in a silence that no log holds; without it every message counts.
///
/// # Errors
/// When an alert cannot be written as JSON.
pub fn compare(
    recorded: &[Alert],
    replayed: &[&Alert],
    until: Option<EventTime>,
) -> serde_json::Result<Verdict> {
    let in_log: Vec<&Alert> = recorded.iter().filter(|a| until.is_none_or(|until| a.at <= until)).collect();
    let moments = Moments::new(recorded);
    let mut again: BTreeMap<Key, &Alert> = replayed.iter().map(|a| ((a.id, a.sequence), *a)).collect();
    let (mut equal, mut differ, mut missing, mut by_template) = (0, Vec::new(), Vec::new(), 0);
    for before in &in_log {
        let key = (before.id, before.sequence);
        let Some(now) = again.remove(&key) else {
            missing.push(Named::of(before));
            continue;
        };
        by_template += usize::from(moments.0.contains_key(&key));
        let at_fields = differences(&serde_json::to_value(before)?, &serde_json::to_value(now)?);
        match at_fields.is_empty() {
            true => equal += 1,
            false => differ.push(Difference { of: Named::of(before), at_fields }),
        }
    }
    let more: Vec<Named> = again.values().map(|a| Named::of(a)).collect();
    let (recorded_sha256, replayed_sha256) = (sha256(&in_log)?, sha256(replayed)?);
    Ok(Verdict {
        same: recorded_sha256 == replayed_sha256,
        recorded: recorded.len(),
        after_the_log: recorded.len() - in_log.len(),
        equal,
        recorded_sha256,
        replayed_sha256,
        told_by_template_then: by_template,
        differ,
        missing,
        more,
    })
}

fn sha256(alerts: &[&Alert]) -> serde_json::Result<String> {
    let mut sum = Sha256::new();
    for alert in alerts {
        let mut line = serde_json::to_vec(alert)?;
        line.push(b'\n');
        sum.update(&line);
    }
    Ok(sum.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// JSON pointers to the first values that differ.
fn differences(a: &Value, b: &Value) -> Vec<String> {
    fn walk(a: &Value, b: &Value, at: &str, found: &mut Vec<String>) {
        if a == b || found.len() >= TOLD {
            return;
        }
        match (a, b) {
            (Value::Object(one), Value::Object(other)) => {
                let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for key in keys {
                    let at = format!("{at}/{key}");
                    match (one.get(key), other.get(key)) {
                        (Some(x), Some(y)) => walk(x, y, &at, found),
                        _ => found.push(at),
                    }
                }
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (i, (x, y)) in one.iter().zip(other).enumerate() {
                    walk(x, y, &format!("{at}/{i}"), found);
                }
            }
            _ => found.push(at.to_owned()),
        }
    }
    let mut found = Vec::new();
    walk(a, b, "", &mut found);
    found
}

impl Verdict {
    /// In a sentence or two.
    #[must_use]
    pub fn sentence(&self) -> String {
        let compared = self.recorded - self.after_the_log;
        let mut text = if self.same {
            format!("the same: {compared} alert messages, words included, SHA-256 {}", self.replayed_sha256)
        } else {
            let (differ, missing, more) = (self.differ.len(), self.missing.len(), self.more.len());
            format!(
                "not the same: of {compared} recorded alert messages {} are equal, {differ} differ, {missing} did not come again, and {more} are new",
                self.equal
            )
        };
        let first = self.differ.first().map(|d| (&d.of, format!("differs at {}", d.at_fields.join(", "))));
        let first = first.or_else(|| self.missing.first().map(|of| (of, "did not come again".to_owned())));
        if let Some((of, what)) = first.or_else(|| self.more.first().map(|of| (of, "is new".to_owned()))) {
            let Named { alert, sequence, kind, at } = of;
            text += &format!("; the first, {kind} {alert}/{sequence} of {at}, {what}");
        }
        if self.after_the_log > 0 {
            text += &format!("; {} more were decided after the log's last record", self.after_the_log);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named() {
        let cases = [
            (json!({"a": 1, "b": [1, 2]}), json!({"a": 1, "b": [1, 2]}), vec![]),
            (json!({"a": 1, "b": [1, 2]}), json!({"a": 2, "b": [1, 3]}), vec!["/a", "/b/1"]),
            (json!({"a": {"c": null}}), json!({"a": {}}), vec!["/a/c"]),
            (json!({"a": [1]}), json!({"a": [1, 2]}), vec!["/a"]),
            (json!({"a": 1}), json!({"a": 1, "b": true}), vec!["/b"]),
        ];
        for (a, b, want) in cases {
            assert_eq!(differences(&a, &b), want, "{a} {b}");
        }
    }
}
