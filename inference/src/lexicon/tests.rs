use super::*;

#[test]
fn every_subject_has_a_phrase_of_its_own() {
    let lexicon = Lexicon::built_in();
    for subject in subjects() {
        let words = split(&label(subject));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(
            lexicon.longest(&words),
            Some((words.len(), &Term::Subject(vec![subject]))),
            "{}",
            subject.name()
        );
    }
}

#[test]
fn the_longest_phrase_is_taken() {
    let lexicon = Lexicon::built_in();
    for (text, length) in
        [("sepsis risk is", 2), ("sepsis is", 1), ("insulin infusion", 2), ("insulin", 1), ("arterial ph", 2)]
    {
        let words: Vec<&str> = text.split(' ').collect();
        assert_eq!(lexicon.longest(&words).map(|t| t.0), Some(length), "{text}");
    }
    assert_eq!(lexicon.word("insulin"), Some(&Term::Forbidden));
    assert_eq!(lexicon.longest(&["penicillin"]), None);
    assert_eq!(lexicon.longest(&[]), None);
}

fn file(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut json = serde_json::json!({
        "format": "bedwatch-lexicon-1",
        "subjects": {"spo2": "peripheral saturation", "xyz": "unheard measure"},
        "trend_words": {"rising": ["soaring"]},
        "band_words": {"low": {"words": ["meagre"], "bands": ["low", "critical_low"]}},
        "kinds": {"sepsis": ["blood poisoning"], "gout": ["gouty state"]},
        "priorities": {"high": ["glaring"]},
        "missing_openers": ["lacking"],
        "forbidden": ["leeches"],
    });
    change(&mut json);
    serde_json::to_vec(&json).unwrap()
}

#[test]
fn a_bundle_adds_words() {
    let lexicon = Lexicon::parse(&file(|_| ())).unwrap();
    let spo2 = Subject::Signal(Signal::Spo2);
    assert_eq!(lexicon.longest(&["peripheral", "saturation"]), Some((2, &Term::Subject(vec![spo2]))));
    assert_eq!(lexicon.phrases(spo2), ["peripheral saturation", "oxygen saturation"]);
    assert_eq!(lexicon.longest(&["unheard", "measure"]), Some((2, &Term::Condition)));
    assert_eq!(lexicon.word("soaring"), Some(&Term::Trend(Direction::Rising)));
    assert_eq!(lexicon.word("glaring"), Some(&Term::Plain));
    assert_eq!(lexicon.word("lacking"), Some(&Term::Missing));
    assert_eq!(lexicon.word("leeches"), Some(&Term::Forbidden));
    assert_eq!(lexicon.longest(&["gouty", "state"]), Some((2, &Term::Condition)));
}

#[test]
fn a_bundle_cannot_change_what_words_mean() {
    let permits = Lexicon::parse(&file(|j| j["plain_words"] = serde_json::json!(["give", "not"]))).unwrap();
    assert_eq!(permits.word("give"), Some(&Term::Forbidden));
    assert_eq!(permits.word("not"), Some(&Term::Forbidden));
    for (key, value) in [
        ("trend_words", serde_json::json!({"falling": ["rising"]})),
        ("trend_words", serde_json::json!({"sideways": ["x"]})),
        ("plain_words", serde_json::json!(["rising"])),
        ("plain_words", serde_json::json!([" "])),
        ("kinds", serde_json::json!({"shock": ["sepsis"]})),
        ("format", serde_json::json!("other")),
    ] {
        assert!(Lexicon::parse(&file(|j| j[key] = value.clone())).is_err(), "{key}: {value}");
    }
    assert!(Lexicon::parse(b"{").is_err());
}
