//! What a configuration names, looked at on this machine without connecting anywhere: folders, model
//! bundles, addresses, certificates, secrets, names of topics, properties of librdkafka.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use bedwatch_inference::{bundle::Bundle, runtime::Provider};
use bedwatch_ingest::kafka::properties::{FILE, is_secret};

use super::{Backend, Config, Problem};
use crate::{
    clock::{Clock, SystemClock},
    consent::list,
    deidentify::Deidentifier,
    gateway, secrets, setup, sinks,
};

/// The longest name of a topic (Kafka's own limit).
const MAX_TOPIC: usize = 249;

/// Everything that would keep a command from starting, as far as it can be known here.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    kafka(config, &mut problems);
    models(config, &mut problems);
    folders(config, &mut problems);
    listeners(config, &mut problems);
    research(config, &mut problems);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let wanted = config.narrator.faults().is_empty();
    if config.narrator.backend == Backend::OpenAi
        && wanted
        && let Err(error) = config.narrator.server(clock.clone())
    {
        problems.push(Problem::error("narrator", format!("narrator: {error:#}")));
    }
    for (key, why) in
        gateway::offline(&config.gateway).into_iter().chain(sinks::offline(&config.sinks, &clock))
    {
        problems.push(Problem::error(key, format!("{key}: {why}")));
    }
    problems
}

fn kafka(config: &Config, problems: &mut Vec<Problem>) {
    let kafka = &config.kafka;
    let mut error = |key: &str, why: String| problems.push(Problem::error(key, why));
    for (n, peer) in (1..).zip(kafka.bootstrap.split(',')) {
        let parts = peer.trim().rsplit_once(':');
        if !parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0)) {
            let why = format!("kafka.bootstrap: broker {n} is not written as host:port");
            error("kafka.bootstrap", why);
        }
    }
    if kafka.group.is_empty() {
        error("kafka.group", "kafka.group must have a name".to_owned());
    }
    let named = toml::Table::try_from(&kafka.topics).expect("topics are plain data");
    for (key, topic) in &named {
        let topic = topic.as_str().unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if topic.is_empty()
            || topic.len() > MAX_TOPIC
            || !topic.chars().all(legal)
            || matches!(topic, "." | "..")
        {
            let key = format!("kafka.topics.{key}");
            let why = format!(
                "{key} is no name Kafka takes: 1 to {MAX_TOPIC} letters, digits, dots, underscores and hyphens"
            );
            error(&key, why);
        }
    }
    if let Err(shared) = kafka.topics.check() {
        error("kafka.topics", format!("kafka.topics: {shared}"));
    }
    let key = |name: &str| format!("kafka.properties.{name}");
    for (name, why) in kafka.properties.refused() {
        error(&key(name), format!("{} {why}", key(name)));
    }
    for (name, path) in kafka.properties.files() {
        let named = format!("{}{FILE}", key(name));
        if kafka.properties.0.contains_key(name) {
            error(&named, format!("{named} and {} are both given; one of them must go", key(name)));
        }
        match secrets::read(Path::new(path)).and_then(|s| s.line()) {
            Err(why) => error(&named, format!("{named}: {why}")),
            // The value is looked at too, but only its name is told.
            Ok(value) => {
                let given = bedwatch_ingest::kafka::Properties::from([(name, value)]);
                for (_, why) in given.refused() {
                    error(&named, format!("{named}: {name} {why}"));
                }
            }
        }
    }
    for name in kafka.properties.in_the_clear().filter(|name| is_secret(name)) {
        let why =
            format!("{} stands in the clear; write \"{name}{FILE}\" with the path of a file", key(name));
        problems.push(Problem::warning(&key(name), why));
    }
}

fn models(config: &Config, problems: &mut Vec<Problem>) {
    let models = &config.models;
    let mut error = |key: &str, why: String| problems.push(Problem::error(key, why));
    if Provider::parse(&models.provider).is_none() {
        error("models.provider", "models.provider can be cpu, cuda or cuda:N".to_owned());
    }
    let narrates = config.narrator.backend == Backend::Onnx && !models.narrator.is_empty();
    if models.encoder.is_empty() && !narrates && config.candidate().is_none() {
        return;
    }
    match setup::onnxruntime(&models.onnxruntime) {
        None => error(
            "models.onnxruntime",
            "models.onnxruntime: the ONNX Runtime library was not found; run `cargo xtask setup`".to_owned(),
        ),
        Some(path) if !path.is_file() => {
            let why = format!("models.onnxruntime: there is no file {}", path.display());
            error("models.onnxruntime", why);
        }
        Some(_) => {}
    }
    let folder = setup::models_folder(&models.folder);
    if !folder.is_dir() {
        return error("models.folder", format!("models.folder: there is no folder {}", folder.display()));
    }
    let fusion = if models.encoder.is_empty() { "" } else { &models.fusion };
    let narrator = if narrates { &models.narrator } else { "" };
    let shadow = &models.shadow;
    for (key, kind, name) in [
        ("models.encoder", "encoder", models.encoder.as_str()),
        ("models.fusion", "fusion", fusion),
        ("models.narrator", "narrator", narrator),
        ("models.shadow.encoder", "encoder", &shadow.encoder),
        ("models.shadow.fusion", "fusion", &shadow.fusion),
    ] {
        if name.is_empty() {
            continue;
        }
        match Bundle::open(folder.join(name)) {
            Err(why) => error(key, format!("{key}: {why}")),
            Ok(bundle) if bundle.manifest().kind != kind => {
                let why = format!(
                    "{key}: the bundle {name} is no {kind} (its manifest says {:?})",
                    bundle.manifest().kind
                );
                error(key, why);
            }
            Ok(_) => {}
        }
    }
}

/// The folder of checkpoints: a folder that can be written, or one that could be made.
fn folders(config: &Config, problems: &mut Vec<Problem>) {
    for (key, folder) in [("state.folder", &config.state.folder), ("archive.folder", &config.archive.folder)]
    {
        if let Some(why) = unusable(folder) {
            problems.push(Problem::error(key, format!("{key}: {} {why}", folder.display())));
        }
    }
}

/// Why a folder cannot be written in; one without a name is not wanted.
fn unusable(folder: &Path) -> Option<String> {
    if folder.as_os_str().is_empty() {
        return None;
    }
    match folder.metadata() {
        Ok(about) if !about.is_dir() => Some("is no folder".to_owned()),
        Ok(_) => written(folder).err().map(|e| format!("cannot be written: {e}")),
        Err(_) => {
            let parent: PathBuf = folder.parent().map(Path::to_owned).unwrap_or_default();
            let parent = if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent };
            (!parent.is_dir()).then(|| format!("cannot be made: there is no folder {}", parent.display()))
        }
    }
}

/// Writes a file of no length and removes it.
fn written(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".bedwatch-check-{}", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)
}

/// The consents can be understood, and the key is one.
fn research(config: &Config, problems: &mut Vec<Problem>) {
    let research = &config.research;
    for path in &research.consent_files {
        let read = std::fs::read_to_string(path).map_err(|e| e.to_string());
        let system = &config.gateway.fhir.identifier_system;
        if let Err(why) = read.and_then(|text| list::read(&text, system).map_err(|e| e.to_string())) {
            let why = format!("research.consent_files: {}: {why}", path.display());
            problems.push(Problem::error("research.consent_files", why));
        }
    }
    if !research.key_file.as_os_str().is_empty() {
        let key = secrets::read(&research.key_file).map_err(|e| e.to_string());
        let made = key.and_then(|k| Deidentifier::new(k.bytes(), 1).map_err(|e| e.to_string()));
        if let Err(why) = made {
            problems.push(Problem::error("research.key_file", format!("research.key_file: {why}")));
        }
    }
}

fn listeners(config: &Config, problems: &mut Vec<Problem>) {
    let http = &config.http.listen;
    let address = http.parse::<SocketAddr>();
    match &address {
        _ if http.is_empty() => {}
        Err(_) => {
            let why = "http.listen is not an address; write it as 127.0.0.1:8080";
            problems.push(Problem::error("http.listen", why));
        }
        Ok(address) if !address.ip().is_loopback() => {
            let why =
                "http.listen must be a loopback address: the ward page has no authentication of its own";
            problems.push(Problem::error("http.listen", why));
        }
        Ok(_) => {}
    }
    let gateway = &config.gateway;
    let all = [
        ("http.listen", http),
        ("gateway.mllp.listen", &gateway.mllp.listen),
        ("gateway.fhir.listen", &gateway.fhir.listen),
    ];
    for (i, (key, listen)) in all.iter().enumerate() {
        let same = all[..i].iter().find(|(_, other)| {
            let port = |text: &str| text.parse::<SocketAddr>().ok().filter(|a| a.port() != 0);
            matches!((port(listen), port(other)), (Some(a), Some(b)) if a == b)
        });
        if let Some((other, _)) = same {
            let why = format!("{key} is the address of {other} too; each needs a port of its own");
            problems.push(Problem::error(key, why));
        }
    }
}
