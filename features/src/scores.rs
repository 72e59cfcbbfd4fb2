//! Clinical scores: each a pure function of its inputs, with an adapter from a frame.
//!
//! Common rules. A value counts while it is valid ([`SignalInfo::valid_for`]); a missing value is
//! `None` and makes the sum a lower bound, never a zero. Values are first rounded to the resolution
//! the published table is printed in (1 for rates and pressures, 0.1 for temperature), so that 38.0
//! that came as 100.4 °F falls where 38.0 belongs. Edges are tested one by one in each module.
//!
//! [`SignalInfo::valid_for`]: bedwatch_schemas::signal::SignalInfo

pub mod mews;
pub mod news2;
pub mod qsofa;
pub mod shock_index;
pub mod sirs;
pub mod sofa;

use bedwatch_schemas::{
    event::Provenance,
    frame::FeatureFrame,
    medication::Drug,
    score::{Component, Part, Score, ScoreKind},
    signal::Signal,
    time::{EventTime, Span},
};

/// An arterial pressure this old at most is taken before a newer cuff pressure.
pub const ARTERIAL_PREFERRED_FOR: Span = Span::minutes(5);

/// A value that a score reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The signal.
    pub signal: Signal,
    /// The value in its canonical unit.
    pub value: f64,
    /// When it was measured.
    pub at: EventTime,
    /// Where it came from.
    pub provenance: Provenance,
}

/// Whether oxygen is given, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Oxygen {
    /// Whether it is given.
    pub given: bool,
    /// The inspired oxygen in %, when that told.
    pub fio2: Option<f64>,
    /// When it was charted or set.
    pub at: EventTime,
    /// Where it came from.
    pub provenance: Provenance,
}

/// Rounds to tenths, as an integer.
pub(crate) fn tenths(value: f64) -> i64 {
    (value * 10.0).round() as i64
}

/// Rounds to whole numbers.
pub(crate) fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// A part whose points one reading decides.
pub(crate) fn component(part: Part, reading: Option<Reading>, points: impl Fn(f64) -> u8) -> Component {
    Component {
        part,
        points: reading.map(|r| points(r.value)),
        signal: reading.map(|r| r.signal),
        value: reading.map(|r| r.value),
        at: reading.map(|r| r.at),
        provenance: reading.map(|r| r.provenance),
    }
}

/// The sum of known points; `None` when no part is known.
pub(crate) fn summed(kind: ScoreKind, components: Vec<Component>) -> Option<Score> {
    let known = components.iter().filter_map(|c| c.points);
    let value = f64::from(known.clone().map(u32::from).sum::<u32>());
    let complete = known.clone().count() == components.len();
    (known.count() > 0).then_some(Score { kind, value, complete, components })
}

/// The valid reading of a signal in a frame.
#[must_use]
pub fn reading(frame: &FeatureFrame, signal: Signal) -> Option<Reading> {
    let (value, at, provenance) = frame.current(signal)?;
    Some(Reading { signal, value, at, provenance })
}

/// The heart rate of the ECG, else the pulse rate of the oximeter.
#[must_use]
pub fn pulse(frame: &FeatureFrame) -> Option<Reading> {
    reading(frame, Signal::HeartRate).or_else(|| reading(frame, Signal::PulseRate))
}

/// Systolic pressure: a fresh arterial one, else the newer of arterial and cuff.
#[must_use]
pub fn systolic(frame: &FeatureFrame) -> Option<Reading> {
    let arterial = reading(frame, Signal::AbpSystolic);
    let cuff = reading(frame, Signal::NibpSystolic);
    match (arterial, cuff) {
        (Some(a), Some(c)) if frame.at.since(a.at) > ARTERIAL_PREFERRED_FOR && c.at > a.at => Some(c),
        (Some(a), _) => Some(a),
        (None, c) => c,
    }
}

/// Whether oxygen is given: inspired oxygen over 21 % or an oxygen flow that runs says yes,
/// inspired oxygen of 21 % or an ended flow says no, neither says nothing.
#[must_use]
pub fn oxygen(frame: &FeatureFrame) -> Option<Oxygen> {
    let fio2 = reading(frame, Signal::Fio2);
    let flow = frame.infusions.iter().find(|i| i.drug == Drug::Oxygen);
    let by_fio2 =
        |r: Reading, given| Oxygen { given, fio2: Some(r.value), at: r.at, provenance: r.provenance };
    match (fio2, flow) {
        (Some(r), _) if tenths(r.value) > 210 => Some(by_fio2(r, true)),
        (_, Some(f)) if f.running => {
            Some(Oxygen { given: true, fio2: None, at: f.since, provenance: f.provenance })
        }
        (Some(r), _) => Some(by_fio2(r, false)),
        (None, Some(f)) => Some(Oxygen { given: false, fio2: None, at: f.since, provenance: f.provenance }),
        (None, None) => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A reading for tables.
    pub(crate) fn of(signal: Signal, value: f64) -> Option<Reading> {
        let provenance = crate::word::provenance(0);
        Some(Reading { signal, value, at: EventTime::from_micros(0), provenance })
    }

    #[test]
    fn rounding_is_to_the_printed_resolution() {
        let fahrenheit = (100.4 - 32.0) * 5.0 / 9.0;
        assert_eq!((tenths(fahrenheit), tenths(38.05), tenths(34.96)), (380, 381, 350));
        assert_eq!((whole(20.4), whole(20.5)), (20, 21));
    }
}
