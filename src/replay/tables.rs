//! The report's tables as CSV beside it (RFC 4180): figures as numbers, an empty cell where one is not
//! defined.

use std::{fmt::Write, path::Path};

use super::{
    Outcome,
    validation::{Validation, interval::Interval},
};

/// Writes `heads.csv`, `scores.csv`, `groups.csv`, `alarms.csv`, `calibration.csv`, `decision.csv`,
/// `monitor_alarms.csv` and `sources.csv`, one row for each source.
///
/// # Errors
/// When a file cannot be written.
pub fn write(validation: &Validation, outcomes: &[Outcome], folder: &Path) -> anyhow::Result<()> {
    for (name, table) in tables(validation) {
        std::fs::write(folder.join(name), table)?;
    }
    std::fs::write(folder.join("sources.csv"), sources(outcomes))?;
    Ok(())
}

fn sources(outcomes: &[Outcome]) -> String {
    let mut out = String::from(
        "source,site,format,patient_hours,events,frames,risks,alerts,dead_letters,faults,first_fault\n",
    );
    for o in outcomes {
        let fault = o.faults.first().map_or(String::new(), |fault| quoted(fault));
        let _ = writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{fault}",
            quoted(&o.name),
            quoted(&o.site),
            o.format,
            o.hours(),
            o.events(),
            o.frames,
            o.risks.len(),
            o.alerts.len(),
            o.dead_letters.len(),
            o.faults.len()
        );
    }
    out
}

fn tables(v: &Validation) -> [(&'static str, String); 7] {
    let mut heads = String::from("head,per,stays,rows,positives,operating_point,figure,value,low,high\n");
    let mut scores = String::from("head,score,known,auroc,low,high,model_gains,low,high\n");
    let mut groups = String::from(
        "head,by,group,stays,rows,positives,auroc,low,high,sensitivity,low,high,false_positive_rate,low,high,utility,low,high\n",
    );
    let mut calibration = String::from("head,rows,said,seen\n");
    let mut decision = String::from("head,threshold,model,always\n");
    for s in &v.heads {
        let head = quoted(s.head);
        for (figure, i) in [
            ("auroc", s.auroc),
            ("auprc", s.auprc),
            ("calibration_error", s.calibration_error),
            ("utility", s.utility),
            ("min_sensitivity_predictivity", s.min_sensitivity_predictivity),
        ] {
            let (per, point) = (s.per, s.operating_point);
            let counts = format!("{},{},{}", s.stays, s.rows, s.positives);
            let _ = writeln!(heads, "{head},{per},{counts},{point},{figure},{}", cells(i));
        }
        for r in &s.rivals {
            let (auroc, gains) = (cells(r.auroc), cells(r.model_gains));
            let _ = writeln!(scores, "{head},{},{},{auroc},{gains}", r.score, r.known);
        }
        for g in &s.groups {
            let figures = [g.auroc, g.sensitivity, g.false_positive_rate, g.utility].map(cells).join(",");
            let (by, name) = (g.by, quoted(&g.group));
            let _ = writeln!(groups, "{head},{by},{name},{},{},{},{figures}", g.stays, g.rows, g.positives);
        }
        for b in &s.reliability {
            let _ = writeln!(calibration, "{head},{},{},{}", b.rows, b.said, b.seen);
        }
        for [threshold, model, always] in &s.decision {
            let _ = writeln!(decision, "{head},{threshold},{model},{always}");
        }
    }
    [
        ("heads.csv", heads),
        ("scores.csv", scores),
        ("groups.csv", groups),
        ("alarms.csv", alarms(v)),
        ("calibration.csv", calibration),
        ("decision.csv", decision),
        ("monitor_alarms.csv", monitor_alarms(v)),
    ]
}

fn alarms(v: &Validation) -> String {
    let mut out = String::from(
        "definition,kind,stays,patient_hours,events,alerts,foretold,low,high,seen,low,high,positive_predictivity,low,high,alerts_per_bed_day,low,high,false_alarms_per_patient_hour,low,high,lead_hours_p10,p25,p50,p75,p90\n",
    );
    for s in &v.alarms {
        let figures = [
            s.foretold,
            s.seen,
            s.positive_predictivity,
            s.alerts_per_bed_day,
            s.false_alarms_per_patient_hour,
        ];
        let leads = s.lead_hours.map_or(",,,,".to_owned(), |l| l.map(|x| x.to_string()).join(","));
        let (of, kind) = (quoted(s.definition.name()), s.kind);
        let counts = format!("{},{},{},{}", s.stays, s.patient_hours, s.events, s.alerts);
        let _ = writeln!(out, "{of},{kind},{counts},{},{leads}", figures.map(cells).join(","));
    }
    out
}

fn monitor_alarms(v: &Validation) -> String {
    let mut out = String::from(
        "record,at,alarm,truth,support,contradicted,ecg_leads,pulses,ecg_interruption_secs,pulse_interruption_secs,rhythm,rhythm_per_min\n",
    );
    for row in v.monitor_alarms.iter().flat_map(|study| &study.rows) {
        let number = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
        let figures = row.evidence.map_or(",,,,,".to_owned(), |e| {
            let seen =
                [e.ecg_interruption_secs, e.pulse_interruption_secs, e.rhythm, e.rhythm_per_min].map(number);
            format!("{},{},{}", e.ecg_leads, e.pulses, seen.join(","))
        });
        let truth = row.truth.map_or(String::new(), |truth| truth.to_string());
        let (record, support) = (quoted(&row.record), row.support.unwrap_or("not_judged"));
        let _ = writeln!(
            out,
            "{record},{},{},{truth},{support},{},{figures}",
            row.at, row.alarm, row.contradicted
        );
    }
    out
}

fn cells(i: Option<Interval>) -> String {
    i.map_or(",,".to_owned(), |i| format!("{},{},{}", i.value, i.low, i.high))
}

/// Text of a folder's name: quoted where it must be, and never a formula to a spreadsheet.
pub(super) fn quoted(text: &str) -> String {
    let harmless =
        if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text.to_owned() };
    if harmless.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", harmless.replace('"', "\"\""))
    } else {
        harmless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        for (text, want) in [
            ("set A", "set A"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
        ] {
            assert_eq!(quoted(text), want);
        }
    }

    #[test]
    fn every_row_has_as_many_cells_as_its_header() {
        use crate::replay::validation::{self, monitor, tests::ward};
        for stays in [0, 60] {
            let mut outcomes = ward(stays);
            outcomes.extend(monitor::tests::ward().into_iter().take(stays));
            let validation = validation::of(&outcomes);
            for (name, table) in tables(&validation) {
                let text = table.replace("\"set,", "\"set ").replace("Sepsis-3, ", "Sepsis-3 ");
                let mut lines = text.lines().map(|l| l.matches(',').count());
                let header = lines.next().unwrap();
                assert!(lines.all(|cells| cells == header), "{name}: {table}");
                assert!(stays == 0 || name == "alarms.csv" || table.lines().count() > 2, "{name} of {stays}");
            }
        }
    }
}
