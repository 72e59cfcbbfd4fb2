//! `metrics.json` of a replay.

use std::{collections::BTreeMap, fmt::Write};

use bedwatch_inference::{check, lexicon::Lexicon};
use bedwatch_replay_data::readers::Other;
use bedwatch_schemas::{
    NOTICE,
    alert::{Alert, Phase},
    rationale::RationaleSource,
    risk::Head,
};
use serde::Serialize;

use super::{
    Outcome, burden,
    burden::Burden,
    challenge::{self, Prediction},
    formats::{self, Format},
    known_times::{self, KnownTimes},
    labels::{self, Scored, Standard},
    missing,
    validation::{self, Validation, ranked::Ranked, sepsis},
    versions::Versions,
};

/// The numbers of a replay.
#[derive(Debug, Clone, Serialize)]
pub struct Metrics {
    /// What this software is and is not.
    pub notice: &'static str,
    /// Sources replayed.
    pub sources: usize,
    /// Sources with faults.
    pub sources_with_faults: usize,
    /// Files under the paths that hold no stay known, and those among them that cannot be read.
    pub other_files: OtherFiles,
    /// Records read.
    pub records: u64,
    /// Events by stream.
    pub events_by_stream: BTreeMap<&'static str, u64>,
    /// Message units decoded, skipped by rule, rejected.
    pub units: [u64; 3],
    /// What the readers left out by rule or found not as expected, by name: rows, columns, hours.
    pub left_out: BTreeMap<String, u64>,
    /// Frames evaluated.
    pub frames: u64,
    /// Rows of risks: encoder passes and seconds of EEG.
    pub risks: u64,
    /// Alerts raised by kind.
    pub raised_by_kind: BTreeMap<&'static str, u64>,
    /// Alert messages of all phases.
    pub alerts: usize,
    /// Messages that could not be decoded whole.
    pub dead_letters: usize,
    /// Rationales of raised and updated alerts by the model.
    pub rationales_model: usize,
    /// And by the template.
    pub rationales_template: usize,
    /// Why the template wrote them.
    pub template_reasons: BTreeMap<&'static str, u64>,
    /// Claims the independent checker does not find in the evidence.
    pub unsupported_claims: usize,
    /// What was missing, by signal.
    pub missing: Vec<missing::Row>,
    /// By the kind of record.
    pub formats: BTreeMap<String, Format>,
    /// Patient-hours replayed.
    pub patient_hours: f64,
    /// Raised alerts that are not technical, per bed-day.
    pub alerts_per_bed_day: Option<f64>,
    /// By format: whether the sources say when their values became known.
    pub known_times: Vec<KnownTimes>,
    /// What the computed labels of sepsis rest on, where some source tells of infections.
    pub sepsis3: Option<sepsis::Computed>,
    /// What was decided, said and withheld.
    pub burden: Burden,
    /// By head: how its risks stand against the labels.
    pub heads: BTreeMap<&'static str, HeadMetrics>,
    /// What someone who must decide asks besides: intervals, rivals, groups, alerts against events.
    pub validation: Validation,
    /// SHA-256 of `alerts.ndjson`.
    pub alerts_sha256: String,
    /// The hash of the configuration.
    pub config: String,
    /// What all this rests on.
    pub versions: Versions,
}

/// Files under the paths that hold no stay known: a page about the set, an annotation, or a stay of which
/// nothing is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OtherFiles {
    /// All of them.
    pub count: usize,
    /// What is wrong with each that is of a format known and cannot be read, by name and place.
    pub refused: Vec<String>,
}

impl OtherFiles {
    /// Of a survey of the paths.
    #[must_use]
    pub fn new(others: &[Other]) -> Self {
        let refused = others.iter().filter_map(|other| other.why.as_ref());
        Self { count: others.len(), refused: refused.map(ToString::to_string).collect() }
    }
}

/// Numbers of one head against the labels: of every labelled hour, or (death) of every stay by its last
/// risk.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HeadMetrics {
    /// The head whose risks these are: a bundle without one for death ranks it by deterioration.
    pub ranked_by: &'static str,
    /// Stays with labels.
    pub stays: usize,
    /// Labelled hours; 0 where the stay is what is labelled.
    pub hours: usize,
    /// Moments with a truth; 0 where hours or stays are what is labelled.
    pub moments: usize,
    /// Hours, moments or stays whose label is 1.
    pub positives: usize,
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// Area under the precision-recall curve (average precision).
    pub auprc: Option<f64>,
    /// Calibration error over ten equally filled bins.
    pub calibration_error: Option<f64>,
    /// The best min(sensitivity, positive predictivity): event 1 of CinC 2012 (death only).
    pub min_sensitivity_predictivity: Option<f64>,
    /// Of the moments, at the operating point: sensitivity and the share of the others that are told.
    pub at_operating_point: Option<[f64; 2]>,
    /// Where a rule speaks of the same moments: how many, and the areas under the ROC curve of the rule and of
    /// the model on those alone.
    pub beside_rule: Option<(usize, f64, f64)>,
    /// The challenge's utility at the operating point (sepsis only).
    pub utility: Option<f64>,
    /// All that the challenge's own script gives at the operating point (sepsis only).
    pub challenge: Option<challenge::Scores>,
    /// The same for each site, where the sources come from more than one folder.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sites: BTreeMap<String, HeadMetrics>,
}

/// Computes the numbers.
#[must_use]
pub fn of(
    outcomes: &[Outcome],
    other_files: OtherFiles,
    alerts: &[&Alert],
    sha256: &str,
    versions: Versions,
    lexicon: &Lexicon,
) -> Metrics {
    let mut events: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut units = [0; 3];
    let mut left_out: BTreeMap<String, u64> = BTreeMap::new();
    for outcome in outcomes {
        for (reason, n) in &outcome.left_out {
            *left_out.entry(reason.clone()).or_default() += n;
        }
        for (stream, n) in &outcome.counters.events {
            *events.entry(stream.name()).or_default() += n;
        }
        for (total, n) in units.iter_mut().zip(outcome.counters.units) {
            *total += n;
        }
    }
    let mut raised: BTreeMap<&'static str, u64> = BTreeMap::new();
    for alert in alerts.iter().filter(|a| a.phase == Phase::Raised) {
        *raised.entry(alert.kind.name()).or_default() += 1;
    }
    let worded = || alerts.iter().filter(|a| !a.phase.ends());
    let by_model = worded().filter(|a| matches!(a.rationale.source, RationaleSource::Model(_))).count();
    let mut template_reasons: BTreeMap<&'static str, u64> = BTreeMap::new();
    for alert in worded() {
        if let RationaleSource::Template(reason) = alert.rationale.source {
            *template_reasons.entry(reason.name()).or_default() += 1;
        }
    }
    let hours: f64 = outcomes.iter().map(Outcome::hours).sum();
    let clinical = alerts.iter().filter(|a| a.phase == Phase::Raised && !a.kind.is_technical()).count();
    Metrics {
        notice: NOTICE,
        sources: outcomes.len(),
        sources_with_faults: outcomes.iter().filter(|o| !o.faults.is_empty()).count(),
        other_files,
        records: outcomes.iter().flat_map(|o| o.counters.records.values()).sum(),
        events_by_stream: events,
        units,
        left_out,
        frames: outcomes.iter().map(|o| o.frames).sum(),
        risks: outcomes.iter().map(|o| o.risks.len() as u64).sum(),
        raised_by_kind: raised,
        alerts: alerts.len(),
        dead_letters: outcomes.iter().map(|o| o.dead_letters.len()).sum(),
        rationales_model: by_model,
        rationales_template: worded().count() - by_model,
        template_reasons,
        missing: missing::of(outcomes),
        formats: formats::of(outcomes),
        unsupported_claims: unsupported(alerts, lexicon),
        patient_hours: hours,
        alerts_per_bed_day: (hours > 0.0).then(|| clinical as f64 / (hours / 24.0)),
        known_times: known_times::of(outcomes),
        sepsis3: sepsis::of(outcomes),
        burden: burden::of(outcomes),
        heads: Head::ALL
            .into_iter()
            .flat_map(|head| Standard::of(head).iter().map(move |standard| (head, *standard)))
            .filter_map(|(head, s)| Some((s.name(head), by_site(outcomes, head, s)?)))
            .collect(),
        validation: validation::of(outcomes),
        alerts_sha256: sha256.to_owned(),
        config: versions.rests.config.clone(),
        versions,
    }
}

fn unsupported(alerts: &[&Alert], lexicon: &Lexicon) -> usize {
    alerts
        .iter()
        .filter_map(|a| check::check(&a.rationale.text, a.kind, &a.evidence, lexicon).err())
        .map(|faults| faults.len())
        .sum()
}

/// A head's numbers over all sources, and for each site where there are several.
fn by_site(outcomes: &[Outcome], head: Head, standard: Standard) -> Option<HeadMetrics> {
    let all: Vec<&Outcome> = outcomes.iter().collect();
    let mut metrics = head_metrics(&all, head, standard)?;
    let mut sites: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in all {
        sites.entry(&outcome.site).or_default().push(outcome);
    }
    if sites.len() > 1 {
        let of = |(site, outcomes): (&str, Vec<&Outcome>)| {
            Some((site.to_owned(), head_metrics(&outcomes, head, standard)?))
        };
        metrics.sites = sites.into_iter().filter_map(of).collect();
    }
    Some(metrics)
}

pub(super) fn head_metrics(outcomes: &[&Outcome], head: Head, standard: Standard) -> Option<HeadMetrics> {
    let point = |head| outcomes.iter().find_map(|o| o.operating_points.get(&head).copied());
    if head == Head::Death {
        let by = [Head::Death, Head::Deterioration].into_iter().find(|h| point(*h).is_some())?;
        return stay_metrics(outcomes, by);
    }
    let operating_point = point(head)?;
    let stays: Vec<Vec<Scored>> = outcomes
        .iter()
        .map(|o| models(&labels::hours(o, head, standard)))
        .filter(|s| !s.is_empty())
        .collect();
    if stays.is_empty() {
        return moment_metrics(outcomes, head, standard, operating_point);
    }
    let all: Vec<Scored> = stays.iter().flatten().copied().collect();
    let scores =
        if head == Head::Sepsis { challenge::score(&predictions(&stays, operating_point)) } else { None };
    Some(HeadMetrics {
        ranked_by: head.name(),
        stays: stays.len(),
        hours: all.len(),
        utility: scores.map(|s| s.normalized_utility),
        challenge: scores,
        ..ranking(&all)
    })
}

/// What a challenge entry would have handed in: an alarm at or above the operating point.
fn predictions(stays: &[Vec<Scored>], operating_point: f32) -> Vec<Vec<Prediction>> {
    let prediction = |s: &Scored| Prediction {
        truth: s.truth,
        probability: f64::from(s.risk),
        alarm: s.risk >= operating_point,
    };
    stays.iter().map(|stay| stay.iter().map(prediction).collect()).collect()
}

fn models(rows: &[labels::Row]) -> Vec<Scored> {
    rows.iter().map(|r| r.model).collect()
}

/// Death in hospital, one risk a stay.
fn stay_metrics(outcomes: &[&Outcome], by: Head) -> Option<HeadMetrics> {
    let all: Vec<Scored> = outcomes.iter().filter_map(|o| Some(labels::death(o, by)?.model)).collect();
    (!all.is_empty()).then(|| HeadMetrics {
        ranked_by: by.name(),
        stays: all.len(),
        min_sensitivity_predictivity: Ranked::new([all.as_slice()]).min_sensitivity_predictivity(&[1]),
        ..ranking(&all)
    })
}

/// A head that speaks of moments.
fn moment_metrics(
    outcomes: &[&Outcome],
    head: Head,
    standard: Standard,
    operating_point: f32,
) -> Option<HeadMetrics> {
    let stays: Vec<_> =
        outcomes.iter().map(|o| labels::told(o, head, standard)).filter(|t| !t.is_empty()).collect();
    let all: Vec<_> = stays.iter().flatten().copied().collect();
    let model: Vec<Scored> = all.iter().map(|t| t.model).collect();
    let share = |truth: bool| {
        let of: Vec<&Scored> = model.iter().filter(|s| s.truth == truth).collect();
        of.iter().filter(|s| s.risk >= operating_point).count() as f64 / of.len() as f64
    };
    let ruled: Vec<(Scored, Scored)> =
        all.iter().filter_map(|t| Some((Scored { risk: t.rule?, ..t.model }, t.model))).collect();
    let area = |of: fn(&(Scored, Scored)) -> Scored| {
        Ranked::new([ruled.iter().map(of).collect::<Vec<_>>().as_slice()]).auroc(&[1])
    };
    let ranked = ranking(&model);
    (!model.is_empty()).then(|| HeadMetrics {
        ranked_by: head.name(),
        stays: stays.len(),
        moments: model.len(),
        at_operating_point: ranked.auroc.map(|_| [share(true), share(false)]),
        beside_rule: area(|r| r.0).zip(area(|r| r.1)).map(|(rule, model)| (ruled.len(), rule, model)),
        ..ranked
    })
}

fn ranking(all: &[Scored]) -> HeadMetrics {
    let ranked = Ranked::new([all]);
    HeadMetrics {
        positives: all.iter().filter(|s| s.truth).count(),
        auroc: ranked.auroc(&[1]),
        auprc: ranked.auprc(&[1]),
        calibration_error: ranked.calibration_error(&[1]),
        ..HeadMetrics::default()
    }
}

/// A head's numbers in one line of words.
pub(super) fn sentence(m: &HeadMetrics) -> String {
    let number = |x: Option<f64>| x.map_or("not defined".to_owned(), |x| format!("{x:.3}"));
    let counted = if m.hours > 0 {
        format!("{} hours of {} stays", m.hours, m.stays)
    } else if m.moments > 0 {
        format!("{} moments of {} stays", m.moments, m.stays)
    } else {
        format!("{} stays", m.stays)
    };
    let mut text = format!(
        "AUROC {}, AUPRC {}, calibration error {} over {counted}, {} positive",
        number(m.auroc),
        number(m.auprc),
        number(m.calibration_error),
        m.positives
    );
    if let Some([sensitivity, others]) = m.at_operating_point {
        let _ = write!(text, ", told {sensitivity:.3} of these and {others:.4} of the others");
    }
    if let Some((moments, rule, model)) = m.beside_rule {
        let _ = write!(text, ", AUROC {model:.3} against {rule:.3} of the rule in {moments} moments");
    }
    if m.utility.is_some() {
        let _ = write!(text, ", normalised utility {}", number(m.utility));
    }
    if m.min_sensitivity_predictivity.is_some() {
        let _ = write!(
            text,
            ", min(sensitivity, predictivity) {}, by the last risk of head {}",
            number(m.min_sensitivity_predictivity),
            m.ranked_by
        );
    }
    text
}
