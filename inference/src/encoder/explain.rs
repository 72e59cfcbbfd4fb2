//! Why a risk is what it is, by running the model again on what might have been. No gradients and
//! no surrogate: every number is the model's own answer to tokens a frame could have given, so that
//! anyone can run it again and find the same.
//!
//! - **How much**: the change of probability when a variable had never been observed.
//! - **Since when**: the clock hour such that without the variable's observations from then on, at
//!   least half of that change is gone. It is found by halving: both sides of the border were run (where
//!   a contribution comes and goes there are several borders, and one of them is told).
//! - **What would clear it**: the strongest variables that raise the risk are brought to the nearest
//!   end of their reference range (given by the caller; this crate knows no rules): one alone for this
//!   hour, one alone for the next as well, two together for both, until the risk falls below its
//!   operating point. None is told where none does.
//!
//! A head of the fusion is asked the same: what is recent is edited as the hours are, and what only the
//! fusion reads (EEG, beats, sensor glucose, drugs) is left out as a whole, without a beginning.
//!
//! What a model says of changed inputs is not what would happen to a patient: associations, not
//! effects.

use bedwatch_schemas::{
    evidence::Subject,
    frame::FeatureFrame,
    recent::Recent,
    risk::{Attribution, Change, Clears, Head},
    signal::Signal,
    time::{EventTime, Span},
};
use ort::session::Session;

use super::{Answer, Encoder, Error, Worker, heads::One};
use crate::{
    fusion::{Fusion, edit},
    tokens::{Edit, Tokens},
};

/// How many of the strongest are asked since when they are there.
pub const DATED: usize = 3;
/// How many of the strongest are tried to clear the risk.
const TRIED: usize = 3;
/// What of a contribution must be gone for it to be newer.
const HALF: f32 = 0.5;

/// Why one head says what it says of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What moved it, strongest first, equal ones by name; the first [`DATED`] with their beginning.
    pub attributions: Vec<Attribution>,
    /// What would bring it below its operating point; `None` where it is below, or nothing tried
    /// does.
    pub clears: Option<Clears>,
    /// The frame's embedding; with a fusion the joint view.
    pub embedding: Vec<f32>,
}

/// The fusion in force and what it is given beside the hours.
#[derive(Debug, Clone, Copy)]
pub struct Beyond<'a> {
    /// The fusion.
    pub fusion: &'a Fusion,
    /// The latest stretch at finer scales, at the frame's time.
    pub recent: &'a Recent,
}

/// One head of one frame, with the session to ask again.
struct Case<'a> {
    encoder: &'a Encoder,
    frame: &'a FeatureFrame,
    head: &'a One,
    /// Where the head is the fusion's.
    beyond: Option<Beyond<'a>>,
    session: &'a mut Session,
    edited: &'a mut Tokens,
    /// The probability of the frame as it is.
    with: f32,
}

/// A variable, or a subject only the fusion reads, with its whole contribution.
#[derive(Clone, Copy)]
struct Driver {
    variable: Option<usize>,
    attribution: Attribution,
}

impl Encoder {
    /// What moved a head most, since when, and what would clear it. At most `top` attributions;
    /// `targets` are the reference ranges' nearest ends of the signals that lie outside.
    ///
    /// The runs are made one by one: one a known variable, up to six for each of [`DATED`] (48 hours
    /// halved), up to nine to clear.
    ///
    /// # Errors
    /// When the bundle lacks the head, the model does not run or gives no finite number.
    pub fn explain(
        &self,
        frame: &FeatureFrame,
        head: Head,
        top: usize,
        targets: &[Change],
        beyond: Option<Beyond<'_>>,
    ) -> Result<Option<Explanation>, Error> {
        let mut worker = self.sessions.take();
        let Worker { session, tokens, edited } = &mut *worker;
        self.tokenizer.fill(frame, tokens);
        let Answer { logits, embedding, .. } = self.run(session, &tokens.values)?;
        let given = beyond;
        let Some((head, beyond)) = self.speaker(head, beyond) else { return Ok(None) };
        let mut case = Case { encoder: self, frame, head, beyond, session, edited, with: 0.0 };
        case.with = case.said(&Answer { logits, embedding: embedding.clone(), distance: None }, &[], 0)?;
        let mut drivers = case.drivers(tokens)?;
        for driver in drivers.iter_mut().take(DATED.min(top)) {
            driver.attribution.since = case.since(tokens, *driver)?;
        }
        let clears = case.clears(&drivers, targets)?;
        drivers.truncate(top);
        let attributions = drivers.into_iter().map(|d| d.attribution).collect();
        let embedding = match given {
            None => embedding,
            Some(b) => b.fusion.assess(&embedding, b.recent, frame.at).map_err(Box::new)?.embedding,
        };
        Ok(Some(Explanation { attributions, clears, embedding }))
    }

    /// Whose a head is: the fusion's where that speaks of it, else the encoder's.
    fn speaker<'a>(
        &'a self,
        head: Head,
        beyond: Option<Beyond<'a>>,
    ) -> Option<(&'a One, Option<Beyond<'a>>)> {
        let of_fusion = beyond.and_then(|b| Some((b.fusion.head(head, b.recent)?, Some(b))));
        of_fusion.or_else(|| Some((self.heads.get(head)?, None)))
    }

    /// What moved a head most, without when and what would clear it. At most `top`, strongest first,
    /// equal ones by name.
    ///
    /// # Errors
    /// When the model does not run or gives no finite number.
    pub fn attributions(
        &self,
        frame: &FeatureFrame,
        head: Head,
        top: usize,
    ) -> Result<Vec<Attribution>, Error> {
        let Some(head) = self.heads.get(head) else { return Ok(Vec::new()) };
        let mut worker = self.sessions.take();
        let Worker { session, tokens, edited } = &mut *worker;
        self.tokenizer.fill(frame, tokens);
        let with = head.probability(&self.run(session, &tokens.values)?.logits);
        let mut case = Case { encoder: self, frame, head, beyond: None, session, edited, with };
        let mut drivers = case.drivers(tokens)?;
        drivers.truncate(top);
        Ok(drivers.into_iter().map(|d| d.attribution).collect())
    }
}

/// The beginning of a clock hour.
fn hour_begins(hour: i64) -> EventTime {
    EventTime::from_micros(hour.saturating_mul(Span::hours(1).0))
}

impl Case<'_> {
    /// The probability of the frame as if these edits were true, so many hours later.
    fn probability(&mut self, edits: &[Edit], more: i64) -> Result<f32, Error> {
        self.encoder.tokenizer.fill_edited(self.frame, edits, more, self.edited);
        let answer = self.encoder.run(self.session, &self.edited.values)?;
        self.said(&answer, edits, more)
    }

    /// What the head says of the encoder's answer to these edits.
    fn said(&self, answer: &Answer, edits: &[Edit], more: i64) -> Result<f32, Error> {
        let Some(beyond) = self.beyond else {
            return Ok(self.head.probability(&answer.logits));
        };
        let mut recent = beyond.recent.clone();
        for edit in edits {
            self.edit(&mut recent, *edit, more);
        }
        self.fused(beyond.fusion, &answer.embedding, &recent, more)
    }

    fn fused(&self, fusion: &Fusion, embedding: &[f32], recent: &Recent, more: i64) -> Result<f32, Error> {
        let at = self.frame.at + Span(Span::hours(1).0.saturating_mul(more));
        Ok(fusion.probability(self.head, embedding, recent, at).map_err(Box::new)?)
    }

    /// The same edit of what is recent. Where hours are added the last hour is one in which the value was
    /// held throughout; everything else stands as it was.
    fn edit(&self, recent: &mut Recent, edit: Edit, more: i64) {
        let at = self.frame.at;
        let sources = &self.encoder.tokenizer.variables()[edit.variable].sources;
        let subjects: Vec<Subject> = sources.iter().map(|s| Subject::Signal(*s)).collect();
        let from = edit.from.map(hour_begins);
        match edit.value {
            None => edit::without(recent, &subjects, from, at),
            Some((signal, value)) => {
                let from = if more > 0 { at - Span::hours(1) } else { from.unwrap_or(at - Span::hours(1)) };
                edit::without(recent, &subjects, Some(from), at);
                edit::held(recent, signal, value, from, at);
            }
        }
    }

    /// Every variable that is known with its contribution, strongest first, equal ones by name; then what
    /// only the fusion reads.
    fn drivers(&mut self, tokens: &Tokens) -> Result<Vec<Driver>, Error> {
        let mut found = Vec::new();
        let mut driver = |variable, subject, delta| {
            found.push(Driver { variable, attribution: Attribution { subject, delta, since: None } });
        };
        for (variable, source) in tokens.last_source.iter().enumerate() {
            let Some(source) = *source else { continue };
            let without = self.probability(&[Edit { variable, from: None, value: None }], 0)?;
            driver(Some(variable), Subject::Signal(source), self.with - without);
        }
        if let Some(beyond) = self.beyond {
            let embedding = self.encoder.run(self.session, &tokens.values)?.embedding;
            for subject in self.only_recent(tokens, beyond.recent) {
                let mut recent = beyond.recent.clone();
                edit::without(&mut recent, &[subject], None, self.frame.at);
                let without = self.fused(beyond.fusion, &embedding, &recent, 0)?;
                driver(None, subject, self.with - without);
            }
        }
        found.sort_by(|a, b| {
            let (a, b) = (a.attribution, b.attribution);
            b.delta.abs().total_cmp(&a.delta.abs()).then_with(|| a.subject.name().cmp(b.subject.name()))
        });
        Ok(found)
    }

    /// The subjects of what is recent that no known variable of the hours stands for.
    fn only_recent(&self, tokens: &Tokens, recent: &Recent) -> Vec<Subject> {
        let variables = self.encoder.tokenizer.variables().iter().zip(&tokens.last_source);
        let known: Vec<Signal> =
            variables.filter(|(_, last)| last.is_some()).flat_map(|(v, _)| v.sources.clone()).collect();
        let is_known = |s: &Subject| matches!(s, Subject::Signal(signal) if known.contains(signal));
        edit::subjects(recent).into_iter().filter(|s| !is_known(s)).collect()
    }

    /// The beginning of the hour since which at least half of a contribution exists; `None` where it
    /// is older than the hours the model reads.
    fn since(&mut self, tokens: &Tokens, driver: Driver) -> Result<Option<EventTime>, Error> {
        let Some(variable) = driver.variable else { return Ok(None) };
        let hours = self.encoder.tokenizer.observed_hours(tokens, variable);
        if driver.attribution.delta == 0.0 {
            return Ok(None);
        }
        // Without the observations from `gone` on it is gone; from `still` on it is not.
        let (mut gone, mut still) = (0, hours.len());
        let delta = driver.attribution.delta;
        if still == 0 || !self.is_gone(variable, delta, hours[0])? {
            return Ok(None);
        }
        while still - gone > 1 {
            let middle = gone + (still - gone) / 2;
            if self.is_gone(variable, delta, hours[middle])? {
                gone = middle;
            } else {
                still = middle;
            }
        }
        Ok(Some(hour_begins(hours[gone])))
    }

    /// Whether at least half of a variable's contribution is gone without its observations from an hour on.
    fn is_gone(&mut self, variable: usize, delta: f32, from: i64) -> Result<bool, Error> {
        let edit = Edit { variable, from: Some(from), value: None };
        self.encoder.tokenizer.fill_edited(self.frame, &[edit], 0, self.edited);
        if self.edited.last_source[variable].is_none() {
            return Ok(true); // nothing is left of it
        }
        let without = self.probability(&[edit], 0)?;
        Ok((self.with - without) / delta >= HALF)
    }

    /// The first of the changes tried that brings the risk below its operating point.
    fn clears(&mut self, drivers: &[Driver], targets: &[Change]) -> Result<Option<Clears>, Error> {
        if self.with < self.head.operating_point() {
            return Ok(None);
        }
        let raising = drivers.iter().filter(|d| d.attribution.delta > 0.0);
        let targeted = raising.filter_map(|d| Some((d.variable?, self.target(*d, targets)?)));
        let singles: Vec<(usize, Change)> = targeted.take(TRIED).collect();
        let one = singles.iter().map(|a| vec![*a]);
        let pairs = singles.iter().enumerate();
        let two = pairs.flat_map(|(i, a)| singles[i + 1..].iter().map(|b| vec![*a, *b]));
        let (one, two): (Vec<_>, Vec<_>) = (one.collect(), two.collect());
        // Nine runs at most: an alert must leave in time.
        for (more, set) in [(0, &one), (1, &one), (1, &two)] {
            for changes in set {
                let probability = self.held(changes, more)?;
                if probability < self.head.operating_point() {
                    let changes = changes.iter().map(|(_, change)| *change).collect();
                    let for_minutes = if more == 0 { 60 } else { 120 };
                    return Ok(Some(Clears { changes, for_minutes, probability }));
                }
            }
        }
        Ok(None)
    }

    /// The end of the reference range a driver's signal should reach.
    fn target(&self, driver: Driver, targets: &[Change]) -> Option<Change> {
        let wanted = targets.iter().find(|t| Subject::Signal(t.signal) == driver.attribution.subject)?;
        wanted.signal.is_plausible(wanted.value).then_some(*wanted)
    }

    /// The probability when these values are observed from the frame's hour on.
    fn held(&mut self, changes: &[(usize, Change)], more: i64) -> Result<f32, Error> {
        let from = Some(bedwatch_schemas::frame::hour_of(self.frame.at));
        let edit = |&(variable, change): &(usize, Change)| Edit {
            variable,
            from,
            value: Some((change.signal, change.value as f32)),
        };
        let edits: Vec<Edit> = changes.iter().map(edit).collect();
        self.probability(&edits, more)
    }
}
