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
    // That the watch sees what it is there to see.
    let bad = "<!doctype html><img src='http://example.invalid/x.png'><script>console.error('said')</script>";
    std::fs::write(folder.join("bad.html"), bad).unwrap();
    let seen = look(&chromium, &folder, &folder.join("bad.html"));
    assert_eq!(
        (seen.console.len(), &seen.outside[..]),
        (1, &["http://example.invalid/x.png".to_owned()][..])
    );

    std::fs::write(folder.join("wide.html"), "<!doctype html><p style='width:2000px'>wide").unwrap();
    assert!(overhang(&chromium, &folder, &folder.join("wide.html")) > 1_000);

    let psv = Path::new(env!("CARGO_MANIFEST_DIR")).join("replay-data/samples/psv");
    let ward = Path::new("ward:beds=3,history=4h,live=2m,rate=0.5");
    replay(&[ward, &psv], &folder.join("out"), &[]);
    let seen = look(&chromium, &folder, &folder.join("out/report.html"));
    assert!(seen.dom.contains("What this rests on") && seen.dom.contains("</html>"), "not the whole page");
    assert_eq!((seen.console, seen.outside), (Vec::new(), Vec::new()));
    assert_eq!(overhang(&chromium, &folder, &folder.join("out/report.html")), 0, "wider than its window");
}

/// What a browser made of a page.
struct Seen {
    dom: String,
    /// Lines on the console.
    console: Vec<String>,
    /// Addresses outside that the page asked for. The browser itself asks for some of its own, on behalf of
    /// no page.
    outside: Vec<String>,
}

/// By how many pixels a page is wider than its window: a copy of it measures itself.
fn overhang(chromium: &Path, folder: &Folder, page: &Path) -> i64 {
    const MEASURE: &str = "<script>{const page = document.documentElement; page.dataset.overhang = page.scrollWidth - page.clientWidth}</script>";
    let copy = folder.join("measured.html");
    std::fs::write(&copy, std::fs::read_to_string(page).unwrap() + MEASURE).unwrap();
    let dom = look(chromium, folder, &copy).dom;
    let said = dom.split_once("data-overhang=\"").expect("the copy measured itself").1;
    said.split_once('"').unwrap().0.parse().unwrap()
}

/// Opens a page with every address unresolvable.
fn look(chromium: &Path, folder: &Folder, page: &Path) -> Seen {
    let log = folder.join("net.json");
    let mut command = Command::new(chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--log-level=0"]);
    command.args([
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--disable-background-networking",
        "--no-first-run",
    ]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    command.arg(format!("--log-net-log={}", log.display()));
    command.args(["--window-size=390,844", "--virtual-time-budget=5000", "--dump-dom"]);
    command.arg(format!("file://{}", page.display())).stdin(Stdio::null());
    let output = ok(&mut command);
    let said = String::from_utf8_lossy(&output.stderr);
    let console = said.lines().filter(|l| l.contains("CONSOLE")).map(str::to_owned).collect();
    let net: Value = serde_json::from_slice(&std::fs::read(&log).unwrap()).unwrap();
    let of_the_page = |e: &&Value| {
        e["params"]["network_isolation_key"].as_str().is_some_and(|key| key.starts_with("file:"))
    };
    let asked = net["events"].as_array().unwrap().iter().filter(of_the_page);
    let mut outside: Vec<String> = asked
        .filter_map(|e| e["params"]["url"].as_str())
        .filter(|url| !url.starts_with("file:"))
        .map(str::to_owned)
        .collect();
    outside.dedup();
    Seen { dom: String::from_utf8_lossy(&output.stdout).into_owned(), console, outside }
}
