use bedwatch_schemas::{
    alert::{Phase, Priority},
    event::Modality,
    evidence::{FactId, MAX_FACTS, Missing, SilentFeed, Trend},
    signal::Signal,
    time::{EventTime, Span},
    unit::Unit,
};
use proptest::{prelude::*, sample};

use super::*;
use crate::{lexicon::subjects, render, template};

const DIRECTIONS: [Direction; 3] = [Direction::Rising, Direction::Falling, Direction::Stable];
const BANDS: [Band; 6] =
    [Band::CriticalLow, Band::Low, Band::Normal, Band::High, Band::CriticalHigh, Band::Unknown];

/// The unit a subject's facts have.
pub(super) fn unit_of(subject: Subject) -> Unit {
    match subject {
        Subject::Signal(s) => s.info().unit,
        Subject::Risk(_) => Unit::Percent,
        Subject::Infusion(_) => Unit::UgPerKgMin,
        Subject::Score(s) if s.name() == "shock_index" => Unit::One,
        Subject::Score(_) => Unit::Score,
        Subject::Derived(d) => match d.name() {
            "eeg_seizure_score" | "eeg_burst_suppression" => Unit::Percent,
            "eeg_sef95" | "eeg_dominant_frequency" => Unit::Hertz,
            "cgm_rate" => Unit::MgPerDlMin,
            "cgm_forecast" => Unit::MgPerDl,
            "pf_ratio" => Unit::MmHg,
            _ => Unit::Millisecond,
        },
        Subject::Column(c) => c.info().measure.fact().map_or(Unit::One, |(unit, _)| unit),
        Subject::Site(_) => Unit::One,
    }
}

fn times() -> impl Strategy<Value = EventTime> {
    (0_i64..4_000).prop_map(|minutes| EventTime::from_micros(1_767_225_600_000_000) + Span::minutes(minutes))
}

/// Any evidence: up to twelve facts about different subjects, some missing subjects, some feeds.
pub(crate) fn evidences() -> impl Strategy<Value = Evidence> {
    let all: Vec<Subject> = subjects().collect();
    let count = all.len();
    let fact = (-50.0..900.0_f64, times(), 0..BANDS.len(), prop::option::of(0..3_usize));
    (
        Just(all).prop_shuffle(),
        prop::collection::vec(fact, 0..=MAX_FACTS),
        0..5_usize,
        prop::collection::vec((sample::select(&Modality::ALL[..]), times()), 0..3),
    )
        .prop_map(move |(all, facts, missing, feeds)| {
            let facts: Vec<Fact> =
                facts.into_iter().enumerate().map(|(i, f)| fact_of(i, all[i], f)).collect();
            let missing = all[count - missing..].iter().map(|&subject| Missing { subject, last_at: None });
            let mut feeds: Vec<SilentFeed> =
                feeds.into_iter().map(|(modality, last_at)| SilentFeed { modality, last_at }).collect();
            feeds.sort_by_key(|f| f.modality);
            feeds.dedup_by_key(|f| f.modality);
            Evidence { facts, missing: missing.collect(), feeds, account: None, rule: None }
        })
}

fn fact_of(
    i: usize,
    subject: Subject,
    (value, at, band, trend): (f64, EventTime, usize, Option<usize>),
) -> Fact {
    let unit = unit_of(subject);
    let value = if unit == Unit::Score { value.round() } else { value };
    Fact {
        id: FactId(u8::try_from(i).unwrap()),
        subject,
        value,
        unit,
        at,
        band: BANDS[band],
        trend: trend.map(|d| Trend { direction: DIRECTIONS[d], per_hour: 0.0, over: Span::hours(1) }),
        provenance: None,
    }
}

pub(crate) fn evidence() -> Evidence {
    let at = EventTime::parse_rfc3339("2026-03-01T03:10:30Z").unwrap();
    let minutes = at.since(EventTime::from_micros(1_767_225_600_000_000)).0 / 60_000_000;
    let at = EventTime::from_micros(1_767_225_600_000_000) + Span::minutes(minutes);
    let facts = [
        (Signal::HeartRate, 118.0, 3, Some(0), at),
        (Signal::AbpMean, 58.0, 0, Some(1), at),
        (Signal::Lactate, 3.44, 3, None, at - Span::hours(5)),
        (Signal::Temperature, 37.0, 2, Some(2), at),
    ];
    Evidence {
        facts: facts
            .iter()
            .enumerate()
            .map(|(i, &(s, v, b, t, at))| fact_of(i, Subject::Signal(s), (v, at, b, t)))
            .collect(),
        missing: vec![Missing { subject: Subject::Signal(Signal::Wbc), last_at: None }],
        feeds: vec![SilentFeed { modality: Modality::Ecg, last_at: at }],
        account: None,
        rule: None,
    }
}

fn reasons(text: &str) -> Vec<Why> {
    match check(text, AlertKind::Sepsis, &evidence(), &Lexicon::built_in()) {
        Ok(()) => Vec::new(),
        Err(found) => found.into_iter().map(|u| u.why).collect(),
    }
}

#[test]
fn what_is_backed_passes() {
    for text in [
        "Heart rate 118 /min at 03:10 (high and rising).",
        "Signs of sepsis: heart rate 118 /min and rising; arterial mean pressure 58 mmHg, lactate 3.4 mmol/L.",
        "Lactate 3.44 mmol/L at 22:10 on 2026-02-28.",
        "Temperature 37.0 °C stable. Missing: white cell count.",
        "Mean pressure critically low and falling.",
        "HEART RATE 118/min.",
        "ECG waveform feed silent since 03:10.",
        "Judged without white cell count.",
    ] {
        assert_eq!(reasons(text), [], "{text}");
    }
}

#[test]
fn what_is_not_backed_is_refused_with_its_reason() {
    for (text, want) in [
        ("", Why::Incomplete),
        ("Heart rate 118 /min", Why::Incomplete),
        ("Heart rate 119 /min.", Why::Number),
        ("Heart rate 58 /min.", Why::Number),
        ("Heart rate 118.4 /min.", Why::Number),
        ("Lactate 3 mmol/L.", Why::Number),
        ("118 /min.", Why::Number),
        ("Heart rate 118 /min 118 /min.", Why::Number),
        ("Heart rate, 118 /min.", Why::Number),
        ("Heart rate 118 mmHg.", Why::Unit),
        ("Heart rate 118.", Why::Unit),
        ("Heart rate 118 mg/dL.", Why::Unit),
        ("Signs of mmHg.", Why::Unit),
        ("Heart rate 118 /min at 03:11.", Why::Time),
        ("Heart rate 118 /min at 22:10.", Why::Time),
        ("Heart rate 118 /min at 27:10.", Why::Time),
        ("Signs at 03:10.", Why::Time),
        ("Lactate 3.4 mmol/L at 22:10 on 2026-03-01.", Why::Time),
        ("Lactate 3.4 mmol/L on 2026-02-28.", Why::Time),
        ("Heart rate falling.", Why::Trend),
        ("Lactate 3.4 mmol/L and rising.", Why::Trend),
        ("Rising heart rate.", Why::Trend),
        ("Heart rate 118 /min, rising.", Why::Trend),
        ("Heart rate low.", Why::Band),
        ("Heart rate critically high.", Why::Band),
        ("Lactate normal.", Why::Band),
        ("Creatinine high.", Why::Subject),
        ("White cell count.", Why::Subject),
        ("Missing: heart rate.", Why::Subject),
        ("Missing: creatinine.", Why::Subject),
        ("EEG feed silent.", Why::Feed),
        ("Signs of circulatory shock.", Why::Condition),
        ("Signs of tachycardia.", Why::Condition),
        ("Give fluids.", Why::Forbidden),
        ("Heart rate not rising.", Why::Forbidden),
        ("Lactate doubled.", Why::Forbidden),
        ("Heart rate improving.", Why::Forbidden),
        ("Penicillin now.", Why::Word),
        ("Judged without sepsis.", Why::Condition),
        ("Heart rate 118 /min high and without rising.", Why::Trend),
        ("Heart rate 118 /min without high.", Why::Band),
        ("Heart rate without 118 /min.", Why::Number),
        ("Heart rate 118 /min missing 03:10.", Why::Time),
        ("Heart rate rising by 118 /min.", Why::Number),
        ("Heart rate over 118 /min.", Why::Number),
        ("Heart rate rising from 118 /min.", Why::Number),
        ("Heart rate 118 /min since 03:10.", Why::Time),
        ("Heart rate 118 /min for 03:10.", Why::Time),
        ("Lactate high. Also heart rate.", Why::Empty),
        ("Lactate high. In the background, heart rate.", Why::Empty),
        ("Lactate high. Lactate high.", Why::Empty),
        ("Mr Smith.", Why::Word),
        ("Signs x3.", Why::Word),
        ("<b>Heart rate</b>.", Why::Markup),
        ("Heart rate\n118 /min.", Why::Markup),
        ("Heart rate {f0}.", Why::Markup),
        ("Findings – signs.", Why::Markup),
    ] {
        assert!(reasons(text).contains(&want), "{text}: {:?}", reasons(text));
    }
    let long = format!("Lactate high {}.", "signs ".repeat(MAX_WORDS + 1).trim_end());
    assert_eq!(reasons(&long), [Why::TooLong]);
}

#[test]
fn reasons_say_the_place_and_no_text() {
    let found = check("Heart rate 119 /min.", AlertKind::Sepsis, &evidence(), &Lexicon::built_in());
    let found = found.unwrap_err();
    assert_eq!(found, [Unsupported { at: 11, why: Why::Number }]);
    assert_eq!(found[0].to_string(), "unsupported number at byte 11");
}

/// One change of one token of a true text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Digit,
    Sign,
    Unit,
    Trend,
    Band,
    Clock,
    Subject,
}

/// Applies the change to the `pick`-th token it fits; `None` where it fits none.
pub(crate) fn mutate(text: &str, change: Change, pick: usize, by: usize) -> Option<String> {
    let tokens = tokens::split(text);
    let lexicon = Lexicon::built_in();
    let fits: Vec<&Token<'_>> = tokens
        .iter()
        .filter(|t| match change {
            Change::Digit | Change::Sign => t.kind == Kind::Number,
            Change::Unit => t.kind == Kind::Unit,
            Change::Clock => t.kind == Kind::Time,
            Change::Trend => matches!(lexicon.word(t.text), Some(Term::Trend(_))),
            Change::Band => matches!(t.text, "low" | "high" | "normal"),
            Change::Subject => false,
        })
        .collect();
    let token = fits.get(pick % fits.len().max(1))?;
    let new = match change {
        Change::Digit => {
            let digits: Vec<usize> =
                token.text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(i, _)| i).collect();
            let at = digits[by % digits.len()];
            let old = token.text.as_bytes()[at] - b'0';
            let digit = (old + 1 + u8::try_from(by / 7 % 9).unwrap()) % 10;
            format!("{}{digit}{}", &token.text[..at], &token.text[at + 1..])
        }
        Change::Sign => match token.text.strip_prefix('-') {
            Some(rest) => rest.to_owned(),
            None if token.text.bytes().all(|b| matches!(b, b'0' | b'.')) => return None,
            None => format!("-{}", token.text),
        },
        Change::Unit => {
            let others: Vec<&str> =
                Unit::ALL.iter().map(|u| render::unit(*u)).filter(|u| *u != token.text).collect();
            others[by % others.len()].to_owned()
        }
        Change::Trend => {
            let now = lexicon.word(token.text);
            let others: Vec<&str> =
                ["rising", "falling", "stable"].into_iter().filter(|w| lexicon.word(w) != now).collect();
            others[by % others.len()].to_owned()
        }
        Change::Band => {
            let others: Vec<&str> =
                ["low", "normal", "high"].into_iter().filter(|w| *w != token.text).collect();
            others[by % others.len()].to_owned()
        }
        Change::Clock => {
            let minute = (token.clock()? + 1 + i64::try_from(by).unwrap() % 1_438) % 1_440;
            format!("{:02}:{:02}", minute / 60, minute % 60)
        }
        Change::Subject => return None,
    };
    Some(format!("{}{new}{}", &text[..token.at], &text[token.at + token.text.len()..]))
}

/// Replaces the name of the `pick`-th fact by another subject's that is no fact with that value.
fn rename(text: &str, evidence: &Evidence, pick: usize, by: usize) -> Option<String> {
    let label = crate::lexicon::label;
    let told: Vec<&Fact> = evidence
        .facts
        .iter()
        .filter(|f| text.contains(&format!("{} {}", label(f.subject), render::value(f))))
        .collect();
    let fact = told.get(pick % told.len().max(1))?;
    let others: Vec<Subject> = subjects()
        .filter(|s| *s != fact.subject)
        .filter(|s| {
            !evidence
                .facts
                .iter()
                .any(|f| f.subject == *s && f.unit == fact.unit && number::states(&render::number(fact), f))
        })
        .collect();
    let from = format!("{} {}", label(fact.subject), render::value(fact));
    let to = format!("{} {}", label(others[by % others.len()]), render::value(fact));
    Some(text.replacen(&from, &to, 1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_global_rejects: 200_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A true text passes; with one number, unit, trend, band, time or subject changed it never does.
    #[test]
    fn a_changed_claim_is_always_caught(
        evidence in evidences(),
        kind in sample::select(&AlertKind::ALL[..]),
        change in sample::select(vec![
            Change::Digit, Change::Sign, Change::Unit, Change::Trend, Change::Band, Change::Clock, Change::Subject,
        ]),
        pick in 0_usize..64,
        by in 0_usize..10_000,
    ) {
        let lexicon = Lexicon::built_in();
        let text = template::write(kind, Phase::Raised, Priority::High, &evidence);
        prop_assert_eq!(check(&text, kind, &evidence, &lexicon), Ok(()), "{}", text);
        let changed = match change {
            Change::Subject => rename(&text, &evidence, pick, by),
            _ => mutate(&text, change, pick, by),
        };
        prop_assume!(changed.is_some());
        let changed = changed.unwrap();
        prop_assert!(check(&changed, kind, &evidence, &lexicon).is_err(), "{} became {}", text, changed);
    }

    /// No text makes the checker panic.
    #[test]
    fn any_text_is_read(text in "[ -~°\n–é]{0,80}") {
        let _ = check(&text, AlertKind::Sepsis, &evidence(), &Lexicon::built_in());
    }
}
