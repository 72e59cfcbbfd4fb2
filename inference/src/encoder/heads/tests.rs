use super::*;

fn spec(name: &str, index: usize) -> Spec {
    Spec {
        name: name.into(),
        index,
        platt_a: 1.0,
        platt_b: 0.0,
        operating_point: 0.3,
        high_priority_point: 0.6,
        conformal: Vec::new(),
    }
}

fn row(site: &str, negative_at_most: f32, positive_at_least: f32) -> Conformal {
    Conformal { site: site.into(), coverage: 0.9, negative_at_most, positive_at_least }
}

/// Two heads that state certainty for any hospital, for A and for B.
fn two() -> Vec<Spec> {
    let mut specs = vec![spec("deterioration", 0), spec("sepsis", 1)];
    for spec in &mut specs {
        spec.conformal = vec![row("any", 0.6, 0.2), row("A", 0.3, 0.5), row("B", 0.4, 0.4)];
    }
    specs
}

#[test]
fn heads_stand_in_one_order_and_read_their_own_logit() {
    let heads = Heads::new(&two(), ANY_SITE).unwrap();
    let risks = heads.risks(&[0.0, 2.0]);
    assert_eq!(risks.iter().map(|r| r.head).collect::<Vec<_>>(), [Head::Sepsis, Head::Deterioration]);
    assert_eq!(risks[1].probability, 0.5);
    assert!((risks[0].probability - 0.880_797).abs() < 1e-6);
    assert_eq!((heads.outputs(), risks[0].operating_point), (2, 0.3));
}

/// Both labels in the set and none in it are "unsure"; a probability on a bound is in.
#[test]
fn certainty_is_what_the_set_holds() {
    use Certainty::{High, Low, Unsure};
    for (site, probability, want) in [
        ("any", 0.19, Low),
        ("any", 0.2, Unsure),
        ("any", 0.6, Unsure),
        ("any", 0.61, High),
        ("A", 0.3, Low),
        ("A", 0.4, Unsure),
        ("A", 0.5, High),
        ("B", 0.39, Low),
        ("B", 0.4, Unsure),
        ("B", 0.41, High),
    ] {
        let specs = two();
        let set = specs[0].conformal.iter().find(|c| c.site == site).unwrap();
        assert_eq!(set.certainty(probability), want, "{site} {probability}");
    }
    let certainty = |site| Heads::new(&two(), site).unwrap().risks(&[-0.4, 0.0])[1].certainty;
    assert_eq!((certainty("any"), certainty("A"), certainty("B")), (Some(Unsure), Some(Unsure), Some(High)));
    let none = Heads::new(&[spec("sepsis", 0)], ANY_SITE).unwrap();
    assert_eq!(none.risks(&[0.0])[0].certainty, None, "a bundle that states nothing");
}

#[test]
fn bad_heads_are_refused_in_a_sentence() {
    type Spoil = fn(&mut Vec<Spec>);
    let cases: [(Spoil, &str); 17] = [
        (Vec::clear, "there is none"),
        (|s| s[0].name = "fever".into(), "\"fever\" is no head"),
        (|s| s[0].name = "sepsis".into(), "sepsis stands twice"),
        (|s| s[0].index = 2, "the index 2 of deterioration is out of range or taken"),
        (|s| s[1].index = 0, "the index 0 of sepsis is out of range or taken"),
        (|s| s[0].operating_point = 0.7, "operating points of deterioration"),
        (|s| s[0].high_priority_point = 1.2, "operating points of deterioration"),
        (|s| s[0].operating_point = f32::NAN, "operating points of deterioration"),
        (|s| s[1].platt_a = f32::NAN, "calibration of sepsis"),
        (|s| s[1].platt_a = -1.0, "calibration of sepsis"),
        (|s| s[1].platt_b = f32::INFINITY, "calibration of sepsis"),
        (|s| s[0].conformal[1].coverage = 1.0, "deterioration for site \"A\" holds a number"),
        (|s| s[0].conformal[1].coverage = f32::NAN, "deterioration for site \"A\" holds a number"),
        (|s| s[0].conformal[0].negative_at_most = 1.1, "deterioration for site \"any\" holds a number"),
        (|s| s[0].conformal[0].positive_at_least = f32::NAN, "deterioration for site \"any\" holds a number"),
        (|s| s[1].conformal[2].site = "A".into(), "sepsis has two conformal rows for site \"A\""),
        (|s| drop(s[0].conformal.remove(0)), "deterioration has conformal rows and none for site \"any\""),
    ];
    for (spoil, sentence) in cases {
        let mut specs = two();
        spoil(&mut specs);
        let error = Heads::new(&specs, ANY_SITE).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    let mut elsewhere = two();
    elsewhere[0].conformal.remove(1);
    let one = |specs: &[Spec], site| Heads::new(specs, site).unwrap().all[1].set.clone();
    assert_eq!(one(&elsewhere, "A"), one(&two(), ANY_SITE), "what holds anywhere holds at A");
    assert_ne!(one(&two(), "A"), one(&two(), ANY_SITE));
    let error = Heads::new(&two(), "C").unwrap_err().to_string();
    assert_eq!(error, "the bundle states no certainty for site \"C\"; it knows \"A\", \"B\", \"any\"");
    let error = Heads::new(&[spec("sepsis", 0)], "A").unwrap_err().to_string();
    assert_eq!(
        error,
        "the bundle states no certainty for site \"A\"; it knows only \"any\", since it states none"
    );
}
