use std::collections::BTreeSet;

use super::*;

#[test]
fn names_and_labels_are_unique_plain_words() {
    let names: BTreeSet<&str> = Column::all().map(Column::name).collect();
    assert_eq!(names.len(), Column::all().count());
    for column in Column::all() {
        let (name, label) = (column.name(), column.label());
        assert_eq!(Column::from_name(name), Some(column));
        assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
        assert!(!name.starts_with(crate::site::PREFIX), "{name}");
        // A rationale is read word by word: nothing of a label may look like a number or end a clause.
        for word in label.split(' ') {
            assert!(word.starts_with(|c: char| c.is_ascii_alphabetic()), "{name}: {label}");
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric() || "-/".contains(c)), "{name}: {label}");
        }
        assert!(!column.info().meaning.is_empty());
    }
    // What a rationale calls a column is said of no other that a fact can be about.
    let of_columns = Column::all().filter(|c| c.subject() == Some(Subject::Column(*c)));
    let labels: Vec<String> = of_columns.map(|c| c.label().to_lowercase()).collect();
    assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), labels.len());
}

#[test]
fn a_fact_is_read_back_as_what_it_is_about() {
    for column in Column::all() {
        let Some(subject) = column.subject() else {
            assert_eq!(column.info().measure.fact(), None);
            continue;
        };
        assert_eq!(Subject::from_name(subject.name()), Some(subject), "{column:?}");
    }
}

#[test]
fn a_part_of_a_signal_is_found() {
    let ten = Span::minutes(10);
    for (signal, part, name) in [
        (Signal::AbpMean, Part::Window(Stat::Min, ten), "abp_mean_min_10m"),
        (Signal::Lactate, Part::Last, "lactate_last"),
        (Signal::Lactate, Part::Highest, "lactate_max_24h"),
        (Signal::HeartRate, Part::Age, "heart_rate_age_minutes"),
    ] {
        assert_eq!(Column::of(signal, part).map(Column::name), Some(name));
    }
    assert_eq!(Column::of(Signal::Lactate, Part::Window(Stat::Min, ten)), None);
    assert_eq!(Column::of(Signal::AbpMean, Part::Window(Stat::Min, Span::minutes(7))), None);
}

#[test]
fn units_are_written_as_in_ucum() {
    for (name, unit) in [
        ("lactate_last", "mmol/L"),
        ("map_min_10m", "mm[Hg]"),
        ("map_slope_1h", "mm[Hg]/h"),
        ("heart_rate_slope_1h", "/min/h"),
        ("inr_age_minutes", "min"),
        ("age_years", "a"),
        ("sepsis_risk", "%"),
        ("norepinephrine_running", ""),
    ] {
        assert_eq!(Column::from_name(name).unwrap().info().measure.ucum(), unit, "{name}");
    }
}
