//! When infusions ran: the rows say rates, and only some say the end.
//!
//! CareVue and eICU chart a rate about every hour and seldom an end, so an infusion without a further rate
//! for [`SILENT`] has ended, and this is known then. MetaVision gives each rate a stretch of its own.

use bedwatch_schemas::{
    medication::Drug,
    time::{ArrivalTime, EventTime, Span},
    unit::Unit,
};

/// Without a further rate for so long an infusion has ended.
const SILENT: Span = Span::hours(4);
/// A stretch that begins so soon after another goes on with it.
const SEAM: Span = Span::minutes(1);

/// What a row says of an infusion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    /// When.
    pub at: EventTime,
    /// When that could be known.
    pub known: ArrivalTime,
    /// The drug.
    pub drug: Drug,
    /// The bag: what one says ends at the next word of the same.
    pub item: u32,
    /// Whether it runs from here on.
    pub runs: bool,
    /// Its end, where the row says it.
    pub until: Option<EventTime>,
    /// The row that says it.
    pub row: usize,
}

/// A stretch of one drug at one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// The drug.
    pub drug: Drug,
    /// From when.
    pub from: EventTime,
    /// Until when.
    pub to: EventTime,
    /// When the end could be known.
    pub known: ArrivalTime,
    /// The row that says it.
    pub row: usize,
}

/// The stretches during which drugs ran, in the order of the rows, which come by time.
pub fn stretches(said: &[Said]) -> Vec<Stretch> {
    let mut found = Vec::new();
    for (i, row) in said.iter().enumerate().filter(|(_, s)| s.runs) {
        let (to, known) = match row.until {
            Some(to) => (to, row.known.max(to.as_arrival_time())),
            None => end(&said[i + 1..], row.item, row.at),
        };
        // A rate that was entered late: nobody hears of its end before.
        let known = known.max(row.known);
        found.push(Stretch { drug: row.drug, from: row.at, to, known, row: row.row });
    }
    found
}

/// The end of a rate without one: the next word about the bag, or silence.
fn end(later: &[Said], item: u32, at: EventTime) -> (EventTime, ArrivalTime) {
    let silent = at + SILENT;
    match later.iter().take_while(|s| s.at <= silent).find(|s| s.item == item) {
        Some(next) => (next.at, next.known.max(next.at.as_arrival_time())),
        None => (silent, silent.as_arrival_time()),
    }
}

/// The ends at which a drug runs no longer, at any rate from any bag.
pub fn ends(stretches: &[Stretch]) -> Vec<Stretch> {
    let goes_on =
        |s: &Stretch| stretches.iter().any(|o| o.drug == s.drug && o.from <= s.to + SEAM && o.to > s.to);
    let mut ends: Vec<Stretch> = stretches.iter().filter(|s| !goes_on(s)).copied().collect();
    ends.dedup_by_key(|s| (s.drug, s.to));
    ends
}

/// Whether a drug is given to hold the blood pressure up.
pub const fn is_vasopressor(drug: Drug) -> bool {
    matches!(
        drug,
        Drug::Norepinephrine | Drug::Epinephrine | Drug::Dopamine | Drug::Vasopressin | Drug::Phenylephrine
    )
}

/// A rate's unit as charted: the unit and the factor that turns the number into it.
pub fn rate_unit(text: &str) -> Option<(Unit, f64)> {
    let plain: String =
        text.to_lowercase().replace("hour", "hr").chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match plain.as_str() {
        "mcgkgmin" => (Unit::UgPerKgMin, 1.0),
        "mcgkghr" => (Unit::UgPerKgMin, 1.0 / 60.0),
        "mgkghr" => (Unit::UgPerKgMin, 1_000.0 / 60.0),
        "mcgmin" => (Unit::UgPerMin, 1.0),
        "mghr" => (Unit::MgPerHour, 1.0),
        "mgmin" => (Unit::MgPerMin, 1.0),
        "uhr" | "unitshr" => (Unit::UnitPerHour, 1.0),
        "umin" | "unitsmin" => (Unit::UnitPerMin, 1.0),
        _ => return None,
    })
}
