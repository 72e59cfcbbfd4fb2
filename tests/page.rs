//! Pages for people open in a real browser without a network: nothing on the console, nothing asked for
//! outside, no page wider than its window.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Folder, has_onnxruntime, ok, replay};

/// Chromium, if there is one.
fn chromium(test: &str) -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .find_map(|folder| names.iter().map(|name| folder.join(name)).find(|program| program.is_file()));
    if found.is_none() {
        eprintln!("SKIPPED {test}: Chromium is absent");
    }
    found
}

#[test]
fn a_report_opens_offline_without_a_word_on_the_console() {
    if !has_onnxruntime("the report in a browser") {
        return;
    }
    let Some(chromium) = chromium("the report in a browser") else { return };
    let folder = Folder::new("page");
    let psv = Path::new(env!("CARGO_MANIFEST_DIR")).join("replay-data/samples/psv");
    let ward = Path::new("ward:beds=3,history=4h,live=2m,rate=0.5");
    replay(&[ward, &psv], &folder.join("out"), &[]);
    look(&chromium, &folder, &folder.join("out/report.html"));
}

/// Opens a page with every address unresolvable, and reads the console and every address asked for.
fn look(chromium: &Path, folder: &Folder, page: &Path) {
    let log = folder.join("net.json");
    let mut command = Command::new(chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--log-level=0"]);
    command.args(["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]);
    command.args([
        "--disable-component-update",
        "--disable-sync",
        "--disable-default-apps",
        "--no-first-run",
    ]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    command.arg(format!("--log-net-log={}", log.display()));
    command.args(["--window-size=390,844", "--virtual-time-budget=5000", "--dump-dom"]);
    command.arg(format!("file://{}", page.display())).stdin(Stdio::null());
    let output = ok(&mut command);
    let dom = String::from_utf8_lossy(&output.stdout);
    assert!(dom.contains("What this rests on") && dom.contains("</html>"), "the page did not come whole");
    let said = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = said.lines().filter(|l| l.contains(":CONSOLE")).collect();
    assert!(console.is_empty(), "{console:#?}");
    let net: Value = serde_json::from_slice(&std::fs::read(&log).unwrap()).unwrap();
    let asked: Vec<&str> =
        net["events"].as_array().unwrap().iter().filter_map(|e| e["params"]["url"].as_str()).collect();
    println!("{} addresses in the browser's log", asked.len());
    let outside: Vec<&&str> =
        asked.iter().filter(|url| !url.starts_with("file:") && !url.starts_with("chrome")).collect();
    assert!(outside.is_empty(), "the page asked for {outside:?}");
}
