//! Exit codes and the small commands.

use crate::support::{Folder, bedwatch, has_onnxruntime, ok};

#[test]
fn exit_codes_are_0_1_and_2() {
    assert_eq!(bedwatch().arg("--version").output().unwrap().status.code(), Some(0));
    assert_eq!(bedwatch().arg("nonsense").output().unwrap().status.code(), Some(2));
    let output = bedwatch().args(["replay", "/nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("bedwatch: "), "{error}");
}

#[test]
fn the_printed_default_configuration_is_accepted() {
    let folder = Folder::new("config");
    let file = folder.join("bedwatch.toml");
    std::fs::write(&file, ok(bedwatch().args(["config", "default"])).stdout).unwrap();
    ok(bedwatch().args(["config", "check"]).arg(&file));
    std::fs::write(&file, "[engine]\ncel_millis = 5\n").unwrap();
    let refused = bedwatch().args(["run", "--config"]).arg(&file).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("did you mean engine.cell_millis?"), "{error}");
}

/// 0: it stands; 1: it does not, and everything wrong is told at once; 2: the command is wrong.
#[test]
fn config_check_tells_everything_at_once() {
    let folder = Folder::new("config-check");
    let file = folder.join("bedwatch.toml");
    let check = |text: &str, json: bool| {
        std::fs::write(&file, text).unwrap();
        let mut command = bedwatch();
        command.args(["config", "check"]).arg(&file).args(json.then_some("--json"));
        command.env("BEDWATCH__KAFKA__GRUOP", "ward");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let wrong = "[engine]\ncel_millis = 5\n[http]\nlisten = '0.0.0.0:80'\n[kafka.properties]\n'sasl.password' = 'canary-4711'\n";
    let (code, told) = check(wrong, false);
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "error: line 2, column 1: engine.cel_millis is no key of the configuration; did you mean engine.cell_millis?",
            "error: line 4, column 10: http.listen must be a loopback address: the ward page has no authentication of its own",
            "warning: line 6, column 19: kafka.properties.sasl.password stands in the clear; write \"sasl.password_file\" with the path of a file",
            "error: BEDWATCH__KAFKA__GRUOP: kafka.gruop is no key of the configuration; did you mean BEDWATCH__KAFKA__GROUP?",
        ]
    );
    let (code, told) = check(wrong, true);
    let verdict: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (code, &verdict["stands"], &verdict["hash"]),
        (Some(1), &false.into(), &serde_json::Value::Null)
    );
    assert_eq!(verdict["problems"].as_array().unwrap().len(), 4);
    assert_eq!(verdict["problems"][1]["key"], "http.listen");
    assert_eq!(verdict["problems"][1]["place"], serde_json::json!({"line": 4, "column": 10}));
    assert!(!told.contains("canary"));
    std::fs::write(&file, "[engine]\ncell_millis = 50\n").unwrap();
    let stands = ok(bedwatch().args(["config", "check", "--json"]).arg(&file));
    let verdict: serde_json::Value = serde_json::from_slice(&stands.stdout).unwrap();
    assert_eq!((&verdict["stands"], verdict["hash"].as_str().unwrap().len()), (&true.into(), 16));
    let missing = bedwatch().args(["config", "check", "/nowhere.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(bedwatch().args(["config", "chekc"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn a_text_finds_simulated_stretches() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("inference/tests-data");
    let search = |text: &str| {
        let mut command = bedwatch();
        command.args(["models", "search", text, "--bundle", "encoder-tiny-v2", "--json", "--top", "2"]);
        command.arg("--folder").arg(&folder).output().unwrap()
    };
    let found: serde_json::Value =
        serde_json::from_slice(&search("septic shock on noradrenaline").stdout).unwrap();
    assert_eq!((&found["by"], found["stretches"].as_array().unwrap().len()), (&"phrase".into(), 2));
    assert_eq!(found["stretches"][0]["words"], "septic shock on noradrenaline");
    let refused = search("fever");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("knows no word of the text"));
}

#[test]
fn the_shipped_bundles_stand_and_a_damaged_one_is_refused() {
    ok(bedwatch().args(["models", "verify"]));
    let listed = String::from_utf8(ok(bedwatch().args(["models", "list"])).stdout).unwrap();
    assert!(listed.contains("encoder-hourly-v2") && listed.contains("narrator-v2"), "{listed}");
    ok(bedwatch().args(["models", "card", "encoder-hourly-v2"]));
    let folder = Folder::new("models");
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("inference/models/encoder-hourly-v2");
    let to = folder.join("encoder-hourly-v2");
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let model = to.join("encoder.onnx");
    let mut bytes = std::fs::read(&model).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    let refused = bedwatch().args(["models", "verify", "--folder"]).arg(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
}

/// What is done to a sound bundle, and what `models verify` says of it.
#[test]
fn every_fault_of_a_bundle_is_refused_in_a_clear_sentence() {
    type Damage = fn(&std::path::Path);
    fn edit(folder: &std::path::Path, from: &str, to: &str) {
        let manifest = folder.join("manifest.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(manifest, text.replacen(from, to, 1)).unwrap();
    }
    fn flip(folder: &std::path::Path, file: &str, at: usize) {
        let mut bytes = std::fs::read(folder.join(file)).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1;
        std::fs::write(folder.join(file), bytes).unwrap();
    }
    /// Cuts the ONNX file and vouches for what is left.
    fn cut(folder: &std::path::Path) {
        use sha2::Digest;
        let hash = |b: &[u8]| sha2::Sha256::digest(b).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let bytes = std::fs::read(folder.join("encoder.onnx")).unwrap();
        let part = &bytes[..bytes.len() / 2];
        edit(folder, &hash(&bytes), &hash(part));
        std::fs::write(folder.join("encoder.onnx"), part).unwrap();
    }
    let cases: [(&str, Damage, &str); 17] = [
        ("first byte", |f| flip(f, "encoder.onnx", 0), "\"encoder.onnx\" of the model bundle has SHA-256"),
        ("a byte inside", |f| flip(f, "encoder.onnx", 5_000), "and its manifest says"),
        ("last byte", |f| flip(f, "encoder.onnx", usize::MAX), "has SHA-256"),
        ("another file", |f| flip(f, "parity.json", 77), "\"parity.json\" of the model bundle has SHA-256"),
        (
            "opset",
            |f| edit(f, "opset = 18", "opset = 17"),
            "uses ONNX opset 18; its manifest says 17, and 13 to 24 are supported",
        ),
        (
            "tree opset",
            |f| edit(f, "ml_opset = 3", "ml_opset = 4"),
            "uses ai.onnx.ml opset 3; its manifest says ai.onnx.ml opset 4",
        ),
        (
            "no tree opset",
            |f| edit(f, "ml_opset = 3\n", ""),
            "uses ai.onnx.ml opset 3; its manifest says no ai.onnx.ml opset",
        ),
        (
            "missing file",
            |f| std::fs::remove_file(f.join("encoder.onnx")).unwrap(),
            "\"encoder.onnx\" of the model bundle cannot be read: No such file",
        ),
        (
            "inputs",
            |f| edit(f, "inputs = [\"tokens\"]", "inputs = [\"tokens\", \"ages\"]"),
            "has the inputs [\"tokens\"], and its manifest says [\"tokens\", \"ages\"]",
        ),
        ("outputs", |f| edit(f, "outputs = [\"logits\"", "outputs = [\"risk\""), "has the outputs"),
        (
            "path escape",
            |f| edit(f, "path = \"parity.json\"", "path = \"../parity.json\""),
            "lists the path \"../parity.json\", which leaves its folder",
        ),
        (
            "hidden escape",
            |f| edit(f, "path = \"parity.json\"", "path = \"a/../../parity.json\""),
            "which leaves its folder",
        ),
        (
            "absolute path",
            |f| edit(f, "path = \"parity.json\"", "path = \"/etc/hostname\""),
            "lists the path \"/etc/hostname\", which leaves its folder",
        ),
        (
            "link",
            |f| {
                std::fs::remove_file(f.join("parity.json")).unwrap();
                std::os::unix::fs::symlink("/etc/hostname", f.join("parity.json")).unwrap();
            },
            "lists the path \"parity.json\", which leaves its folder",
        ),
        (
            "unlisted",
            |f| edit(f, "file = \"encoder.onnx\"", "file = \"other.onnx\""),
            "uses \"other.onnx\" without listing it",
        ),
        (
            "format",
            |f| edit(f, "bedwatch-bundle-1", "bedwatch-bundle-9"),
            "has format \"bedwatch-bundle-9\"; this engine reads",
        ),
        ("cut", cut, "is not a readable ONNX file: its protobuf is malformed at byte"),
    ];
    let sound = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("inference/tests-data/encoder-tiny-v2");
    for (name, damage, want) in cases {
        let folder = Folder::new("fault");
        let bundle = folder.join("bundle");
        std::fs::create_dir_all(&bundle).unwrap();
        for entry in std::fs::read_dir(&sound).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), bundle.join(entry.file_name())).unwrap();
        }
        let verify =
            || bedwatch().args(["models", "verify", "--folder"]).arg(folder.path()).output().unwrap();
        assert_eq!(verify().status.code(), Some(0), "{name}: the bundle is not sound to begin with");
        damage(&bundle);
        let refused = verify();
        let said = String::from_utf8(refused.stdout).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains("refused: ") && said.contains(want), "{name}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{name}: {said}");
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(error.contains("1 bundle is refused"), "{name}: {error}");
    }
}

#[test]
fn a_public_address_is_refused_without_authentication() {
    if !has_onnxruntime("public address") {
        return;
    }
    let output = bedwatch().args(["demo", "--for", "1s", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("loopback"));
}
