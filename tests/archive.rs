//! The archive: what goes in comes out, at any moment as it was known then, once, and to nobody who
//! would change it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufReader, Cursor, Write},
    path::{Path, PathBuf},
};

use arrow::ipc::reader::StreamReader;
use bedwatch::{
    archive::query::{VIEWS, shelf},
    recording,
};
use bedwatch_schemas::time::{ArrivalTime, EventTime};
use serde_json::Value;

use crate::support::{Folder, alerts, bedwatch, ok, recording as record, sum};

mod crash;
mod words;

/// Rules alone: what is told needs no model library.
pub const RULES: &str = "[models]\nencoder = ''\nfusion = ''\nnarrator = ''\n";

/// Replays into an archive and gives it with metrics.json.
pub fn archived(folder: &Folder, name: &str, paths: &[&Path], more: &[&str]) -> (PathBuf, Value) {
    let (config, out) = (folder.join("rules.toml"), folder.join(&format!("{name}-out")));
    std::fs::write(&config, RULES).unwrap();
    let archive = folder.join(&format!("{name}-archive"));
    let mut command = bedwatch();
    command.arg("replay").args(paths).args(["--json", "--config"]).arg(&config).arg("--out").arg(&out);
    let output = ok(command.arg("--archive").arg(&archive).args(more));
    (archive, crate::support::last_json(&output))
}

/// The answer to a question as JSON.
pub fn ask(archive: &Path, question: &str, more: &[&str]) -> Vec<Value> {
    let mut command = bedwatch();
    command.args(["query", question, "--format", "json", "--archive"]).arg(archive).args(more);
    let output = ok(&mut command);
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("replay-data/samples");
    ["hl7v2", "fhir", "psv", "cgm"].map(|kind| folder.join(kind)).to_vec()
}

/// The parameters a ready question needs here.
fn parameters(archive: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let text = |rows: &[Value], key: &str| rows[0][key].as_str().unwrap().to_owned();
    let alert = text(&ask(archive, "SELECT alert FROM episodes ORDER BY alert LIMIT 1", &[]), "alert");
    let patient = text(&ask(archive, "SELECT patient FROM stays ORDER BY patient LIMIT 1", &[]), "patient");
    BTreeMap::from([
        ("course_of_alert", vec![format!("alert={alert}")]),
        ("known_of_patient", vec![format!("patient={patient}")]),
    ])
}

#[test]
fn every_ready_question_has_the_same_answer_in_every_form() {
    let folder = Folder::new("archive-forms");
    let paths = samples();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let (archive, _) = archived(&folder, "samples", &paths, &[]);
    let needed = parameters(&archive);
    let mut answered = 0;
    for question in shelf() {
        let mut more: Vec<String> = Vec::new();
        for value in needed.get(question.name).into_iter().flatten() {
            more.extend(["--param".to_owned(), value.clone()]);
        }
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let json = ask(&archive, question.name, &more);
        let said = |format: &str| {
            let mut command = bedwatch();
            command.args(["query", question.name, "--format", format, "--archive"]).arg(&archive).args(&more);
            ok(&mut command).stdout
        };
        assert_eq!(said("json"), said("json"), "{} twice", question.name);
        let arrow: usize = StreamReader::try_new(Cursor::new(said("arrow")), None)
            .unwrap()
            .map(|batch| batch.unwrap().num_rows())
            .sum();
        let csv = String::from_utf8(said("csv")).unwrap();
        let mut lines = csv.lines();
        let header = lines.next().unwrap();
        assert!(header.len() > 5, "{}", question.name);
        // No text of these answers holds a line break.
        assert_eq!((json.len(), lines.count()), (arrow, arrow), "{}", question.name);
        let table = String::from_utf8(said("table")).unwrap();
        assert_eq!(table.lines().filter(|l| l.starts_with("| ")).count(), arrow + 1, "{}", question.name);
        for row in &json {
            let known: Vec<&str> = header.split(',').collect();
            assert!(row.as_object().unwrap().keys().all(|k| known.contains(&k.as_str())), "{header}");
        }
        answered += usize::from(arrow > 0);
        println!("{}: {arrow} rows", question.name);
    }
    assert!(answered >= shelf().len() - 2, "too many questions had nothing to say: {answered}");
}

/// The tables against what the replay itself counted and wrote.
#[test]
fn the_archive_holds_what_was_told_withheld_and_heard() {
    let folder = Folder::new("archive-whole");
    let log = record(&folder, 3, "6h", "30s");
    let (archive, metrics) = archived(&folder, "ward", &[&log], &[]);
    let count = |sql: &str| ask(&archive, sql, &[])[0]["n"].as_u64().unwrap();
    let by_stream = &metrics["events_by_stream"];
    let waveforms = by_stream["waveforms"].as_u64().unwrap_or(0);
    assert!(waveforms > 0, "a ward without waveforms shows nothing of them");
    assert_eq!(count("SELECT count(*) AS n FROM events"), sum(by_stream) - waveforms);
    assert_eq!(count("SELECT count(*) AS n FROM alerts"), metrics["alerts"].as_u64().unwrap());
    assert_eq!(count("SELECT count(*) AS n FROM risks"), metrics["risks"].as_u64().unwrap());
    assert_eq!(count("SELECT count(*) AS n FROM episodes"), sum(&metrics["raised_by_kind"]));
    // Every message is the one in alerts.ndjson, byte for byte.
    let text = std::fs::read_to_string(folder.join("ward-out").join("alerts.ndjson")).unwrap();
    let written: BTreeSet<&str> = text.lines().collect();
    let messages = ask(&archive, "SELECT message FROM alerts", &[]);
    let archived: BTreeSet<&str> = messages.iter().map(|r| r["message"].as_str().unwrap()).collect();
    assert!(!written.is_empty());
    assert_eq!(written, archived);
    // Open alerts by hand.
    let mut open = BTreeSet::new();
    for alert in alerts(&folder.join("ward-out")) {
        let id = alert["id"].as_str().unwrap().to_owned();
        match alert["phase"].as_str().unwrap() {
            "resolved" | "expired" => open.remove(&id),
            _ => open.insert(id),
        };
    }
    let asked = ask(&archive, "open_alerts", &[]);
    assert_eq!(asked.iter().map(|r| r["alert"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), open);
    // Frames: thinned to one a minute and patient, and one for each moment at which something was told.
    let frames = count("SELECT count(*) AS n FROM frames");
    assert!(frames < metrics["frames"].as_u64().unwrap());
    let without = "SELECT count(*) AS n FROM alerts a LEFT JOIN frames f
        ON a.source = f.source AND a.patient = f.patient AND a.at = f.at WHERE f.at IS NULL";
    assert_eq!(count(without), 0, "alerts whose frame is not there");
    let crowded = "SELECT count(*) AS n FROM (
        SELECT f.patient, date_trunc('minute', f.at) AS minute, count(*) AS frames FROM frames f LEFT JOIN (
            SELECT source, patient, at FROM alerts UNION SELECT source, patient, at FROM withheld
        ) t ON f.source = t.source AND f.patient = t.patient AND f.at = t.at
        WHERE t.at IS NULL GROUP BY 1, 2
    ) WHERE frames > 1";
    assert_eq!(count(crowded), 0, "more than the first frame of a minute");
    assert_eq!(
        count("SELECT count(*) AS n FROM (SELECT patient, at FROM frames GROUP BY 1, 2)"),
        frames,
        "a moment stands twice"
    );
}

/// The same sources give the same files, however many threads; another replay does not go on top.
#[test]
fn the_same_records_give_the_same_files() {
    let folder = Folder::new("archive-same");
    let beds = Path::new("ward:beds=4,history=3h,live=1m,rate=0.5");
    let paths = samples();
    let mut paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    paths.push(beds);
    let files = |archive: &Path| -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![archive.to_owned()];
        while let Some(at) = folders.pop() {
            for entry in std::fs::read_dir(at).unwrap().map(|e| e.unwrap().path()) {
                let name = entry.strip_prefix(archive).unwrap().display().to_string();
                match entry.is_dir() {
                    true => folders.push(entry),
                    false => drop(found.insert(name, std::fs::read(&entry).unwrap())),
                }
            }
        }
        found
    };
    let [one, two] = ["1", "2"].map(|threads| archived(&folder, threads, &paths, &["--threads", threads]).0);
    let (one, two) = (files(&one), files(&two));
    assert!(one.len() > 8, "{:?}", one.keys());
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    assert!(one == two, "other bytes");
    assert!(
        one.keys().all(|name| name.starts_with(".open/lock") || name.contains("/date=")),
        "{:?}",
        one.keys()
    );
    let again = bedwatch()
        .args(["replay", "--out"])
        .arg(folder.join("again"))
        .args(["--config"])
        .arg(folder.join("rules.toml"))
        .arg("--archive")
        .arg(folder.join("1-archive"))
        .arg(paths[0])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("holds rows already; a replay writes a new one"), "{said}");
}

/// What `--as-of` gives of the whole log is what there is of the log cut there.
#[test]
fn as_of_a_moment_is_a_replay_of_the_log_cut_there() {
    let folder = Folder::new("archive-as-of");
    let log = record(&folder, 3, "3h", "20s");
    let file = log.join(recording::FILE);
    let all: Vec<recording::Recorded> =
        recording::read(BufReader::new(std::fs::File::open(&file).unwrap())).map(Result::unwrap).collect();
    let (whole, _) = archived(&folder, "whole", &[&log], &[]);
    let mut told = 0;
    for share in [20, 55, 90] {
        let last = all[all.len() * share / 100].at;
        // The cell's end: what has come by then has been decided on.
        let cell = bedwatch_schemas::time::Span::millis(100);
        let moment = last.floor(cell) + cell;
        let until = ArrivalTime::from_micros(moment.as_micros() - 1);
        // The same name, for it is the source of each row.
        let cut = folder.join(&format!("cut-{share}")).join("recording");
        std::fs::create_dir_all(&cut).unwrap();
        let mut out = std::fs::File::create(cut.join(recording::FILE)).unwrap();
        for record in all.iter().filter(|r| r.at <= until) {
            recording::write(record, &mut out).unwrap();
        }
        out.flush().unwrap();
        let (part, _) = archived(&folder, &format!("part-{share}"), &[&cut], &[]);
        let as_of = EventTime::from_micros(moment.as_micros()).to_string();
        for (table, order) in [
            ("events", "stream, log_partition, log_offset, log_part"),
            ("frames", "patient, at"),
            ("risks", "patient, at"),
            ("alerts", "alert, sequence"),
            ("withheld", "alert, sequence"),
            ("measurements", "patient, name, event_time"),
            ("episodes", "alert"),
            ("stays", "patient"),
        ] {
            let sql = format!("SELECT * FROM {table} ORDER BY {order}");
            // A record of exactly that moment is of the next cell, and known already.
            let then = match table {
                "events" | "measurements" => EventTime::from_micros(until.as_micros()).to_string(),
                _ => as_of.clone(),
            };
            let known = ask(&whole, &sql, &["--as-of", &then]);
            let there = ask(&part, &sql, &[]);
            assert_eq!(known.len(), there.len(), "{table} at {share} %");
            assert_eq!(known, there, "{table} at {share} %");
            told += if table == "alerts" { known.len() } else { 0 };
            assert!(
                known.len() > 3 || matches!(table, "withheld" | "risks" | "alerts" | "episodes" | "stays")
            );
        }
    }
    assert!(told > 3, "alerts are what it is about: {told}");
}

#[test]
fn nothing_can_be_changed_and_nothing_else_be_read() {
    let folder = Folder::new("archive-hostile");
    let samples = samples();
    let (archive, _) = archived(&folder, "samples", &[&samples[0]], &[]);
    let before = ask(&archive, "SELECT count(*) AS n FROM events", &[]);
    let secret = folder.join("secret.csv");
    std::fs::write(&secret, "a\ncanary-4711\n").unwrap();
    let other = folder.join("copied");
    let path = |p: &Path| p.display().to_string();
    let parts = archive.join("events");
    let (secret, other, parts) = (path(&secret), path(&other), path(&parts));
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let chain = format!("SELECT {}1", "1 + ".repeat(16_000));
    let ors = format!("SELECT 1 FROM events WHERE {}", vec!["log_part=1"; 4_500].join(" OR "));
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    for (sql, said) in [
        (format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{secret}'"), "DDL"),
        (format!("CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '{parts}'"), "DDL"),
        ("CREATE TABLE x AS SELECT 1".to_owned(), "DDL"),
        ("CREATE VIEW x AS SELECT 1".to_owned(), "DDL"),
        ("CREATE FUNCTION f() RETURNS INT RETURN 1".to_owned(), ""),
        ("DROP TABLE events".to_owned(), "DDL"),
        ("DROP VIEW events".to_owned(), "DDL"),
        ("INSERT INTO events SELECT * FROM events".to_owned(), ""),
        ("DELETE FROM events".to_owned(), ""),
        ("UPDATE events SET value = 1".to_owned(), ""),
        ("TRUNCATE TABLE events".to_owned(), ""),
        (format!("COPY events TO '{other}' STORED AS PARQUET"), "DML"),
        (format!("COPY (SELECT 1) TO '{other}' STORED AS CSV"), "DML"),
        ("SET datafusion.execution.target_partitions = 1".to_owned(), "Statement"),
        ("RESET datafusion.execution.target_partitions".to_owned(), ""),
        ("PREPARE p AS SELECT 1".to_owned(), "Statement"),
        ("EXECUTE p".to_owned(), "Statement"),
        ("BEGIN TRANSACTION".to_owned(), ""),
        (format!("SELECT * FROM '{secret}'"), "not found"),
        (format!("SELECT * FROM 'file://{secret}'"), "not found"),
        (format!("SELECT * FROM \"{parts}\""), "not found"),
        (format!("SELECT * FROM read_csv('{secret}')"), ""),
        ("EXPLAIN INSERT INTO events SELECT * FROM events".to_owned(), ""),
        ("EXPLAIN ANALYZE DELETE FROM events".to_owned(), ""),
        ("SELECT 1; DROP TABLE events".to_owned(), ""),
        ("SELECT 1; SELECT 2".to_owned(), ""),
        ("WITH x AS (DELETE FROM events RETURNING 1) SELECT * FROM x".to_owned(), ""),
        ("SELECT * FROM raw_events".to_owned(), "not found"),
        ("selct 1 from events".to_owned(), ""),
        (" ".to_owned(), ""),
        (deep, ""),
        (chain, "words and signs, more than 4000"),
        (ors, "words and signs, more than 4000"),
        (long, "more than 65536"),
    ] {
        let shown: String = sql.chars().take(80).collect();
        let output = bedwatch().args(["query", &sql, "--archive"]).arg(&archive).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{shown}: {output:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("bedwatch: ") && error.contains(said), "{shown}: {error}");
        assert!(!error.contains("panicked") && !error.contains("canary"), "{shown}: {error}");
        assert!(output.stdout.is_empty(), "{shown}");
    }
    // Long, but a question.
    let few = format!("SELECT count(*) AS n FROM events WHERE {}", vec!["log_part = 1"; 500].join(" OR "));
    assert_eq!(ask(&archive, &few, &[]).len(), 1);
    assert!(!Path::new(&other).exists(), "something was written");
    assert_eq!(ask(&archive, "SELECT count(*) AS n FROM events", &[]), before);
    let left: BTreeSet<String> = ask(&archive, "SHOW TABLES", &[])
        .iter()
        .filter(|r| r["table_schema"] == "public")
        .map(|r| r["table_name"].as_str().unwrap().to_owned())
        .collect();
    let known = ["alerts", "events", "frames", "risks", "withheld"].into_iter().chain(VIEWS.map(|v| v.0));
    assert_eq!(left, known.map(str::to_owned).collect());
}

#[test]
fn wrong_use_is_told_in_a_sentence() {
    let folder = Folder::new("archive-usage");
    let samples = samples();
    let (archive, _) = archived(&folder, "samples", &[&samples[0]], &[]);
    let empty = folder.join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    for (args, at, code, said) in [
        (&["query", "open_alert"][..], &archive, 1, "did you mean open_alerts?"),
        (&["query", "xyzzy"], &archive, 1, "there is no ready question xyzzy"),
        (
            &["query", "course_of_alert"],
            &archive,
            1,
            "course_of_alert needs --param alert=... (the alert's id)",
        ),
        (
            &["query", "late_labs", "--param", "minutes=soon"],
            &archive,
            1,
            "the parameter minutes is no number",
        ),
        (&["query", "late_labs", "--param", "hours=1"], &archive, 1, "it has: minutes"),
        (&["query", "late_labs", "--param", "minutes"], &archive, 2, "write NAME=VALUE"),
        (&["query", "open_alerts", "--as-of", "03:12"], &archive, 2, "write a time with its zone"),
        (
            &["query", "open_alerts", "--format", "xml"],
            &archive,
            2,
            "possible values: table, json, csv, arrow",
        ),
        (&["query", "open_alerts"], &empty, 1, "is no archive"),
    ] {
        let output = bedwatch().args(args).arg("--archive").arg(at).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
    let listed = String::from_utf8(ok(bedwatch().args(["query", "--list"])).stdout).unwrap();
    assert!(shelf().iter().all(|q| listed.contains(q.name)), "{listed}");
    // A moment before anything: every question answers, with nothing.
    let early = ask(&archive, "SELECT count(*) AS n FROM events", &["--as-of", "1970-01-01T00:00:00Z"]);
    assert_eq!(early[0]["n"], 0);
    assert!(ask(&archive, "open_alerts", &["--as-of", "1970-01-01T00:00:00Z"]).is_empty());
    // A value for SQL of one's own.
    let sql = "SELECT count(*) AS n FROM events WHERE kind = $kind";
    assert!(ask(&archive, sql, &["--param", "kind=lab"])[0]["n"].as_u64().unwrap() > 0);
    assert_eq!(ask(&archive, sql, &["--param", "kind=lab' OR '1' = '1"])[0]["n"], 0, "a value is no SQL");
    let file = folder.join("answer.csv");
    ok(bedwatch()
        .args(["query", "late_labs", "--format", "csv", "--archive"])
        .arg(&archive)
        .arg("--out")
        .arg(&file));
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("name,results,late,"));
}
