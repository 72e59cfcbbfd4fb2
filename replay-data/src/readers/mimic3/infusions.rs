//! When infusions ran: the rows say rates, and only some say the end.
//!
//! CareVue charts a rate about every hour and seldom an end, so an infusion without a further rate for
//! [`SILENT`] has ended, and this is known then. MetaVision gives each rate a stretch of its own.

use bedwatch_schemas::{
    medication::Drug,
    time::{ArrivalTime, EventTime, Span},
};

use super::word::{What, Word};

/// Without a further rate for so long a CareVue infusion has ended.
const SILENT: Span = Span::hours(4);
/// A stretch that begins so soon after another goes on with it.
const SEAM: Span = Span::minutes(1);

/// A stretch of one drug at one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub drug: Drug,
    pub from: EventTime,
    pub to: EventTime,
    /// When the end could be known.
    pub known: ArrivalTime,
    /// The row that says it.
    pub row: usize,
}

/// The stretches during which drugs ran, in the order of the words, which come by time.
pub(super) fn stretches(words: &[Word]) -> Vec<Stretch> {
    let mut found = Vec::new();
    for (row, word) in words.iter().enumerate() {
        let What::Rate { drug, item, rate, until } = word.what else { continue };
        if rate.is_some_and(|r| r.value <= 0.0) {
            continue;
        }
        let (to, known) = match until {
            Some(to) => (to, word.known.max(to.as_arrival_time())),
            None => end(&words[row + 1..], item, word.at),
        };
        found.push(Stretch { drug, from: word.at, to, known, row });
    }
    found
}

/// The end of a CareVue rate: the next word about the item, or silence.
fn end(later: &[Word], item: u32, at: EventTime) -> (EventTime, ArrivalTime) {
    let silent = at + SILENT;
    let of_item = |w: &&Word| match w.what {
        What::Rate { item: i, .. } | What::Stop { item: i, .. } => i == item,
        _ => false,
    };
    match later.iter().take_while(|w| w.at <= silent).find(of_item) {
        Some(next) => (next.at, next.known.max(next.at.as_arrival_time())),
        None => (silent, silent.as_arrival_time()),
    }
}

/// The ends at which a drug runs no longer, at any rate from any bag.
pub(super) fn ends(stretches: &[Stretch]) -> Vec<Stretch> {
    let goes_on =
        |s: &Stretch| stretches.iter().any(|o| o.drug == s.drug && o.from <= s.to + SEAM && o.to > s.to);
    let mut ends: Vec<Stretch> = stretches.iter().filter(|s| !goes_on(s)).copied().collect();
    ends.dedup_by_key(|s| (s.drug, s.to));
    ends
}
