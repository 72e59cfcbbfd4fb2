//! What holds of one frame: each rule with its thresholds, hysteresis and source.

use bedwatch_schemas::{
    alert::{AlertKind, Priority},
    frame::FeatureFrame,
    risk::{Assessment, Head},
    score::ScoreKind,
    signal::Signal,
    site::Verdict,
    summary::FeedState,
    time::{EventTime, Span},
};

use crate::Config;

/// What a rule says of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The condition holds.
    Yes {
        /// How urgent it is.
        priority: Priority,
        /// The time of the value it rests on, where that signal arrives every minute or oftener: it
        /// must be seen to persist before it is believed. `None`: it is taken at its word.
        measured: Option<EventTime>,
    },
    /// Neither raised nor clear: between the two thresholds.
    Between,
    /// Clear.
    No,
    /// Nothing is known, or no longer. An episode stays as it is; silence is not recovery.
    Unknown,
}

fn yes(priority: Priority, measured: Option<EventTime>) -> Holds {
    Holds::Yes { priority, measured }
}

/// A value that speaks of now; with its time where its signal arrives about every minute or oftener.
fn reading(frame: &FeatureFrame, signal: Signal) -> Option<(f64, Option<EventTime>)> {
    frame.reading(signal).filter(|r| !r.silent).map(|r| (r.value, r.measured()))
}

fn first(frame: &FeatureFrame, signals: &[Signal]) -> Option<(f64, Option<EventTime>)> {
    signals.iter().find_map(|&s| reading(frame, s))
}

/// Mean arterial pressure, arterial line first.
const MEAN: [Signal; 2] = [Signal::AbpMean, Signal::NibpMean];

/// Evaluates the condition of one kind (technical kinds: see [`feed`]; a site's rules: see [`site`]).
#[must_use]
pub fn evaluate(
    kind: AlertKind,
    frame: &FeatureFrame,
    assessment: Option<&Assessment>,
    config: &Config,
) -> Holds {
    match kind {
        AlertKind::Sepsis => head(assessment, Head::Sepsis, config),
        AlertKind::Deterioration => head(assessment, Head::Deterioration, config),
        AlertKind::Respiratory => respiratory(frame),
        AlertKind::Shock => shock(frame),
        AlertKind::Seizure => seizure(frame),
        AlertKind::Hypoglycaemia => hypoglycaemia(frame),
        AlertKind::Hyperglycaemia => hyperglycaemia(frame),
        AlertKind::EarlyWarning => early_warning(frame, config),
        AlertKind::StaleFeed | AlertKind::SignalLost | AlertKind::Site(_) => Holds::Unknown,
    }
}

/// A model head against its bundle's operating point, with relative hysteresis.
fn head(assessment: Option<&Assessment>, head: Head, config: &Config) -> Holds {
    let Some(risk) = assessment.and_then(|a| a.risk(head)) else {
        return Holds::Unknown;
    };
    if risk.probability >= risk.high_priority_point {
        yes(Priority::High, None)
    } else if risk.probability >= risk.operating_point {
        yes(Priority::Medium, None)
    } else if risk.probability >= risk.operating_point * config.hysteresis {
        Holds::Between
    } else if risk.probability.is_nan() {
        Holds::Unknown
    } else {
        Holds::No
    }
}

/// Respiratory failure: SpO2 below 90 % (below 85 % high), or below 92 % with a rate of 30 or more.
/// Clear from 92 % with a rate below 28. Thresholds after NEWS2's 3-point bands and common practice
/// (hypoxaemic failure: PaO2 < 60 mmHg, which is an SpO2 near 90 %).
fn respiratory(frame: &FeatureFrame) -> Holds {
    let Some((spo2, measured)) = reading(frame, Signal::Spo2) else {
        return Holds::Unknown;
    };
    let rate = reading(frame, Signal::RespRate).map(|(rate, _)| rate);
    if spo2 < 85.0 {
        yes(Priority::High, measured)
    } else if spo2 < 90.0 || (spo2 < 92.0 && rate.is_some_and(|r| r >= 30.0)) {
        yes(Priority::Medium, measured)
    } else if spo2 >= 92.0 && rate.is_none_or(|r| r < 28.0) {
        Holds::No
    } else {
        Holds::Between
    }
}

/// Shock: mean pressure below 65 mmHg with lactate above 2 mmol/L (Sepsis-3's shock criterion) or a
/// shock index of 1 or more is high; below 60 alone is medium, below 50 high. Clear from 68.
fn shock(frame: &FeatureFrame) -> Holds {
    let Some((map, measured)) = first(frame, &MEAN) else {
        return Holds::Unknown;
    };
    let lactate = frame.current(Signal::Lactate).is_some_and(|(v, _, _)| v > 2.0);
    let index = frame.score(ScoreKind::ShockIndex).is_some_and(|s| s.value >= 1.0);
    if map < 50.0 || (map < 65.0 && (lactate || index)) {
        yes(Priority::High, measured)
    } else if map < 60.0 {
        yes(Priority::Medium, measured)
    } else if map >= 68.0 {
        Holds::No
    } else {
        Holds::Between
    }
}

/// Electrographic seizure: a seizure-like stretch of 10 s or more (ACNS 2021); high from five
/// minutes (convulsive status is 5 min, electrographic 10) or at 90 % burden.
fn seizure(frame: &FeatureFrame) -> Holds {
    let Some(eeg) = frame.eeg_now() else {
        return Holds::Unknown;
    };
    if eeg.seizure_for >= Span::minutes(5) || eeg.seizure_burden >= 0.9 {
        yes(Priority::High, None)
    } else if eeg.seizure_for >= Span::secs(10) {
        yes(Priority::Medium, None)
    } else if eeg.seizure_for == Span::ZERO {
        Holds::No
    } else {
        Holds::Between
    }
}

/// Low glucose (ADA/ATTD consensus levels): below 54 mg/dL high; below 70 medium; forecast of 55 or
/// less within 20 min medium ("urgent low soon"), from readings below 120: a fall from higher up is
/// extrapolated too far. Clear from 75 and not forecast below 70. A suspected compression low is only low priority: pressure on the sensor is likelier than a crisis.
fn hypoglycaemia(frame: &FeatureFrame) -> Holds {
    let lab = frame.lab(Signal::Glucose).filter(|l| frame.at.since(l.at) <= Span::hours(1)).map(|l| l.last);
    let sensor = frame.sensor_now();
    let lowest = match (lab, sensor.map(|g| g.last_mg_dl)) {
        (None, None) => return Holds::Unknown,
        (Some(l), Some(s)) => l.min(s),
        (Some(v), None) | (None, Some(v)) => v,
    };
    let forecast = sensor.and_then(|g| g.forecast_20min_mg_dl);
    let soon = forecast.is_some_and(|f| f <= 55.0) && lowest < 120.0;
    let compression = sensor.is_some_and(|g| g.compression_suspected) && lab.is_none_or(|l| l >= 70.0);
    if lowest < 70.0 || soon {
        let priority = match (compression, lowest < 54.0) {
            (true, _) => Priority::Low,
            (false, true) => Priority::High,
            (false, false) => Priority::Medium,
        };
        yes(priority, None)
    } else if lowest >= 75.0 && forecast.is_none_or(|f| f >= 70.0) {
        Holds::No
    } else {
        Holds::Between
    }
}

/// High glucose: above 250 mg/dL low priority, above 400 medium. Clear from 230 down.
fn hyperglycaemia(frame: &FeatureFrame) -> Holds {
    let sensor = frame.sensor_now().map(|g| g.last_mg_dl);
    let lab = frame.lab(Signal::Glucose).filter(|l| frame.at.since(l.at) <= Span::hours(2)).map(|l| l.last);
    let Some(value) = sensor.or(lab) else {
        return Holds::Unknown;
    };
    if value > 400.0 {
        yes(Priority::Medium, None)
    } else if value > 250.0 {
        yes(Priority::Low, None)
    } else if value <= 230.0 {
        Holds::No
    } else {
        Holds::Between
    }
}

/// NEWS2 (RCP 2017): urgent from 5, emergency from 7. An incomplete score is a lower bound, so it
/// may raise but not clear; nor may one that counts a monitor that has gone silent.
fn early_warning(frame: &FeatureFrame, config: &Config) -> Holds {
    let Some(score) = frame.score(ScoreKind::News2) else {
        return Holds::Unknown;
    };
    let parts = || score.components.iter().filter_map(|c| frame.reading(c.signal?));
    let measured = parts().filter_map(|r| r.measured()).max();
    let known = score.complete && !parts().any(|r| r.silent);
    let (medium, high) = config.news2_points;
    if score.value >= high {
        yes(Priority::High, measured)
    } else if score.value >= medium {
        yes(Priority::Medium, measured)
    } else if known && score.value <= medium - 2.0 {
        Holds::No
    } else {
        Holds::Between
    }
}

/// A site's rule of this priority. What holds wins; else it must be seen to be clear. What is unknown
/// neither raises nor resolves, and between the two conditions nothing changes.
#[must_use]
pub const fn site(verdict: Verdict, priority: Priority) -> Holds {
    match (verdict.holds, verdict.clears) {
        (Some(true), _) => Holds::Yes { priority, measured: verdict.measured },
        (_, Some(true)) => Holds::No,
        (Some(false), Some(false)) => Holds::Between,
        _ => Holds::Unknown,
    }
}

/// The condition of a feed for the two technical kinds.
#[must_use]
pub fn feed(kind: AlertKind, state: FeedState) -> Holds {
    match (kind, state) {
        (AlertKind::StaleFeed, FeedState::Stale) => yes(Priority::Low, None),
        (AlertKind::SignalLost, FeedState::Lost) => yes(Priority::Medium, None),
        (AlertKind::StaleFeed, FeedState::Fresh | FeedState::Lost)
        | (AlertKind::SignalLost, FeedState::Fresh) => Holds::No,
        // A lost signal that has gone silent altogether is still lost.
        _ => Holds::Unknown,
    }
}

#[cfg(test)]
mod tests;
