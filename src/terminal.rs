//! The only module that speaks to the terminal.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use bedwatch_schemas::{
    alert::{Alert, Phase, Priority},
    rationale::RationaleSource,
};

/// Where live lines go: standard output, or standard error when a script reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// For people.
    Stdout,
    /// Standard output is kept for JSON.
    Stderr,
}

/// Prints a line of the result to standard output.
pub fn result(text: &str) {
    println!("{text}");
}

/// Standard output, for a result that is written as it comes.
#[must_use]
pub fn out() -> impl std::io::Write + Send {
    std::io::BufWriter::new(std::io::stdout())
}

/// Prints a line about the work to standard error.
pub fn note(text: &str) {
    eprintln!("{text}");
}

/// Prints one line for an alert.
pub fn alert(lines: Lines, alert: &Alert) {
    let text = alert_line(alert);
    match lines {
        Lines::Stdout => println!("{text}"),
        Lines::Stderr => eprintln!("{text}"),
    }
}

/// One line for an alert: time, bed, phase, priority, kind, words.
#[must_use]
pub fn alert_line(alert: &Alert) -> String {
    let bed = alert.location.as_ref().map_or("?", |l| l.bed.as_str());
    let phase = match alert.phase {
        Phase::Raised => "RAISED  ",
        Phase::Updated => "UPDATED ",
        Phase::Acknowledged => "seen    ",
        Phase::Escalated => "ESCALATE",
        Phase::Resolved => "resolved",
        Phase::Expired => "expired ",
    };
    let priority = match alert.priority {
        Priority::High => "HIGH  ",
        Priority::Medium => "MEDIUM",
        Priority::Low => "low   ",
    };
    let by = match &alert.rationale.source {
        RationaleSource::Model(_) => "",
        RationaleSource::Template(_) => " [template]",
    };
    // Control characters cannot come from our own writers; a terminal is not the place to find out.
    let text: String = alert.rationale.text.chars().filter(|c| !c.is_control()).collect();
    let bed: String = bed.chars().filter(|c| !c.is_control()).collect();
    format!("{} bed {bed:<4} {phase} {priority} {:<14} {text}{by}", alert.at, alert.kind.name())
}
