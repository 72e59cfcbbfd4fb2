//! What people at the bedside would have had: the summary in sentences, alerts against events, and when
//! alerts came.

use std::fmt::Write;

use bedwatch_schemas::alert::{Alert, Phase};

use super::{
    Table, count, escape, heads, interval, percent,
    plot::{Axis, bars, round_end},
};
use crate::replay::{
    Outcome,
    validation::{
        Validation,
        alarms::{ANY, AlarmStudy, Definition},
        interval::quantile,
    },
};

/// What someone reads who reads nothing else.
pub(super) fn summary(out: &mut String, validation: &Validation) {
    let mut said = String::new();
    for of in Definition::ALL {
        let own = validation.alarms.iter().find(|s| s.definition == of && s.kind == of.made_for().name());
        let any = validation.alarms.iter().find(|s| s.definition == of && s.kind == ANY);
        let Some(first) = own.or(any) else { continue };
        let (events, stays) = (count(first.events), count(first.stays));
        let _ = write!(said, "<li><b>{}</b>: {events} events in {stays} stays. ", of.name());
        said.push_str(
            &own.map_or_else(|| "Its own alerts: none. ".to_owned(), |s| sentence("Its own alerts", s)),
        );
        said.push_str(&any.map_or_else(String::new, |s| sentence("All clinical alerts together", s)));
        said.push_str("</li>");
    }
    if said.is_empty() {
        out.push_str(
            "<p>No source says what truly happened, so nothing here says how good the alerts are.</p>",
        );
    } else {
        let _ = write!(out, "<h2>What it would have caught</h2><ul>{said}</ul>");
    }
}

fn sentence(who: &str, s: &AlarmStudy) -> String {
    let share = |i: Option<crate::replay::validation::interval::Interval>| {
        i.map_or("none".to_owned(), |i| {
            format!("{} ({} to {})", percent(i.value), percent(i.low), percent(i.high))
        })
    };
    let lead = s.lead_hours.map_or(String::new(), |l| match l[2] {
        hours if hours < 2.0 => format!(", at the median {:.0} min ahead", hours * 60.0),
        hours => format!(", at the median {hours:.1} h ahead"),
    });
    let ahead = if s.definition.before().0 > 0 {
        format!("stood before {}{lead}", share(s.foretold))
    } else {
        format!("stood during {}", share(s.seen))
    };
    let true_one = s.positive_predictivity.map_or(String::new(), |i| {
        if i.value > 0.0 {
            format!("; of the alerts one in {:.1} was about such an event", 1.0 / i.value)
        } else {
            "; none of the alerts was about such an event".to_owned()
        }
    });
    let rate = s.alerts_per_bed_day.map_or(String::new(), |i| format!(", {:.2} per bed-day", i.value));
    format!("{who} {ahead}{true_one}{rate}. ")
}

/// Every kind against every definition.
pub(super) fn write(out: &mut String, validation: &Validation) {
    for of in Definition::ALL {
        let studies: Vec<&AlarmStudy> = validation.alarms.iter().filter(|s| s.definition == of).collect();
        let Some(first) = studies.first() else { continue };
        let _ = write!(out, "<h2>Alerts against events: {}</h2>", escape(of.name()));
        let _ = write!(
            out,
            "<p>An event is {}. {} events in {} stays, {:.0} patient-hours. An alert counts while it stands.</p>",
            escape(of.meaning()),
            first.events,
            count(first.stays),
            first.patient_hours
        );
        let mut table = Table::new(
            "",
            &[
                "alerts",
                "number",
                "events foretold",
                "foretold or seen",
                "alerts about an event",
                "per bed-day",
                "false per patient-hour",
                "hours ahead: median (10th to 90th percentile)",
            ],
        );
        for s in &studies {
            let lead =
                s.lead_hours.map_or("-".to_owned(), |l| format!("{:.1} ({:.1} to {:.1})", l[2], l[0], l[4]));
            table.row(&[
                s.kind.to_owned(),
                count(s.alerts),
                interval(s.foretold),
                interval(s.seen),
                interval(s.positive_predictivity),
                interval(s.alerts_per_bed_day),
                interval(s.false_alarms_per_patient_hour),
                lead,
            ]);
        }
        table.end(out);
        out.push_str("<div class=plots>");
        for s in studies.iter().filter(|s| s.kind == of.made_for().name() || s.kind == ANY) {
            if s.lead_hours.is_some() && of.before().0 > 0 {
                let title = format!("How early: {} alerts", s.kind);
                out.push_str(&heads::leads(&title, of.before().as_hours_f64(), &s.lead_histogram));
            }
        }
        out.push_str("</div>");
    }
}

/// When alerts came, and how they fall on beds.
pub(super) fn burden(out: &mut String, outcomes: &[Outcome], alerts: &[&Alert]) {
    let clinical = || alerts.iter().filter(|a| a.phase == Phase::Raised && !a.kind.is_technical());
    if clinical().next().is_none() {
        return;
    }
    let mut by_hour = [0.0_f64; 24];
    for alert in clinical() {
        by_hour[(alert.at.as_micros().div_euclid(3_600_000_000).rem_euclid(24)) as usize] += 1.0;
    }
    let mut by_bed: Vec<f64> = outcomes
        .iter()
        .filter(|o| o.hours() >= 1.0)
        .map(|o| {
            let raised = o.alerts.iter().filter(|a| a.phase == Phase::Raised && !a.kind.is_technical());
            raised.count() as f64 / (o.hours() / 24.0)
        })
        .collect();
    by_bed.sort_by(f64::total_cmp);
    out.push_str("<h2>Alarm burden</h2>");
    if let Some(middle) = quantile(&by_bed, 0.5) {
        let at = |share| quantile(&by_bed, share).unwrap_or(0.0);
        let _ = write!(
            out,
            "<p>Clinical alerts per bed-day over {} sources: median {middle:.1}, three quarters of them at most {:.1}, one in ten more than {:.1}.</p>",
            count(by_bed.len()),
            at(0.75),
            at(0.9)
        );
    }
    let most = by_hour.iter().copied().fold(4.0, f64::max);
    let x = Axis {
        label: "hour of the day, UTC (records without a clock begin at 00:00)",
        from: 0.0,
        to: 24.0,
        digits: 0,
    };
    let y = Axis { label: "clinical alerts raised", from: 0.0, to: round_end(most), digits: 0 };
    let _ = write!(out, "<div class=plots>{}</div>", bars("When alerts came", &x, &y, &by_hour));
}
