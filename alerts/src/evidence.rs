//! Collects the numbered facts of an alert from the frame it was decided on.
//!
//! Which subjects tell most is fixed by kind; for the model's kinds the strongest attributions come
//! first. Only current values become facts; wanted ones that are not known are listed as missing.

use bedwatch_schemas::{
    alert::AlertKind,
    event::Modality,
    evidence::{Derived, Direction, Evidence, Fact, FactId, MAX_FACTS, Missing, SilentFeed, Subject, Trend},
    frame::FeatureFrame,
    medication::Drug,
    risk::{Account, Assessment, Attribution, Clears, Head, Similar},
    score::ScoreKind,
    signal::Signal,
    site::SiteEvidence,
    summary::WindowLength,
    time::{EventTime, Span},
    unit::Unit,
};

use crate::limits;

/// Most missing subjects listed.
const MAX_MISSING: usize = 4;

/// Collects the evidence of one decision.
#[must_use]
pub fn collect(
    kind: AlertKind,
    modality: Option<Modality>,
    frame: &FeatureFrame,
    assessment: Option<&Assessment>,
    attributions: &[Attribution],
) -> Evidence {
    let mut evidence = Evidence::default();
    if let Some(modality) = modality {
        let feeds = frame.freshness.iter().filter(|f| f.modality == modality);
        evidence.feeds = feeds.map(|f| SilentFeed { modality, last_at: f.last_at }).collect();
        return evidence;
    }
    let driven = attributions.iter().map(|a| a.subject);
    for subject in leading(kind).iter().copied().chain(driven).chain(wanted(kind).iter().copied()) {
        if evidence.facts.len() >= facts_of(kind) || evidence.facts.iter().any(|f| f.subject == subject) {
            continue;
        }
        if let Some(mut fact) = fact(subject, frame, assessment) {
            fact.id = FactId(u8::try_from(evidence.facts.len()).unwrap_or(u8::MAX));
            evidence.facts.push(fact);
        } else if wanted(kind).contains(&subject)
            && evidence.missing.len() < MAX_MISSING
            && evidence.missing.iter().all(|m| m.subject != subject)
            && !covered(subject, frame)
        {
            evidence.missing.push(Missing { subject, last_at: last_known(subject, frame) });
        }
    }
    evidence
}

/// The evidence of a site's rule: the values it names, numbered, with band and trend where they are
/// known of the same value elsewhere.
#[must_use]
pub fn of_site(site: SiteEvidence, frame: &FeatureFrame, assessment: Option<&Assessment>) -> Evidence {
    let SiteEvidence { rule, facts, missing } = site;
    let told = |stated: Fact| match stated.subject {
        // The same value as the rule read, as the other rules tell it.
        Subject::Signal(_) | Subject::Score(_) | Subject::Derived(_) => {
            fact(stated.subject, frame, assessment).filter(|f| f.value == stated.value).unwrap_or(stated)
        }
        _ => Fact { band: limits::band(stated.subject, stated.value), ..stated },
    };
    let numbered = |(i, fact): (usize, Fact)| Fact { id: FactId(u8::try_from(i).unwrap_or(u8::MAX)), ..fact };
    Evidence {
        facts: facts.into_iter().take(MAX_FACTS).map(told).enumerate().map(numbered).collect(),
        missing: missing.into_iter().take(MAX_MISSING).collect(),
        feeds: Vec::new(),
        account: None,
        rule: Some(rule),
    }
}

/// The head that decides a kind; `None` for rules.
#[must_use]
pub const fn head(kind: AlertKind) -> Option<Head> {
    match kind {
        AlertKind::Sepsis => Some(Head::Sepsis),
        AlertKind::Deterioration => Some(Head::Deterioration),
        _ => None,
    }
}

/// What the model says of its own answer to a head's kind; `None` for rules. It is told and decides
/// nothing: an alert the model is unsure of is an alert.
#[must_use]
pub fn account(
    kind: AlertKind,
    assessment: Option<&Assessment>,
    clears: Option<Clears>,
    similar: Vec<Similar>,
) -> Option<Account> {
    let (head, assessment) = head(kind).zip(assessment)?;
    Some(Account {
        certainty: assessment.risk(head).and_then(|r| r.certainty),
        distance: assessment.distance,
        unfamiliar: assessment.unfamiliar,
        clears,
        similar,
    })
}

/// What comes first whatever the attributions say.
const fn leading(kind: AlertKind) -> &'static [Subject] {
    match kind {
        AlertKind::Sepsis => &[Subject::Risk(Head::Sepsis)],
        AlertKind::Deterioration => &[Subject::Risk(Head::Deterioration)],
        _ => &[],
    }
}

const fn facts_of(kind: AlertKind) -> usize {
    match kind {
        AlertKind::Sepsis | AlertKind::Deterioration => 8,
        AlertKind::EarlyWarning | AlertKind::Shock => 7,
        AlertKind::Respiratory => 6,
        _ => 4,
    }
}

const _: () = assert!(facts_of(AlertKind::Sepsis) <= MAX_FACTS);

/// The subjects a clinician wants to hear of, most telling first.
const fn wanted(kind: AlertKind) -> &'static [Subject] {
    use Signal as S;
    use Subject::{Derived as D, Infusion as I, Score as C, Signal as V};
    match kind {
        AlertKind::Sepsis => &[
            V(S::Lactate),
            V(S::AbpMean),
            V(S::NibpMean),
            V(S::HeartRate),
            V(S::RespRate),
            V(S::Temperature),
            V(S::Wbc),
            C(ScoreKind::Sofa),
            I(Drug::Norepinephrine),
        ],
        AlertKind::Deterioration => &[
            V(S::AbpMean),
            V(S::NibpMean),
            V(S::HeartRate),
            V(S::RespRate),
            V(S::Spo2),
            V(S::Lactate),
            C(ScoreKind::News2),
        ],
        AlertKind::Respiratory => &[
            V(S::Spo2),
            V(S::RespRate),
            V(S::Fio2),
            D(Derived::PfRatio),
            V(S::Etco2),
            V(S::HeartRate),
            V(S::Pao2),
        ],
        AlertKind::Shock => &[
            V(S::AbpMean),
            V(S::NibpMean),
            C(ScoreKind::ShockIndex),
            V(S::HeartRate),
            V(S::Lactate),
            I(Drug::Norepinephrine),
            V(S::Hemoglobin),
        ],
        AlertKind::Seizure => &[
            D(Derived::EegSeizureScore),
            D(Derived::EegDominantFrequency),
            D(Derived::EegSef95),
            V(S::HeartRate),
        ],
        AlertKind::Hypoglycaemia | AlertKind::Hyperglycaemia => {
            &[V(S::CgmGlucose), D(Derived::CgmRate), D(Derived::CgmForecast), V(S::Glucose)]
        }
        AlertKind::EarlyWarning => &[
            C(ScoreKind::News2),
            V(S::RespRate),
            V(S::Spo2),
            V(S::AbpSystolic),
            V(S::NibpSystolic),
            V(S::HeartRate),
            V(S::GcsTotal),
            V(S::Temperature),
        ],
        // A site's rule names its own: see `of_site`.
        AlertKind::StaleFeed | AlertKind::SignalLost | AlertKind::Site(_) => &[],
    }
}

/// Whether another source of the same quantity is known, so that it is not missing; or the subject
/// is one whose absence means nothing (no pressor given, no sensor worn).
fn covered(subject: Subject, frame: &FeatureFrame) -> bool {
    let known = |s: Signal| frame.current(s).is_some();
    match subject {
        Subject::Signal(Signal::AbpMean) => known(Signal::NibpMean),
        Subject::Signal(Signal::NibpMean) => known(Signal::AbpMean),
        Subject::Signal(Signal::AbpSystolic) => known(Signal::NibpSystolic),
        Subject::Signal(Signal::NibpSystolic) => known(Signal::AbpSystolic),
        Subject::Signal(Signal::CgmGlucose | Signal::Etco2) | Subject::Infusion(_) => true,
        Subject::Signal(_) => false,
        _ => true,
    }
}

fn last_known(subject: Subject, frame: &FeatureFrame) -> Option<EventTime> {
    let Subject::Signal(signal) = subject else {
        return None;
    };
    frame.vital(signal).map(|v| v.at).or_else(|| frame.lab(signal).map(|l| l.at))
}

fn fact(subject: Subject, frame: &FeatureFrame, assessment: Option<&Assessment>) -> Option<Fact> {
    let plain = |value: f64, unit: Unit, at: EventTime| Fact {
        id: FactId(0),
        subject,
        value,
        unit,
        at,
        band: limits::band(subject, value),
        trend: None,
        provenance: None,
    };
    match subject {
        Subject::Signal(signal) => signal_fact(signal, frame),
        Subject::Score(kind) => {
            let score = frame.score(kind)?;
            // The shock index is a ratio, the others count points.
            let unit = if kind == ScoreKind::ShockIndex { Unit::One } else { Unit::Score };
            Some(plain(score.value, unit, frame.at))
        }
        Subject::Risk(head) => {
            let assessment = assessment?;
            let risk = assessment.risk(head)?;
            Some(plain(f64::from(risk.probability) * 100.0, Unit::Percent, assessment.at))
        }
        Subject::Infusion(drug) => {
            let infusion = frame.infusions.iter().find(|i| i.drug == drug && i.running)?;
            let dose = infusion.rate?;
            let provenance = Some(infusion.provenance);
            Some(Fact { provenance, ..plain(dose.value, dose.unit, infusion.since) })
        }
        Subject::Derived(derived) => derived_fact(derived, frame, plain),
        // Read by the site's rule, not from the frame alone.
        Subject::Column(_) | Subject::Site(_) => None,
    }
}

fn derived_fact(
    derived: Derived,
    frame: &FeatureFrame,
    plain: impl Fn(f64, Unit, EventTime) -> Fact,
) -> Option<Fact> {
    let eeg = frame.eeg_now();
    let glucose = frame.sensor_now();
    match derived {
        Derived::EegSeizureScore => eeg.map(|e| Fact {
            provenance: Some(e.provenance),
            ..plain(e.seizure_score * 100.0, Unit::Percent, e.at)
        }),
        Derived::EegSef95 => eeg.map(|e| plain(e.sef95_hz, Unit::Hertz, e.at)),
        Derived::EegDominantFrequency => eeg.map(|e| plain(e.dominant_frequency_hz, Unit::Hertz, e.at)),
        Derived::EegBurstSuppression => {
            eeg.and_then(|e| Some(plain(e.burst_suppression_percent?, Unit::Percent, e.at)))
        }
        Derived::CgmRate => glucose.and_then(|g| Some(plain(g.rate_mg_dl_min?, Unit::MgPerDlMin, g.at))),
        Derived::CgmForecast => {
            glucose.and_then(|g| Some(plain(g.forecast_20min_mg_dl?, Unit::MgPerDl, g.at)))
        }
        Derived::PfRatio => {
            let (pao2, at, _) = frame.current(Signal::Pao2)?;
            let (fio2, _, _) = frame.current(Signal::Fio2)?;
            Some(plain(pao2 / (fio2 / 100.0), Unit::MmHg, at))
        }
        Derived::HrvRmssd => {
            frame.beats_now().find_map(|c| Some(plain(c.rmssd_ms?, Unit::Millisecond, c.at)))
        }
    }
}

fn signal_fact(signal: Signal, frame: &FeatureFrame) -> Option<Fact> {
    // The sensor glucose lives in its own section with its own age limit.
    let sensor = frame.sensor_now();
    let (value, at, provenance) = match (signal, sensor) {
        (Signal::CgmGlucose, Some(g)) => (g.last_mg_dl, g.at, g.provenance),
        _ => frame.current(signal)?,
    };
    let subject = Subject::Signal(signal);
    let trend = match (signal, sensor) {
        (Signal::CgmGlucose, Some(g)) => {
            g.rate_mg_dl_min.map(|r| trend_of(subject, r * 60.0, Span::minutes(20)))
        }
        _ => vital_trend(signal, frame).or_else(|| lab_trend(signal, frame)),
    };
    Some(Fact {
        id: FactId(0),
        subject,
        value,
        unit: signal.info().unit,
        at,
        band: limits::band(subject, value),
        trend,
        provenance: Some(provenance),
    })
}

/// The trend of a vital: the shortest stretch over which it moved noteworthily, else the longest.
/// A window with no more values than a shorter one says nothing of its own, and none reaches back
/// before the stay.
fn vital_trend(signal: Signal, frame: &FeatureFrame) -> Option<Trend> {
    let vital = frame.vital(signal)?;
    let subject = Subject::Signal(signal);
    let stay = frame.at.since(frame.stay_start);
    let mut found = None;
    let mut within = 2;
    for length in WindowLength::ALL {
        let Some(window) = vital.window(length).filter(|w| w.count > within) else {
            continue;
        };
        within = window.count;
        let over = length.span().min(stay);
        let told = matches!(length, WindowLength::M5 | WindowLength::H1 | WindowLength::H8);
        let Some(slope) = window.slope_per_hour.filter(|_| told && over > Span::ZERO) else {
            continue;
        };
        let trend = trend_of(subject, slope, over);
        if trend.direction != Direction::Stable {
            return Some(trend);
        }
        found = Some(trend);
    }
    found
}

fn lab_trend(signal: Signal, frame: &FeatureFrame) -> Option<Trend> {
    let lab = frame.lab(signal)?;
    let (before, when) = lab.previous?;
    let over = lab.at.since(when);
    if over <= Span::ZERO || over > Span::hours(48) {
        return None;
    }
    Some(trend_of(Subject::Signal(signal), (lab.last - before) / over.as_hours_f64(), over))
}

fn trend_of(subject: Subject, per_hour: f64, over: Span) -> Trend {
    let change = per_hour * over.as_hours_f64();
    let least = limits::noteworthy_change(subject);
    let direction = if change >= least {
        Direction::Rising
    } else if change <= -least {
        Direction::Falling
    } else {
        Direction::Stable
    };
    Trend { direction, per_hour, over }
}

#[cfg(test)]
mod tests;
