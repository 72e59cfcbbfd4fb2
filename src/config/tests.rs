use super::*;
use crate::clock::{Clock, SystemClock};

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bedwatch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn config(&self, text: &str) -> PathBuf {
        let path = self.0.join("c.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        secrets::write(&path, content.as_bytes()).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn a_configuration_with_anything_wrong_is_refused_with_all_of_it() {
    let folder = Folder::new("config");
    let file = folder.config("[kafka]\nbootstrap = 'a:1'\n");
    assert_eq!(Config::load(Some(&file), &none()).unwrap().kafka.bootstrap, "a:1");
    // A section takes what it does not say from the defaults.
    let file = folder.config("[alerts.sepsis]\nenabled = false\n");
    let sepsis = Config::load(Some(&file), &none()).unwrap().alerts.sepsis;
    assert_eq!((sepsis.enabled, sepsis.clear_secs), (false, 3_600));
    let file = folder.config("[kafka]\nbotstrap = 'a:1'\n[engine]\ncell_millis = 'x'\n[sinks]\ntries = 0\n");
    let error = Config::load(Some(&file), &none()).unwrap_err().to_string();
    for part in
        ["line 2, column 1: kafka.botstrap", "kafka.bootstrap?", "line 4, column 15", "line 6, column 9"]
    {
        assert!(error.contains(part), "{error}");
    }
    for refused in [
        "[engine]\ncell_millis = 0\n",
        "[narrator]\nbackend = 'openai'\n",
        "[alerts.lifecycle]\nescalate_high_secs = -1\n",
        "[alerts.lifecycle]\nsnooze_max_minutes = 0\n",
        "[alerts.lifecycle]\nexpire_after_hours = -1\n",
        "[alerts.budget]\nunit_per_bed_per_12h = -0.5\n",
        "[alerts.budget]\nbed_per_day = 6\n",
        "[narrator]\nbackend = 'oracle'\n",
        "[narrator]\ntimeout_millis = 0\n",
        "[narrator]\nbreaker_failures = 0\n",
        "[gateway.tls]\nkey = 'k'\n",
        "[sinks.hl7v2]\nkey = 'k'\n",
    ] {
        let file = folder.config(refused);
        assert!(Config::load(Some(&file), &none()).is_err(), "{refused}");
    }
}

#[test]
fn a_narrator_on_a_server_is_made_of_its_keys() {
    let folder = Folder::new("narrator");
    let clock = || -> std::sync::Arc<dyn Clock> { std::sync::Arc::new(SystemClock::default()) };
    let key = folder.secret("key", "canary-4711\n");
    let server = format!(
        "[narrator]\nbackend = 'openai'\nurl = 'http://127.0.0.1:8000/v1'\nmodel = 'm'\napi_key_file = '{}'\n",
        key.display()
    );
    let file = folder.config(&server);
    Config::load(Some(&file), &none()).unwrap().narrator.server(clock()).unwrap();
    for refused in ["url = 'https://host/v1'", "url = 'host'", "api_key_file = '/nowhere'"] {
        let key = refused.split(' ').next().unwrap();
        let lines: Vec<&str> = server.lines().filter(|l| !l.starts_with(key)).collect();
        let file = folder.config(&format!("{}\n{refused}\n", lines.join("\n")));
        assert!(Config::load(Some(&file), &none()).unwrap().narrator.server(clock()).is_err(), "{refused}");
    }
}

#[test]
fn secrets_of_kafka_come_out_of_files_and_are_never_printed() {
    let folder = Folder::new("kafka-secrets");
    let path = folder.secret("sasl", "canary-4711\r\n");
    let text = format!(
        "[kafka.properties]\n\"sasl.password_file\" = '{}'\n\"client.id\" = 'canary-4712'\n",
        path.display()
    );
    let file = folder.config(&text);
    let config = Config::load(Some(&file), &none()).unwrap();
    let properties = &config.kafka.properties.0;
    assert_eq!(properties["sasl.password"], "canary-4711");
    assert!(!properties.contains_key("sasl.password_file"));
    assert!(!format!("{config:?}").contains("canary"));
    // What stands in the clear is told by its name; a file is not read into what is examined.
    let (examined, problems) = Config::examine(Some(&file), &none()).unwrap();
    assert!(!format!("{problems:?}{examined:?}").contains("canary"));
    let clear = folder.0.join("clear.toml");
    std::fs::write(&clear, "[kafka.properties]\n\"sasl.password\" = 'canary-4713'\n").unwrap();
    let (examined, problems) = Config::examine(Some(&clear), &none()).unwrap();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(!format!("{said:?}{examined:?}").contains("canary"));
    let clear: Vec<&Problem> = problems.iter().filter(|p| p.severity == Severity::Warning).collect();
    assert_eq!(clear.len(), 1);
    assert_eq!(clear[0].key.as_deref(), Some("kafka.properties.sasl.password"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = Config::load(Some(&file), &none()).unwrap_err().to_string();
        assert!(error.starts_with("kafka.properties.sasl.password_file: the secret file"), "{error}");
        assert!(error.contains("chmod o-rwx") && !error.contains("canary"), "{error}");
    }
}

#[test]
fn what_a_configuration_names_is_looked_at_without_connecting() {
    let folder = Folder::new("offline");
    let secret = folder.secret("secret", "whsec_too-short");
    let text = format!(
        "[kafka]\nbootstrap = 'a:1,b'\ngroup = ''\n\
         [kafka.topics]\nalerts = 'ward 7'\nrisks = 'bedwatch.vitals'\n\
         [kafka.properties]\n\"sasl.pasword\" = 'canary'\n\"acks\" = 'canary'\n\"sasl.password_file\" = '/nowhere/sasl'\n\
         [models]\nfolder = '/nowhere/models'\nprovider = 'tpu'\nonnxruntime = '/nowhere/libonnxruntime.so'\n\
         [state]\nfolder = '/nowhere/deep/state'\n\
         [http]\nlisten = '0.0.0.0:8080'\n\
         [gateway]\npseudonym_secret_file = '/nowhere/secret'\n\
         [gateway.mllp]\nlisten = '127.0.0.1:8090'\n\
         [gateway.fhir]\ntoken_file = '{0}'\n\
         [gateway.tls]\ncertificate = '{0}'\nkey = '{0}'\n\
         [sinks.fhir]\nurl = 'ftp://fhir'\n\
         [sinks.hl7v2]\naddress = 'nowhere'\n\
         [sinks.webhook]\nurl = 'http://user:canary@host/'\nsecret_file = '{0}'\n\
         [narrator]\nbackend = 'openai'\nurl = 'host'\nmodel = 'm'\n",
        secret.display()
    );
    let (_, problems) = Config::examine(Some(&folder.config(&text)), &none()).unwrap();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(!said.concat().contains("canary"), "{said:#?}");
    let keys: std::collections::BTreeSet<&str> = problems.iter().filter_map(|p| p.key.as_deref()).collect();
    let expected = [
        "gateway.fhir.listen",
        "gateway.fhir.token_file",
        "gateway.pseudonym_secret_file",
        "gateway.tls",
        "http.listen",
        "kafka.bootstrap",
        "kafka.group",
        "kafka.properties.acks",
        "kafka.properties.sasl.password_file",
        "kafka.properties.sasl.pasword",
        "kafka.topics",
        "kafka.topics.alerts",
        "models.folder",
        "models.onnxruntime",
        "models.provider",
        "narrator",
        "sinks.fhir",
        "sinks.hl7v2",
        "sinks.webhook",
        "sinks.webhook.url",
        "state.folder",
    ];
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), expected, "{said:#?}");
    // The places are those of the file, in its order.
    let lines: Vec<usize> = problems
        .iter()
        .filter_map(|p| match p.place {
            Some(Place::File { line, .. }) => Some(line),
            _ => None,
        })
        .collect();
    assert!(lines.len() > 10 && lines.is_sorted(), "{lines:?}");
}
