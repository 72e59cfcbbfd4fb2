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
    let refused = bedwatch().args(["config", "check"]).arg(&file).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cel_millis"));
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
    assert!(listed.contains("encoder-hourly-v1") && listed.contains("narrator-v1"), "{listed}");
    ok(bedwatch().args(["models", "card", "encoder-hourly-v1"]));
    let folder = Folder::new("models");
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("inference/models/encoder-hourly-v1");
    let to = folder.join("encoder-hourly-v1");
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

#[test]
fn a_public_address_is_refused_without_authentication() {
    if !has_onnxruntime("public address") {
        return;
    }
    let output = bedwatch().args(["demo", "--for", "1s", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("loopback"));
}
