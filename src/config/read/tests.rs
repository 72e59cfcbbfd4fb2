use super::*;

fn said(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    read(text, &environment).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_problem_is_named_at_its_place_with_the_nearest_key() {
    for (text, expected) in [
        ("[kafka]\nbootstrap = 'a:1'\n", vec![]),
        (
            "[kafka]\nbotstrap = 'a:1'\n",
            vec![
                "line 2, column 1: kafka.botstrap is no key of the configuration; did you mean kafka.bootstrap?",
            ],
        ),
        (
            "kafak.bootstrap = 'a:1'\n",
            vec!["line 1, column 1: kafak is no key of the configuration; did you mean kafka?"],
        ),
        (
            "# ü\nengine = { cell_milis = 5, grace_millis = 'ü', settle_millis = 1 }\n",
            vec![
                "line 2, column 12: engine.cell_milis is no key of the configuration; did you mean engine.cell_millis?",
                "line 2, column 43: engine.grace_millis takes a whole number, not this text",
            ],
        ),
        (
            "[narrator]\nbackend = 'opnai'\nqueue = -1\n[features]\nsofa_edges = 'oracle'\nlabs_allowance = 5\nmax_ahead = 'soon'\n",
            vec![
                "line 2, column 11: narrator.backend takes \"onnx\" or \"openai\"; did you mean \"openai\"?",
                "line 3, column 9: narrator.queue takes a whole number that is not negative, not this number",
                "line 5, column 14: features.sofa_edges takes \"mimic_code\" or \"original1996\"",
                "line 6, column 18: features.labs_allowance takes text in quotes, not this number",
                "line 7, column 13: features.max_ahead is refused: not a duration; write PT300S, PT5M or PT1H",
            ],
        ),
        (
            "[engine]\ncell_millis = 0\n[sinks]\ntries = 0\n[alerts.budget]\nbed_per_12h = 70000\n[http]\nlisten = 8080\n",
            vec![
                "line 6, column 15: alerts.budget.bed_per_12h takes a whole number from 0 to 65535, not this number",
                "line 8, column 10: http.listen takes text in quotes, not this number",
                "line 2, column 15: engine.cell_millis must be between 10 and 5000",
                "line 4, column 9: sinks.tries must be at least 1",
            ],
        ),
        ("kafka = 'a:1'\n", vec!["line 1, column 9: kafka is a section: write [kafka] and its keys below"]),
        (
            "[alerts.sepsis]\nenabled = false\n[ingest.hl7.local_codes]\nHF = 'heart_rate'\nX = 'pulse'\n[alerts.shock.more]\n",
            vec![
                "line 6, column 15: alerts.shock.more is no key of the configuration; alerts.shock has clear_secs, enabled, persistence_secs, refractory_secs",
            ],
        ),
    ] {
        let mut got = said(text, &[]);
        // The list of signals is long and is its own.
        got.retain(|g| !g.contains("local_codes"));
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        expected.sort();
        got.sort();
        assert_eq!(got, expected, "{text}");
    }
    let codes = said("[ingest.hl7.local_codes]\nX = 'hart_rate'\n", &[]);
    assert!(codes[0].starts_with("line 2, column 5: ingest.hl7.local_codes.X takes "), "{codes:?}");
    assert!(codes[0].ends_with("did you mean \"heart_rate\"?"), "{codes:?}");
}

#[test]
fn text_that_is_no_toml_is_named_by_place_and_not_quoted() {
    let got =
        said("[kafka]\nbootstrap = 'a:1'\n[kafka.properties]\n\"sasl.password\" = canary4711\nx = \n", &[]);
    assert!(got.len() >= 2, "{got:?}");
    assert!(got[0].starts_with("line 4, column 19: this is no TOML"), "{got:?}");
    assert!(got[1].starts_with("line 5, column "), "{got:?}");
    assert!(!got.concat().contains("canary"), "{got:?}");
}

#[test]
fn no_value_is_ever_told() {
    const CANARY: &str = "canary-4711";
    // In the place of every value, and of every section.
    fn walk(node: &Node, path: &str, out: &mut Vec<String>) {
        for (name, key) in node.keys() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(&key.node, &path, out);
            out.push(path);
        }
    }
    let mut keys = Vec::new();
    walk(root(), "", &mut keys);
    assert!(keys.len() > 150, "{}", keys.len());
    for key in keys {
        for value in
            [format!("'{CANARY}'"), format!("['{CANARY}']"), format!("{{ '{CANARY}' = '{CANARY}' }}")]
        {
            let got = read(&format!("{key} = {value}\n"), &BTreeMap::new());
            // A key that was made up is told, as keys are; values never.
            let told = got.problems.iter().filter(|p| !p.key.as_ref().is_some_and(|k| k.contains(CANARY)));
            assert!(told.into_iter().all(|p| !p.to_string().contains(CANARY)), "{key} = {value}");
        }
    }
}

#[test]
fn the_environment_overrides_and_is_held_to_the_same_keys() {
    let environment = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let got = read(
        "[kafka]\nbootstrap = 'a:1'\n[kafka.properties]\nlinger = '1'\n",
        &environment(&[
            ("BEDWATCH__KAFKA__BOOTSTRAP", "b:2"),
            ("BEDWATCH__KAFKA__GROUP", "12"),
            ("BEDWATCH__ENGINE__CELL_MILLIS", "50"),
            ("BEDWATCH__KAFKA__PROPERTIES__SASL_PASSWORD_FILE", "/run/secrets/sasl"),
            ("BEDWATCH__KAFKA__PROPERTIES__CLIENT.ID", "x"),
            ("BEDWATCH__ALERTS__NEWS2_POINTS", "[4, 6]"),
            ("BEDWATCH_LOG", "debug"),
            ("HOME", "/root"),
        ]),
    );
    assert_eq!(got.problems, []);
    assert_eq!((got.config.kafka.bootstrap.as_str(), got.config.kafka.group.as_str()), ("b:2", "12"));
    assert_eq!(got.config.engine.cell_millis, 50);
    assert_eq!(got.config.alerts.news2_points, (4.0, 6.0));
    let names: Vec<&str> = got.config.kafka.properties.0.keys().map(String::as_str).collect();
    assert_eq!(names, ["client.id", "linger", "sasl.password_file"]);
    let problems = said(
        "",
        &[
            ("BEDWATCH__KAFKA__BOTSTRAP", "b:2"),
            ("BEDWATCH__KAFKA", "b:2"),
            ("BEDWATCH__KAFKA__BOOTSTRAP__HOST", "b"),
            ("BEDWATCH_KAFKA__BOOTSTRAP", "b:2"),
            ("BEDWATCH__NARRATOR__BACKEND", "onx"),
            ("BEDWATCH__ENGINE__CELL_MILLIS", "9"),
        ],
    );
    assert_eq!(
        problems,
        [
            "BEDWATCH_KAFKA__BOOTSTRAP: an override begins with two underscores; did you mean BEDWATCH__KAFKA__BOOTSTRAP?",
            "BEDWATCH__KAFKA: kafka is a section and no value",
            "BEDWATCH__KAFKA__BOOTSTRAP__HOST: kafka.bootstrap.host is no key of the configuration; kafka.bootstrap is a value and holds no keys",
            "BEDWATCH__KAFKA__BOTSTRAP: kafka.botstrap is no key of the configuration; did you mean BEDWATCH__KAFKA__BOOTSTRAP?",
            "BEDWATCH__NARRATOR__BACKEND: narrator.backend takes \"onnx\" or \"openai\"; did you mean \"onnx\"?",
            "BEDWATCH__ENGINE__CELL_MILLIS: engine.cell_millis must be between 10 and 5000",
        ]
    );
}
