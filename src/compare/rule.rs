//! Whether to promote the candidate. The rule is fixed and stated whole; it recommends, people decide.
//!
//! Not worse means not worse by more than a margin with 97.5 % confidence: the lower end of the paired
//! interval of the difference lies above minus the margin (non-inferiority; Piaggio et al., JAMA
//! 2012;308:2594). So few stays cannot show it, and the candidate is held.

use serde::Serialize;

use super::{
    paired::{EventPair, HeadPair, Paired},
    read::Run,
};

/// By how much AUROC may be lower.
pub const MARGIN_AUROC: f64 = 0.01;
/// By how much the normalised utility may be lower.
pub const MARGIN_UTILITY: f64 = 0.01;
/// By how much the share of events foretold may be lower.
pub const MARGIN_FORETOLD: f64 = 0.05;
/// How many times the alerts per bed-day of what is in force the candidate may tell.
pub const MOST_BURDEN: f64 = 1.10;

/// What is recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every condition is met.
    Promote,
    /// A condition failed, or none of the records says what truly happened.
    Hold,
    /// The two runs gave the same.
    NothingChanged,
}

/// One condition of the rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Condition {
    /// The condition in words.
    pub rule: String,
    /// Whether it is met; `None`: nothing in these records says.
    pub met: Option<bool>,
    /// What was seen.
    pub seen: String,
}

/// The recommendation with its rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// What is recommended.
    pub verdict: Verdict,
    /// Why, in a sentence each.
    pub because: Vec<String>,
    /// The rule's conditions as they apply here.
    pub conditions: Vec<Condition>,
}

/// Applies the rule.
#[must_use]
pub fn recommend(
    a: &Run,
    b: &Run,
    nothing_changed: bool,
    heads: &[HeadPair],
    events: &[EventPair],
    burden: Option<&Paired>,
) -> Recommendation {
    let mut conditions = vec![kept(a, b), burdened(burden)];
    for head in heads {
        conditions.push(not_worse(
            &format!("AUROC of {} ({})", head.head, head.per),
            head.auroc,
            MARGIN_AUROC,
        ));
        if head.utility.is_some() {
            let what = format!("normalised utility of {}", head.head);
            conditions.push(not_worse(&what, head.utility, MARGIN_UTILITY));
        }
    }
    for head in heads.iter().filter(|h| h.is_silenced()) {
        let [lost, whole] = [head.only[0], head.rows + head.only[0]];
        conditions.push(Condition {
            rule: format!("the head {} speaks where it did", head.head),
            met: Some(false),
            seen: format!("the candidate gives no risk at {lost} of {whole} moments"),
        });
    }
    for e in events {
        let what = format!("share of {} foretold by {} alerts", e.definition, e.kind);
        conditions.push(not_worse(&what, e.foretold, MARGIN_FORETOLD));
    }
    let truth_known = heads.iter().any(|h| h.auroc.is_some()) || events.iter().any(|e| e.foretold.is_some());
    if !truth_known {
        conditions.push(Condition {
            rule: "some records say what truly happened".to_owned(),
            met: Some(false),
            seen: "none does".to_owned(),
        });
    }
    let failed: Vec<String> = conditions
        .iter()
        .filter(|c| c.met == Some(false))
        .map(|c| format!("{}: {}", c.rule, c.seen))
        .collect();
    let (verdict, because) = if nothing_changed {
        let same = "alerts, ledger and risks are the same, byte for byte".to_owned();
        (Verdict::NothingChanged, vec![same])
    } else if failed.is_empty() {
        let judged = conditions.iter().filter(|c| c.met == Some(true)).count();
        (Verdict::Promote, vec![format!("all {judged} conditions that can be judged are met")])
    } else {
        (Verdict::Hold, failed)
    };
    Recommendation { verdict, because, conditions }
}

/// Nothing of high priority or technical withheld, nothing unaccounted for, no claim without evidence.
fn kept(a: &Run, b: &Run) -> Condition {
    let faults = |run: &Run| run.broken + run.unsupported_claims;
    Condition {
        rule: "nothing of high priority or technical is withheld, every decision is accounted for, no claim is unsupported"
            .to_owned(),
        met: Some(faults(b) == 0),
        seen: format!("{} such faults in a, {} in b", faults(a), faults(b)),
    }
}

fn burdened(burden: Option<&Paired>) -> Condition {
    let most = (MOST_BURDEN - 1.0) * 100.0;
    Condition {
        rule: format!("clinical alerts per bed-day rise by at most {most:.0} %"),
        met: Some(burden.is_some_and(|p| p.b <= p.a * MOST_BURDEN + 1e-12)),
        seen: burden.map_or("no hours".to_owned(), |p| format!("{:.3} in a, {:.3} in b", p.a, p.b)),
    }
}

fn not_worse(what: &str, pair: Option<Paired>, margin: f64) -> Condition {
    let seen = pair.map_or("not defined of these records".to_owned(), |p| {
        let d = p.difference;
        format!(
            "{:.4} in a, {:.4} in b, difference {:+.4} ({:+.4} to {:+.4})",
            p.a, p.b, d.value, d.low, d.high
        )
    });
    Condition {
        rule: format!("{what} is not lower by {margin} or more"),
        met: pair.map(|p| p.difference.low > -margin),
        seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::validation::interval::Interval;

    fn pair(a: f64, b: f64, low: f64, high: f64) -> Paired {
        Paired { a, b, difference: Interval { value: b - a, low, high } }
    }

    fn run(broken: u64) -> Run {
        Run {
            data: String::new(),
            alerts_sha256: String::new(),
            risks: String::new(),
            versions: Default::default(),
            broken,
            unsupported_claims: 0,
            alerts: Vec::new(),
            withheld: Vec::new(),
            truths: Vec::new(),
            events: Vec::new(),
            stays: Vec::new(),
        }
    }

    fn head(low: f64) -> HeadPair {
        HeadPair {
            head: "sepsis".to_owned(),
            per: "hour".to_owned(),
            stays: 9,
            rows: 9,
            positives: 1,
            only: [0, 0],
            operating_points: [Some(0.1); 2],
            auroc: Some(pair(0.8, 0.8, low, 0.1)),
            auprc: None,
            calibration_error: None,
            utility: None,
        }
    }

    fn event(low: f64) -> EventPair {
        EventPair {
            definition: "sepsis".to_owned(),
            kind: "any".to_owned(),
            events: 9,
            foretold: Some(pair(0.8, 0.8, low, 0.1)),
            only_a: 0,
            only_b: 0,
            p: 1.0,
        }
    }

    /// Every condition at both sides of its bound.
    #[test]
    fn each_condition_holds_the_candidate_alone() {
        let rate = |b| pair(2.0, b, -1.0, 1.0);
        for (broken, burden, auroc, foretold, verdict, names) in [
            (0, 2.2, -0.0099, -0.0499, Verdict::Promote, "conditions that can be judged"),
            (1, 2.2, -0.0099, -0.0499, Verdict::Hold, "every decision is accounted for"),
            (0, 2.21, -0.0099, -0.0499, Verdict::Hold, "alerts per bed-day"),
            (0, 2.2, -0.01, -0.0499, Verdict::Hold, "AUROC of sepsis"),
            (0, 2.2, -0.0099, -0.05, Verdict::Hold, "share of sepsis foretold by any alerts"),
        ] {
            let (heads, events) = ([head(auroc)], [event(foretold)]);
            let got = recommend(&run(0), &run(broken), false, &heads, &events, Some(&rate(burden)));
            assert_eq!(got.verdict, verdict, "{names}");
            assert_eq!(got.because.len(), 1, "{:?}", got.because);
            assert!(got.because[0].contains(names), "{:?}", got.because);
        }
    }

    #[test]
    fn what_nobody_knows_is_not_promoted_and_what_is_the_same_is_told_so() {
        let rate = pair(2.0, 2.0, -1.0, 1.0);
        let got = recommend(&run(0), &run(0), false, &[], &[], Some(&rate));
        assert_eq!((got.verdict, got.because.len()), (Verdict::Hold, 1));
        assert!(got.because[0].contains("what truly happened"));
        let got = recommend(&run(0), &run(0), false, &[head(0.0)], &[], None);
        assert_eq!((got.verdict, got.because.len()), (Verdict::Hold, 1));
        assert!(got.because[0].contains("no hours"));
        for (rows, only, verdict) in
            [(0, 9, Verdict::Hold), (94, 6, Verdict::Hold), (95, 5, Verdict::Promote)]
        {
            let less = HeadPair { rows, only: [only, 0], auroc: None, ..head(0.0) };
            let got = recommend(&run(0), &run(0), false, &[less], &[event(0.0)], Some(&rate));
            assert_eq!(got.verdict, verdict, "{got:?}");
            assert_eq!(got.because[0].contains("speaks where it did"), verdict == Verdict::Hold);
        }
        let got = recommend(&run(0), &run(0), true, &[head(0.0)], &[], None);
        assert_eq!(got.verdict, Verdict::NothingChanged);
    }
}
