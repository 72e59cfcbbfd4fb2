use bedwatch_schemas::{
    event::Demographics,
    frame::HourGrid,
    ids::PatientId,
    time::{EventTime, Span},
};

use super::*;

/// 2026-03-01T05:00:00Z: an hour that does not begin a day.
pub(crate) const START: EventTime = EventTime::from_micros(1_772_341_200_000_000);

/// A frame whose grid holds `rows` of values, at ten minutes into its last hour.
pub(crate) fn frame(rows: &[&[(Signal, f32)]]) -> FeatureFrame {
    let mut grid = HourGrid::new(START);
    for row in rows {
        let mut values = vec![f32::NAN; Signal::COUNT];
        row.iter().for_each(|(s, x)| values[s.index()] = *x);
        grid.values.extend(values);
    }
    let hours = i64::try_from(rows.len()).unwrap() - 1;
    FeatureFrame {
        patient: PatientId::new("p").unwrap(),
        encounter: None,
        location: None,
        at: START + Span::hours(hours) + Span::minutes(10),
        trigger: None,
        demographics: Demographics::default(),
        stay_start: START + Span::minutes(5),
        vitals: Vec::new(),
        labs: Vec::new(),
        infusions: Vec::new(),
        eeg: None,
        cardiac: Vec::new(),
        glucose: None,
        scores: Vec::new(),
        freshness: Vec::new(),
        grid,
    }
}

fn spec() -> Spec {
    toml::from_str(
        r#"
        contract = "hourly-v1"
        feature_count = 9
        clip = 5.0
        age_cap_hours = 48
        age_years_divisor = 100.0
        age_years_unknown = 0.6
        sex_male = 1.0
        sex_female = 0.0
        sex_unknown = 0.5
        since_admission_divisor = 6.0
        since_admission_first_hour = 1
        [[variables]]
        name = "map"
        sources = ["abp_mean", "nibp_mean"]
        transform = "identity"
        mean = 80.0
        sd = 10.0
        [[variables]]
        name = "lactate"
        sources = ["lactate"]
        transform = "log1p"
        mean = 1.0
        sd = 0.5
        "#,
    )
    .unwrap()
}

fn rows(frame: &FeatureFrame, max_hours: usize) -> Vec<Vec<f32>> {
    let mut out = Tokens::default();
    let tokenizer = Tokenizer::new(spec(), max_hours).unwrap();
    tokenizer.fill(frame, &mut out);
    assert_eq!(out.values.len(), out.hours * tokenizer.features());
    out.values.chunks(9).map(<[f32]>::to_vec).collect()
}

fn since(hours: f32) -> f32 {
    hours.ln_1p() / 6.0
}

#[test]
fn values_masks_ages_and_the_person() {
    use Signal::{AbpMean, Lactate, NibpMean};
    let mut f = frame(&[&[(NibpMean, 70.0)], &[(NibpMean, 60.0), (AbpMean, 90.0)], &[(Lactate, 3.0)], &[]]);
    f.demographics = Demographics { age_years: Some(71.0), sex: Some(Sex::Female) };
    let lactate = (4.0_f32.ln() - 1.0) / 0.5;
    let want = [
        vec![-1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.71, 0.0, since(1.0)],
        vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.71, 0.0, since(2.0)],
        vec![1.0, lactate, 0.0, 1.0, 1.0 / 48.0, 0.0, 0.71, 0.0, since(3.0)],
        vec![1.0, lactate, 0.0, 0.0, 2.0 / 48.0, 1.0 / 48.0, 0.71, 0.0, since(4.0)],
    ];
    for (got, want) in rows(&f, 48).iter().zip(want) {
        assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} != {want:?}");
    }
}

#[test]
fn implausible_values_never_enter_and_large_ones_are_clipped() {
    use Signal::{AbpMean, Lactate, NibpMean};
    let f = frame(&[&[(AbpMean, 999.0), (NibpMean, 240.0), (Lactate, -1.0)]]);
    assert_eq!(rows(&f, 48)[0][..6], [5.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn only_the_last_hours_are_tokens_and_what_came_before_is_carried() {
    use Signal::{AbpMean, Lactate};
    let mut many: Vec<&[(Signal, f32)]> = vec![&[(AbpMean, 90.0), (Lactate, 3.0)]];
    many.extend(std::iter::repeat_n(&[] as &[(Signal, f32)], 60));
    let got = rows(&frame(&many), 48);
    assert_eq!(got.len(), 48);
    assert_eq!((got[0][0], got[0][4], got[47][4]), (1.0, 13.0 / 48.0, 1.0));
    assert!((got[47][8] - since(61.0)).abs() < 1e-6);
}

#[test]
fn what_was_known_before_the_grid_counts() {
    let mut f = frame(&[&[]]);
    let hour = f.grid.first_hour;
    f.grid.before[Signal::NibpMean.index()] = Some((100.0, hour - 3));
    f.grid.before[Signal::AbpMean.index()] = Some((90.0, hour - 5));
    let got = rows(&f, 48);
    assert_eq!((got[0][0], got[0][2], got[0][4]), (2.0, 0.0, 3.0 / 48.0));
    f.grid.before[Signal::AbpMean.index()] = Some((90.0, hour - 3));
    assert_eq!(rows(&f, 48)[0][0], 1.0, "the preferred source of the same hour");
}

#[test]
fn hours_after_the_last_row_and_nothing_after_the_frame() {
    let mut f = frame(&[&[(Signal::AbpMean, 90.0)], &[(Signal::AbpMean, 70.0)]]);
    f.at = START + Span::minutes(1);
    assert_eq!(rows(&f, 48).len(), 1);
    assert_eq!(rows(&f, 48)[0][0], 1.0, "the second row is later than the frame");
    f.at = START + Span::hours(3);
    assert_eq!(rows(&f, 48).iter().map(|r| r[0]).collect::<Vec<_>>(), [1.0, -1.0, -1.0, -1.0]);
    f.grid = HourGrid::new(START + Span::hours(9));
    assert_eq!(rows(&f, 48).len(), 1, "a frame before its grid is still one token");
}

#[test]
fn a_mask_is_never_observed() {
    let f = frame(&[&[(Signal::AbpMean, 90.0), (Signal::Lactate, 3.0)], &[]]);
    let tokenizer = Tokenizer::new(spec(), 48).unwrap();
    let (mut whole, mut without) = (Tokens::default(), Tokens::default());
    tokenizer.fill(&f, &mut whole);
    tokenizer.fill(&frame(&[&[(Signal::AbpMean, 90.0)], &[]]), &mut without);
    let mut masked = Vec::new();
    tokenizer.mask(&whole.values, 1, &mut masked);
    assert_eq!(masked, without.values);
    assert_eq!(whole.last_source, [Some(Signal::AbpMean), Some(Signal::Lactate)]);
}

#[test]
fn bad_specs_are_refused() {
    let mut other = spec();
    other.contract = "daily".into();
    assert!(matches!(Tokenizer::new(other, 48), Err(Error::Contract(_))));
    let mut other = spec();
    other.variables[0].sources = vec!["pressure".into()];
    assert!(matches!(Tokenizer::new(other, 48), Err(Error::Source(_))));
    let mut other = spec();
    other.variables[0].sd = 0.0;
    assert!(matches!(Tokenizer::new(other, 48), Err(Error::Number(_))));
    let mut other = spec();
    other.feature_count = 8;
    assert!(matches!(Tokenizer::new(other, 48), Err(Error::Number(_))));
    assert!(matches!(Tokenizer::new(spec(), 0), Err(Error::Number(_))));
}
