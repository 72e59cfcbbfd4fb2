//! A backend that invents plausible values, behind the same trait as the real ones.
//!
//! It takes a true rationale about a simulated patient and makes one thing of it false: a number, a
//! unit, a time, a trend, a band, a name, an added claim, letters that only look alike. Ten thousand
//! times the checker must refuse it and the template must speak. Whether a change made the text
//! false is decided here from the evidence alone, by no code of the checker; a change that left it
//! true by chance is counted apart.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bedwatch_inference::{
    backend::{Backend, Failure},
    bundle::Bundle,
    lexicon::Lexicon,
    template,
    writer::{Request, Writer},
};
use bedwatch_schemas::{
    alert::{Alert, Phase},
    rationale::{RationaleSource, TemplateReason},
    risk::ModelRef,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    lies::{self, Lie, Story},
    support::{Folder, has_onnxruntime, recording, replay},
};

const TRIES: usize = 10_000;

/// Says what it is told to say.
#[derive(Debug)]
struct Adversary {
    model: ModelRef,
    lexicon: Lexicon,
    says: Arc<Mutex<String>>,
}

impl Backend for Adversary {
    fn model(&self) -> &ModelRef {
        &self.model
    }

    fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    fn narrate(&self, _: &Request<'_>, _: &dyn Fn() -> bool) -> Result<String, Failure> {
        Ok(self.says.lock().unwrap().clone())
    }
}

/// Raised clinical alerts of a simulated ward, with the words they left with.
fn alerts() -> Vec<Alert> {
    let folder = Folder::new("adversary");
    let recording = recording(&folder, 24, "12h", "5m");
    let out = folder.join("out");
    replay(&[&recording], &out, &[]);
    let text = std::fs::read_to_string(out.join("alerts.ndjson")).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Alert>(line).unwrap());
    all.filter(|a| a.phase == Phase::Raised && !a.kind.is_technical() && !a.evidence.facts.is_empty())
        .collect()
}

#[test]
fn ten_thousand_inventions_are_all_refused() {
    if !has_onnxruntime("ten_thousand_inventions_are_all_refused") {
        return;
    }
    let folder = bedwatch::setup::models_folder(std::path::Path::new(""));
    let bundle = bedwatch::config::Config::default().models.narrator;
    let bundle = Bundle::open(folder.join(bundle)).unwrap();
    let lexicon = Lexicon::parse(bundle.file("lexicon.json").unwrap()).unwrap();
    let says = Arc::new(Mutex::new(String::new()));
    let model = ModelRef { name: "adversary".to_owned(), version: "1".to_owned() };
    let writer = Writer::with(Adversary { model, lexicon: lexicon.clone(), says: says.clone() });
    let tell = |alert: &Alert, text: &str| {
        text.clone_into(&mut says.lock().unwrap());
        let request = Request {
            kind: alert.kind,
            phase: Phase::Raised,
            priority: alert.priority,
            evidence: &alert.evidence,
            embedding: &[],
        };
        writer.write(&request, &|| false).source
    };
    let alerts = alerts();
    let by_model = alerts.iter().filter(|a| matches!(a.rationale.source, RationaleSource::Model(_))).count();
    assert!(alerts.len() > 20 && by_model > 10, "{} alerts, {by_model} by the model", alerts.len());
    let stories: Vec<Story<'_>> = alerts
        .iter()
        .flat_map(|alert| {
            let template = template::write(alert.kind, Phase::Raised, alert.priority, &alert.evidence);
            [alert.rationale.text.clone(), template].map(|text| Story { alert, text, lexicon: &lexicon })
        })
        .collect();
    for story in &stories {
        let source = tell(story.alert, &story.text);
        assert!(matches!(source, RationaleSource::Model(_)), "a true text is refused: {}", story.text);
    }
    let mut random = ChaCha8Rng::seed_from_u64(4711);
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut lies, mut escaped) = (0, Vec::new());
    while lies < TRIES {
        let story = &stories[random.random_range(0..stories.len())];
        let (name, make) = lies::KINDS[random.random_range(0..lies::KINDS.len())];
        let count = counts.entry(name).or_default();
        match make(story, &mut random) {
            None => {}
            Some(Lie::StillTrue) => count.1 += 1,
            Some(Lie::False(text)) => {
                assert_ne!(text, story.text, "{name} changed nothing");
                let source = tell(story.alert, &text);
                if source != RationaleSource::Template(TemplateReason::CheckFailed) {
                    escaped.push(format!("{name}:\n  {}\n  {text}", story.text));
                }
                count.0 += 1;
                lies += 1;
            }
        }
    }
    let shown = escaped.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(escaped.is_empty(), "{} inventions got through:\n{shown}", escaped.len());
    println!("{} alerts ({by_model} told by the model), {lies} inventions refused:", alerts.len());
    for (name, (refused, chance)) in &counts {
        println!("  {name}: {refused} refused, {chance} still true by chance");
        assert!(*refused >= 50, "{name} was tried {refused} times only");
    }
    assert_eq!(writer.counts().template["check_failed"], u64::try_from(TRIES).unwrap());
}
