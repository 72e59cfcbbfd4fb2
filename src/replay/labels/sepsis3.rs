//! Sepsis-3 from cultures, antibiotics and SOFA, in the two versions that were published. Pure: acts and
//! scores in, onsets out.
//!
//! *Suspected infection* (Seymour et al., JAMA 2016;315:762): a culture and a systemic antibiotic, the
//! antibiotic at most 72 h after the culture, or the culture at most 24 h after the antibiotic. Its time is
//! the earlier of the two. Each start of an antibiotic is looked at once: with the earliest culture of the
//! 72 h before it, else with one of the 24 h after it (as in `suspicion_of_infection` of mimic-code). Where
//! one of them is a date without a time, whole days are compared: 72 h are three days and 24 h are one, on
//! the same day the culture is the first; a suspicion that begins with a date begins with its day.
//!
//! *Seymour 2016*: SOFA two points or more above its baseline at any hour from 48 h before to 24 h after the
//! suspicion; onset is the suspicion. The baseline is the score at the last hour before that stretch, and 0
//! where the stay began later, as Singer et al. (JAMA 2016;315:801) would have it of patients of whom no
//! earlier dysfunction is known.
//!
//! *CinC 2019* (Reyna et al., Crit Care Med 2020;48:210): the culture is of blood and the antibiotic
//! intravenous, and such antibiotics are given for 72 h on end from the start that is looked at; SOFA rises
//! by two points within 24 h, at an hour no more than 24 h before and 12 h after the suspicion; onset is the
//! earlier of the two. A rise is counted at the hour at which the score goes up to two points or more above
//! its lowest of the 24 h before.

use bedwatch_replay_data::readers::{Antibiotic, Culture, Infection, When};
use bedwatch_schemas::time::{EventTime, Span};
use serde::{Deserialize, Serialize};

/// The antibiotic at most so long after the culture, and the culture after the antibiotic.
const CULTURE_FIRST: (Span, i64) = (Span::hours(72), 3);
const ANTIBIOTIC_FIRST: (Span, i64) = (Span::hours(24), 1);
/// Points of SOFA.
const RISE: u8 = 2;
/// Where SOFA is looked at around a suspicion, by Seymour and by the challenge.
const SEYMOUR: (Span, Span) = (Span::hours(48), Span::hours(24));
const CHALLENGE: (Span, Span) = (Span::hours(24), Span::hours(12));
/// Within which the challenge's rise happens.
const RISE_WITHIN: Span = Span::hours(24);
/// For which the challenge's antibiotics are given, and the longest gap that does not end that (our choice:
/// half a day, since a daily dose comes an hour late).
const GIVEN_FOR: Span = Span::hours(72);
const GAP: Span = Span::hours(12);
/// What begins in the first hours came with the patient: the challenge leaves out the same stays.
const CAME_WITH: Span = Span::hours(4);

/// A published version of the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// Onset at the suspicion of infection.
    Seymour2016,
    /// Onset at the earlier of suspicion and rise of SOFA.
    Cinc2019,
}

impl Version {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::Seymour2016, Self::Cinc2019];

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seymour2016 => "sepsis (Sepsis-3, Seymour 2016)",
            Self::Cinc2019 => "sepsis (Sepsis-3, CinC 2019)",
        }
    }
}

/// A suspicion of infection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Suspicion {
    /// When it begins.
    pub at: EventTime,
    /// Whether that is the beginning of a day of which no time is known.
    pub is_date: bool,
}

/// SOFA at one moment, of the 24 h before it; a part of which nothing is known counts 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sofa {
    /// The moment.
    pub at: EventTime,
    /// The points.
    pub points: u8,
}

/// When sepsis began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Onset {
    /// Not during the stay.
    Never,
    /// Before the stay or in its first four hours: nobody could foretell it.
    CameWith,
    /// During the stay.
    At(Suspicion),
}

impl Onset {
    /// Its time, where it could be foretold.
    #[must_use]
    pub const fn time(self) -> Option<EventTime> {
        match self {
            Self::At(onset) => Some(onset.at),
            Self::Never | Self::CameWith => None,
        }
    }
}

/// The first onset of a stay. Suspicions in the order of time; scores by the hour from the stay's beginning.
#[must_use]
pub fn onset(
    version: Version,
    infection: &Infection,
    sofa: &[Sofa],
    (begins, ends): (EventTime, EventTime),
) -> Onset {
    let suspicions = suspicions(version, infection);
    let found = match version {
        Version::Seymour2016 => suspicions.iter().find(|s| is_failing(s.at, sofa)).copied(),
        Version::Cinc2019 => suspicions.iter().filter_map(|s| challenge_onset(*s, sofa)).min(),
    };
    match found {
        Some(onset) if onset.at < begins + CAME_WITH => Onset::CameWith,
        Some(onset) if onset.at <= ends => Onset::At(onset),
        Some(_) | None => Onset::Never,
    }
}

/// The suspicions of infection, in the order of time.
#[must_use]
pub fn suspicions(version: Version, infection: &Infection) -> Vec<Suspicion> {
    let is_challenge = version == Version::Cinc2019;
    let cultures: Vec<&Culture> = infection.cultures.iter().filter(|c| !is_challenge || c.is_blood).collect();
    let antibiotics: Vec<&Antibiotic> =
        infection.antibiotics.iter().filter(|a| !is_challenge || a.is_intravenous).collect();
    let starts = antibiotics.iter().filter(|a| !is_challenge || is_given_on_end(a, &antibiotics));
    let mut found: Vec<Suspicion> = starts.filter_map(|a| suspicion(&cultures, a.begun)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn suspicion(cultures: &[&Culture], begun: When) -> Option<Suspicion> {
    let first = cultures
        .iter()
        .map(|c| c.taken)
        .filter(|taken| is_followed(*taken, begun))
        .min_by_key(|taken| taken.earliest());
    let precedes = || cultures.iter().any(|c| precedes(begun, c.taken));
    let from = first.or_else(|| precedes().then_some(begun))?;
    Some(Suspicion { at: from.earliest(), is_date: from.is_date() })
}

/// Whether an antibiotic follows a culture soon enough.
fn is_followed(culture: When, antibiotic: When) -> bool {
    let (most, days) = CULTURE_FIRST;
    match (culture, antibiotic) {
        (When::At(culture), When::At(antibiotic)) => culture <= antibiotic && antibiotic <= culture + most,
        _ => (0..=days).contains(&(antibiotic.day() - culture.day())),
    }
}

/// Whether a culture follows an antibiotic soon enough.
fn precedes(antibiotic: When, culture: When) -> bool {
    let (most, days) = ANTIBIOTIC_FIRST;
    match (antibiotic, culture) {
        (When::At(antibiotic), When::At(culture)) => antibiotic < culture && culture <= antibiotic + most,
        _ => (1..=days).contains(&(culture.day() - antibiotic.day())),
    }
}

/// Whether antibiotics cover 72 h from a start on.
fn is_given_on_end(start: &Antibiotic, all: &[&Antibiotic]) -> bool {
    let from = start.begun.earliest();
    let mut until = start.until;
    // In the order of their beginnings: one pass joins what touches.
    let mut later: Vec<(EventTime, EventTime)> =
        all.iter().map(|a| (a.begun.earliest(), a.until)).filter(|(begun, _)| *begun >= from).collect();
    later.sort_unstable();
    for (begun, end) in later {
        if begun > until + GAP {
            break;
        }
        until = until.max(end);
    }
    until >= from + GIVEN_FOR
}

/// Whether SOFA is two points above its baseline somewhere around a suspicion.
fn is_failing(suspected: EventTime, sofa: &[Sofa]) -> bool {
    let (before, after) = SEYMOUR;
    let (from, to) = (suspected - before, suspected + after);
    let baseline = sofa.iter().rev().find(|s| s.at < from).map_or(0, |s| s.points);
    sofa.iter().any(|s| s.at >= from && s.at <= to && s.points >= baseline + RISE)
}

/// The challenge's onset of one suspicion.
fn challenge_onset(suspected: Suspicion, sofa: &[Sofa]) -> Option<Suspicion> {
    let (before, after) = CHALLENGE;
    let rise = rises(sofa).find(|at| *at >= suspected.at - before && *at <= suspected.at + after)?;
    let risen = Suspicion { at: rise, is_date: false };
    Some(if rise < suspected.at { risen } else { suspected })
}

/// The hours at which SOFA goes up to two points or more above its lowest of the 24 h before.
fn rises(sofa: &[Sofa]) -> impl Iterator<Item = EventTime> {
    sofa.iter().enumerate().skip(1).filter_map(|(i, now)| {
        let earlier = sofa[..i].iter().rev().take_while(|s| s.at >= now.at - RISE_WITHIN);
        let lowest = earlier.map(|s| s.points).min()?;
        (now.points > sofa[i - 1].points && now.points >= lowest + RISE).then_some(now.at)
    })
}

#[cfg(test)]
mod tests;
