use super::*;

/// A protobuf field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    out.extend_from_slice(bytes);
    out
}

/// The smallest ONNX file with one input `x`, one output `y`, a constant `w` listed as input too.
fn tiny_onnx(opset: u8) -> Vec<u8> {
    let mut graph = field(5, &field(8, b"w"));
    for (number, name) in [(11, b"x"), (11, b"w"), (12, b"y")] {
        graph.extend(field(number, &field(1, name)));
    }
    let mut model = vec![8, 8];
    model.extend(field(7, &graph));
    model.extend(field(8, &[1 << 3 | 2, 0, 2 << 3, opset]));
    model.extend(field(8, &[1 << 3 | 2, 1, b'z', 2 << 3, 99]));
    model
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn write(name: &str, opset: u8, change: impl FnOnce(String) -> String) -> Folder {
    let folder = std::env::temp_dir().join(format!("bedwatch-bundle-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let onnx = tiny_onnx(opset);
    fs::write(folder.join("m.onnx"), &onnx).unwrap();
    let manifest = format!(
        "format = \"bedwatch-bundle-1\"\nkind = \"encoder\"\nname = \"n\"\nversion = \"1\"\nlicence = \"Apache-2.0\"\n\
         [onnx]\nfile = \"m.onnx\"\nopset = 18\ninputs = [\"x\"]\noutputs = [\"y\"]\n\
         [[files]]\npath = \"m.onnx\"\nsha256 = \"{}\"\n",
        hash(&onnx)
    );
    fs::write(folder.join("manifest.toml"), change(manifest)).unwrap();
    Folder(folder)
}

#[test]
fn a_sound_bundle_opens() {
    let folder = write("sound", 18, |m| m);
    let bundle = Bundle::open(&folder.0).unwrap();
    assert_eq!(bundle.model(), ModelRef { name: "n".into(), version: "1".into() });
    assert!(bundle.card().contains("no model card"));
    bundle.verify().unwrap();
    assert!(matches!(bundle.file("other"), Err(Error::Unlisted(_))));
    assert!(matches!(bundle.read::<Manifest>("narrator"), Err(Error::Kind { .. })));
}

#[test]
fn each_fault_is_refused_with_its_reason() {
    type Fits = fn(&Error) -> bool;
    let cases: [(&str, u8, &str, &str, Fits); 10] = [
        ("format", 18, "bundle-1", "bundle-2", |e| matches!(e, Error::Format(_))),
        ("toml", 18, "kind", "kind kind", |e| matches!(e, Error::Toml { .. })),
        ("lacks", 18, "licence", "license", |e| matches!(e, Error::Toml { .. })),
        ("opset", 17, "", "", |e| matches!(e, Error::Opset { found: 17, wanted: 18, .. })),
        ("old", 9, "opset = 18", "opset = 9", |e| matches!(e, Error::Opset { found: 9, .. })),
        ("inputs", 18, "[\"x\"]", "[\"z\"]", |e| matches!(e, Error::Signature { what: "inputs", .. })),
        ("outputs", 18, "[\"y\"]", "[]", |e| matches!(e, Error::Signature { what: "outputs", .. })),
        ("missing", 18, "path = \"m.onnx\"", "path = \"n.onnx\"", |e| matches!(e, Error::File { .. })),
        ("escape", 18, "path = \"m.onnx\"", "path = \"../m.onnx\"", |e| matches!(e, Error::Escape(_))),
        ("absolute", 18, "path = \"m.onnx\"", "path = \"/etc/passwd\"", |e| matches!(e, Error::Escape(_))),
    ];
    for (name, opset, from, to, fits) in cases {
        let folder = write(name, opset, |m| m.replace(from, to));
        let error = Bundle::open(&folder.0).unwrap_err();
        assert!(fits(&error), "{name}: {error}");
    }
    let unlisted = write("unlisted", 18, |m| m.replace("file = \"m.onnx\"", "file = \"other.onnx\""));
    assert!(matches!(Bundle::open(&unlisted.0), Err(Error::Unlisted(_))));
    assert!(matches!(Bundle::open("/nowhere"), Err(Error::Manifest { .. })));
}

/// The file's opset of `ai.onnx.ml` and the manifest's must be the same, and supported.
#[test]
fn the_opset_of_tree_ensembles_is_vouched_for() {
    let cases: [(Option<u8>, Option<u8>, bool); 8] = [
        (None, None, true),
        (Some(3), Some(3), true),
        (Some(5), Some(5), true),
        (Some(3), None, false),
        (None, Some(3), false),
        (Some(3), Some(4), false),
        (Some(6), Some(6), false),
        (Some(0), Some(0), false),
    ];
    for (file, manifest, sound) in cases {
        let folder = write("ml", 18, |m| m);
        let mut onnx = tiny_onnx(18);
        if let Some(version) = file {
            let mut set = field(1, b"ai.onnx.ml");
            set.extend([2 << 3, version]);
            onnx.extend(field(8, &set));
        }
        fs::write(folder.0.join("m.onnx"), &onnx).unwrap();
        let path = folder.0.join("manifest.toml");
        let mut text = fs::read_to_string(&path).unwrap().replace(&hash(&tiny_onnx(18)), &hash(&onnx));
        if let Some(version) = manifest {
            text = text.replace("opset = 18", &format!("opset = 18\nml_opset = {version}"));
        }
        fs::write(&path, text).unwrap();
        match Bundle::open(&folder.0) {
            Ok(_) => assert!(sound, "{file:?} {manifest:?}"),
            Err(Error::MlOpset { found, wanted, .. }) => {
                assert!(!sound);
                assert_eq!((found, wanted), (file.map(u64::from), manifest.map(u64::from)));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_flipped_byte_is_found_also_later() {
    let folder = write("flipped", 18, |m| m);
    let bundle = Bundle::open(&folder.0).unwrap();
    let path = folder.0.join("m.onnx");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(bundle.verify(), Err(Error::Hash { .. })));
    assert!(matches!(Bundle::open(&folder.0), Err(Error::Hash { .. })));
}

#[test]
fn a_link_out_of_the_folder_is_refused() {
    let folder = write("link", 18, |m| m);
    let path = folder.0.join("m.onnx");
    let outside = std::env::temp_dir().join(format!("bedwatch-outside-{}", std::process::id()));
    fs::rename(&path, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    let result = Bundle::open(&folder.0);
    fs::remove_file(&outside).unwrap();
    assert!(matches!(result, Err(Error::Escape(_))));
}

#[test]
fn an_onnx_header_cut_anywhere_is_an_error_or_empty() {
    let whole = tiny_onnx(18);
    let want =
        onnx::Header { opset: 18, ml_opset: None, inputs: vec!["x".into()], outputs: vec!["y".into()] };
    assert_eq!(onnx::Header::read(&whole), Ok(want));
    for cut in 0..whole.len() {
        // The last field belongs to another domain: without it the header still says the same.
        if let Ok(header) = onnx::Header::read(&whole[..cut]) {
            assert_eq!((header.opset, cut), (18, whole.len() - 7));
        }
    }
}

/// The bundles in `inference/models`, where they stand.
pub(crate) fn shipped(name: &str) -> Option<Bundle> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
    if !folder.exists() {
        println!("skipped: no bundle {name}");
        return None;
    }
    Some(Bundle::open(folder).unwrap())
}

/// The tiny bundle of the tests, with a changed manifest where `change` changes it.
pub(crate) fn tiny(change: impl FnOnce(String) -> String) -> Result<Bundle, Error> {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests-data/encoder-tiny-v2");
    let text = fs::read_to_string(stored.join("manifest.toml")).unwrap();
    let changed = change(text.clone());
    if changed == text {
        return Bundle::open(stored);
    }
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("bedwatch-tiny-{}-{number}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    fs::create_dir_all(&folder.0).unwrap();
    for entry in fs::read_dir(&stored).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.0.join(path.file_name().unwrap())).unwrap();
    }
    fs::write(folder.0.join("manifest.toml"), changed).unwrap();
    // What was read is held: the folder may go.
    Bundle::open(&folder.0)
}

/// The tiny bundle with one listed file replaced, its hash right.
pub(crate) fn tiny_with(file: &str, bytes: &[u8]) -> Bundle {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests-data/encoder-tiny-v2");
    let mut bundle = Bundle::open(stored).unwrap();
    assert!(bundle.files.insert(file.to_owned(), bytes.to_vec()).is_some(), "{file} is listed");
    bundle
}

#[test]
fn the_shipped_bundles_verify() {
    for name in ["encoder-hourly-v2", "narrator-v2"] {
        if let Some(bundle) = shipped(name) {
            assert_eq!(bundle.manifest().name, name);
            assert!(bundle.card().starts_with('#'));
        }
    }
}
