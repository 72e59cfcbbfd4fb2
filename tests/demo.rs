//! The newcomer's command.

use crate::support::{bedwatch, has_onnxruntime, last_json, ok, sum};

#[test]
fn the_demo_shows_all_streams_three_kinds_of_alerts_and_checked_words() {
    if !has_onnxruntime("demo") {
        return;
    }
    // Six hours of history: a slow machine reads a whole day longer than the minute in which things begin.
    let options = ["--for", "60s", "--history", "6h", "--json", "--listen", "127.0.0.1:0"];
    let output = ok(bedwatch().arg("demo").args(options));
    let summary = last_json(&output);
    println!("{summary}");
    for stream in ["hl7v2", "fhir", "vitals", "waveforms", "cgm"] {
        assert!(summary["events_by_stream"][stream].as_u64().unwrap_or(0) > 0, "no events from {stream}");
    }
    assert!(summary["alerts_by_kind"].as_object().unwrap().len() >= 3, "fewer than three kinds of alerts");
    assert!(summary["rationales_model"].as_u64().unwrap() > 0, "the model wrote nothing");
    assert_eq!(summary["unsupported_claims"], 0);
    assert_eq!(summary["dead_letters"], 0);
    assert_eq!(summary["offset_gaps"], 0);
    assert_eq!(summary["alerts_out"].as_u64().unwrap(), sum(&summary["alerts_by_kind"]));
    assert!(summary["latency_ms"]["count"].as_u64().unwrap() > 0, "no latency was measured");
}
