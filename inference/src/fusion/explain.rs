//! What of a moment moved a head, by running the model again without it: each column of the minutes, each
//! code of the events, the EEG, the beats and the sensor glucose. The hours stand as they are.

use std::collections::BTreeSet;

use bedwatch_schemas::{
    evidence::{Derived, Subject},
    recent::{Code, Recent, Track},
    risk::{Attribution, Head},
    signal::Signal,
    time::EventTime,
};

use super::{Error, Fusion};

/// Something of a moment that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Column(usize),
    Whole(Track),
    Event(Subject),
}

impl Part {
    fn subject(self) -> Subject {
        match self {
            Self::Column(column) => Subject::Signal(Track::minute_signals()[column]),
            Self::Whole(Track::Glucose) => Subject::Signal(Signal::CgmGlucose),
            Self::Whole(Track::Cardiac) => Subject::Derived(Derived::HrvRmssd),
            Self::Whole(Track::Minutes | Track::Eeg) => Subject::Derived(Derived::EegSeizureScore),
            Self::Event(subject) => subject,
        }
    }
}

fn subject(code: Code) -> Subject {
    match code {
        Code::Result(signal) => Subject::Signal(signal),
        Code::Drug(drug, _) => Subject::Infusion(drug),
    }
}

/// What is there.
fn parts(recent: &Recent) -> Vec<Part> {
    let columns = Track::Minutes.columns().len();
    let minutes = recent.track(Track::Minutes);
    let has = |c: &usize| minutes.iter().skip(*c).step_by(columns).any(|x| x.is_finite());
    let mut parts: Vec<Part> = (0..columns).filter(has).map(Part::Column).collect();
    let whole = [Track::Eeg, Track::Cardiac, Track::Glucose].into_iter().filter(|t| recent.has(*t));
    parts.extend(whole.map(Part::Whole));
    let events: BTreeSet<Subject> = recent.events.iter().map(|e| subject(e.code)).collect();
    parts.extend(events.into_iter().map(Part::Event));
    parts
}

/// The moment as if a part had never been.
fn without(recent: &Recent, part: Part) -> Recent {
    let mut recent = recent.clone();
    match part {
        Part::Column(column) => {
            let columns = Track::Minutes.columns().len();
            let values = &mut recent.tracks[Track::Minutes as usize].0;
            values.iter_mut().skip(column).step_by(columns).for_each(|x| *x = f32::NAN);
            if values.iter().all(|x| x.is_nan()) {
                values.clear();
            }
        }
        Part::Whole(track) => recent.tracks[track as usize].0.clear(),
        Part::Event(of) => recent.events.retain(|e| subject(e.code) != of),
    }
    recent
}

impl Fusion {
    /// What moved a head most, at most `top`, strongest first, equal ones by name; `None` where the head
    /// does not speak. Without a modality it needs a head would not speak either: the model is asked all
    /// the same what it would have said.
    ///
    /// # Errors
    /// When the model does not run or gives no finite number.
    pub fn attributions(
        &self,
        embedding: &[f32],
        recent: &Recent,
        at: EventTime,
        head: Head,
        top: usize,
    ) -> Result<Option<Vec<Attribution>>, Error> {
        let Some(one) = self.heads.get(head).filter(|_| self.speaks(head, recent)) else {
            return Ok(None);
        };
        let with = one.probability(&self.run(embedding, recent, at)?.logits);
        let mut found = Vec::new();
        for part in parts(recent) {
            let logits = self.run(embedding, &without(recent, part), at)?.logits;
            let delta = with - one.probability(&logits);
            found.push(Attribution { subject: part.subject(), delta, since: None });
        }
        found.sort_by(|a, b| {
            b.delta.abs().total_cmp(&a.delta.abs()).then_with(|| a.subject.name().cmp(b.subject.name()))
        });
        found.truncate(top);
        Ok(Some(found))
    }
}
