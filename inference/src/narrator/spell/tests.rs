//! A Llama with random weights over a byte-level BPE (`bedwatch_training.hf_decoders`) spells the
//! shipped narrator's words.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bedwatch_schemas::{
    alert::{AlertKind, Phase, Priority},
    evidence::Evidence,
    rationale::{RationaleSource, TemplateReason},
};
use proptest::{prelude::*, strategy::ValueTree};
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    bundle::{Bundle, tests::shipped},
    check::{check, check_raised, tests::evidences},
    narrator::{Narrator, constrain::Vocabulary},
    runtime::tests::installed,
    writer::{Request, Writer},
};

fn data(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests-data/hf-decoders").join(name)).unwrap()
}

/// A bundle of the random decoder with the narrator's words; its folder is removed at the end.
struct Spelled(PathBuf, Bundle);

impl Drop for Spelled {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// `change` edits the manifest's text.
fn spelled(name: &str, narrator: &Bundle, change: impl Fn(String) -> String) -> Spelled {
    let folder = std::env::temp_dir().join(format!("bedwatch-spelled-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let files = [
        ("decoder.onnx", data("speller.onnx")),
        ("speller.json", data("speller.json")),
        ("tokenizer.json", narrator.file("tokenizer.json").unwrap().to_vec()),
        ("lexicon.json", narrator.file("lexicon.json").unwrap().to_vec()),
    ];
    let cache: Vec<String> = ["0.key", "0.value", "1.key", "1.value"].map(str::to_owned).to_vec();
    let names = |first: &[&str], prefix: &str| {
        let all = first.iter().map(|n| (*n).to_owned()).chain(cache.iter().map(|c| format!("{prefix}.{c}")));
        format!("{:?}", all.collect::<Vec<_>>())
    };
    let words = Tokenizer::from_bytes(narrator.file("tokenizer.json").unwrap()).unwrap();
    let mut manifest = format!(
        "format = \"bedwatch-bundle-1\"\nkind = \"narrator\"\nname = \"spelled\"\nversion = \"1\"\nlicence = \"Apache-2.0\"\n\
         n_layer = 2\nn_head = 4\nn_kv_head = 2\nhead_dim = 6\nn_positions = 2048\nvocab_size = 512\nmax_new_tokens = 256\neos_id = {}\n\
         [onnx]\nfile = \"decoder.onnx\"\nopset = 18\ninputs = {}\noutputs = {}\n\
         [tokenizer]\nfile = \"tokenizer.json\"\n[lexicon]\nfile = \"lexicon.json\"\n[spelling]\nfile = \"speller.json\"\neos_id = 0\n",
        words.token_to_id("<eos>").unwrap(),
        names(&["input_ids", "attention_mask", "position_ids"], "past_key_values"),
        names(&["logits"], "present"),
    );
    for (path, bytes) in files {
        let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        manifest.push_str(&format!("[[files]]\npath = \"{path}\"\nsha256 = \"{hash}\"\n"));
        fs::write(folder.join(path), bytes).unwrap();
    }
    fs::write(folder.join("manifest.toml"), change(manifest)).unwrap();
    let bundle = Bundle::open(&folder).unwrap();
    Spelled(folder, bundle)
}

/// 200 evidences: whatever a model with random weights would say, what is shown passes the checker,
/// and the rest is told by the template.
#[test]
fn what_a_random_llama_spells_passes_the_checker_or_is_replaced() {
    let name = "what_a_random_llama_spells_passes_the_checker_or_is_replaced";
    let (Some(narrator), Some(runtime)) = (shipped("narrator-v2"), installed(name)) else { return };
    let bundle = spelled("random", &narrator, |m| m);
    let writer = Writer::with(Narrator::load(&runtime, &bundle.1, 1).unwrap());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut texts = BTreeSet::new();
    for i in 0..200 {
        let evidence: Evidence = evidences().new_tree(&mut runner).unwrap().current();
        let (kind, priority) = (AlertKind::ALL[i % 8], Priority::High);
        let request = Request { kind, phase: Phase::Raised, priority, evidence: &evidence, embedding: &[] };
        let rationale = writer.write(&request, &|| false);
        assert_eq!(check(&rationale.text, kind, &evidence, writer.lexicon()), Ok(()), "{}", rationale.text);
        match rationale.source {
            RationaleSource::Model(model) => {
                assert_eq!(model.name, "spelled");
                assert_eq!(check_raised(&rationale.text, priority, writer.lexicon()), Ok(()));
                texts.insert(rationale.text);
            }
            RationaleSource::Template(reason) => {
                assert!(
                    matches!(reason, TemplateReason::CheckFailed | TemplateReason::ModelFailed),
                    "{reason:?}"
                );
            }
        }
    }
    let counts = writer.counts();
    assert_eq!(counts.model + counts.templates(), 200);
    println!(
        "{} of 200 told by random weights, {} different texts; {:?}",
        counts.model,
        texts.len(),
        counts.template
    );
    println!("{}", texts.iter().max_by_key(|t| t.len()).map_or("", String::as_str));
    // Both ways were taken: else this would show nothing.
    assert!(counts.model > 0 && counts.templates() > 0, "{counts:?}");
}

/// Random walks through the tokens allowed: the bytes written are the text of the words, each of which
/// the constraint allowed; and what is allowed is exactly what leads on to a word.
#[test]
fn tokens_spell_allowed_words_and_nothing_else() {
    let Some(narrator) = shipped("narrator-v2") else { return };
    let words = Tokenizer::from_bytes(narrator.file("tokenizer.json").unwrap()).unwrap();
    let lexicon = crate::lexicon::Lexicon::parse(narrator.file("lexicon.json").unwrap()).unwrap();
    let eos = words.token_to_id("<eos>").unwrap();
    let vocabulary = Vocabulary::new(&words, &lexicon, eos);
    let spec: Spec = toml::from_str("file = \"speller.json\"\neos_id = 0").unwrap();
    let speller = Speller::new(spec, &data("speller.json"), &words).unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut ended, mut written) = (0, 0);
    for _ in 0..60 {
        let evidence: Evidence = evidences().new_tree(&mut runner).unwrap().current();
        let known = |t: &str| words.token_to_id(t).is_some();
        let Some(prompt) = Prompt::new(AlertKind::Sepsis, Priority::High, &evidence, &known) else {
            continue;
        };
        assert!(!speller.prompt(&prompt).unwrap().is_empty());
        let begin = || Constraint::new(&vocabulary, &lexicon, &prompt);
        let mut spelling = Spelling::new(&speller, begin, eos);
        let mut tokens: Vec<u32> = Vec::new();
        for _ in 0..120 {
            let allowed: Vec<u32> = spelling.allowed().into_iter().collect();
            if allowed.is_empty() {
                break; // a phrase that leads nowhere: the decoder would say it is stuck
            }
            let pick = (0..allowed.len()).new_tree(&mut runner).unwrap().current();
            let id = allowed[pick];
            if id == speller.eos() {
                ended += 1;
                break;
            }
            spelling.push(id);
            tokens.push(id);
        }
        written += tokens.len();
        let text = speller.tokenizer.decode(&tokens, true).unwrap();
        let begun = String::from_utf8(spelling.begun.clone()).unwrap();
        let (mut canonical, mut previous, mut constraint) = (String::new(), None, begin());
        for id in &spelling.said {
            let word = spelling.word(*id).unwrap();
            assert!(constraint.allows(*id), "{word} after {canonical:?}");
            constraint.push(*id);
            canonical.push_str(&String::from_utf8(glued(previous, word)).unwrap());
            previous = Some(word);
        }
        assert_eq!(text, format!("{canonical}{begun}"));
        let mut after: Vec<Vec<u8>> = speller.candidates(&constraint, previous).map(|(_, b)| b).collect();
        after.retain(|b| b.starts_with(begun.as_bytes()));
        assert!(!after.is_empty(), "{begun:?} leads to no word");
    }
    println!("{written} tokens, {ended} texts ended");
    assert!(written > 2_000);
}

#[test]
fn a_spelling_that_does_not_fit_is_refused() {
    let name = "a_spelling_that_does_not_fit_is_refused";
    let (Some(narrator), Some(runtime)) = (shipped("narrator-v2"), installed(name)) else { return };
    for (case, from, to, want) in [
        ("small", "vocab_size = 512", "vocab_size = 511", "vocab_size is less"),
        ("heads", "n_kv_head = 2", "n_kv_head = 4", "kv_heads 2, and its manifest says 4"),
        ("size", "head_dim = 6", "head_dim = 8", "head_size 6, and its manifest says 8"),
        ("words", "file = \"speller.json\"", "file = \"tokenizer.json\"", "neither byte-level"),
    ] {
        let bundle = spelled(case, &narrator, |m| m.replacen(from, to, 1));
        let error = Narrator::load(&runtime, &bundle.1, 1).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(want), "{case}: {error}");
    }
}

#[test]
fn tokens_are_read_as_bytes() {
    for (c, want) in [
        ('!', Some(b'!')),
        ('Ġ', Some(b' ')),
        ('Ċ', Some(b'\n')),
        ('Ń', Some(0xAD)),
        ('ÿ', Some(0xFF)),
        ('€', None),
    ] {
        assert_eq!(gpt2_byte(c), want, "{c}");
    }
    let all: BTreeSet<u8> = (0_u32..0x150).filter_map(char::from_u32).filter_map(gpt2_byte).collect();
    assert_eq!(all.len(), 256);
    for (token, want) in
        [("\u{2581}heart", b" heart".to_vec()), ("<0x0A>", vec![10]), ("rate", b"rate".to_vec())]
    {
        assert_eq!(Marker::Metaspace.bytes(token), want);
    }
    assert_eq!(Marker::ByteLevel.bytes("Ġheart"), b" heart");
}
