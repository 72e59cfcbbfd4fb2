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
        hospital_admitted_at: None,
        unit: None,
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
        layout = ["values", "masks", "ages", "age_years", "sex", "since_admission"]
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

fn spec_v2() -> Spec {
    let mut spec = spec();
    spec.contract = "hourly-v2".into();
    spec.layout = LAYOUT_V2.iter().map(|s| (*s).to_owned()).collect();
    spec.feature_count = 15;
    spec.before_icu_divisor = Some(6.0);
    spec
}

#[test]
fn the_second_contract_adds_the_way_to_the_unit_and_its_kind() {
    let tokenizer = Tokenizer::new(spec_v2(), 48).unwrap();
    let last = |f: &FeatureFrame| {
        let mut out = Tokens::default();
        tokenizer.fill(f, &mut out);
        assert_eq!((out.hours, out.values.len()), (2, 30));
        assert_eq!(out.values[9..15], out.values[24..], "the same in every hour");
        out.values[24..].to_vec()
    };
    let mut f = frame(&[&[(Signal::AbpMean, 90.0)], &[]]);
    assert_eq!(last(&f), [0.0; 6], "unknown");
    let cases = [
        (Span::hours(30), Some(UnitKind::Medical), 31.0_f32.ln() / 6.0, [1.0, 0.0, 0.0, 0.0]),
        (Span::ZERO, Some(UnitKind::Surgical), 0.0, [0.0, 1.0, 0.0, 0.0]),
        (Span::hours(-5), Some(UnitKind::Coronary), 0.0, [0.0, 0.0, 1.0, 0.0]),
        (Span::minutes(30), Some(UnitKind::CardiacSurgery), 1.5_f32.ln() / 6.0, [0.0, 0.0, 0.0, 1.0]),
    ];
    for (before, unit, want, one_hot) in cases {
        (f.hospital_admitted_at, f.unit) = (Some(f.stay_start - before), unit);
        let got = last(&f);
        assert!((got[0] - want).abs() < 1e-6, "{} != {want}", got[0]);
        assert_eq!((got[1], &got[2..]), (1.0, &one_hot[..]));
    }
}

/// What a frame would be if the edit were true.
fn edited(spec: Spec, frame: &FeatureFrame, edits: &[Edit], more: i64) -> Tokens {
    let mut out = Tokens::default();
    Tokenizer::new(spec, 48).unwrap().fill_edited(frame, edits, more, &mut out);
    out
}

#[test]
fn an_edit_gives_the_tokens_of_a_frame_that_had_been_so() {
    use Signal::{AbpMean, Lactate, NibpMean};
    let mut f = frame(&[&[(AbpMean, 90.0), (Lactate, 3.0)], &[(NibpMean, 70.0)], &[], &[(AbpMean, 50.0)]]);
    f.grid.before[NibpMean.index()] = Some((80.0, f.grid.first_hour - 2));
    let hour = f.grid.first_hour;
    let never = |variable| Edit { variable, from: None, value: None };
    let from = |variable, ago, value| Edit { variable, from: Some(hour + 3 - ago), value };

    let mut want = frame(&[&[(Lactate, 3.0)], &[], &[], &[]]);
    assert_eq!(edited(spec(), &f, &[never(0)], 0), edited(spec(), &want, &[], 0), "never, also not before");

    want.grid.before.clone_from(&f.grid.before);
    let got = edited(spec(), &f, &[from(0, 3, None)], 0);
    assert_eq!(got, edited(spec(), &want, &[], 0), "not since the first hour");
    assert_eq!(got.last_source, [Some(NibpMean), Some(Lactate)]);

    let mut want = frame(&[&[(AbpMean, 90.0), (Lactate, 3.0)], &[(NibpMean, 70.0)], &[], &[]]);
    want.grid.before.clone_from(&f.grid.before);
    assert_eq!(edited(spec(), &f, &[from(0, 0, None)], 0), edited(spec(), &want, &[], 0), "not now");

    let held = [(AbpMean, 65.0), (Lactate, 2.0)];
    let edits = [from(0, 0, Some(held[0])), from(1, 0, Some(held[1]))];
    let mut want = frame(&[&[(AbpMean, 90.0), (Lactate, 3.0)], &[(NibpMean, 70.0)], &[], &held, &held]);
    want.grid.before.clone_from(&f.grid.before);
    want.at = f.at;
    assert_eq!(edited(spec(), &f, &edits, 0), edited(spec(), &want, &[], 0), "held this hour");
    want.at = f.at + Span::hours(1);
    assert_eq!(edited(spec(), &f, &edits, 1), edited(spec(), &want, &[], 0), "and the next");
}

#[test]
fn hours_of_observations_are_found() {
    let f = frame(&[&[(Signal::AbpMean, 90.0)], &[], &[(Signal::NibpMean, 70.0)]]);
    let tokens = edited(spec(), &f, &[], 0);
    let tokenizer = Tokenizer::new(spec(), 48).unwrap();
    let first = f.grid.first_hour;
    assert_eq!(tokens.first_hour, first);
    assert_eq!(tokenizer.observed_hours(&tokens, 0), [first, first + 2]);
    assert_eq!(tokenizer.observed_hours(&tokens, 1), Vec::<i64>::new());
}

/// Every refusal with its sentence.
#[test]
fn bad_specs_are_refused_in_a_sentence() {
    type Spoil = fn(&mut Spec);
    let cases: [(Spoil, &str); 19] = [
        (|s| s.contract = "daily".into(), "input contract is \"daily\""),
        (|s| s.contract = "hourly-v1".into(), "for its contract this engine builds [\"values\""),
        (|s| s.layout.swap(3, 4), "the encoder's layout is"),
        (|s| s.layout.truncate(6), "the encoder's layout is"),
        (|s| s.feature_count = 9, "feature_count is 9; 2 variables make 15"),
        (|s| s.variables.clear(), "feature_count is 15; 0 variables make 9"),
        (|s| s.variables[0].sources = vec!["pressure".into()], "\"map\" has an unknown source or none"),
        (|s| s.variables[0].sources.clear(), "\"map\" has an unknown source or none"),
        (|s| s.variables[1].name = "map".into(), "variable \"map\" stands twice"),
        (|s| s.variables[0].sd = 0.0, "no usable mean and sd"),
        (|s| s.variables[0].mean = f32::NAN, "no usable mean and sd"),
        (|s| s.clip = -1.0, "no usable clip"),
        (|s| s.age_years_divisor = 0.0, "no usable age_years_divisor"),
        (|s| s.since_admission_divisor = f32::INFINITY, "no usable since_admission_divisor"),
        (|s| s.before_icu_divisor = None, "no usable before_icu_divisor"),
        (|s| s.before_icu_divisor = Some(0.0), "no usable before_icu_divisor"),
        (|s| s.age_years_unknown = f32::NAN, "no usable age_years_unknown"),
        (|s| s.sex_unknown = f32::NAN, "no usable age_years_unknown or sex"),
        (|s| s.age_cap_hours = 0, "no usable age_cap_hours"),
    ];
    for (spoil, sentence) in cases {
        let mut spec = spec_v2();
        spoil(&mut spec);
        let error = Tokenizer::new(spec, 48).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    let error = Tokenizer::new(spec_v2(), 0).unwrap_err().to_string();
    assert!(error.contains("no usable max_hours"), "{error}");
    assert!(Tokenizer::new(spec(), 48).is_ok() && Tokenizer::new(spec_v2(), 48).is_ok());
}
