//! The words a site's rule brings with it: its title, and the names of the columns and features that
//! its facts are about. They stand in the alert's own evidence and are known for that alert alone, so
//! that no site's words can change how another alert is read.

use bedwatch_schemas::{
    alert::AlertKind,
    evidence::{Evidence, Subject},
};

use super::tokens::{self, Token};

/// A phrase, as its tokens in lower case.
type Phrase = Vec<String>;

fn phrase(text: &str) -> Phrase {
    tokens::split(text).iter().map(|t| t.text.to_lowercase()).collect()
}

/// What one alert's evidence calls things.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// What the rule is called, until it has been said.
    title: Option<Phrase>,
    subjects: Vec<(Phrase, Subject)>,
}

impl Own {
    /// Nothing, unless a site's rule decided.
    pub(super) fn of(kind: AlertKind, evidence: &Evidence) -> Self {
        let (AlertKind::Site(_), Some(rule)) = (kind, &evidence.rule) else {
            return Self::default();
        };
        let own = |s: &Subject| matches!(s, Subject::Column(_) | Subject::Site(_));
        let subjects = evidence.facts.iter().map(|f| f.subject).filter(own);
        Self {
            title: Some(phrase(&rule.title)),
            subjects: subjects.map(|s| (phrase(s.label()), s)).collect(),
        }
    }

    /// The longest of its phrases at the start of `tokens`, with its length, where the lexicon's own is
    /// no longer (`known`). The title is said once; `None` stands for it.
    pub(super) fn longest(&mut self, tokens: &[Token<'_>], known: usize) -> Option<(usize, Option<Subject>)> {
        let begins = |phrase: &Phrase| {
            !phrase.is_empty()
                && phrase.len() <= tokens.len()
                && phrase.iter().zip(tokens).all(|(word, token)| token.text.to_lowercase() == *word)
        };
        let title = self.title.as_ref().filter(|t| begins(t)).map(|t| (t.len(), None));
        let subjects = self.subjects.iter().filter(|(p, _)| begins(p)).map(|(p, s)| (p.len(), Some(*s)));
        let longer = |best: (usize, _), next: (usize, _)| if next.0 > best.0 { next } else { best };
        let (length, found) = title.into_iter().chain(subjects).reduce(longer)?;
        if length < known {
            return None;
        }
        if found.is_none() {
            self.title = None;
        }
        Some((length, found))
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        alert::{Phase, Priority},
        column::Column,
        evidence::{Band, Direction, Fact, FactId, Missing, Trend},
        signal::Signal,
        site::{SiteName, SiteRule},
        time::{EventTime, Span},
    };

    use super::*;
    use crate::{
        check::{check, tests::unit_of},
        lexicon::Lexicon,
        template,
    };

    fn kind(name: &str) -> AlertKind {
        AlertKind::Site(SiteName::new(name).unwrap())
    }

    fn fact(id: usize, subject: Subject, value: f64, band: Band) -> Fact {
        Fact {
            id: FactId(u8::try_from(id).unwrap()),
            subject,
            value,
            unit: unit_of(subject),
            at: EventTime::parse_rfc3339("2026-03-01T03:10:00Z").unwrap(),
            band,
            trend: None,
            provenance: None,
        }
    }

    fn column(name: &str) -> Subject {
        Column::from_name(name).unwrap().subject().unwrap()
    }

    fn evidence(title: &str, facts: Vec<Fact>) -> Evidence {
        let rule = SiteRule { title: title.to_owned(), when: "map_min_10m < 65".to_owned() };
        let missing = vec![Missing { subject: Subject::Signal(Signal::Wbc), last_at: None }];
        Evidence { facts, missing, rule: Some(rule), ..Evidence::default() }
    }

    fn shocked(title: &str) -> Evidence {
        let own = Subject::Site(SiteName::new("shock_load_2").unwrap());
        let trend = Trend { direction: Direction::Rising, per_hour: 1.0, over: Span::hours(1) };
        let lactate = fact(1, Subject::Signal(Signal::Lactate), 3.4, Band::High);
        evidence(
            title,
            vec![
                fact(0, column("abp_mean_min_10m"), 58.3, Band::Low),
                Fact { trend: Some(trend), ..lactate },
                fact(2, own, 1.31, Band::Unknown),
            ],
        )
    }

    fn says(text: &str, evidence: &Evidence) -> bool {
        check(text, kind("low_map"), evidence, &Lexicon::built_in()).is_ok()
    }

    #[test]
    fn the_template_says_the_title_the_values_and_what_is_missing() {
        let e = shocked("Low pressure with high lactate");
        let say = |phase| template::write(kind("low_map"), phase, Priority::Medium, &e);
        assert_eq!(
            say(Phase::Raised),
            "Low pressure with high lactate: arterial mean pressure ten-minute minimum 58 mmHg at 03:10 (low); \
             lactate 3.4 mmol/L (high and rising); shock load-2 1.31. Missing: white cell count."
        );
        assert!(
            say(Phase::Resolved)
                .starts_with("Resolved: Low pressure with high lactate alert ended. Arterial")
        );
        for phase in Phase::ALL {
            assert!(says(&say(phase), &e), "{}", say(phase));
        }
    }

    #[test]
    fn what_the_evidence_does_not_hold_is_refused() {
        let e = shocked("MAP below 65 with lactate");
        let text = template::write(kind("low_map"), Phase::Raised, Priority::Medium, &e);
        assert!(text.starts_with("MAP below 65 with lactate: arterial") && says(&text, &e), "{text}");
        for (from, to) in [
            ("58 mmHg", "59 mmHg"),
            ("58 mmHg", "58 mmol/L"),
            ("03:10", "03:11"),
            ("(low)", "(high)"),
            ("1.31", "1.32"),
            ("below 65", "below 60"),
            ("ten-minute minimum", "ten-minute maximum"),
            ("ten-minute minimum", "one-hour minimum"),
            ("shock load-2", "shock load"),
            ("white cell count", "creatinine"),
            ("with lactate:", "with lactate: MAP below 65:"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(changed != text && !says(&changed, &e), "{changed}");
        }
        // The words of one site's rule are no words of any other alert.
        for other in [AlertKind::Sepsis, AlertKind::Shock] {
            assert!(check(&text, other, &e, &Lexicon::built_in()).is_err());
        }
        assert!(!says(&text, &Evidence { rule: None, ..e }));
    }

    /// Every column a fact can be about can be told, under any title.
    #[test]
    fn every_column_can_be_told() {
        for title in ["Lactate", "Sepsis", "High and rising", "Low at 3 of 4", "Arterial mean pressure"] {
            for subject in Column::all().filter_map(Column::subject) {
                let e = evidence(title, vec![fact(0, subject, 58.0, Band::High)]);
                for phase in [Phase::Raised, Phase::Acknowledged, Phase::Resolved] {
                    let text = template::write(kind("low_map"), phase, Priority::Low, &e);
                    let found = check(&text, kind("low_map"), &e, &Lexicon::built_in());
                    assert_eq!(found, Ok(()), "{text}");
                }
            }
        }
    }
}
