use super::*;
use crate::bundle::tests::{tiny, tiny_with};

fn exemplars(bundle: &Bundle) -> Result<Exemplars, Error> {
    Exemplars::load(bundle, &Spec { vectors: "neighbours.bin".into(), list: "neighbours.json".into() }, 16)
}

#[test]
fn an_exemplar_is_nearest_to_itself() {
    let bundle = tiny(|m| m).unwrap();
    let exemplars = exemplars(&bundle).unwrap();
    assert_eq!(exemplars.list().len(), 5);
    for (i, own) in exemplars.list().iter().enumerate() {
        let twice: Vec<f32> = exemplars.directions.row(i).iter().map(|x| 2.0 * x).collect();
        let found = exemplars.nearest(&twice, 3);
        assert_eq!(found.len(), 3);
        let Similar::Exemplar { id, words, cosine } = &found[0] else { panic!("an exemplar") };
        assert_eq!((id, words), (&own.id, &own.words));
        assert!((cosine - 1.0).abs() < 1e-6);
    }
    assert!(exemplars.nearest(&[0.0; 16], 3).is_empty(), "no direction");
    assert!(exemplars.nearest(&[1.0; 15], 3).is_empty(), "another size");
}

#[test]
fn equal_cosines_stand_by_their_place() {
    assert_eq!(top(&[0.5, 0.9, 0.5, 0.9], 3), [(1, 0.9), (3, 0.9), (0, 0.5)]);
    assert_eq!(top(&[], 3), []);
}

#[test]
fn bad_files_are_refused_in_a_sentence() {
    let zero = vec![0; 5 * 16 * 4];
    let mut nan = tiny(|m| m).unwrap().file("neighbours.bin").unwrap().to_vec();
    nan[64..68].copy_from_slice(&f32::NAN.to_le_bytes());
    let cases: [(&str, &[u8], &str); 6] = [
        ("neighbours.bin", &zero[..316], "holds 316 bytes; 5 rows of 16 numbers make 320"),
        ("neighbours.bin", &zero, "row 0 of \"neighbours.bin\""),
        ("neighbours.bin", &nan, "row 1 of \"neighbours.bin\""),
        ("neighbours.json", b"[{\"id\": \"a\", \"words\": \"b\"}]", "1 rows of 16 numbers make 64"),
        ("neighbours.json", b"[{\"id\": \"a\"}]", "\"neighbours.json\" of the model bundle is not the list"),
        ("neighbours.json", b"no", "\"neighbours.json\" of the model bundle is not the list"),
    ];
    for (file, bytes, sentence) in cases {
        let error = exemplars(&tiny_with(file, bytes)).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    let unlisted = Spec { vectors: "other.bin".into(), list: "neighbours.json".into() };
    let error = Exemplars::load(&tiny(|m| m).unwrap(), &unlisted, 16).unwrap_err().to_string();
    assert!(error.contains("without listing it"), "{error}");
}

fn ago(similar: &[Similar]) -> Vec<u32> {
    let hours = |s: &Similar| match s {
        Similar::Own { hours_ago, .. } => *hours_ago,
        Similar::Exemplar { .. } => panic!("own"),
    };
    similar.iter().map(hours).collect()
}

#[test]
fn the_own_past_is_found_by_stretch() {
    let mut past = Past::default();
    let at = |angle: f32| [angle.cos(), angle.sin()];
    // The patient turns slowly: the nearest past is the latest that is far enough back.
    for hour in 0..30_u16 {
        past.remember(i64::from(hour), &at(f32::from(hour) * 0.05));
    }
    let found = past.nearest(29, &at(29.0 * 0.05), 3);
    assert_eq!(ago(&found), [6, 12, 18], "stretches, not neighbouring hours");
    let Similar::Own { cosine, .. } = found[0] else { panic!("own") };
    assert!((cosine - (6.0_f32 * 0.05).cos()).abs() < 0.01, "{cosine}: a byte a number is enough");
    assert!(past.nearest(29, &[0.0, 0.0], 3).is_empty() && past.nearest(29, &[1.0; 3], 3).is_empty());
}

#[test]
fn the_past_keeps_the_last_of_an_hour_for_three_days() {
    let mut past = Past::default();
    past.remember(0, &[1.0, 0.0]);
    past.remember(0, &[0.0, 1.0]);
    assert_eq!(past.hours, [(0, vec![0, 127])]);
    past.remember(-1, &[1.0, 0.0]);
    past.remember(0, &[f32::NAN, 1.0]);
    past.remember(0, &[0.0, 0.0]);
    assert_eq!(past.hours.len(), 1, "hours do not go back, and nothing without a direction is kept");
    past.remember(72, &[1.0, 0.0]);
    assert_eq!(past.hours.len(), 2);
    past.remember(73, &[1.0, 0.0]);
    assert_eq!(past.hours.front().map(|h| h.0), Some(72), "the first is older than three days");
}

#[test]
fn a_merge_keeps_the_own_hours() {
    let (mut own, mut other) = (Past::default(), Past::default());
    own.remember(80, &[1.0, 0.0]);
    own.remember(82, &[1.0, 0.0]);
    for hour in [5, 10, 80, 81] {
        other.remember(hour, &[0.0, 1.0]);
    }
    own.merge(other);
    let (x, y) = (vec![127, 0], vec![0, 127]);
    assert_eq!(own.hours, [(10, y.clone()), (80, x.clone()), (81, y), (82, x)]);
    let mut none = Past::default();
    none.merge(Past::default());
    assert_eq!(none, Past::default());
}

#[test]
fn own_and_exemplars_are_ranked_together() {
    let bundle = tiny(|m| m).unwrap();
    let exemplars = exemplars(&bundle).unwrap();
    let like: Vec<f32> = exemplars.directions.row(2).to_vec();
    let mut past = Past::default();
    past.remember(10, &like.iter().map(|x| -x).collect::<Vec<_>>());
    past.remember(20, &like);
    let found = nearest(Some(&exemplars), &past, 30, &like, 3);
    let alike = |s: &Similar| match s {
        Similar::Own { cosine, .. } | Similar::Exemplar { cosine, .. } => *cosine >= ALIKE_FROM,
    };
    assert!((2..=3).contains(&found.len()) && found.iter().all(alike), "{found:?}");
    let names: Vec<String> = found
        .iter()
        .map(|s| match s {
            Similar::Own { hours_ago, .. } => format!("{hours_ago} h ago"),
            Similar::Exemplar { id, .. } => id.clone(),
        })
        .collect();
    assert!(
        names[..2].contains(&"10 h ago".to_owned()) && names[..2].contains(&"sim-2".to_owned()),
        "{names:?}"
    );
    assert_eq!(nearest(None, &Past::default(), 30, &like, 3), []);
}
