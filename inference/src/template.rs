//! The template tier: a rationale for every alert, from its evidence alone, at once.
//!
//! It opens with what the alert is about and its leading fact, then the drivers in the order of
//! the evidence, then what was missing, as far as the checker's word limit goes. What it says
//! passes [`crate::check`]; a test holds that over generated evidences of every kind and phase.

use bedwatch_schemas::{
    alert::{AlertKind, Phase, Priority},
    evidence::{Band, Direction, Evidence, Fact, Missing},
};

use crate::{check::MAX_WORDS, lexicon::label, render};

/// Most drivers told, the leading fact included.
const TOLD: usize = 5;
/// Most missing subjects told.
const TOLD_MISSING: usize = 3;

/// The words of an alert.
#[must_use]
pub fn write(kind: AlertKind, phase: Phase, priority: Priority, evidence: &Evidence) -> String {
    if kind.is_technical() {
        return technical(kind, phase, evidence);
    }
    let (noun, about) = (noun(kind, evidence), about(kind, evidence));
    let mut printer = render::Printer::new(evidence);
    let mut facts = evidence.facts.iter().filter(|f| f.value.is_finite()).map(|f| clause(f, &mut printer));
    let head = match phase {
        Phase::Raised => String::new(),
        Phase::Updated => format!("Update, urgency now {}. ", urgency(priority)),
        Phase::Acknowledged => format!("Acknowledged: {noun} alert. "),
        Phase::Escalated => format!("Unanswered, urgency {}. ", urgency(priority)),
        Phase::Resolved => format!("Resolved: {noun} alert ended. "),
        Phase::Expired => format!("Expired: {noun} alert ended. "),
    };
    // What is seen or over needs no reason to look; its head says what it was about.
    let brief = phase.ends() || phase == Phase::Acknowledged;
    let about = if brief { "" } else { about };
    let text = match facts.next() {
        Some(first) if about.is_empty() => head + &render::capitalised(&first),
        Some(first) => format!("{head}{about}: {first}"),
        None if brief => head.trim_end_matches([' ', '.']).to_owned(),
        None => format!("{head}{} alert", render::capitalised(noun)),
    };
    let drivers = if about.is_empty() && !brief { ". Drivers: " } else { "; " };
    let text = append(text, drivers, "; ", facts.take(TOLD - 1));
    let missing = evidence.missing.iter().take(TOLD_MISSING).map(|m: &Missing| label(m.subject));
    append(text, ". Missing: ", ", ", missing) + "."
}

/// What is said when even the template's text cannot be shown: no value at all.
#[must_use]
pub fn bare(kind: AlertKind) -> String {
    if kind.is_technical() {
        return "Technical alert. Details stand in the evidence.".to_owned();
    }
    let evidence = Evidence::default();
    let noun = noun(kind, &evidence);
    format!("{} alert. Details stand in the evidence.", render::capitalised(noun))
}

/// Adds items while the text stays within the word limit.
fn append(mut text: String, before: &str, between: &str, items: impl Iterator<Item = String>) -> String {
    for (i, item) in items.enumerate() {
        let longer = format!("{text}{}{item}", if i == 0 { before } else { between });
        if words(&longer) > MAX_WORDS {
            break;
        }
        text = longer;
    }
    text
}

/// Words as the checker counts them, or more: whatever begins with a letter.
fn words(text: &str) -> usize {
    text.split_whitespace().filter(|w| w.trim_start_matches('(').starts_with(char::is_alphabetic)).count()
}

fn noun(kind: AlertKind, evidence: &Evidence) -> &str {
    match kind {
        // The configuration has seen to it that a title is plain words.
        AlertKind::Site(rule) => evidence.rule.as_ref().map_or(rule.words(), |r| &r.title),
        AlertKind::Sepsis => "sepsis",
        AlertKind::Deterioration => "deterioration",
        AlertKind::Respiratory => "respiratory failure",
        AlertKind::Shock => "circulatory shock",
        AlertKind::Seizure => "electrographic seizure activity",
        AlertKind::Hypoglycaemia => "hypoglycaemia",
        AlertKind::Hyperglycaemia => "hyperglycaemia",
        AlertKind::EarlyWarning => "early warning threshold",
        AlertKind::StaleFeed => "stale feed",
        AlertKind::SignalLost => "lost signal",
    }
}

/// What is said before the first fact; empty where that fact, the risk, says it all.
fn about(kind: AlertKind, evidence: &Evidence) -> &str {
    match kind {
        AlertKind::Site(_) => noun(kind, evidence),
        AlertKind::Sepsis | AlertKind::Deterioration => "",
        AlertKind::Respiratory => "Signs of respiratory failure",
        AlertKind::Shock => "Signs of circulatory shock",
        AlertKind::Seizure => "Electrographic seizure activity",
        AlertKind::Hypoglycaemia => "Hypoglycaemia now or soon",
        AlertKind::Hyperglycaemia => "Hyperglycaemia",
        AlertKind::EarlyWarning => "Early warning threshold reached",
        AlertKind::StaleFeed | AlertKind::SignalLost => "Technical alert",
    }
}

/// IEC 60601-1-8: high asks for immediate response, medium for prompt response, low for awareness.
const fn urgency(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "immediate",
        Priority::Medium => "prompt",
        Priority::Low => "awareness",
    }
}

/// `heart rate 118 /min at 03:10 (high and rising)`.
fn clause(fact: &Fact, printer: &mut render::Printer) -> String {
    let band = match fact.band {
        Band::CriticalLow => "critically low",
        Band::Low => "low",
        Band::High => "high",
        Band::CriticalHigh => "critically high",
        Band::Normal => "normal",
        Band::Unknown => "",
    };
    let trend = fact.trend.map_or("", |t| match t.direction {
        Direction::Rising => "rising",
        Direction::Falling => "falling",
        Direction::Stable => "stable",
    });
    let state = match (band, trend) {
        ("", "") => String::new(),
        ("", one) | (one, "") => format!(" ({one})"),
        (band, trend) => format!(" ({band} and {trend})"),
    };
    format!("{} {}{state}", label(fact.subject), printer.fact(fact))
}

/// A silent or lost feed. The opening says it is no statement about the patient.
fn technical(kind: AlertKind, phase: Phase, evidence: &Evidence) -> String {
    let feeds: Vec<String> = evidence
        .feeds
        .iter()
        .map(|f| {
            let (feed, clock) = (f.modality.label(), f.last_at.clock());
            match (phase, kind) {
                (Phase::Resolved, _) => format!("{feed} feed is back (gap began at {clock})"),
                (_, AlertKind::SignalLost) => format!("{feed} feed delivers nothing usable since {clock}"),
                _ => format!("{feed} feed silent since {clock}"),
            }
        })
        .collect();
    match (feeds.is_empty(), phase) {
        (true, _) => bare(kind),
        (false, Phase::Resolved) => format!("Technical alert resolved: {}.", feeds.join("; ")),
        (false, Phase::Acknowledged) => format!("Technical alert acknowledged: {}.", feeds.join("; ")),
        (false, Phase::Expired) => format!("Technical alert expired: {}.", feeds.join("; ")),
        (false, Phase::Raised | Phase::Updated | Phase::Escalated) => {
            let unanswered = if phase == Phase::Escalated { " unanswered" } else { "" };
            format!("Technical alert{unanswered}: {}. Alerts that rest on it are blind.", feeds.join("; "))
        }
    }
}

#[cfg(test)]
mod tests;
