//! Moments that could have been: without a subject, from an hour on without it, or with a value held.

use std::collections::BTreeSet;

use bedwatch_schemas::{
    evidence::{Derived, Subject},
    recent::{Code, Recent, Track, Values},
    signal::Signal,
    time::{EventTime, Span},
};

/// What a coded event is about.
fn about(code: Code) -> Subject {
    match code {
        Code::Result(signal) => Subject::Signal(signal),
        Code::Drug(drug, _) => Subject::Infusion(drug),
    }
}

/// The subject a whole track stands for; the minutes stand for their signals.
fn whole(track: Track) -> Option<Subject> {
    match track {
        Track::Minutes => None,
        Track::Eeg => Some(Subject::Derived(Derived::EegSeizureScore)),
        Track::Cardiac => Some(Subject::Derived(Derived::HrvRmssd)),
        Track::Glucose => Some(Subject::Signal(Signal::CgmGlucose)),
    }
}

/// Everything a moment speaks of.
pub(crate) fn subjects(recent: &Recent) -> BTreeSet<Subject> {
    let columns = Track::Minutes.columns().len();
    let minutes = recent.track(Track::Minutes);
    let seen = |column: usize| minutes.iter().skip(column).step_by(columns).any(|x| x.is_finite());
    let signals = Track::minute_signals().iter().enumerate().filter(|(c, _)| seen(*c));
    let tracks = Track::ALL.into_iter().filter(|t| recent.has(*t)).filter_map(whole);
    let events = recent.events.iter().map(|e| about(e.code));
    signals.map(|(_, s)| Subject::Signal(*s)).chain(tracks).chain(events).collect()
}

/// The moment without what these subjects said from a time on; `None`: as if they had never been.
pub(crate) fn without(recent: &mut Recent, subjects: &[Subject], from: Option<EventTime>, at: EventTime) {
    for signal in subjects {
        if let Subject::Signal(signal) = signal {
            minutes(recent, *signal, from, at, f32::NAN);
        }
    }
    let gone = Track::ALL.into_iter().filter(|t| whole(*t).is_some_and(|s| subjects.contains(&s)));
    for track in gone {
        let values = &mut recent.tracks[track as usize].0;
        let width = track.columns().len();
        let rows = from.map_or(0, |from| first_row(track, from, at));
        values.iter_mut().skip(rows * width).for_each(|x| *x = f32::NAN);
    }
    recent.tracks.iter_mut().for_each(forget_if_empty);
    recent.events.retain(|e| !subjects.contains(&about(e.code)) || from.is_some_and(|from| e.at < from));
}

/// The moment with a signal measured in every minute from a time on.
pub(crate) fn held(recent: &mut Recent, signal: Signal, value: f32, from: EventTime, at: EventTime) {
    minutes(recent, signal, Some(from), at, value);
}

/// Sets a column of the minutes from a time on; a signal that has no column changes nothing.
fn minutes(recent: &mut Recent, signal: Signal, from: Option<EventTime>, at: EventTime, value: f32) {
    let Some(column) = Track::minute_signals().iter().position(|s| *s == signal) else { return };
    let width = Track::Minutes.columns().len();
    let rows = from.map_or(0, |from| first_row(Track::Minutes, from, at));
    let values = &mut recent.tracks[Track::Minutes as usize].0;
    values.iter_mut().skip(rows * width + column).step_by(width).for_each(|x| *x = value);
}

/// The first row that begins at or after a time.
fn first_row(track: Track, from: EventTime, at: EventTime) -> usize {
    let step = track.step();
    let end = if track == Track::Minutes { (at - Span(1)).floor(step) + step } else { at };
    let rows = i64::try_from(track.rows()).unwrap_or(i64::MAX);
    let back = end.since(from).0.div_euclid(step.0).clamp(0, rows);
    usize::try_from(rows - back).unwrap_or(0)
}

fn forget_if_empty(values: &mut Values) {
    if values.0.iter().all(|x| x.is_nan()) {
        values.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        medication::{Drug, InfusionAction},
        recent::CodedEvent,
    };

    use super::*;

    const AT: EventTime = EventTime::from_micros(1_767_225_600_000_000);

    fn recent() -> Recent {
        let mut recent = Recent::default();
        recent.tracks[Track::Minutes as usize].0 = vec![f32::NAN; 60 * Track::Minutes.columns().len()];
        held(&mut recent, Signal::HeartRate, 90.0, AT - Span::hours(1), AT);
        recent.tracks[Track::Glucose as usize].0 = vec![120.0; 36];
        let code = Code::Drug(Drug::Norepinephrine, InfusionAction::RateSet);
        recent.events.push(CodedEvent { code, value: Some(0.1), at: AT - Span::hours(2) });
        recent
    }

    fn heart_rates(recent: &Recent) -> usize {
        let width = Track::Minutes.columns().len();
        recent.track(Track::Minutes).iter().step_by(width).filter(|x| x.is_finite()).count()
    }

    #[test]
    fn a_subject_can_be_gone_altogether_or_from_a_time_on() {
        let whole = recent();
        let drug = Subject::Infusion(Drug::Norepinephrine);
        let (heart, glucose) = (Subject::Signal(Signal::HeartRate), Subject::Signal(Signal::CgmGlucose));
        assert_eq!(subjects(&whole), BTreeSet::from([heart, glucose, drug]));
        for subject in [heart, glucose, drug] {
            let mut gone = recent();
            without(&mut gone, &[subject], None, AT);
            assert!(!subjects(&gone).contains(&subject) && subjects(&gone).len() == 2, "{subject:?}");
        }
        let mut half = recent();
        without(&mut half, &[heart, glucose, drug], Some(AT - Span::minutes(30)), AT);
        assert_eq!((heart_rates(&half), half.events.len()), (30, 1));
        assert_eq!(half.track(Track::Glucose).iter().filter(|x| x.is_finite()).count(), 30);
        without(&mut half, &[drug], Some(AT - Span::hours(2)), AT);
        assert_eq!(half.events, []);
    }

    #[test]
    fn a_value_is_held_from_a_time_on() {
        let mut changed = recent();
        held(&mut changed, Signal::HeartRate, 70.0, AT - Span::minutes(10), AT);
        let width = Track::Minutes.columns().len();
        let column: Vec<f32> = changed.track(Track::Minutes).iter().step_by(width).copied().collect();
        assert_eq!((column[49], column[50], column[59]), (90.0, 70.0, 70.0));
        held(&mut changed, Signal::Lactate, 1.0, AT, AT);
        assert_eq!(
            changed.track(Track::Minutes).len(),
            whole_length(),
            "a signal without a column is nothing"
        );
    }

    fn whole_length() -> usize {
        60 * Track::Minutes.columns().len()
    }
}
