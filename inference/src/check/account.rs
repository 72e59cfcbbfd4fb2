//! What a text may say of the model's own answer: how sure it is, whether it knows the picture, and
//! what would clear the risk. The evidence's [`Account`] backs each of them or it is refused.
//!
//! A sentence about what would clear the risk names signals of the account alone; each with its own
//! bound ("at or above") and its own value and unit, and, after "for", the minutes for which the
//! values were held. It says nothing of the patient as he is: trends and bands are refused in it.

use bedwatch_schemas::{
    evidence::{Band, Direction, Fact, FactId, Subject},
    risk::{Account, Bound, Certainty, Change, Clears},
    time::{EventTime, Span},
};

use super::{
    Reader, Why, number,
    tokens::{Kind, Token},
};
use crate::lexicon::Term;

/// What a sentence about clearing has said.
#[derive(Default)]
pub(super) struct Clearing {
    /// The change named last.
    change: Option<Change>,
    /// Whether its bound was said, and its value.
    bound: bool,
    value: bool,
}

/// Whether a fact's trend was seen within the last hour.
fn is_recent(fact: &Fact) -> bool {
    fact.trend.is_some_and(|t| t.over <= Span::hours(1) && t.direction != Direction::Stable)
}

/// A change as a number to compare.
fn number_of(change: &Change) -> Fact {
    Fact {
        id: FactId(0),
        subject: Subject::Signal(change.signal),
        value: change.value,
        unit: change.signal.info().unit,
        at: EventTime::from_micros(0),
        band: Band::Unknown,
        trend: None,
        provenance: None,
    }
}

impl Reader<'_> {
    fn account(&self) -> Option<&Account> {
        self.evidence.account.as_ref()
    }

    fn clears(&self) -> Option<&Clears> {
        self.account().and_then(|a| a.clears.as_ref())
    }

    /// A term about the model's answer or a trend's age; others are not for here.
    pub(super) fn of_the_model(&mut self, at: usize, term: &Term) {
        let (backed, why) = match term {
            Term::Recent => (self.current().iter().any(|f| is_recent(f)), Why::Trend),
            Term::Unsure => {
                (self.account().is_some_and(|a| a.certainty == Some(Certainty::Unsure)), Why::Account)
            }
            Term::Unfamiliar => (self.account().is_some_and(|a| a.unfamiliar), Why::Account),
            Term::Clears => {
                self.state.subject.clear();
                self.state.told.clear();
                self.state.clearing = Some(Clearing::default());
                (self.clears().is_some() && !self.state.missing, Why::Account)
            }
            Term::Bound(bound) => (self.bound(*bound), Why::Account),
            _ => (false, Why::Account),
        };
        if !backed {
            self.refuse(at, why);
        }
    }

    fn bound(&mut self, bound: Bound) -> bool {
        let Some(clearing) = &mut self.state.clearing else { return false };
        let first = !std::mem::replace(&mut clearing.bound, true);
        first && clearing.change.is_some_and(|c| c.bound == bound)
    }

    /// A subject in a sentence about clearing.
    pub(super) fn clearing_subject(&mut self, at: usize, subjects: &[Subject]) {
        let change = self
            .clears()
            .and_then(|c| c.changes.iter().find(|c| subjects.contains(&Subject::Signal(c.signal))))
            .copied();
        self.state.clearing = Some(Clearing { change, ..Clearing::default() });
        if change.is_none() || subjects.len() > 1 {
            self.refuse(at, Why::Subject);
        }
    }

    /// A number in a sentence about clearing: the change's value with its unit after its bound, or
    /// the minutes it was held. Returns how many tokens it took.
    pub(super) fn clearing_number(&mut self, tokens: &[Token<'_>]) -> usize {
        let (said, next) = (&tokens[0], tokens.get(1));
        let minutes = self.clears().map(|c| c.for_minutes);
        let Some(clearing) = &mut self.state.clearing else { return 1 };
        if self.before.eq_ignore_ascii_case("for") && clearing.value {
            let held = said.text.parse().ok() == minutes;
            let in_minutes = next.is_some_and(|t| t.text == "min");
            if !held || !in_minutes {
                self.refuse(said.at, if held { Why::Unit } else { Why::Number });
            }
            return 1 + usize::from(in_minutes);
        }
        let unit = next.filter(|t| t.kind == Kind::Unit);
        let first = !std::mem::replace(&mut clearing.value, true);
        let want = clearing.change.filter(|_| first && clearing.bound).map(|c| number_of(&c));
        match want {
            Some(fact) if !number::states(said.text, &fact) => self.refuse(said.at, Why::Number),
            Some(fact) if unit.map_or("", |u| u.text) != number::unit(fact.unit) => {
                self.refuse(unit.map_or(said.at, |u| u.at), Why::Unit);
            }
            Some(_) => {}
            None => self.refuse(said.at, Why::Number),
        }
        1 + usize::from(unit.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bedwatch_schemas::{
        alert::AlertKind,
        evidence::{Evidence, Trend},
        signal::Signal,
    };

    use super::*;
    use crate::{check::check, lexicon::Lexicon};

    fn lexicon() -> Lexicon {
        let json = serde_json::json!({
            "format": "bedwatch-lexicon-1",
            "subjects": {}, "trend_words": {}, "band_words": {}, "kinds": {}, "priorities": {},
            "missing_openers": [], "forbidden": [],
            "plain_words": ["would"],
            "recent_words": ["last hour"],
            "clears_openers": ["would clear"],
            "bound_words": {"at_least": ["at or above"], "at_most": ["at or below"]},
            "certainty_words": {"unsure": ["unsure"], "unfamiliar": ["unfamiliar"]},
        });
        Lexicon::parse(&serde_json::to_vec(&json).unwrap()).unwrap()
    }

    fn evidence() -> Evidence {
        let at = EventTime::from_micros(0);
        let trend =
            |direction, minutes| Some(Trend { direction, per_hour: 1.0, over: Span::minutes(minutes) });
        let fact = |id, signal: Signal, value, trend| Fact {
            id: FactId(id),
            subject: Subject::Signal(signal),
            value,
            unit: signal.info().unit,
            at,
            band: Band::High,
            trend,
            provenance: None,
        };
        Evidence {
            facts: vec![
                fact(0, Signal::HeartRate, 128.0, trend(Direction::Rising, 60)),
                fact(1, Signal::Lactate, 3.4, trend(Direction::Rising, 61)),
                fact(2, Signal::AbpMean, 58.0, trend(Direction::Stable, 5)),
            ],
            account: Some(Account {
                certainty: Some(Certainty::Unsure),
                distance: None,
                unfamiliar: true,
                clears: Some(Clears {
                    changes: vec![
                        Change { signal: Signal::AbpMean, bound: Bound::AtLeast, value: 65.0 },
                        Change { signal: Signal::Lactate, bound: Bound::AtMost, value: 2.0 },
                    ],
                    for_minutes: 30,
                    probability: 0.1,
                }),
                similar: Vec::new(),
            }),
            ..Evidence::default()
        }
    }

    fn why(text: &str, evidence: &Evidence) -> BTreeSet<Why> {
        check(text, AlertKind::Sepsis, evidence, &lexicon())
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|u| u.why)
            .collect()
    }

    #[test]
    fn what_the_account_backs_is_said_and_nothing_else() {
        let e = evidence();
        for text in [
            "It is unsure.",
            "The picture is unfamiliar.",
            "Would clear with arterial mean pressure at or above 65 mmHg.",
            "Would clear with arterial mean pressure at or above 65 mmHg and lactate at or below 2.0 mmol/L for 30 min.",
            "Heart rate rising over the last hour.",
        ] {
            assert!(why(text, &e).is_empty(), "{text}: {:?}", why(text, &e));
        }
        for (text, want) in [
            ("Would clear with arterial mean pressure at or above 64 mmHg.", Why::Number),
            ("Would clear with arterial mean pressure at or above 58 mmHg.", Why::Number),
            ("Would clear with arterial mean pressure at or below 65 mmHg.", Why::Account),
            ("Would clear with arterial mean pressure at or above 65 mmol/L.", Why::Unit),
            ("Would clear with arterial mean pressure at or above 65.", Why::Unit),
            ("Would clear with arterial mean pressure 65 mmHg.", Why::Number),
            ("Would clear with arterial mean pressure at or above 65 mmHg for 60 min.", Why::Number),
            ("Would clear with arterial mean pressure at or above 65 mmHg for 30 mmHg.", Why::Unit),
            ("Would clear with arterial mean pressure at or above for 30 min.", Why::Number),
            ("Would clear with lactate at or above 65 mmHg.", Why::Account),
            ("Would clear with heart rate at or below 100 /min.", Why::Subject),
            ("Would clear with lactate rising.", Why::Trend),
            ("Would clear with lactate high.", Why::Band),
            ("Lactate at or below 2.0 mmol/L.", Why::Account),
            ("Lactate rising over the last hour.", Why::Trend),
            ("Arterial mean pressure stable over the last hour.", Why::Trend),
        ] {
            assert!(why(text, &e).contains(&want), "{text}: {:?}", why(text, &e));
        }
        let silent = Evidence { account: Some(Account::default()), ..e };
        for evidence in [silent.clone(), Evidence { account: None, ..silent }] {
            for text in ["It is unsure.", "The picture is unfamiliar.", "Would clear."] {
                assert!(why(text, &evidence).contains(&Why::Account), "{text}");
            }
        }
    }

    #[test]
    fn the_next_sentence_is_about_the_patient_again() {
        let e = evidence();
        let text = "Would clear with lactate at or below 2.0 mmol/L. Lactate 3.4 mmol/L at 00:00 (high).";
        assert!(why(text, &e).is_empty(), "{:?}", why(text, &e));
        let text = "Would clear with lactate at or below 2.0 mmol/L. Lactate 2.0 mmol/L.";
        assert_eq!(why(text, &e), BTreeSet::from([Why::Number]));
    }
}
